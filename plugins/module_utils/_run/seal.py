# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb seal: marking domains as stripped of their identity."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder
from ansible_collections.golden.libvirt.plugins.module_utils._model import Sealed
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.seal import plan_seal
from ansible_collections.golden.libvirt.plugins.module_utils._run import disks
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params, Planned, Verb, guarded


def plan(bench: Bench, params: Params) -> Sequence[Planned]:
    """One plan per domain."""
    sealed = Sealed(params["method"], tuple(params["operations"]), params["first_boot"])

    def one(name: str) -> Plan:
        domain = domains.read(bench.hypervisor, name)
        return plan_seal(domain, disks.written(bench, domain), sealed, holder.now())

    return guarded(params["domains"], one)


SEAL = Verb("seals", plan)
