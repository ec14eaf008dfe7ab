# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage pools and volumes: listing, reading, making, copying, hashing, deleting."""

from __future__ import annotations

import hashlib
import os
import posixpath
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Callable

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import AlreadyThere, GoldenError, NotFound, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import protection
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor, asking
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.streams import (
    BLOCK,
    BUSY_SECONDS,
    BUSY_STEP,
    Digest,
    busy,
    file_errors,
    patiently,
    received,
    send,
    write_durably,
)
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt
from ansible_collections.golden.libvirt.plugins.module_utils._model import Volume
from ansible_collections.golden.libvirt.plugins.module_utils._xml import volume as volume_xml

# A loser of an exclusive creation gets one of these (libvirt 9.0 to 12.8, two daemons on one directory included).
TAKEN = (1, 38, 55, 90)
# Pool types whose volumes are the files of a directory.
DIRECTORIES = ("dir", "fs", "netfs")
IMMUTABLE = (
    "It may be immutable ('lsattr {path}'): run this on the hypervisor itself, as root, or take the flag there: "
    "'chattr -i {path}'."
)


class Pool:
    """One active storage pool. Volumes are named, never listed with their XML: the cost is of what is asked for."""

    def __init__(self, hypervisor: Hypervisor, handle: libvirt.virStoragePool) -> None:
        self.hypervisor = hypervisor
        self.given = handle
        self.name: str = handle.name()
        root = volume_xml.pool_of(handle.XMLDesc(0))
        self.type = root.type
        self.path = root.path

    def needed(self) -> Pool:
        """The pool, for more than a look: set up anew where it is on the side, and another run drops it."""
        if self.name == side_name(self.path):
            self.hypervisor.sides[self.name] = self.path
        return self

    @property
    def handle(self) -> libvirt.virStoragePool:
        """libvirt's handle. A pool that was set up on the side may be another run's, which drops it when it ends."""
        if self.name in self.hypervisor.sides:
            try:
                self.given.isActive()
            except libvirt.libvirtError:
                self.given = set_up(self.hypervisor, self.path)
        return self.given

    def require_files(self) -> None:
        """Refuse a pool whose volumes are not files of a directory."""
        if self.type not in DIRECTORIES:
            raise Refused(
                f"using pool {self.name} for images",
                f"it is a pool of type {self.type}",
                f"Use one of type {', '.join(DIRECTORIES)}.",
            )

    def path_of(self, name: str) -> str:
        """Where a volume is, or would be, in a pool of files."""
        return posixpath.join(self.path, name)

    def names(self) -> list[str]:
        """The names of all volumes."""
        with asking(f"listing pool {self.name}"):
            return sorted(self.handle.listVolumes())

    def free(self) -> int:
        """How many bytes the pool has left."""
        with asking(f"reading pool {self.name}"):
            return int(self.handle.info()[3])

    def refresh(self, patience: float = BUSY_SECONDS) -> bool:
        """Make what others wrote into the pool visible, which libvirt refuses while it builds a volume there.

        Waits for that at most *patience* seconds; returns whether the pool was refreshed.
        """
        end = time.monotonic() + patience
        while True:
            try:
                self.handle.refresh(0)
                return True
            except libvirt.libvirtError as err:
                if not busy(err):
                    with asking(f"refreshing pool {self.name}"):
                        raise
            if time.monotonic() > end:
                return False
            time.sleep(BUSY_STEP)

    def fresh_names(self) -> list[str]:
        """The names of all volumes, those too that another daemon has just made in the same directory."""
        if self.hypervisor.local and self.type in DIRECTORIES:
            with suppress(OSError):
                return sorted(os.listdir(self.path))
        self.refresh()
        return self.names()

    def find(self, name: str) -> Volume | None:
        """The volume, or None where the pool has none of that name, or it has gone since the pool was refreshed."""
        try:
            handle = self.handle_of(name)
            with asking(f"reading volume {name} of pool {self.name}"):
                return volume_xml.volume_of(self.name, handle.XMLDesc(0))
        except GoldenError as err:
            if isinstance(err, NotFound) or err.code == libvirt.VIR_ERR_NO_STORAGE_VOL:
                return None
            raise

    def read(self, name: str) -> Volume:
        """The volume; NotFound where there is none."""
        found = self.find(name)
        if found is None:
            raise self.missing(name)
        return found

    def missing(self, name: str) -> NotFound:
        return NotFound(
            f"reading volume {name}", f"pool {self.name} has no such volume", f"See 'virsh vol-list {self.name}'."
        )

    def create(self, xml: str, name: str) -> Volume:
        """Make an empty volume; AlreadyThere where the name is taken. Exclusive for raw volumes only."""
        try:
            handle = patiently(lambda: self.handle.createXML(xml, 0))
        except libvirt.libvirtError as err:
            self.creation_failed(err, name)
            raise
        return volume_xml.volume_of(self.name, handle.XMLDesc(0))

    def copy(self, xml: str, name: str, source: libvirt.virStorageVol) -> Volume:
        """Make a volume out of *source* (flattened; its internal snapshots are left out)."""
        try:
            handle = patiently(lambda: self.handle.createXMLFrom(xml, source, 0))
        except libvirt.libvirtError as err:
            self.creation_failed(err, name)
            raise
        return volume_xml.volume_of(self.name, handle.XMLDesc(0))

    def creation_failed(self, err: libvirt.libvirtError, name: str) -> None:
        code, message = err.get_error_code(), err.get_error_message()
        doing = f"creating volume {name} in pool {self.name}"
        if code in TAKEN and "exists" in message:
            raise AlreadyThere(
                doing, "the name is taken", f"Remove it or choose another name ({message}).", code=code
            ) from err
        advice = (
            "Free space in the pool and run this again; nothing of the volume is left." if "space" in message else ""
        )
        with asking(doing, advice):
            raise err

    def handle_of(self, name: str) -> libvirt.virStorageVol:
        """libvirt's handle of a volume; NotFound where there is none."""
        try:
            return self.handle.storageVolLookupByName(name)
        except libvirt.libvirtError as err:
            if err.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
                raise self.missing(name) from err
            with asking(f"looking for volume {name} in pool {self.name}"):
                raise

    def resize(self, name: str, capacity: int) -> None:
        """Grow a volume to *capacity* bytes."""
        with asking(f"growing volume {name} to {capacity} bytes"):
            self.handle_of(name).resize(capacity, 0)

    def delete(self, name: str) -> None:
        """Delete a volume, waiting while libvirt still builds it; nothing where there is none.

        libvirt deletes disks of running domains and bases with overlays without a word: callers have checked.
        """
        if self.find(name) is None:
            return
        golden = names.parsed(name) is not None
        advice = IMMUTABLE.format(path=self.path_of(name)) if golden else ""
        with asking(f"deleting volume {name} of pool {self.name}", advice), self.unprotected(name):
            patiently(lambda: self.handle_of(name).delete(0))

    def protect(self, name: str) -> None:
        """Make a volume immutable, where the system and its file system have that and this process may."""
        if self.at_hand(name):
            protection.set_immutable(self.path_of(name), True)

    def protected(self, name: str) -> bool | None:
        """Whether a volume is immutable; None for one that is not and cannot be made so from here."""
        return protection.is_immutable(self.path_of(name)) if self.at_hand(name) else None

    def unprotect(self, name: str) -> bool:
        """Take the immutable flag of a version's volume; nobody else's. Returns whether it had one."""
        flagged = names.parsed(name) is not None and self.protected(name) is True
        if flagged:
            protection.set_immutable(self.path_of(name), False)
        return flagged

    @contextmanager
    def unprotected(self, name: str) -> Iterator[None]:
        """A version's volume without its immutable flag, which it gets back where deleting it fails."""
        flagged = self.unprotect(name)
        try:
            yield
        except BaseException:
            if flagged:
                self.protect(name)
            raise

    def upload(self, name: str, content: bytes) -> None:
        """Write *content* at the start of a raw volume, and see that it is there."""
        with asking(f"writing volume {name} of pool {self.name}"):
            blocks = (content[start : start + BLOCK] for start in range(0, len(content), BLOCK))
            send(self.hypervisor, self.handle_of(name), blocks, len(content))
        if self.download(name)[: len(content)] != content:
            raise self.torn(name)

    def torn(self, name: str) -> GoldenError:
        """What was written is not there: libvirt does not tell that a file system was full when it writes a stream."""
        return GoldenError(
            f"writing volume {name} of pool {self.name}",
            "it reads otherwise than it was written, as where no space is left on the device",
            "Free space in the pool and run this again.",
        )

    def fill(self, name: str, blocks: Iterable[bytes], length: int) -> str:
        """Write a volume from *blocks*, which have *length* bytes, down to the disk; returns their digest."""
        doing = f"writing volume {name} of pool {self.name}"
        with Digest() as digest, asking(doing), file_errors(doing):
            hashed = digest.passing(blocks)
            if self.at_hand(name, os.W_OK):
                with open(self.path_of(name), "r+b", buffering=0) as file:
                    file.truncate(0)
                    write_durably(file.fileno(), hashed)
            else:
                send(self.hypervisor, self.handle_of(name), hashed, length)
                if self.sha256(name) != digest.hexdigest():
                    raise self.torn(name)
        return digest.hexdigest()

    def download(self, name: str) -> bytes:
        """A volume's bytes; for small ones."""
        return b"".join(self.blocks(name))

    def sha256(self, name: str, progress: Callable[[int], None] = lambda done: None) -> str:
        """The digest of a volume's file, in one read, straight from the file where it is at hand."""
        digest, done = hashlib.sha256(), 0
        for block in self.blocks(name):
            digest.update(block)
            done += len(block)
            progress(done)
        return digest.hexdigest()

    def durable_sha256(self, name: str) -> str:
        """The digest of a volume, which is on the disk then where it is a file of this machine."""
        with ThreadPoolExecutor(max_workers=1) as aside:
            flushed = aside.submit(self.flush, name)
            digest = self.sha256(name)
            flushed.result()
        return digest

    def flush(self, name: str) -> None:
        """Have the system write a volume to its disk, where it is a file of this machine."""
        if self.at_hand(name):
            with file_errors(f"writing volume {name} of pool {self.name} to its disk"):
                descriptor = os.open(self.path_of(name), os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def at_hand(self, name: str, access: int = os.R_OK) -> bool:
        """Whether a volume is a file that this process can read (or write: os.W_OK)."""
        path = self.path_of(name)
        return self.hypervisor.local and self.type in DIRECTORIES and os.path.isfile(path) and os.access(path, access)

    def links(self, name: str) -> int | None:
        """How many names a volume's file has; None for one that is not at hand."""
        if self.at_hand(name):
            with suppress(OSError):
                return os.stat(self.path_of(name)).st_nlink
        return None

    def link(self, name: str) -> str | None:
        """Where a symbolic link leads that is in a volume's place; None for none. libvirt does not tell of them."""
        if self.hypervisor.local and self.type in DIRECTORIES:
            with suppress(OSError):
                return os.readlink(self.path_of(name))
        return None

    def blocks(self, name: str) -> Iterator[bytes]:
        """A volume's bytes in blocks: read from the file on this machine, else through a libvirt stream."""
        doing = f"reading volume {name} of pool {self.name}"
        if self.at_hand(name):
            with file_errors(doing), open(self.path_of(name), "rb", buffering=0) as file:
                while block := file.read(BLOCK):
                    yield block
            return
        with asking(doing):
            yield from received(self.hypervisor, self.handle_of(name), 0, 0)


def side_name(directory: str) -> str:
    """What a pool is called that is set up on the side, over a directory that no pool covers."""
    return "golden-" + hashlib.sha256(directory.encode()).hexdigest()[:12]


def set_up(hypervisor: Hypervisor, directory: str) -> libvirt.virStoragePool:
    """A transient pool over *directory* that is dropped with the connection; another run's, where it was quicker."""
    name = side_name(directory)
    try:
        handle = hypervisor.conn.storagePoolCreateXML(volume_xml.directory_pool(name, directory), 0)
    except libvirt.libvirtError:
        with suppress(libvirt.libvirtError):
            return hypervisor.conn.storagePoolLookupByName(name)
        with asking(f"reading directory {directory} through a transient pool"):
            raise
    hypervisor.closing.callback(drop_pool, handle)
    return handle


def drop_pool(handle: libvirt.virStoragePool) -> None:
    with suppress(libvirt.libvirtError):  # another run has dropped it, or builds a volume there
        patiently(handle.destroy)


def open_pool(hypervisor: Hypervisor, name: str) -> Pool:
    """The pool, refreshed; NotFound (naming those that are there) or a refusal where it is not active."""
    try:
        handle = hypervisor.conn.storagePoolLookupByName(name)
    except libvirt.libvirtError as err:
        if name in hypervisor.sides:
            return Pool(hypervisor, set_up(hypervisor, hypervisor.sides[name]))
        with asking("listing pools"):
            there = sorted(pool.name() for pool in hypervisor.conn.listAllStoragePools(0))
        raise NotFound(
            f"opening pool {name}",
            f"{hypervisor.uri} has no pool of that name (there: {', '.join(there) or 'none'})",
            "Name another one, or let the role golden.libvirt.hypervisor make it.",
            code=err.get_error_code(),
        ) from err
    if not handle.isActive():
        raise GoldenError(f"opening pool {name}", "the pool is not active", f"Start it: 'virsh pool-start {name}'.")
    pool = Pool(hypervisor, handle)
    pool.refresh(patience=0)  # where it is busy, what this daemon knows will do: writers look again
    return pool
