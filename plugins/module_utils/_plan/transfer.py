# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing versions from one pool to another: what is to come, what is there already, and what that is good for."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Lineage, Version
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan

STREAMS, RSYNC = "streams", "rsync"
Document = bytes


@dataclass(frozen=True)
class BringVersion(Action):
    """Bring a version from the pool *source* of another hypervisor. *bytes* is what its volumes have.

    *basis* is the version whose volumes rsync builds on, by the volume that each is for in *bases*. *document* is the
    manifest as it was written.
    """

    words: ClassVar[str] = "bring version"
    image: str
    version: str
    origin: str
    source: str
    pool: str
    volumes: tuple[str, ...]
    bytes: int
    method: str
    basis: str | None
    manifest: Version = field(repr=False)
    document: Document = field(repr=False)
    bases: Mapping[str, str] = field(repr=False)
    protect: bool = field(repr=False)


@dataclass(frozen=True)
class Wanted:
    """A *version* with its manifest as it was written, and from which pool of which hypervisor it comes; whether to
    *protect* it from others once it has."""

    version: Version
    document: Document
    origin: str
    source: str
    protect: bool = True

    @property
    def words(self) -> str:
        return f"{self.version.image} {self.version.version}"


def refuse_unfit(wanted: Version, doing: str) -> None:
    """Raise where a version, frozen in place, cannot be brought as it is."""
    built = [f"{disk.volume} is an overlay on {disk.backing}" for disk in wanted.disks if disk.backing]
    if built:
        raise Refused(doing, "it is not whole by itself", "Promote it with 'method: copy'.", obstacles=built)
    if wanted.undigested:
        reason = f"{', '.join(wanted.undigested)} is not digested yet, so nothing could tell that it arrives whole"
        raise Refused(doing, reason, "Promote its domain again, with 'checksum: now'.")


def plan_transfer(wanted: Wanted, there: Version | None, pool: str, basis: Version | None, reason: str) -> Plan:
    """Bring *wanted* to *pool*, unless it is *there*: what *basis* has is not sent again. *reason* says why rsync does
    nothing here."""
    version = wanted.version
    if there is not None and there != version:
        raise Refused(
            f"bringing {wanted.words} to pool {pool}",
            "there is another version of that name, made from something else",
            "Versions never change: promote under another name, or delete the one that is there.",
        )
    if there is None:
        refuse_unfit(version, f"bringing {wanted.words} to pool {pool}")
    bases = bases_in(basis, version) if basis else types.MappingProxyType({})
    volumes = tuple(part.volume for part in version.parts)
    bring = BringVersion(
        image=version.image,
        version=version.version,
        origin=wanted.origin,
        source=wanted.source,
        pool=pool,
        volumes=volumes,
        bytes=sum(part.size for part in version.parts),
        method=RSYNC if bases else STREAMS,
        basis=f"{basis.image} {basis.version}" if basis and bases else None,
        manifest=version,
        document=wanted.document,
        bases=bases,
        protect=wanted.protect,
    )
    here = there is not None
    return Plan(
        item=wanted.words,
        actions=() if here else (bring,),
        before={"volumes": list(volumes) if here else []},
        after={"volumes": list(volumes)},
        result={
            "image": version.image,
            "version": version.version,
            "volumes": list(volumes),
            "bytes": bring.bytes,
            "method": "" if here else bring.method,
            "basis": "" if here else bring.basis or "",
            "reason": "" if here or bases else reason,
            "received": 0,
        },
    )


def bases_in(basis: Version, wanted: Version) -> dict[str, str]:
    """For each disk of *wanted* the volume of the same disk of *basis*."""
    there = {(disk.target, disk.format): disk.volume for disk in basis.disks}
    found = {disk.volume: there.get((disk.target, disk.format)) for disk in wanted.disks}
    return {volume: base for volume, base in found.items() if base}


def nearest(wanted: Version, ancestors: Iterable[Lineage], there: Iterable[str]) -> Iterator[Lineage]:
    """The versions that have most in common with *wanted*, the best first: its *ancestors*, then of the versions of its
    image that are *there* those before it, the newest first, then those after it."""
    yield from ancestors
    order, before, after = names.order(wanted.version), list[str](), list[str]()
    for version in sorted(there, key=names.order):
        if version != wanted.version:
            (before if names.order(version) < order else after).append(version)
    for version in (*reversed(before), *after):
        yield Lineage(wanted.image, version)
