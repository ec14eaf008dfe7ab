# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes on their way to and from volumes: libvirt's streams, files of this machine, digests taken in passing."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Callable, TypeVar

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt

BLOCK = 4 * 1024 * 1024
# Blocks that may wait to be digested.
AHEAD = 8
# Bytes that are written before the disk is told to begin with them.
BEGIN = 8 * 1024 * 1024
BUSY_SECONDS = 600
BUSY_STEP = 0.1
Result = TypeVar("Result")


def received(hypervisor: Hypervisor, handle: libvirt.virStorageVol, offset: int, length: int) -> Iterator[bytes]:
    """The bytes of a volume from *offset* on, *length* of them or (0) all, through a stream."""
    stream = hypervisor.conn.newStream(0)
    try:
        patiently(lambda: handle.download(stream, offset, length, 0))
        while block := stream.recv(BLOCK):
            yield block
        stream.finish()
    except BaseException:
        stream.abort()
        raise


def send(hypervisor: Hypervisor, handle: libvirt.virStorageVol, blocks: Iterable[bytes], length: int) -> None:
    """Write *blocks*, which have *length* bytes, at the start of a volume through a stream."""
    stream = hypervisor.conn.newStream(0)
    try:
        patiently(lambda: handle.upload(stream, 0, length, 0))
        for block in blocks:
            send_all(stream, block)
        stream.finish()
    except BaseException:
        stream.abort()
        raise


class Digest:
    """A SHA-256 taken on a thread of its own, of blocks on their way to somewhere else."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.aside = ThreadPoolExecutor(max_workers=1)

    def __enter__(self) -> Digest:
        return self

    def __exit__(self, *_error: object) -> None:
        self.aside.shutdown()

    def passing(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The same blocks, digested while the next ones are read and written."""
        waiting: deque[Future[None]] = deque()
        for block in blocks:
            if len(waiting) == AHEAD:
                waiting.popleft().result()
            waiting.append(self.aside.submit(self.digest.update, block))
            yield block

    def hexdigest(self) -> str:
        self.aside.shutdown()
        return self.digest.hexdigest()


@contextmanager
def file_errors(doing: str, *others: type[OSError]) -> Iterator[None]:
    """Say what was being done to a file of this machine when the system refused; *others* are the caller's."""
    try:
        yield
    except others:
        raise
    except OSError as err:
        full = err.errno == errno.ENOSPC
        raise GoldenError(
            doing,
            err.strerror or str(err),
            "Free space in the pool and run this again." if full else "Check the file and its file system.",
        ) from err


def write_durably(descriptor: int, blocks: Iterable[bytes]) -> None:
    """Write *blocks* down to the disk, which begins while they come: it would be idle, and then all there is to do.

    Linux begins to write what is dirty in a range that it is told to be needed no more (mm/fadvise.c), and keeps it.
    """
    begun = written = 0
    for block in blocks:
        write_all(descriptor, block)
        written += len(block)
        if written - begun >= BEGIN:
            os.posix_fadvise(descriptor, begun, written - begun, os.POSIX_FADV_DONTNEED)
            begun = written
    os.fsync(descriptor)


def write_all(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]


def send_all(stream: libvirt.virStream, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[stream.send(bytes(view)) :]


def patiently(call: Callable[[], Result]) -> Result:
    """The result of *call*, made again while libvirt says that a volume is busy."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return call()
        except libvirt.libvirtError as err:
            if not busy(err) or time.monotonic() > end:
                raise
        time.sleep(BUSY_STEP)


def busy(err: libvirt.libvirtError) -> bool:
    """Whether libvirt says that a volume is being built or read: [55] of the volume, [1] of its pool."""
    message = err.get_error_message()
    return any(said in message for said in ("still being allocated", "asynchronous jobs running", "is still in use"))
