# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one connection of a task to libvirt, and how libvirt's errors become ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import TracebackType
from urllib.parse import urlsplit

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt

# What to do about an answer that does not say so itself; numbers are virErrorNumber of libvirt/virterror.h.
ADVICE: Mapping[int, str] = {
    38: "Check libvirt's log on the hypervisor (journalctl -u libvirtd) for the system error behind this.",
    42: "See 'virsh list --all' for the domains that are there.",
    45: "Another process holds the disk or the domain is locked: see who uses it and try again.",
    49: "See 'virsh pool-list --all' for the pools that are there.",
    68: "Another operation holds the domain: wait for it to end and run this again.",
    86: "Check that the guest agent runs in the guest and the domain has its channel.",
}


@contextmanager
def asking(doing: str, advice: str = "") -> Iterator[None]:
    """Turn a libvirtError inside into a GoldenError that says what was being done, e.g. ``starting web-01``."""
    try:
        yield
    except libvirt.libvirtError as err:
        code = err.get_error_code()
        raise GoldenError(
            doing, f"libvirt answered [{code}] {err.get_error_message()}", advice or ADVICE.get(code, ""), code=code
        ) from err


class Hypervisor:
    """An open connection. Use as a context manager; what was set up on the side (transient pools) goes with it.

    *local* says that the daemon runs on this machine and sees the same files, so that reading a pool's file directly
    is the same as downloading it.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        with asking(f"connecting to {uri}", connection_advice(uri)):
            self.conn = libvirt.open(uri)
        parts = urlsplit(uri)
        self.local = not parts.netloc and "+" not in parts.scheme and "socket" not in parts.query
        self.lock = threading.RLock()
        self.sides: dict[str, str] = {}  # the directories of pools set up on the side, by name
        self.closing = ExitStack()
        self.kept: set[tuple[int, int]] = set()  # files that this run keeps others from freezing

    def __enter__(self) -> Hypervisor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.close()
        self.conn.close()


def connection_advice(uri: str) -> str:
    """What to look at when *uri* does not answer."""
    scheme = urlsplit(uri).scheme
    if "ssh" in scheme:
        return f"Check that 'virsh -c {uri} version' works where the task runs (ssh key, host key, user)."
    if "session" in uri:
        return "Check that libvirtd is installed and that the user has a home directory that it can write to."
    return (
        "Check that libvirtd (or virtqemud) runs, and that the user is root, in the group 'libvirt', or that the task "
        "has 'become: true'."
    )


def silence() -> None:
    """Keep libvirt's own error lines off stderr, where they would break the module's JSON in a job log."""
    libvirt.registerErrorHandler(lambda context, error: None, None)
