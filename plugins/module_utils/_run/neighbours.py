# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is beside the clones of one task: read once, so that each costs the same however many they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import cached_property

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import chains, domains
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.leavings import Leavings, leavings_of
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey
from ansible_collections.golden.libvirt.plugins.module_utils._plan.usage import Usage
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.surveying import Surveyor
from ansible_collections.golden.libvirt.plugins.module_utils._run.usage import users_among


class Neighbours:
    """The hypervisor's domains by name, the volumes' names by pool, and who uses a clone's files."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.domains = {domain.name: domain for domain in domains.read_all(bench.hypervisor)}
        self.volumes: dict[str, frozenset[str]] = {}
        self.usage = Usage(users=users_among(bench.hypervisor, self.domains.values()))

    @cached_property
    def surveyor(self) -> Surveyor:
        return Surveyor(self.bench)

    @cached_property
    def strangers(self) -> dict[str, Volume]:
        """The files that may be built on a clone's, by path: not the images', nor what was made for clones of these."""
        origins = [domain.record.origin for domain in self.domains.values()]
        made = {(one.pool, one.volume) for origin in origins if origin and origin.image for one in origin.made}
        return chains.all_files(
            self.bench.hypervisor, lambda pool, name: (pool, name) in made or names.parsed(name) is not None
        )

    def volumes_in(self, pool: str) -> frozenset[str]:
        """The names of a pool's volumes."""
        if pool not in self.volumes:
            self.volumes[pool] = frozenset(self.bench.pool(pool).names())
        return self.volumes[pool]

    def leavings(self, domain: Domain, made: Collection[str]) -> Leavings:
        """What a clone's snapshots left, and who else needs that or the volumes at the paths *made*."""
        survey = Survey(domain, saved=domains.has_saved_memory(self.bench.hypervisor, domain.name))
        others = self.usage.others(domain.name, made)
        if not self.plain(domain, made):
            survey = self.surveyor.survey(domain.name, deleting=True)
            others = self.usage.others(domain.name, self.usage.users)
        return leavings_of(replace(survey, files={**self.strangers, **survey.files}, others=others), made)

    def plain(self, domain: Domain, made: Collection[str]) -> bool:
        """Whether the clone writes to the volumes made for it, with no snapshot: there is nothing else to look for."""
        within = all(disk.path in made for disk in domain.disks if disk.path)
        return within and not domains.has_snapshots(self.bench.hypervisor, domain.name)
