# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading all that a decision about deleting versions needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains
from ansible_collections.golden.libvirt.plugins.module_utils._image.repository import Repository
from ansible_collections.golden.libvirt.plugins.module_utils._model import Before, Lineage, Version
from ansible_collections.golden.libvirt.plugins.module_utils._plan.dependants import Stock, needed
from ansible_collections.golden.libvirt.plugins.module_utils._run.before import befores_by_domain
from ansible_collections.golden.libvirt.plugins.module_utils._run.image_info import descendants_in
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.usage import spelled_as_in, usage_of


def stock_of(bench: Bench, pool: str, leaving: Sequence[Before] = ()) -> Stock:
    """What *pool* holds, and who on this hypervisor uses its files, whatever made them.

    What was kept of clones to go back to counts as well, but not what is *leaving*; its files are there as yet.
    """
    repository = bench.repository(pool)
    known = [Lineage(image, version) for image in repository.names() for version in repository.versions(image)]
    everyone = domains.read_all(bench.hypervisor)
    kept = befores_by_domain(bench, everyone, pool).values()
    lasting = [before for befores in kept for before in befores if before not in leaving]
    used = spelled_as_in(usage_of(bench.hypervisor, everyone, lasting), bench.pool(pool))
    return Stock(
        files=used.files,
        users=used.users,
        directory=bench.pool(pool).path,
        volumes={of: tuple(repository.volumes_of(of.image, of.version)) for of in known},
        versions=versions_in(repository, known),
        states={image: repository.state(image) for image in repository.names()},
        descendants=descendants_in(bench, bench.pool(pool), everyone),
    )


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
