# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks as pieces of files, and the qcow2 file that is made of them. What QEMU says of it: tests/integration."""

from __future__ import annotations

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._disk import compact, pieces, qcow2
from hypothesis import given, settings
from hypothesis import strategies as st

CLUSTER = pieces.CLUSTER
SECTORS = 4 * CLUSTER // 512


class Memory:
    """A file in memory; *holes* are ranges that are not there."""

    def __init__(self, content: bytes, there: list[tuple[int, int]] | None = None) -> None:
        self.content = content
        self.size = len(content)
        self.there = [(0, self.size)] if there is None else there

    def read(self, offset: int, length: int) -> bytes:
        return self.content[offset : offset + length]

    def announce(self, offset: int, length: int) -> None:
        assert 0 <= offset < self.size

    def data(self) -> list[tuple[int, int]]:
        return self.there


def bytes_of(found: list[pieces.Piece], capacity: int) -> bytes:
    """What a guest reads."""
    disk = bytearray(capacity)
    for piece in found:
        if piece.file:
            disk[piece.start : piece.end] = piece.file.read(piece.offset, piece.length).ljust(piece.length, b"\0")
    return bytes(disk)


def made(capacity: int, found: list[pieces.Piece]) -> Memory:
    """The qcow2 file of these pieces."""
    layout, blocks = compact.image(capacity, found)
    content = b"".join(blocks)
    assert len(content) == layout.size
    return Memory(content)


@st.composite
def layers(draw: st.DrawFn) -> list[pieces.Piece]:
    """One file's pieces, in order, of whole sectors: data here, zeros there, nothing elsewhere."""
    marks = sorted(draw(st.sets(st.integers(0, SECTORS), max_size=8)))
    found = []
    for start, end in zip(marks, marks[1:]):
        kind = draw(st.sampled_from(["data", "blank", "zeros", "nothing"]))
        length = (end - start) * 512
        content = bytes([draw(st.integers(1, 255))]) if kind == "data" else b"\0"
        file = Memory(content * length)
        if kind != "nothing":
            found.append(pieces.Piece(start * 512, length, file if kind != "zeros" else None))
    return found


@settings(max_examples=80, deadline=None)
@given(st.lists(layers(), min_size=1, max_size=3))
def test_a_chain_becomes_one_file_with_the_same_bytes(chain):
    capacity = SECTORS * 512
    disk, found = bytearray(capacity), []
    for layer in chain:
        for piece in layer:
            disk[piece.start : piece.end] = bytes_of([pieces.Piece(0, piece.length, piece.file)], piece.length)
        found = pieces.laid_over(layer, found)
    assert all(one.end <= other.start for one, other in zip(found, found[1:]))
    assert bytes_of(found, capacity) == bytes(disk)
    file = made(capacity, pieces.filled(found))
    assert bytes_of(qcow2.read(file).pieces(), capacity) == bytes(disk)
    held = sum(any(disk[start : start + CLUSTER]) for start in range(0, capacity, CLUSTER))
    assert file.size == (4 + bool(held) + held) * CLUSTER


def test_an_overlay_that_is_larger_or_smaller_than_its_base():
    base = [pieces.Piece(0, 3 * CLUSTER, Memory(b"b" * 3 * CLUSTER))]
    top = [pieces.Piece(CLUSTER, CLUSTER, Memory(b"t" * CLUSTER))]
    small = pieces.within(pieces.laid_over(top, base), 2 * CLUSTER)
    assert bytes_of(small, 2 * CLUSTER) == b"b" * CLUSTER + b"t" * CLUSTER
    large = pieces.within(pieces.laid_over(top, base), 5 * CLUSTER)
    assert bytes_of(large, 5 * CLUSTER)[2 * CLUSTER :] == b"b" * CLUSTER + bytes(2 * CLUSTER)


@pytest.mark.parametrize("capacity", [512, CLUSTER - 512, 7 * CLUSTER + 1024])
def test_a_disk_need_not_end_with_a_cluster(capacity):
    file = made(capacity, [pieces.Piece(0, capacity, Memory(b"x" * capacity))])
    image = qcow2.read(file)
    assert image.now.capacity == capacity
    assert bytes_of(image.pieces(), capacity) == b"x" * capacity


@pytest.mark.parametrize("clusters", [0, 1, 32700, 32768, 70000])
def test_the_counts_have_room_for_all_clusters(clusters):
    layout = compact.Layout(1 << 40, [compact.Run(5, clusters)] if clusters else [])
    assert layout.counts * compact.PER_COUNTS >= layout.clusters
    assert layout.clusters == layout.data_at + clusters
    assert sum(len(block) for block in layout.metadata()) == layout.data_at * CLUSTER


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({0: b"QFI\xfa"}, "no qcow2 file"),
        ({4: b"\0\0\0\x04"}, "no qcow2 file"),
        ({32: b"\0\0\0\x01"}, "encrypted"),
        ({72: b"\0\0\0\0\0\0\0\x02"}, "damaged"),
        ({72: b"\0\0\0\0\0\0\0\x10"}, "features"),
        ({3 * CLUSTER: b"\0\0\0\0\xff\xff\0\0"}, "too early"),
        ({4 * CLUSTER: b"\x40"}, "compressed"),
    ],
)
def test_what_is_not_understood_is_said(patch, said):
    content = bytearray(made(CLUSTER, [pieces.Piece(0, CLUSTER, Memory(b"x" * CLUSTER))]).content)
    for offset, new in patch.items():
        content[offset : offset + len(new)] = new
    with pytest.raises(qcow2.Unreadable, match=said):
        qcow2.read(Memory(bytes(content))).pieces()
