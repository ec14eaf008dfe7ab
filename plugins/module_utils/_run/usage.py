# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading who uses which file on a hypervisor, whatever made them."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import chains, domains, snapshots
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._model import Before, Domain, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.usage import Usage
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import domain_of


def usage_of(hypervisor: Hypervisor, everyone: Iterable[Domain], befores: Iterable[Before] = ()) -> Usage:
    """The files of the hypervisor, and who uses them: *everyone* that is there, and what was *before*."""
    users = users_among(hypervisor, everyone)
    for before in befores:
        for disk in domain_of(before.xml, before.state).disks:
            users.setdefault(disk.path or "", set()).add(f"{before.domain} (kept to go back to)")
    files = chains.all_files(hypervisor)
    for path in users:
        if path not in files:
            files.update(chains.chain_of(hypervisor, path))
    return Usage(files, users)


def users_among(hypervisor: Hypervisor, everyone: Iterable[Domain]) -> dict[str, set[str]]:
    """The names of the domains that use a file, by its path."""
    users: dict[str, set[str]] = {}
    for domain in everyone:
        for path in paths_of(hypervisor, domain):
            users.setdefault(path, set()).add(domain.name)
    return users


def spelled_as_in(usage: Usage, pool: Pool) -> Usage:
    """*usage* with the files of *pool* by the paths that the pool gives them, where others reach them through symbolic
    links, or it is one. Over a remote connection that cannot be told.

    A hard link is a file of its own: freezing makes one of the disk that becomes a version.
    """
    if not pool.hypervisor.local:
        return usage
    files_last = sorted(map(pool.path_of, pool.names()), key=lambda path: not os.path.islink(path))
    own = {os.path.realpath(path): path for path in files_last}

    def inside(path: str) -> bool:
        return posixpath.dirname(path) == pool.path

    def spelled(path: str) -> str:
        return path if inside(path) else own.get(os.path.realpath(path), path)

    users: dict[str, set[str]] = {}
    for path, names in usage.users.items():
        users.setdefault(spelled(path), set()).update(names)
    files: dict[str, Volume] = {}
    for path, file in sorted(usage.files.items(), key=lambda item: inside(item[0])):  # the pool's own word comes last
        files[spelled(path)] = replace(file, path=spelled(path), backing=file.backing and spelled(file.backing))
    return Usage(files, users)


def paths_of(hypervisor: Hypervisor, domain: Domain) -> Iterator[str]:
    """The files that a domain has as disks: as it is defined, as it runs, and in its snapshots.

    Of one that somebody removes meanwhile it is those that were read until then.
    """
    yield from disks_of(hypervisor, domain)
    try:
        yield from paths_besides(hypervisor, domain)
    except GoldenError as err:
        if not domains.vanished(err):
            raise


def disks_of(hypervisor: Hypervisor, domain: Domain) -> Iterator[str]:
    yield from filter(None, (chains.file_of(hypervisor, disk) for disk in domain.disks))


def paths_besides(hypervisor: Hypervisor, domain: Domain) -> Iterator[str]:
    if not domain.off:
        yield from disks_of(hypervisor, domains.read_live(hypervisor, domain.name))
    if domains.has_snapshots(hypervisor, domain.name):
        for snapshot in snapshots.read_all(hypervisor, domain.name):
            yield from (path for disk in snapshot.disks for path in (disk.path, disk.base) if path)
