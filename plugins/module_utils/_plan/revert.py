# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back to a snapshot: to an internal one libvirt's own way, to an external one step by step.

libvirt before 9.9 cannot revert to an external snapshot, and later ones should not (seen with 11.3 and 12.8): where the
memory cannot be restored, the domain is left writing to files that snapshots froze, and what a disk that is not in the
snapshot holds is discarded. But what a snapshot froze is still there: each disk gets a new overlay over that, and the
domain is defined as it was then; the overlay in use until now goes last, when nothing can fail any more.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Callable, ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils._errors import NotFound, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Snapshot
from ansible_collections.golden.libvirt.plugins.module_utils._plan.actions import (
    DefineDomain,
    DropVolume,
    StartDomain,
    StopDomain,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.creation import (
    SaveNvram,
    overlay_actions,
    overlay_on,
    plan_creation,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.deletion import (
    DeleteSnapshot,
    RedefineSnapshot,
    corrected,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.kinds import Wish
from ansible_collections.golden.libvirt.plugins.module_utils._plan.losses import abandoned, discarded, ours
from ansible_collections.golden.libvirt.plugins.module_utils._plan.meanwhile import DropOverlay, guard
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.revertible import obstacles_to
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey
from ansible_collections.golden.libvirt.plugins.module_utils._xml import domain as domain_xml
from ansible_collections.golden.libvirt.plugins.module_utils._xml import snapshot as snapshot_xml


@dataclass(frozen=True)
class RevertSnapshot(Action):
    """libvirt's own revert; *power* is the state that the domain ends in, *memory* whether one is in the snapshot,
    *back* the snapshot that holds what the domain is now, None for none."""

    words: ClassVar[str] = "revert to snapshot"
    domain: str
    name: str
    power: str
    memory: bool = field(repr=False)
    force: bool = field(default=False, repr=False)
    back: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RestoreNvram(Action):
    """Put the UEFI variables in *path* back to those in *source*; None: as before the first start."""

    words: ClassVar[str] = "restore UEFI variables"
    path: str
    source: str | None


@dataclass(frozen=True)
class RestoreMemory(Action):
    """Go on from the memory in *file*, with the disks that *xml* says."""

    words: ClassVar[str] = "restore memory"
    domain: str
    file: str
    paused: bool
    xml: str = field(repr=False)


@dataclass(frozen=True)
class DiscardMemory(Action):
    """Forget the memory that the domain was put to disk with (managed save)."""

    words: ClassVar[str] = "discard saved memory"
    domain: str


@dataclass(frozen=True)
class RevertWish:
    """*power* is keep, running, shutoff or paused; *safety_snapshot* the name of one to take before, None for none;
    *together*: it must be possible to take the revert back, in case that of another domain fails."""

    name: str
    power: str = "keep"
    safety_snapshot: str | None = None
    force: bool = False
    together: bool = False


def plan_revert(survey: Survey, wish: RevertWish, agent: Callable[[], str]) -> Plan:
    """The way back; refused, with all obstacles at once, where it would lose what it does not say."""
    snapshot = named(survey, wish.name)
    obstacles = obstacles_to(survey, snapshot, wish.force, power_of(survey, wish))
    if wish.safety_snapshot and survey.snapshot(wish.safety_snapshot):
        obstacles += (
            f"there is a snapshot {wish.safety_snapshot} already; choose another name for the safety snapshot",
        )
    if obstacles:
        raise Refused(
            f"reverting {survey.domain.name} to snapshot {snapshot.name}", "it cannot be done", obstacles=obstacles
        )
    before = survey
    first: tuple[Action, ...] = ()
    last: tuple[Action, ...] = ()
    if wish.safety_snapshot:
        creation = plan_creation(survey, Wish(wish.safety_snapshot), agent)
        survey, first = creation.survey, creation.actions
    elif wish.together and snapshot.kind == "internal":
        wish, first, last = passing_safety(survey, wish, agent)
    way = (step_by_step if snapshot.kind == "external" else natively)(survey, snapshot, wish)
    lost = abandoned(survey, snapshot)
    return Plan(
        survey.domain.name,
        (*first, *way.actions, *last),
        before={
            **side(before, before.domain.state, before.domain.xml, disks_of(before)),
            "later": discarded(survey, snapshot),
        },
        after={**side(survey, power_of(survey, wish), way.definition, {**disks_of(survey), **way.disks}), "later": []},
        result={
            "snapshot": snapshot.name,
            "kind": snapshot.kind,
            "memory": snapshot.memory and power_of(survey, wish) != "shutoff",
            "power": power_of(survey, wish),
            "discarded": discarded(survey, snapshot),
            "left": [volume.path for volume in lost if not ours(survey, volume)],
        },
        warnings=tuple(warnings_of(survey, snapshot, wish)),
        guard=guard(before),
    )


@dataclass(frozen=True)
class Way:
    """*definition* is the domain's XML afterwards, *disks* the files that its disks then write to, by target."""

    actions: tuple[Action, ...]
    definition: str
    disks: Mapping[str, str | None] = field(default_factory=dict)


def passing_safety(
    survey: Survey, wish: RevertWish, agent: Callable[[], str]
) -> tuple[RevertWish, tuple[Action, ...], tuple[Action, ...]]:
    """A safety snapshot that is gone at the end: the wish with it, what takes it, what deletes it."""
    names = [f"before-{wish.name}", *(f"before-{wish.name}-{number}" for number in range(2, len(survey.snapshots) + 3))]
    name = next(name for name in names if not survey.snapshot(name))
    first = plan_creation(survey, Wish(name, mode="internal", quiesce="never"), agent).actions
    copies = tuple(DropVolume(action.pool, action.volume) for action in first if isinstance(action, SaveNvram))
    return replace(wish, safety_snapshot=name), first, (DeleteSnapshot(survey.domain.name, name), *copies)


def named(survey: Survey, name: str) -> Snapshot:
    snapshot = survey.snapshot(name)
    if snapshot:
        return snapshot
    names = [other.name for other in survey.snapshots]
    near = difflib.get_close_matches(name, names, 3, 0.5)
    raise NotFound(
        f"reverting {survey.domain.name} to snapshot {name}",
        f"the domain has no snapshot of that name (there: {', '.join(names) or 'none'})",
        f"Near: {', '.join(near)}." if near else "",
    )


def power_of(survey: Survey, wish: RevertWish) -> str:
    """The state that the domain ends in."""
    if wish.power != "keep":
        return wish.power
    return "shutoff" if survey.domain.off else "paused" if survey.domain.state == "paused" else "running"


def natively(survey: Survey, snapshot: Snapshot, wish: RevertWish) -> Way:
    """libvirt's own revert, the UEFI variables put back while the domain is off."""
    name, power = survey.domain.name, power_of(survey, wish)
    nvram = restored_nvram(survey, snapshot)
    stop = (StopDomain(name),) if nvram and not survey.domain.off else ()
    revert = RevertSnapshot(name, snapshot.name, power, snapshot.memory, wish.force, wish.safety_snapshot)
    then = {disk.target: disk.base for disk in snapshot.disks if disk.kind == "internal"}
    return Way((*stop, *forgotten(survey), *nvram, revert), snapshot_xml.definition_then(snapshot), then)


def step_by_step(survey: Survey, snapshot: Snapshot, wish: RevertWish) -> Way:
    """New overlays over what the snapshot froze, and the domain as it was defined then."""
    name, power = survey.domain.name, power_of(survey, wish)
    overlays = {
        disk.target: overlay_on(survey, snapshot.name, disk.target, str(disk.base), disk.base_format)
        for disk in snapshot.external_disks
    }
    paths = {target: overlay.path for target, overlay in overlays.items()}
    definition = repointed(survey, snapshot_xml.definition_then(snapshot), paths)
    actions = (
        *overlay_actions(name, overlays),
        *((StopDomain(name),) if not survey.domain.off else ()),
        *restored_nvram(survey, snapshot),
        DefineDomain(name, definition),
        RedefineSnapshot(name, snapshot.name, True, paths),
        *ancestors_corrected(survey, snapshot),
        *forgotten(survey),
        *powered(survey, snapshot, power, paths),
        *(
            DropOverlay(volume.pool, volume.name, name, volume.path)
            for volume in abandoned(survey, snapshot)
            if ours(survey, volume)
        ),
    )
    return Way(actions, definition, paths)


def ancestors_corrected(survey: Survey, snapshot: Snapshot) -> tuple[Action, ...]:
    """Each snapshot that the domain now follows from shall know the overlays of this branch, not of the one left."""
    above: dict[str, str] = {}
    for disk in snapshot.external_disks:
        chain = survey.chain(disk.base)
        above.update(zip(chain[1:], chain))
    return tuple(
        action
        for other in survey.snapshots
        for action in corrected(
            replace(other, current=False),
            {disk.target: above[disk.base] for disk in other.external_disks if disk.base in above},
        )
    )


def repointed(survey: Survey, definition: str, paths: Mapping[str, str]) -> str:
    """A domain's XML with new overlays; the disks that are not in the snapshot stay the files that they are now."""
    sources: dict[str, tuple[str, str]] = {}
    for disk in domain_xml.domain_of(definition, "").disks:
        now = survey.disk(disk.target)
        if disk.target in paths:
            sources[disk.target] = (paths[disk.target], "qcow2")
        elif now and now.kind == "file" and disk.kind in ("file", "volume") and now.path and now.path != disk.path:
            sources[disk.target] = (now.path, now.format)
    return domain_xml.with_disk_sources(definition, sources)


def powered(survey: Survey, snapshot: Snapshot, power: str, paths: Mapping[str, str]) -> tuple[Action, ...]:
    name, paused = survey.domain.name, power == "paused"
    if power == "shutoff":
        return ()
    if not snapshot.memory_file:
        return (StartDomain(name, paused=paused),)
    live = repointed(survey, snapshot_xml.definition_then(snapshot, live=True), paths)
    return (RestoreMemory(name, snapshot.memory_file, paused, live),)


def restored_nvram(survey: Survey, snapshot: Snapshot) -> tuple[Action, ...]:
    """The UEFI variables as they were, where that was recorded."""
    path = survey.domain.firmware.nvram
    if not path or snapshot.note.nvram is None:
        return ()
    return (RestoreNvram(path, snapshot.note.nvram or None),)


def forgotten(survey: Survey) -> tuple[Action, ...]:
    return (DiscardMemory(survey.domain.name),) if survey.saved else ()


def warnings_of(survey: Survey, snapshot: Snapshot, wish: RevertWish) -> Iterator[str]:
    name = survey.domain.name
    if survey.domain.firmware.kind == "uefi" and snapshot.note.nvram is None:
        yield f"{name}: the snapshot has no copy of the UEFI variables, which stay as they are now."
    if snapshot.memory and power_of(survey, wish) == "shutoff":
        yield f"{name}: the memory in the snapshot is not used: the disks are as after a power cut."


def disks_of(survey: Survey) -> dict[str, str | None]:
    return {disk.target: disk.path for disk in survey.domain.written_disks}


def side(survey: Survey, power: str, xml: str, disks: Mapping[str, str | None]) -> dict[str, Any]:
    """One side of the diff."""
    return {
        "power": power,
        "disks": disks,
        "snapshots": [snapshot.name for snapshot in survey.snapshots],
        "domain": snapshot_xml.shown(xml),
    }
