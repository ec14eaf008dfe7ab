# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine of GNOME Boxes, made as Boxes makes it: it works as it is, and stays one of Boxes.

What Boxes writes is in its sources, src/vm-configurator.vala and src/libvirt-machine.vala (43.2 of Debian 12): a domain
of the user's session with metadata of Boxes' and libosinfo's, on a volume called like the domain in the pool
gnome-boxes over ~/.local/share/gnome-boxes/images. Up to Boxes 41 there is an internal snapshot "Just installed" from
the end of the installation, named by the time; later ones take the like when told.
"""

from __future__ import annotations

import os
import pathlib
import xml.etree.ElementTree as ET

import libvirt
import pytest
from support.lab import Lab, qemu_img
from support.session import USER, session

BOXES, LIBOSINFO = "https://wiki.gnome.org/Apps/Boxes", "http://libosinfo.org/xmlns/libvirt/domain/1.0"
POOL = (
    "<pool type='dir'><name>gnome-boxes</name><source><dir path='{0}'/></source>"
    "<target><path>{0}</path></target></pool>"
)
VOLUME = (
    "<volume><name>{}</name><capacity>16777216</capacity>"
    "<target><format type='qcow2'/><compat>1.1</compat></target></volume>"
)
REDIRECTION = "<redirdev bus='usb' type='spicevmc'/>"
DOMAIN = """\
<domain type='qemu'>
  <name>{name}</name>
  <title>Debian 12</title>
  <metadata>
    <boxes:gnome-boxes xmlns:boxes="{boxes}">
      <os-state>installed</os-state>
      <media-id>http://debian.org/debian/12:1</media-id>
      <media>/home/somebody/Downloads/debian-12.iso</media>
    </boxes:gnome-boxes>
    <libosinfo:libosinfo xmlns:libosinfo="{libosinfo}">
      <libosinfo:os id="http://debian.org/debian/12"/>
    </libosinfo:libosinfo>
  </metadata>
  <memory unit='KiB'>65536</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/><bootmenu enable='yes'/></os>
  <features><acpi/><apic/><pae/></features>
  <clock offset='localtime'>
    <timer name='rtc' tickpolicy='catchup'/><timer name='pit' tickpolicy='delay'/><timer name='hpet' present='no'/>
  </clock>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
  <pm><suspend-to-mem enabled='no'/><suspend-to-disk enabled='no'/></pm>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='writeback' discard='unmap'/>
      <source file='{disk}'/><target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'><driver name='qemu' type='raw'/><target dev='hdc' bus='ide'/><readonly/></disk>
    <graphics type='spice' autoport='no'><listen type='none'/><image compression='off'/><gl enable='no'/></graphics>
    <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>
    <channel type='spiceport'>
      <source channel='org.spice-space.webdav.0'/><target type='virtio' name='org.spice-space.webdav.0'/>
    </channel>
    {redirections}
    <controller type='usb' model='ich9-ehci1'/>
    <smartcard mode='passthrough' type='spicevmc'/>
    <sound model='ich9'/><video><model type='virtio'/></video>
    <input type='tablet' bus='usb'/>
    <interface type='user'><model type='virtio'/></interface>
    <console type='pty'/>
  </devices>
