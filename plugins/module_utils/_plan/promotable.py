# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a domain, or a snapshot of it, may become a version, and whether it became one already."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Disk,
    Domain,
    Lineage,
    Sealed,
    Snapshot,
    State,
    Version,
    Volume,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.freeze import Facts, obstacles_in
from ansible_collections.golden.libvirt.plugins.module_utils._plan.quiesce import Quiescing
from ansible_collections.golden.libvirt.plugins.module_utils._plan.seal import seal_obstacles, valid_seal
from ansible_collections.golden.libvirt.plugins.module_utils._plan.states import said_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml.template import definition_of, unpromotable

CANNOT_COMPRESS = "libvirt cannot compress: run the task on the hypervisor itself, or set 'compress: none'"


@dataclass(frozen=True)
class Source:
    """What is to be promoted, as it is now or was at *snapshot*. *disks* are the written disks' volumes, None where
    there is no such file.

    *saved* says that its memory was saved when it stopped; *snapshots* (checkpoints too) and *taken* (the new name)
    are what a rename minds; *local* says that the files are this machine's. *quiescing* says how consistent its disks
    are. *written* are the files that the domain writes to now. *untouched* are the disks that are overlays, with
    nothing of their own, on a volume in the image pool ({target: volume}).

    *facts* of the disks' files, and the paths of versions' volumes (*named*) are what freezing in place minds.
    """

    domain: Domain
    disks: Mapping[str, Volume | None]
    nvram: Volume | None = None
    lineage: Lineage | None = None
    saved: bool = False
    snapshots: int = 0
    taken: bool = False
    local: bool = True
    snapshot: Snapshot | None = None
    quiescing: Quiescing = Quiescing(None, "offline")
    written: frozenset[str] = frozenset()
    untouched: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Facts] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether it changes while it is promoted."""
        return not self.domain.off


@dataclass(frozen=True)
class Asked:
    """What a user asked for, but for the domain. *tpm* is refuse or empty, *checksum* now or deferred."""

    image: str
    pool: str
    version: str | None = None
    channels: tuple[str, ...] = ()
    sealed: bool = True
    recipe: str | None = None
    force: bool = False
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    rename_to: str | None = None
    compress: str = ""
    snapshot: str | None = None
    live: bool = False
    quiesce: str = "try"
    tpm: str = "refuse"
    freeze: bool = False
    checksum: str = "now"
    signing_key: str | None = None
    protect: bool = True


@dataclass(frozen=True)
class Shelf:
    """What the image holds: the complete *versions*, newest first; the journal's *state*; the volumes of *unfinished*
    versions, and who holds those that a living run is making."""

    versions: Sequence[Version] = ()
    state: State = State()
    unfinished: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    held: Mapping[str, str] = field(default_factory=dict)


def obstacles_to(source: Source, asked: Asked) -> list[str]:
    """All that keeps *source* from being promoted, in words."""
    compressing = [CANNOT_COMPRESS] if asked.compress and not source.local else ()
    return [
        *standing(source, asked),
        *(sealing_obstacles(source) if asked.sealed else ()),
        *unpromotable(source.domain.xml, without_tpm=asked.tpm == "empty"),
        *compressing,
        *(freezing_obstacles(source, asked) if asked.freeze else ()),
        *rename_obstacles(source, asked),
    ]


def standing(source: Source, asked: Asked) -> list[str]:
    """What of the domain's state and disks stands in the way."""
    domain, found = source.domain, []
    if source.live:
        found += running_obstacles(source, asked)
    if not domain.persistent:
        found.append("it is transient: define it")
    if source.saved:
        found.append("its memory was saved when it stopped: start it and shut it down ('virsh managedsave-remove')")
    if not domain.written_disks:
        found.append("it has no disk that it writes to")
    found += [what for disk in domain.written_disks for what in disk_obstacles(disk, source.disks[disk.target])]
    return found + (snapshot_obstacles(source.snapshot, source) if source.snapshot else [])


