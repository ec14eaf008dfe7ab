# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a clone: which of its source's disks it gets in what way, and the volumes made for it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._model import Made
from ansible_collections.golden.libvirt.plugins.module_utils._plan import actions
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action
from ansible_collections.golden.libvirt.plugins.module_utils._xml.clone import Storage

# May hold secrets: for the owner alone (and for QEMU's user, whom libvirt gives it to while the clone runs).
SECRET_MODE = "0600"


@dataclass(frozen=True)
class Part:
    """A disk (*name* is its target) or the UEFI variables (*name* is nvram) that a clone gets one of.

    Where there is a *snapshot*, it is what that internal one of the file holds.
    """

    name: str
    path: str
    format: str
    capacity: int
    snapshot: str | None = None


@dataclass(frozen=True)
class CopyLive(Action):
    """Write the disks of a running *domain* to empty qcow2 files, *disks* by target."""

    words: ClassVar[str] = "copy running domain"
    domain: str
    disks: Mapping[str, str]


@dataclass(frozen=True)
class CopyTpm(Action):
    """Give a clone (that of this *uuid*) what is in the directory *state*, the TPM's of the domain *source*."""

    words: ClassVar[str] = "copy TPM state"
    domain: str
    source: str
    state: str
    uuid: str = field(repr=False)


@dataclass(frozen=True)
class Place:
    """A pool of files, at *directory*."""

    pool: str
    directory: str


@dataclass(frozen=True)
class Choice:
    """What a user wants of one disk: *use* is own, share (the source's, read-only) or skip. *size* in bytes.

    Where *linked* or *place* is None, it is as for the clone's other disks.
    """

    use: str = "own"
    size: int | None = None
    linked: bool | None = None
    place: Place | None = None


@dataclass(frozen=True)
class Piece:
    """A volume that is made for a clone, for the *part* of it, by *actions*."""

    part: str
    place: Place
    volume: str
    actions: tuple[Action, ...]

    @property
    def path(self) -> str:
        return posixpath.join(self.place.directory, self.volume)

    @property
    def made(self) -> Made:
        return Made(self.place.pool, self.volume)


@dataclass(frozen=True)
class Recipe:
    """How a source's *disks* become a clone's, each by its choice. Its UEFI variables are a copy of *nvram*; where they
    are *fresh*, libvirt makes them at the first start.

    Those of a *live* source are copied by live_copies.
    """

    place: Place
    linked: bool
    disks: tuple[Part, ...]
    nvram: Part | None = None
    fresh: bool = False
    live: bool = False
    choices: Mapping[str, Choice] = field(default_factory=dict)

    def choice(self, part: Part) -> Choice:
        return self.choices.get(part.name, Choice())

    def used(self, use: str) -> tuple[Part, ...]:
        """The disks that are used so."""
        return tuple(part for part in self.disks if self.choice(part).use == use)

    @property
    def depends(self) -> bool:
        """Whether a clone needs its source's files."""
        linked = [self.choice(part).linked for part in self.used("own")]
        return bool(self.used("share")) or any(self.linked if one is None else one for one in linked)


def obstacles_to(recipe: Recipe, source: str, versioned: bool) -> Iterator[str]:
    """What of the choices cannot be; *versioned* says that the source's files never change."""
    there = {part.name: part for part in recipe.disks}
    for target, choice in recipe.choices.items():
        part = there.get(target)
        if part is None:
            yield f"{source} has no disk {target} that is written to (it has {', '.join(there) or 'none'})"
        elif choice.use == "share" and not versioned:
            yield f"disk {target} of {source} is written to: it cannot be shared"
        elif choice.size is not None and choice.size < part.capacity:
            yield f"disk {target} cannot shrink from {part.capacity} to {choice.size} bytes"
        if choice.use != "own" and (choice.size is not None or choice.place or choice.linked is not None):
            yield f"disk {target} is to be {choice.use}: 'size', 'pool' and 'linked' say nothing of such a disk"


def disk_pieces(recipe: Recipe, clone: str) -> Iterator[Piece]:
    """The clone's own disks, overlays or copies, grown where that is asked for; its UEFI variables."""
    for part in recipe.used("own"):
        choice = recipe.choice(part)
        place, volume = choice.place or recipe.place, names.clone_volume(clone, part.name, "qcow2")
        size = choice.size or part.capacity
        if recipe.linked if choice.linked is None else choice.linked:
            made: tuple[Action, ...] = (
                actions.CreateVolume(place.pool, volume, size, "qcow2", part.path, part.format),
            )
        elif recipe.live:
            made = (actions.CreateVolume(place.pool, volume, part.capacity),)
        else:
            made = (actions.CopyVolume(part.path, place.pool, volume, part.capacity, snapshot=part.snapshot),)
            made += grown(place, volume, part, size)
        yield Piece(part.name, place, volume, made)
    # Fresh ones are here too: where libvirt puts them by itself, it takes those that a domain of that name has left.
    nvram, pool, volume = recipe.nvram, recipe.place.pool, names.clone_volume(clone, "nvram", "fd")
    if nvram:
        copy = actions.CopyVolume(nvram.path, pool, volume, nvram.capacity, nvram.format)
        yield Piece("nvram", recipe.place, volume, (copy,))
    elif recipe.fresh:
        yield Piece("nvram", recipe.place, volume, ())


def grown(place: Place, volume: str, part: Part, size: int) -> tuple[Action, ...]:
    """What makes the copy of a disk larger than the disk."""
    return (actions.GrowVolume(place.pool, volume, size),) if size > part.capacity else ()


def live_copies(domain: str, recipe: Recipe, disks: Mapping[str, Piece]) -> Iterator[Action]:
    """Fill the volumes that are there for the disks of a running domain, all as of one instant."""
    own = recipe.used("own")
    yield CopyLive(domain, {part.name: disks[part.name].path for part in own})
    for part in own:
        size = recipe.choice(part).size or part.capacity
        yield from grown(disks[part.name].place, disks[part.name].volume, part, size)


def secret_piece(place: Place, clone: str, part: str, ending: str, content: bytes) -> Piece:
    """A volume that only its owner reads."""
    volume = names.clone_volume(clone, part, ending)
    return Piece(part, place, volume, (actions.WriteVolume(place.pool, volume, content, mode=SECRET_MODE),))


def storage_of(recipe: Recipe, disks: Mapping[str, Piece], seed: Piece | None, files: Mapping[str, Piece]) -> Storage:
    """Where the clone's XML points to."""
    return Storage(
        own={part.name: disks[part.name].path for part in recipe.used("own")},
        shared={part.name: (part.path, part.format) for part in recipe.used("share")},
        skipped=[part.name for part in recipe.used("skip")],
        seed=seed.path if seed else None,
        credentials={name: piece.path for name, piece in files.items()},
    )
