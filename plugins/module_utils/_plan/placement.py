# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of several hypervisors each clone of one list of names is on. What is there stays where it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Callable

from ansible_collections.golden.libvirt.plugins.module_utils._model import Facts
from ansible_collections.golden.libvirt.plugins.module_utils._plan.states import ABSENT, REVOKED, reason_of

COUNT, MEMORY = "count", "memory"
# So many names are said of those that something is wrong with.
SAID = 5


@dataclass(frozen=True)
class Hypervisor:
    """One that was read: the *clones* of the image there, all *domains*, and its *free* memory in MiB.

    *version* is the one that new clones would be of, *memory* what each of them takes by default. Where there can be
    none, *unfit* says why.
    """

    name: str
    clones: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    free: int = 0
    version: str = ""
    memory: int = 0
    unfit: str = ""


@dataclass(frozen=True)
class Asked:
    """The *names*; *by* what new ones are spread (count or memory); the hypervisors that single names are put on
    (*pinned*), and the MiB that single ones take (*memory*). *unread* are hypervisors that nothing is known of;
    *strict* keeps what may be there from being made a second time."""

    names: Sequence[str]
    by: str = COUNT
    pinned: Mapping[str, str] = field(default_factory=dict)
    memory: Mapping[str, int] = field(default_factory=dict)
    unread: Collection[str] = ()
    strict: bool = True


@dataclass(frozen=True)
class Placement:
    """The hypervisors that each name is on or comes to: one, or several where clones are there already. *notes* tell
    what is not as one may expect. Where anything is *refused*, nothing may be made."""

    where: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def place(asked: Asked, hypervisors: Collection[Hypervisor]) -> Placement:
    """Where the clones are to be: the same for the same facts, in whatever order these come."""
    ordered = sorted(hypervisors, key=lambda hypervisor: hypervisor.name)
    there = {name: tuple(of.name for of in ordered if name in of.clones) for name in asked.names}
    new = [name for name in asked.names if not there[name]]
    fit = [of for of in ordered if not of.unfit]
    refused = (*wrong_pins(asked, ordered, new), *(obstacles(asked, ordered, fit, new) if new else ()))
    room = Room(fit, there, asked.memory)
    if not refused:
        pinned = {name: asked.pinned[name] for name in new if name in asked.pinned}
        for name, hypervisor in pinned.items():
            room.take(name, hypervisor)
        rest = [name for name in new if name not in pinned]
        refused = spread_by_memory(room, rest) if asked.by == MEMORY else spread_by_count(room, rest)
    placed = {name: (room.placed[name],) if name in room.placed else there[name] for name in asked.names}
    return Placement(there if refused else placed, tuple(notes(asked, there)), tuple(refused))


def wrong_pins(asked: Asked, ordered: Sequence[Hypervisor], new: Sequence[str]) -> Iterator[str]:
    """What is wrong with the explicit places."""
    known = {of.name: of for of in ordered}
    unnamed = [name for name in asked.pinned if name not in asked.names]
    if unnamed:
        yield f"the map has names that are not asked for: {some(unnamed)}"
    for place in dict.fromkeys(asked.pinned.values()):
        waiting = [name for name in new if asked.pinned.get(name) == place]
        if place in known and waiting and known[place].unfit:
            yield f"the map puts {some(waiting)} on {place}, but {known[place].unfit}"
        elif place in asked.unread and waiting:
            yield f"the map puts {some(waiting)} on {place}, which was not read"
        elif place not in known and place not in asked.unread:
            yield f"the map names {place!r}, which is none of the hypervisors"


def obstacles(
    asked: Asked, ordered: Sequence[Hypervisor], fit: Sequence[Hypervisor], new: Sequence[str]
) -> Iterator[str]:
    """What keeps the *new* ones from being made anywhere."""
    if asked.unread and asked.strict:
        where, why = some(sorted(asked.unread)), "unreachable, failed, or outside --limit"
        yield f"{some(new)} may be on what was not read ({why}): {where}. 'unreachable: warn' makes them all the same"
    for of in ordered:
        taken = [name for name in new if name in of.domains]
        if taken:
            yield f"{of.name} has domains of these names, which are no clones of the image: {some(taken)}"
    if not fit:
        yield "there is no hypervisor for new clones: " + "; ".join(of.unfit for of in ordered)
    if len({of.version for of in fit}) > 1:
        found = ", ".join(f"{of.version} on {of.name}" for of in fit)
        yield f"new clones would be of different versions: {found}"


