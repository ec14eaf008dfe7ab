# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a decision about a domain's snapshots needs: its own files always, everybody's where files may go."""

from __future__ import annotations

import posixpath
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import (
    chains,
    domains,
    files,
    snapshots,
    volumes,
)
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain, Snapshot, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Libvirt, Survey
from ansible_collections.golden.libvirt.plugins.module_utils._plan.usage import Usage
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.usage import spelled_as_in, usage_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml import snapshot as snapshot_xml


class Surveyor:
    """Surveys the domains of one task, before anything is done; what concerns them all is read once."""

    def __init__(self, bench: Bench) -> None:
        self.hypervisor = bench.hypervisor
        self.libvirt = Libvirt(*domains.snapshot_support(self.hypervisor))
        self.idle = files.idle_pools(self.hypervisor)
        self.pools: dict[str, volumes.Pool] = {}
        self.usages: dict[tuple[str, ...], Usage] = {}

    def survey(self, name: str, *, deleting: bool) -> Survey:
        """The domain, its snapshots and its files; *deleting*: and who else needs what its snapshots are in."""
        domain = with_paths(self.hypervisor, domains.read_live(self.hypervisor, name))
        found = tuple(self.with_bases(snapshot) for snapshot in snapshots.read_all(self.hypervisor, name))
        survey = Survey(
            domain=domain,
            snapshots=found,
            libvirt=self.libvirt,
            saved=domains.has_saved_memory(self.hypervisor, name),
        )
        survey = replace(survey, idle=self.idle)
        pools = chains.covered(self.hypervisor, self.paths(survey), self.pools)
        if deleting and found:
            return self.with_everything(survey, pools)
        own: dict[str, Volume] = {}
        for path in self.paths(survey):
            own.update(chains.chain_of(self.hypervisor, path))
        return replace(survey, files=own, taken=self.taken(pools))

    def with_everything(self, survey: Survey, pools: Sequence[volumes.Pool]) -> Survey:
        """The survey with the files of all pools and what the other domains use."""
        usage = self.usage_in(pools)
        unseen = [disk.path for disk in survey.domain.disks if disk.path not in usage.files]
        own = ChainMap(*(chains.chain_of(self.hypervisor, path) for path in unseen))
        return replace(
            survey,
            files={**usage.files, **own},
            taken=self.taken(pools),
            others=usage.others(survey.domain.name, usage.users),
        )

    def usage_in(self, pools: Sequence[volumes.Pool]) -> Usage:
        """Who uses which file of the hypervisor, those of *pools* by the paths that these give them."""
        directories = tuple(pool.path for pool in pools)
        if directories not in self.usages:
            within = ChainMap(*map(chains.volumes_of, pools))
            usage = replace(self.everything, files={**self.everything.files, **within})
            for pool in pools:
                usage = spelled_as_in(usage, pool)
            self.usages[directories] = usage
        return self.usages[directories]

    @cached_property
    def everything(self) -> Usage:
        return usage_of(self.hypervisor, domains.read_all(self.hypervisor))

    def with_bases(self, snapshot: Snapshot) -> Snapshot:
        """A snapshot with the files of those disks that were volumes when it was taken."""
        then = snapshot_xml.volumes_then(snapshot)
        return replace(
            snapshot,
            disks=tuple(
                replace(disk, base=chains.file_of(self.hypervisor, then[disk.target])) if disk.target in then else disk
                for disk in snapshot.disks
            ),
        )

    def paths(self, survey: Survey) -> list[str]:
        """The files that the domain and its snapshots name."""
        found = [disk.path for disk in survey.domain.disks] + [survey.domain.firmware.nvram]
        for snapshot in survey.snapshots:
            found += [snapshot.memory_file, snapshot.note.nvram, *(disk.base for disk in snapshot.external_disks)]
        return [path for path in dict.fromkeys(found) if path]

    def taken(self, pools: Sequence[volumes.Pool]) -> frozenset[str]:
        return frozenset(posixpath.join(pool.path, name) for pool in pools for name in pool.names())


def with_paths(hypervisor: Hypervisor, domain: Domain) -> Domain:
    """A domain with the files of those disks that are volumes."""
    return replace(domain, disks=tuple(replace(disk, path=chains.file_of(hypervisor, disk)) for disk in domain.disks))
