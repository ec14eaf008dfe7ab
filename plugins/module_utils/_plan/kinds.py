# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kind of snapshot a domain gets, and all that stands in the way of either."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.golden.libvirt.plugins.module_utils._model import Disk
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey
from ansible_collections.golden.libvirt.plugins.module_utils._xml import snapshot as snapshot_xml

NAME_BYTES = 255  # of a file's name, on every file system in use


@dataclass(frozen=True)
class Wish:
    """What was asked for. *mode* is auto, internal or external; *memory* auto, true or false; *disks* are targets, None
    for all that the guest writes to; *quiesce* is try, required or never."""

    name: str
    mode: str = "auto"
    memory: str = "auto"
    quiesce: str = "try"
    disks: tuple[str, ...] | None = None
    description: str = ""
    label: str | None = None


def choose(survey: Survey, wish: Wish) -> tuple[str, tuple[str, ...]]:
    """internal or external, and what stands in its way: where that is nothing, it works on this libvirt."""
    common = tuple(common_obstacles(survey, wish))
    there = {snapshot.kind for snapshot in survey.snapshots}
    if wish.mode != "auto":
        mixed = tuple(
            f"its snapshots are {kind}, and a domain with both kinds can lose data when either is reverted or deleted; "
            f"say 'mode: auto' or delete them"
            for kind in sorted(there - {wish.mode})
        )
        return wish.mode, common + mixed + of_kind(survey, wish, wish.mode)
    if there:
        current = survey.current or survey.snapshots[-1]
        return current.kind, common + of_kind(survey, wish, current.kind)
    internal, external = of_kind(survey, wish, "internal"), of_kind(survey, wish, "external")
    if not internal:
        return "internal", common
    return "external", common + (internal + external if external else ())


def of_kind(survey: Survey, wish: Wish, kind: str) -> tuple[str, ...]:
    found = internal_obstacles(survey, wish) if kind == "internal" else external_obstacles(survey, wish)
    return tuple(f"{kind}: {obstacle}" for obstacle in found)


def with_memory(survey: Survey, wish: Wish, kind: str) -> bool:
    """auto: with memory where it cannot be without, so for an internal snapshot of a domain that is on."""
    if survey.domain.off:
        return False
    return wish.memory == "true" or (wish.memory == "auto" and kind == "internal")


def chosen_disks(survey: Survey, wish: Wish) -> tuple[Disk, ...]:
    """The disks in the snapshot: those named, else all written ones that the domain's XML does not except."""
    written = survey.domain.written_disks
    if wish.disks is None:
        return tuple(disk for disk in written if disk.snapshot != "no")
    return tuple(disk for disk in written if disk.target in wish.disks)


def common_obstacles(survey: Survey, wish: Wish) -> Iterator[str]:
    domain = survey.domain
    if not wish.name.strip() or wish.name.startswith(".") or "/" in wish.name:
        yield f"the name {wish.name!r}: it names files too, so it is not empty, has no '/' and no '.' first"
    if wish.name.isdigit():
        yield f"the name {wish.name}: QEMU takes a name of digits only for the number of a snapshot; add a letter"
    if not domain.persistent:
        yield "the domain is transient: libvirt forgets its snapshots when it stops; define it"
    if domain.state not in ("running", "paused", "shutoff", "crashed"):
        yield f"the domain is {domain.state}; start it or shut it down"
    if survey.saved:
        yield "it was put to disk with its memory (managed save); start it, or 'virsh managedsave-remove' it"
    if wish.memory == "true" and domain.off:
        yield "memory: true: the domain is off and has none"
    if not chosen_disks(survey, wish):
        yield "no disk that the guest writes to is in it"
    targets = {disk.target for disk in domain.written_disks}
    for target in sorted(set(wish.disks or ()) - targets):
        yield f"the disk {target}: the domain writes to no such disk (it has {', '.join(sorted(targets)) or 'none'})"


def internal_obstacles(survey: Survey, wish: Wish) -> Iterator[str]:
    """Why libvirt or QEMU would not put the snapshot into the disks' own files."""
    domain, on = survey.domain, not survey.domain.off
    for disk in domain.written_disks:
        if disk.format != "qcow2" or disk.kind not in ("file", "block", "volume") or disk.device == "lun":
            yield f"the disk {disk.target} is {described(disk)}, and only qcow2 can hold one"
    if len(chosen_disks(survey, wish)) < len(domain.written_disks):
        yield "all disks that the guest writes to are in it or none"
    if on and wish.memory == "false":
        yield "of a domain that is on it always has the memory; shut it down, or leave 'memory' out"
    if on and wish.quiesce == "required":
        yield "with memory it cannot be quiesced; shut the domain down, or say 'quiesce: try'"
    yield from memory_obstacles(survey) if on else ()
    if domain.firmware.kind == "uefi":
        if not survey.libvirt.native:
            yield "this libvirt takes none of a domain with UEFI"
        elif on and domain.firmware.nvram_format != "qcow2":
            yield "of a domain that is on, its UEFI variables would have to be in a qcow2 file"


def external_obstacles(survey: Survey, wish: Wish) -> Iterator[str]:
    """Why no overlay can be put over a disk, or the memory not saved beside it."""
    with_ram = with_memory(survey, wish, "external")
    for disk in chosen_disks(survey, wish):
        yield from overlay_obstacles(survey, wish, disk)
    if with_ram and wish.quiesce == "required":
        yield "with memory it cannot be quiesced; say 'memory: false' or 'quiesce: try'"
    if survey.domain.state == "paused" and wish.quiesce == "required" and not with_ram:
        yield "a paused guest cannot be quiesced; resume it, or say 'quiesce: try'"
    yield from memory_obstacles(survey) if with_ram else ()


def overlay_obstacles(survey: Survey, wish: Wish, disk: Disk) -> Iterator[str]:
    name = f"the disk {disk.target}"
    depth = len(survey.chain(disk.path))
    if disk.kind not in ("file", "volume") or disk.device == "lun":
        yield f"{name} is {described(disk)}: there is no directory beside it for an overlay"
    elif disk.path not in survey.files:
        yield f"{name}: its file {disk.path} is not there"
    elif depth >= survey.libvirt.depth:
        yield (
            f"{name} already consists of {depth} files, and with more the domain would not start any more; delete "
            f"snapshots first"
        )
    if disk.transient or disk.shareable:
        yield f"{name} is {'transient' if disk.transient else 'shared with other domains'}; leave it out with 'disks'"
    if len(f"{survey.domain.name}.{disk.target}.{wish.name}.999.qcow2".encode()) > NAME_BYTES:
        yield f"the name of the overlay of {disk.target} would be too long; choose a shorter one"


def memory_obstacles(survey: Survey) -> Iterator[str]:
    """Why the domain's memory cannot be saved."""
    for device in snapshot_xml.unsaveable(survey.domain.xml):
        yield f"its memory cannot be saved because of {device}; shut it down, or say 'memory: false'"


def described(disk: Disk) -> str:
    """What a disk is, as far as that stands in the way."""
    if disk.device == "lun":
        return "a SCSI device of the host"
    return {"file": disk.format, "volume": disk.format, "block": f"{disk.format} on a block device"}.get(
        disk.kind, f"a {disk.kind} disk"
    )
