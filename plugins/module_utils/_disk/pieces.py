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


class File(Protocol):
    """A file of *size* bytes that can be read at any place."""

    @property
    def size(self) -> int:
        """Its length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Its bytes there; fewer where it ends before."""

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
    found: list[Piece] = []
    for piece in pieces:
        for part in parts_with_data(piece):
            last = found[-1] if found else None
            if last and last.file is part.file and last.end == part.start and last.offset + last.length == part.offset:
                found[-1] = Piece(last.start, last.length + part.length, last.file, last.offset)
            else:
                found.append(part)
    return found


def parts_with_data(piece: Piece) -> Iterator[Piece]:
    """The clusters of a piece, the first and the last perhaps not whole, that are not all zero."""
    start = piece.start
    while piece.file and start < piece.end:
        end = min(piece.end, (start // CLUSTER + 1) * CLUSTER)
        part = piece.part(start, end)
        if not blank(piece.file, part.offset, part.length):
            yield part
        start = end


def blank(file: File, offset: int, length: int) -> bool:
    """Whether there are only zeros; looks at the beginning first."""
    for step in (min(PEEK, length), length):
        found = file.read(offset, step)
        if not BLANK.startswith(found):
            return False
    return True