def running_obstacles(source: Source, asked: Asked) -> list[str]:
    """Why it cannot be copied while it runs."""
    if not asked.live:
        return [f"it is {source.domain.state}: shut it down, or say 'live: true' to copy it as it runs"]
    found = list(source.quiescing.obstacles)
    if not source.local:
        found.append("it runs on another machine than this task: run the task on the hypervisor, or shut it down")
    if asked.compress:
        found.append("QEMU cannot compress while it runs: shut it down, or set 'compress: none'")
    if source.nvram and source.nvram.format != "raw":
        found.append(f"its UEFI variables are in a {source.nvram.format} file, which cannot be copied while it runs")
    for disk in source.domain.written_disks:
        volume = source.disks[disk.target]
        if volume and volume.path not in source.written:
            found.append(f"disk {disk.target} is defined as {volume.path}, which is not what it runs with: restart it")
    return found


def freezing_obstacles(source: Source, asked: Asked) -> Iterator[str]:
    """Why its disks cannot become a version where they are."""
    if source.snapshot:
        yield "a snapshot cannot be frozen in place, the domain goes on in its files: say 'method: copy'"
        return
    if source.live and asked.live:
        yield f"it is {source.domain.state}, and cannot be frozen in place: shut it down, or say 'method: copy'"
    if not source.local:
        yield "its files are another machine's: run the task on the hypervisor, or say 'method: copy'"
    if asked.signing_key and asked.checksum == "deferred":
        yield "what is signed must have its digests: say 'checksum: now', or sign nothing"
    if asked.compress:
        yield "what is frozen in place is not compressed: set 'compress: none', or say 'method: copy'"
    if source.snapshots:
        yield f"its snapshots and checkpoints ({source.snapshots}) need its files as they are: delete them"
    for disk in source.domain.written_disks:
        volume, facts = source.disks[disk.target], source.facts.get(disk.target)
        if volume and facts:
            yield from obstacles_in(disk, volume, facts, source.named)


def snapshot_obstacles(snapshot: Snapshot, source: Source) -> list[str]:
    """What of the domain is not in the snapshot."""
    kinds = {disk.target: disk.kind for disk in snapshot.disks}
    found = []
    for disk in source.domain.written_disks:
        kind, volume = kinds.get(disk.target, "no"), source.disks[disk.target]
        if kind == "no":
            found.append(f"disk {disk.target} is not in the snapshot")
        elif kind == "external" and volume and volume.path in source.written:
            found.append(f"disk {disk.target} is not in the snapshot any more: the domain writes to {volume.path}")
    if source.domain.firmware.kind == "uefi" and snapshot.note.nvram is None:
        found.append("the snapshot holds no UEFI variables: take one with golden.libvirt.snapshot")
    return found


def disk_obstacles(disk: Disk, volume: Volume | None) -> list[str]:
    name, found = f"disk {disk.target}", []
    if disk.shareable:
        found.append(f"{name} is shared with other domains")
    if disk.transient:
        found.append(f"{name} is transient: what is written to it is thrown away")
    if disk.kind not in ("file", "block", "volume"):
        found.append(f"{name} is a {disk.kind} disk, neither a file nor a block device")
    elif volume is None:
        found.append(f"{name} ({disk.path or disk.volume}) is not there")
    elif volume.format != disk.format:
        # A guest can write a header into a raw disk that makes any of the host's files its backing file.
        found.append(f"{name} is {disk.format} for the domain, but its content looks like {volume.format}")
    elif volume.format != "raw" and not volume.pool:
        found.append(f"{name} is {volume.format} on a block device that no pool has: define a pool that it belongs to")
    return found


def to_rename(source: Source, asked: Asked) -> str | None:
    """The new name, where the domain has not got it yet."""
    return asked.rename_to if asked.rename_to != source.domain.name else None


def rename_obstacles(source: Source, asked: Asked) -> list[str]:
    """Why libvirt would refuse the new name."""
    name = to_rename(source, asked)
    if name is None:
        return []
    found = [f"it cannot be renamed: there is a domain {name}"] if source.taken else []
    if not name or "/" in name or name.startswith("."):
        found.append(f"it cannot be renamed: {name!r} is no name for a domain")
    if source.live:
        found.append("it cannot be renamed while it runs")
    if source.snapshots:
        found.append(f"it cannot be renamed while it has snapshots or checkpoints ({source.snapshots}): delete them")
    return found


