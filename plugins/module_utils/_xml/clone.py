# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone's XML, put together from its source's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._model import Identity, Record
from ansible_collections.golden.libvirt.plugins.module_utils._xml import hardware
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import point_disk
from ansible_collections.golden.libvirt.plugins.module_utils._xml.identity import firmware_variables, give_identity
from ansible_collections.golden.libvirt.plugins.module_utils._xml.metadata import with_record
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import attribute, parse, text_of


@dataclass(frozen=True)
class Machine:
    """In what a clone's machine differs from its source's. *memory* in MiB; None leaves it as it is."""

    memory: int | None = None
    vcpus: int | None = None
    title: str | None = None


def clone_xml(
    template: str, identity: Identity, record: Record, *, disks: Mapping[str, str], seed: str | None, machine: Machine
) -> str:
    """The XML of a clone whose *disks* are those qcow2 files ({target: path}), with the *seed* image attached."""
    root = parse(template)
    give_identity(root, identity)
    missing = set(disks)
    for disk in root.findall("devices/disk"):
        target = attribute(disk, "target", "dev")
        if target in disks:
            missing.discard(target)
            if disk.get("device") == "lun":
                hardware.plain_disk(disk)
            point_disk(disk, disks[target], "qcow2")
    if missing:
        raise GoldenError("making a clone's XML", f"the source's XML has no disk {', '.join(sorted(missing))}")
    if seed:
        hardware.add_seed(root, seed)
    if machine.memory:
        hardware.set_memory(root, machine.memory)
    if machine.vcpus:
        hardware.set_vcpus(root, machine.vcpus)
    if machine.title:
        hardware.set_title(root, machine.title)
    with_record(root, record)
    return text_of(root)


def reset_xml(xml: str, record: Record, *, disks: Mapping[str, str], nvram: str | None, generation: str) -> str:
    """The XML of a clone that gets other *disks* and UEFI variables; to its guest, time has gone another way."""
    root = parse(xml)
    for disk in root.findall("devices/disk"):
        target = attribute(disk, "target", "dev")
        if target in disks:
            point_disk(disk, disks[target], "qcow2")
    if nvram:
        firmware_variables(root, nvram)
    for element in root.findall("genid"):
        element.text = generation
    with_record(root, record)
    return text_of(root)
