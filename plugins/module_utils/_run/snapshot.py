# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb snapshot: reading what it decides on, and how its actions are carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import (
    agent,
    domains,
    files,
    snapshots,
)
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
from ansible_collections.golden.libvirt.plugins.module_utils._plan.snapshot import plan_absent, plan_present
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.surveying import Surveyor
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params, Planned, Verb, guarded
from ansible_collections.golden.libvirt.plugins.module_utils._xml import volume as volume_xml


def plan(bench: Bench, params: Params) -> Sequence[Planned]:
    """One plan per domain."""
    surveyor = Surveyor(bench)
    wish = wish_of(params)

    def one(name: str) -> Plan:
        survey = surveyor.survey(name, deleting=params["state"] == "absent" or params["keep"] is not None)
        if params["state"] == "absent":
            return plan_absent(survey, wish.name)
        return plan_present(survey, wish, params["keep"], lambda: quiesce_problem(bench, name))

    return guarded(params["domains"], one)


def wish_of(params: Params) -> Wish:
    return Wish(
        name=params["name"],
        mode=params["mode"],
        memory=params["memory"],
        quiesce=params["quiesce"],
        disks=tuple(params["disks"]) if params["disks"] is not None else None,
        description=(params["description"] or "").replace("\r\n", "\n"),
        label=params["label"],
    )


def quiesce_problem(bench: Bench, domain: str) -> str:
    """Why the guest cannot be quiesced; empty where its agent says that its file systems are thawed."""
    try:
        status = agent.command(bench.hypervisor, domain, "guest-fsfreeze-status")
    except GoldenError as err:
        return err.reason
    return "" if status == "thawed" else f"the guest agent says that its file systems are {status}"


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
    pool.create(xml, action.volume)

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
    try:
        take(action, bench, quiesce=action.quiesce is not None)
    except GoldenError as err:
        if action.quiesce != "try" or not snapshots.agent_failed(err) or went_over(action, bench):
            raise
        take(action, bench, quiesce=False)
        bench.learned[f"snapshot of {action.domain}"] = {
            "consistency": "crash",
            "fallback": "; ".join([err.reason, *err.left]),
        }

    def undo() -> None:
        snapshots.delete(hypervisor, action.domain, action.name)
        if snapshot.memory_file:  # libvirt 9.0 leaves it
            directory, _slash, name = snapshot.memory_file.rpartition("/")
            pool = files.pool_at(hypervisor, directory)
            pool.refresh()
            pool.delete(name)

    return undo


def went_over(action: CreateSnapshot, bench: Bench) -> bool:
    """Whether the disks write to their overlays already: libvirt fails after that where the guest does not thaw."""
    return writes_to(bench, action.domain, [disk.path for disk in action.snapshot.external_disks])


def writes_to(bench: Bench, domain: str, paths: Sequence[str | None]) -> bool:
    return any(disk.path in paths for disk in domains.read_live(bench.hypervisor, domain).disks)


def take(action: CreateSnapshot, bench: Bench, *, quiesce: bool) -> None:
    snapshots.create(
        bench.hypervisor,
        action.domain,
        creation_xml(action.snapshot, quiesce),
        disk_only=not action.memory and action.kind == "external",
        prepared=action.kind == "external",
        quiesce=quiesce,
    )


@perform.register
def delete_snapshot(action: DeleteSnapshot, bench: Bench) -> Undo:
    snapshots.delete(bench.hypervisor, action.domain, action.name)
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
    snapshots.redefine(hypervisor, action.domain, action.xml, current=action.current)

    def undo() -> None:
        for snapshot in before.values():
            if snapshot.current or snapshot.name == action.name:
                snapshots.redefine(hypervisor, action.domain, snapshot.xml, current=snapshot.current)

    return undo


SNAPSHOT = Verb("snapshots", plan, finish)
