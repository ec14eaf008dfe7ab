# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb revert: back to a snapshot, or the ways of clones to a version of their image and back (see reset)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Callable

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import (
    agent,
    domains,
    files,
    quiescing,
    snapshots,
    volumes,
)
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain
from ansible_collections.golden.libvirt.plugins.module_utils._plan.before import EVER, SETTLED
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.reset import awaiting
from ansible_collections.golden.libvirt.plugins.module_utils._plan.revert import (
    DiscardMemory,
    RestoreMemory,
    RestoreNvram,
    RevertSnapshot,
    RevertWish,
    plan_revert,
)
from ansible_collections.golden.libvirt.plugins.module_utils._run import snapshot
from ansible_collections.golden.libvirt.plugins.module_utils._run.inward import looked_into
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform, take_back
from ansible_collections.golden.libvirt.plugins.module_utils._run.reset import Resets
from ansible_collections.golden.libvirt.plugins.module_utils._run.snapshot import kept
from ansible_collections.golden.libvirt.plugins.module_utils._run.surveying import Surveyor
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params, Planned, Verb, guarded
from ansible_collections.golden.libvirt.plugins.module_utils._xml import volume as volume_xml


def plan(bench: Bench, params: Params) -> Sequence[Planned]:
    """One plan per domain."""
    refuse_unfit(params)
    one = to_snapshot(bench, params) if params["to"] == "snapshot" else Resets(bench, params).plan
    return guarded(params["domains"], one)


def refuse_unfit(params: Params) -> None:
    """Raise where options were given that say nothing of where it goes."""
    to = params["to"]
    known = {"snapshot": ("snapshot", "safety_snapshot"), "version": ("version", "channel", "undo_for")}
    fit = {**known, "stay": ("undo_for",), "settle": ("undo_for",)}.get(to, ())
    unfit = [
        option
        for option in ("snapshot", "safety_snapshot", "version", "channel", "undo_for")
        if params[option] and option not in fit
    ]
    if unfit:
        advice = "Leave them out."
        if "safety_snapshot" in unfit:
            advice = "A snapshot would go with the disks that it is in: say with 'undo_for' how long these are kept."
        raise Refused("reading where to go", f"'to: {to}' goes without {', '.join(unfit)}", advice)
    if to in ("stay", "settle") and params["undo_for"] in (EVER, SETTLED):
        advice = "Say how long it is kept, such as 7d; leave 'undo_for' out to remove it."
        raise Refused("reading where to go", f"'to: {to}' gives an end, and '{params['undo_for']}' is none", advice)


def to_snapshot(bench: Bench, params: Params) -> Callable[[str], Plan]:
    surveyor = Surveyor(bench)
    wish = RevertWish(
        params["snapshot"], params["power"], params["safety_snapshot"], params["force"], params["together"]
    )

    def one(name: str) -> Plan:
        survey = looked_into(bench.hypervisor, surveyor.survey(name, deleting=True))
        way = plan_revert(survey, wish, lambda: quiescing.problem(bench.hypervisor, name))
        waiting = awaiting(name, way.result["power"], (params["wait_for"], params["wait_timeout"]))
        return replace(way, actions=(*way.actions, *waiting))

    return one


def finish(bench: Bench, params: Params, item: Plan) -> Mapping[str, Any]:
    """The guest's addresses, where they were waited for."""
    if params["wait_for"] in ("address", "ssh") and item.result["power"] == "running":
        return {"addresses": agent.addresses(bench.hypervisor, item.item)}
    return {}


