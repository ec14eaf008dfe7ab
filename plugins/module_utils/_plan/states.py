# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a version is said to be: active, deprecated, revoked or absent, from when on, and why."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Lineage, State, Version
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan

ACTIVE, DEPRECATED, REVOKED, ABSENT = "active", "deprecated", "revoked", "absent"
# Of two reasons to hold a version back, the one further right stays.
GRAVITY = (ACTIVE, DEPRECATED, REVOKED, ABSENT)
DATE = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?")


@dataclass(frozen=True)
class SetState(Action):
    """Say what a version is. *date* (UTC) is from when on, None for now; *through* is the version that it comes from,
    where it was not said of this one itself."""

    words: ClassVar[str] = "set state"
    image: str
    version: str
    state: str
    pool: str
    reason: str | None = None
    date: str | None = None
    through: str | None = field(default=None, repr=False)


def said_of(state: State, version: str) -> Mapping[str, str]:
    """What holds of a version that is not active: its state, reason, date. Empty for an active one."""
    found = state.states.get(version, {})
    return {} if state.read and found.get("date", "") > state.read else found


def to_come(state: State, version: str) -> Mapping[str, str] | None:
    """What will hold of a version from a date on that is to come."""
    return None if said_of(state, version) else state.states.get(version)


def reason_of(said: Mapping[str, str]) -> str:
    """Why that was *said* of a version, for messages."""
    return said.get("reason") or "no reason was given"


def check_date(date: str | None) -> str | None:
    """*date*, or a refusal where it cannot be one."""
    try:
        if date is not None:
            datetime.date.fromisoformat(date[:10] if DATE.fullmatch(date) else "")
    except ValueError as err:
        advice = "Write 2026-12-31 or 2026-12-31T23:59:59Z (UTC)."
        raise Refused("reading a date", f"{date!r} is none", advice) from err
    return date


def refuse_revoked(doing: str, version: str, state: State) -> None:
    """Raise where *version* is revoked or on its way out, with the reason that was given for that."""
    said = said_of(state, version)
    if said.get("state") in (REVOKED, ABSENT):
        what = "is revoked" if said["state"] == REVOKED else "was deleted"
        raise Refused(
            doing,
            f"version {version} {what}: {reason_of(said)}",
            "Name another version, or restore this one.",
        )


def plan_state(change: SetState, state: State) -> Plan:
    """Say it of one version, unless it is said already."""
    current = state.states.get(change.version, {})
    changes = restated(state, change, {"created": ""}) is not None
    after = {"state": change.state, "reason": change.reason or ""} if changes else side(current)
    return Plan(
        item=f"{change.image} {change.version}",
        actions=(change,) if changes else (),
        before=side(current),
        after=after,
        result={
            "image": change.image,
            "version": change.version,
            "previous": current.get("state", ACTIVE),
            **after,
            "volumes": [],
            "bytes": 0,
        },
        warnings=warnings_for(change, state),
    )


def side(said: Mapping[str, str]) -> dict[str, str]:
    return {"state": said.get("state", ACTIVE), "reason": said.get("reason", "")}


def warnings_for(change: SetState, state: State) -> tuple[str, ...]:
    """Channels that nothing can be cloned from any more."""
    channels = sorted(channel for channel, version in state.channels.items() if version == change.version)
    if change.state != REVOKED or not channels:
        return ()
    return (f"{change.image} {change.version} is revoked, but channels point at it: {', '.join(channels)}",)


def restated(state: State, change: SetState, by: Mapping[str, Any]) -> State | None:
    """*state* after the *change*; None where that says nothing new. *by* says who makes it and when.

    Raises Refused where a channel points at a version that is to go, or one that is held back would be active again.
    """
    current = state.states.get(change.version, {})
    if not new(current, change):
        return None
    refuse_respite(state, change)
    pointing = sorted(channel for channel, version in state.channels.items() if version == change.version)
    if change.state == ABSENT and pointing:
        doing = f"deleting {change.image} {change.version}"
        raise Refused(doing, f"{', '.join(pointing)} points at it", "Move the channel first.")
    states = {version: said for version, said in state.states.items() if version != change.version}
    if change.state != ACTIVE:
        said = {"state": change.state, "reason": change.reason or "", "date": change.date or by["created"]}
        states[change.version] = {**said, **({"through": change.through} if change.through else {})}
    told = {"version": change.version, "from": current.get("state", ACTIVE), "to": change.state}
    reason = {"reason": change.reason} if change.reason else {}
    date = {"date": change.date} if change.date else {}
    return replace(state, states=states, history=(*state.history, {**by, **told, **reason, **date}))


def refuse_respite(state: State, change: SetState) -> None:
    """Raise where a date to come would make a version active until then that is not: one thing is said of each."""
    held = said_of(state, change.version)
    if held and state.read and change.date and change.date > state.read:
        raise Refused(
            f"setting the state of {change.image} {change.version} to {change.state} from {change.date} on",
            f"it is {held['state']} now ({reason_of(held)}), and would be active until then",
            "Leave the date out; or restore it first ('state: active'), if it may be cloned until then.",
        )


def new(current: Mapping[str, str], change: SetState) -> bool:
    """Whether *change* says more than what is said. What comes from an ancestor never lessens what was said of the
    version itself, and takes back only what came from there."""
    if change.through and current and current.get("through") != change.through:
        return GRAVITY.index(change.state) > GRAVITY.index(current["state"])
    if change.state == ACTIVE:
        return bool(current)
    same = (current.get("state"), current.get("reason")) == (change.state, change.reason or "")
    return not same or change.date not in (None, current.get("date"))


def descendants_of(roots: Iterable[Lineage], versions: Iterable[Version]) -> dict[Lineage, Lineage]:
    """All that were built from *roots*, directly or not, each with the root that it descends from, parents first."""
    found = {root: root for root in roots}
    waiting, children = list(found), [(of.lineage, Lineage(of.image, of.version)) for of in versions if of.lineage]
    while waiting:
        parent = waiting.pop(0)
        for lineage, child in children:
            if lineage == parent and child not in found:
                found[child] = found[parent]
                waiting.append(child)
    return found


def put_back(state: State, change: SetState, before: State, by: Mapping[str, Any]) -> State:
    """*state* with what was said of the version *before* the change."""
    states = {version: said for version, said in state.states.items() if version != change.version}
    if change.version in before.states:
        states[change.version] = before.states[change.version]
    told = before.states.get(change.version, {}).get("state", ACTIVE)
    undone = {**by, "version": change.version, "from": change.state, "to": told, "reason": "it could not be done"}
    return replace(state, states=states, history=(*state.history, undone))
