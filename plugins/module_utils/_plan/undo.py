# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone that went to a version: back to what it was before, or settled where it is."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._errors import NotFound, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Before, Domain, Holder, Made
from ansible_collections.golden.libvirt.plugins.module_utils._plan import actions
from ansible_collections.golden.libvirt.plugins.module_utils._plan.before import (
    BEFORE,
    NVRAM,
    CheckDomain,
    Clone,
    KeepBefore,
    dropping,
    files_of,
    holder_of,
    to_come,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.reset import (
    awaiting,
    free_name,
    loss,
    losses,
    made_at,
    power_after,
    put_in_place,
    side,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.revert import RestoreNvram
from ansible_collections.golden.libvirt.plugins.module_utils._xml.clone import Storage, reset_xml
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import domain_of, firmware_files
from ansible_collections.golden.libvirt.plugins.module_utils._xml.snapshot import has_tpm


@dataclass(frozen=True)
class Undo:
    """What is asked for: *power* is keep (as it was then), running, shutoff or paused; the rest as in Reset."""

    power: str
    force: bool
    generation: str = field(repr=False)
    waiting: tuple[str, int] = ("none", 0)
    holder: Holder | None = None


def plan_undo(undo: Undo, clone: Clone) -> Plan:
    """The clone as it was defined then, on the disks that were kept; those that took their place deleted last.

    Where a run was cut off in that, it is done again: what is left of it is found by the record, which goes last.
    """
    domain = clone.domain
    doing = f"bringing {domain.name} back to what it was before"
    if not clone.befores:
        advice = "Say 'undo_for' when it goes to a version; then that is kept for so long."
        raise NotFound(doing, "nothing is kept of what it was", advice)
    before = clone.befores[-1]
    then = domain_of(before.xml, before.state)
    found = tuple(obstacles(undo, clone, before, then))
    if found:
        raise Refused(doing, "it cannot be done", "Mend this, or use 'force' where that is said.", obstacles=found)
    was = then.record.origin or clone.origin
    stay, gone = sorted_out(clone, before, then)
    final = replace(was, made=stay, holder=None)
    between = replace(final, made=(*stay, before.record, *gone), holder=undo.holder)
    power = power_after(undo.power, before.state)
    xml = reset_xml(then.xml, replace(then.record, origin=between), Storage(), nvram=None, generation=undo.generation)
    disks = {part: path for part, path in files_of(domain).items() if part in before.replaced}
    lost = [loss(clone, part, path) for part, path in disks.items() if path != before.replaced[part] and part != NVRAM]
    marked = replace(clone.origin, made=between.made, holder=undo.holder)
    return Plan(
        item=domain.name,
        actions=(
            CheckDomain(domain.name, domain, holder_of(domain)),
            actions.MarkDomain(domain.name, replace(domain.record, origin=marked)),
            *([] if domain.off else [actions.StopDomain(domain.name)]),
            *restoring(clone, before, then),
            actions.DefineDomain(domain.name, xml),
            *put_in_place(clone, power, replace(then.record, origin=between), stay),
            *(actions.DeleteVolume(made.pool, made.volume) for made in gone if made.volume in clone.taken),
            actions.MarkDomain(domain.name, replace(then.record, origin=final)),
            actions.DeleteVolume(before.record.pool, before.record.volume),
            *awaiting(domain.name, power, undo.waiting),
        ),
        before=side(clone.origin.version, disks, domain.state, lost),
        after=side(was.version, before.replaced, power, []),
        result={
            "image": was.image,
            "version": was.version,
            "previous_version": clone.origin.version,
            "power": power,
            "discarded": lost,
            "kept": [],
            "kept_until": None,
            "left": list(left(clone, before, then)),
        },
        warnings=tuple(
            [f"{domain.name}: the state of its TPM stays as it is now."] if has_tpm(then.xml) else [],
        ),
    )


def obstacles(undo: Undo, clone: Clone, before: Before, then: Domain) -> Iterator[str]:
    """Why it cannot be what it was, or not without losing what nobody said may be lost."""
    yield from losses(clone, undo.force)
    if then.name != clone.domain.name:
        yield f"it was called {then.name} then: 'virsh domrename {clone.domain.name} {then.name}' first"
    needed = {*before.volumes, *([before.variables] if before.variables else [])}
    # Its variables were not there then if nothing is kept of them: libvirt makes them at the first start.
    without = set() if before.variables else {then.firmware.nvram}
    origin = then.record.origin
    for made in origin.made if origin else ():
        if any(posixpath.basename(path) == made.volume for path in needs(then) - without):
            needed.add(made)
    for volume in sorted(made.volume for made in needed if made.volume not in clone.taken):
        yield f"{volume} is not there any more"


def needs(then: Domain) -> set[str]:
    return {*files_of(then).values(), *firmware_files(then.xml)}


def sorted_out(clone: Clone, before: Before, then: Domain) -> tuple[tuple[Made, ...], tuple[Made, ...]]:
    """Of what was made for the clone, what it uses when it is what it was (and what else is kept), and what goes."""
    used = made_at(clone, needs(then)) + to_come(clone, then.record.origin or clone.origin, then.firmware.nvram)
    others = [made for other in clone.lasting if other != before for made in other.all]
    stay = {*used, *others, *before.volumes}
    made = dict.fromkeys((*clone.made, *used, *before.successors))
    return (
        tuple(one for one in made if one in stay),
        tuple(one for one in made if one not in stay and one != before.record),
    )


def restoring(clone: Clone, before: Before, then: Domain) -> Iterator[Action]:
    """The UEFI variables as they were, where their file was gone on with."""
    path = then.firmware.nvram
    if path and NVRAM not in before.replaced:
        places = {Made(volume.pool, volume.name): place for place, volume in clone.volumes.items()}
        yield RestoreNvram(path, places[before.variables] if before.variables else None)


def left(clone: Clone, before: Before, then: Domain) -> Iterator[str]:
    """Files that the clone uses now, did not use then, and that were not made for it or its snapshots."""
    ours = {*clone.volumes, *(file.path for file in clone.leavings.files), *files_of(then).values()}
    yield from (path for part, path in files_of(clone.domain).items() if path not in ours and part != NVRAM)


def plan_settling(clone: Clone, until: str | None, *, begun: bool = False) -> Plan:
    """The clone stays what it is: what is kept of what it was goes, or gets an end (*until*) where it has none yet.

    Where only what was *begun* is settled, what somebody keeps for a time of its own stays as it is.
    """
    staying = [before for before in clone.lasting if until or (begun and not before.open)]
    endless = [before for before in staying if before.until is None and (before.open or not begun)]
    renewed = tuple(ending(clone, endless, until))
    there = [*(before for before in staying if before not in endless), *renewed]
    plan = plan_parting(clone, [before for before in clone.befores if before not in staying], endless, renewed)
    origin = clone.origin
    return replace(
        plan,
        result={
            "image": origin.image,
            "version": origin.version,
            "previous_version": origin.version,
            "power": power_after("keep", clone.domain.state),
            "discarded": [],
            "kept": [kept for before in there for kept in what_of(clone, before)],
            "kept_until": there[-1].until if there else None,
            "left": [],
        },
    )


def ending(clone: Clone, endless: Sequence[Before], until: str | None) -> Iterator[Before]:
    """What has no end, with one, each in a record of its own."""
    for before in endless:
        record = Made(before.record.pool, free_name(clone, BEFORE, "json"))
        clone = replace(clone, taken={*clone.taken, record.volume})
        yield replace(before, record=record, until=until, open=False)


def plan_parting(
    clone: Clone, gone: Sequence[Before], replaced: Sequence[Before] = (), renewed: Sequence[Before] = ()
) -> Plan:
    """Remove what is kept for those that are *gone*. The records of those *replaced* go when the *renewed* are there.

    What came before in the clone's list of what was made for it is what a run that is cut off leaves to the next one.
    """
    domain = clone.domain
    staying = [*(before for before in clone.befores if before not in gone), *renewed]
    deletions = [
        *dropping(clone, gone, staying),
        *(actions.DeleteVolume(before.record.pool, before.record.volume) for before in replaced),
    ]
    goes = {Made(action.pool, action.volume) for action in deletions}
    records = tuple(before.record for before in renewed)
    now = (*(made for made in clone.made if made.volume in clone.taken), *records)
    then = tuple(made for made in now if made not in goes)
    steps = (
        *([CheckDomain(domain.name, domain, holder_of(domain))] if renewed or deletions else []),
        *([mark(clone, now)] if renewed else []),
        *(KeepBefore(domain.name, before.record.pool, before.record.volume, before) for before in renewed),
        *deletions,
        *([mark(clone, then)] if deletions or clone.interrupted else []),
    )
    return Plan(
        item=domain.name,
        actions=steps,
        before={"kept": [kept for before in clone.befores for kept in what_of(clone, before)]} if steps else {},
        after={"kept": [kept for before in staying for kept in what_of(clone, before)]} if steps else {},
    )


def mark(clone: Clone, made: tuple[Made, ...]) -> actions.MarkDomain:
    """Say what was *made* for it, and that no run is on its way with it any more."""
    origin = replace(clone.origin, made=made, holder=None)
    return actions.MarkDomain(clone.domain.name, replace(clone.domain.record, origin=origin))


def what_of(clone: Clone, before: Before) -> list[dict[str, Any]]:
    """The disks that are kept of what a clone was."""
    return [loss(clone, part, path) for part, path in before.replaced.items() if part != NVRAM]
