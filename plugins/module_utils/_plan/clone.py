# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones: what is to be made for each name, in which order."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Domain,
    Holder,
    Limits,
    Made,
    Origin,
    Record,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan import actions
from ansible_collections.golden.libvirt.plugins.module_utils._plan.guest import (
    CustomiseGuest,
    Guest,
    told_offline,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.identity import Register
from ansible_collections.golden.libvirt.plugins.module_utils._plan.parts import (
    CopyTpm,
    Part,
    Piece,
    Recipe,
    disk_pieces,
    live_copies,
    obstacles_to,
    secret_piece,
    storage_of,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.seeding import SEED, reseeding, unseeded
from ansible_collections.golden.libvirt.plugins.module_utils._xml.clone import Machine, clone_xml
from ansible_collections.golden.libvirt.plugins.module_utils._xml.identity import interface_count

UNTITLED = re.compile("[\\x00-\\x08\\x0a-\\x1f\\ud800-\\udfff\\ufffe\\uffff]")


@dataclass(frozen=True)
class Source:
    """What clones are struck from: an *image*'s *version*, or a *domain*. *words* names it in messages.

    *live* says that it runs. *refusal* is why nothing new may be struck from it, *obstacles* what two machines cannot
    share of it, *tpm* the directory of its TPM's state where that is to be copied.
    """

    words: str
    template: str = field(repr=False)
    disks: tuple[Part, ...]
    nvram: Part | None = None
    image: str = ""
    version: str = ""
    domain: str = ""
    live: bool = False
    tpm: str = ""
    first_boot: str = ""
    refusal: GoldenError | None = None
    obstacles: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What a task wants of one clone."""

    source: Source
    recipe: Recipe
    limits: Limits
    channel: str | None
    label: str
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
    wanted: Wanted,
    name: str,
    there: Domain | None,
    register: Register,
    *,
    volumes: Mapping[str, Collection[str]],
    busy: bool,
    seed: bytes | None = None,
) -> Plan:
    """The plan for the clone *name*, which is *there* in whatever state, or not at all.

    *volumes* are the names in each pool that it gets volumes in; *busy* says that another run is making this very
    clone, or reverting it, *seed* what is in its seed.
    """
    if there is None:
        return made(wanted, name, register, volumes)
    origin = there.record.origin
    if origin is None or not stems_from(origin, wanted):
        what = "not a clone" if origin is None else f"a clone of {family(origin)}"
        raise Refused(
            doing(wanted, name), f"there is a domain {name}, which is {what}", "Choose another name, or remove it."
        )
    if busy:
        raise Refused(
            doing(wanted, name),
            f"another run is {occupied(origin)}",
            "Wait for it to end.",
        )
    if origin.complete:
        return kept(wanted, there, origin, seed)
    if not there.off:
        raise Refused(doing(wanted, name), f"it is only half made, and {there.state}", f"'virsh destroy {name}' first.")
    ours = {(volume.pool, volume.volume) for volume in origin.made}
    others = {pool: {name for name in there if (pool, name) not in ours} for pool, there in volumes.items()}
    plan = made(wanted, name, register, others)
    return replace(plan, actions=(*debris(there, origin, volumes), *plan.actions))


def stems_from(origin: Origin, wanted: Wanted) -> bool:
    """Whether a clone is of the image (or domain) and of the group that are asked for; one of no group may join."""
    source = wanted.source
    same = (origin.image, origin.domain) == (source.image, source.domain)
    return same and (not origin.label or not wanted.label or origin.label == wanted.label)


def family(origin: Origin) -> str:
    """What a clone was struck from and its group, in words."""
    return (origin.image or f"domain {origin.domain}") + (f", label {origin.label}" if origin.label else "")


def occupied(origin: Origin) -> str:
    """What the run that holds a clone does, and which one it is, in words."""
    who = f" (process {origin.holder.pid} on {origin.holder.host})" if origin.holder else ""
    return f"{'reverting' if origin.complete else 'making'} it{who}"


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


def made(wanted: Wanted, name: str, register: Register, volumes: Mapping[str, Collection[str]]) -> Plan:
    """A new clone: defined first, which finds errors before anything is copied, and marked whole last."""
    refuse_unsuitable(wanted, name)
    source = wanted.source
    identity = register.identity(name, interface_count(source.template))
    disks = {piece.part: piece for piece in disk_pieces(wanted.recipe, name)}
    seed, secrets = guest_pieces(wanted, name, identity.uuid)
    pieces = [*disks.values(), *([seed] if seed else []), *secrets.values()]
    refuse_taken(wanted, name, pieces, volumes)
    identity = replace(identity, nvram=disks["nvram"].path if "nvram" in disks else None)
    origin = origin_of(wanted, name, tuple(piece.made for piece in pieces))
    incomplete = Record(replace(origin, complete=False, holder=wanted.holder))
    offline = told_offline(wanted.guest, name, identity.uuid, xml=source.template)
    storage = storage_of(wanted.recipe, disks, seed, secrets)
    xml = clone_xml(source.template, identity, incomplete, storage, wanted.machine)
    return Plan(
        item=name,
        actions=(
            DefineClone(name, identity.uuid, xml),
            *(action for piece in pieces for action in piece.actions),
            *(live_copies(source.domain, wanted.recipe, disks) if source.live else []),
            *([CopyTpm(name, source.domain, source.tpm, identity.uuid)] if source.tpm else []),
            *offline,
            actions.MarkClone(name, True, identity.uuid, Record(origin)),
            *going(wanted, name, True, origin),
        ),
        after={**facts(name, identity.macs, origin), "state": "running" if wanted.start else "shutoff"},
        result={**facts(name, identity.macs, origin), "outdated": False, "state": "present"},
        warnings=source.warnings,
    )


def refuse_unsuitable(wanted: Wanted, name: str) -> None:
    """Raise where the source allows no clones, or not such ones."""
    source = wanted.source
    if source.refusal:
        raise source.refusal
    if source.obstacles:
        advice = "Say of each kind in 'sharing' whether to keep or drop it, or mend the domain that clones are made of."
        raise Refused(
            f"cloning from {source.words}", "two machines cannot share what it has", advice, obstacles=source.obstacles
        )
    found = (*obstacles_to(wanted.recipe, source.words, bool(source.image)), *beyond(wanted.limits, wanted.machine))
    if found:
        raise Refused(doing(wanted, name), "it cannot be as it was asked for", "Ask for another.", obstacles=found)


def beyond(limits: Limits, machine: Machine) -> Iterator[str]:
    """What of *machine* the hypervisor cannot give."""
    if machine.memory is not None and not 0 < machine.memory <= limits.memory:
        yield f"it cannot have {machine.memory} MiB of memory: the hypervisor has {limits.memory}"
    if machine.vcpus is not None and not 0 < machine.vcpus <= limits.vcpus:
        yield f"it cannot have {machine.vcpus} processors: a machine of its type takes {limits.vcpus}"
    if UNTITLED.search(machine.title or ""):
        yield "its title has more than one line, or characters that no XML can have"
    for network in machine.networks:
        if network not in limits.networks:
            yield f"there is no network {network} (there: {', '.join(sorted(limits.networks)) or 'none'})"


def refuse_taken(wanted: Wanted, name: str, pieces: Collection[Piece], volumes: Mapping[str, Collection[str]]) -> None:
    """Raise where volumes of the clone's names are there, which are somebody else's."""
    taken = [piece.made for piece in pieces if piece.volume in volumes.get(piece.place.pool, ())]
    if taken:
        raise Refused(
            doing(wanted, name),
            f"pool {taken[0].pool} has volumes of that name already, which are no clone's of that name: "
            + ", ".join(sorted(volume.volume for volume in taken)),
            "A clone that was renamed goes on using them. Choose another name, or remove them "
            f"('virsh vol-delete NAME {taken[0].pool}') if nothing needs them.",
        )


def guest_pieces(wanted: Wanted, name: str, uuid: str) -> tuple[Piece | None, dict[str, Piece]]:
    """The seed and the files of credentials, where the guest is told things by them."""
    guest, place = wanted.guest, wanted.recipe.place
    if guest is None:
        return None, {}
    seed = None
    if guest.via == "cloud-init" and guest.seeded:
        seed = secret_piece(place, name, *SEED, guest.seed(name, uuid))
    files = {
        credential: secret_piece(place, name, f"credential-{credential}", "bin", content.encode())
        for credential, content in guest.secrets(name).items()
    }
    return seed, files


def origin_of(wanted: Wanted, name: str, volumes: tuple[Made, ...]) -> Origin:
    source, recipe = wanted.source, wanted.recipe
    told = wanted.guest if wanted.guest and wanted.guest.via == "offline" else None
    return Origin(
        image=source.image,
        version=source.version,
        channel=wanted.channel,
        linked=recipe.depends,
        created=wanted.created,
        made=volumes,
        domain=source.domain,
        label=wanted.label,
        customised=bool(told),
        hostname=told.name_for(name) if told else "",
        skipped=tuple(part.name for part in recipe.used("skip")),
        shared=tuple(part.name for part in recipe.used("share")),
    )


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
        told = replace(origin, customised=True, hostname=guest.name_for(name))
        yield actions.MarkDomain(name, Record(told))


def kept(wanted: Wanted, there: Domain, origin: Origin, seed: bytes | None) -> Plan:
    """A clone that is whole: never replaced, only told to be outdated; started where that is asked for."""
    telling = () if origin.customised else told_offline(wanted.guest, there.name, there.uuid, xml=there.xml)
    if telling and not there.off:
        advice = "Shut it down and run this again, or say 'via: agent'."
        raise Refused(doing(wanted, there.name), f"it is {there.state}, and was not told offline yet", advice)
    labelled = replace(origin, label=wanted.label or origin.label)
    if telling and wanted.guest:
        labelled = replace(labelled, customised=True, hostname=wanted.guest.name_for(there.name))
    seeding = tuple(reseeding(wanted.guest, there, labelled, seed))
    joining = [actions.MarkDomain(there.name, replace(there.record, origin=labelled))] if labelled != origin else []
    final = unseeded(wanted.guest, labelled)
    shown = facts(there.name, there.macs, final)
    state = "running" if wanted.start and there.off else there.state
    return Plan(
        item=there.name,
        actions=(*telling, *joining, *seeding, *going(wanted, there.name, there.off, final)),
        before={**facts(there.name, there.macs, origin), "state": there.state},
        after={**shown, "state": state},
        result={**shown, "outdated": origin.version != wanted.source.version, "state": "present"},
    )


def facts(name: str, macs: tuple[str, ...], origin: Origin) -> dict[str, Any]:
    """What is shown of a clone, the same before and after."""
    return {
        "name": name,
        "macs": list(macs),
        "image": origin.image or None,
        "version": origin.version or None,
        "channel": origin.channel,
        "label": origin.label or None,
        "domain": origin.domain or None,
        "linked": origin.linked,
        "volumes": [{"pool": volume.pool, "name": volume.volume} for volume in origin.made],
    }
