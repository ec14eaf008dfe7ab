# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who each clone of a batch is: the same name on the same hypervisor gets the same UUID and MAC addresses again."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Iterable, Iterator

from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain, Identity, Taken

SPACE = uuid.UUID("b7c1d0a5-64b6-5d0c-9d1a-5d1f8e0a2c47")
# The prefix of QEMU and KVM: locally administered.
PREFIX = "52:54:00"


def taken_by(domains: Iterable[Domain], live_macs: frozenset[str]) -> Taken:
    """What *domains* have taken, with the *live_macs* of running ones."""
    there = list(domains)
    macs = {mac.lower() for domain in there for mac in domain.macs}
    return Taken(frozenset(domain.uuid.lower() for domain in there), frozenset(macs | live_macs))


class Register:
    """Hands out identities that nobody on the hypervisor has, nor anyone in the same batch."""

    def __init__(self, host_uuid: str, taken: Taken) -> None:
        self.host_uuid = host_uuid
        self.uuids = set(taken.uuids)
        self.macs = set(taken.macs)

    def identity(self, name: str, interfaces: int) -> Identity:
        """The identity of the clone *name*: derived from the hypervisor and the name, going on where it is taken."""
        return Identity(
            name=name,
            uuid=first_free(self.candidates_uuid(name), self.uuids),
            macs=tuple(first_free(self.candidates_mac(name, number), self.macs) for number in range(interfaces)),
            genid=str(uuid.uuid5(SPACE, f"{self.host_uuid}/{name}/generation")),
        )

    def candidates_uuid(self, name: str) -> Iterator[str]:
        return (str(uuid.uuid5(SPACE, f"{self.host_uuid}/{name}/{attempt}")) for attempt in itertools.count())

    def candidates_mac(self, name: str, number: int) -> Iterator[str]:
        for attempt in itertools.count():
            digest = hashlib.sha256(f"{self.host_uuid}/{name}/{number}/{attempt}".encode()).digest()
            yield f"{PREFIX}:{digest[0]:02x}:{digest[1]:02x}:{digest[2]:02x}"


def first_free(candidates: Iterator[str], taken: set[str]) -> str:
    """The first candidate that is not *taken*, which it is from now on."""
    found = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(found)
    return found
