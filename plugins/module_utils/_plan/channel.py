# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels: where they shall point. The same rules hold when planning and when the journal's record is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Union

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Overtaken, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import State
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.states import refuse_revoked


@dataclass(frozen=True)
class AssignChannel(Action):
    """Point a *channel* at a *version*, which *expected* (a version, "" for none) may forbid meanwhile. *back* says
    that it goes back to where it was."""

    words: ClassVar[str] = "assign channel"
    image: str
    channel: str
    version: str
    pool: str
    expected: str | None = None
    back: bool | None = None


@dataclass(frozen=True)
class RemoveChannel(Action):
    """Let a *channel* point nowhere."""

    words: ClassVar[str] = "remove channel"
    image: str
    channel: str
    pool: str
    expected: str | None = None


Move = Union[AssignChannel, RemoveChannel]


def plan_channel(move: Move, state: State) -> Plan:
    """Move one channel, unless it is there already."""
    current, version = state.channels.get(move.channel), version_of(move)
    return Plan(
        item=move.channel,
        actions=(move,) if moved(state, move, {}) else (),
        before=side(move, current),
        after=side(move, version),
        result={"image": move.image, "channel": move.channel, "version": version, "previous": current},
    )


def back(image: str, channel: str, pool: str, expected: str | None, state: State) -> AssignChannel:
    """The move of a channel back to the version before: of one that went back already, to where it is.

    So repeating it never brings back what was left, and no version further back is reached unnamed.
    """
    moves = [change for change in state.history if change.get("channel") == channel]
    current = state.channels.get(channel)
    version = (moves[-1]["to"] if moves[-1].get("back") else moves[-1]["from"]) if moves else None
    if version is None:
        raise Refused(
            f"bringing {image}@{channel} back",
            f"the journal knows no version that it pointed at before {current or 'now'}",
            "Name the version.",
        )
    return AssignChannel(image, channel, version, pool, (current or "") if expected is None else expected, back=True)


def version_of(move: Move) -> str | None:
    return move.version if isinstance(move, AssignChannel) else None


def side(move: Move, version: str | None) -> dict[str, str | None]:
    return {"image": move.image, "channel": move.channel, "version": version}


def moved(state: State, move: Move, by: Mapping[str, Any]) -> State | None:
    """*state* after the *move*; None where the channel is there already.

    Raises Overtaken where it is not where it was expected to be, Refused where the version is revoked.
    *by* says who moves it and when, for the history.
    """
    version = version_of(move)
    doing = (
        f"assigning {move.image}@{move.channel} to {version}" if version else f"removing {move.image}@{move.channel}"
    )
    current = state.channels.get(move.channel)
    if current == version:
        return None
    if move.expected is not None and move.expected != (current or ""):
        raise Overtaken(
            doing,
            f"it points at {current or 'nothing'}, not at {move.expected or 'nothing'} as expected",
            "Somebody moved it: see its history (golden.libvirt.image_info) and decide again.",
        )
    channels = {name: to for name, to in state.channels.items() if name != move.channel}
    if version:
        refuse_revoked(doing, version, state)
        channels[move.channel] = version
    change = {**by, "channel": move.channel, "from": current, "to": version}
    if isinstance(move, AssignChannel) and move.back:
        change["back"] = True
    return replace(state, channels=channels, history=(*state.history, change))
