# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone back, or forward, to a version of its image: new disks, the same machine."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain, Made, Origin, Record, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan import actions
from ansible_collections.golden.libvirt.plugins.module_utils._plan.clone import Source
from ansible_collections.golden.libvirt.plugins.module_utils._plan.deletion import ForgetSnapshot
from ansible_collections.golden.libvirt.plugins.module_utils._plan.leavings import Leavings
from ansible_collections.golden.libvirt.plugins.module_utils._plan.parts import Part, Place
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.revert import DiscardMemory
from ansible_collections.golden.libvirt.plugins.module_utils._xml.clone import Storage, reset_xml
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import firmware_files

CUSTOMISED = "what its guest was told through its agent or offline is lost: run golden.libvirt.clone again to tell it"


@dataclass(frozen=True)
class Reset:
    """What is asked for: *source* is the version to go to; *power* is keep, running, shutoff or paused.

    *channel* is the one that was named, if any. *generation* is a new VM generation id.
    """

    source: Source
    power: str
    force: bool
    generation: str = field(repr=False)
    channel: str | None = None


@dataclass(frozen=True)
class Clone:
    """A clone and its volumes: the made ones by path, and the names *taken* in the pools that they are in.

    *pool*, at *directory*, is for those that have no predecessor.

    *leavings* is what its snapshots have put beside them.
    """

    domain: Domain
    origin: Origin
    pool: str
    directory: str
    taken: Collection[str]
    volumes: Mapping[str, Volume]
    leavings: Leavings = Leavings()


def plan_reset(reset: Reset, clone: Clone) -> Plan:
    """New overlays (or copies) of the version's disks first, the old ones deleted last: a failure changes nothing."""
    domain, origin = clone.domain, clone.origin
    found = tuple(obstacles(reset, clone))
    if found:
        doing = f"reverting {domain.name} to {reset.source.words}"
        raise Refused(doing, "it cannot be done", "Mend this, or use 'force' where that is said.", obstacles=found)
    source, shared = own_disks(reset.source, origin)
    parts = dict(new_parts(source, clone))
    paths = {part: posixpath.join(place_of(clone, part).directory, volume) for part, volume in parts.items()}
    new = tuple(Made(place_of(clone, part).pool, volume) for part, volume in parts.items())
    disks = {part.name: paths[part.name] for part in source.disks}
    kept, old = sorted_out(clone, disks)
    origin = replace(
        origin, version=reset.source.version, channel=reset.channel or origin.channel, customised=False, made=new + kept
    )
    between = replace(origin, made=new + kept + old)
    storage = Storage(own=disks, shared=shared)
    xml = reset_xml(domain.xml, Record(between), storage, nvram=paths.get("nvram"), generation=reset.generation)
    power = power_after(reset, domain)
    return Plan(
        item=domain.name,
        actions=(
            actions.MarkDomain(domain.name, replace(domain.record, origin=replace(clone.origin, made=between.made))),
            *new_volumes(source, clone, parts),
            *([] if domain.off else [actions.StopDomain(domain.name)]),
            actions.DefineDomain(domain.name, xml),
            *([DiscardMemory(domain.name)] if clone.leavings.saved else []),
            *([] if power == "shutoff" else [actions.StartDomain(domain.name, paused=power == "paused")]),
            actions.MarkClone(domain.name, True, domain.uuid, Record(between)),
            *(ForgetSnapshot(domain.name, snapshot) for snapshot in clone.leavings.snapshots),
            *(actions.DeleteVolume(file.pool, file.name) for file in clone.leavings.files),
            *(actions.DeleteVolume(made.pool, made.volume) for made in old if made.volume in clone.taken),
            actions.MarkDomain(domain.name, Record(origin)),
        ),
        before=side(clone.origin.version, {disk: path_of(domain, disk) for disk in disks}, domain.state),
        after=side(origin.version, disks, power),
        result={
            "image": origin.image,
            "version": origin.version,
            "previous_version": clone.origin.version,
            "power": power,
            "discarded": [discarded(clone, disk) for disk in disks],
            "left": list(left(clone, disks)),
        },
        warnings=(*reset.source.warnings, *([f"{domain.name}: {CUSTOMISED}"] if clone.origin.customised else [])),
    )


