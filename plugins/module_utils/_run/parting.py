# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the verb prune that removes what was kept of clones to go back to, when its time is over."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder
from ansible_collections.golden.libvirt.plugins.module_utils._model import Before, Domain, Made, Origin
from ansible_collections.golden.libvirt.plugins.module_utils._plan.actions import DeleteVolume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.before import Clone, is_over, spent
from ansible_collections.golden.libvirt.plugins.module_utils._plan.dependants import Stock
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.undo import plan_parting
from ansible_collections.golden.libvirt.plugins.module_utils._run.before import befores_by_domain
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import domain_of

OVER = "undo is over"


@dataclass(frozen=True)
class Parting:
    """A clone, all that is kept of it, and which of that may go."""

    domain: Domain
    origin: Origin
    befores: Sequence[Before]
    gone: Sequence[Before]

    @property
    def over(self) -> list[Before]:
        """Those of *gone* whose volumes go: the clone uses none of them again."""
        return [before for before in self.gone if not spent(before, self.domain)]

    @property
    def item(self) -> str:
        return f"{self.domain.name} (kept to go back to)"


def partings(bench: Bench, image_pool: str, images: Collection[str]) -> Iterator[Parting]:
    """The clones of which something was kept long enough: of *images*, or of all where these are none."""
    now, there = holder.now(), domains.read_all(bench.hypervisor)
    kept = befores_by_domain(bench, there, image_pool)
    for domain in there:
        origin, befores = domain.record.origin, kept[domain.uuid]
        gone = [before for before in befores if is_over(before, now) or spent(before, domain)]
        busy = origin and origin.holder and holder.alive(origin.holder)
        if origin and gone and not busy and (not images or origin.image in images):
            yield Parting(domain, origin, befores, gone)


def plan_of(bench: Bench, parting: Parting, stock: Stock) -> Plan:
    """Remove it, unless something else was built on it meanwhile."""
    clone = clone_of(bench, parting)
    plan = plan_parting(clone, parting.gone)
    goes = {Made(action.pool, action.volume) for action in plan.actions if isinstance(action, DeleteVolume)}
    going = {path: volume for path, volume in clone.volumes.items() if Made(volume.pool, volume.name) in goes}
    kept = sorted(needing(stock, going, parting.domain.name))
    was = domain_of(parting.gone[-1].xml, parting.gone[-1].state).record.origin
    result = {
        "image": parting.origin.image,
        "version": was.version if was else None,
        "domain": parting.domain.name,
        "why": OVER,
        "kept": kept,
        "volumes": [] if kept else sorted(volume.name for volume in going.values()),
        "bytes": 0 if kept else sum(volume.allocation for volume in going.values()),
    }
    if kept:
        return Plan(parting.item, result=result)
    return replace(plan, item=parting.item, result=result)


def clone_of(bench: Bench, parting: Parting) -> Clone:
    """The clone, as far as that concerns what is kept of it."""
    kept = [made for before in parting.befores for made in before.all]
    pools = {made.pool: bench.pool(made.pool) for made in (*parting.origin.made, *kept)}
    found = [pools[made.pool].find(made.volume) for made in kept]
    return Clone(
        domain=parting.domain,
        origin=parting.origin,
        pool=kept[-1].pool,
        directory=pools[kept[-1].pool].path,
        taken=frozenset(name for pool in pools.values() for name in pool.names()),
        volumes={volume.path: volume for volume in found if volume},
        befores=parting.befores,
    )


def needing(stock: Stock, going: Collection[str], name: str) -> Iterator[str]:
    """Who else uses one of the files that are *going*, or has built on it."""
    for path in going:
        yield from (f"domain {user} uses {path}" for user in stock.users.get(path, ()) if user != name)
        yield from (f"{overlay} is built on {path}" for overlay in stock.overlays.get(path, ()) if overlay not in going)
