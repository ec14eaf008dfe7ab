# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who each clone is: always the same, never someone else's."""

from __future__ import annotations

import re

from ansible_collections.golden.libvirt.plugins.module_utils._plan.identity import Register
from hypothesis import given
from hypothesis import strategies as st

HOST = "f2b8b8c0-0000-4000-8000-000000000001"


def test_the_same_clone_on_the_same_hypervisor_has_the_same_addresses_again():
    one, two = Register(HOST, ()).identity("web-01", 3), Register(HOST, ()).identity("web-01", 3)
    assert one.macs == two.macs
    assert len({one.uuid, two.uuid, one.genid, two.genid}) == 4


def test_the_same_name_on_another_hypervisor_has_others():
    assert Register(HOST, ()).identity("web-01", 1).macs != Register("other", ()).identity("web-01", 1).macs


def test_what_is_taken_is_passed_over():
    first = Register(HOST, ()).identity("web-01", 2)
    second = Register(HOST, first.macs[:1]).identity("web-01", 2)
    assert second.macs[0] != first.macs[0]
    assert second.macs[1] == first.macs[1]


@given(st.lists(st.text(min_size=1), unique=True, max_size=50), st.integers(0, 4))
def test_a_batch_shares_nothing(names, interfaces):
    register = Register(HOST, ())
    macs = [mac for name in names for mac in register.identity(name, interfaces).macs]
    assert len({*macs}) == len(macs) == len(names) * interfaces
    assert all(re.fullmatch("52:54:00(:[0-9a-f]{2}){3}", mac) for mac in macs)


def test_a_crowded_prefix_is_no_collision():
    register = Register(HOST, ())
    macs = [mac for number in range(3000) for mac in register.identity(f"c{number}", 2).macs]
    assert len({*macs}) == 6000
