# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a domain's disks independent of the files that they are overlays of, in place."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Disk
from ansible_collections.golden.libvirt.plugins.module_utils._plan.actions import MarkDomain, StopDomain
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey

MIB = 1024 * 1024


@dataclass(frozen=True)
class LendDomain(Action):
    """Let QEMU have the disks of a domain that is off: started paused, so that its guest does nothing, and stopped by
    libvirt itself should this run die."""

    words: ClassVar[str] = "start domain paused"
    domain: str


@dataclass(frozen=True)
class PullDisks(Action):
    """Copy what *disks* have in their backing files only, one after the other, and let go of these files."""

    words: ClassVar[str] = "flatten disks"
    domain: str
    disks: tuple[str, ...]


def plan_flatten(survey: Survey, asked: Sequence[str] | None, checkpoints: int, room: Mapping[str, int]) -> Plan:
    """Flatten the disks *asked* for, or all; those without a backing file are so already.

    *checkpoints* is how many the domain has, *room* how many bytes are free in each pool.
    """
    domain = survey.domain
    chosen = [disk for disk in domain.written_disks if asked is None or disk.target in asked]
    overlays = [disk for disk in chosen if len(survey.chain(disk.path)) > 1]
    found = list(unknown(domain.disks, chosen, asked or ()))
    found += [*obstacles(survey, overlays, checkpoints), *lack_of_room(survey, overlays, room)] if overlays else []
    if found:
        raise Refused(f"flattening the disks of {domain.name}", "it cannot be done", obstacles=found)
    flat = tuple(disk.target for disk in overlays)
    linked = any(on_version(survey, disk, flat) for disk in domain.disks)
    before, after = side(survey, (), origin_linked(survey)), side(survey, flat, origin_linked(survey) and linked)
    return Plan(
        item=domain.name,
        actions=tuple(steps(survey, flat, linked)),
        before=before,
        after=after,
        result={
            "flattened": [
                {"disk": disk.target, "file": disk.path, "bytes": bytes_of(survey, disk)} for disk in overlays
            ],
            "linked": linked,
        },
    )


def steps(survey: Survey, flat: tuple[str, ...], linked: bool) -> Iterator[Action]:
    domain, origin = survey.domain, survey.domain.record.origin
    if flat and domain.off:
        yield LendDomain(domain.name)
    if flat:
        yield PullDisks(domain.name, flat)
    if origin and origin.linked and not linked:
        yield MarkDomain(domain.name, replace(domain.record, origin=replace(origin, linked=False)))
    if flat and domain.off:
        yield StopDomain(domain.name)


def unknown(disks: Collection[Disk], chosen: Collection[Disk], asked: Collection[str]) -> Iterator[str]:
    """What was asked for by name and cannot be flattened at all."""
    there = {disk.target: disk for disk in disks}
    for target in asked:
        if target not in there:
            yield f"it has no disk {target} (there: {', '.join(there) or 'none'})"
        elif there[target] not in chosen:
            yield f"its disk {target} is read-only"
        elif there[target].kind not in ("file", "volume"):
            yield f"its disk {target} is of type {there[target].kind}, whose backing file cannot be told"


def obstacles(survey: Survey, overlays: Collection[Disk], checkpoints: int) -> Iterator[str]:
    """What would lose its bytes, or keeps QEMU from pulling."""
    domain, targets = survey.domain, {disk.target for disk in overlays}
    for snapshot in survey.snapshots:
        if any(disk.target in targets and disk.kind != "no" for disk in snapshot.disks):
            yield f"its snapshot {snapshot.name} depends on the same files: delete it"
    if checkpoints:
        yield f"it has {checkpoints} checkpoints, which do not survive that: delete them"
    if survey.saved:
        yield "it was put to disk with its memory (managed save): start it, or 'virsh managedsave-remove' that"
    if not domain.persistent:
        yield "it is transient: define it"
    if domain.state != "running" and not domain.off:
        yield f"it is {domain.state}: let it run or shut it down, or QEMU does not write all of it down"
    if domain.record.origin and not domain.record.origin.complete:
        yield "the clone is only half made: run golden.libvirt.clone again"
    yield from (f"its disk {disk.target} is transient" for disk in overlays if disk.transient)


def lack_of_room(survey: Survey, overlays: Collection[Disk], room: Mapping[str, int]) -> Iterator[str]:
    """A disk that fills its file system would stop the guest, and others with it."""
    needed: Counter[str] = Counter()
    for disk in overlays:
        needed[survey.files[disk.path or ""].pool] += bytes_of(survey, disk)
    for pool, size in needed.items():
        if size > room.get(pool, size):
            yield f"pool {pool} has {room[pool] // MIB} MiB left, and up to {size // MIB} MiB are needed"


def bytes_of(survey: Survey, disk: Disk) -> int:
    """The most that flattening copies: what its backing files take, and no more than the disk can hold."""
    top, *below = survey.chain(disk.path)
    taken = sum(survey.files[path].allocation for path in below if path in survey.files)
    return min(taken, survey.files[top].capacity)


def on_version(survey: Survey, disk: Disk, flat: Collection[str]) -> bool:
    """Whether a disk depends on a version's once those in *flat* do not."""
    chain = survey.chain(disk.path)[: 1 if disk.target in flat else None]
    found = [names.parsed(posixpath.basename(path)) for path in chain]
    return any(named is not None and named.kind == "disk" for named in found)


def origin_linked(survey: Survey) -> bool:
    return bool(survey.domain.record.origin and survey.domain.record.origin.linked)


def side(survey: Survey, flat: Collection[str], linked: bool) -> dict[str, Any]:
    """One side of the diff: the files of each disk, from the top."""
    disks = {
        disk.target: list(survey.chain(disk.path)[: 1 if disk.target in flat else None])
        for disk in survey.domain.written_disks
    }
    return {"disks": disks, "linked": linked}
