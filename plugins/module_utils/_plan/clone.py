# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones: what is to be made for each name, in which order."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Domain,
    Holder,
    Identity,
    Made,
    Origin,
    Record,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan import actions
from ansible_collections.golden.libvirt.plugins.module_utils._plan.guest import CustomiseGuest, Guest
from ansible_collections.golden.libvirt.plugins.module_utils._plan.identity import Register
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan
from ansible_collections.golden.libvirt.plugins.module_utils._xml.clone import Machine, clone_xml
from ansible_collections.golden.libvirt.plugins.module_utils._xml.identity import interface_count

# May hold passwords: for the owner alone (and for QEMU's user, whom libvirt gives it to while the clone runs).
SEED_MODE = "0600"


@dataclass(frozen=True)
class Part:
    """A disk (*name* is its target) or the UEFI variables (*name* is nvram) that a clone gets one of."""

    name: str
    path: str
    format: str
    capacity: int


@dataclass(frozen=True)
class Source:
    """What clones are struck from: an *image*'s *version*, or a *domain*. *words* names it in messages.

    *refusal* is why nothing new may be struck from it.
    """

    words: str
    template: str = field(repr=False)
    disks: tuple[Part, ...]
    nvram: Part | None = None
    image: str = ""
    version: str = ""
    domain: str = ""
    first_boot: str = ""
    refusal: GoldenError | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What a task wants, the same for each of its clones. The clones' volumes go into *pool*, at *directory*."""

    source: Source
    channel: str | None
    pool: str
    directory: str
    linked: bool
    machine: Machine
    guest: Guest | None
    start: bool
    wait_for: str
    wait_timeout: int
    created: str
    holder: Holder


@dataclass(frozen=True)
class DefineClone(Action):
    """Define a domain that must not be there yet. As its *uuid* is new, libvirt refuses it where the name is taken."""

    words: ClassVar[str] = "define domain"
    domain: str
    uuid: str = field(repr=False)
    xml: str = field(repr=False)


def plan_clone(
    wanted: Wanted, name: str, there: Domain | None, register: Register, *, volumes: Collection[str], busy: bool
) -> Plan:
    """The plan for the clone *name*, which is *there* in whatever state, or not at all.

    *volumes* are the names in the clones' pool; *busy* says that another run is making this very clone.
    """
    names.check_clone(name)
    if there is None:
        return made(wanted, name, register, volumes)
    origin = there.record.origin
    if origin is None or (origin.image, origin.domain) != (wanted.source.image, wanted.source.domain):
        what = "not a clone" if origin is None else f"a clone of {origin.image or 'domain ' + origin.domain}"
        raise Refused(
            doing(wanted, name), f"there is a domain {name}, which is {what}", "Choose another name, or remove it."
        )
    if busy:
        raise Refused(
            doing(wanted, name),
            f"another run is making it (process {origin.holder.pid} on {origin.holder.host})" if origin.holder else "",
            "Wait for it to end.",
        )
    if origin.complete:
        return kept(wanted, there, origin)
    if not there.off:
        raise Refused(doing(wanted, name), f"it is only half made, and {there.state}", f"'virsh destroy {name}' first.")
    ours = {volume.volume for volume in origin.made if volume.pool == wanted.pool}
    plan = made(wanted, name, register, set(volumes) - ours)
    return replace(plan, actions=(*debris(there, origin, {wanted.pool: volumes}), *plan.actions))


def doing(wanted: Wanted, name: str) -> str:
    return f"cloning {name} from {wanted.source.words}"


def debris(there: Domain, origin: Origin, volumes: Mapping[str, Collection[str]]) -> Iterator[Action]:
    """Remove what a run that was cut off had made. *volumes* are the names in each pool known.

    The domain goes first: of two runs that find it, only one goes on.
    """
    yield actions.UndefineDomain(there.name, there.uuid)
    for volume in origin.made:
        if volume.volume in volumes.get(volume.pool, (volume.volume,)):
            yield actions.DeleteVolume(volume.pool, volume.volume)


