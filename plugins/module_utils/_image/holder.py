# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who makes a change or holds a claim: this process, and whether another one still lives."""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._model import Holder

# How long a claim keeps runs on other machines away, which cannot see whether its holder lives.
LEASE_SECONDS = 6 * 3600
# The last second of the year 9999: times are compared as texts, so that all years have four digits.
LAST = 253402300799


def now() -> str:
    """The time, as documents have it."""
    return time_of(time.time())


def time_of(seconds: float) -> str:
    """A time in *seconds* since the epoch, as documents have it; the nearest that they can have."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(max(seconds, 0), LAST)))


def who() -> str:
    """The user and machine that a change is made by."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def this_process() -> Holder:
    """The holder of the claims that this process makes."""
    return Holder(
        host=socket.gethostname(),
        boot=this_boot(),
        pid=os.getpid(),
        started=started(os.getpid()) or "",
        until=int(time.time()) + LEASE_SECONDS,
    )


def this_boot() -> str:
    """The kernel's boot and the process namespace: where process numbers of others can be looked up."""
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return f"{file.read().strip()}/{os.readlink('/proc/self/ns/pid')}"
    return ""


def started(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None where that cannot be read."""
    with suppress(OSError, IndexError), open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[19]
    return None


def holder_from(said: Mapping[str, Any]) -> Holder:
    """The holder that a journal record says."""
    return Holder(str(said["host"]), str(said["boot"]), int(said["pid"]), str(said["started"]), int(said["until"]))


def described(holder: Holder) -> str:
    """A holder in words."""
    return f"process {holder.pid} on {holder.host}"


def alive(holder: Holder) -> bool:
    """Whether the *holder* of a claim may still be working. Of other machines only the lease tells."""
    if not holder.boot or holder.boot != this_boot():
        return time.time() < holder.until
    try:
        os.kill(holder.pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return started(holder.pid) in (holder.started, None)
