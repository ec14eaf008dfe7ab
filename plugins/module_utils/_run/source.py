# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clones are struck from: reading a version, or a domain that is off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains, files, reading, snapshots
from ansible_collections.golden.libvirt.plugins.module_utils._model import Disk, Domain, State
from ansible_collections.golden.libvirt.plugins.module_utils._plan.clone import Source
from ansible_collections.golden.libvirt.plugins.module_utils._plan.parts import Part
from ansible_collections.golden.libvirt.plugins.module_utils._plan.states import (
    reason_of,
    refuse_revoked,
    said_of,
    to_come,
)
from ansible_collections.golden.libvirt.plugins.module_utils._run import tpm
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.trust import Signers, refuse_untrusted
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import domain_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml.obstacles import notes_of, settled
from ansible_collections.golden.libvirt.plugins.module_utils._xml.snapshot import definition_then
from ansible_collections.golden.libvirt.plugins.module_utils._xml.template import encrypted
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import parse

LIVE = "its disks are copied as of one instant each time, and what its guest had not written by then is not in a clone"
MEMORY = "its memory is not taken: a clone starts as after a power cut"
VARIABLES = "its UEFI variables of then were not kept: a clone starts with new ones"
UNSEALED = "clones of it share their machine-id and host keys unless something in the guest makes them anew"


def of_version(
    bench: Bench,
    pool: str,
    image: str,
    version: str | None,
    channel: str | None,
    *,
    sharing: Mapping[str, str] = MappingProxyType({}),
    signers: Signers | None = None,
    tpm_copied: bool = False,
) -> Source:
    """The version that is named, or that the channel points at; its volumes must all be there.

    *sharing* says what becomes of what two machines cannot share. Where there are *signers*, one must have signed it.
    *tpm_copied* is refused where there is a TPM.
    """
    found = bench.repository(pool).resolve(image, version, channel)
    state = bench.repository(pool).state(image)
    words = f"{image} {found.version}"
    refuse_untrusted(bench, signers, bench.repository(pool), found, f"using {words}")

    def part(name: str, volume: str, form: str) -> Part:
        there = bench.pool(pool).read(volume)
        return Part(name, there.path, form, there.capacity)

    template = settled(found.template, sharing)
    if tpm_copied:
        tpm.refuse_version(words, template.xml)
    return Source(
        words=words,
        template=template.xml,
        disks=tuple(part(disk.target, disk.volume, disk.format) for disk in found.disks),
        nvram=part("nvram", found.nvram.volume, found.nvram.format) if found.nvram else None,
        image=image,
        version=found.version,
        first_boot=found.sealed.first_boot if found.sealed else "",
        refusal=refusal_of(words, found.version, state),
        obstacles=template.refused,
        warnings=(
            *deprecation(words, found.version, state),
            *([] if found.sealed else [f"{words} was not sealed: {UNSEALED}"]),
            *(f"{words}: {note}" for note in (*template.notes, *notes_of(template.xml))),
        ),
    )


def refusal_of(words: str, version: str, state: State) -> Refused | None:
    """Why nothing new may be struck from a version, if anything."""
    try:
        refuse_revoked(f"cloning from {words}", version, state)
    except Refused as err:
        return err
    return None


def deprecation(words: str, version: str, state: State) -> list[str]:
    said, coming = said_of(state, version), to_come(state, version)
    if coming:
        return [f"{words} will be {coming['state']} on {coming['date']}: {coming['reason']}"]
    if said.get("state") != "deprecated":
        return []
    return [f"{words} is deprecated: {reason_of(said)}"]


def of_domain(
    bench: Bench, name: str, snapshot: str | None, *, sharing: Mapping[str, str], tpm_copied: bool = False
) -> Source:
    """A domain as it is, or as it was at one of its snapshots; its disks must be in files or block devices.

    *tpm_copied* says that clones get the state of its TPM, too.
    """
    domain = domains.read(bench.hypervisor, name)
    words, then = f"domain {name}", Then(domain, domain.firmware.nvram)
    if snapshot is not None:
        words = f"snapshot {snapshot} of {name}"
        then = at_snapshot(bench, domain, snapshot)
    domain, nvram = then.domain, then.nvram
    refuse_busy(domain, words, domains.has_saved_memory(bench.hypervisor, name) and snapshot is None)
    template = settled(domain.xml, sharing)
    state = tpm.state_of(bench, domain, words, then=snapshot is not None) if tpm_copied else ""
    return Source(
        words=words,
        template=template.xml,
        disks=tuple(
            part_at(bench, disk.target, disk.path or "", disk.format, snapshot if disk.target in then.inside else None)
            for disk in domain.written_disks
        ),
        nvram=part_at(bench, "nvram", nvram, domain.firmware.nvram_format) if nvram else None,
        domain=name,
        live=not domain.off,
        tpm=state,
        first_boot=domain.record.seal.first_boot if domain.record.seal else "",
        obstacles=template.refused,
        warnings=(
            *([] if domain.record.seal else [f"{words} was not sealed: {UNSEALED}"]),
            *([] if domain.off else [f"{words} is {domain.state}: {LIVE}"]),
            *(f"{words}: {note}" for note in then.notes),
            *(f"{words}: {note}" for note in (*template.notes, *notes_of(template.xml, tpm_copied=bool(state)))),
        ),
    )


@dataclass(frozen=True)
class Then:
    """A *domain* as it was at a snapshot, off: where its UEFI variables of then are, which disks are *inside* the files
    that they use, and *notes* on what is not there any more."""

    domain: Domain
    nvram: str | None
    inside: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def at_snapshot(bench: Bench, domain: Domain, name: str) -> Then:
    """The domain as it was at one of its snapshots."""
    doing = f"cloning from snapshot {name} of {domain.name}"
    snapshot = snapshots.read(bench.hypervisor, domain.name, name, doing)
    then = domain_of(definition_then(snapshot), "shutoff")
    inside = frozenset(disk.target for disk in snapshot.disks if disk.kind == "internal")
    outside = {disk.path for disk in then.written_disks if disk.target not in inside}
    used = {disk.path for disk in domain.written_disks} & outside
    if used:
        why = f"the domain writes to what the snapshot does not hold: {', '.join(sorted(map(str, used)))}"
        raise Refused(doing, why, "Take a snapshot of all disks.")
    lost = snapshot.note.nvram is None and then.firmware.kind == "uefi"
    notes = (*([MEMORY] if snapshot.memory else []), *([VARIABLES] if lost else []))
    return Then(then, snapshot.note.nvram or None, inside, notes)


def refuse_busy(domain: Domain, words: str, saved: bool) -> None:
    """Raise, all at once, what keeps the domain's disks from being copied."""
    obstacles = [f"its disk {disk.target} is {kind_of(disk)}" for disk in domain.written_disks if not disk.path]
    obstacles += encrypted(parse(domain.xml))
    if saved:
        obstacles.append("its memory was saved when it stopped: start it and shut it down")
    if obstacles:
        raise Refused(f"cloning from {words}", "its disks cannot be copied", obstacles=obstacles)


def kind_of(disk: Disk) -> str:
    return f"of type {disk.kind}, not a file or block device"


def part_at(bench: Bench, name: str, path: str, form: str, snapshot: str | None = None) -> Part:
    """The file at *path*, as it is or as its internal *snapshot* has it."""
    if snapshot:
        capacity = reading.snapshot_in(bench.hypervisor, path, snapshot).capacity
        return Part(name, path, form, capacity, snapshot)
    return Part(name, path, form, files.volume_at(bench.hypervisor, path).capacity)
