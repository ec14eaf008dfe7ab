# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb transfer: versions from the pool of another hypervisor into this one's."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.carrying import carry
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder, manifest
from ansible_collections.golden.libvirt.plugins.module_utils._image.claims import Claims
from ansible_collections.golden.libvirt.plugins.module_utils._model import VersionDisk, VersionNvram
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.states import refuse_revoked
from ansible_collections.golden.libvirt.plugins.module_utils._plan.transfer import BringVersion, plan_transfer
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params, Planned, Verb, guarded
from ansible_collections.golden.libvirt.plugins.module_utils._run.trust import refusal, signers_in
from ansible_collections.golden.libvirt.plugins.module_utils._xml.volume import FROZEN, new_volume


def plan(bench: Bench, params: Params) -> Sequence[Planned]:
    """One plan per version."""
    image, pool, source = names.check_image(params["image"]), params["image_pool"], params["from_pool"]
    signers = signers_in(params)
    with Hypervisor(params["from_uri"]) as far:
        origin = Bench(far).repository(source or pool)
        asked = [origin.resolve(image, name) for name in params["versions"]]
        wanted = {f"{image} {version.version}": version for version in asked}
        state = origin.state(image)
        untrusted = {item: refusal(bench, signers, origin, of, f"bringing {item}") for item, of in wanted.items()}
    here = bench.repository(pool)

    def one(item: str) -> Plan:
        version = wanted[item]
        refuse_revoked(f"bringing {item}", version.version, state)
        if error := untrusted[item]:
            raise error
        there = here.find(image, version.version)
        return plan_transfer(
            version, there, origin=params["from_uri"], source=source or pool, pool=pool, protect=params["protect"]
        )

    return guarded(list(wanted), one)


@perform.register
def bring_version(action: BringVersion, bench: Bench) -> Undo:
    """What has arrived stays when this fails: the next run goes on there."""
    pool, version = bench.pool(action.pool), action.manifest
    claims = Claims(pool, action.image, holder.this_process())
    claims.take(action.version, len(manifest.bytes_of(version)))
    try:
        with Hypervisor(action.origin) as far:
            source = Bench(far).pool(action.source)
            for part in version.parts:
                pool.unprotect(part.volume)  # of a version whose manifest was lost
                arrive(source, pool, part)
        claims.commit(version, protect=action.protect)
    except BaseException:
        claims.release(action.version)
        raise
    return None


def arrive(source: Pool, pool: Pool, part: VersionDisk | VersionNvram) -> None:
    """Bring one volume and see that it arrived as it was promoted. What an earlier run left and does not fit goes."""
    for begun in (pool.find(part.volume), None):
        if begun is None:
            pool.delete(part.volume)
            pool.create(new_volume(part.volume, 0, "raw", mode=FROZEN), part.volume)
        there = begun.size if begun else 0
        if there <= part.size:
            carry(source, pool, part.volume, there)
        pool.refresh()
        if pool.read(part.volume).size == part.size and pool.sha256(part.volume) == part.sha256:
            pool.flush(part.volume)
            return
    pool.delete(part.volume)
    raise GoldenError(
        f"bringing volume {part.volume} from {source.hypervisor.uri}",
        "what arrived is not what was promoted",
        "See whether it is damaged there: golden.libvirt.image_info with 'verify: true'.",
    )


TRANSFER = Verb("versions", plan)
