# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What image_info reads: the images asked for, and the domains that descend from them."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import NotFound
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.chains import KnownFiles, file_of
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder, manifest
from ansible_collections.golden.libvirt.plugins.module_utils._image.repository import Repository
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Domain,
    Lineage,
    State,
    Version,
    VersionDisk,
    VersionNvram,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.report import Descendant, Held, Holding, report
from ansible_collections.golden.libvirt.plugins.module_utils._run.before import befores_by_domain
from ansible_collections.golden.libvirt.plugins.module_utils._run.disks import version_at
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params
from ansible_collections.golden.libvirt.plugins.module_utils._xml.volume import FROZEN

HASHING = 2


def read(bench: Bench, params: Params) -> dict[str, Any]:
    """The images asked for, or all; one of which there is nothing is left out."""
    pool, repository = bench.pool(params["image_pool"]), bench.repository(params["image_pool"])
    descendants = with_befores(bench, descendants_in(bench, pool), params["image_pool"])
    there = {*repository.names(), *(of.lineage.image for of in descendants if of.lineage)}
    asked = [names.check_image(name) for name in params["images"] or sorted(there)]
    holdings = [holding_of(repository, pool, name, verify=params["verify"]) for name in asked if name in there]
    images = report(holdings, descendants)
    for image, holding in zip(images, holdings):
        image["versions"] = [
            {**manifest.facts(version), **known} for version, known in zip(holding.versions, image["versions"])
        ]
    return {"images": images}


def holding_of(repository: Repository, pool: Pool, image: str, *, verify: bool) -> Holding:
    """All that the pool holds of an image."""
    found = {version: repository.find(image, version) for version in repository.versions(image)}
    versions, state = [version for version in found.values() if version], repository.state(image)
    unfinished = [version for version in {**found, **dict.fromkeys(state.claims)} if not found.get(version)]
    return Holding(
        name=image,
        versions=versions,
        state=state,
        unfinished=[held(repository, state, image, version) for version in unfinished],
        problems={version.version: problems(pool, version) for version in versions} if verify else None,
        above=ancestors_in(repository, versions),
    )


def ancestors_in(repository: Repository, versions: Sequence[Version]) -> dict[Lineage, Version]:
    """The versions that any of *versions* was built from, as far as the pool has them."""
    known = {Lineage(version.image, version.version): version for version in versions}
    found: dict[Lineage, Version] = {}
    waiting = [version.lineage for version in versions if version.lineage]
    while waiting:
        of = waiting.pop()
        version = known.get(of) or repository.find(of.image, of.version)
        if version and of not in found:
            found[of] = version
            waiting += [version.lineage] if version.lineage else []
    return found


def held(repository: Repository, state: State, image: str, version: str) -> Held:
    claim = state.claims.get(version)
    return Held(
        version=version,
        volumes=tuple(repository.volumes_of(image, version)),
        holder=holder.described(claim) if claim else None,
        alive=holder.alive(claim) if claim else False,
    )


def descendants_in(bench: Bench, pool: Pool) -> list[Descendant]:
    """The domains that descend from a version in *pool*, as far as metadata and disks that pools know tell."""
    files = KnownFiles(bench.hypervisor)
    found = [descendant_of(domain, files, pool) for domain in domains.read_all(bench.hypervisor)]
    return [descendant for descendant in found if descendant and descendant.lineage]


def with_befores(bench: Bench, descendants: Sequence[Descendant], image_pool: str) -> list[Descendant]:
    """The descendants, with what is kept of them to go back to."""
    kept = befores_by_domain(bench, [descendant.domain for descendant in descendants], image_pool)
    return [replace(descendant, befores=kept[descendant.domain.uuid]) for descendant in descendants]


def descendant_of(domain: Domain, files: KnownFiles, pool: Pool) -> Descendant | None:
    """A domain as a descendant; None where its disks say that it descends from a version in another pool."""
    elsewhere = False
    for disk in domain.written_disks:
        for volume in files.chain(file_of(files.hypervisor, disk)):
            below = version_at(volume.path, pool.path)
            if below:
                return Descendant(domain, below)
            elsewhere |= version_at(volume.path, posixpath.dirname(volume.path)) is not None
    return None if elsewhere else Descendant(domain)


def problems(pool: Pool, version: Version) -> list[str]:
    """What of a version's volumes is not as its manifest says, in words."""
    parts = [*version.disks, *([version.nvram] if version.nvram else [])]
    with ThreadPoolExecutor(max_workers=HASHING) as workers:
        return [problem for found in workers.map(lambda part: part_problems(pool, part), parts) for problem in found]


def part_problems(pool: Pool, part: VersionDisk | VersionNvram) -> list[str]:
    """What is wrong with one volume; its content is read only where its size is right."""
    try:
        volume = pool.read(part.volume)
    except NotFound:
        return [f"{part.volume} is missing"]
    found = []
    if volume.size != part.size:
        found.append(f"{part.volume} has {volume.size} bytes instead of {part.size}")
    elif pool.sha256(part.volume) != part.sha256:
        found.append(f"{part.volume} has another content than was promoted")
    if volume.mode != FROZEN:
        found.append(f"{part.volume} has mode {volume.mode} instead of {FROZEN}")
    if volume.backing:
        found.append(f"{part.volume} is an overlay of {volume.backing}, which no manifest names")
    return found
