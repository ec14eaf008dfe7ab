# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the verb prune that removes what was kept of clones to go back to, when its time is over."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Overtaken
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import chains, domains
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder
from ansible_collections.golden.libvirt.plugins.module_utils._model import Before, Domain, Made, Origin, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.actions import DeleteVolume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.before import (
    CheckDomain,
    Clone,
    files_of,
    holder_of,
    is_over,
    signs_of,
    spent,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.undo import plan_parting
from ansible_collections.golden.libvirt.plugins.module_utils._plan.usage import Usage
from ansible_collections.golden.libvirt.plugins.module_utils._run.before import befores_by_domain
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import domain_of

OVER = "undo is over"


@perform.register
def check_domain(action: CheckDomain, bench: Bench) -> Undo:
    there = domains.read(bench.hypervisor, action.domain)
    if signs_of(there) != signs_of(action.planned) or holder_of(there) != action.holder:
        doing, advice = f"working on {action.domain}", "See what it is now and run this again."
        raise Overtaken(doing, "somebody started, stopped or changed it since this was planned", advice)
    return None


@dataclass(frozen=True)
class Parting:
    """A clone, and which of what is kept of it may go."""

    clone: Clone
    gone: Sequence[Before]

    @property
    def over(self) -> list[Before]:
        """Those of *gone* whose volumes go: the clone uses none of them again."""
        return [before for before in self.gone if not spent(before, self.clone)]

    @property
    def item(self) -> str:
        return f"{self.clone.domain.name} (kept to go back to)"


def partings(bench: Bench, image_pool: str, images: Collection[str]) -> Iterator[Parting]:
    """The clones of which something was kept long enough: of *images*, or of all where these are none."""
    now, there = holder.now(), domains.read_all(bench.hypervisor)
    kept = befores_by_domain(bench, there, image_pool)
    for domain in there:
        origin, befores = domain.record.origin, kept[domain.uuid]
        busy = origin and origin.holder and holder.alive(origin.holder)
        if origin and befores and not busy and (not images or origin.image in images):
            clone = clone_of(bench, domain, origin, befores)
            gone = [before for before in befores if is_over(before, now) or spent(before, clone)]
            if gone:
                yield Parting(clone, gone)


def plan_of(bench: Bench, parting: Parting, usage: Usage) -> Plan:
    """Remove it, unless something else was built on it meanwhile."""
    clone = parting.clone
    plan = plan_parting(clone, parting.gone)
    going = deleted(plan, clone)
    kept = sorted(needing(usage, going))
    was = domain_of(parting.gone[-1].xml, parting.gone[-1].state).record.origin
    result = {
        "image": clone.origin.image,
        "version": was.version if was else None,
        "domain": clone.domain.name,
        "why": OVER,
        "kept": kept,
        "volumes": [] if kept else sorted(volume.name for volume in going.values()),
        "bytes": 0 if kept else sum(volume.allocation for volume in going.values()),
    }
    if kept:
        return Plan(parting.item, result=result)
    return replace(plan, item=parting.item, result=result)


def clone_of(bench: Bench, domain: Domain, origin: Origin, befores: Sequence[Before]) -> Clone:
    """The clone, as far as that concerns what is kept of it."""
    kept = [made for before in befores for made in before.all]
    pools = {made.pool: bench.pool(made.pool) for made in (*origin.made, *kept)}
    used = [chains.chain_of(bench.hypervisor, path) for path in files_of(domain).values()]
    found = [pools[made.pool].find(made.volume) for made in kept]
    return Clone(
        domain=domain,
        origin=origin,
        pool=kept[-1].pool,
        directory=pools[kept[-1].pool].path,
        taken=frozenset(name for pool in pools.values() for name in pool.names()),
        volumes={**ChainMap(*used), **{volume.path: volume for volume in found if volume}},
        befores=befores,
    )


def deleted(plan: Plan, clone: Clone) -> dict[str, Volume]:
    """The volumes of the clone that *plan* deletes, by path."""
    goes = {Made(action.pool, action.volume) for action in plan.actions if isinstance(action, DeleteVolume)}
    return {path: volume for path, volume in clone.volumes.items() if Made(volume.pool, volume.name) in goes}


def needing(usage: Usage, going: Collection[str]) -> Iterator[str]:
    """Who uses one of the files that are *going*, the clone itself too, or has built on it."""
    for path in going:
        yield from (f"domain {user} uses {path}" for user in usage.users.get(path, ()))
        yield from (f"{overlay} is built on {path}" for overlay in usage.overlays.get(path, ()) if overlay not in going)