@perform.register
def revert_snapshot(action: RevertSnapshot, bench: Bench) -> Undo:
    hypervisor = bench.hypervisor
    before = domains.read(hypervisor, action.domain)
    undo = partial(bring_back, bench, before, action.back) if action.back else None
    try:
        snapshots.revert(hypervisor, action.domain, action.name, to=flag_of(action), force=action.force)
        reach(bench, action.domain, action.power)
    except GoldenError as err:
        # libvirt changes the definition, stops the domain and brings disks back before it finds out that it cannot.
        if undo is None:
            err.left += tuple(defined_anew(bench, before))
        elif take_back([(action, undo)]):
            err.left += (f"what was done until then, maybe to some of its disks; {action.back} holds what it was",)
        raise
    return undo


def bring_back(bench: Bench, before: Domain, back: str) -> None:
    """Bring a domain back to what it was *before*, which the snapshot *back* holds: where that fails, it is kept."""
    bench.learned[kept(before.name, back)] = "it holds what the domain was before"
    snapshots.revert(bench.hypervisor, before.name, back, to=None if before.off else "paused", force=True)
    reach(bench, before.name, before.state)
    del bench.learned[kept(before.name, back)]


def defined_anew(bench: Bench, before: Domain) -> Iterator[str]:
    """Define a domain as it was, and start it where it was on; says in words what became of it."""
    with suppress(GoldenError):
        domains.define(bench.hypervisor, before.xml, before.name)
        if not before.off and domains.read(bench.hypervisor, before.name).off:
            yield started_anew(bench, before)


def started_anew(bench: Bench, before: Domain) -> str:
    """Start a domain that was on; says in words what became of it."""
    try:
        domains.start(bench.hypervisor, before.name, paused=before.state == "paused")
    except GoldenError as err:
        return f"{before.name}, which was stopped and could not be started again: {err.reason}"
    return f"{before.name} was stopped, and is started anew"


def flag_of(action: RevertSnapshot) -> str | None:
    """The state that libvirt is to end in. Without memory that is off, and the domain is started afterwards."""
    if not action.memory:
        return None
    return "running" if action.power == "running" else "paused"


def reach(bench: Bench, domain: str, power: str) -> None:
    """Bring the domain from where libvirt's revert left it to where it shall be."""
    hypervisor = bench.hypervisor
    state = domains.read(hypervisor, domain).state
    if state == power:
        return
    if power == "shutoff":
        domains.stop(hypervisor, domain)
    elif state == "shutoff":
        domains.start(hypervisor, domain, paused=power == "paused")
    else:
        domains.pause(hypervisor, domain, paused=power == "paused")


@perform.register
def restore_nvram(action: RestoreNvram, bench: Bench) -> Undo:
    directory, name = posixpath.split(action.path)
    pool = files.pool_at(bench.hypervisor, directory)
    pool.refresh()
    before = pool.download(name) if pool.find(name) else None
    content = contents_at(bench, action.source) if action.source else None
    replace_file(pool, name, content)
    return lambda: replace_file(pool, name, before)


def contents_at(bench: Bench, path: str) -> bytes:
    directory, name = posixpath.split(path)
    pool = files.pool_at(bench.hypervisor, directory)
    pool.refresh()
    return pool.download(name)


def replace_file(pool: volumes.Pool, name: str, content: bytes | None) -> None:
    """Give a file of a few megabytes new content; None removes it."""
    there = pool.find(name)
    if there and (content is None or there.size != len(content)):
        pool.delete(name)
        there = None
    if content is None:
        return
    if not there:
        pool.create(volume_xml.new_volume(name, len(content), "raw"), name)
    pool.upload(name, content)


@perform.register
def restore_memory(action: RestoreMemory, bench: Bench) -> Undo:
    domains.restore(bench.hypervisor, action.domain, action.file, action.xml, paused=action.paused)
    return lambda: domains.stop(bench.hypervisor, action.domain)


@perform.register
def discard_memory(action: DiscardMemory, bench: Bench) -> Undo:
    domains.discard_saved_memory(bench.hypervisor, action.domain)
    return None


REVERT = Verb("reverts", plan, finish)

__all__ = ["REVERT", "snapshot"]  # snapshot performs what takes the safety snapshot
