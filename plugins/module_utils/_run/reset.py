# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a clone's way to a version and back needs: the part of the verb revert that is not ``to: snapshot``."""

from __future__ import annotations

import time
import uuid
from functools import cached_property

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains, files
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder
from ansible_collections.golden.libvirt.plugins.module_utils._model import Before, Domain, Origin
from ansible_collections.golden.libvirt.plugins.module_utils._plan import reset, undo
from ansible_collections.golden.libvirt.plugins.module_utils._plan.age import seconds_of
from ansible_collections.golden.libvirt.plugins.module_utils._plan.before import EVER, SETTLED, Clone
from ansible_collections.golden.libvirt.plugins.module_utils._plan.clone import Source
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.usage import Usage
from ansible_collections.golden.libvirt.plugins.module_utils._run import source
from ansible_collections.golden.libvirt.plugins.module_utils._run.before import befores_by_domain
from ansible_collections.golden.libvirt.plugins.module_utils._run.neighbours import Neighbours
from ansible_collections.golden.libvirt.plugins.module_utils._run.parting import deleted, needing
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params
from ansible_collections.golden.libvirt.plugins.module_utils._run.trust import signers_in
from ansible_collections.golden.libvirt.plugins.module_utils._run.usage import usage_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import domain_of


class Resets:
    """Plans the way of each clone of a task: to *version*, what *channel* points at or the version it is of; back to
    what it was before; or nowhere, so that it stays what it is."""

    def __init__(self, bench: Bench, params: Params) -> None:
        self.bench = bench
        self.params = params
        self.neighbours = Neighbours(bench)
        self.sources: dict[tuple[str, str | None], Source] = {}
        self.seconds = time.time()
        self.until = self.time_of(params["undo_for"])
        self.waiting = (params["wait_for"], params["wait_timeout"])

    def time_of(self, undo_for: str | None) -> str | None:
        """When *undo_for* is over; None where it is not."""
        if undo_for is None or undo_for in (EVER, SETTLED):
            return None
        return holder.time_of(self.seconds + seconds_of(undo_for, "undo_for"))

    @cached_property
    def befores(self) -> dict[str, list[Before]]:
        return befores_by_domain(self.bench, self.neighbours.domains.values(), self.params["image_pool"])

    def plan(self, name: str) -> Plan:
        """The plan for the clone *name*."""
        domain = self.neighbours.domains.get(name) or domains.read(self.bench.hypervisor, name)
        befores = self.befores.get(domain.uuid, [])
        origin = origin_of(domain, befores)
        if origin is None:
            raise Refused(
                f"reverting {name} to a version",
                "it is not a clone of an image",
                "Revert it to a snapshot; or make clones with golden.libvirt.clone.",
            )
        if origin.complete and origin.holder and holder.alive(origin.holder):
            doing = f"{holder.described(origin.holder)} is reverting it right now"
            raise Refused(f"reverting {name}", doing, "Wait for it to end.")
        clone = self.clone(domain, origin, befores)
        power, force, generation = self.params["power"], self.params["force"], str(uuid.uuid4())
        if self.params["to"] in ("stay", "settle"):
            return self.settling(clone)
        if self.params["to"] == "before":
            back = undo.Undo(power, force, generation, self.waiting, holder.this_process())
            return undo.plan_undo(back, clone)
        asked = reset.Reset(
            source=self.source(origin),
            power=power,
            force=force,
            generation=generation,
            channel=self.params["channel"],
            undo_for=self.params["undo_for"],
            until=self.until,
            waiting=self.waiting,
            holder=holder.this_process(),
        )
        return reset.plan_reset(asked, clone)

    def settling(self, clone: Clone) -> Plan:
        """The plan that keeps the clone what it is; refused where something else needs what goes with that."""
        plan = undo.plan_settling(clone, self.until, begun=self.params["to"] == "settle")
        going = deleted(plan, clone)
        found = sorted(needing(self.usage, going)) if going else []
        if found:
            doing = f"removing what is kept of {clone.domain.name} to go back to"
            raise Refused(doing, "something depends on it", "Remove that first.", obstacles=found)
        return plan

    @cached_property
    def usage(self) -> Usage:
        """The files of the hypervisor and the domains that use them."""
        return usage_of(self.bench.hypervisor, self.neighbours.domains.values())

    def source(self, origin: Origin) -> Source:
        channel = self.params["channel"]
        version = self.params["version"] or (None if channel else origin.version)
        key = (origin.image, version)
        if key not in self.sources:
            pool = self.params["image_pool"]
            self.sources[key] = source.of_version(
                self.bench, pool, origin.image, version, channel, signers=signers_in(self.params)
            )
        return self.sources[key]

    def clone(self, domain: Domain, origin: Origin, befores: list[Before]) -> Clone:
        pool = self.bench.pool(origin.made[0].pool)
        made = dict.fromkeys(
            (*origin.made, *(kept for before in befores for kept in (*before.all, *before.successors)))
        )
        taken = {name: self.neighbours.volumes_in(name) for name in {one.pool for one in made}}
        volumes = [self.bench.pool(one.pool).read(one.volume) for one in made if one.volume in taken[one.pool]]
        nvram = domain.firmware.nvram
        return Clone(
            domain=domain,
            origin=origin,
            pool=pool.name,
            directory=pool.path,
            taken=frozenset().union(*taken.values()),
            volumes={volume.path: volume for volume in volumes},
            leavings=self.neighbours.leavings(domain, [volume.path for volume in volumes]),
            befores=befores,
            now=holder.time_of(self.seconds),
            interrupted=origin.holder is not None,
            variables=files.find_at(self.bench.hypervisor, nvram) if nvram and self.params["undo_for"] else None,
        )


def origin_of(domain: Domain, befores: list[Before]) -> Origin | None:
    """Where a clone was struck from; where its definition has lost that, as it is known of what it was before."""
    origin = domain.record.origin
    if origin is None and befores:
        origin = domain_of(befores[-1].xml, befores[-1].state).record.origin
    return origin if origin and origin.image and origin.made else None
