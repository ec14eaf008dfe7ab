# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promoting: which version a domain becomes, and the steps to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    State,
    Version,
    VersionDisk,
    VersionNvram,
    Volume,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.actions import RenameDomain
from ansible_collections.golden.libvirt.plugins.module_utils._plan.channel import AssignChannel
from ansible_collections.golden.libvirt.plugins.module_utils._plan.freeze import (
    DigestVersion,
    FinishFreeze,
    FreezePart,
    KeepSeal,
    LayOverlay,
    UndoFreeze,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.promotable import (
    Asked,
    Shelf,
    Source,
    is_it,
    obstacles_to,
    rename_obstacles,
    said_seal,
    same,
    seal_of,
    to_rename,
    unchanging,
    witness_of,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.states import reason_of, refuse_revoked
from ansible_collections.golden.libvirt.plugins.module_utils._xml.obstacles import obstacles_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml.snapshot import has_tpm
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
    """Copy a disk (*part* is its target) or the UEFI variables (nvram), flattened: as it is, or as it is in its
    internal *snapshot*. *capacity* in bytes."""

    words: ClassVar[str] = "copy into version"
    part: str
    source: str
    pool: str
    volume: str
    format: str
    capacity: int
    compress: str | None = None
    snapshot: str | None = None


@dataclass(frozen=True)
class CopyRunning(Action):
    """Copy all *disks* ({target: volume}) of a running domain, and its UEFI variables (*nvram* is their file,
    *nvram_volume* the copy), as of one instant. *capacities* of the disks in bytes; *quiesce* is try or required."""

    words: ClassVar[str] = "copy running domain into version"
    domain: str
    pool: str
    disks: Mapping[str, str]
    capacities: Mapping[str, int]
    nvram: str | None
    nvram_volume: str | None
    quiesce: str | None


@dataclass(frozen=True)
class CommitVersion(Action):
    """Write the manifest, with the parts' digests: from here on the version exists. Refused where a file is not
    *unchanged*, or a path of *overlays* not laid over the volume that it says.

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
    unchanged: tuple[Volume, ...] = field(default=(), repr=False)
    overlays: Mapping[str, str] = field(default_factory=dict, repr=False)


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
    steps = completing(source, asked, version) if found else making(source, asked, version, shelf)
    return Plan(
        item=source.domain.name,
        actions=(*tidying(source, asked), *steps, *moves, *renames),
        before=side(asked, found, pointing, source.domain.name),
        after=side(asked, version, dict.fromkeys(pointing, version.version), name or source.domain.name),
        result={
            "image": asked.image,
            "version": version.version,
            "domain": name or source.domain.name,
            "consistency": version.provenance.get("consistency"),
            "fallback": None if found else source.quiescing.fallback,
        },
        warnings=unsigned(asked, found) if found else hints(source, version),
    )


def doing(source: Source, asked: Asked) -> str:
    what = f"snapshot {source.snapshot.name} of {source.domain.name}" if source.snapshot else source.domain.name
    return f"promoting {what} to a version of {asked.image}"


def unsigned(asked: Asked, found: Version) -> tuple[str, ...]:
    """That a signature was asked for which the version that is there cannot get any more."""
    if not asked.signing_key or found.signature:
        return ()
    words = f"{found.image} {found.version}"
    return (f"{words} is there already, and is not signed: versions never change. Use 'force' to make a signed one.",)


def hints(source: Source, version: Version) -> tuple[str, ...]:
    """What users want to know of the new version before they clone it."""
    words = f"{version.image} {version.version}"
    found = [f"no clones can be made of {words}: {what}" for what in obstacles_of(version.template)]
    if has_tpm(version.template):
        found.append(f"the state of the TPM is not in {words}: its clones' start empty")
    if source.snapshot and source.snapshot.memory:
        found.append(
            f"the memory in snapshot {source.snapshot.name} is not in {words}: its disks are as after a power cut"
        )
    return tuple(found)


def chosen(source: Source, asked: Asked, shelf: Shelf) -> str:
    """The version asked for, or the next number.

    Files that no claim is on are those of a version whose manifest was lost, or being copied here by hand.
    """
    stray = {version: volumes for version, volumes in shelf.unfinished.items() if version not in shelf.state.claims}
    if asked.version is None:
        known = [*(version.version for version in shelf.versions), *shelf.state.states, *shelf.held, *stray]
        return str(1 + max((int(version) for version in known if version.isdecimal()), default=0))
    if asked.version in shelf.held:
        raise Refused(
            doing(source, asked),
            f"version {asked.version} is being made by {shelf.held[asked.version]}",
            "Let that run end, or name another version.",
        )
    said = shelf.state.states.get(asked.version)
    if said or any(version.version == asked.version for version in shelf.versions):
        why = f"is {said['state']} ({reason_of(said)})" if said else "was made from something else"
        raise Refused(
            doing(source, asked),
            f"version {asked.version} exists already and {why}",
            "Versions never change: name another one, or leave 'version' out for the next number.",
        )
    if asked.version in stray:
        raise Refused(
            doing(source, asked),
            f"files of version {asked.version} are there, without a manifest",
            "Bring it anew with golden.libvirt.transfer, remove it with golden.libvirt.image, or name another one.",
            obstacles=stray[asked.version],
        )
    return asked.version


def draft_of(source: Source, asked: Asked, version: str, by: Mapping[str, str]) -> Version:
    """The version, but for what only its copies can tell."""
    domain, nvram = source.domain, source.nvram
    provenance = {name: said for name, said in by.items() if name not in ("created", "created_by")}
    disks = tuple(disks_of(source, asked, version))
    frozen = {disk.target: disk.volume for disk in disks} if asked.freeze else source.untouched
    snapshot, witness = source.snapshot, witness_of(replace(source, untouched=frozen))
    return Version(
        image=asked.image,
        version=version,
        created=by["created"],
        created_by=by["created_by"],
        template=template_of(domain.xml),
        disks=disks,
        firmware=domain.firmware.kind,
        nvram=VersionNvram(names.nvram_volume(asked.image, version), nvram.format, 0, "") if nvram else None,
        description=asked.description,
        labels=dict(asked.labels),
        sealed=seal_of(source),
        lineage=source.lineage,
        recipe=asked.recipe,
        provenance={
            **asked.provenance,
            **provenance,
            "domain": {"name": domain.name, "uuid": domain.uuid, **({"snapshot": snapshot.name} if snapshot else {})},
            "consistency": source.quiescing.consistency,
            **({"tpm": "empty"} if has_tpm(domain.xml) else {}),
            **({"witness": witness} if witness else {}),
        },
    )


def disks_of(source: Source, asked: Asked, version: str) -> Iterator[VersionDisk]:
    """The version's disks, but for what only their files can tell."""
    for target, volume in source.disks.items():
        if volume:
            name, facts = names.disk_volume(asked.image, version, target), source.facts.get(target)
            below = source.named.get(facts.backing or "") if facts and asked.freeze else None
            yield VersionDisk(target, name, "qcow2", volume.capacity, 0, None if asked.freeze else "", below)


def making(source: Source, asked: Asked, draft: Version, shelf: Shelf) -> list[Action]:
    """The steps to a new version."""
    pool, replacing = asked.pool, shelf.unfinished.get(draft.version)
    claim = ClaimVersion(asked.image, draft.version, pool, draft, replacing)
    still = tuple(unchanging(source).values())
    commit = CommitVersion(asked.image, draft.version, pool, draft, asked.signing_key, asked.protect, still)
    if asked.freeze:
        nvram = (source.nvram,) if source.nvram else ()
        return [
            claim,
            *(FreezePart(disk.target, path, pool, disk.volume, asked.checksum) for disk, path in frozen(source, draft)),
            *copy_of_nvram(source, pool, draft),
            *overlays(source),
            replace(commit, unchanged=nvram, overlays={path: disk.volume for disk, path in frozen(source, draft)}),
            *(
                FinishFreeze(disk.target, path, pool, disk.volume, asked.protect)
                for disk, path in frozen(source, draft)
            ),
            *([KeepSeal(source.domain.name)] if draft.sealed else []),
        ]
    if source.live:
        return [claim, running(source, draft, pool), commit]
    return [claim, *copies(source, asked, draft), *copy_of_nvram(source, pool, draft), commit]


def frozen(source: Source, draft: Version) -> Iterator[tuple[VersionDisk, str]]:
    """The disks of a version, each with the file that becomes it."""
    for disk in draft.disks:
        volume = source.disks[disk.target]
        if volume:
            yield disk, volume.path


def overlays(source: Source) -> Iterator[LayOverlay]:
    """What the domain goes on on."""
    for target, volume in source.disks.items():
        if volume:
            # What ends a freeze that died writes to the file.
            tidied = target in source.facts and source.facts[target].frozen
            mtime = None if tidied else volume.mtime
            yield LayOverlay(source.domain.name, target, volume.path, volume.capacity, mtime, volume.size)


def tidying(source: Source, asked: Asked) -> Iterator[Action]:
    """What makes up for a run that was killed while it froze the domain."""
    for target, facts in source.facts.items():
        if facts.frozen:
            yield FinishFreeze(target, facts.path, asked.pool, facts.frozen, asked.protect)
        elif facts.shelter == "same" or facts.half and not facts.touched:
            yield UndoFreeze(source.domain.name, target, facts.path)


def completing(source: Source, asked: Asked, found: Version) -> list[Action]:
    """What is still to be done about a version that is there."""
    steps: list[Action] = []
    if is_it(source, found) and found.sealed and found.sealed == said_seal(source.domain) and not seal_of(source):
        steps.append(KeepSeal(source.domain.name))
    if found.undigested and asked.checksum == "now":
        steps.append(DigestVersion(found.image, found.version, asked.pool, found.undigested))
    return steps


def copies(source: Source, asked: Asked, draft: Version) -> Iterator[Action]:
    """What copies the disks of a domain that is off, or of its snapshot."""
    inside = source.snapshot.name if source.snapshot and source.snapshot.kind == "internal" else None
    for disk in draft.disks:
        volume = source.disks[disk.target]
        if volume:
            copy = CopyPart(disk.target, volume.path, asked.pool, disk.volume, disk.format, volume.capacity)
            yield replace(copy, compress=asked.compress or None, snapshot=inside)


def copy_of_nvram(source: Source, pool: str, draft: Version) -> Iterator[Action]:
    """What copies the UEFI variables, where there are any."""
    if source.nvram and draft.nvram:
        nvram = draft.nvram
        yield CopyPart("nvram", source.nvram.path, pool, nvram.volume, nvram.format, source.nvram.capacity)


def running(source: Source, draft: Version, pool: str) -> CopyRunning:
    """What copies a domain while it runs."""
    return CopyRunning(
        source.domain.name,
        pool,
        {disk.target: disk.volume for disk in draft.disks},
        {disk.target: disk.capacity for disk in draft.disks},
        source.nvram.path if source.nvram else None,
        draft.nvram.volume if draft.nvram else None,
        source.quiescing.quiesce,
    )


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
