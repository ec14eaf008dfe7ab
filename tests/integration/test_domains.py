# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading domains, many at once."""

from __future__ import annotations

import libvirt
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor


def test_a_listing_says_of_each_domain_what_reading_it_alone_says(lab):
    for state in ("shutoff", "paused"):
        lab.machine(state, state=state)
    fleeting = lab.machine("fleeting", state="paused")
    lab.domain(fleeting).undefine()
    with Hypervisor(lab.uri) as hypervisor:
        listed = {one.name: one for one in domains.read_all(hypervisor) if one.name.startswith(lab.prefix)}
        alone = {name: domains.read(hypervisor, name) for name in listed}
    lab.domain(fleeting).destroy()
    assert listed == alone
    told = {name.removeprefix(f"{lab.prefix}-"): (one.state, one.persistent) for name, one in listed.items()}
    assert told == {
        "shutoff": ("shutoff", True),
        "paused": ("paused", True),
        "fleeting": ("paused", False),
    }


def test_a_listing_asks_each_domain_for_its_definition_only(lab, monkeypatch):
    for number in range(3):
        lab.machine(f"m{number}")
    asked: list[str] = []
    for call in ("XMLDesc", "state", "isPersistent", "info"):
        plain = getattr(libvirt.virDomain, call)

        def counted(domain, *args, call=call, plain=plain):
            if domain.name().startswith(lab.prefix):
                asked.append(call)
            return plain(domain, *args)

        monkeypatch.setattr(libvirt.virDomain, call, counted)
    with Hypervisor(lab.uri) as hypervisor:
        domains.read_all(hypervisor)
    assert asked == ["XMLDesc"] * 3
