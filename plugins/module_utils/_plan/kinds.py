# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kind of snapshot a domain gets, and all that stands in the way of either."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.golden.libvirt.plugins.module_utils._model import Disk, Domain
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey
from ansible_collections.golden.libvirt.plugins.module_utils._xml import snapshot as snapshot_xml

NAME_BYTES = 255  # of a file's name, on every file system in use
KNOWN_BY = "{}.xml.XXXXXX"  # the file in which libvirt writes down a snapshot


@dataclass(frozen=True)
class Wish:
    """What was asked for. *mode* is auto, internal or external; *memory* auto, true or false; *disks* are targets, None
    for all that the guest writes to but the *excluded*; *quiesce* is try, required or never."""

    name: str
    mode: str = "auto"
    memory: str = "auto"
    quiesce: str = "try"
    disks: tuple[str, ...] | None = None
    excluded: tuple[str, ...] = ()
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


def way_out(survey: Survey, wish: Wish, kind: str) -> str:
    """What to ask for instead of *kind*, where the other one can be taken."""
    other = "external" if kind == "internal" else "internal"
    mixed = {snapshot.kind for snapshot in survey.snapshots} - {other}
    if mixed or any(common_obstacles(survey, wish)) or of_kind(survey, wish, other):
        return ""
    return f"With 'mode: {other}' it can be."


def of_kind(survey: Survey, wish: Wish, kind: str) -> tuple[str, ...]:
    found = internal_obstacles(survey, wish) if kind == "internal" else external_obstacles(survey, wish)
    return tuple(f"{kind}: {obstacle}" for obstacle in found)


def with_memory(survey: Survey, wish: Wish, kind: str) -> bool:
    """auto: with memory where it cannot be without, so for an internal snapshot of a domain that is on."""
    if survey.domain.off:
        return False
    return wish.memory == "true" or (wish.memory == "auto" and kind == "internal")


def chosen_disks(survey: Survey, wish: Wish) -> tuple[Disk, ...]:
    """The disks in the snapshot: those named, else all written ones that neither the XML nor *wish* leaves out."""
    written = survey.domain.written_disks
    if wish.disks is None:
        return tuple(disk for disk in written if disk.snapshot != "no" and disk.target not in wish.excluded)
    return tuple(disk for disk in written if disk.target in wish.disks)


def media(domain: Domain) -> tuple[Disk, ...]:
    """What the guest can write to but is no disk of the machine: floppies."""
    return tuple(disk for disk in domain.disks if disk.path and not disk.written and not disk.readonly)


def common_obstacles(survey: Survey, wish: Wish) -> Iterator[str]:
    domain = survey.domain
    if not wish.name.strip() or wish.name.startswith(".") or "/" in wish.name:
        yield f"the name {wish.name!r}: it names files too, so it is not empty, has no '/' and no '.' first"
    if wish.name.isdigit():
        yield f"the name {wish.name}: QEMU takes a name of digits only for the number of a snapshot; add a letter"
    if len(KNOWN_BY.format(wish.name).encode()) > NAME_BYTES:  # libvirt finds out once it is taken, and leaves it
        yield "its name is too long for the file that libvirt keeps it in; choose a shorter one"
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
    for target in sorted({*(wish.disks or ()), *wish.excluded} - targets):
        there = survey.disk(target)
        what = f"it is a read-only {there.device}" if there else "the domain has no such disk"
        yield f"the disk {target}: {what}, which no snapshot has (it writes to {', '.join(sorted(targets)) or 'none'})"


def internal_obstacles(survey: Survey, wish: Wish) -> Iterator[str]:
    """Why libvirt or QEMU would not put the snapshot into the disks' own files."""
    domain, on = survey.domain, not survey.domain.off
    for disk in domain.written_disks:
        if disk.format != "qcow2" or disk.kind not in ("file", "block", "volume") or disk.device == "lun":
            yield f"the disk {disk.target} is {described(disk)}, and only qcow2 can hold one"
        elif wish.name in survey.inside.get(disk.path or "", ()):
            yield (
                f"{disk.path} has a snapshot {wish.name} in it that libvirt does not know, and QEMU would go back to "
                f"that; choose another name"
            )
    for disk in media(domain):
        if disk.format != "qcow2":
            yield f"the {disk.device} {disk.target} is {disk.format} and writable; eject it, or make it read-only"
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
    yield from memory_obstacles(survey) if with_ram else ()


def overlay_obstacles(survey: Survey, wish: Wish, disk: Disk) -> Iterator[str]:
    name = f"the disk {disk.target}"
    depth = len(survey.chain(disk.path))
    if disk.kind not in ("file", "volume") or disk.device == "lun":
        yield f"{name} is {described(disk)}: there is no directory beside it for an overlay; leave it out with 'disks'"
    elif disk.kind == "volume" and disk.pool in survey.idle.values():
        yield f"{name}: its pool {disk.pool} is not active; start it ('virsh pool-start {disk.pool}')"
    elif disk.path not in survey.files and disk.kind == "volume":
        yield f"{name} is a volume of pool {disk.pool}, which is none of files; leave it out with 'disks'"
    elif disk.path not in survey.files:
        why = survey.why_unseen(str(disk.path), "is not there; put it back, or leave it out with 'disks'")
        yield f"{name}: its file {disk.path} {why}"
    elif depth >= survey.libvirt.depth:
        yield (
            f"{name} already consists of {depth} files, and with more the domain would not start any more; delete "
            f"snapshots first"
        )
    if disk.transient or disk.shareable:
        yield f"{name} is {'transient' if disk.transient else 'shared with other domains'}; leave it out with 'disks'"
    if len(f"{survey.domain.name}.{disk.target}.{wish.name}.999.qcow2".encode()) > NAME_BYTES:
        yield f"the name of the overlay of {disk.target} would be too long; choose a shorter one"


def cautions(survey: Survey, wish: Wish, kind: str) -> Iterator[str]:
    """What is no obstacle now and may become one."""
    domain, libvirt = survey.domain, survey.libvirt
    if snapshot_xml.has_tpm(domain.xml) and not with_memory(survey, wish, kind):
        yield f"{domain.name}: the state of its TPM is not in the snapshot, so that a revert will ask for 'force'."
    if kind == "internal" and not domain.off and 11002000 <= libvirt.version < 11004000:
        yield (
            f"{domain.name}: libvirt {libvirt.dotted} as it was released cannot revert to an internal snapshot with "
            f"memory (11.4 and some distributions' 11.2 and 11.3 can); try it, or say 'mode: external'."
        )
    for disk in chosen_disks(survey, wish) if kind == "external" else ():
        depth = len(survey.chain(disk.path)) + 1
        if depth * 5 > libvirt.depth * 4:
            yield (
                f"{domain.name}: the disk {disk.target} now consists of {depth} files, and this libvirt starts domains "
                f"with at most {libvirt.depth}; delete snapshots soon."
            )


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
