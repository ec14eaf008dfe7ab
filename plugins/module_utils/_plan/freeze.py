# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promoting in place: the files of a domain's disks become a version's, and the domain goes on on overlays over them.

Nothing is copied: a file gets a second name in the image pool (a hard link), and a third one beside its own, its
*shelter*. An overlay over the shelter then takes the file's own name, in one step (a rename), so that the domain, whose
definition stays as it is, reads the same bytes at every moment. Only when the version is complete is the overlay told
that what it is laid over is the version's volume, and the shelter goes. So whoever removes what a killed run left in
the image pool takes nothing from the domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils._model import Disk, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action


def shelter_of(path: str) -> str:
    """The second name, beside its own, of the file *path* while it is being frozen."""
    return f"{path}.freezing"


@dataclass(frozen=True)
class FreezePart(Action):
    """Give the file of a disk (*part* is its target) the name of a version's volume; digest it now, or later."""

    words: ClassVar[str] = "freeze into version"
    part: str
    source: str
    pool: str
    volume: str
    checksum: str


@dataclass(frozen=True)
class LayOverlay(Action):
    """Let a *domain* that is off go on on an overlay over what the file *path* was until now, under the same name.

    *mtime* (None where it is not known beforehand) and *size* are the file's, which must not have been written to
    since. *capacity* in bytes.
    """

    words: ClassVar[str] = "continue on overlay"
    domain: str
    part: str
    path: str
    capacity: int = field(repr=False)
    mtime: str | None = field(repr=False)
    size: int = field(repr=False)


@dataclass(frozen=True)
class FinishFreeze(Action):
    """Build a disk's overlay on the version's volume by that name, let nobody write to the volume, and *protect* it."""

    words: ClassVar[str] = "build overlay on version"
    part: str
    path: str
    pool: str
    volume: str
    protect: bool = field(default=True, repr=False)


@dataclass(frozen=True)
class UndoFreeze(Action):
    """Give a file its own name back, which a killed run has given, or was to give, to an overlay that nobody has
    written to."""

    words: ClassVar[str] = "take back overlay"
    domain: str
    part: str
    path: str


@dataclass(frozen=True)
class KeepSeal(Action):
    """Let the seal of a domain hold for the new files of its disks, which have the same content."""

    words: ClassVar[str] = "renew seal"
    domain: str


@dataclass(frozen=True)
class DigestVersion(Action):
    """Take the digests of volumes that were put off, and write them down in the journal."""

    words: ClassVar[str] = "digest version"
    image: str
    version: str
    pool: str
    volumes: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """What there is at a disk's *path*, on this machine.

    *regular*: a file, and not a link to one; *near*: in the image pool's file system. *problem*: why its content cannot
    be read. *links*: the names that it has besides its own, its shelter and what killed runs left. *snapshots* are
    inside of it, *backing* is below it, *shared* who else needs it. *fixed*: the definition says what is below it.

    *shelter*: nothing, ``same`` (another name of the file), ``below`` (the file is an overlay over it) or ``foreign``.
    *stray*: a file that is nothing of ours, under the name that an overlay is made with. *frozen*: the volume of a
    version that the shelter is; *touched*: the overlay over it was written to.
    """

    path: str
    regular: bool = True
    near: bool = True
    problem: str = ""
    links: int = 0
    snapshots: tuple[str, ...] = ()
    backing: str | None = None
    shared: tuple[str, ...] = ()
    fixed: bool = False
    shelter: str = ""
    stray: str | None = None
    frozen: str | None = None
    touched: bool = False

    @property
    def half(self) -> bool:
        """Whether a killed run has laid the overlay, and its version is not complete."""
        return self.shelter == "below" and self.frozen is None


def obstacles_in(disk: Disk, volume: Volume, facts: Facts, named: Mapping[str, str]) -> Iterator[str]:
    """Why a disk's file cannot be frozen in place. *named* are the paths of all versions' volumes."""
    name = f"disk {disk.target} ({facts.path})"
    if volume.format != "qcow2":
        yield f"{name} is {volume.format}: an overlay in its place would be qcow2, and the domain would not know"
        return
    if not facts.regular:
        yield f"{name} is not a file, or a link to one"
        return
    if facts.path in named:
        yield f"{name} is a version's volume itself"
    if facts.problem:
        yield f"{name} cannot be frozen: {facts.problem}"
    if not facts.near:
        yield f"{name} is in another file system than the image pool"
    if facts.links:
        yield f"{name} has {facts.links} more names (hard links)"
    if facts.snapshots:
        yield f"{name} has snapshots inside: {', '.join(facts.snapshots)}"
    if facts.fixed:
        yield f"{name} has its backing files fixed in the domain's definition (backingStore): remove that"
    if facts.shelter == "foreign":
        yield f"{shelter_of(facts.path)} is there, and nothing of ours"
    if facts.stray:
        yield f"{facts.stray} is there, and nothing of ours"
    if facts.half and facts.touched:
        yield (
            f"{name} was written to since a run died that was to freeze it; "
            f"merge it ('qemu-img commit {facts.path}') and run this again"
        )
    if facts.backing and facts.backing not in named:
        yield f"{name} is an overlay on {facts.backing}, which no manifest names: flatten it first"
    yield from (f"{name} is needed by others: {who}" for who in facts.shared)
