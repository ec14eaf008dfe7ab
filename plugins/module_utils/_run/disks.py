# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What verbs read of a domain's disks."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import chains, files, volumes
from ansible_collections.golden.libvirt.plugins.module_utils._image.repository import Repository
from ansible_collections.golden.libvirt.plugins.module_utils._model import Disk, Domain, Lineage, Version, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench


def written(bench: Bench, domain: Domain) -> dict[str, Volume | None]:
    """The volumes of the disks that *domain* writes to, by target; None where a disk has none that is there."""
    return {disk.target: volume_of(bench, disk) for disk in domain.written_disks}


def volume_of(bench: Bench, disk: Disk) -> Volume | None:
    """The volume of one disk, None for one that is not there or is neither file nor block device."""
    if disk.kind == "volume" and disk.pool and disk.volume:
        return bench.pool(disk.pool).find(disk.volume)
    if disk.kind in ("file", "block") and disk.path:
        return files.find_at(bench.hypervisor, disk.path)
    return None


def version_below(bench: Bench, top: Volume, pool: volumes.Pool) -> Lineage | None:
    """The version in *pool* that the file *top* is, directly or not, an overlay of."""
    below = list(chains.chain_of(bench.hypervisor, top.path))[1:]
    return next((found for path in below if (found := version_at(path, pool.path))), None)


def version_at(path: str, directory: str) -> Lineage | None:
    """The version in *directory*'s pool that the file *path* is a disk of."""
    named = names.parsed(posixpath.basename(path))
    if posixpath.dirname(path) != directory or not named or named.kind != "disk":
        return None
    return Lineage(named.image, named.version)


@dataclass(frozen=True)
class Chain:
    """What a version's volume is an overlay of: *volumes* of *versions*, from the top; *stray* is the first file that
    no manifest names."""

    versions: tuple[Version, ...] = ()
    volumes: tuple[str, ...] = ()
    stray: str | None = None


def chain_below(repository: Repository, volume: Volume) -> Chain:
    """What *volume*, one of a version in that repository, is an overlay of."""
    chain, path, directory = Chain(), volume.backing, posixpath.dirname(volume.path)
    while path:
        of, name = version_at(path, directory), posixpath.basename(path)
        version = repository.find(of.image, of.version) if of else None
        if not version or name in chain.volumes or all(part.volume != name for part in version.parts):
            return Chain(chain.versions, chain.volumes, path)
        chain = Chain((*chain.versions, version), (*chain.volumes, name))
        below = repository.store.find(name)
        path = below.backing if below else None
    return chain
