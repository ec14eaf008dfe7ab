# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ISO 9660 image with Joliet names: a few files in one directory. Hypervisors need no tool for it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable

SECTOR = 2048
# Where things are, in sectors. Two trees of one directory each: plain names, then Joliet's.
PLAIN, JOLIET, END, TABLES, DIRECTORIES, DATA = 16, 17, 18, 19, 23, 25
# 1 January 1980: the image of the same content is the same, whenever made.
DATE = bytes((80, 1, 1, 0, 0, 0, 0))
NO_DATE = b"0" * 16 + b"\0"
DIRECTORY = 2


@dataclass(frozen=True)
class Tree:
    """One of the two ways in: *kind* and *escape* are its descriptor's, *encode* writes its texts."""

    sector: int
    kind: int
    escape: bytes
    encode: Callable[[str], bytes]
    name: Callable[[str], bytes]
    blank: bytes


def plain_name(name: str) -> bytes:
    # Linux shows such a name in lower case and without what is behind the dot.
    return f"{name.upper()}.;1".encode("ascii")


def joliet_name(name: str) -> bytes:
    return name.encode("utf-16-be")


TREES = (
    Tree(PLAIN, 1, b"", lambda text: text.encode("ascii"), plain_name, b" "),
    Tree(JOLIET, 2, b"%/E", joliet_name, joliet_name, b"\0 "),
)


def image(files: Mapping[str, bytes], label: str) -> bytes:
    """The image that holds *files* ({name: content}, a few) and has the volume label *label*."""
    extents: dict[str, int] = {}
    contents: list[bytes] = []
    at = DATA
    for name, content in sorted(files.items()):
        extents[name] = at
        contents.append(padded(content))
        at += len(contents[-1]) // SECTOR
    sectors = [bytes(SECTOR)] * PLAIN
    sectors += [descriptor(tree, label, at) for tree in TREES]
    sectors.append(padded(b"\xffCD001\x01"))
    for number in range(len(TREES)):
        sectors += [padded(path_table(DIRECTORIES + number, order)) for order in "<>"]
    for number, tree in enumerate(TREES):
        sectors.append(directory(tree, DIRECTORIES + number, files, extents))
    return b"".join(sectors + contents)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % SECTOR)


def both(number: int, form: str = "I") -> bytes:
    """A number in both byte orders."""
    return struct.pack(f"<{form}", number) + struct.pack(f">{form}", number)


def descriptor(tree: Tree, label: str, total: int) -> bytes:
    """The volume descriptor of a tree; *total* is the image's length in sectors."""
    number = tree.sector - PLAIN
    table = TABLES + 2 * number

    def text(content: str, length: int) -> bytes:
        blanks = tree.blank * length
        return (tree.encode(content) + blanks)[: length - length % len(tree.blank)].ljust(length, b"\0")

    return padded(
        bytes((tree.kind,)) + b"CD001\x01\0" + text("", 32) + text(label, 32) + bytes(8)
        + both(total) + tree.escape.ljust(32, b"\0") + both(1, "H") + both(1, "H") + both(SECTOR, "H")
        + both(len(path_table(0, "<")))
        + struct.pack("<II", table, 0) + struct.pack(">II", table + 1, 0)
        + record(b"\0", DIRECTORIES + number, SECTOR, DIRECTORY)
        + text("", 128) * 4 + text("", 37) * 3 + NO_DATE * 4 + b"\x01"
    )  # fmt: skip


def path_table(root: int, order: str) -> bytes:
    """The table of directories: the root alone."""
    return struct.pack(f"{order}BBIHBB", 1, 0, root, 1, 0, 0)


def directory(tree: Tree, own: int, files: Mapping[str, bytes], extents: Mapping[str, int]) -> bytes:
    entries = [record(b"\0", own, SECTOR, DIRECTORY), record(b"\1", own, SECTOR, DIRECTORY)]
    entries += [record(tree.name(name), extents[name], len(files[name])) for name in sorted(files)]
    return padded(b"".join(entries))


def record(name: bytes, extent: int, size: int, flags: int = 0) -> bytes:
    """One entry of a directory."""
    body = b"\0" + both(extent) + both(size) + DATE + bytes((flags, 0, 0)) + both(1, "H") + bytes((len(name),)) + name
    body += bytes((len(body) + 1) % 2)
    return bytes((len(body) + 1,)) + body
