# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb snapshot: reading what it decides on, and how its actions are carried out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._errors import (
    AlreadyThere,
    GoldenError,
    Overtaken,
    Refused,
)
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains, files, quiescing, snapshots
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._plan.age import seconds_of
from ansible_collections.golden.libvirt.plugins.module_utils._plan.creation import (
    CreateOverlay,
    CreateSnapshot,
    SaveNvram,
    creation_xml,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.deletion import (
    DeleteSnapshot,
    ForgetSnapshot,
    RedefineSnapshot,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.kinds import Wish
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.snapshot import (
    Retention,
    plan_absent,
    plan_present,
)
from ansible_collections.golden.libvirt.plugins.module_utils._run.company import FROZEN, READY, Company
from ansible_collections.golden.libvirt.plugins.module_utils._run.inward import looked_into
from ansible_collections.golden.libvirt.plugins.module_utils._run.meanwhile import make_sure
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.surveying import Surveyor
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params, Planned, Verb, guarded
from ansible_collections.golden.libvirt.plugins.module_utils._xml import snapshot as snapshot_xml
from ansible_collections.golden.libvirt.plugins.module_utils._xml import volume as volume_xml


def plan(bench: Bench, params: Params) -> Sequence[Planned]:
    """One plan per domain."""
    surveyor = Surveyor(bench)
    wish, retention = wish_of(params), retention_of(params)

    def one(name: str) -> Plan:
        survey = surveyor.survey(name, deleting=params["state"] == "absent" or retention != Retention())
        if params["state"] == "absent":
            return plan_absent(survey, wish.name, params["children"])
        survey = looked_into(bench.hypervisor, survey)
        return plan_present(survey, wish, retention, lambda: quiescing.problem(bench.hypervisor, name))

    return guarded(params["domains"], one)


def wish_of(params: Params) -> Wish:
    return Wish(
        name=params["name"],
        mode=params["mode"],
        memory=params["memory"],
        quiesce=params["quiesce"],
        disks=tuple(params["disks"]) if params["disks"] is not None else None,
        excluded=tuple(params["exclude_disks"] or ()),
        description=(params["description"] or "").replace("\r\n", "\n"),
        label=params["label"],
    )


def retention_of(params: Params) -> Retention:
    age = params["max_age"]
    return Retention(params["keep"], int(time.time()) - seconds_of(age) if age else None)


def finish(bench: Bench, params: Params, plan: Plan) -> Mapping[str, Any]:
    """What the doing found out: that a guest would not be quiesced after all."""
    learned: Mapping[str, Any] = bench.learned.get(f"snapshot of {plan.item}", {})
    return learned


@perform.register
def create_overlay(action: CreateOverlay, bench: Bench) -> Undo:
    pool = bench.pool(action.pool)
    xml = volume_xml.new_volume(
        action.volume, action.capacity, "qcow2", backing=action.backing, backing_format=action.backing_format
    )
    try:
        pool.create(xml, action.volume)
    except AlreadyThere as err:
        raise Overtaken(err.doing, err.reason, err.advice, code=err.code) from err

    def undo() -> None:
        if writes_to(bench, action.domain, [action.path]):
            raise Refused(f"removing {action.path}", f"the domain {action.domain} writes to it")
        pool.refresh()
        pool.delete(action.volume)

    return undo


@perform.register
def save_nvram(action: SaveNvram, bench: Bench) -> Undo:
    pool = bench.pool(action.pool)
    content = bench.pool(action.pool).download(action.source.rpartition("/")[2])
    pool.create(volume_xml.new_volume(action.volume, len(content), "raw"), action.volume)
    try:
        pool.upload(action.volume, content)
    except BaseException:
        pool.delete(action.volume)
        raise
    return lambda: pool.delete(action.volume)


@perform.register
def create_snapshot(action: CreateSnapshot, bench: Bench) -> Undo:
    hypervisor, snapshot = bench.hypervisor, action.snapshot

    def undo() -> None:
        why = bench.learned.get(kept(action.domain, action.name))
        if why:
            raise Refused(f"deleting snapshot {action.name} of {action.domain}", why)
        snapshots.delete(hypervisor, action.domain, action.name)
        if snapshot.memory_file:  # libvirt 9.0 leaves it
            directory, _slash, name = snapshot.memory_file.rpartition("/")
            pool = files.pool_at(hypervisor, directory)
            pool.refresh()
            pool.delete(name)

    if bench.company:
        take_together(action, bench, bench.company)
    else:
        take_alone(action, bench)
    if action.kind == "external":
        make_sure(action, bench, undo)
    return undo


def kept(domain: str, snapshot: str) -> str:
    """What a bench has learned under this keeps a new snapshot from being deleted when what follows fails."""
    return f"why {snapshot} of {domain} is kept"


def take_alone(action: CreateSnapshot, bench: Bench) -> None:
    try:
        take(action, bench.hypervisor, frozen=action.quiesce is not None, quiesce=action.quiesce is not None)
    except GoldenError as err:
        if action.quiesce != "try" or not quiescing.agent_failed(err) or went_over(action, bench):
            raise
        take(action, bench.hypervisor, frozen=False)
        fall_back(action, bench, err)


def take_together(action: CreateSnapshot, bench: Bench, company: Company) -> None:
    """Once all are ready, their guests freeze; once all are frozen, their snapshots begin; each thaws after its own.

    Each on a connection of its own, since libvirt serves no more than five requests of one at the same time.
    """
    with bench.hypervisor.lock:
        own = Hypervisor(bench.hypervisor.uri)
    with own:
        company.meet(READY)
        frozen = action.quiesce is not None and froze(action, own, bench)
        try:
            company.meet(FROZEN)
            take(action, own, frozen=frozen)
        finally:
            if frozen:
                quiescing.thaw(own, action.domain)


def froze(action: CreateSnapshot, hypervisor: Hypervisor, bench: Bench) -> bool:
    """Freeze the guest; whether it did, where that was only to be tried."""
    try:
        quiescing.freeze(hypervisor, action.domain)
    except GoldenError as err:
        if action.quiesce != "try":
            raise
        fall_back(action, bench, err)
        return False
    return True


def fall_back(action: CreateSnapshot, bench: Bench, err: GoldenError) -> None:
    """Note that the guest was not quiesced, and why."""
    bench.learned[f"snapshot of {action.domain}"] = {"consistency": "crash", "fallback": quiescing.why_not(err)}


def went_over(action: CreateSnapshot, bench: Bench) -> bool:
    """Whether the disks write to their overlays already: libvirt fails after that where the guest does not thaw."""
    return writes_to(bench, action.domain, [disk.path for disk in action.snapshot.external_disks])


def writes_to(bench: Bench, domain: str, paths: Sequence[str | None]) -> bool:
    return any(disk.path in paths for disk in domains.read_live(bench.hypervisor, domain).disks)


def take(action: CreateSnapshot, hypervisor: Hypervisor, *, frozen: bool, quiesce: bool = False) -> None:
    """Take it; *frozen*: its file systems are, or (*quiesce*) libvirt is to have them frozen meanwhile."""
    snapshots.create(
        hypervisor,
        action.domain,
        creation_xml(action.snapshot, frozen),
        disk_only=not action.memory and action.kind == "external",
        prepared=action.kind == "external",
        quiesce=quiesce,
    )


@perform.register
def delete_snapshot(action: DeleteSnapshot, bench: Bench) -> Undo:
    if not action.started:
        snapshots.delete(bench.hypervisor, action.domain, action.name)
        return None
    domains.start(bench.hypervisor, action.domain, paused=True)
    try:
        snapshots.delete(bench.hypervisor, action.domain, action.name)
    finally:
        domains.stop(bench.hypervisor, action.domain)
    return None


@perform.register
def forget_snapshot(action: ForgetSnapshot, bench: Bench) -> Undo:
    found = {snapshot.name: snapshot for snapshot in snapshots.read_all(bench.hypervisor, action.domain)}
    snapshots.forget(bench.hypervisor, action.domain, action.name)
    before = found[action.name]
    return lambda: snapshots.redefine(bench.hypervisor, action.domain, before.xml, current=before.current)


@perform.register
def redefine_snapshot(action: RedefineSnapshot, bench: Bench) -> Undo:
    hypervisor = bench.hypervisor
    before = {snapshot.name: snapshot for snapshot in snapshots.read_all(hypervisor, action.domain)}
    xml = snapshot_xml.with_chains(before[action.name].xml, action.chains)
    xml = snapshot_xml.with_overlays(xml, action.overlays) if action.overlays else xml
    snapshots.redefine(hypervisor, action.domain, xml, current=action.current)

    def undo() -> None:
        for snapshot in before.values():
            if snapshot.current or snapshot.name == action.name:
                snapshots.redefine(hypervisor, action.domain, snapshot.xml, current=snapshot.current)

    return undo


SNAPSHOT = Verb("snapshots", plan, finish)
