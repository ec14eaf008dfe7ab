# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the bytes of disks out of the files that they consist of: straight on this machine, else through libvirt."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ansible_collections.golden.libvirt.plugins.module_utils._disk import pieces as disk
from ansible_collections.golden.libvirt.plugins.module_utils._disk import qcow2
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import files
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor, asking
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.streams import received
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt
from ansible_collections.golden.libvirt.plugins.module_utils._model import Volume


class LocalFile:
    """A file or block device of this machine."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.lseek(self.descriptor, 0, os.SEEK_END)

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self.descriptor, length, offset)

    def announce(self, offset: int, length: int) -> None:
        os.posix_fadvise(self.descriptor, offset, length, os.POSIX_FADV_WILLNEED)

    def data(self) -> Iterator[tuple[int, int]]:
        position = 0
        while position < self.size:
            try:
                start = os.lseek(self.descriptor, position, os.SEEK_DATA)
                position = os.lseek(self.descriptor, start, os.SEEK_HOLE)
            except OSError as err:
                if err.errno == errno.ENXIO:  # nothing but a hole follows
                    return
                start, position = position, self.size  # a device or file system that knows no holes
            yield start, position - start

    def close(self) -> None:
        os.close(self.descriptor)


class FarFile:
    """A volume of another machine, read through libvirt's streams."""

    def __init__(self, hypervisor: Hypervisor, volume: Volume) -> None:
        self.hypervisor = hypervisor
        self.path = volume.path
        self.size = volume.size
        self.handle: libvirt.virStorageVol = files.handle_at(hypervisor, volume.path)

    def read(self, offset: int, length: int) -> bytes:
        with asking(f"reading {self.path}"):
            length = min(length, self.size - offset)
            return b"".join(received(self.hypervisor, self.handle, offset, length)) if length > 0 else b""

    def announce(self, offset: int, length: int) -> None:
        pass

    def data(self) -> Iterator[tuple[int, int]]:
        yield 0, self.size

    def close(self) -> None:
        pass


@contextmanager
def opened(hypervisor: Hypervisor, volume: Volume) -> Iterator[disk.File]:
    """The volume's file, to be read."""
    file = LocalFile(volume.path) if hypervisor.local else FarFile(hypervisor, volume)
    try:
        yield file
    finally:
        file.close()


def snapshot_in(hypervisor: Hypervisor, path: str, name: str) -> qcow2.Table:
    """What the file at *path* says of its internal snapshot: how large the disk was, and when it was taken.

    Refused where it cannot be read.
    """
    try:
        with opened(hypervisor, files.volume_at(hypervisor, path)) as file:
            return qcow2.read(file).table(name)
    except (qcow2.Unreadable, OSError) as err:
        advice = "Run this on the hypervisor, as root." if isinstance(err, OSError) else "Check the file."
        raise Refused(f"reading snapshot {name} in {path}", str(err), advice) from err


@contextmanager
def disk_pieces(hypervisor: Hypervisor, chain: list[Volume], snapshot: str | None = None) -> Iterator[list[disk.Piece]]:
    """Where the bytes are of the disk that *chain* is (the top first), or was in its internal *snapshot*.

    Raises qcow2.Unreadable where that cannot be told. What lies on this machine is looked into for zeros.
    """
    with ExitStack() as open_files:
        found: list[disk.Piece] = []
        for volume in reversed(chain):
            file = open_files.enter_context(opened(hypervisor, volume))
            found = over(found, file, volume, snapshot if volume is chain[0] else None)
        yield disk.filled(found) if hypervisor.local else found


def over(below: list[disk.Piece], file: disk.File, volume: Volume, snapshot: str | None) -> list[disk.Piece]:
    """The pieces once *volume* is laid over *below*."""
    if volume.format == "raw" and snapshot is None:
        return disk.of_raw(file)
    if volume.format != "qcow2":
        raise qcow2.Unreadable(f"{volume.path} has format {volume.format}")
    image = qcow2.read(file)
    return disk.within(disk.laid_over(image.pieces(snapshot), below), image.table(snapshot).capacity)
