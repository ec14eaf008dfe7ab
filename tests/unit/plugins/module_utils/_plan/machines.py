# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Made-up machines with snapshots, for tests of plans."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Disk,
    Domain,
    Snapshot,
    SnapshotDisk,
    SnapshotNote,
    Volume,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Libvirt, Survey

XML = "<domain type='qemu'><name>web</name><uuid>u</uuid><os><type>hvm</type></os><devices>{}</devices></domain>"
DISK = "<disk type='file' device='disk'><driver name='qemu' type='{}'/><source file='{}'/><target dev='{}'/></disk>"


def disk(target="vda", form="qcow2", **options):
    return Disk(target, **{"path": f"/pool/web.{target}.{form}", "format": form, **options})


def volume(path, backing=None, **options):
    directory, _slash, name = path.rpartition("/")
    form = "raw" if name.endswith("raw") else "qcow2"
    made = Volume(pool=directory.strip("/"), name=name, path=path, format=form, capacity=100, allocation=10, size=10)
    return replace(made, backing=backing, mode="0640", **options)


def xml_of(disks, devices=""):
    return XML.format("".join(DISK.format(one.format, one.path, one.target) for one in disks) + devices)


def machine(*disks, state="shutoff", snapshots=(), native=False, files=(), devices="", **options):
    """A survey of the domain ``web``; its disks' files are there, *files* are more of them."""
    disks = disks or (disk(),)
    domain = Domain("web", "u", state, xml_of(disks, devices), disks=disks)
    domain = replace(domain, **{name: options.pop(name) for name in ("firmware", "persistent") if name in options})
    there = {one.path: volume(one.path) for one in disks if one.path}
    there.update({file.path: file for file in files})
    return Survey(domain, tuple(snapshots), there, frozenset(there), libvirt=Libvirt(native), **options)


def internal(name, parent=None, memory=False, label=None, base="/pool/web.vda.qcow2", **options):
    disks = (SnapshotDisk("vda", "internal", base=base, base_format="qcow2"),)
    note = SnapshotNote(label, "offline")
    state = "running" if memory else "shutoff"
    xml = f"<domainsnapshot>{xml_of([disk(path=base)])}</domainsnapshot>"
    return Snapshot("web", name, "internal", memory, state, parent=parent, note=note, disks=disks, xml=xml, **options)


def external(name, base, overlay, parent=None, label=None, **options):
    """A snapshot of the one disk vda."""
    disks = (SnapshotDisk("vda", "external", path=overlay, base=base, base_format="qcow2"),)
    entry = f"<disks><disk name='vda' snapshot='external' type='file'><source file='{overlay}'/></disk></disks>"
    xml = f"<domainsnapshot><name>{name}</name>{entry}{xml_of([disk(path=base)])}</domainsnapshot>"
    made = Snapshot("web", name, "external", False, "shutoff", parent=parent, disks=disks, xml=xml)
    return replace(made, note=SnapshotNote(label, "offline"), **options)


def line(count, state="shutoff", native=False, label=None, **options):
    """A machine with *count* external snapshots s1, s2, … in a row; the disk writes to /pool/o<count>."""
    paths = ["/pool/base", *(f"/pool/o{number}" for number in range(1, count + 1))]
    snapshots = [
        external(f"s{number}", paths[number - 1], paths[number], f"s{number - 1}" if number > 1 else None, label)
        for number in range(1, count + 1)
    ]
    snapshots[-1] = replace(snapshots[-1], current=True)
    files = [volume(path, backing) for path, backing in zip(paths, [None, *paths])]
    files += options.pop("files", [])
    return machine(disk(path=paths[-1]), state=state, snapshots=snapshots, native=native, files=files, **options)


def done(actions):
    """The actions of a plan, each in a few words."""
    return [
        " ".join([action.words, *(str(getattr(action, "volume", "") or getattr(action, "name", "")).split())])
        for action in actions
    ]
