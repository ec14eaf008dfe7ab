# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what is to be promoted: a domain as it is, or as it was at one of its snapshots."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import (
    chains,
    domains,
    files,
    quiescing,
    reading,
    snapshots,
)
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Disk,
    Domain,
    Lineage,
    Snapshot,
    SnapshotDisk,
    Volume,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan import quiesce
from ansible_collections.golden.libvirt.plugins.module_utils._plan.promotable import Asked, Source
from ansible_collections.golden.libvirt.plugins.module_utils._plan.quiesce import Quiescing
from ansible_collections.golden.libvirt.plugins.module_utils._run import disks, freeze
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import domain_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml.snapshot import definition_then


def source_of(bench: Bench, name: str, asked: Asked) -> Source:
    """The domain as it is, or was; one that an earlier run has renamed already is found by its new name."""
    hypervisor = bench.hypervisor
    there = domains.names(hypervisor)
    if name not in there and asked.rename_to in there:
        name = asked.rename_to or name
    domain = domains.read(hypervisor, name)
    source = as_it_was(bench, domain, asked.snapshot) if asked.snapshot else as_it_is(bench, domain, asked)
    return replace(
        source,
        lineage=lineage_of(bench, source, asked),
        local=hypervisor.local,
        snapshots=domains.snapshot_count(hypervisor, name) if asked.rename_to or asked.freeze else 0,
        taken=asked.rename_to in there,
        written=written_by(bench, domain),
    )


def as_it_is(bench: Bench, domain: Domain, asked: Asked) -> Source:
    hypervisor, nvram = bench.hypervisor, domain.firmware.nvram
    wanted = asked.quiesce if asked.live else "never"
    ground = freeze.ground_of(bench, domain, asked.pool) if asked.freeze and domain.off and hypervisor.local else None
    found = disks.written(bench, domain)
    return Source(
        domain=domain,
        disks=ground.disks if ground else found,
        untouched=freeze.untouched(bench, found, asked.pool, ground) if domain.off else {},
        facts=ground.facts if ground else {},
        named=ground.named if ground else {},
        nvram=files.find_at(hypervisor, nvram) if nvram else None,
        saved=domains.has_saved_memory(hypervisor, domain.name),
        quiescing=quiesce.quiescing(domain, wanted, lambda: quiescing.problem(hypervisor, domain.name)),
    )


def as_it_was(bench: Bench, domain: Domain, name: str) -> Source:
    """The domain at its snapshot *name*, its disks where their bytes of then are."""
    snapshot = snapshots.read(bench.hypervisor, domain.name, name, f"promoting snapshot {name} of {domain.name}")
    then = domain_of(definition_then(snapshot), "shutoff")
    bases = {disk.target: disk for disk in snapshot.disks if disk.base}
    then = replace(then, disks=tuple(disk_then(disk, bases.get(disk.target)) for disk in then.disks))
    found = {disk.target: volume_then(bench, disk, snapshot) for disk in then.written_disks}
    nvram, offline = snapshot.note.nvram, snapshot.state == "shutoff"
    return Source(
        domain=then,
        disks=found,
        nvram=files.find_at(bench.hypervisor, nvram) if nvram else None,
        snapshot=snapshot,
        quiescing=Quiescing(None, snapshot.note.consistency or ("offline" if offline else "crash")),
    )


def disk_then(disk: Disk, base: SnapshotDisk | None) -> Disk:
    """A disk with the file that it used then."""
    return replace(disk, kind="file", path=base.base, format=base.base_format) if base else disk


def volume_then(bench: Bench, disk: Disk, snapshot: Snapshot) -> Volume | None:
    """The file that has a disk's bytes of then, with the capacity that it had then."""
    volume = disks.volume_of(bench, disk)
    if volume is None or snapshot.kind != "internal":
        return volume
    return replace(volume, capacity=reading.snapshot_in(bench.hypervisor, volume.path, snapshot.name).capacity)


def written_by(bench: Bench, domain: Domain) -> frozenset[str]:
    """The files that a domain writes to: as it runs, where it does, else as it is defined."""
    live = domain if domain.off else domains.read_live(bench.hypervisor, domain.name)
    found = {chains.file_of(bench.hypervisor, disk) for disk in live.written_disks}
    return frozenset(path for path in found if path)


def lineage_of(bench: Bench, source: Source, asked: Asked) -> Lineage | None:
    """The version that the domain's disks are overlays of, or else that its metadata says it was struck from."""
    for frozen in (names.parsed(of.frozen) for of in source.facts.values() if of.frozen):
        if frozen:
            return Lineage(frozen.image, frozen.version)
    for volume in source.disks.values():
        below = disks.version_below(bench, volume, bench.pool(asked.pool)) if volume else None
        if below:
            return below
    origin = source.domain.record.origin
    return Lineage(origin.image, origin.version) if origin and origin.complete and origin.image else None
