# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting versions: what of them goes, in which order, and what keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Lineage, State
from ansible_collections.golden.libvirt.plugins.module_utils._plan import states
from ansible_collections.golden.libvirt.plugins.module_utils._plan.dependants import Stock, orphans
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan


@dataclass(frozen=True)
class DeleteVersion(Action):
    """Delete a version's *volumes*, its manifest first. *bytes* is what they take."""

    words: ClassVar[str] = "delete version"
    settles: ClassVar[str] = "before"
    image: str
    version: str
    pool: str
    volumes: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class DeleteLeftovers(Action):
    """Delete the *volumes* of a version that was never completed, and the claim of the run that died over it."""

    words: ClassVar[str] = "delete leftovers"
    settles: ClassVar[str] = "before"
    image: str
    version: str
    pool: str
    volumes: tuple[str, ...]
    bytes: int


def plan_deletion(
    stock: Stock, of: Lineage, pool: str, *, reason: str | None, obstacles: Sequence[str], holder: str | None
) -> Plan:
    """Delete a version, or what a run that died has left of one. *holder* is who is making it right now."""
    words = f"{of.image} {of.version}"
    if holder:
        raise Refused(f"deleting {words}", f"it is being made by {holder}", "Let that run end.")
    if obstacles:
        advice = "Remove or move these first; nothing was changed."
        raise Refused(f"deleting {words}", "something depends on it", advice, obstacles=obstacles)
    state, volumes, size = stock.states.get(of.image, State()), stock.volumes.get(of, ()), stock.size(of)
    complete = of in stock.versions
    said = states.said_of(state, of.version).get("state", states.ACTIVE if complete else states.ABSENT)
    steps: list[Action] = []
    if complete:
        steps.append(states.SetState(of.image, of.version, states.ABSENT, pool, reason))
    if volumes:
        delete = DeleteVersion if complete else DeleteLeftovers
        steps.append(delete(of.image, of.version, pool, volumes, size))
    return Plan(
        item=words,
        actions=tuple(steps),
        before={"state": said, "volumes": list(volumes)},
        after={"state": states.ABSENT, "volumes": []},
        result={
            "image": of.image,
            "version": of.version,
            "previous": said,
            "state": states.ABSENT,
            "reason": reason or "",
            "volumes": list(volumes),
            "bytes": size,
        },
        warnings=tuple(f"clone {name} lives on without its version {words}" for name in orphans(stock, of)),
    )
