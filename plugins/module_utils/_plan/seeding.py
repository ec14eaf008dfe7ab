# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed of a clone that is there: written anew where its user says something else, removed when it has served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain, Made, Origin, Record
from ansible_collections.golden.libvirt.plugins.module_utils._plan import actions
from ansible_collections.golden.libvirt.plugins.module_utils._plan.guest import Guest
from ansible_collections.golden.libvirt.plugins.module_utils._plan.parts import SECRET_MODE
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action

# The part and the ending of a seed's volume, and so how its name ends whatever the clone is called.
SEED = ("seed", "iso")
ENDING = names.clone_volume("", *SEED)


@dataclass(frozen=True)
class RewriteVolume(Action):
    """Other *content*, which may hold secrets, in the place of a volume's. A guest that runs goes on seeing the old."""

    words: ClassVar[str] = "rewrite volume"
    pool: str
    volume: str
    content: bytes = field(repr=False)
    mode: str = field(default=SECRET_MODE, repr=False)


@dataclass(frozen=True)
class DetachSeed(Action):
    """Take the seed's disk from a clone, running or not."""

    words: ClassVar[str] = "detach seed"
    domain: str


def seed_volume(origin: Origin) -> Made | None:
    """The volume of the clone's seed, where it has one. The clone may have been renamed since."""
    return next((made for made in origin.made if made.volume.endswith(ENDING)), None)


def unseeded(guest: Guest | None, origin: Origin) -> Origin:
    """The origin of the clone as its user wants its seed."""
    seed = seed_volume(origin) if guest and not guest.seeded else None
    return replace(origin, made=tuple(made for made in origin.made if made != seed)) if seed else origin


def reseeding(guest: Guest | None, there: Domain, origin: Origin, content: bytes | None) -> Iterator[Action]:
    """What makes the seed as it is wanted. *content* is what is in it, None where that is not known."""
    seed = seed_volume(origin)
    if guest is None or seed is None:
        return
    if not guest.seeded:
        yield DetachSeed(there.name)
        yield actions.MarkDomain(there.name, Record(unseeded(guest, origin), there.record.seal))
        yield actions.DeleteVolume(seed.pool, seed.volume)
    elif guest.said and guest.via == "cloud-init" and content != guest.seed(there.name, there.uuid):
        yield RewriteVolume(seed.pool, seed.volume, guest.seed(there.name, there.uuid))