class Room:
    """What is on the hypervisors, and who comes there."""

    def __init__(
        self, fit: Sequence[Hypervisor], there: Mapping[str, Sequence[str]], memory: Mapping[str, int]
    ) -> None:
        self.fit = {of.name: of for of in fit}
        self.own = memory
        self.placed: dict[str, str] = {}
        self.free = {of.name: of.free for of in fit}
        self.count = {of.name: sum(of.name in places for places in there.values()) for of in fit}

    def needs(self, name: str, hypervisor: str) -> int:
        """The memory that a clone takes."""
        return self.own.get(name) or self.fit[hypervisor].memory

    def take(self, name: str, hypervisor: str) -> None:
        self.placed[name] = hypervisor
        self.free[hypervisor] -= self.needs(name, hypervisor)
        self.count[hypervisor] += 1

    def give_back(self, name: str) -> None:
        hypervisor = self.placed.pop(name)
        self.free[hypervisor] += self.needs(name, hypervisor)
        self.count[hypervisor] -= 1


def spread_by_count(room: Room, names: Sequence[str]) -> tuple[str, ...]:
    """Each to where the fewest of the list are; of these to where the fewest domains are."""
    for name in names:
        fewest = min(room.fit, key=lambda of: (room.count[of], len(room.fit[of].domains)))
        room.take(name, fewest)
    return ()


def spread_by_memory(room: Room, names: Sequence[str]) -> tuple[str, ...]:
    """The largest first, each to where the most memory is free. Where that leaves too small pieces for some, each to
    where it just fits; and what finds no room then is refused."""
    largest = sorted(names, key=lambda name: -max((room.needs(name, of) for of in room.fit), default=0))
    homeless: list[str] = []
    choices: tuple[Callable[[str], int], ...] = (lambda of: -room.free[of], lambda of: room.free[of])
    for choice in choices:
        homeless = []
        for name in largest:
            having = [of for of in room.fit if room.free[of] >= room.needs(name, of)]
            if having:
                room.take(name, min(having, key=choice))
            else:
                homeless.append(name)
        if not homeless:
            return ()
        left = ", ".join(f"{free} MiB on {of}" for of, free in room.free.items())
        for name in set(largest) - set(homeless):
            room.give_back(name)
    sizes = sorted({room.needs(name, of) for name in homeless for of in room.fit})
    return (f"there is no memory for {some(homeless)}, of {' or '.join(map(str, sizes))} MiB each; left are {left}",)


def notes(asked: Asked, there: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What is told of clones that are there."""
    for name, places in there.items():
        if len(places) > 1:
            yield f"{name} is on several hypervisors: {', '.join(places)}"
        elif places and asked.pinned.get(name, places[0]) != places[0]:
            yield f"{name} is on {places[0]}, not on {asked.pinned[name]}; it stays there"
    if asked.unread:
        yield f"not read: {', '.join(sorted(asked.unread))}"


def some(names: Sequence[str]) -> str:
    """The first of *names*, and how many more there are."""
    more = len(names) - SAID
    return ", ".join(names[:SAID]) + (f" and {more} more" if more > 0 else "")


def hypervisor_of(name: str, told: Facts, image: str, version: str, channel: str) -> Hypervisor:
    """A hypervisor as the module image_info *told* of it; new clones are of the *version*, else of the *channel*'s."""
    found = next((of for of in told["images"] if of["name"] == image), None)
    wanted = version or (found["channels"].get(channel, "") if found else "")
    of = next((of for of in found["versions"] if of["version"] == wanted), None) if found else None
    unfit = ""
    if not wanted:
        unfit = f"{name} has no channel {channel} of {image}"
    elif of is None:
        unfit = f"{name} has no version {wanted} of {image}"
    elif of["state"] in (REVOKED, ABSENT):
        unfit = f"{image} {wanted} is {of['state']} on {name} ({reason_of(of)})"
    return Hypervisor(
        name=name,
        clones=frozenset(clone["name"] for clone in found["clones"]) if found else frozenset(),
        domains=frozenset(told["hypervisor"]["domains"]),
        free=told["hypervisor"]["memory_free"],
        version=wanted,
        memory=of["memory"] if of else 0,
        unfit=unfit,
    )
