# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pool in memory whose users are run one step at a time, in an order that the test decides.

A step is one thing that a pool does at once: list, create, read, write one piece, delete. Between any two of a user's
steps others may run; a user that is never run again has died there.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence

from ansible_collections.golden.libvirt.plugins.module_utils._errors import AlreadyThere, NotFound
from ansible_collections.golden.libvirt.plugins.module_utils._image.journal import Clock
from ansible_collections.golden.libvirt.plugins.module_utils._model import Volume

STUCK_SECONDS = 30


class Killed(BaseException):
    """The user was killed: none of its steps is done any more."""


class MemoryStore:
    """A pool: {name: content}. *step* is told each thing before it is done; an upload is done in *pieces*."""

    name = "memory"

    def __init__(self, step: Callable[[str], None] = lambda what: None, pieces: int = 2) -> None:
        self.files: dict[str, bytes] = {}
        self.written: dict[str, float] = {}
        self.time = 1000.0
        self.step = step
        self.pieces = pieces

    def names(self) -> list[str]:
        self.step("list")
        return sorted(self.files)

    fresh_names = names

    def find(self, name: str) -> Volume | None:
        self.step(f"look at {name}")
        if name not in self.files:
            return None
        size = len(self.files[name])
        return Volume(self.name, name, f"/{name}", "raw", size, size, size, mtime=str(self.written[name]))

    def create(self, xml: str, name: str) -> Volume:
        self.step(f"create {name}")
        if name in self.files:
            raise AlreadyThere(f"creating {name}", "the name is taken")
        size = int(re.search(r"<capacity unit=.bytes.>(\d+)<", xml)[1])
        self.put(name, b"\0" * size)
        return Volume(self.name, name, f"/{name}", "raw", size, size, size)

    def upload(self, name: str, content: bytes) -> None:
        size = -(-len(content) // self.pieces)
        for start in range(0, len(content), size):
            self.step(f"write {name}")
            old, piece = self.read(name), content[start : start + size]
            self.put(name, old[:start] + piece + old[start + len(piece) :])

    def download(self, name: str) -> bytes:
        self.step(f"read {name}")
        return self.read(name)

    def delete(self, name: str) -> None:
        self.step(f"delete {name}")
        self.files.pop(name, None)

    def protect(self, name: str) -> None:
        self.step(f"protect {name}")

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise NotFound(f"reading {name}", "it is not there")
        return self.files[name]

    def put(self, name: str, content: bytes) -> None:
        self.files[name] = content
        self.written[name] = self.time

    def clock(self, seconds: float = 10.0) -> Clock:
        """A clock by which each sleep is a step that takes so many *seconds*: by default too long for anybody."""

        def sleep(_wanted: float) -> None:
            self.step("sleep")
            self.time += seconds

        return Clock(lambda: self.time, sleep)


class User:
    """Somebody who works on the store, one step whenever told to. *outcome* is what the work returned or raised."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work
        self.outcome: object = None
        self.ended = self.killed = False
        self.next = ""
        self.turn, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        self.turn.acquire()
        try:
            self.outcome = self.work()
        except BaseException as err:  # kept for the test to look at
            self.outcome = err
        self.ended = True
        self.done.release()

    def step(self, what: str) -> None:
        """Called in the user's thread before each step: wait for the turn."""
        if self.killed:
            raise Killed
        self.next = what
        self.done.release()
        self.turn.acquire()
        if self.killed:
            raise Killed

    def go(self) -> None:
        """Let the user do one step."""
        self.turn.release()
        assert self.done.acquire(timeout=STUCK_SECONDS)

    def until(self, what: str) -> None:
        """Let the user do all before the next step whose name starts so."""
        self.go()
        while not self.next.startswith(what):
            assert not self.ended, self.outcome
            self.go()

    def kill(self) -> None:
        """The user does no further step."""
        self.killed = True
        while not self.ended:
            self.go()


class Stage:
    """A store and its users; *play* runs them in a given order."""

    def __init__(self, pieces: int = 2) -> None:
        self.users: list[User] = []
        self.store = MemoryStore(self.step, pieces)

    def step(self, what: str) -> None:
        for user in self.users:
            if user.thread is threading.current_thread():
                user.step(what)

    def add(self, work: Callable[[], object]) -> User:
        self.users.append(User(work))
        return self.users[-1]

    def play(self, order: Sequence[int], kill: int | None = None) -> int:
        """One step of the user with each number in *order*, then the rest to the end, one user after another.

        The user *kill* is killed after *order*. Returns the number of steps that *order* was good for.
        """
        played = 0
        for number in order:
            if not self.users[number].ended:
                self.users[number].go()
                played += 1
        if kill is not None:
            self.users[kill].kill()
        for _round in range(10_000):
            running = [user for user in self.users if not user.ended]
            if not running:
                return played
            for user in running:
                user.go()
        raise AssertionError("somebody waits for ever")


def orders(users: int, steps: int, switches: int) -> Iterator[list[int]]:
    """Orders of so many *steps* in which the user who runs changes at most *switches* times."""

    def more(begun: list[int], left: int) -> Iterator[list[int]]:
        for user in range(users):
            if begun and user == begun[-1]:
                continue
            if left == 0:
                yield begun + [user] * (steps - len(begun))
                continue
            for length in range(1, steps - len(begun)):
                yield from more(begun + [user] * length, left - 1)

    for number in range(switches + 1):
        yield from more([], number)
