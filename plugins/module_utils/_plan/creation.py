# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a snapshot: which kind, where its files go, what stands in the way."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Callable, ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Disk,
    Snapshot,
    SnapshotDisk,
    SnapshotNote,
    Volume,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan import kinds
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action
from ansible_collections.golden.libvirt.plugins.module_utils._plan.quiesce import quiescing
from ansible_collections.golden.libvirt.plugins.module_utils._plan.seal import valid_seal
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey
from ansible_collections.golden.libvirt.plugins.module_utils._xml import snapshot as snapshot_xml

# What XML cannot hold; it holds line breaks and tabs.
NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class CreateOverlay(Action):
    """A new file over *backing*, for a disk of *domain* to write to. *capacity* in bytes."""

    words: ClassVar[str] = "create overlay"
    domain: str
    target: str
    pool: str
    volume: str
    backing: str
    path: str = field(repr=False)
    backing_format: str = field(repr=False)
    capacity: int = field(repr=False)


@dataclass(frozen=True)
class SaveNvram(Action):
    """A copy of the file of the UEFI variables, beside it."""

    words: ClassVar[str] = "save UEFI variables"
    source: str
    pool: str
    volume: str


@dataclass(frozen=True)
class CreateSnapshot(Action):
    """Take *snapshot*; *quiesce* (try or required) freezes the guest's file systems meanwhile."""

    words: ClassVar[str] = "create snapshot"
    gathers: ClassVar[bool] = True
    domain: str
    name: str
    kind: str
    memory: bool
    quiesce: str | None
    snapshot: Snapshot = field(repr=False)


@dataclass(frozen=True)
class Creation:
    """What takes a snapshot, and the *survey* once it is taken. *fallback*: why a guest is not quiesced."""

    snapshot: Snapshot
    actions: tuple[Action, ...]
    survey: Survey
    fallback: str | None = None
    cautions: tuple[str, ...] = ()


def plan_creation(survey: Survey, wish: kinds.Wish, agent: Callable[[], str]) -> Creation:
    """What takes the snapshot wished for. *agent* says why the guest cannot be quiesced, nothing where it can.

    Refused with all obstacles at once.
    """
    check_text(f"taking snapshot {wish.name!r} of {survey.domain.name}", wish)
    kind, obstacles = kinds.choose(survey, wish)
    memory = kinds.with_memory(survey, wish, kind)
    frozen = quiescing(survey.domain, wish.quiesce, agent, memory=memory)
    obstacles += frozen.obstacles
    doing = f"taking snapshot {wish.name} of {survey.domain.name}"
    if obstacles:
        raise Refused(doing, "it cannot be taken", kinds.way_out(survey, wish, kind), obstacles=obstacles)
    disks = kinds.chosen_disks(survey, wish)
    overlays = overlays_for(survey, wish.name, disks) if kind == "external" else {}
    nvram, copy = saved_nvram(survey, wish.name)
    snapshot = Snapshot(
        domain=survey.domain.name,
        name=wish.name,
        kind=kind,
        memory=memory,
        state=survey.domain.state,
        parent=survey.current.name if survey.current else None,
        current=True,
        description=wish.description,
        note=SnapshotNote(wish.label, frozen.consistency, nvram, sealed(survey)),
        memory_file=memory_path(survey, wish.name, disks) if memory and kind == "external" else None,
        disks=(
            *(snapshot_disk(disk, kind, overlays) for disk in survey.domain.written_disks),
            *(SnapshotDisk(disk.target, "no") for disk in kinds.media(survey.domain) if kind == "external"),
        ),
        tpm=memory if snapshot_xml.has_tpm(survey.domain.xml) else None,
    )
    create = CreateSnapshot(survey.domain.name, wish.name, kind, memory, frozen.quiesce, snapshot)
    return Creation(
        snapshot,
        (*overlay_actions(survey.domain.name, overlays), *copy, create),
        taken(survey, snapshot, overlays),
        frozen.fallback,
        tuple(kinds.cautions(survey, wish, kind)),
    )