def same(source: Source, asked: Asked, shelf: Shelf) -> Version | None:
    """The active version made by the same recipe on the same parent or, without a recipe, of the very same state."""
    if asked.force:
        return None
    if asked.checksum == "now" and (frozen := put_off(source, asked, shelf)):
        return frozen
    usable = [
        version
        for version in shelf.versions
        if not said_of(shelf.state, version.version) and asked.version in (None, version.version)
    ]
    if asked.recipe:
        made = [version for version in usable if version.recipe == asked.recipe]
        return next((of for of in made if of.lineage == source.lineage or is_it(source, of)), None)
    if source.live or any(disk.kind == "block" for disk in source.domain.written_disks):
        return None  # a block device's node does not tell when it was written to
    witness, seals = witness_of(source), [seal_of(source)]
    if all_untouched(source):  # the seal of what was just frozen may be of the files that it had before
        seals.append(said_seal(source.domain))
    return next((of for of in usable if of.provenance.get("witness") == witness and of.sealed in seals), None)


def put_off(source: Source, asked: Asked, shelf: Shelf) -> Version | None:
    """The version that was asked for by name, where it was made of this domain and its digest is still to be taken."""
    for of in shelf.versions:
        if of.version == asked.version and of.undigested and of.provenance["domain"]["uuid"] == source.domain.uuid:
            return of
    return None


def all_untouched(source: Source) -> bool:
    """Whether the domain is, to the byte, what versions are."""
    return bool(source.untouched) and set(source.untouched) == set(source.disks)


def is_it(source: Source, version: Version) -> bool:
    """Whether the domain's disks are, to the byte, those of *version*, as when it was frozen in place."""
    return all_untouched(source) and source.untouched == {disk.target: disk.volume for disk in version.disks}


def said_seal(domain: Domain) -> Sealed | None:
    """The seal that a domain's metadata says, written to since or not."""
    seal = domain.record.seal
    return Sealed(seal.method, seal.operations, seal.first_boot) if seal else None


def seal_of(source: Source) -> Sealed | None:
    """How *source* is sealed. While a domain runs nothing tells whether it still is."""
    if source.live:
        return None
    if source.snapshot and source.snapshot.note.sealed:
        return said_seal(source.domain)
    return valid_seal(source.domain, source.disks)


def sealing_obstacles(source: Source) -> Sequence[str]:
    """Why *source* does not count as sealed, in words."""
    if source.live:
        return ["while it runs nothing tells whether it is sealed: shut it down, or set 'sealed: false'"]
    if seal_of(source):
        return []
    if source.snapshot:
        return ["nothing tells that it was sealed when the snapshot was taken: set 'sealed: false'"]
    return seal_obstacles(source.domain, source.disks)


def witness_of(source: Source) -> dict[str, Any]:
    """What is the same again only where a domain was neither run nor redefined in between; nothing of a running one."""
    if source.live:
        return {}
    snapshot = source.snapshot
    return {
        "uuid": source.domain.uuid,
        **({"snapshot": {"name": snapshot.name, "created": snapshot.created}} if snapshot else {}),
        "definition": hashlib.sha256(definition_of(source.domain.xml).encode()).hexdigest(),
        "files": [witness_in(source, part, volume) for part, volume in unchanging(source).items()],
    }


def witness_in(source: Source, part: str, volume: Volume) -> dict[str, Any]:
    """What says that a file is as it was."""
    if part in source.untouched:
        return {"part": part, "path": volume.path, "untouched": source.untouched[part]}
    return {"part": part, "path": volume.path, "mtime": volume.mtime, "size": volume.size}


def unchanging(source: Source) -> dict[str, Volume]:
    """The files that must not be written to while they are copied: the file of an internal snapshot may be."""
    snapshot, parts = source.snapshot, [*source.disks.items(), ("nvram", source.nvram)]
    inside = {disk.target for disk in snapshot.disks if disk.kind == "internal"} if snapshot else set()
    return {part: volume for part, volume in parts if volume and part not in inside and not source.live}
