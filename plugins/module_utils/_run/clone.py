# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb clone: reads what is there once for all names, plans each, makes or removes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._errors import AlreadyThere, GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import (
    agent,
    backup,
    domains,
    guest,
    offline,
)
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain
from ansible_collections.golden.libvirt.plugins.module_utils._plan import clone
from ansible_collections.golden.libvirt.plugins.module_utils._plan.guest import CustomiseGuest, CustomiseOffline
from ansible_collections.golden.libvirt.plugins.module_utils._plan.identity import Register
from ansible_collections.golden.libvirt.plugins.module_utils._plan.leavings import Leavings
from ansible_collections.golden.libvirt.plugins.module_utils._plan.parts import CopyLive
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.removal import Kin, plan_removal
from ansible_collections.golden.libvirt.plugins.module_utils._run import seeding
from ansible_collections.golden.libvirt.plugins.module_utils._run.neighbours import Neighbours
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Failed, Params, Planned, Verb, guarded
from ansible_collections.golden.libvirt.plugins.module_utils._run.wishes import Wishes, asked_for, pools_of


def plan(bench: Bench, params: Params) -> Sequence[Planned]:
    """One plan per name, and where that is asked for, one for each clone that is no longer named."""
    asked = asked_for(params)
    if params["state"] == "absent":
        return removals(bench, list(asked), params)
    if not asked:  # then what they would be struck from need not be there
        pool = params["pool"] or params["image_pool"]
        return surplus(bench, domains.read_all(bench.hypervisor), asked, params, [pool])
    wishes = Wishes(bench, params, asked)
    # Before the domains: whose volume is there already, its domain is too.
    taken = pools_of(wishes, bench)
    there = {domain.name: domain for domain in domains.read_all(bench.hypervisor)}
    register = register_for(bench, asked, there)

    def one(name: str) -> Plan:
        found = there.get(name)
        wanted = wishes.of(name)
        seed = seeding.content_of(bench, wanted.guest, found)
        return clone.plan_clone(wanted, name, found, register, volumes=taken, busy=busy(found), seed=seed)

    return (*guarded(list(asked), one), *surplus(bench, there.values(), asked, params, taken))


def surplus(
    bench: Bench, there: Collection[Domain], asked: Collection[str], params: Params, pools: Collection[str]
) -> Sequence[Planned]:
    """The plans to remove clones that are not named, where that is asked for. Begun only when all others went well."""
    gone = surplus_of(there, asked, params, pools) if params["exact"] else []
    planned = removals(bench, gone, params)
    return [replace(plan, late=True) if isinstance(plan, Plan) else plan for plan in planned]


def surplus_of(there: Collection[Domain], asked: Collection[str], params: Params, pools: Collection[str]) -> list[str]:
    """The clones of the task's source and label that it does not name.

    Only those in its *pools*: an image of the same name in another image pool is another image.
    """
    wanted = (params["image"] or "", params["domain"] or "", params["label"] or "")
    origins = {domain.name: domain.record.origin for domain in there if domain.name not in asked}
    return [
        name
        for name, origin in origins.items()
        if origin
        and (origin.image, origin.domain, origin.label) == wanted
        and any(made.pool in pools for made in origin.made)
    ]


def register_for(bench: Bench, asked: Collection[str], there: Mapping[str, Domain]) -> Register:
    """Identities that nobody has; what a clone had that is half made is free for the one that takes its place."""
    others = [domain for domain in there.values() if domain.name not in asked or not half_made(domain)]
    macs = {mac.lower() for domain in others for mac in domain.macs}
    host = domains.host(bench.hypervisor)
    return Register(host["uuid"] or host["hostname"], macs | domains.live_macs(bench.hypervisor))


def half_made(domain: Domain) -> bool:
    return domain.record.origin is not None and not domain.record.origin.complete


def busy(domain: Domain | None) -> bool:
    """Whether a run that still lives is making this clone, or reverting it."""
    origin = domain.record.origin if domain else None
    return bool(origin and origin.holder and holder.alive(origin.holder))


def removals(bench: Bench, asked: Sequence[str], params: Params) -> Sequence[Planned]:
    """The plans to remove clones."""
    if not asked:
        return ()
    neighbours = Neighbours(bench)
    kin = Kin(params["image"], params["label"])

    def one(name: str) -> Plan:
        domain = neighbours.domains.get(name)
        origin = domain.record.origin if domain else None
        if domain is None or origin is None:
            return plan_removal(name, domain, kin, {}, Leavings())
        if busy(domain):
            raise Refused(
                f"removing clone {name}", f"another run is {clone.occupied(origin)} right now", "Wait for it to end."
            )
        made = [bench.pool(volume.pool).path_of(volume.volume) for volume in origin.made]
        known = {volume.pool: neighbours.volumes_in(volume.pool) for volume in origin.made}
        return plan_removal(name, domain, kin, known, neighbours.leavings(domain, made))

    return guarded(asked, one)


@perform.register
def define_clone(action: clone.DefineClone, bench: Bench) -> Undo:
    hypervisor = bench.hypervisor
    try:
        domains.define(hypervisor, action.xml, action.domain)
    except GoldenError as err:
        there = domains.find(hypervisor, action.domain)
        if there is None or there.uuid == action.uuid:
            raise
        advice = "Another run may be at it: let it end and run this again."
        raise AlreadyThere(err.doing, "somebody has made a domain of that name meanwhile", advice) from err
    return lambda: domains.undefine(hypervisor, action.domain, action.uuid)


@perform.register
def copy_live(action: CopyLive, bench: Bench) -> Undo:
    watch = backup.Watch(bench.ending, bench.tell)
    backup.push(bench.hypervisor, action.domain, action.disks, quiesce="try", watch=watch)
    return None


@perform.register
def customise_guest(action: CustomiseGuest, bench: Bench) -> Undo:
    guest.customise(bench.hypervisor, action.domain, action.hostname, action.ssh_keys, action.timeout)
    return None


@perform.register
def customise_offline(action: CustomiseOffline, bench: Bench) -> Undo:
    if domains.has_saved_memory(bench.hypervisor, action.domain):
        advice = "Start it and shut it down, and run this again."
        raise GoldenError(f"telling {action.domain} offline", "its memory was saved when it stopped", advice)
    told = (action.uuid, action.hostname, action.ssh_keys)
    offline.customise(bench.hypervisor, *told, emulated=action.emulated, execute=bench.execute)
    return None


def finish(bench: Bench, params: Params, item: Plan) -> Mapping[str, Any]:
    """What only a clone that is there has: its UUID, and its addresses where they were waited for."""
    if item.result.get("state") == "absent":
        return {}
    found: dict[str, Any] = {"uuid": domains.handle_of(bench.hypervisor, item.item).UUIDString()}
    if params["wait_for"] in ("address", "ssh") and item.after.get("state") == "running":
        found["addresses"] = agent.addresses(bench.hypervisor, item.item)
    return found


def taken_back(bench: Bench, params: Params, item: Plan) -> Plan | None:
    """What removes a clone that this run has made; one that was there before stays as it is now."""
    if not any(isinstance(action, clone.DefineClone) for action in item.actions):
        return None
    (planned,) = removals(bench, [item.item], params)
    if isinstance(planned, Failed):
        raise planned.error
    return planned


CLONE = Verb("clones", plan, finish, taken_back)
