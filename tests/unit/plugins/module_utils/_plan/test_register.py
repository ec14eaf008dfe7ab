# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who each clone is: always the same, never someone else's."""

from __future__ import annotations

import re
import uuid

from ansible_collections.golden.libvirt.plugins.module_utils._model import Taken
from ansible_collections.golden.libvirt.plugins.module_utils._plan.identity import Register
from hypothesis import given
from hypothesis import strategies as st

HOST = "f2b8b8c0-0000-4000-8000-000000000001"


def test_the_same_clone_on_the_same_hypervisor_is_the_same_again():
    assert Register(HOST, Taken()).identity("web-01", 3) == Register(HOST, Taken()).identity("web-01", 3)


def test_the_same_name_on_another_hypervisor_is_another():
    here, there = Register(HOST, Taken()).identity("web-01", 1), Register("other", Taken()).identity("web-01", 1)
    assert (here.uuid, here.macs, here.genid) != (there.uuid, there.macs, there.genid)


def test_what_is_taken_is_passed_over():
    first = Register(HOST, Taken()).identity("web-01", 2)
    taken = Taken(uuids=frozenset({first.uuid}), macs=frozenset(first.macs[:1]))
    second = Register(HOST, taken).identity("web-01", 2)
    assert second.uuid != first.uuid
    assert second.macs[0] != first.macs[0]
    assert second.macs[1] == first.macs[1]


@given(st.lists(st.text(min_size=1), unique=True, max_size=50), st.integers(0, 4))
def test_a_batch_shares_nothing(names, interfaces):
    register = Register(HOST, Taken())
    made = [register.identity(name, interfaces) for name in names]
    macs = [mac for identity in made for mac in identity.macs]
    assert len({*macs}) == len(macs) == len(names) * interfaces
    assert len({identity.uuid for identity in made} | {identity.genid for identity in made}) == 2 * len(names)
    assert all(re.fullmatch("52:54:00(:[0-9a-f]{2}){3}", mac) for mac in macs)
    assert all(str(uuid.UUID(identity.uuid)) == identity.uuid for identity in made)


def test_a_crowded_prefix_is_no_collision():
    register = Register(HOST, Taken())
    macs = [mac for number in range(3000) for mac in register.identity(f"c{number}", 2).macs]
    assert len({*macs}) == 6000
