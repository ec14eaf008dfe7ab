# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb flatten: linked clones, and other overlays, made independent."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains, pulling
from ansible_collections.golden.libvirt.plugins.module_utils._plan.flatten import LendDomain, PullDisks, plan_flatten
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.surveying import Surveyor
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params, Planned, Verb, guarded


def plan(bench: Bench, params: Params) -> Sequence[Planned]:
    """One plan per domain."""
    surveyor = Surveyor(bench)

    def one(name: str) -> Plan:
        survey = surveyor.survey(name, deleting=False)
        checkpoints = domains.snapshot_count(bench.hypervisor, name) - len(survey.snapshots)
        paths = [disk.path for disk in survey.domain.disks if disk.path]
        pools = {survey.files[path].pool for path in paths if path in survey.files}
        room = {pool: bench.pool(pool).free() for pool in pools}
        return plan_flatten(survey, params["disks"], checkpoints, room)

    return guarded(params["domains"], one)


@perform.register
def lend_domain(action: LendDomain, bench: Bench) -> Undo:
    domains.start(bench.hypervisor, action.domain, paused=True, lent=True)

    def stop() -> None:
        if domains.state(bench.hypervisor, action.domain) != "shutoff":  # or somebody was quicker
            domains.stop(bench.hypervisor, action.domain)

    return stop


@perform.register
def pull_disks(action: PullDisks, bench: Bench) -> Undo:
    flat: list[str] = []
    for disk in action.disks:
        try:
            pulling.pull(bench.hypervisor, action.domain, disk, bench.ending, bench.tell)
        except GoldenError as err:
            if flat:
                err.left += (f"of {action.domain}, {', '.join(flat)} had been flattened, which stays",)
            raise
        flat.append(disk)
    return None


FLATTEN = Verb("domains", plan)
