# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting a snapshot, its children staying: how, what stands in the way, and what is there afterwards.

What an external snapshot froze (its base) is either below the disk that the domain writes to, and then what was
written since is merged down into it, or it is on a branch that a revert left, and then it goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Snapshot, SnapshotDisk, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.actions import DropVolume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey, whose


@dataclass(frozen=True)
class DeleteSnapshot(Action):
    """Let libvirt delete it; *started*: with QEMU started for that, its processors not."""

    words: ClassVar[str] = "delete snapshot"
    settles: ClassVar[str] = "before"
    domain: str
    name: str
    started: bool | None = None


@dataclass(frozen=True)
class ForgetSnapshot(Action):
    """Remove it from libvirt's list only; its files are dealt with one by one."""

    words: ClassVar[str] = "forget snapshot"
    domain: str
    name: str


@dataclass(frozen=True)
class RedefineSnapshot(Action):
    """Let libvirt know which *overlays* ({target: path}) are over what it froze, that the domain now follows from it
    (*current*), and what the files that it froze are built on (*chains*: {path: the (path, format) below it})."""

    words: ClassVar[str] = "redefine snapshot"
    domain: str
    name: str
    current: bool
    overlays: Mapping[str, str] = field(default_factory=dict, repr=False)
    chains: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Deletion:
    """What deletes a snapshot, and the *survey* once it is gone."""

    actions: tuple[Action, ...]
    survey: Survey


@dataclass(frozen=True)
class Merge:
    """A disk's *overlay* that goes into its *base*."""

    target: str
    overlay: str
    base: str


def plan_deletion(survey: Survey, snapshot: Snapshot) -> Deletion:
    """What deletes it; refused, with all obstacles at once, where that would take from others."""
    obstacles = obstacles_to(survey, snapshot)
    if obstacles:
        raise Refused(
            f"deleting snapshot {snapshot.name} of {survey.domain.name}", "it cannot be deleted", obstacles=obstacles
        )
    own = own_files(survey, snapshot)
    merges = merges_of(survey, snapshot)
    if snapshot.kind == "internal":
        return Deletion((DeleteSnapshot(survey.domain.name, snapshot.name), *own), without(survey, snapshot))
    if merges:
        used = {merge.target: merge.overlay for merge in merges}
        delete = DeleteSnapshot(survey.domain.name, snapshot.name, started(survey, merges) or None)
        steps = (*corrected(snapshot, used), *described(survey, snapshot), delete, *own)
        return Deletion(steps, merged(without(survey, snapshot), merges))
    leftovers = tuple(path for disk in snapshot.external_disks for path in branch_of(survey, disk))
    gone = tuple(removal(survey.files[path]) for path in leftovers)
    # Forgotten last: where a run is killed, the next one finds what is left to do.
    actions = (*gone, *own, ForgetSnapshot(survey.domain.name, snapshot.name))
    return Deletion(actions, dropped(without(survey, snapshot), leftovers))


def plan_deletions(survey: Survey, doomed: Sequence[Snapshot]) -> Deletion:
    """What deletes them all, those that follow from others first; refused where one of them must stay."""
    deletion, obstacles = Deletion((), survey), []
    for snapshot in reversed(doomed):
        try:
            following = plan_deletion(deletion.survey, deletion.survey.snapshot(snapshot.name) or snapshot)
            deletion = Deletion((*deletion.actions, *following.actions), following.survey)
        except Refused as refused:
            obstacles += [f"{snapshot.name}: {obstacle}" for obstacle in refused.obstacles]
    if obstacles:
        doing = f"deleting snapshot {doomed[0].name} of {survey.domain.name} with those that follow from it"
        raise Refused(doing, "they cannot be deleted", obstacles=obstacles)
    return deletion


def corrected(snapshot: Snapshot, used: Mapping[str, str]) -> tuple[Action, ...]:
    """Tell libvirt which overlays ({target: path}) are *used* over what a snapshot froze, where it knows others."""
    if all(disk.path == used.get(disk.target, disk.path) for disk in snapshot.external_disks):
        return ()
    return (RedefineSnapshot(snapshot.domain, snapshot.name, snapshot.current, used),)


