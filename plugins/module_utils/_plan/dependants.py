# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What depends on a version, so that it cannot go."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._model import Lineage, State, Version
from ansible_collections.golden.libvirt.plugins.module_utils._plan.report import Descendant, ancestors
from ansible_collections.golden.libvirt.plugins.module_utils._plan.usage import Usage


@dataclass(frozen=True)
class Stock(Usage):
    """All that a pool holds, and all of its hypervisor that may depend on it.

    *volumes* are those of each version, complete or not, *versions* the complete ones.
    """

    directory: str = ""
    volumes: Mapping[Lineage, tuple[str, ...]] = field(default_factory=dict)
    versions: Mapping[Lineage, Version] = field(default_factory=dict)
    states: Mapping[str, State] = field(default_factory=dict)
    descendants: Sequence[Descendant] = ()

    def version_at(self, path: str) -> Lineage | None:
        """The version that the file *path* is a volume of."""
        named = names.parsed(posixpath.basename(path)) if posixpath.dirname(path) == self.directory else None
        return Lineage(named.image, named.version) if named and named.version else None

    def paths(self, of: Lineage) -> list[str]:
        return [posixpath.join(self.directory, volume) for volume in self.volumes.get(of, ())]

    def size(self, of: Lineage) -> int:
        """The bytes that a version takes on the pool's disk."""
        return sum(self.files[path].allocation for path in self.paths(of) if path in self.files)


def settle(stock: Stock, asked: Iterable[Lineage]) -> dict[Lineage, list[str]]:
    """Which of the versions *asked* for cannot go, even when all the others do, and why."""
    wanted, staying = {of for of in asked if of in stock.volumes}, dict[Lineage, list[str]]()
    while True:
        going = wanted - set(staying)
        found = {of: what for of in going if (what := dependants(stock, of, going))}
        if not found:
            return staying
        staying.update(found)


def dependants(stock: Stock, of: Lineage, going: Collection[Lineage] = ()) -> list[str]:
    """What depends on a version, in words, those *going* with it left out."""
    return [
        *(f"channel {channel} points at it" for channel in channels_at(stock, of)),
        *(f"{child.image} {child.version} was built from it" for child in children(stock, of) if child not in going),
        *needed(stock, of, going),
        *last(stock, of, going),
    ]


def needed(stock: Stock, of: Lineage, going: Collection[Lineage] = ()) -> list[str]:
    """Who needs the files of a version, complete or not, as they are: none of them may be written to or deleted."""
    return [*dict.fromkeys(word for path in stock.paths(of) for word in users_of(stock, path, going))] + [
        f"domain {name} says that it is a linked clone of it" for name in claiming(stock, of)
    ]


def channels_at(stock: Stock, of: Lineage) -> list[str]:
    state = stock.states.get(of.image, State())
    return sorted(channel for channel, version in state.channels.items() if version == of.version)


def children(stock: Stock, of: Lineage) -> list[Lineage]:
    return [child for child, version in stock.versions.items() if version.lineage == of and child != of]


def users_of(stock: Stock, path: str, going: Collection[Lineage]) -> Iterator[str]:
    """Who uses the file *path*, or what is built on it."""
    for domain in sorted(stock.users.get(path, ())):
        yield f"domain {domain} uses {path}"
    for overlay in stock.overlays.get(path, []):
        version = stock.version_at(overlay)
        if version and version not in going:
            yield f"{version.image} {version.version} is built on {path}"
        if not version:
            domains = sorted({domain for file in stock.above(overlay) for domain in stock.users.get(file, ())})
            yield from (f"domain {domain} is built on {path}" for domain in domains)
            if not domains:
                yield f"{overlay} is built on {path}"


def claiming(stock: Stock, of: Lineage) -> list[str]:
    """Domains whose disks are where nobody can look, but whose metadata say that they are linked clones."""
    return [
        descendant.domain.name
        for descendant in stock.descendants
        if descendant.chain is None and descendant.lineage == of and linked(descendant)
    ]


def linked(descendant: Descendant) -> bool:
    origin = descendant.domain.record.origin
    return descendant.chain is not None or (origin is not None and origin.linked)


def orphans(stock: Stock, of: Lineage) -> list[str]:
    """Full clones, which live on without their version."""
    return [found.domain.name for found in stock.descendants if found.lineage == of and not linked(found)]


def last(stock: Stock, of: Lineage, going: Collection[Lineage]) -> list[str]:
    others = [other for other in stock.versions if other.image == of.image and other != of]
    if of not in stock.versions or any(other not in going for other in others):
        return []
    return [f"no version of {of.image} would be left"]


def children_first(stock: Stock, versions: Iterable[Lineage]) -> list[Lineage]:
    """*versions* in an order in which each goes after all that was built from it."""
    return sorted(versions, key=lambda of: (-len(ancestors(stock.versions, of)), of.image, names.order(of.version)))
