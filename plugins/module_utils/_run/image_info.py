# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What image_info reads: the images asked for, and the domains that descend from them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains, memory
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.chains import KnownFiles, file_of
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder, manifest
from ansible_collections.golden.libvirt.plugins.module_utils._image.repository import Repository
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain, Lineage, State, Version
from ansible_collections.golden.libvirt.plugins.module_utils._plan.report import (
    Descendant,
    Held,
    Holding,
    hypervisor_facts,
    report,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.verify import Finding, distrust
from ansible_collections.golden.libvirt.plugins.module_utils._run.before import befores_by_domain
from ansible_collections.golden.libvirt.plugins.module_utils._run.disks import version_at
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params
from ansible_collections.golden.libvirt.plugins.module_utils._run.trust import (
    Signers,
    Untrusted,
    refuse_untrusted,
    signers_in,
)
from ansible_collections.golden.libvirt.plugins.module_utils._run.verifying import Verification, strangers_in
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import memory_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import parse


@dataclass(frozen=True)
class Signed:
    """Who has signed a version, by the name that the task's trusted signers have; or why it is *untrusted*."""

    signed_by: str | None = None
    untrusted: str | None = None


NOT_ASKED = Signed()


def read(bench: Bench, params: Params) -> dict[str, Any]:
    """The images asked for, or all; one of which there is nothing is left out."""
    pool, repository = bench.pool(params["image_pool"]), bench.repository(params["image_pool"])
    everyone = domains.read_all(bench.hypervisor)
    descendants = with_befores(bench, descendants_in(bench, pool, everyone), params["image_pool"])
    there = {*repository.names(), *(of.lineage.image for of in descendants if of.lineage)}
    asked = [names.check_image(name) for name in dict.fromkeys(params["images"] or sorted(there))]
    holdings = [holding_of(repository, name) for name in asked if name in there]
    signatures = signatures_of(bench, signers_in(params), repository, holdings)
    foreign = {}
    if params["verify"]:
        holdings = verified(repository, pool, holdings, signatures, params["parallel"])
        foreign = {"foreign": [asdict(finding) for finding in strangers_in(repository, pool, params["images"])]}
    images = report(holdings, descendants)
    for image, holding in zip(images, holdings):
        image["versions"] = [
            {
                **manifest.facts(version),
                "memory": memory_of(parse(version.template)),
                **known,
                **asdict(signatures.get(lineage_of(version), NOT_ASKED)),
            }
            for version, known in zip(holding.versions, image["versions"])
        ]
    return {"images": images, "hypervisor": hypervisor_facts(memory.read(bench.hypervisor), everyone), **foreign}


def holding_of(repository: Repository, image: str) -> Holding:
    """All that the pool holds of an image."""
    found = {version: repository.find(image, version) for version in repository.versions(image)}
    versions, state = [version for version in found.values() if version], repository.state(image)
    unfinished = [version for version in {**found, **dict.fromkeys(state.claims)} if not found.get(version)]
    return Holding(
        name=image,
        versions=versions,
        state=state,
        unfinished=[held(repository, state, image, version) for version in unfinished],
        above=ancestors_in(repository, versions),
    )


def lineage_of(version: Version) -> Lineage:
    return Lineage(version.image, version.version)


def signatures_of(
    bench: Bench, signers: Signers | None, repository: Repository, holdings: Sequence[Holding]
) -> dict[Lineage, Signed]:
    """Who of *signers* has signed each version; nothing where there are none."""
    found = {}
    for version in [version for holding in holdings for version in holding.versions if signers]:
        try:
            signer = refuse_untrusted(bench, signers, repository, version, f"looking at {version.image}")
            found[lineage_of(version)] = Signed(signer)
        except Untrusted as err:
            found[lineage_of(version)] = Signed(None, err.reason)
    return found


def verified(
    repository: Repository,
    pool: Pool,
    holdings: Sequence[Holding],
    signatures: Mapping[Lineage, Signed],
    parallel: int,
) -> list[Holding]:
    """*holdings* with what is to be said of their volumes."""
    versions = [version for holding in holdings for version in holding.versions]
    verification = Verification(repository, pool, versions, parallel)

    def findings(version: Version) -> list[Finding]:
        reason = signatures.get(lineage_of(version), NOT_ASKED).untrusted
        return [*(distrust(version, reason) if reason else ()), *verification.of(version)]

    return [
        replace(holding, findings={version.version: findings(version) for version in holding.versions})
        for holding in holdings
    ]


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


def descendants_in(bench: Bench, pool: Pool, everyone: Sequence[Domain]) -> list[Descendant]:
    """Those of *everyone* that descend from a version in *pool*, as far as metadata and disks that pools know tell."""
    files = KnownFiles(bench.hypervisor)
    found = [descendant_of(domain, files, pool) for domain in everyone]
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