def described(survey: Survey, snapshot: Snapshot) -> tuple[Action, ...]:
    """Tell libvirt what is below the files of the snapshots that follow on branches that were left.

    To find out, libvirt (11.3 seen) reads them as QEMU's user, and dies of a file that this one cannot read.
    """
    if not survey.libvirt.native:
        return ()
    chains = {
        other.name: {
            disk.base: [
                (path, survey.files[path].format) for path in survey.chain(disk.base)[1:] if path in survey.files
            ]
            for disk in other.disks
            if disk.base
        }
        for other in survey.descendants(snapshot.name)
        if other.name not in survey.followed
    }
    return tuple(RedefineSnapshot(snapshot.domain, name, False, chains=files) for name, files in chains.items())


def started(survey: Survey, merges: Sequence[Merge]) -> bool:
    """libvirt before 9.9 merges what is not on top only while QEMU runs; its processors need not."""
    on_top = {disk.path for disk in survey.domain.disks}
    return not survey.libvirt.native and survey.domain.off and any(merge.overlay not in on_top for merge in merges)


def own_files(survey: Survey, snapshot: Snapshot) -> tuple[Action, ...]:
    """The files beside the disks that are the snapshot's alone: its memory and UEFI variables."""
    paths = (snapshot.memory_file, snapshot.note.nvram)
    return tuple(removal(survey.files[path]) for path in paths if path and path in survey.files)


def removal(volume: Volume) -> DropVolume:
    return DropVolume(volume.pool, volume.name)


def merges_of(survey: Survey, snapshot: Snapshot) -> tuple[Merge, ...]:
    """The overlays to be merged, for an external snapshot that is below the disks as they are now."""
    found = []
    for disk in snapshot.external_disks:
        now = survey.disk(disk.target)
        chain = survey.chain(now.path) if now else ()
        if disk.base in chain[1:]:
            found.append(Merge(disk.target, chain[chain.index(disk.base) - 1], disk.base))
    return tuple(found)


def branch_of(survey: Survey, disk: SnapshotDisk) -> tuple[str, ...]:
    """The files of a snapshot on a branch that was left: what it froze, and what a revert left over that."""
    base = str(disk.base)
    above = tuple(path for path in survey.overlays_on(base) if path == disk.path)
    return tuple(path for path in (*above, base) if path in survey.files)


def obstacles_to(survey: Survey, snapshot: Snapshot) -> tuple[str, ...]:
    """Why it cannot be deleted here and now."""
    if snapshot.kind == "internal":
        return tuple(internal_obstacles(survey, snapshot))
    if survey.saved and survey.domain.off:
        return ("the domain was put to disk with its memory (managed save); start it first",)
    unseen = [path for disk in survey.domain.disks for path in survey.chain(disk.path)[-1:] if path not in survey.files]
    if unseen:
        return tuple(f"what {path} is built on cannot be seen: no pool of libvirt's has it" for path in unseen)
    merges = merges_of(survey, snapshot)
    if merges:
        return tuple(below_obstacles(survey, snapshot, merges))
    return tuple(obstacle for disk in snapshot.external_disks for obstacle in branch_obstacles(survey, snapshot, disk))


def internal_obstacles(survey: Survey, snapshot: Snapshot) -> Iterator[str]:
    for disk in snapshot.disks:
        now = survey.disk(disk.target)
        if disk.kind == "internal" and (not now or now.path != disk.base):
            yield f"it is in {disk.base}, which {disk.target} does not write to now; delete later external ones first"


def below_obstacles(survey: Survey, snapshot: Snapshot, merges: Sequence[Merge]) -> Iterator[str]:
    """Why what was written since must not go into what a snapshot froze, which is below the disks as they are now."""
    children = [child.name for child in survey.children(snapshot.name)]
    found = [obstacle for merge in merges for obstacle in merge_obstacles(survey, merge)]
    if snapshot.name not in survey.followed:
        # Snapshots of some disks only. libvirt 9.0 would merge and leave others without their files, 11.3 and 12.8
        # would leave its files in the chains.
        targets = ", ".join(merge.target for merge in merges)
        yield f"it is below {targets}, but the domain does not follow from it now; revert to it first, or keep it"
    elif len(merges) < len(snapshot.external_disks):
        yield "it is below some of the disks as they are now, but not all; revert to it or to another one first"
    elif len(children) > 1 and not found:
        # Of other disks each, else one were built on what it froze, too. libvirt merges only where one follows.
        yield f"{', '.join(children)} all follow from it; delete them but for one first"
    yield from beside_internal(survey, snapshot, merges)
    yield from found


