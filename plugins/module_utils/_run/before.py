# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of what clones were before they went to a version: writing them, and finding them again.

They are volumes beside the clones' disks, so that a definition that has lost its metadata does not lose them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, NotFound
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._image.documents import content_of, document
from ansible_collections.golden.libvirt.plugins.module_utils._model import Before, Domain, Made
from ansible_collections.golden.libvirt.plugins.module_utils._plan.actions import WriteVolume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.before import KeepBefore
from ansible_collections.golden.libvirt.plugins.module_utils._plan.parts import SECRET_MODE
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform

KIND = "before"


@perform.register
def keep_before(action: KeepBefore, bench: Bench) -> Undo:
    # The definition in it may hold a console's password.
    return perform(WriteVolume(action.pool, action.volume, bytes_of(action.before), SECRET_MODE), bench)


def bytes_of(before: Before) -> bytes:
    """The record's content."""
    return document(
        KIND,
        {
            "domain": before.domain,
            "uuid": before.uuid,
            "created": before.created,
            "until": before.until,
            "state": before.state,
            "xml": before.xml,
            "volumes": [pair(made) for made in before.volumes],
            "replaced": dict(before.replaced),
            "successors": [pair(made) for made in before.successors],
            "variables": pair(before.variables) if before.variables else None,
            "open": before.open,
        },
    )


def pair(made: Made) -> list[str]:
    return [made.pool, made.volume]


def before_from(record: Made, said: Mapping[str, Any]) -> Before:
    return Before(
        record=record,
        domain=said["domain"],
        uuid=said["uuid"],
        created=said["created"],
        until=said["until"],
        state=said["state"],
        xml=said["xml"],
        volumes=tuple(Made(*made) for made in said["volumes"]),
        replaced=said["replaced"],
        successors=tuple(Made(*made) for made in said["successors"]),
        variables=Made(*said["variables"]) if said["variables"] else None,
        open=said.get("open", False),
    )


def befores_in(pool: Pool) -> list[Before]:
    """What the records in a pool say; one that is not whole says nothing."""
    found = []
    for name in filter(names.BEFORE.fullmatch, pool.names()):
        with suppress(NotFound):  # it was removed meanwhile
            said = content_of(KIND, pool.download(name))
            found += [before_from(Made(pool.name, name), said)] if said else []
    return found


def befores_by_domain(bench: Bench, domains: Iterable[Domain], image_pool: str) -> dict[str, list[Before]]:
    """What is kept of each of *domains*, by UUID, the newest last: in the pools of images and of clones.

    Where a run that settled one was cut off, it is there twice; the open one is the newer, and still to be settled.
    """
    there = list(domains)
    origins = [domain.record.origin for domain in there if domain.record.origin]
    found: dict[str, list[Before]] = {domain.uuid: [] for domain in there}
    for name in dict.fromkeys([image_pool, *(made.pool for origin in origins for made in origin.made)]):
        try:
            pool = bench.pool(name)
        except GoldenError:  # somebody else's clone may say that it is in a pool that is gone
            continue
        for before in befores_in(pool):
            found.get(before.uuid, []).append(before)
    return {uuid: sorted(befores, key=lambda before: (before.created, before.open)) for uuid, befores in found.items()}
