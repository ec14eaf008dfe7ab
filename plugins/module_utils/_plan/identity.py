# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who each clone of a batch is: the same name on the same hypervisor gets the same MAC addresses again."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Collection, Iterator

from ansible_collections.golden.libvirt.plugins.module_utils._model import Identity

# The prefix of QEMU and KVM: locally administered.
PREFIX = "52:54:00"


class Register:
    """Hands out identities that nobody on the hypervisor has, nor anyone in the same batch.

    The addresses follow from hypervisor and name, so that a clone that is made anew gets its old lease. UUID and
    generation id are new each time: by its UUID libvirt tells this clone from one that another run makes.
    """

    def __init__(self, host_uuid: str, macs: Collection[str]) -> None:
        self.host_uuid = host_uuid
        self.macs = set(macs)

    def identity(self, name: str, interfaces: int) -> Identity:
        """The identity of the clone *name*, which has that many interfaces."""
        return Identity(
            name=name,
            uuid=str(uuid.uuid4()),
            macs=tuple(self.mac(name, number) for number in range(interfaces)),
            genid=str(uuid.uuid4()),
        )

    def mac(self, name: str, number: int) -> str:
        """The first address of the clone's own series that is free, which it is no longer."""
        found = next(mac for mac in self.candidates(name, number) if mac not in self.macs)
        self.macs.add(found)
        return found

    def candidates(self, name: str, number: int) -> Iterator[str]:
        for attempt in itertools.count():
            digest = hashlib.sha256(f"{self.host_uuid}/{name}/{number}/{attempt}".encode()).digest()
            yield f"{PREFIX}:{digest[0]:02x}:{digest[1]:02x}:{digest[2]:02x}"
