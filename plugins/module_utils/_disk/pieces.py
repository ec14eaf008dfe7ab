# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a disk's bytes are in the files that it consists of. Pure: offsets in, offsets out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

CLUSTER = 65536
BLANK = bytes(CLUSTER)
PEEK = 4096
# Clusters that are looked into at a time.
PEEKS = 1024


class File(Protocol):
    """A file of *size* bytes that can be read at any place."""

    @property
    def size(self) -> int:
        """Its length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Its bytes there; fewer where it ends before."""

    def announce(self, offset: int, length: int) -> None:
        """Begin to fetch bytes that will be read."""

    def data(self) -> Iterable[tuple[int, int]]:
        """Offset and length of what is not a hole, in order, as far as that can be told."""


@dataclass(frozen=True)
class Piece:
    """*length* bytes of the disk, from *start* on: at *offset* of *file*, or zeros where there is no file."""

    start: int
    length: int
    file: File | None = None
    offset: int = 0

    @property
    def end(self) -> int:
        return self.start + self.length

    def part(self, start: int, end: int) -> Piece:
        """What of it lies between *start* and *end*."""
        first, last = max(self.start, start), min(self.end, end)
        return Piece(first, last - first, self.file, self.offset + first - self.start)


def of_raw(file: File) -> list[Piece]:
    """The pieces of a raw disk; its holes are left out."""
    return [Piece(start, length, file, start) for start, length in file.data()]


def within(pieces: Iterable[Piece], capacity: int) -> list[Piece]:
    """What of *pieces* a disk of *capacity* bytes has room for."""
    return [piece.part(0, capacity) for piece in pieces if piece.start < capacity]


def laid_over(top: Sequence[Piece], below: Sequence[Piece]) -> list[Piece]:
    """The pieces of an overlay: its own and, between them, those of the file that it is laid over."""
    found: list[Piece] = []
    position = index = 0
    for piece in [*top, None]:
        end = piece.start if piece else (below[-1].end if below else 0)
        while index < len(below) and below[index].start < end:
            if below[index].end > position:
                found.append(below[index].part(position, end))
            if below[index].end > end:
                break
            index += 1
        if piece:
            found.append(piece)
            position = piece.end
    return found


def filled(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces that hold anything but zeros, looking into them cluster by cluster."""
    return [part for piece in pieces for part in parts_with_data(piece)]


def parts_with_data(piece: Piece) -> Iterator[Piece]:
    """The runs of a piece's clusters, the first and the last perhaps not whole, that are not all zero."""
    file, shift = piece.file, piece.offset - piece.start
    if file is None:
        return
    begun: int | None = None
    for start in cluster_starts(piece):
        if (start // CLUSTER) % PEEKS == 0 or start == piece.start:
            announce(file, start + shift, piece.end + shift)
        if blank(file, start + shift, min(CLUSTER - start % CLUSTER, piece.end - start)):
            if begun is not None:
                yield piece.part(begun, start)
            begun = None
        elif begun is None:
            begun = start
    if begun is not None:
        yield piece.part(begun, piece.end)


def cluster_starts(piece: Piece) -> Iterator[int]:
    """Where a piece and each further cluster in it begin."""
    yield piece.start
    yield from range((piece.start // CLUSTER + 1) * CLUSTER, piece.end, CLUSTER)


def announce(file: File, offset: int, end: int) -> None:
    """Say that the beginnings of the next clusters from *offset* on will be read: all at once is quicker."""
    for place in range(offset, min(end, offset + PEEKS * CLUSTER), CLUSTER):
        file.announce(place, PEEK)


def blank(file: File, offset: int, length: int) -> bool:
    """Whether there are only zeros; looks at the beginning first."""
    for step in (min(PEEK, length), length):
        found = file.read(offset, step)
        if not BLANK.startswith(found):
            return False
    return True
