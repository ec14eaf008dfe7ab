# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a guest's file systems are frozen while its disks are saved, and how consistent these are then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain

MEMORY_SAVED = (
    "its memory is saved, so nothing is quiesced: a revert loses nothing, the disks alone are as after a power cut"
)


@dataclass(frozen=True)
class Quiescing:
    """*quiesce* is what is to be done: ``try``, ``required`` or nothing. *consistency* is offline, application or
    crash.

    *fallback* says why the guest is not frozen although that was to be tried, *obstacles* why that cannot be.
    """

    quiesce: str | None
    consistency: str
    fallback: str | None = None
    obstacles: tuple[str, ...] = ()


def quiescing(domain: Domain, asked: str, agent: Callable[[], str], *, memory: bool = False) -> Quiescing:
    """What *asked* (try, required or never) means for *domain*, whose *memory* is saved too or not.

    *agent* says why the guest cannot be quiesced, nothing where it can.
    """
    if domain.off:
        return Quiescing(None, "offline")
    if asked == "never":
        return Quiescing(None, "crash")
    if memory:
        return Quiescing(None, "crash", MEMORY_SAVED)
    if domain.state == "running":
        problem, advice = agent(), "see that qemu-guest-agent runs in the guest"
    else:
        problem, advice = f"a {domain.state} guest cannot be quiesced", "resume it"
    if not problem:
        return Quiescing(asked, "application")
    obstacle = f"quiesce: {problem}; {advice}, or say 'quiesce: try'"
    return Quiescing(None, "crash", problem, (obstacle,) if asked == "required" else ())
