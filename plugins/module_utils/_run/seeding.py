# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and changing the seeds of clones that are there."""

from __future__ import annotations

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain
from ansible_collections.golden.libvirt.plugins.module_utils._plan.actions import WriteVolume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.guest import Guest
from ansible_collections.golden.libvirt.plugins.module_utils._plan.seeding import (
    DetachSeed,
    RewriteVolume,
    seed_volume,
)
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform


def content_of(bench: Bench, guest: Guest | None, there: Domain | None) -> bytes | None:
    """What is in the seed of a clone, where that matters and it is there."""
    origin = there.record.origin if there else None
    if there is None or origin is None or guest is None or not guest.said:
        return None
    seed = seed_volume(origin)
    pool = bench.pool(seed.pool) if seed else None
    return pool.download(seed.volume) if seed and pool and pool.find(seed.volume) else None


@perform.register
def rewrite_volume(action: RewriteVolume, bench: Bench) -> Undo:
    """The old volume goes first, so that a run which is killed leaves none: the next one writes it again."""
    pool = bench.pool(action.pool)
    old = pool.download(action.volume) if pool.find(action.volume) else None

    def write(content: bytes) -> None:
        pool.delete(action.volume)
        perform(WriteVolume(action.pool, action.volume, content, action.mode), bench)

    write(action.content)
    return lambda: write(old) if old is not None else pool.delete(action.volume)


@perform.register
def detach_seed(action: DetachSeed, bench: Bench) -> Undo:
    return domains.detach_seed(bench.hypervisor, action.domain)
