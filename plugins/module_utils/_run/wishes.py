# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of each of its clones: the task's options, and those of the clone's own where it has some."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains, offline, volumes
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder
from ansible_collections.golden.libvirt.plugins.module_utils._plan.clone import Source, Wanted
from ansible_collections.golden.libvirt.plugins.module_utils._plan.guest import guest_for, refuse_equal_names
from ansible_collections.golden.libvirt.plugins.module_utils._plan.parts import Choice, Place, Recipe
from ansible_collections.golden.libvirt.plugins.module_utils._run import source
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params
from ansible_collections.golden.libvirt.plugins.module_utils._run.trust import signers_in
from ansible_collections.golden.libvirt.plugins.module_utils._xml.clone import Machine
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import keeps_variables

DOING = "reading what the clones shall be"
# The most bytes that libvirt's functions take.
MOST = 2**63 - 1


def asked_for(params: Params) -> dict[str, Params]:
    """The options of each clone by its name, patterns written out, in the order asked for."""
    asked: dict[str, Params] = {}
    for name in params["names"]:
        asked.update((one, params) for one in names.expanded(name))
    for item in params["clones"]:
        own = {option: value for option, value in item.items() if option != "name" and value is not None}
        for name in names.expanded(item["name"]):
            if name in asked:
                raise Refused(DOING, f"{name} is asked for twice", "Name each clone once in 'names' and 'clones'.")
            asked[name] = {**params, **own, "customise": customise(params["customise"], own.get("customise"))}
    return asked


def customise(general: Mapping[str, Any] | None, own: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What all guests are told, and what is this one's own."""
    if own is None:
        return general
    said = {name: value for name, value in own.items() if value is not None}
    return {"via": "auto", **(general or {}), **said}


class Wishes:
    """Reads, once for all clones of a task, what they are struck from and what the hypervisor has."""

    def __init__(self, bench: Bench, params: Params, asked: Mapping[str, Params]) -> None:
        self.bench = bench
        self.params = params
        self.source = source_for(bench, params)
        self.limits = domains.limits(bench.hypervisor, self.source.template)
        self.created, self.holder = holder.now(), holder.this_process()
        self.wanted: dict[str, Wanted | GoldenError] = {}
        for name, options in asked.items():
            try:
                names.check_clone(name)
                self.wanted[name] = self.wanted_for(options)
            except GoldenError as err:
                if len(asked) == 1 or options is params:
                    raise
                self.wanted[name] = err
        found = {name: wanted for name, wanted in self.wanted.items() if isinstance(wanted, Wanted)}
        refuse_equal_names({name: wanted.guest for name, wanted in found.items() if wanted.guest})

    def of(self, name: str) -> Wanted:
        """What is wanted of the clone *name*."""
        found = self.wanted[name]
        if isinstance(found, GoldenError):
            raise found
        return found

    @property
    def pools(self) -> frozenset[str]:
        """The pools that the clones get volumes in."""
        wanted = [of for of in self.wanted.values() if isinstance(of, Wanted)]
        places = [choice.place for of in wanted for choice in of.recipe.choices.values()]
        general = self.params["pool"] or self.params["image_pool"]
        return frozenset([general, *(place.pool for place in (*places, *(of.recipe.place for of in wanted)) if place)])

    def wanted_for(self, options: Params) -> Wanted:
        found = self.source
        return Wanted(
            source=found,
            recipe=Recipe(
                place=self.place(options["pool"] or self.params["image_pool"]),
                linked=options["linked"] and not found.domain,
                disks=found.disks,
                live=found.live,
                nvram=found.nvram if self.params["nvram"] == "copy" else None,
                fresh=keeps_variables(found.template),
                choices=self.choices(options["disks"]),
            ),
            limits=self.limits,
            channel=self.params["channel"],
            label=names.check_label(self.params["label"]) if self.params["label"] else "",
            machine=Machine(options["memory"], options["vcpus"], options["title"], tuple(options["networks"])),
            guest=guest_for(options["customise"], found.first_boot, options["start"], self.no_offline),
            start=options["start"],
            wait_for=self.params["wait_for"],
            wait_timeout=self.params["wait_timeout"],
            created=self.created,
            holder=self.holder,
        )

    def no_offline(self) -> str:
        """Why guests cannot be told anything offline here, if so."""
        return offline.hindrance(self.bench.hypervisor)

    def choices(self, disks: Sequence[Mapping[str, Any]]) -> dict[str, Choice]:
        """What is wanted of each disk, by its target."""
        targets = [disk["target"] for disk in disks]
        twice = sorted({target for target in targets if targets.count(target) > 1})
        if twice:
            raise Refused(DOING, f"'disks' names {', '.join(twice)} more than once", "Name each disk once.")
        return {disk["target"]: self.choice(disk) for disk in disks}

    def choice(self, disk: Mapping[str, Any]) -> Choice:
        """One entry of 'disks'."""
        return Choice(
            use=disk["use"],
            size=size_of(disk["size"]) if disk["size"] else None,
            linked=disk["linked"],
            place=self.place(disk["pool"]) if disk["pool"] else None,
        )

    def place(self, name: str) -> Place:
        pool = self.bench.pool(name)
        if pool.type not in volumes.DIRECTORIES:
            raise Refused(
                f"cloning from {self.source.words}",
                f"pool {pool.name} is of type {pool.type}, which holds no qcow2 files",
                f"Name a pool of type {', '.join(volumes.DIRECTORIES)} in 'pool'.",
            )
        return Place(pool.name, pool.path)


def source_for(bench: Bench, params: Params) -> Source:
    """What the clones are struck from."""
    sharing = {kind: choice for kind, choice in (params["sharing"] or {}).items() if choice}
    copied = params["tpm"] == "copy"
    if params["domain"]:
        return source.of_domain(bench, params["domain"], params["snapshot"], sharing=sharing, tpm_copied=copied)
    return source.of_version(
        bench,
        params["image_pool"],
        params["image"],
        params["version"],
        params["channel"],
        sharing=sharing,
        signers=signers_in(params),
        tpm_copied=copied,
    )


def size_of(text: str) -> int:
    """Bytes, of a number with a unit of 1024 (``40G``) or without."""
    try:
        size = int(human_to_bytes(text))
    except ValueError as err:
        raise Refused(DOING, f"{text!r} is no size", "Write such as 40G or 512M.") from err
    if size > MOST:
        raise Refused(DOING, f"no disk can have {text}", "Ask for less.")
    return size


def pools_of(wishes: Wishes, bench: Bench) -> dict[str, Collection[str]]:
    """The names of the volumes in each pool that the clones get some in."""
    return {name: frozenset(bench.pool(name).names()) for name in sorted(wishes.pools)}
