# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong, said so that the reader knows what was being done, to what, why it failed and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def left_words(left: Sequence[str]) -> str:
    """What a message says of what could not be undone."""
    return f" Left behind: {'; '.join(left)}." if left else ""


class GoldenError(Exception):
    """A failure with all that a job log needs.

    *doing* is a phrase such as ``cloning web-01 from web@stable``, *reason* what came of it (libvirt's answer, where
    libvirt answered), *advice* what to do next, *code* libvirt's error number, *left* what could not be undone.
    *settled* says that this is meant to be so: it came to where what was done stays done.
    """

    settled = False

    def __init__(
        self,
        doing: str,
        reason: str,
        advice: str = "",
        *,
        code: int | None = None,
        obstacles: Sequence[str] = (),
        left: Sequence[str] = (),
    ) -> None:
        super().__init__(doing, reason)
        self.doing = doing
        self.reason = reason
        self.advice = advice
        self.code = code
        self.obstacles = tuple(obstacles)
        self.left = tuple(left)

    def __str__(self) -> str:
        text = f"{self.doing}: {self.reason.rstrip('.')}."
        if self.obstacles:
            text += " " + " ".join(f"({number}) {what.rstrip('.')}." for number, what in enumerate(self.obstacles, 1))
        return f"{text}{left_words(self.left)} {self.advice}".rstrip()

    def result(self) -> dict[str, Any]:
        """The keys that a failed item or task returns."""
        return {
            "failed": True,
            "msg": str(self),
            "obstacles": list(self.obstacles),
            "left": list(self.left),
            "libvirt_code": self.code,
        }


class NotFound(GoldenError):
    """A domain, snapshot, pool, volume, image, version or channel that was named is not there."""


class Refused(GoldenError):
    """Asked for what cannot be made safe, found out before anything changed."""


class Overtaken(GoldenError):
    """Another run changed first what this one had read; reading and deciding again may succeed."""


class AlreadyThere(GoldenError):
    """An exclusive creation lost: the name is taken."""
