# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the bytes of a disk are in a qcow2 file, now or in one of its internal snapshots.

The format is described in docs/interop/qcow2.txt of QEMU. Only metadata is read.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.golden.libvirt.plugins.module_utils._disk.pieces import File, Piece

HEADER = struct.Struct(">4sIQIIQIIQQIIQ")
FEATURES = struct.Struct(">Q")
SNAPSHOT = struct.Struct(">QIHHIIQII")
DIRTY, COMPRESSION_TYPE = 1 << 0, 1 << 3
COMPRESSED, ZERO = 1 << 62, 1 << 0
OFFSET = 0x00FFFFFFFFFFFE00


class Unreadable(Exception):
    """The file has something that is not read here: compressed clusters, encryption, data in another file."""


@dataclass(frozen=True)
class Table:
    """A first-level table: *capacity* of the disk in bytes, *entries* of it at *offset*. A snapshot's tells when that
    was *taken* (seconds since the epoch, nanoseconds)."""

    capacity: int
    offset: int
    entries: int
    taken: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Image:
    """A qcow2 file: its present table, those of its internal *snapshots* by name, its *backing* file, and the
    *names* of the snapshots as they are listed, of which two may be the same."""

    file: File
    cluster_bits: int
    now: Table
    snapshots: dict[str, Table]
    zeros: int
    backing: str | None = None
    names: tuple[str, ...] = ()

    def pieces(self, snapshot: str | None = None) -> list[Piece]:
        """The clusters that the file has, in order; those that are its backing file's are left out."""
        return list(joined(self.clusters(self.table(snapshot))))

    @property
    def bare(self) -> bool:
        """Whether it holds no bytes of its own, and no internal snapshot."""
        return not self.snapshots and next(self.clusters(self.now), None) is None

    def table(self, snapshot: str | None) -> Table:
        if snapshot is None:
            return self.now
        if snapshot not in self.snapshots:
            raise Unreadable(f"it has no internal snapshot {snapshot}")
        if self.names.count(snapshot) > 1:
            raise Unreadable(f"it has more than one internal snapshot {snapshot}")
        return self.snapshots[snapshot]

    def clusters(self, table: Table) -> Iterator[Piece]:
        size = 1 << self.cluster_bits
        per_table = size // 8
        for number, first in enumerate(self.numbers(table.offset, table.entries)):
            start = number * per_table * size
            if start >= table.capacity:
                break  # the memory of an internal snapshot lies behind the disk's bytes
            if first & OFFSET:
                yield from self.second_level(first & OFFSET, start, table.capacity)

    def second_level(self, offset: int, start: int, capacity: int) -> Iterator[Piece]:
        size = 1 << self.cluster_bits
        for place, entry in zip(range(start, capacity, size), self.numbers(offset, size // 8)):
            if not entry:
                continue
            if entry & COMPRESSED:
                raise Unreadable("it has compressed clusters")
            length = min(size, capacity - place)
            if entry & self.zeros:
                yield Piece(place, length)
            elif entry & OFFSET:
                yield Piece(place, length, self.file, entry & OFFSET)

    def numbers(self, offset: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f">{count}Q", exactly(self.file, offset, count * 8))


def joined(clusters: Iterator[Piece]) -> Iterator[Piece]:
    """Pieces that go on where the last one ended become one with it."""
    last: Piece | None = None
    for piece in clusters:
        if last and goes_on(last, piece):
            last = Piece(last.start, last.length + piece.length, last.file, last.offset)
            continue
        if last:
            yield last
        last = piece
    if last:
        yield last


def goes_on(last: Piece, piece: Piece) -> bool:
    apart = last.file is not piece.file or last.end != piece.start
    return not apart and (piece.file is None or last.offset + last.length == piece.offset)


def exactly(file: File, offset: int, length: int) -> bytes:
    found = file.read(offset, length)
    if len(found) != length:
        raise Unreadable("it ends too early")
    return found


def read(file: File) -> Image:
    """The image in *file*; Unreadable where it is none, or has what is not read here."""
    raw = exactly(file, 0, HEADER.size)
    magic, version, backing, length, bits, capacity, crypt, entries, table, _refs, _refs_length, count, snapshots = (
        HEADER.unpack(raw)
    )
    if magic != b"QFI\xfb" or version not in (2, 3) or not 9 <= bits <= 21:
        raise Unreadable("it is no qcow2 file")
    features = FEATURES.unpack(exactly(file, HEADER.size, FEATURES.size))[0] if version == 3 else 0
    if crypt or features & ~(DIRTY | COMPRESSION_TYPE):
        raise Unreadable("it is encrypted, damaged, or uses features that are not read here")
    tables = list(snapshot_tables(file, snapshots, count, capacity))
    return Image(
        file=file,
        cluster_bits=bits,
        now=Table(capacity, table, entries),
        snapshots=dict(tables),
        zeros=ZERO if version == 3 else 0,
        backing=os.fsdecode(exactly(file, backing, length)) if backing else None,
        names=tuple(name for name, _table in tables),
    )


def snapshot_tables(file: File, offset: int, count: int, capacity: int) -> Iterator[tuple[str, Table]]:
    for _snapshot in range(count):
        table, entries, id_length, name_length, seconds, nanoseconds, _clock, _state, extra_length = SNAPSHOT.unpack(
            exactly(file, offset, SNAPSHOT.size)
        )
        offset += SNAPSHOT.size
        extra = exactly(file, offset, extra_length)
        name = exactly(file, offset + extra_length + id_length, name_length)
        size = struct.unpack(">Q", extra[8:16])[0] if extra_length >= 16 else capacity
        yield name.decode(errors="replace"), Table(size, table, entries, (seconds, nanoseconds))
        offset += -(-(extra_length + id_length + name_length) // 8) * 8
