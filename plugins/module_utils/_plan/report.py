# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What image_info says: images, versions, who descends from whom, which clones are behind. Pure: facts to facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Before,
    Domain,
    Facts,
    Lineage,
    Memory,
    State,
    Version,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.states import (
    ABSENT,
    ACTIVE,
    DEPRECATED,
    REVOKED,
    said_of,
    to_come,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.verify import UNTRUSTED, Finding


@dataclass(frozen=True)
class Descendant:
    """A domain of this hypervisor that descends from a version, as its metadata (*origin*) or its disks say (*chain*,
    which outranks them). *befores* is what is kept of it to go back to."""

    domain: Domain
    chain: Lineage | None = None
    befores: Sequence[Before] = ()

    @property
    def lineage(self) -> Lineage | None:
        origin = self.domain.record.origin
        if self.chain or not origin or not origin.image:
            return self.chain
        return Lineage(origin.image, origin.version)


@dataclass(frozen=True)
class Held:
    """What there is of a version that is not complete: its *volumes*, and who claims it, if anybody."""

    version: str
    volumes: tuple[str, ...] = ()
    holder: str | None = None
    alive: bool = False


@dataclass(frozen=True)
class Holding:
    """One image as it was read. *findings* by version, where it was verified; *above* are the ancestors of its
    versions, as far as they are there."""

    name: str
    versions: Sequence[Version] = ()
    state: State = State()
    unfinished: Sequence[Held] = ()
    findings: Mapping[str, Sequence[Finding]] | None = None
    above: Mapping[Lineage, Version] = field(default_factory=dict)


def report(holdings: Sequence[Holding], descendants: Iterable[Descendant]) -> list[Facts]:
    """One entry per image of *holdings*."""
    by_version: dict[Lineage, list[Facts]] = {}
    for descendant in descendants:
        lineage = descendant.lineage
        holding = next((of for of in holdings if lineage and of.name == lineage.image), None)
        if lineage and holding:
            by_version.setdefault(lineage, []).append(clone_facts(descendant, lineage, holding))
    children: dict[Lineage, list[Lineage]] = {}
    for holding in holdings:
        for version in holding.versions:
            if version.lineage:
                children.setdefault(version.lineage, []).append(Lineage(holding.name, version.version))
    return [image_facts(holding, by_version, children) for holding in holdings]


def image_facts(
    holding: Holding, clones: Mapping[Lineage, list[Facts]], children: Mapping[Lineage, list[Lineage]]
) -> Facts:
    """All about one image but for what its manifests say, which the caller adds to each version."""
    here = {version.version: Lineage(holding.name, version.version) for version in holding.versions}
    roots = [of for version, of in here.items() if not parent_in(holding, version)]
    return {
        "name": holding.name,
        "versions": [version_facts(holding, of, clones, children) for of in here.values()],
        "deleted": [
            {**said, "version": version}
            for version, said in holding.state.states.items()
            if said["state"] == ABSENT and version not in here
        ],
        "channels": dict(holding.state.channels),
        "history": [dict(change) for change in holding.state.history],
        "claims": [
            {"version": held.version, "volumes": list(held.volumes), "holder": held.holder, "alive": held.alive}
            for held in holding.unfinished
        ],
        "lineage": [tree(root, children, clones, ()) for root in roots],
        "clones": [clone for of, found in sorted_clones(clones) if of.image == holding.name for clone in found],
    }


def sorted_clones(clones: Mapping[Lineage, list[Facts]]) -> list[tuple[Lineage, list[Facts]]]:
    return sorted(clones.items(), key=lambda item: item[1][0]["name"])


def parent_in(holding: Holding, version: str) -> Lineage | None:
    """The parent of a version, where that is one of the same image and still there."""
    parent = next(of.lineage for of in holding.versions if of.version == version)
    there = any(parent and of.version == parent.version for of in holding.versions)
    return parent if parent and parent.image == holding.name and there else None


def version_facts(
    holding: Holding, of: Lineage, clones: Mapping[Lineage, list[Facts]], children: Mapping[Lineage, list[Lineage]]
) -> Facts:
    """What is known of a version beside its manifest."""
    parent = next(version.lineage for version in holding.versions if version.version == of.version)
    above = [parent, *ancestors(holding.above, parent)] if parent else []
    checked: Facts = {}
    if holding.findings is not None:
        found = holding.findings[of.version]
        checked["findings"] = [asdict(finding) for finding in found]
        checked["problems"] = [finding.text for finding in found if not finding.note]
    return {
        "version": of.version,
        "state": ACTIVE,
        **said_of(holding.state, of.version),
        "to_come": to_come(holding.state, of.version),
        "channels": sorted(channel for channel, version in holding.state.channels.items() if version == of.version),
        "ancestors": [f"{parent.image} {parent.version}" for parent in above],
        "children": [{"image": child.image, "version": child.version} for child in children.get(of, [])],
        "clones": [clone["name"] for clone in clones.get(of, [])],
        **checked,
    }


def ancestors(versions: Mapping[Lineage, Version], of: Lineage) -> list[Lineage]:
    """The versions that a version was built from, the nearest first, those too that are gone."""
    found: list[Lineage] = []
    while of in versions:
        parent = versions[of].lineage
        if parent is None or parent in found:
            break
        found.append(parent)
        of = parent
    return found


def tree(
    of: Lineage,
    children: Mapping[Lineage, list[Lineage]],
    clones: Mapping[Lineage, list[Facts]],
    above: tuple[Lineage, ...],
) -> Facts:
    """A version with all that descends from it."""
    below = [child for child in children.get(of, []) if child not in (of, *above)]
    return {
        "image": of.image,
        "version": of.version,
        "clones": [clone["name"] for clone in clones.get(of, [])],
        "children": [tree(child, children, clones, (*above, of)) for child in below],
    }


def clone_facts(descendant: Descendant, lineage: Lineage, holding: Holding) -> Facts:
    """One clone, and whether it is behind."""
    domain, origin = descendant.domain, descendant.domain.record.origin
    channel = origin.channel if origin else None
    said = said_of(holding.state, lineage.version).get("state")
    linked = descendant.chain is not None or (origin is not None and origin.linked)
    witnesses = {"metadata": origin is not None and bool(origin.image), "chain": descendant.chain is not None}
    return {
        "name": domain.name,
        "uuid": domain.uuid,
        "state": domain.state,
        "image": lineage.image,
        "version": lineage.version,
        "channel": channel,
        "label": origin.label or None if origin else None,
        "linked": linked,
        "created": origin.created if origin else None,
        "complete": origin.complete if origin else True,
        "known_by": [name for name, holds in witnesses.items() if holds],
        "outdated": channel is not None and holding.state.channels.get(channel) != lineage.version,
        "deprecated": said == DEPRECATED,
        "revoked": said == REVOKED,
        "drifted": drifted(holding, lineage.version) if linked and holding.findings is not None else None,
        "undo": undo_of(descendant),
        "orphaned": all(version.version != lineage.version for version in holding.versions),
    }


def drifted(holding: Holding, version: str) -> bool:
    """Whether volumes of a version are not as they were promoted."""
    found = (holding.findings or {}).get(version, ())
    return any(not finding.note and finding.finding != UNTRUSTED for finding in found)


def hypervisor_facts(memory: Memory, domains: Iterable[Domain]) -> Facts:
    """What placing clones needs to know of a hypervisor.

    Domains that run may come to use all that they can have, and clones that are off are going to be started.
    """
    there = list(domains)
    running = sum(domain.memory for domain in there if not domain.off)
    waiting = sum(domain.memory for domain in there if domain.off and domain.record.origin)
    free = min(memory.total - running, memory.available) - waiting
    return {
        "memory": memory.total,
        "memory_free": max(0, free),
        "domains": sorted(domain.name for domain in there),
    }


def undo_of(descendant: Descendant) -> Facts | None:
    """Whether and until when a clone can be what it was before it last went to a version."""
    if not descendant.befores:
        return None
    newest = descendant.befores[-1]
    return {"created": newest.created, "until": newest.until, "state": newest.state, "open": newest.open}
