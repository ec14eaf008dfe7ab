# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone back, or forward, to a version of its image: new disks, the same machine."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Before,
    Domain,
    Holder,
    Made,
    Origin,
    Record,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan import actions
from ansible_collections.golden.libvirt.plugins.module_utils._plan.before import (
    BEFORE,
    NVRAM,
    SETTLED,
    CheckDomain,
    Clone,
    KeepBefore,
    files_of,
    holder_of,
    to_come,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.clone import Source
from ansible_collections.golden.libvirt.plugins.module_utils._plan.deletion import ForgetSnapshot
from ansible_collections.golden.libvirt.plugins.module_utils._plan.guest import CustomiseGuest
from ansible_collections.golden.libvirt.plugins.module_utils._plan.parts import Part, Place
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.revert import DiscardMemory
from ansible_collections.golden.libvirt.plugins.module_utils._xml.clone import Storage, reset_xml
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import firmware_files

CUSTOMISED = (
    "what its guest was told through its agent or offline is lost{}: run golden.libvirt.clone again to tell it again"
)


@dataclass(frozen=True)
class Reset:
    """What is asked for: *source* is the version to go to; *power* is keep, running, shutoff or paused.

    *channel* is the one that was named, if any. *generation* is a new VM generation id. *undo_for* is how long the
    clone can be put back (as the user said it, None for not at all), which is *until* then, None for no end. *waiting*
    is what to wait for in the guest and how many seconds. *holder* is the run.
    """

    source: Source
    power: str
    force: bool
    generation: str = field(repr=False)
    channel: str | None = None
    undo_for: str | None = None
    until: str | None = None
    waiting: tuple[str, int] = ("none", 0)
    holder: Holder | None = None


def plan_reset(reset: Reset, clone: Clone) -> Plan:
    """New overlays (or copies) of the version's disks first, the old ones deleted last: a failure changes nothing."""
    domain = clone.domain
    source, shared = own_disks(reset.source, clone.origin)
    found = tuple(obstacles(reset, source, clone))
    if found:
        doing = f"reverting {domain.name} to {reset.source.words}"
        raise Refused(doing, "it cannot be done", "Mend this, or use 'force' where that is said.", obstacles=found)
    parts = dict(new_parts(source, clone))
    paths = {part: posixpath.join(place_of(clone, part).directory, volume) for part, volume in parts.items()}
    new = tuple(Made(place_of(clone, part).pool, volume) for part, volume in parts.items())
    disks = {part.name: paths[part.name] for part in source.disks}
    keep = what_is_kept(reset, clone, tuple(parts), new)
    kept, old = sorted_out(clone, parts, keep)
    origin = origin_at(reset, clone, new + kept)
    between = replace(origin, made=new + kept + old, holder=reset.holder)
    storage = Storage(own=disks, shared=shared)
    xml = reset_xml(domain.xml, Record(between), storage, nvram=paths.get(NVRAM), generation=reset.generation)
    power = power_after(reset.power, domain.state)
    lost = [loss(clone, disk, path_of(domain, disk) or "") for disk in disks]
    marked = replace(clone.origin, made=between.made, holder=reset.holder)
    return Plan(
        item=domain.name,
        actions=(
            CheckDomain(domain.name, domain, holder_of(domain)),
            actions.MarkDomain(domain.name, replace(domain.record, origin=marked)),
            *new_volumes(source, clone, parts),
            *keeping(keep, clone),
            CheckDomain(domain.name, domain, reset.holder),  # copies may have taken their time
            *([] if domain.off else [actions.StopDomain(domain.name)]),
            actions.DefineDomain(domain.name, xml),
            *put_in_place(clone, power, Record(between), kept),
            *(actions.DeleteVolume(made.pool, made.volume) for made in old if made.volume in clone.taken),
            actions.MarkDomain(domain.name, Record(origin)),
            *awaiting(domain.name, power, reset.waiting),
            *retelling(domain.name, power, reset.waiting, clone.origin),
        ),
        before=side(clone.origin.version, {disk: path_of(domain, disk) for disk in disks}, domain.state, lost),
        after={
            **side(origin.version, disks, power, []),
            **({"kept": lost, "undo_for": reset.undo_for} if keep else {}),
        },
        result={
            "image": origin.image,
            "version": origin.version,
            "previous_version": clone.origin.version,
            "power": power,
            "discarded": [] if keep else lost,
            "kept": lost if keep else [],
            "kept_until": keep.until if keep else None,
            "left": list(left(clone, disks)),
        },
        warnings=tuple(warnings_of(reset, clone, power)),
    )


def origin_at(reset: Reset, clone: Clone, made: tuple[Made, ...]) -> Origin:
    """What the clone says of itself when it has come to the version and consists of what was *made*."""
    return replace(
        clone.origin,
        version=reset.source.version,
        channel=reset.channel or clone.origin.channel,
        customised=False,
        made=made,
        holder=None,
    )


def put_in_place(clone: Clone, power: str, record: Record, spared: Collection[Made]) -> Iterator[Action]:
    """When the clone is defined anew: what starts it, settles that, and removes what its snapshots have left.

    Files that are *spared* stay. The *record* is settled without a holder: who is cut off after that was not cut off
    in going there, and what the clone has written since is kept like anything else.
    """
    domain = clone.domain
    if clone.leavings.saved:
        yield DiscardMemory(domain.name)
    if power != "shutoff":
        yield actions.StartDomain(domain.name, paused=power == "paused")
    settled = replace(record, origin=replace(record.origin, holder=None) if record.origin else None)
    yield actions.MarkClone(domain.name, True, domain.uuid, settled)
    yield from (ForgetSnapshot(domain.name, snapshot) for snapshot in clone.leavings.snapshots)
    for file in clone.leavings.files:
        if Made(file.pool, file.name) not in spared:
            yield actions.DeleteVolume(file.pool, file.name)


def awaiting(domain: str, power: str, waiting: tuple[str, int]) -> Iterator[Action]:
    """Wait for the guest, where that is asked for and it runs."""
    if power == "running" and waiting[0] != "none":
        yield actions.WaitForGuest(domain, *waiting)


def retelling(domain: str, power: str, waiting: tuple[str, int], was: Origin) -> Iterator[Action]:
    """Tell the guest its name again, where its agent had been told one, and answers. Its keys are not known."""
    if power == "running" and waiting[0] == "agent" and was.customised and was.hostname:
        yield CustomiseGuest(domain, was.hostname, (), waiting[1])


def warnings_of(reset: Reset, clone: Clone, power: str) -> Iterator[str]:
    name, was, source = clone.domain.name, clone.origin, reset.source
    yield from source.warnings
    if was.customised:
        told = any(retelling(name, power, reset.waiting, was))
        yield f"{name}: " + CUSTOMISED.format(", but its name" if told else "")
    gone = sorted(struck(was) & files_of(clone.domain).keys() - {part.name for part in source.disks})
    if gone:
        yield (
            f"{name}: {source.words} has no disk {', '.join(gone)}: the clone's own stays as it is, "
            f"and what it is built on is still needed"
        )


def obstacles(reset: Reset, source: Source, clone: Clone) -> Iterator[str]:
    """Why it cannot go to that version, or not without losing what nobody said may be lost.

    *source* has those of the version's disks that the clone has one of its own of.
    """
    if not clone.origin.complete:
        yield "the clone is only half made: run golden.libvirt.clone again"
    if reset.source.refusal and not reset.force:
        yield f"{reset.source.refusal.reason} ('force' does it nevertheless)"
    yield from losses(clone, reset.force)
    there = {disk.target for disk in clone.domain.disks}
    missing = [part.name for part in reset.source.disks if part.name not in (*there, *clone.origin.skipped)]
    if missing:
        yield f"the version has disks that the clone has not: {', '.join(missing)}"
    for part in source.disks:
        if part.name in there and part.name not in struck(clone.origin):
            yield (
                f"the version has a disk {part.name}, and the clone's {part.name} is another one, which was attached "
                f"to it later: detach that, or attach it as another target"
            )
    if reset.source.nvram and clone.domain.firmware.kind != "uefi":
        yield "the version boots with UEFI, the clone does not"


def losses(clone: Clone, force: bool) -> Iterator[str]:
    """What would be lost of a clone that is defined anew, unless that is forced; and what depends on its volumes."""
    if not clone.domain.persistent:
        yield "it is transient: define it"
    yield from clone.leavings.obstacles
    if clone.leavings.snapshots and not force:
        yield f"its snapshots ({', '.join(clone.leavings.snapshots)}) would be lost ('force' does it nevertheless)"
    if clone.leavings.saved and not force:
        yield "it was put to disk with its memory (managed save), which would be lost ('force' does it nevertheless)"


def struck(origin: Origin) -> set[str]:
    """The targets of the disks that were made for a clone, as its volumes' names tell."""
    words = [made.volume.split(".")[:-1] for made in origin.made if made.volume.endswith(".qcow2")]
    return {name[-2] if name[-1].isdigit() and len(name) > 2 else name[-1] for name in words}


def own_disks(source: Source, origin: Origin) -> tuple[Source, dict[str, tuple[str, str]]]:
    """The version with only those disks that a clone of that *origin* has one of its own of, and what it shares."""
    own = tuple(part for part in source.disks if part.name not in (*origin.skipped, *origin.shared))
    shared = {part.name: (part.path, part.format) for part in source.disks if part.name in origin.shared}
    return replace(source, disks=own), shared


def place_of(clone: Clone, part: str) -> Place:
    """Where a part's volume is, and its successor goes."""
    path = clone.domain.firmware.nvram if part == NVRAM else path_of(clone.domain, part)
    volume = clone.volumes.get(path or "")
    return Place(volume.pool, posixpath.dirname(volume.path)) if volume else Place(clone.pool, clone.directory)


def new_parts(source: Source, clone: Clone) -> Iterator[tuple[str, str]]:
    """A volume name for each part of the version, the first that is free."""
    endings = [(part.name, "qcow2") for part in source.disks] + ([(NVRAM, "fd")] if source.nvram else [])
    for part, ending in endings:
        yield part, free_name(clone, part, ending)


def free_name(clone: Clone, part: str, ending: str) -> str:
    """The first volume name for a *part* of the clone that nothing has or had."""
    taken = {*clone.taken, *(made.volume for made in clone.made)}
    numbered = (names.clone_volume(clone.domain.name, part, ending, number) for number in itertools.count(1))
    return next(name for name in numbered if name not in taken)


def what_is_kept(reset: Reset, clone: Clone, parts: Sequence[str], new: tuple[Made, ...]) -> Before | None:
    """What is kept of the clone so that it can be put back; None where that is not asked for, or is kept already by
    a run to the same version that was cut off before it started the clone."""
    domain, lasting = clone.domain, clone.lasting
    again = clone.interrupted and domain.off and reset.source.version == clone.origin.version
    if reset.undo_for is None or (again and lasting and succeeded(clone, lasting[-1], parts)):
        return None
    replaced = {part: path for part, path in files_of(domain).items() if part in parts}
    return Before(
        record=Made(clone.pool, free_name(clone, BEFORE, "json")),
        domain=domain.name,
        uuid=domain.uuid,
        created=clone.now,
        until=reset.until,
        state=domain.state,
        xml=domain.xml,
        volumes=tuple(dict.fromkeys(made_at(clone, replaced.values()))),
        replaced=replaced,
        successors=new,
        variables=Made(clone.pool, free_name(clone, BEFORE, "fd")) if clone.variables and NVRAM not in parts else None,
        open=reset.undo_for == SETTLED,
    )


def succeeded(clone: Clone, before: Before, parts: Sequence[str]) -> bool:
    """Whether the clone's disks are those that took the place of what was *before*."""
    paths = [path for part, path in files_of(clone.domain).items() if part in parts]
    used = {Made(volume.pool, volume.name) for path, volume in clone.volumes.items() if path in paths}
    return bool(used) and used <= set(before.successors)


def made_at(clone: Clone, paths: Collection[str]) -> tuple[Made, ...]:
    """What the files at *paths* consist of, as far as it was made for the clone or its snapshots."""
    return tuple(Made(file.pool, file.name) for path in sorted(paths) for file in clone.chain(path))


def keeping(keep: Before | None, clone: Clone) -> Iterator[Action]:
    """What keeps what the clone is before it changes."""
    if keep is None:
        return
    if keep.variables and clone.variables:
        there = clone.variables
        yield actions.CopyVolume(there.path, keep.variables.pool, keep.variables.volume, there.capacity, there.format)
    yield KeepBefore(clone.domain.name, keep.record.pool, keep.record.volume, keep)


def sorted_out(
    clone: Clone, parts: Collection[str], keep: Before | None = None
) -> tuple[tuple[Made, ...], tuple[Made, ...]]:
    """Of what was made for the clone, what it goes on using (seed, credentials) or is kept, and what goes.

    *parts* are those that get successors.
    """
    used = {path for part, path in files_of(clone.domain).items() if part not in parts}
    stay = made_at(clone, used | firmware_files(clone.domain.xml))
    stay += to_come(clone, clone.origin, None if NVRAM in parts else clone.domain.firmware.nvram)
    stay += keep.all if keep else ()
    kept = {*stay, *(made for before in clone.lasting for made in before.all)}
    made = dict.fromkeys((*clone.made, *stay))
    return tuple(one for one in made if one in kept), tuple(one for one in made if one not in kept)


def new_volumes(source: Source, clone: Clone, parts: Mapping[str, str]) -> Iterator[Action]:
    """Overlays or copies, as the disks were; no smaller than they were."""
    for part in source.disks:
        old = clone.volumes.get(path_of(clone.domain, part.name) or "")
        pool, volume = place_of(clone, part.name).pool, parts[part.name]
        size = max(part.capacity, old.capacity if old else 0)
        if clone.origin.linked if old is None else old.backing is not None:
            yield actions.CreateVolume(pool, volume, size, "qcow2", part.path, part.format)
        else:
            yield copy_of(part, clone, parts)
            yield from [actions.GrowVolume(pool, volume, size)] if size > part.capacity else []
    if source.nvram:
        yield copy_of(source.nvram, clone, parts, source.nvram.format)


def copy_of(part: Part, clone: Clone, parts: Mapping[str, str], form: str = "qcow2") -> Action:
    return actions.CopyVolume(part.path, place_of(clone, part.name).pool, parts[part.name], part.capacity, form)


def power_after(power: str, now: str) -> str:
    """The state that the clone ends in: *power*, or for keep the state *now*."""
    if power != "keep":
        return power
    return "shutoff" if now in ("shutoff", "crashed") else "paused" if now == "paused" else "running"


def path_of(domain: Domain, target: str) -> str | None:
    return next((disk.path for disk in domain.disks if disk.target == target), None)


def loss(clone: Clone, target: str, path: str) -> dict[str, Any]:
    """What goes of a disk, or is kept: the file, and how many bytes the clone had written into it."""
    sizes = [volume.allocation for volume in clone.chain(path)]
    return {"disk": target, "file": path, "bytes": sum(sizes) if sizes else None}


def left(clone: Clone, disks: Collection[str]) -> Iterator[str]:
    """Files that the clone no longer uses and that were not made for it or its snapshots."""
    ours = {*clone.volumes, *(file.path for file in clone.leavings.files)}
    for disk in clone.domain.disks:
        if disk.target in disks and disk.path and disk.path not in ours:
            yield disk.path


def side(
    version: str, disks: Mapping[str, str | None], state: str, later: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """One side of the diff; *later* are the disks whose later data goes, or is put aside."""
    return {"version": version, "disks": dict(disks), "state": state, "later": list(later)}
