# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading all that a decision about deleting versions needs."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import chains, domains, snapshots
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._image.repository import Repository
from ansible_collections.golden.libvirt.plugins.module_utils._model import Before, Domain, Lineage, Version
from ansible_collections.golden.libvirt.plugins.module_utils._plan.dependants import Stock, needed
from ansible_collections.golden.libvirt.plugins.module_utils._run.before import befores_by_domain
from ansible_collections.golden.libvirt.plugins.module_utils._run.image_info import descendants_in
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import domain_of


def stock_of(bench: Bench, pool: str, leaving: Sequence[Before] = ()) -> Stock:
    """What *pool* holds, and who on this hypervisor uses its files, whatever made them.

    What was kept of clones to go back to counts as well, but not what is *leaving*; its files are there as yet.
    """
    repository = bench.repository(pool)
    known = [Lineage(image, version) for image in repository.names() for version in repository.versions(image)]
    everyone = domains.read_all(bench.hypervisor)
    kept = befores_by_domain(bench, everyone, pool).values()
    used = usage(bench, everyone, [before for befores in kept for before in befores if before not in leaving])
    return replace(
        spelled_as_in(used, bench.pool(pool)),
        directory=bench.pool(pool).path,
        volumes={of: tuple(repository.volumes_of(of.image, of.version)) for of in known},
        versions=versions_in(repository, known),
        states={image: repository.state(image) for image in repository.names()},
        descendants=descendants_in(bench, bench.pool(pool), everyone),
    )


def usage(bench: Bench, everyone: Iterable[Domain], befores: Iterable[Before] = ()) -> Stock:
    """Of a stock the files of this hypervisor, and who uses them: *everyone* that is there, and what was *before*."""
    users: dict[str, set[str]] = {}
    for domain in everyone:
        for path in paths_of(bench, domain):
            users.setdefault(path, set()).add(domain.name)
    for before in befores:
        for disk in domain_of(before.xml, before.state).disks:
            users.setdefault(disk.path or "", set()).add(f"{before.domain} (kept to go back to)")
    files = chains.all_files(bench.hypervisor)
    for path in users:
        if path not in files:
            files.update(chains.chain_of(bench.hypervisor, path))
    return Stock(files=files, users=users)


def spelled_as_in(stock: Stock, pool: Pool) -> Stock:
    """*stock* with the files of *pool* by the paths that the pool gives them as well, where others reach its directory
    through a symbolic link, or it is one. Over a remote connection that cannot be told."""
    if not pool.hypervisor.local:
        return stock
    real = lru_cache(None)(os.path.realpath)

    def spelled(path: str) -> str:
        directory, name = posixpath.split(path)
        return pool.path_of(name) if name and real(directory) == real(pool.path) else path

    users = {path: set(domain_names) for path, domain_names in stock.users.items()}
    for path, domain_names in stock.users.items():
        users.setdefault(spelled(path), set()).update(domain_names)
    files = {
        spelled(path): replace(file, backing=spelled(file.backing)) if file.backing else file
        for path, file in stock.files.items()
    }
    return replace(stock, files={**stock.files, **files}, users=users)


def refuse_needed(bench: Bench, pool: str, of: Lineage, doing: str) -> Stock:
    """Refused where something depends on the files of a version that are to be written anew."""
    stock = stock_of(bench, pool)
    if obstacles := needed(stock, of):
        raise Refused(
            doing,
            f"files of {of.image} {of.version} are there, and something depends on them as they are",
            "Name another version; or bring that one again, as it was, with golden.libvirt.transfer.",
            obstacles=obstacles,
        )
    return stock


def versions_in(repository: Repository, known: Iterable[Lineage]) -> dict[Lineage, Version]:
    """Those that are complete."""
    found = {of: repository.find(of.image, of.version) for of in known}
    return {of: version for of, version in found.items() if version}


def paths_of(bench: Bench, domain: Domain) -> Iterator[str]:
    """The files that a domain has as disks: as it is defined, as it runs, and in its snapshots.

    Of one that somebody removes meanwhile it is those that were read until then.
    """
    yield from disks_of(bench, domain)
    try:
        yield from paths_besides(bench, domain)
    except GoldenError as err:
        if not domains.vanished(err):
            raise


def disks_of(bench: Bench, domain: Domain) -> Iterator[str]:
    yield from filter(None, (chains.file_of(bench.hypervisor, disk) for disk in domain.disks))


def paths_besides(bench: Bench, domain: Domain) -> Iterator[str]:
    hypervisor = bench.hypervisor
    if not domain.off:
        yield from disks_of(bench, domains.read_live(hypervisor, domain.name))
    if domains.has_snapshots(hypervisor, domain.name):
        for snapshot in snapshots.read_all(hypervisor, domain.name):
            yield from (path for disk in snapshot.disks for path in (disk.path, disk.base) if path)