</domain>"""
INSTALLED = (
    "<domainsnapshot><name>2021-11-20-10-30-00</name>"
    "<description>Just installed 11/20/21, 10:30:00</description></domainsnapshot>"
)


class Box:
    """The machine *name* in the *lab*, which is the user's session."""

    def __init__(self, lab: Lab, home: pathlib.Path) -> None:
        self.lab = lab
        self.name = f"{lab.prefix}-debian12"
        images = home / ".local/share/gnome-boxes/images"
        images.mkdir(parents=True)
        for directory in (images, *images.parents[:4]):
            os.chown(directory, USER, USER)
        self.disk = str(images / self.name)
        lab.conn.storagePoolDefineXML(POOL.format(images)).create()
        lab.conn.storagePoolLookupByName("gnome-boxes").createXML(VOLUME.format(self.name))
        names = {"boxes": BOXES, "libosinfo": LIBOSINFO}
        lab.conn.defineXML(DOMAIN.format(name=self.name, disk=self.disk, redirections=REDIRECTION * 4, **names))
        lab.write(self.disk, b"installed")
        lab.domain(self.name).snapshotCreateXML(INSTALLED)

    def run(self, module: str, **args) -> dict:
        """What a module that must not fail returns, its check mode compared; the box is still one of Boxes."""
        before = self.marks(self.name)
        result = self.lab.run_and_compare(module, args, again=None)
        assert self.marks(self.name) == before
        return result

    def marks(self, name: str) -> list[str]:
        """What Boxes knows a machine by."""
        domain = self.lab.domain(name)
        kinds = libvirt.VIR_DOMAIN_METADATA_ELEMENT, libvirt.VIR_DOMAIN_AFFECT_CONFIG
        return [
            ET.canonicalize(domain.metadata(kinds[0], space, kinds[1]), strip_text=True) for space in (BOXES, LIBOSINFO)
        ]


@pytest.fixture
def box(lab, pytestconfig):
    if pytestconfig.getoption("--stack") != "system":
        pytest.skip("sessions are of this machine's own libvirt")
    home = lab.path / "home"
    with session(home) as uri:
        for directory in (lab.path / "session", lab.path / "session" / "pool"):
            directory.mkdir(mode=0o711)
            os.chown(directory, USER, USER)
        own = Lab(uri, lab.prefix, lab.path / "session")
        yield Box(own, home)
        own.close()


def test_a_box_is_listed_taken_reverted_and_tidied_up(box):
    info = box.lab.run("snapshot_info", {})["snapshots"]
    assert [(one["domain"], one["kind"], one["consistency"], one["revertable"], one["deletable"]) for one in info] == [
        (box.name, "internal", "offline", True, True)
    ]
    assert info[0]["description"] == "Just installed 11/20/21, 10:30:00"
    box.lab.write(box.disk, b"configure")
    taken = box.run("snapshot", domain=box.name, name="configured")["snapshots"][0]
    assert taken["kind"] == "internal"
    box.lab.write(box.disk, b"broken...")
    box.run("revert", domain=box.name, snapshot="configured")
    assert box.lab.read(box.disk, 9) == b"configure"
    box.run("revert", domain=box.name, snapshot="2021-11-20-10-30-00", safety_snapshot="before")
    assert box.lab.read(box.disk, 9) == b"installed"
    for name in ("configured", "before", "2021-11-20-10-30-00"):
        box.run("snapshot", domain=box.name, name=name, state="absent")
    assert box.lab.domain(box.name).listAllSnapshots() == []
    assert box.lab.read(box.disk, 9) == b"installed"


def test_a_box_is_promoted_and_cloned_and_its_clones_are_boxes_too(box):
    box.run("promote", domain=box.name, image="debian", image_pool=box.lab.pool, sealed=False)
    version = box.lab.file("golden.debian.1.vda.qcow2")
    assert box.lab.read(version, 9) == b"installed" and "Just" not in qemu_img("snapshot", "-l", version)
    clone, copy = f"{box.lab.prefix}-clone", f"{box.lab.prefix}-copy"
    pools = {"image_pool": box.lab.pool, "start": False}
    box.run("clone", image="debian", version="1", names=[clone], **pools)
    box.run("clone", domain=box.name, names=[copy], linked=False, **pools)
    for name in (clone, copy):
        assert box.marks(name) == box.marks(box.name)
        assert box.lab.read(box.lab.disk_path(name), 9) == b"installed"
    box.run("snapshot", domains=[clone, copy], name="one")
    box.lab.write(box.lab.disk_path(clone), b"other")
    box.run("revert", domain=clone, snapshot="one")
    assert box.lab.read(box.lab.disk_path(clone), 9) == b"installed"
