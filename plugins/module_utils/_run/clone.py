# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb clone: reads what is there once for all names, plans each, makes or removes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._errors import AlreadyThere, GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import agent, domains, guest, volumes
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain
from ansible_collections.golden.libvirt.plugins.module_utils._plan import clone
from ansible_collections.golden.libvirt.plugins.module_utils._plan.guest import CustomiseGuest, guest_for
from ansible_collections.golden.libvirt.plugins.module_utils._plan.identity import Register
from ansible_collections.golden.libvirt.plugins.module_utils._plan.leavings import Leavings
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.removal import plan_removal
from ansible_collections.golden.libvirt.plugins.module_utils._run import source
from ansible_collections.golden.libvirt.plugins.module_utils._run.neighbours import Neighbours
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params, Planned, Verb, guarded
from ansible_collections.golden.libvirt.plugins.module_utils._xml.clone import Machine


def plan(bench: Bench, params: Params) -> Sequence[Planned]:
    """One plan per name."""
    asked = list(dict.fromkeys(params["names"]))
    if params["state"] == "absent":
        return removals(bench, asked, params["image"])
    wanted = wanted_by(bench, params, asked)
    # Before the domains: whose volume is there already, its domain is too.
    taken = bench.pool(wanted.pool).names()
    there = {domain.name: domain for domain in domains.read_all(bench.hypervisor)}
    register = register_for(bench, asked, there)

    def one(name: str) -> Plan:
        return clone.plan_clone(wanted, name, there.get(name), register, volumes=taken, busy=busy(there.get(name)))

    return guarded(asked, one)


def wanted_by(bench: Bench, params: Params, asked: Sequence[str]) -> clone.Wanted:
    """What the task wants of each of its clones."""
    struck = (
        source.of_domain(bench, params["domain"])
        if params["domain"]
        else source.of_version(bench, params["image_pool"], params["image"], params["version"], params["channel"])
    )
    pool = bench.pool(params["pool"] or params["image_pool"])
    if pool.type not in volumes.DIRECTORIES:
        raise Refused(
            f"cloning from {struck.words}",
            f"pool {pool.name} is of type {pool.type}, which holds no qcow2 files",
            f"Name a pool of type {', '.join(volumes.DIRECTORIES)} in 'pool'.",
        )
    return clone.Wanted(
        source=struck,
        channel=params["channel"],
        pool=pool.name,
        directory=pool.path,
        linked=params["linked"] and not params["domain"],
        machine=Machine(params["memory"], params["vcpus"], params["title"]),
        guest=guest_for(params["customise"], struck.first_boot, asked, params["start"]),
        start=params["start"],
        wait_for=params["wait_for"],
        wait_timeout=params["wait_timeout"],
        created=holder.now(),
        holder=holder.this_process(),
    )


def register_for(bench: Bench, asked: Collection[str], there: Mapping[str, Domain]) -> Register:
    """Identities that nobody has; what a clone had that is half made is free for the one that takes its place."""
    others = [domain for domain in there.values() if domain.name not in asked or not half_made(domain)]
    macs = {mac.lower() for domain in others for mac in domain.macs}
    host = domains.host(bench.hypervisor)
    return Register(host["uuid"] or host["hostname"], macs | domains.live_macs(bench.hypervisor))


def half_made(domain: Domain) -> bool:
    return domain.record.origin is not None and not domain.record.origin.complete


def busy(domain: Domain | None) -> bool:
    """Whether a run that still lives is making this clone."""
    origin = domain.record.origin if domain else None
    return bool(origin and not origin.complete and origin.holder and holder.alive(origin.holder))


def removals(bench: Bench, asked: Sequence[str], image: str | None) -> Sequence[Planned]:
    """The plans to remove clones."""
    neighbours = Neighbours(bench)

    def one(name: str) -> Plan:
        domain = neighbours.domains.get(name)
        origin = domain.record.origin if domain else None
        if domain is None or origin is None:
            return plan_removal(name, domain, image, {}, Leavings())
        if busy(domain):
            raise Refused(f"removing clone {name}", "another run is making it right now", "Wait for it to end.")
        made = [bench.pool(volume.pool).path_of(volume.volume) for volume in origin.made]
        known = {volume.pool: neighbours.volumes_in(volume.pool) for volume in origin.made}
        return plan_removal(name, domain, image, known, neighbours.leavings(domain, made))

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
def customise_guest(action: CustomiseGuest, bench: Bench) -> Undo:
    guest.customise(bench.hypervisor, action.domain, action.hostname, action.ssh_keys, action.timeout)
    return None


def finish(bench: Bench, params: Params, item: Plan) -> Mapping[str, Any]:
    """What only a clone that is there has: its UUID, and its addresses where they were waited for."""
    if params["state"] == "absent":
        return {}
    found: dict[str, Any] = {"uuid": domains.handle_of(bench.hypervisor, item.item).UUIDString()}
    if params["start"] and params["wait_for"] == "address":
        found["addresses"] = agent.addresses(bench.hypervisor, item.item)
    return found


CLONE = Verb("clones", plan, finish)
