# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a clone's way back to a version needs: the part of the verb revert that is ``to: version``."""

from __future__ import annotations

import uuid

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain, Origin
from ansible_collections.golden.libvirt.plugins.module_utils._plan import reset
from ansible_collections.golden.libvirt.plugins.module_utils._plan.clone import Source
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._run import source
from ansible_collections.golden.libvirt.plugins.module_utils._run.neighbours import Neighbours
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params
from ansible_collections.golden.libvirt.plugins.module_utils._run.trust import signers_in


class Resets:
    """Plans the way of each clone of a task to *version*, or what *channel* points at, or the version it is of."""

    def __init__(self, bench: Bench, params: Params) -> None:
        self.bench = bench
        self.params = params
        self.neighbours = Neighbours(bench)
        self.sources: dict[tuple[str, str | None], Source] = {}

    def plan(self, name: str) -> Plan:
        """The plan for the clone *name*."""
        domain = self.neighbours.domains.get(name) or domains.read(self.bench.hypervisor, name)
        origin = domain.record.origin
        if origin is None or not origin.image or not origin.made:
            raise Refused(
                f"reverting {name} to a version",
                "it is not a clone of an image",
                "Revert it to a snapshot; or make clones with golden.libvirt.clone.",
            )
        asked = reset.Reset(
            source=self.source(origin),
            power=self.params["power"],
            force=self.params["force"],
            generation=str(uuid.uuid4()),
            channel=self.params["channel"],
        )
        return reset.plan_reset(asked, self.clone(domain, origin))

    def source(self, origin: Origin) -> Source:
        channel = self.params["channel"]
        version = self.params["version"] or (None if channel else origin.version)
        key = (origin.image, version)
        if key not in self.sources:
            pool = self.params["image_pool"]
            self.sources[key] = source.of_version(
                self.bench, pool, origin.image, version, channel, signers=signers_in(self.params)
            )
        return self.sources[key]

    def clone(self, domain: Domain, origin: Origin) -> reset.Clone:
        pool = self.bench.pool(origin.made[0].pool)
        taken = {name: self.neighbours.volumes_in(name) for name in {made.pool for made in origin.made}}
        there = [made for made in origin.made if made.volume in taken[made.pool]]
        volumes = [self.bench.pool(made.pool).read(made.volume) for made in there]
        return reset.Clone(
            domain=domain,
            origin=origin,
            pool=pool.name,
            directory=pool.path,
            taken=frozenset().union(*taken.values()),
            volumes={volume.path: volume for volume in volumes},
            leavings=self.neighbours.leavings(domain, [volume.path for volume in volumes]),
        )
