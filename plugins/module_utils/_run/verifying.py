# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading versions' volumes to see whether they are as they were promoted: each once, so many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._image.repository import Repository
from ansible_collections.golden.libvirt.plugins.module_utils._model import Lineage, Version
from ansible_collections.golden.libvirt.plugins.module_utils._plan.verify import (
    Finding,
    Part,
    Seen,
    findings_of,
    strangers,
)
from ansible_collections.golden.libvirt.plugins.module_utils._run.disks import Chain, chain_below


class Verification:
    """The findings about *versions* and about what they are overlays of."""

    def __init__(self, repository: Repository, pool: Pool, versions: Sequence[Version], parallel: int) -> None:
        self.repository = repository
        self.pool = pool
        self.chains = {part.volume: self.below(part) for version in versions for part in version.parts}
        below = [version for chain in self.chains.values() for version in chain.versions]
        self.parts = {part.volume: (part, version) for version in (*below, *versions) for part in version.parts}
        wanted = [part for part, _version in self.parts.values() if part.volume in self.volumes()]
        with ThreadPoolExecutor(max_workers=parallel) as workers:
            self.seen = dict(zip((part.volume for part in wanted), workers.map(self.look_at, wanted)))

    def below(self, part: Part) -> Chain:
        volume = self.pool.find(part.volume)
        return chain_below(self.repository, volume) if volume else Chain()

    def volumes(self) -> set[str]:
        """All that are to be read."""
        return {*self.chains, *(name for chain in self.chains.values() for name in chain.volumes)}

    def look_at(self, part: Part) -> Seen:
        """A volume as it is; its content is read only where its size is right."""
        volume, link = self.pool.find(part.volume), self.pool.link(part.volume)
        digest, unread = None, ""
        if volume and volume.size == part.size and part.sha256 and link is None:
            try:
                digest = self.pool.sha256(part.volume)
            except GoldenError as err:
                unread = err.reason
        stray = self.chains.get(part.volume, Chain()).stray
        return Seen(volume, digest, unread, link, self.pool.protected(part.volume), stray)

    def of(self, version: Version) -> list[Finding]:
        """What is to be said of the version's volumes and of those below them."""
        mine = [part.volume for part in version.parts]
        all_of = dict.fromkeys((*mine, *(name for volume in mine for name in self.chains[volume].volumes)))
        return [finding for name in all_of for finding in self.about(name)]

    def about(self, name: str) -> list[Finding]:
        part, version = self.parts[name]
        manifest = self.pool.find(names.manifest_volume(version.image, version.version))
        return list(findings_of(part, self.seen[name], manifest.owner if manifest else None))


def strangers_in(repository: Repository, pool: Pool, images: Sequence[str] | None) -> list[Finding]:
    """Volumes of the pool under the names of *images* (or any) that belong to none."""
    pool_names = pool.names()
    if images:
        mine = tuple(f"{names.PREFIX}{image}." for image in images)
        pool_names = [name for name in pool_names if name.startswith(mine)]
    known = {Lineage(of.image, of.version) for of in map(names.parsed, pool_names) if of and of.version}
    versions = [version for of in known if (version := repository.find(of.image, of.version))]
    named = {volume for of in versions for volume in (*(part.volume for part in of.parts), manifest_of(of))}
    states = {of.image: repository.state(of.image) for of in known}
    return list(strangers(pool_names, named, states, pool.path))


def manifest_of(version: Version) -> str:
    return names.manifest_volume(version.image, version.version)