def obstacles(reset: Reset, clone: Clone) -> Iterator[str]:
    """Why it cannot go to that version, or not without losing what nobody said may be lost."""
    if not clone.origin.complete:
        yield "the clone is only half made: run golden.libvirt.clone again"
    if reset.source.refusal and not reset.force:
        yield f"{reset.source.refusal.reason} ('force' does it nevertheless)"
    yield from clone.leavings.obstacles
    if clone.leavings.snapshots and not reset.force:
        yield f"its snapshots ({', '.join(clone.leavings.snapshots)}) would be lost ('force' does it nevertheless)"
    if clone.leavings.saved and not reset.force:
        yield "it was put to disk with its memory (managed save), which would be lost ('force' does it nevertheless)"
    there = {disk.target for disk in clone.domain.disks}
    missing = [part.name for part in reset.source.disks if part.name not in (*there, *clone.origin.skipped)]
    if missing:
        yield f"the version has disks that the clone has not: {', '.join(missing)}"
    if reset.source.nvram and clone.domain.firmware.kind != "uefi":
        yield "the version boots with UEFI, the clone does not"


def own_disks(source: Source, origin: Origin) -> tuple[Source, dict[str, tuple[str, str]]]:
    """The version with only those disks that a clone of that *origin* has one of its own of, and what it shares."""
    own = tuple(part for part in source.disks if part.name not in (*origin.skipped, *origin.shared))
    shared = {part.name: (part.path, part.format) for part in source.disks if part.name in origin.shared}
    return replace(source, disks=own), shared


def place_of(clone: Clone, part: str) -> Place:
    """Where a part's volume is, and its successor goes."""
    path = clone.domain.firmware.nvram if part == "nvram" else path_of(clone.domain, part)
    volume = clone.volumes.get(path or "")
    return Place(volume.pool, posixpath.dirname(volume.path)) if volume else Place(clone.pool, clone.directory)


def new_parts(source: Source, clone: Clone) -> Iterator[tuple[str, str]]:
    """A volume name for each part of the version, the first that is free."""
    taken = {*clone.taken, *(made.volume for made in clone.origin.made)}
    endings = [(part.name, "qcow2") for part in source.disks] + ([("nvram", "fd")] if source.nvram else [])
    for part, ending in endings:
        numbered = (names.clone_volume(clone.domain.name, part, ending, number) for number in itertools.count(1))
        yield part, first_free(numbered, taken)


def first_free(candidates: Iterator[str], taken: Collection[str]) -> str:
    return next(name for name in candidates if name not in taken)


def sorted_out(clone: Clone, disks: Collection[str]) -> tuple[tuple[Made, ...], tuple[Made, ...]]:
    """Of what was made for the clone, what it goes on using (seed, credentials), and what goes."""
    used = {disk.path for disk in clone.domain.disks if disk.target not in disks} | firmware_files(clone.domain.xml)
    kept = {Made(volume.pool, volume.name) for path, volume in clone.volumes.items() if path in used}
    made = clone.origin.made
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


def power_after(reset: Reset, domain: Domain) -> str:
    """The state that the clone ends in."""
    if reset.power != "keep":
        return reset.power
    return "shutoff" if domain.off else "paused" if domain.state == "paused" else "running"


def path_of(domain: Domain, target: str) -> str | None:
    return next((disk.path for disk in domain.disks if disk.target == target), None)


def discarded(clone: Clone, target: str) -> dict[str, Any]:
    """What is lost of a disk: the file, and how many bytes the clone had written into it."""
    path = path_of(clone.domain, target) or ""
    volume = clone.volumes.get(path)
    return {"disk": target, "file": path, "bytes": volume.allocation if volume else None}


def left(clone: Clone, disks: Collection[str]) -> Iterator[str]:
    """Files that the clone no longer uses and that were not made for it or its snapshots."""
    ours = {*clone.volumes, *(file.path for file in clone.leavings.files)}
    for disk in clone.domain.disks:
        if disk.target in disks and disk.path and disk.path not in ours:
            yield disk.path


def side(version: str, disks: Mapping[str, str | None], state: str) -> dict[str, Any]:
    """One side of the diff."""
    return {"version": version, "disks": dict(disks), "state": state}
