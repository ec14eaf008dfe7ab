# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a clone's machine may differ in."""

from __future__ import annotations

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._xml import hardware
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import memory_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import parse
from lxml import etree


def text(root) -> str:
    return etree.tostring(root, encoding="unicode")


def test_memory_is_replaced_in_mebibytes():
    root = parse("<domain><name>a</name><memory unit='KiB'>1</memory><currentMemory>1</currentMemory></domain>")
    hardware.set_memory(root, 512)
    assert [(element.tag, element.get("unit"), element.text) for element in root[1:]] == [
        ("currentMemory", "MiB", "512"),
        ("memory", "MiB", "512"),
    ]


@pytest.mark.parametrize(
    ("memory", "mebibytes"),
    [
        ("<memory unit='KiB'>1048576</memory>", 1024),
        ("<memory>1025</memory>", 2),
        ("<memory unit='MiB'>512</memory>", 512),
        ("<memory unit='GB'>1</memory>", 954),
        ("", 0),
    ],
)
def test_memory_is_read_in_mebibytes(memory, mebibytes):
    assert memory_of(parse(f"<domain>{memory}</domain>")) == mebibytes


@pytest.mark.parametrize(
    ("change", "layout"),
    [
        (hardware.set_memory, "<cpu><numa/></cpu>"),
        (hardware.set_memory, "<devices><memory model='dimm'/></devices>"),
        (hardware.set_vcpus, "<cpu><numa/></cpu>"),
    ],
)
def test_what_the_version_lays_out_is_not_changed(change, layout):
    with pytest.raises(Refused, match="laid out"):
        change(parse(f"<domain><name>a</name>{layout}</domain>"), 4)


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        ("", "<vcpu>4</vcpu>"),
        ("<cpu><topology sockets='2' cores='2' threads='1'/></cpu>", "sockets"),
        ("<cpu><topology sockets='1' cores='2' threads='1'/></cpu>", "<cpu/>"),
    ],
)
def test_a_topology_that_does_not_fit_the_processors_is_dropped(cpu, expected):
    root = parse(f"<domain><name>a</name><vcpu current='1'>2</vcpu>{cpu}</domain>")
    hardware.set_vcpus(root, 4)
    assert "<vcpu>4</vcpu>" in text(root)
    assert expected in text(root)


@pytest.mark.parametrize(
    ("disks", "device", "bus", "target"),
    [
        ((), "disk", "virtio", "vda"),
        ((("vda", "virtio"), ("vdc", "virtio")), "disk", "virtio", "vdb"),
        ((("sda", "scsi"),), "disk", "scsi", "sdb"),
        ((("sda", "sata"),), "cdrom", "sata", "sdb"),
        ((("hda", "ide"),), "cdrom", "ide", "hdb"),
        ((("hda", "ide"), ("hdb", "ide"), ("hdc", "ide"), ("hdd", "ide")), "cdrom", "sata", "sda"),
        ((("xvda", "xen"),), "disk", "virtio", "vda"),
    ],
)
def test_the_seed_is_on_the_bus_that_the_guest_boots_from(disks, device, bus, target):
    devices = "".join(f"<disk><target dev='{dev}' bus='{kind}'/></disk>" for dev, kind in disks)
    root = parse(f"<domain><devices>{devices}</devices></domain>")
    hardware.add_seed(root, "/pool/a.seed.iso")
    seed = root.find("devices")[-1]
    assert (seed.get("device"), seed.find("target").get("bus"), seed.find("target").get("dev")) == (device, bus, target)
    assert seed.find("source").get("file") == "/pool/a.seed.iso"
    assert seed.find("readonly") is not None


def test_targets_go_on_after_z():
    devices = "".join(f"<disk><target dev='vd{chr(letter)}' bus='virtio'/></disk>" for letter in range(97, 123))
    assert hardware.free_target(parse(f"<domain><devices>{devices}</devices></domain>"), "virtio") == "vdaa"