def check_text(doing: str, wish: kinds.Wish) -> None:
    """Refuse what XML cannot hold."""
    texts = {"name": wish.name, "description": wish.description, "label": wish.label or ""}
    bad = [option for option, text in texts.items() if NO_TEXT.search(text)]
    bad += ["name"] if "\n" in wish.name else []
    if bad:
        raise Refused(doing, f"control characters in {', '.join(bad)}", "Use text only.")


def sealed(survey: Survey) -> str | None:
    """Whether the domain is sealed now: an internal snapshot changes the file, so nothing else tells afterwards."""
    disks = {disk.target: survey.files.get(str(disk.path)) for disk in survey.domain.written_disks}
    return "yes" if survey.domain.off and valid_seal(survey.domain, disks) else None


def snapshot_disk(disk: Disk, kind: str, overlays: Mapping[str, Volume]) -> SnapshotDisk:
    overlay = overlays.get(disk.target)
    if kind == "internal":
        return SnapshotDisk(disk.target, "internal", base=disk.path, base_format=disk.format)
    return SnapshotDisk(
        disk.target,
        "external" if overlay else "no",
        path=overlay.path if overlay else None,
        base=disk.path,
        base_format=disk.format,
    )


def overlays_for(survey: Survey, name: str, disks: Sequence[Disk]) -> dict[str, Volume]:
    """A new overlay for each disk, beside its file: <domain>.<target>.<snapshot>.qcow2."""
    return {disk.target: overlay_on(survey, name, disk.target, str(disk.path), disk.format) for disk in disks}


def overlay_on(survey: Survey, name: str, target: str, backing: str, backing_format: str) -> Volume:
    """The overlay that snapshot *name* gives to the disk *target*; its sizes are those of *backing*."""
    base = survey.files[backing]
    path = survey.free_path(posixpath.dirname(backing), f"{survey.domain.name}.{target}.{name}", "qcow2")
    return Volume(
        pool=base.pool,
        name=posixpath.basename(path),
        path=path,
        format="qcow2",
        capacity=base.capacity,
        allocation=0,
        size=0,
        backing=backing,
        backing_format=backing_format,
    )


def overlay_actions(domain: str, overlays: Mapping[str, Volume]) -> tuple[Action, ...]:
    return tuple(
        CreateOverlay(
            domain=domain,
            target=target,
            pool=volume.pool,
            volume=volume.name,
            backing=str(volume.backing),
            path=volume.path,
            backing_format=volume.backing_format or "raw",
            capacity=volume.capacity,
        )
        for target, volume in overlays.items()
    )


def memory_path(survey: Survey, name: str, disks: Sequence[Disk]) -> str:
    """Where the memory goes: beside the first disk."""
    return survey.free_path(posixpath.dirname(str(disks[0].path)), f"{survey.domain.name}.{name}", "memory")


def saved_nvram(survey: Survey, name: str) -> tuple[str | None, tuple[Action, ...]]:
    """Where the copy of the UEFI variables will be, and what makes it."""
    firmware = survey.domain.firmware
    if firmware.kind != "uefi":
        return None, ()
    volume = survey.files.get(firmware.nvram or "")
    if volume is None:
        return "", ()
    path = survey.free_path(posixpath.dirname(volume.path), f"{survey.domain.name}.{name}.nvram", "fd")
    return path, (SaveNvram(volume.path, volume.pool, posixpath.basename(path)),)


def taken(survey: Survey, snapshot: Snapshot, overlays: Mapping[str, Volume]) -> Survey:
    """The survey once the snapshot is taken."""
    older = tuple(replace(other, current=False) for other in survey.snapshots)
    return replace(survey.with_overlays(overlays), snapshots=(*older, snapshot))


def creation_xml(snapshot: Snapshot, quiesced: bool) -> str:
    """The XML that takes the snapshot, with what consistency it has now."""
    hoped = snapshot.note.consistency == "application"
    note = replace(snapshot.note, consistency="crash") if hoped and not quiesced else snapshot.note
    return snapshot_xml.new_snapshot(replace(snapshot, note=note))
