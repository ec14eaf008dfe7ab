# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long copy has come, told now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Callable

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt

SECONDS = 5.0
MIB = 1024 * 1024


class Progress:
    """Tells how much of *total* bytes of *what* is done, every SECONDS at most and at the end."""

    def __init__(self, what: str, total: int, tell: Callable[[str], None]) -> None:
        self.what = what
        self.total = total
        self.tell = tell
        self.told = time.monotonic()

    def at(self, done: int) -> None:
        if done >= self.total or time.monotonic() - self.told >= SECONDS:
            self.told = time.monotonic()
            percent = 100 * done // self.total if self.total else 100
            self.tell(f"{self.what}: {percent} % ({done // MIB} of {self.total // MIB} MiB)")


@contextmanager
def watching(hypervisor: Hypervisor, pool: Pool, volume: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Within it, tell how large *volume* is that libvirt or qemu-img fills."""
    over = threading.Event()
    watcher = threading.Thread(target=watch, args=(hypervisor.uri, pool.name, volume, tell, over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def watch(uri: str, pool: str, volume: str, tell: Callable[[str], None], over: threading.Event) -> None:
    """On a connection of its own: the one that copies answers nothing else meanwhile."""
    if over.wait(SECONDS):
        return
    with suppress(libvirt.libvirtError), closing(libvirt.open(uri)) as conn:
        while not over.wait(SECONDS):
            with suppress(libvirt.libvirtError):  # it is not there yet
                written = conn.storagePoolLookupByName(pool).storageVolLookupByName(volume).info()[2]
                tell(f"{volume}: {written // MIB} MiB")
