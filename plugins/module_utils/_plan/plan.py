# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding. Pure: (what is, what is asked) to a plan; one file per verb. A plan is data that _run carries out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar


@dataclass(frozen=True)
class Action:
    """One step of a plan: *words* says what is done, the fields to what.

    A field made with ``repr=False`` (XML, contents, secrets) is not shown to users. Where an action *settles* what
    was done (before it begins, or after it is done), a later failure does not undo that. One that *boots* a guest, and
    all that come after it, waits until not too many others do so. Where items are done together, one that *gathers*
    begins for all of them at the same time.
    """

    words: ClassVar[str]
    settles: ClassVar[str] = ""
    boots: ClassVar[bool] = False
    gathers: ClassVar[bool] = False

    def describe(self) -> dict[str, Any]:
        """The action as module results, check mode and logs show it."""
        shown = {item.name: getattr(self, item.name) for item in fields(self) if item.repr}
        return {"action": self.words, **{name: value for name, value in shown.items() if value is not None}}


@dataclass(frozen=True)
class Plan:
    """What will be done for one *item* (a name the user gave), in order.

    *before* and *after* are the two sides of the diff. *result* is what the item returns, in check mode and for real;
    real values that only the doing can know (a digest, a time) are added by what carries the plan out. A *late* one is
    begun when all others are done, and not where one of them failed (unless failures are to stop nothing). The *guard*,
    which users are not shown, is done first: it makes sure that what was planned on is still so.
    """

    item: str
    actions: tuple[Action, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    late: bool = False
    guard: Action | None = None

    @property
    def changed(self) -> bool:
        """Waiting for a guest and checking change nothing; every other action does."""
        return any(action.words not in UNCHANGING for action in self.actions)


UNCHANGING = frozenset({"wait for guest", "check domain"})
