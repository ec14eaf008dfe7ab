# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a clone's way back to a version needs: the part of the verb revert that is ``to: version``."""

from __future__ import annotations

import uuid

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains
from ansible_collections.golden.libvirt.plugins.module_utils._plan import reset
from ansible_collections.golden.libvirt.plugins.module_utils._plan.leavings import leavings_of
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._run import source
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.surveying import Surveyor
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params


def plan_reset(bench: Bench, params: Params, name: str, surveyor: Surveyor) -> Plan:
    """The plan to revert the clone *name* to *version*, or what *channel* points at, or else the version it is of.

    *surveyor* is the task's, whatever the number of its clones.
    """
    domain = domains.read(bench.hypervisor, name)
    origin = domain.record.origin
    if origin is None or not origin.image or not origin.made:
        raise Refused(
            f"reverting {name} to a version",
            "it is not a clone of an image",
            "Revert it to a snapshot; or make clones with golden.libvirt.clone.",
        )
    version = params["version"] or (None if params["channel"] else origin.version)
    asked = reset.Reset(
        source=source.of_version(bench, params["image_pool"], origin.image, version, params["channel"]),
        power=params["power"],
        force=params["force"],
        generation=str(uuid.uuid4()),
        channel=params["channel"],
    )
    pool = bench.pool(origin.made[0].pool)
    made = {made.volume for made in origin.made if made.pool == pool.name}
    taken = set(pool.names())
    volumes = [pool.read(volume) for volume in sorted(made & taken)]
    clone = reset.Clone(
        domain=domain,
        origin=origin,
        pool=pool.name,
        directory=pool.path,
        taken=taken,
        volumes={volume.path: volume for volume in volumes},
        leavings=leavings_of(surveyor.survey(name, deleting=True), [volume.path for volume in volumes]),
    )
    return reset.plan_reset(asked, clone)
