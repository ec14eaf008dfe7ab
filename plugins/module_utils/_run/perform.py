# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying plans out: what each action does, and how it is undone when a later one fails."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any, Callable, Optional

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import (
    agent,
    copying,
    domains,
    files,
    reflink,
    volumes,
)
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._image.repository import Repository
from ansible_collections.golden.libvirt.plugins.module_utils._plan import actions
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan
from ansible_collections.golden.libvirt.plugins.module_utils._run.company import DONE, Company
from ansible_collections.golden.libvirt.plugins.module_utils._xml import metadata as metadata_xml
from ansible_collections.golden.libvirt.plugins.module_utils._xml import volume as volume_xml

Undo = Optional[Callable[[], None]]


class Lanes:
    """How many plans are carried out at once: *working*, and *booting* guests until these answer."""

    def __init__(self, working: int = 1, booting: int = 1) -> None:
        self.working = threading.BoundedSemaphore(working)
        self.booting = threading.BoundedSemaphore(booting)


class Lane:
    """A plan's place in the lanes, while it is carried out."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.held = lanes.working

    def __enter__(self) -> Lane:
        self.held.acquire()
        return self

    def __exit__(self, *_error: object) -> None:
        self.held.release()

    def change(self) -> None:
        """Give the place up for one among those that boot."""
        if self.held is not self.lanes.booting:
            self.held.release()
            self.held = self.lanes.booting
            self.held.acquire()


def nothing_to_run(command: list[str], **options: Any) -> tuple[int, str, str]:
    """What a bench without a module, which only reads, does with a command."""
    raise GoldenError(f"running {command[0]}", "this run only reads")


@dataclass
class Bench:
    """Where plans are carried out: the hypervisor, its pools as opened, what actions *learned* (e.g. digests).

    *ending* is set when the run is told to end: no further action is begun. *tell* is told how far long ones have come.
    *execute* runs a command where the module runs, with options of AnsibleModule.run_command: its exit status, output
    and errors.
    *company* is there where all items are done or none.
    """

    hypervisor: Hypervisor
    learned: dict[str, Any] = field(default_factory=dict)
    pools: dict[str, volumes.Pool] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)
    ending: threading.Event = field(default_factory=threading.Event)
    lanes: Lanes = field(default_factory=Lanes)
    tell: Callable[[str], None] = print
    execute: Callable[..., tuple[int, str, str]] = nothing_to_run
    company: Company | None = None

    def pool(self, name: str) -> volumes.Pool:
        """The pool, opened (and refreshed) once."""
        with self.hypervisor.lock:
            if name not in self.pools:
                self.pools[name] = volumes.open_pool(self.hypervisor, name)
            return self.pools[name]

    def repository(self, pool: str) -> Repository:
        """The images of a pool, listed once. Refused where its volumes are not files: creating one is not exclusive."""
        with self.hypervisor.lock:
            if pool not in self.repositories:
                self.pool(pool).require_files()
                self.repositories[pool] = Repository(self.pool(pool))
            return self.repositories[pool]


@singledispatch
def perform(action: Action, bench: Bench) -> Undo:
    """Do one action; returns what undoes it, or None where there is nothing to undo."""
    raise TypeError(f"nothing performs {type(action).__name__}")


def carry_out(plan: Plan, bench: Bench) -> None:
    """All actions in order. Where one fails (or the run is told to end) those before it are undone, newest first, as
    far as they are not settled. In company, nothing is settled or ends before the others have come so far.

    Raises what the action raised, with what stays added to its *left*, and whether that is *settled*.
    """
    with Lane(bench.lanes) as lane:
        carry_out_in(lane, plan, bench)


def carry_out_in(lane: Lane, plan: Plan, bench: Bench) -> None:
    kept: list[str] = []
    done: list[tuple[Action, Callable[[], None]]] = []
    last: Action | None = None
    waiting = bench.company
    try:
        if plan.guard and plan.actions:
            perform(plan.guard, bench)
        for action in (*plan.actions, None):
            if waiting and (action is None or action.settles):
                waiting.meet(DONE)
                waiting = None
            if action is None:
                break
            if action.boots:
                lane.change()
            if bench.ending.is_set():
                raise GoldenError(f"working on {plan.item}", "the run was told to end", "Run it again to go on.")
            if action.settles == "before" and last:
                kept = settled(last, done)
            undo = perform(action, bench)
            last = action
            if undo is not None:
                done.append((action, undo))
            if action.settles == "after":
                kept = settled(last, done)
    except BaseException as err:
        if waiting:
            waiting.fail(plan.item)
        left = kept + take_back(done)
        if isinstance(err, GoldenError):
            err.left += tuple(left)
            err.settled = bool(kept)
        raise


def settled(last: Action, done: list[tuple[Action, Callable[[], None]]]) -> list[str]:
    """Keep what was *done*; says so, up to the *last* action."""
    done.clear()
    return [f"what was done up to ({in_words(last)})"]


def take_back(done: Sequence[tuple[Action, Callable[[], None]]]) -> list[str]:
    """Undo, newest first; returns in words what could not be undone."""
    left: list[str] = []
    for action, undo in reversed(done):
        try:
            undo()
        except Exception as err:  # whatever it is, it must not keep the others from being undone
            reason = err.reason if isinstance(err, GoldenError) else repr(err)
            left.append(f"undoing ({in_words(action)}) failed: {reason}")
    return left


def in_words(action: Action) -> str:
    return ", ".join(f"{name} {value}" for name, value in action.describe().items())


@perform.register
def create_volume(action: actions.CreateVolume, bench: Bench) -> Undo:
    pool = bench.pool(action.pool)
    xml = volume_xml.new_volume(
        action.volume,
        action.capacity,
        action.format,
        mode=action.mode,
        backing=action.backing,
        backing_format=action.backing_format or "qcow2",
    )
    pool.create(xml, action.volume)
    return lambda: pool.delete(action.volume)


@perform.register
def copy_volume(action: actions.CopyVolume, bench: Bench) -> Undo:
    pool = bench.pool(action.pool)
    if action.snapshot:
        wanted = copying.Copy(
            action.source, action.volume, action.capacity, snapshot=action.snapshot, mode=action.mode, ours=False
        )
        copying.copy(bench.hypervisor, pool, wanted, bench.tell, bench.execute)
        return lambda: pool.delete(action.volume)
    xml = volume_xml.new_volume(action.volume, action.capacity, action.format, mode=action.mode)
    original = files.volume_at(bench.hypervisor, action.source)
    if original.format != action.format or not reflink.copied(pool, xml, action.volume, original):
        pool.copy(xml, action.volume, files.handle_at(bench.hypervisor, action.source))
    return lambda: pool.delete(action.volume)


@perform.register
def grow_volume(action: actions.GrowVolume, bench: Bench) -> Undo:
    bench.pool(action.pool).resize(action.volume, action.capacity)
    return None


@perform.register
def write_volume(action: actions.WriteVolume, bench: Bench) -> Undo:
    pool = bench.pool(action.pool)
    pool.create(volume_xml.new_volume(action.volume, len(action.content), "raw", mode=action.mode), action.volume)
    try:
        pool.upload(action.volume, action.content)
    except BaseException:
        pool.delete(action.volume)
        raise
    return lambda: pool.delete(action.volume)


@perform.register
def delete_volume(action: actions.DeleteVolume, bench: Bench) -> Undo:
    bench.pool(action.pool).delete(action.volume)
    return None


@perform.register
def define_domain(action: actions.DefineDomain, bench: Bench) -> Undo:
    hypervisor = bench.hypervisor
    before = domains.find(hypervisor, action.domain)
    domains.define(hypervisor, action.xml, action.domain)
    if before is None:
        return lambda: domains.undefine(hypervisor, action.domain)
    xml = before.xml
    return lambda: domains.define(hypervisor, xml, action.domain)


@perform.register
def undefine_domain(action: actions.UndefineDomain, bench: Bench) -> Undo:
    domains.undefine(bench.hypervisor, action.domain, action.uuid)
    return None


@perform.register
def mark_domain(action: actions.MarkDomain, bench: Bench) -> Undo:
    hypervisor = bench.hypervisor
    before = domains.read(hypervisor, action.domain).record
    domains.set_metadata(hypervisor, action.domain, metadata_xml.element_of(action.record))
    return lambda: domains.set_metadata(hypervisor, action.domain, metadata_xml.element_of(before))


@perform.register
def mark_clone(action: actions.MarkClone, bench: Bench) -> Undo:
    domains.set_metadata(bench.hypervisor, action.domain, metadata_xml.element_of(action.record), action.uuid)
    return None


@perform.register
def rename_domain(action: actions.RenameDomain, bench: Bench) -> Undo:
    domains.rename(bench.hypervisor, action.domain, action.to)
    return lambda: domains.rename(bench.hypervisor, action.to, action.domain)


@perform.register
def start_domain(action: actions.StartDomain, bench: Bench) -> Undo:
    domains.start(bench.hypervisor, action.domain, paused=action.paused)
    return lambda: domains.stop(bench.hypervisor, action.domain)


@perform.register
def stop_domain(action: actions.StopDomain, bench: Bench) -> Undo:
    paused = domains.state(bench.hypervisor, action.domain) == "paused"
    domains.stop(bench.hypervisor, action.domain)
    return lambda: domains.start(bench.hypervisor, action.domain, paused=paused)


@perform.register
def wait_for_guest(action: actions.WaitForGuest, bench: Bench) -> Undo:
    agent.wait(bench.hypervisor, action.domain, action.until, action.timeout)
    return None
