# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file is built on which, and who uses it: what must be known before one goes."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from contextlib import suppress
from typing import Callable

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import files, volumes
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor, asking
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt
from ansible_collections.golden.libvirt.plugins.module_utils._model import Disk, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._xml import volume as volume_xml


def chain_of(hypervisor: Hypervisor, path: str | None) -> dict[str, Volume]:
    """The volumes that *path* and its backing files are, by path, as far down as libvirt can look."""
    found: dict[str, Volume] = {}
    while path and path not in found and not path.startswith("/dev/"):
        try:
            volume = files.volume_at(hypervisor, path)
        except GoldenError:
            break
        found[path] = volume
        path = volume.backing
    return found


class KnownFiles:
    """The files that active pools know, each asked for once. Other than chain_of it sets no pools up on the side."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        self.hypervisor = hypervisor
        self.found: dict[str, Volume | None] = {}
        self.refreshed: set[str] = set()

    def chain(self, path: str | None) -> list[Volume]:
        """The volumes that *path* and its backing files are, from the top, as far as they are known."""
        chain: list[Volume] = []
        while path and path not in (volume.path for volume in chain):
            volume = self.find(path)
            if volume is None:
                break
            chain.append(volume)
            path = volume.backing
        return chain

    def find(self, path: str) -> Volume | None:
        """The volume at *path*; None where no pool covers it."""
        if path not in self.found:
            self.found[path] = self.look_up(path)
        return self.found[path]

    def look_up(self, path: str) -> Volume | None:
        directory = posixpath.dirname(path)
        for _attempt in ("as known", "refreshed"):
            with suppress(libvirt.libvirtError):
                handle = self.hypervisor.conn.storageVolLookupByPath(path)
                return volume_xml.volume_of("", handle.XMLDesc(0))
            if directory in self.refreshed:
                break
            self.refreshed.add(directory)
            pool = files.pool_over(self.hypervisor, directory)
            if pool is None:
                break
            pool.refresh(patience=0)
        return None


def covered(
    hypervisor: Hypervisor, paths: Iterable[str | None], seen: dict[str, volumes.Pool] | None = None
) -> list[volumes.Pool]:
    """The pools over the directories of files, refreshed; transient ones where no pool covers a directory.

    A directory that is not there is left out, and so are devices: a pool of files cannot cover theirs. Those that were
    *seen*, by directory, are not refreshed again, and those that are now are added to them.
    """
    found = {} if seen is None else seen
    directories = sorted({posixpath.dirname(path) for path in paths if path and not path.startswith("/dev/")})
    for directory in directories:
        if directory not in found:
            with suppress(GoldenError):
                pool = files.pool_at(hypervisor, directory)
                pool.refresh()
                found[directory] = pool
    return [found[directory] for directory in directories if directory in found]


def all_files(
    hypervisor: Hypervisor, known: Callable[[str, str], bool] = lambda pool, name: False
) -> dict[str, Volume]:
    """All volumes of all active pools, by path, but those that are *known*, by pool and name, not to matter."""
    with asking("listing the volumes of all pools"):
        handles = hypervisor.conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)
    found: dict[str, Volume] = {}
    for handle in handles:
        with suppress(libvirt.libvirtError, GoldenError):  # a pool that goes meanwhile
            pool = volumes.Pool(hypervisor, handle)
            pool.refresh(patience=0)
            found.update(volumes_of(pool, known))
    return found


def volumes_of(pool: volumes.Pool, known: Callable[[str, str], bool] = lambda pool, name: False) -> dict[str, Volume]:
    found: dict[str, Volume] = {}
    for handle in pool.handle.listAllVolumes(0):
        if known(pool.name, handle.name()):
            continue
        with suppress(libvirt.libvirtError):  # one that goes meanwhile
            volume = volume_xml.volume_of(pool.name, handle.XMLDesc(0))
            found[volume.path] = volume
    return found


def file_of(hypervisor: Hypervisor, disk: Disk) -> str | None:
    """The path of a disk's file, that of a volume looked up in its pool; None for what is no file."""
    if disk.kind == "volume" and disk.pool and disk.volume:
        with suppress(GoldenError):
            return volumes.open_pool(hypervisor, disk.pool).read(disk.volume).path
    return disk.path
