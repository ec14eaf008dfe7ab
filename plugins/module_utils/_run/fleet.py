# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clones on several hypervisors, read at the same time from the machine that Ansible runs on."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Union

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, NotFound
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import agent
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor, silence
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import library_problem
from ansible_collections.golden.libvirt.plugins.module_utils._model import Facts
from ansible_collections.golden.libvirt.plugins.module_utils._plan.hosts import ALL, OUTDATED, hosts_of, labels_of
from ansible_collections.golden.libvirt.plugins.module_utils._run import image_info
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench

Found = Union[list[Facts], GoldenError]

__all__ = ["ALL", "OUTDATED", "hosts_of", "labels_of", "read_fleet"]


def read_fleet(uris: Sequence[str], image_pool: str, images: Sequence[str], timeout: float) -> Mapping[str, Found]:
    """The clones at each URI, with their addresses; or why they could not be read within *timeout* seconds."""
    problem = library_problem("the machine that Ansible runs on, and in its Python")
    if problem:
        raise GoldenError("reading the clones", problem[0])
    silence()
    found: dict[str, Found] = {}

    def read(uri: str) -> None:
        try:
            found[uri] = clones_at(uri, image_pool, images)
        except GoldenError as err:
            found[uri] = err

    # Libvirt has no time limit for connecting. What hangs in it is left behind, and must not keep Ansible from ending.
    threads = [threading.Thread(target=read, args=(uri,), daemon=True) for uri in dict.fromkeys(uris)]
    end = time.monotonic() + timeout
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
    return {uri: found[uri] if uri in found else unanswered(uri, timeout) for uri in dict.fromkeys(uris)}


def unanswered(uri: str, timeout: float) -> GoldenError:
    return GoldenError(
        f"reading the clones of {uri}",
        f"it has not answered within {timeout:g} seconds",
        f"Check that 'virsh -c {uri} version' answers at once, without asking for anything.",
    )


# It makes nothing of what it finds.
LOOKING = {"trusted_signers": None, "revoked_signers": None, "parallel": 1}


def clones_at(uri: str, image_pool: str, images: Sequence[str]) -> list[Facts]:
    """The clones of *images* (of all, where none are named) on one hypervisor, and the addresses of those that run."""
    with Hypervisor(uri) as hypervisor:
        asked = {"image_pool": image_pool, "images": list(images), "verify": False, **LOOKING}
        told = image_info.read(Bench(hypervisor), asked)["images"]
        clones = [clone for image in told for clone in image["clones"]]
        return [{**clone, "addresses": addresses_of(hypervisor, clone)} for clone in clones]


def addresses_of(hypervisor: Hypervisor, clone: Facts) -> list[str]:
    if clone["state"] == "running":
        with suppress(NotFound):  # it was removed meanwhile
            return agent.addresses(hypervisor, clone["name"])
    return []
