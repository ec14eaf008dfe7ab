# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON documents that check themselves, in volumes of a fixed size.

A document is one JSON object {"golden": kind, "schema": 1, "length": …, "sha256": …, "content": {…}}, padded with
blanks. Length (bytes) and digest are of the content as `jq -cS .content` prints it, so that a torn or foreign one is
told from a whole one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError

SCHEMA = 1
# Volumes are made in whole blocks, with room for a document that grows between planning and writing.
BLOCK = 4096


def canonical(content: Mapping[str, Any]) -> str:
    """The one spelling of *content* that digests are taken of."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def document(kind: str, content: Mapping[str, Any]) -> bytes:
    """The bytes of a document."""
    text = canonical(content)
    head = {"golden": kind, "schema": SCHEMA, "length": len(text.encode()), "sha256": digest_of(content)}
    return f'{json.dumps(head)[:-1]}, "content": {text}}}\n'.encode()


def room_for(length: int) -> int:
    """The size of a volume that holds *length* bytes and a little more."""
    return (length // BLOCK + 2) * BLOCK


def padded(data: bytes, size: int) -> bytes:
    if len(data) > size:
        raise GoldenError("writing a document", f"{len(data)} bytes do not fit into {size}", "Report this as a bug.")
    return data + b" " * (size - len(data))


def content_of(kind: str, raw: bytes) -> dict[str, Any] | None:
    """What the document in *raw* says; None where it is not a whole document of that *kind*.

    Raises GoldenError where a newer golden.libvirt wrote it.
    """
    try:
        found = json.loads(raw.rstrip(b"\0 \n").decode())
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("golden") != kind:
        return None
    content = found.get("content")
    if not isinstance(found.get("schema"), int) or found["schema"] > SCHEMA:
        raise GoldenError(
            f"reading the {kind} {named(content)}".rstrip(),
            f"it has schema {found.get('schema')!r}, this golden.libvirt knows schema {SCHEMA}",
            "Update the collection golden.libvirt.",
        )
    return content if isinstance(content, dict) and whole(found, content) else None


@contextmanager
def reading(document_named: str) -> Iterator[None]:
    """What is wrong with the content of a whole document is told as such. It counts as there: somebody meant it."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as err:
        raise GoldenError(
            f"reading the {document_named}",
            f"it is whole, but not as this golden.libvirt writes one ({type(err).__name__}: {err})",
            "Update the collection golden.libvirt; or see who wrote it, and move it out of the pool.",
        ) from err


def named(content: object) -> str:
    """Which one it is, as far as a document of an unknown schema tells."""
    said = content if isinstance(content, dict) else {}
    return " ".join(str(said[key]) for key in ("image", "version", "serial") if key in said)


def whole(found: Mapping[str, Any], content: Mapping[str, Any]) -> bool:
    """Whether the length and digest that a document gives are its content's."""
    try:
        text = canonical(content).encode()
    except ValueError:
        return False
    return found.get("length") == len(text) and found.get("sha256") == hashlib.sha256(text).hexdigest()
