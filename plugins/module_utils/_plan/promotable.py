# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a domain may become a version, and whether it became one already."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Disk,
    Domain,
    Lineage,
    State,
    Version,
    Volume,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.seal import seal_obstacles, valid_seal
from ansible_collections.golden.libvirt.plugins.module_utils._xml.template import definition_of, unpromotable

CANNOT_COMPRESS = "libvirt cannot compress: run the task on the hypervisor itself, or set 'compress: none'"


@dataclass(frozen=True)
class Source:
    """What is to be promoted, as it is now. *disks* are the written disks' volumes, None where there is no such file.

    *saved* says that its memory was saved when it stopped; *snapshots* (checkpoints too) and *taken* (the new name)
    are what a rename minds; *local* says that the files are this machine's.
    """

    domain: Domain
    disks: Mapping[str, Volume | None]
    nvram: Volume | None = None
    lineage: Lineage | None = None
    saved: bool = False
    snapshots: int = 0
    taken: bool = False
    local: bool = True


@dataclass(frozen=True)
class Asked:
    """What a user asked for, but for the domain."""

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
    sealing = seal_obstacles(source.domain, source.disks) if asked.sealed else ()
    compressing = [CANNOT_COMPRESS] if asked.compress and not source.local else ()
    return [
        *standing(source),
        *sealing,
        *unpromotable(source.domain.xml),
        *compressing,
        *rename_obstacles(source, asked),
    ]


def standing(source: Source) -> list[str]:
    """What of the domain's state and disks stands in the way."""
    domain, found = source.domain, []
    if not domain.off:
        found.append(f"it is {domain.state}: shut it down")
    if not domain.persistent:
        found.append("it is transient: define it")
    if source.saved:
        found.append("its memory was saved when it stopped: start it and shut it down ('virsh managedsave-remove')")
    if not domain.written_disks:
        found.append("it has no disk that it writes to")
    return found + [what for disk in domain.written_disks for what in disk_obstacles(disk, source.disks[disk.target])]


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
    if source.snapshots:
        found.append(f"it cannot be renamed while it has snapshots or checkpoints ({source.snapshots}): delete them")
    return found


def same(source: Source, asked: Asked, shelf: Shelf) -> Version | None:
    """The active version made by the same recipe on the same parent or, without a recipe, of the very same state."""
    if asked.force:
        return None
    usable = [
        version
        for version in shelf.versions
        if version.version not in shelf.state.states and asked.version in (None, version.version)
    ]
    if asked.recipe:
        wanted = (asked.recipe, source.lineage)
        return next((version for version in usable if (version.recipe, version.lineage) == wanted), None)
    if not source.domain.off or any(disk.kind == "block" for disk in source.domain.written_disks):
        return None  # a block device's node does not tell when it was written to
    witness, sealed = witness_of(source), valid_seal(source.domain, source.disks)
    return next((of for of in usable if (of.provenance.get("witness"), of.sealed) == (witness, sealed)), None)


def witness_of(source: Source) -> dict[str, Any]:
    """What is the same again only where a domain was neither run nor redefined in between."""
    parts = [*source.disks.items(), ("nvram", source.nvram)]
    return {
        "uuid": source.domain.uuid,
        "definition": hashlib.sha256(definition_of(source.domain.xml).encode()).hexdigest(),
        "files": [
            {"part": part, "path": volume.path, "mtime": volume.mtime, "size": volume.size}
            for part, volume in parts
            if volume
        ],
    }
