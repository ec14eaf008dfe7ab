# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing clones: exactly what was made for them, and nothing else."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain, Origin, Record
from ansible_collections.golden.libvirt.plugins.module_utils._plan import actions
from ansible_collections.golden.libvirt.plugins.module_utils._plan.clone import facts, family
from ansible_collections.golden.libvirt.plugins.module_utils._plan.leavings import Leavings
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan


@dataclass(frozen=True)
class Kin:
    """What a clone must be of to be removed, where that is said."""

    image: str | None = None
    label: str | None = None


def plan_removal(
    name: str,
    there: Domain | None,
    kin: Kin,
    volumes: Mapping[str, Collection[str]],
    leavings: Leavings,
) -> Plan:
    """Remove the clone *name*. *volumes* are the names in each pool that it has some in, *leavings* what its snapshots
    have put beside them.
    """
    if there is None:
        return Plan(item=name, result={"name": name, "state": "absent"})
    origin, doing = there.record.origin, f"removing clone {name}"
    if origin is None:
        raise Refused(
            doing, f"domain {name} is not a clone", "Name a clone; remove other domains with 'virsh undefine'."
        )
    if (kin.image and origin.image != kin.image) or (kin.label and origin.label != kin.label):
        wanted = ", ".join([*([kin.image] if kin.image else []), *([f"label {kin.label}"] if kin.label else [])])
        raise Refused(doing, f"it is a clone of {family(origin)}, not of {wanted}")
    if is_copy(there, origin, volumes):
        reason = "it says of itself what another one was: it uses none of the volumes that were made, and none is there"
        raise Refused(doing, reason, f"Remove it with 'virsh undefine {name}', if nobody needs it.")
    if not there.persistent:
        advice = f"Define it ('virsh dumpxml {name} --inactive --security-info >FILE', 'virsh define FILE') and go on."
        raise Refused(doing, "it is transient: it would be gone with its power, and its volumes stay", advice)
    if leavings.obstacles:
        raise Refused(doing, "something depends on its volumes", "Remove that first.", obstacles=leavings.obstacles)
    return Plan(
        item=name,
        actions=tuple(steps(there, origin, volumes, leavings)),
        before={**facts(name, there.macs, origin), "state": there.state},
        result={**facts(name, there.macs, origin), "uuid": there.uuid, "state": "absent"},
    )


def is_copy(there: Domain, origin: Origin, volumes: Mapping[str, Collection[str]]) -> bool:
    """Whether somebody has defined the domain from a clone's definition, which is gone, on disks of its own."""
    made = {volume.volume for volume in origin.made}
    used = {posixpath.basename(disk.path) for disk in there.disks if disk.path}
    gone = not any(volume.volume in volumes[volume.pool] for volume in origin.made)
    return origin.complete and bool(made) and bool(used) and gone and made.isdisjoint(used)


def steps(
    there: Domain, origin: Origin, volumes: Mapping[str, Collection[str]], leavings: Leavings
) -> Iterator[Action]:
    """The domain goes last, its snapshots with it: as long as anything is left, it says what."""
    if not there.off:
        yield actions.StopDomain(there.name)
    yield actions.MarkClone(there.name, False, there.uuid, Record(replace(origin, complete=False)))
    for file in leavings.files:
        yield actions.DeleteVolume(file.pool, file.name)
    for volume in origin.made:
        if volume.volume in volumes[volume.pool]:
            yield actions.DeleteVolume(volume.pool, volume.volume)
    yield actions.UndefineDomain(there.name, there.uuid)
