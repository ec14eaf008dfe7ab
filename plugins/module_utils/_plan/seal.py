# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seal: that a domain's identity was stripped, and that no disk was written to since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Optional

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain, Seal, Sealed, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.actions import MarkDomain
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan

Disks = Mapping[str, Optional[Volume]]


def plan_seal(domain: Domain, disks: Disks, sealed: Sealed, created: str) -> Plan:
    """Mark *domain*, whose written disks are *disks*, as sealed."""
    refuse_unless_off(domain, disks)
    before = valid_seal(domain, disks)
    seal = Seal(sealed.method, sealed.operations, sealed.first_boot, created, witness_of(disks))
    mark = MarkDomain(domain.name, replace(domain.record, seal=seal))
    return Plan(
        item=domain.name,
        actions=(mark,) if before != sealed else (),
        before={"domain": domain.name, "sealed": shown(before)},
        after={"domain": domain.name, "sealed": shown(sealed)},
        result={"domain": domain.name, "sealed": shown(sealed)},
    )


def refuse_unless_off(domain: Domain, disks: Disks) -> None:
    obstacles = [] if domain.off else [f"it is {domain.state}: shut it down"]
    obstacles += [] if disks else ["it has no disk that it writes to"]
    obstacles += [f"disk {target} is not there" for target, volume in disks.items() if volume is None]
    if obstacles:
        raise Refused(
            f"marking {domain.name} as sealed", "its disks cannot bear witness", "Mend this first.", obstacles=obstacles
        )


def valid_seal(domain: Domain, disks: Disks) -> Sealed | None:
    """The seal of *domain*, where none of its written disks was changed since."""
    seal = domain.record.seal
    if seal is None or not disks or set(seal.witness) != set(witness_of(disks)):
        return None
    return Sealed(seal.method, seal.operations, seal.first_boot)


def witness_of(disks: Disks) -> tuple[tuple[str, str], ...]:
    return tuple((volume.path, volume.mtime) for volume in disks.values() if volume)


def seal_obstacles(domain: Domain, disks: Disks) -> Sequence[str]:
    """Why *domain* does not count as sealed, in words."""
    if valid_seal(domain, disks):
        return []
    if domain.record.seal is None:
        return ["it is not sealed: let the role golden.libvirt.seal do it, or set 'sealed: false'"]
    return ["it was written to since it was sealed: seal it again, or set 'sealed: false'"]


def shown(sealed: Sealed | None) -> dict[str, Any] | None:
    if sealed is None:
        return None
    return {"method": sealed.method, "operations": list(sealed.operations), "first_boot": sealed.first_boot}