def made(wanted: Wanted, name: str, register: Register, volumes: Collection[str]) -> Plan:
    """A new clone: defined first, which finds errors before anything is copied, and marked whole last."""
    source = wanted.source
    if source.refusal:
        raise source.refusal
    parts = {part.name: names.clone_volume(name, part.name, "qcow2") for part in source.disks}
    if source.nvram:
        parts["nvram"] = names.clone_volume(name, "nvram", "fd")
    if wanted.guest and wanted.guest.via == "cloud-init":
        parts["seed"] = names.clone_volume(name, "seed", "iso")
    taken = sorted(set(parts.values()) & set(volumes))
    if taken:
        raise Refused(
            doing(wanted, name),
            f"pool {wanted.pool} has volumes of that name already, which no clone claims: {', '.join(taken)}",
            f"Remove them ('virsh vol-delete NAME {wanted.pool}') if nothing needs them, or choose another name.",
        )
    paths = {part: posixpath.join(wanted.directory, volume) for part, volume in parts.items()}
    identity = register.identity(name, interface_count(source.template))
    identity = replace(identity, nvram=paths.get("nvram"))
    origin = origin_of(wanted, tuple(Made(wanted.pool, volume) for volume in parts.values()))
    incomplete = Record(replace(origin, complete=False, holder=wanted.holder))
    disks = {part.name: paths[part.name] for part in source.disks}
    xml = clone_xml(source.template, identity, incomplete, disks=disks, seed=paths.get("seed"), machine=wanted.machine)
    return Plan(
        item=name,
        actions=(
            DefineClone(name, identity.uuid, xml),
            *storage(wanted, name, identity, parts),
            actions.MarkClone(name, True, identity.uuid, Record(origin)),
            *going(wanted, name, True, origin),
        ),
        after={**facts(name, identity.macs, origin), "state": "running" if wanted.start else "shutoff"},
        result={**facts(name, identity.macs, origin), "outdated": False},
        warnings=source.warnings,
    )


def origin_of(wanted: Wanted, volumes: tuple[Made, ...]) -> Origin:
    source = wanted.source
    return Origin(
        image=source.image,
        version=source.version,
        channel=wanted.channel,
        linked=wanted.linked,
        created=wanted.created,
        made=volumes,
        domain=source.domain,
    )


def storage(wanted: Wanted, name: str, identity: Identity, parts: Mapping[str, str]) -> Iterator[Action]:
    """The clone's volumes: overlays or copies of the disks, its UEFI variables, its seed."""
    pool = wanted.pool
    for part in wanted.source.disks:
        if wanted.linked:
            yield actions.CreateVolume(pool, parts[part.name], part.capacity, "qcow2", part.path, part.format)
        else:
            yield actions.CopyVolume(part.path, pool, parts[part.name], part.capacity)
    nvram = wanted.source.nvram
    if nvram:
        yield actions.CopyVolume(nvram.path, pool, parts["nvram"], nvram.capacity, nvram.format)
    if wanted.guest and "seed" in parts:
        content = wanted.guest.seed(name, identity.uuid)
        yield actions.WriteVolume(pool, parts["seed"], content, mode=SEED_MODE)


def going(wanted: Wanted, name: str, off: bool, origin: Origin) -> Iterator[Action]:
    """Start the clone, wait for its guest, tell it who it is: what of that is asked for and not done yet."""
    if not wanted.start:
        return
    if off:
        yield actions.StartDomain(name)
    if wanted.wait_for != "none":
        yield actions.WaitForGuest(name, wanted.wait_for, wanted.wait_timeout)
    guest = wanted.guest
    if guest and guest.via == "agent" and not origin.customised:
        yield CustomiseGuest(name, guest.name_for(name), guest.ssh_keys, wanted.wait_timeout)
        yield actions.MarkDomain(name, Record(replace(origin, customised=True)))


def kept(wanted: Wanted, there: Domain, origin: Origin) -> Plan:
    """A clone that is whole: never replaced, only told to be outdated; started where that is asked for."""
    shown = facts(there.name, there.macs, origin)
    state = "running" if wanted.start and there.off else there.state
    return Plan(
        item=there.name,
        actions=tuple(going(wanted, there.name, there.off, origin)),
        before={**shown, "state": there.state},
        after={**shown, "state": state},
        result={**shown, "outdated": origin.version != wanted.source.version},
    )


def facts(name: str, macs: tuple[str, ...], origin: Origin) -> dict[str, Any]:
    """What is shown of a clone, the same before and after."""
    return {
        "name": name,
        "macs": list(macs),
        "image": origin.image or None,
        "version": origin.version or None,
        "channel": origin.channel,
        "domain": origin.domain or None,
        "linked": origin.linked,
        "volumes": [{"pool": volume.pool, "name": volume.volume} for volume in origin.made],
    }