def beside_internal(survey: Survey, snapshot: Snapshot, merges: Sequence[Merge]) -> Iterator[str]:
    """Why what other tools mixed stays: a merge would lose the internal snapshots that are in an overlay."""
    parent = survey.snapshot(snapshot.parent or "")
    if parent and parent.kind == "internal":
        yield f"it follows from {parent.name}, which is internal, and libvirt deletes none such; keep it"
    merged_away = {merge.overlay for merge in merges}
    for other in survey.snapshots:
        if any(disk.kind == "internal" and disk.base in merged_away for disk in other.disks):
            yield f"{other.name} is inside its overlay and would be lost; delete that first"


def merge_obstacles(survey: Survey, merge: Merge) -> Iterator[str]:
    """Why *overlay* must not go into *base*: others need the one or the other as it is."""
    above = set(survey.overlays_on(merge.overlay)) - set(below_top(survey, merge))
    for path in sorted(set(survey.overlays_on(merge.base)) - {merge.overlay} | above):
        yield f"{path} is built on it too{whose(survey, path)}"
    for path in (merge.base, merge.overlay):
        other = survey.others.get(path)
        if other:
            yield f"{path} is a disk of {other}"
    mode = survey.files[merge.base].mode if merge.base in survey.files else ""
    if mode and not int(mode, 8) & 0o200:
        yield f"{merge.base} is frozen (mode {mode}): it belongs to a golden version"
    if merge.base not in survey.files or merge.overlay not in survey.files:
        yield f"not all files of its chain ({merge.overlay}, {merge.base}) are in sight"


def below_top(survey: Survey, merge: Merge) -> tuple[str, ...]:
    """The files that the domain's own disks consist of above the merge."""
    for disk in survey.domain.disks:
        chain = survey.chain(disk.path)
        if merge.overlay in chain:
            return chain[: chain.index(merge.overlay)]
    return ()


def branch_obstacles(survey: Survey, snapshot: Snapshot, disk: SnapshotDisk) -> Iterator[str]:
    base = str(disk.base)
    mine = set(branch_of(survey, disk))
    for path in sorted({path for file in mine for path in survey.overlays_on(file)} - mine):
        yield f"{path} is built on it{whose(survey, path)}; delete or revert that first"
    for path in sorted(mine):
        users = [name for name in survey.freezing(path) if name != snapshot.name]
        users += [survey.others[path]] if path in survey.others else []
        users += [survey.domain.name] if any(now.path == path for now in survey.domain.disks) else []
        for user in users:
            yield f"{path} is needed by {user}"
    mode = survey.files[base].mode if base in survey.files else ""
    if mode and not int(mode, 8) & 0o200:
        yield f"{base} is frozen (mode {mode}): it belongs to a golden version"


def without(survey: Survey, snapshot: Snapshot) -> Survey:
    """The survey without a snapshot: its parent takes its children, and its place where it was the current one."""
    left = tuple(
        replace(
            other,
            parent=snapshot.parent if other.parent == snapshot.name else other.parent,
            current=other.current or (snapshot.current and other.name == snapshot.parent),
        )
        for other in survey.snapshots
        if other.name != snapshot.name
    )
    own = [path for path in (snapshot.memory_file, snapshot.note.nvram) if path]
    return dropped(replace(survey, snapshots=left), own)


def dropped(survey: Survey, paths: Sequence[str]) -> Survey:
    return replace(survey, files={path: file for path, file in survey.files.items() if path not in paths})


def merged(survey: Survey, merges: Sequence[Merge]) -> Survey:
    """The survey once overlays went into their bases: whatever named an overlay names its base."""
    into: Mapping[str | None, str] = {merge.overlay: merge.base for merge in merges}
    files = {
        path: replace(file, backing=into.get(file.backing, file.backing))
        for path, file in survey.files.items()
        if path not in into
    }
    disks = tuple(
        replace(disk, path=into[disk.path], format=files[into[disk.path]].format) if disk.path in into else disk
        for disk in survey.domain.disks
    )
    snapshots = tuple(
        replace(other, disks=tuple(rebased(disk, into, files) for disk in other.disks)) for other in survey.snapshots
    )
    return replace(survey, domain=replace(survey.domain, disks=disks), files=files, snapshots=snapshots)


def rebased(disk: SnapshotDisk, into: Mapping[str | None, str], files: Mapping[str, Volume]) -> SnapshotDisk:
    base = into.get(disk.base)
    return replace(disk, base=base, base_format=files[base].format) if base else disk
