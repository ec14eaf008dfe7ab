# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb snapshot: there or not there, and how many of a label are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Callable

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Snapshot
from ansible_collections.golden.libvirt.plugins.module_utils._plan.creation import Creation, plan_creation
from ansible_collections.golden.libvirt.plugins.module_utils._plan.deletion import (
    merges_of,
    obstacles_to,
    plan_deletion,
    plan_deletions,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.kinds import Wish
from ansible_collections.golden.libvirt.plugins.module_utils._plan.meanwhile import guard
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey


@dataclass(frozen=True)
class Pruning:
    """What removes the snapshots beyond those kept: *pruned* by name, *spared* with why they could not go."""

    actions: tuple[Action, ...]
    survey: Survey
    pruned: tuple[str, ...] = ()
    spared: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class Retention:
    """How many snapshots of a label stay, and (in seconds since the epoch) not from before when; None: no limit."""

    keep: int | None = None
    since: int | None = None


def plan_present(survey: Survey, wish: Wish, retention: Retention, agent: Callable[[], str]) -> Plan:
    """Take the snapshot unless one of that name is there; then remove those of its label beyond *retention*."""
    doing = f"taking snapshot {wish.name!r} of {survey.domain.name}"
    if retention.keep is not None and retention.keep < 1:
        raise Refused(doing, f"'keep: {retention.keep}' would not even keep the new one", "Keep 1 or more.")
    if retention != Retention() and not wish.label:
        raise Refused(doing, "'keep' and 'max_age' are about those of a label, and it is empty", "Name the label.")
    there = survey.snapshot(wish.name)
    creation = Creation(there, (), survey) if there else plan_creation(survey, wish, agent)
    pruning = Pruning((), creation.survey)
    if wish.label:
        pruning = plan_pruning(creation.survey, wish.label, retention)
    result = facts(creation.snapshot, creation.fallback)
    return Plan(
        survey.domain.name,
        (*creation.actions, *pruning.actions),
        before=side(survey),
        after=side(pruning.survey),
        result={**result, "pruned": list(pruning.pruned), "spared": list(pruning.spared)},
        warnings=differences(there, wish) if there else creation.cautions,
        guard=guard(survey),
    )


def plan_absent(survey: Survey, name: str, children: bool = False) -> Plan:
    """Delete the snapshot, where there is one; those that follow from it stay, but with *children*."""
    snapshot = survey.snapshot(name)
    if snapshot is None:
        return Plan(survey.domain.name, before=side(survey), after=side(survey), result={"name": name})
    following = survey.descendants(name) if children else ()
    deletion = plan_deletions(survey, (snapshot, *following)) if following else plan_deletion(survey, snapshot)
    return Plan(
        survey.domain.name,
        deletion.actions,
        before=side(survey),
        after=side(deletion.survey),
        result=facts(snapshot),
        guard=guard(survey),
    )


def plan_pruning(survey: Survey, label: str, retention: Retention) -> Pruning:
    """Delete the snapshots of *label* that are too many, the oldest first, and too old, as far as either is asked for.

    Never the current one, nor one with a child that has not the label; what cannot be deleted is spared. What could not
    is tried again once others went, so that a second run finds nothing to do.
    """
    if retention == Retention():
        return Pruning((), survey)
    labelled = [snapshot for snapshot in survey.snapshots if snapshot.note.label == label]
    too_many = labelled[: max(0, len(labelled) - (retention.keep or 0))]
    doomed = [one.name for one in too_many if retention.since is None or 0 < one.created < retention.since]
    pruning, before = Pruning((), survey), None
    while pruning.pruned != before:
        before, pruning = pruning.pruned, replace(pruning, spared=())
        for name in doomed:
            pruning = pruned(pruning, name, label)
    return pruning


def pruned(pruning: Pruning, name: str, label: str) -> Pruning:
    survey, snapshot = pruning.survey, pruning.survey.snapshot(name)
    if snapshot is None:
        return pruning
    why = reasons_to_spare(survey, snapshot, label)
    if why:
        return Pruning(
            pruning.actions, survey, pruning.pruned, (*pruning.spared, {"name": name, "reason": "; ".join(why)})
        )
    deletion = plan_deletion(survey, snapshot)
    return Pruning((*pruning.actions, *deletion.actions), deletion.survey, (*pruning.pruned, name), pruning.spared)


def reasons_to_spare(survey: Survey, snapshot: Snapshot, label: str) -> tuple[str, ...]:
    foreign = [child.name for child in survey.children(snapshot.name) if child.note.label != label]
    if snapshot.current:
        return ("it is the current one",)
    if foreign:
        return (f"{', '.join(foreign)} was taken after it and has not its label",)
    if let_go(survey) and merges_of(survey, snapshot):
        return ("QEMU may have let go of the disks when it saved the paused domain's memory; resume it for a moment",)
    return obstacles_to(survey, snapshot)


def let_go(survey: Survey) -> bool:
    """Whether QEMU may not merge files now. Nobody tells whether the domain ran since, or whether its QEMU minds."""
    found = (survey.snapshot(name) for name in survey.followed)
    saved = any(snapshot and snapshot.memory_file and snapshot.state == "paused" for snapshot in found)
    return survey.domain.state == "paused" and saved


def side(survey: Survey) -> dict[str, Any]:
    """One side of the diff: the snapshots, and the file that each disk writes to."""
    return {
        "snapshots": [snapshot.name for snapshot in survey.snapshots],
        "disks": {disk.target: disk.path for disk in survey.domain.written_disks},
    }


def facts(snapshot: Snapshot, fallback: str | None = None) -> dict[str, Any]:
    """What a task returns of a snapshot."""
    return {
        "name": snapshot.name,
        "kind": snapshot.kind,
        "memory": snapshot.memory,
        "consistency": snapshot.note.consistency,
        "fallback": fallback,
        "tpm": snapshot.tpm,
        "label": snapshot.note.label,
        "description": snapshot.description,
    }


def differences(there: Snapshot, wish: Wish) -> tuple[str, ...]:
    """What was asked for and is not so in the snapshot that is there already."""
    found = [("mode", wish.mode, there.kind), ("memory", wish.memory, str(there.memory).lower())]
    found += [("label", wish.label, there.note.label or "none")] if wish.label else []
    return tuple(
        f"{there.domain}: snapshot {there.name} is there already, with {option} {is_} and not {asked}: left as it is."
        for option, asked, is_ in found
        if asked not in ("auto", is_)
    )
