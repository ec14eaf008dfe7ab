# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promoting by copy: which version a domain becomes, and the steps to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import State, Version, VersionDisk, VersionNvram
from ansible_collections.golden.libvirt.plugins.module_utils._plan.actions import RenameDomain
from ansible_collections.golden.libvirt.plugins.module_utils._plan.channel import AssignChannel
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.promotable import (
    Asked,
    Shelf,
    Source,
    obstacles_to,
    rename_obstacles,
    same,
    to_rename,
    witness_of,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.seal import valid_seal
from ansible_collections.golden.libvirt.plugins.module_utils._plan.states import refuse_revoked
from ansible_collections.golden.libvirt.plugins.module_utils._xml.obstacles import obstacles_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml.template import template_of


@dataclass(frozen=True)
class ClaimVersion(Action):
    """Take a version's name; *replacing* are the volumes that a run which died left there."""

    words: ClassVar[str] = "claim version"
    image: str
    version: str
    pool: str
    draft: Version = field(repr=False)
    replacing: tuple[str, ...] | None = None


@dataclass(frozen=True)
class CopyPart(Action):
    """Copy a disk (*part* is its target) or the UEFI variables (nvram), flattened. *capacity* in bytes."""

    words: ClassVar[str] = "copy into version"
    part: str
    source: str
    pool: str
    volume: str
    format: str
    capacity: int
    compress: str | None = None


@dataclass(frozen=True)
class CommitVersion(Action):
    """Write the manifest, with the copies' digests: from here on the version exists.

    It is signed with a key before (*signed_with* is its file), and its volumes are protected from others after.
    """

    words: ClassVar[str] = "commit version"
    settles: ClassVar[str] = "after"
    image: str
    version: str
    pool: str
    draft: Version = field(repr=False)
    signed_with: str | None = None
    protect: bool = field(default=True, repr=False)


def plan_promote(source: Source, asked: Asked, shelf: Shelf, by: Mapping[str, str]) -> Plan:
    """A new version, or the one that *source* became already. *by* says who promotes, when, and on what machine."""
    found = same(source, asked, shelf)
    obstacles = rename_obstacles(source, asked) if found else obstacles_to(source, asked)
    if obstacles:
        raise Refused(
            doing(source, asked),
            "it cannot be promoted as it is",
            "Mend all of this and run it again; nothing was changed.",
            obstacles=obstacles,
        )
    version = found or draft_of(source, asked, chosen(source, asked, shelf), by)
    moves, name = channel_moves(asked, version.version, shelf.state), to_rename(source, asked)
    renames = [RenameDomain(source.domain.name, name)] if name else []
    pointing = {move.channel: shelf.state.channels.get(move.channel) for move in moves}
    return Plan(
        item=source.domain.name,
        actions=(*([] if found else making(source, asked, version, shelf)), *moves, *renames),
        before=side(asked, found, pointing, source.domain.name),
        after=side(asked, version, dict.fromkeys(pointing, version.version), name or source.domain.name),
        result={"image": asked.image, "version": version.version, "domain": name or source.domain.name},
        warnings=unsigned(asked, found) if found else hints(version),
    )


def doing(source: Source, asked: Asked) -> str:
    return f"promoting {source.domain.name} to a version of {asked.image}"


def unsigned(asked: Asked, found: Version) -> tuple[str, ...]:
    """That a signature was asked for which the version that is there cannot get any more."""
    if not asked.signing_key or found.signature:
        return ()
    words = f"{found.image} {found.version}"
    return (f"{words} is there already, and is not signed: versions never change. Use 'force' to make a signed one.",)


def hints(version: Version) -> tuple[str, ...]:
    """What users want to know before they try to clone the new version."""
    obstacles = obstacles_of(version.template)
    return tuple(f"no clones can be made of {version.image} {version.version}: {what}" for what in obstacles)


def chosen(source: Source, asked: Asked, shelf: Shelf) -> str:
    """The version asked for, or the next number."""
    if asked.version is None:
        known = [*(version.version for version in shelf.versions), *shelf.state.states, *shelf.held]
        return str(1 + max((int(version) for version in known if version.isdecimal()), default=0))
    if asked.version in shelf.held:
        raise Refused(
            doing(source, asked),
            f"version {asked.version} is being made by {shelf.held[asked.version]}",
            "Let that run end, or name another version.",
        )
    if any(version.version == asked.version for version in shelf.versions) or asked.version in shelf.state.states:
        raise Refused(
            doing(source, asked),
            f"version {asked.version} exists already and was made from something else",
            "Versions never change: name another one, or leave 'version' out for the next number.",
        )
    return asked.version


def draft_of(source: Source, asked: Asked, version: str, by: Mapping[str, str]) -> Version:
    """The version, but for what only its copies can tell."""
    domain, nvram = source.domain, source.nvram
    provenance = {name: said for name, said in by.items() if name not in ("created", "created_by")}
    return Version(
        image=asked.image,
        version=version,
        created=by["created"],
        created_by=by["created_by"],
        template=template_of(domain.xml),
        disks=tuple(
            VersionDisk(target, names.disk_volume(asked.image, version, target), "qcow2", volume.capacity, 0, "")
            for target, volume in source.disks.items()
            if volume
        ),
        firmware=domain.firmware.kind,
        nvram=VersionNvram(names.nvram_volume(asked.image, version), nvram.format, 0, "") if nvram else None,
        description=asked.description,
        labels=dict(asked.labels),
        sealed=valid_seal(domain, source.disks),
        lineage=source.lineage,
        recipe=asked.recipe,
        provenance={
            **asked.provenance,
            **provenance,
            "domain": {"name": domain.name, "uuid": domain.uuid},
            "witness": witness_of(source),
        },
    )


def making(source: Source, asked: Asked, draft: Version, shelf: Shelf) -> list[Action]:
    """The steps to a new version."""
    pool = asked.pool
    steps: list[Action] = [
        ClaimVersion(asked.image, draft.version, pool, draft, shelf.unfinished.get(draft.version)),
    ]
    for disk in draft.disks:
        volume = source.disks[disk.target]
        if volume:
            copy = CopyPart(disk.target, volume.path, pool, disk.volume, disk.format, volume.capacity)
            steps.append(replace(copy, compress=asked.compress or None))
    if source.nvram and draft.nvram:
        steps.append(
            CopyPart("nvram", source.nvram.path, pool, draft.nvram.volume, draft.nvram.format, source.nvram.capacity)
        )
    return [*steps, CommitVersion(asked.image, draft.version, pool, draft, asked.signing_key, asked.protect)]


def channel_moves(asked: Asked, version: str, state: State) -> list[AssignChannel]:
    """The channels that do not point at *version* yet."""
    channels = [channel for channel in asked.channels if state.channels.get(channel) != version]
    for channel in channels:
        refuse_revoked(f"assigning {asked.image}@{channel}", version, state)
    return [AssignChannel(asked.image, channel, version, asked.pool) for channel in channels]


def side(asked: Asked, version: Version | None, channels: Mapping[str, str | None], domain: str) -> dict[str, Any]:
    """One side of the diff."""
    return {
        "image": asked.image,
        "version": version.version if version else None,
        "channels": dict(channels),
        "domain": domain,
    }
