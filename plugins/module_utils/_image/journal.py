# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image's journal: where its channels point, which versions are not active, who is making one.

Every change is a new volume `golden.<image>.journal.<serial>.json`, created exclusively: of two writers that build on
record 16 one gets 17, the other reads again. A record holds the whole state and names the record it builds on, by
serial and digest. The state is what the highest *whole* record says.

Creating a record and filling it are two steps, so a writer may die (or just be slow) in between:

- A writer that finds the highest record unfinished waits for it, but no longer than GRACE seconds after it was
  created; then it takes the next serial and builds on the highest whole record below, which it looks up *after* it has
  its own: a writer that was only slow is seen then.
- A writer has succeeded when, looking once more after filling its record, the highest record is whole and is its own
  or descends from it. Otherwise it was taken for dead and overtaken: it decides anew on what is there now.

So whatever is created after a writer's last look builds on its record, and no change that was reported as done is
lost; nor can a dead writer block the line for longer than GRACE. Waiting is for speed only, never for correctness.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Callable, Optional

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import AlreadyThere, GoldenError, NotFound
from ansible_collections.golden.libvirt.plugins.module_utils._image import documents
from ansible_collections.golden.libvirt.plugins.module_utils._image.holder import holder_from, now
from ansible_collections.golden.libvirt.plugins.module_utils._image.store import Store
from ansible_collections.golden.libvirt.plugins.module_utils._model import State
from ansible_collections.golden.libvirt.plugins.module_utils._xml.volume import new_volume

GRACE = 5.0
STEP = 0.05
# Changes that a record repeats from those before it: enough to look back without reading them.
REMEMBERED = 100

Decide = Callable[[State], Optional[State]]


@dataclass(frozen=True)
class Entry:
    """A whole record: its *state*, and what tells it from another one of the same serial."""

    state: State
    digest: str = ""
    base: tuple[int, str] = (0, "")

    @property
    def name(self) -> tuple[int, str]:
        return (self.state.serial, self.digest)


@dataclass(frozen=True)
class Clock:
    """Time, so that tests can do without waiting for it."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class Journal:
    """The journal of one *image* in a *store*."""

    def __init__(self, store: Store, image: str, clock: Clock = Clock()) -> None:
        self.store = store
        self.image = image
        self.clock = clock

    def change(self, decide: Decide) -> State:
        """Write what *decide* makes of the state; returns the state that holds then.

        *decide* returns None where the state is as wanted, and may raise to refuse. It is asked again whenever
        somebody else was first, and once more when the new record's name is taken, just before writing.
        """
        while True:
            highest, base = self.settled()
            wanted = decide(base.state)
            if wanted is None and base.state.serial == highest:
                return base.state
            size = documents.room_for(len(record(highest + 1, base, wanted)))
            written = self.write(highest + 1, base, decide, size)
            if written is None:
                self.clock.sleep(STEP)  # what another machine has just made may take a moment to be seen
            elif self.stands(written):
                return written.state

    def settled(self) -> tuple[int, Entry]:
        """The highest serial and the newest whole record, which is that one unless its writer seems dead.

        It has been seen whole before it was seen to be the highest, so whoever writes later builds on it.
        """
        waiting_for, since = 0, self.clock.now()
        while True:
            serials = self.serials()
            highest = serials[0] if serials else 0
            entry = self.newest(serials)
            if entry.state.serial == highest:
                if not serials or self.serials()[0] == highest:
                    return highest, entry
                continue
            if highest != waiting_for:
                waiting_for, since = highest, self.clock.now()
            if self.clock.now() - min(since, self.created(highest)) > GRACE:
                return highest, entry
            self.clock.sleep(STEP)

    def write(self, serial: int, base: Entry, decide: Decide, size: int) -> Entry | None:
        """Take *serial* and write a record of *size* bytes; None where it is taken or turned out to be too small."""
        volume = names.journal_volume(self.image, serial)
        try:
            self.store.create(new_volume(volume, size, "raw"), volume)
        except AlreadyThere:
            return None
        try:
            if base.state.serial != serial - 1:
                base = self.newest(below for below in self.serials() if below < serial)
            data = record(serial, base, decide(base.state))
        except BaseException:
            self.store.delete(volume)  # it never was whole, so nobody builds on it
            raise
        if len(data) > size:
            self.store.delete(volume)
            return None
        try:
            self.store.upload(volume, documents.padded(data, size))
        except GoldenError:
            if self.read(serial) is None:
                self.store.delete(volume)
                raise
        return entry_in(data)

    def stands(self, mine: Entry) -> bool:
        """Whether the newest record is *mine* or descends from it, and none is unfinished above."""
        highest, entry = self.settled()
        if entry.state.serial != highest:
            return False
        while entry.state.serial > mine.state.serial:
            below = self.read(entry.base[0])
            if below is None or below.name != entry.base:
                return False
            entry = below
        return entry.name == mine.name

    def serials(self) -> list[int]:
        """The serials of all records, whole or not, newest first."""
        found = (names.parsed(name) for name in self.store.fresh_names())
        return sorted(
            (of.serial for of in found if of and of.kind == "journal" and of.image == self.image), reverse=True
        )

    def newest(self, serials: Iterable[int]) -> Entry:
        """The newest whole record; an empty one of serial 0 where there is none."""
        for serial in sorted(serials, reverse=True):
            entry = self.read(serial)
            if entry:
                return entry
        return Entry(State())

    def read(self, serial: int) -> Entry | None:
        """A record; None where it is not there or not whole."""
        with suppress(NotFound):
            return entry_in(self.store.download(names.journal_volume(self.image, serial)))
        return None

    def created(self, serial: int) -> float:
        """When a record's volume was last written; now, where that cannot be told."""
        volume = self.store.find(names.journal_volume(self.image, serial))
        return float(volume.mtime) if volume and volume.mtime else self.clock.now()


def record(serial: int, base: Entry, wanted: State | None) -> bytes:
    """The document that says *wanted*, or where that is None the state of *base* again."""
    state = wanted or base.state
    content = {
        "serial": serial,
        "base": {"serial": base.state.serial, "sha256": base.digest},
        "channels": dict(state.channels),
        "states": {version: dict(said) for version, said in state.states.items()},
        "claims": {version: asdict(holder) for version, holder in state.claims.items()},
        **({"digests": {version: dict(taken) for version, taken in state.digests.items()}} if state.digests else {}),
        "history": [{"serial": serial, **change} for change in state.history[-REMEMBERED:]],
    }
    return documents.document("journal", content)


def entry_in(raw: bytes) -> Entry | None:
    """The record in a volume's content *raw*; None where it is not whole."""
    content = documents.content_of("journal", raw)
    if content is None:
        return None
    with documents.reading(f"journal {documents.named(content)}".rstrip()):
        state = State(
            serial=content["serial"],
            channels=content["channels"],
            states=content["states"],
            claims={version: holder_from(holder) for version, holder in content["claims"].items()},
            digests=content.get("digests", {}),
            history=tuple(content["history"]),
            read=now(),
        )
        return Entry(state, documents.digest_of(content), (content["base"]["serial"], content["base"]["sha256"]))
