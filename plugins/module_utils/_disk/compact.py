# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk's bytes as a compact qcow2 file, from its first byte to its last, so that it can be hashed while it is made.

All metadata come first: header, reference counts, tables; then the clusters that hold anything, in order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.golden.libvirt.plugins.module_utils._disk.pieces import CLUSTER, Piece

BITS = 16
PER_TABLE = CLUSTER // 8
PER_COUNTS = CLUSTER // 2  # reference counts have 16 bits
COPIED = 1 << 63
HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
READ = 1024 * 1024  # what is read, hashed and written then is in the processor's cache all the time


@dataclass(frozen=True)
class Run:
    """*count* clusters of the disk, from number *first* on, that hold data."""

    first: int
    count: int


def runs_of(pieces: Sequence[Piece]) -> list[Run]:
    """The clusters that *pieces* (in order) touch."""
    found: list[Run] = []
    for piece in pieces:
        first, end = piece.start // CLUSTER, -(-piece.end // CLUSTER)
        last = found[-1] if found else Run(0, 0)
        if found and first <= last.first + last.count:
            found[-1] = Run(last.first, max(last.first + last.count, end) - last.first)
        else:
            found.append(Run(first, end - first))
    return found


class Layout:
    """Where what is in the file that holds *runs* of a disk of *capacity* bytes; all numbers are of clusters."""

    def __init__(self, capacity: int, runs: Sequence[Run]) -> None:
        self.capacity = capacity
        self.runs = runs
        self.entries = max(1, -(-capacity // (CLUSTER * PER_TABLE)))
        self.tables = sorted({table for run in runs for table in tables_of(run)})
        self.first_level = -(-self.entries // PER_TABLE)
        self.data = sum(run.count for run in runs)
        rest = 1 + self.first_level + len(self.tables) + self.data
        self.counts = self.index = 1
        while self.counts * PER_COUNTS < rest + self.counts + self.index:
            self.counts += 1
            self.index = -(-self.counts // PER_TABLE)
        self.clusters = rest + self.counts + self.index

    @property
    def size(self) -> int:
        """The file's length in bytes."""
        return self.clusters * CLUSTER

    @property
    def table_at(self) -> int:
        return 1 + self.index + self.counts

    @property
    def data_at(self) -> int:
        return self.table_at + self.first_level + len(self.tables)

    def metadata(self) -> Iterator[bytes]:
        """All that comes before the data."""
        yield self.header()
        yield numbers(((1 + self.index + count) * CLUSTER for count in range(self.counts)), self.index)
        for count in range(self.counts):
            used = min(PER_COUNTS, self.clusters - count * PER_COUNTS)
            yield (b"\0\1" * used).ljust(CLUSTER, b"\0")
        places = {table: self.table_at + self.first_level + place for place, table in enumerate(self.tables)}
        entries = (places[of] * CLUSTER | COPIED if of in places else 0 for of in range(self.entries))
        yield numbers(entries, self.first_level)
        yield from self.second_level()

    def header(self) -> bytes:
        return HEADER.pack(
            b"QFI\xfb", 3, 0, 0, BITS, self.capacity, 0, self.entries, self.table_at * CLUSTER,
            CLUSTER, self.index, 0, 0, 0, 0, 0, 4, HEADER.size,
        ).ljust(CLUSTER, b"\0")  # fmt: skip

    def second_level(self) -> Iterator[bytes]:
        """The tables that say where each cluster is: one after the other, from the beginning of the data on."""
        place, table = self.data_at, -1
        entries = [0] * PER_TABLE
        for run in self.runs:
            for cluster in range(run.first, run.first + run.count):
                if cluster // PER_TABLE != table:
                    if table >= 0:
                        yield numbers(entries, 1)
                    table, entries = cluster // PER_TABLE, [0] * PER_TABLE
                entries[cluster % PER_TABLE] = place * CLUSTER | COPIED
                place += 1
        if table >= 0:
            yield numbers(entries, 1)


def tables_of(run: Run) -> range:
    return range(run.first // PER_TABLE, (run.first + run.count - 1) // PER_TABLE + 1)


def numbers(values: Sequence[int] | Iterator[int], clusters: int) -> bytes:
    found = list(values)
    return struct.pack(f">{len(found)}Q", *found).ljust(clusters * CLUSTER, b"\0")


def content(pieces: Sequence[Piece], runs: Sequence[Run]) -> Iterator[bytes]:
    """The bytes of the clusters in *runs*, which *pieces* are; zeros where there is no piece."""
    waiting = iter(pieces)
    piece = next(waiting, None)
    for run in runs:
        position, end = run.first * CLUSTER, (run.first + run.count) * CLUSTER
        while position < end:
            while piece and piece.end <= position:
                piece = next(waiting, None)
            if piece is None or piece.start > position or piece.file is None:
                stop = end if piece is None else min(end, piece.start if piece.start > position else piece.end)
                yield bytes(stop - position)
            else:
                stop = min(end, piece.end, position + READ)
                part = piece.part(position, stop)
                yield piece.file.read(part.offset, part.length).ljust(part.length, b"\0")
            position = stop


def in_blocks(stream: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes, small pieces put together."""
    waiting: list[bytes] = []
    length = 0
    for block in stream:
        waiting.append(block)
        length += len(block)
        if length >= READ // 2:
            yield b"".join(waiting) if len(waiting) > 1 else block
            waiting, length = [], 0
    if waiting:
        yield b"".join(waiting)


def image(capacity: int, pieces: Sequence[Piece]) -> tuple[Layout, Iterator[bytes]]:
    """The layout and the bytes of a qcow2 file that holds *pieces* of a disk of *capacity* bytes."""
    there = [piece for piece in pieces if piece.file is not None and piece.length]
    runs = runs_of(there)
    layout = Layout(capacity, runs)

    def stream() -> Iterator[bytes]:
        yield from layout.metadata()
        yield from content(there, runs)

    return layout, in_blocks(stream())
