# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone's XML, put together from its source's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._model import Identity, Record
from ansible_collections.golden.libvirt.plugins.module_utils._xml import hardware
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import point_disk
from ansible_collections.golden.libvirt.plugins.module_utils._xml.identity import firmware_variables, give_identity
from ansible_collections.golden.libvirt.plugins.module_utils._xml.metadata import with_record
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import (
    Element,
    attribute,
    etree,
    need,
    parse,
    text_of,
)


@dataclass(frozen=True)
class Machine:
    """In what a clone's machine differs from its source's. *memory* in MiB; None leaves it as it is.

    *networks* are libvirt's, for the interfaces in their order; those beyond stay as they are.
    """

    memory: int | None = None
    vcpus: int | None = None
    title: str | None = None
    networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Storage:
    """What a clone's disks are: *own* qcow2 files and those *shared*, read-only, with others ({target: path} and
    {target: (path, format)}), the source's disks that it has not (*skipped*), the *seed* image, and the files of
    *credentials* by name."""

    own: Mapping[str, str] = field(default_factory=dict)
    shared: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    skipped: Collection[str] = ()
    seed: str | None = None
    credentials: Mapping[str, str] = field(default_factory=dict)


def clone_xml(template: str, identity: Identity, record: Record, storage: Storage, machine: Machine) -> str:
    """The XML of a clone."""
    root = parse(template)
    give_identity(root, identity)
    place_disks(root, storage)
    if storage.seed:
        hardware.add_seed(root, storage.seed)
    if storage.credentials:
        hardware.set_credentials(root, storage.credentials)
    if machine.memory:
        hardware.set_memory(root, machine.memory)
    if machine.vcpus:
        hardware.set_vcpus(root, machine.vcpus)
    if machine.title:
        hardware.set_title(root, machine.title)
    hardware.set_networks(root, machine.networks)
    with_record(root, record)
    return text_of(root)


def place_disks(root: Element, storage: Storage) -> None:
    """Let the disks use the clone's files."""
    missing = {*storage.own, *storage.shared}
    for disk in root.findall("devices/disk"):
        target = attribute(disk, "target", "dev")
        missing.discard(target)
        if target in storage.skipped:
            need(root, "devices").remove(disk)
        elif target in storage.own or target in storage.shared:
            if disk.get("device") == "lun":
                hardware.plain_disk(disk)
            point_disk(disk, *storage.shared.get(target, (storage.own.get(target, ""), "qcow2")))
        if target in storage.shared and disk.find("readonly") is None:
            etree.SubElement(disk, "readonly")
    if missing:
        raise GoldenError("making a clone's XML", f"the source's XML has no disk {', '.join(sorted(missing))}")


def reset_xml(xml: str, record: Record, storage: Storage, *, nvram: str | None, generation: str) -> str:
    """The XML of a clone that gets other disks and UEFI variables; to its guest, time has gone another way."""
    root = parse(xml)
    place_disks(root, storage)
    if nvram:
        firmware_variables(root, nvram)
    for element in root.findall("genid"):
        element.text = generation
    with_record(root, record)
    return text_of(root)
