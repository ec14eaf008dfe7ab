# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be made distinct is found, all at once; what can is not."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._xml import obstacles
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import Tpm, tpm_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import parse
from ansible_collections.golden.libvirt.plugins.modules import clone

QEMU = 'xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"'


def domain(devices: str = "", rest: str = "") -> str:
    return f"<domain {QEMU}><name>a</name>{rest}<devices>{devices}</devices></domain>"


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ("<hostdev mode='subsystem' type='pci'/>", "its host device"),
        ("<filesystem><source dir='/srv'/><target dir='data'/></filesystem>", "file system data"),
        ("<filesystem><source socket='/s'/><target dir='d'/><readonly/></filesystem>", "file system d"),
        ("<memory model='nvdimm'><source><path>/n</path></source></memory>", "/n"),
        ("<shmem name='pot'/>", "pot"),
        ("<lease><lockspace>s</lockspace><key>k</key></lease>", "lease k"),
        ("<tpm><backend type='passthrough'/></tpm>", "TPM"),
        ("<input type='evdev'><source dev='/dev/input/event3'/></input>", "event3"),
        ("<input type='passthrough'><source evdev='/dev/input/event4'/></input>", "event4"),
        ("<disk type='nvme'><target dev='vdx'/></disk>", "vdx"),
        ("<interface type='hostdev'/>", "interface 1 (hostdev)"),
        ("<interface type='vhostuser'/>", "interface 1 (vhostuser)"),
        ("<interface type='direct'><source dev='eth0' mode='passthrough'/></interface>", "interface 1 (direct)"),
        ("<interface type='ethernet'><target dev='tap9' managed='no'/></interface>", "tap9"),
        ("<interface type='user'><portForward proto='tcp'/></interface>", "ports"),
        ("<interface type='ethernet'><ip address='192.0.2.1'/></interface>", "192.0.2.1"),
        ("<interface><filterref><parameter name='IP' value='192.0.2.2'/></filterref></interface>", "192.0.2.2"),
        ("<interface><virtualport type='midonet'/></interface>", "MidoNet"),
        ("<serial type='dev'><source path='/dev/ttyS0'/></serial>", "/dev/ttyS0"),
        ("<serial type='tcp'><source mode='bind' host='0.0.0.0' service='2445'/></serial>", "2445"),
        ("<serial type='unix'><source mode='connect' path='/run/x'/></serial>", "/run/x"),
        ("<serial type='nmdm'><source master='/dev/nmdm0A'/></serial>", "nmdm0A"),
        ("<smartcard mode='host'/>", "smartcard"),
        ("<rng><backend model='egd' type='unix'><source mode='connect' path='/e'/></backend></rng>", "random"),
    ],
)
def test_a_device_that_only_one_domain_can_have(devices, said):
    found = obstacles.obstacles_of(domain(devices))
    assert len(found) == 1
    assert said.replace("its ", "") in found[0]


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("<seclabel type='static' model='selinux'><label>svirt:c1,c2</label></seclabel>", "svirt:c1,c2"),
        ("<os><loader readonly='no' type='pflash'>/fw.fd</loader></os>", "/fw.fd"),
        ("<os><nvram type='network'/></os>", "network"),
        ("<qemu:commandline><qemu:arg value='e1000,mac=52:54:00:12:34:56'/></qemu:commandline>", "52:54:00:12:34:56"),
        ("<qemu:commandline><qemu:arg value='user,hostfwd=tcp::2222-:22'/></qemu:commandline>", "tcp::2222-:22"),
        ("<qemu:commandline><qemu:arg value='socket,id=a,path=/r/a,server=on'/></qemu:commandline>", "path=/r/a"),
        ("<qemu:commandline><qemu:arg value='unix:/r/m,server,nowait'/></qemu:commandline>", "unix:/r/m"),
        ("<qemu:commandline><qemu:arg value='vhost-vsock-pci,guest-cid=5'/></qemu:commandline>", "guest-cid=5"),
        ("<qemu:commandline><qemu:arg value='type=1,serial=X1'/></qemu:commandline>", "serial=X1"),
        ("<qemu:commandline><qemu:arg value='-uuid'/></qemu:commandline>", "-uuid"),
        ("<qemu:commandline><qemu:arg value='-s'/></qemu:commandline>", " -s"),
        ("<qemu:commandline><qemu:arg value='-gdb'/></qemu:commandline>", "-gdb"),
        ("<qemu:commandline><qemu:arg value='tcp:127.0.0.1:4444,server=on'/></qemu:commandline>", "tcp:127.0.0.1:4444"),
        ("<qemu:commandline><qemu:arg value='socket,id=a,port=4445,server=on'/></qemu:commandline>", "port=4445"),
        ("<qemu:commandline><qemu:arg value='socket,id=a,listen=:9'/></qemu:commandline>", "listen=:9"),
        ("<qemu:commandline><qemu:arg value='port=5930,addr=0.0.0.0'/></qemu:commandline>", "port=5930"),
        ('<qemu:commandline><qemu:arg value=\'{"driver":"nvme","serial":"X1"}\'/></qemu:commandline>', "X1"),
        ("<qemu:commandline><qemu:arg value='{\"guest-cid\": 5}'/></qemu:commandline>", "5"),
        (
            "<qemu:override><qemu:device alias='ua-a'><qemu:frontend><qemu:property name='serial' type='string' "
            "value='X1'/></qemu:frontend></qemu:device></qemu:override>",
            "(qemu:override) fix the identity serial=X1",
        ),
    ],
)
def test_what_else_only_one_domain_can_have(rest, said):
    (found,) = obstacles.obstacles_of(domain(rest=rest))
    assert said in found


@pytest.mark.parametrize(
    "devices",
    [
        "<filesystem><source dir='/srv'/><target dir='data'/><readonly/></filesystem>",
        "<filesystem type='ram'><source usage='10'/><target dir='/tmp'/></filesystem>",
        "<memory model='dimm'><target><size>1</size></target></memory>",
        "<interface type='ethernet'><target dev='tap9'/></interface>",
        "<interface type='direct'><source dev='eth0' mode='bridge'/></interface>",
        "<interface type='user'><ip address='10.0.2.0'/></interface>",
        "<serial type='tcp'><source mode='connect' host='192.0.2.9' service='514'/></serial>",
        "<smartcard mode='passthrough' type='spicevmc'/>",
        "<tpm><backend type='emulator'/></tpm>",
    ],
)
def test_what_domains_can_share(devices):
    assert obstacles.obstacles_of(domain(devices, "<seclabel type='static' model='dac'/>")) == ()


def test_all_obstacles_are_told_at_once():
    assert len(obstacles.obstacles_of(domain("<hostdev mode='subsystem' type='usb'/><shmem name='x'/>"))) == 2


@pytest.mark.parametrize(
    "path", sorted(pathlib.Path(__file__).with_name("identity").glob("*.in.xml")), ids=lambda p: p.name
)
def test_machines_as_people_have_them_have_none(path):
    assert obstacles.obstacles_of(path.read_text(encoding="utf-8")) == ()


OEM = (
    "<oemStrings><entry>io.systemd.credential:db.password=horse</entry><entry>vendor: none</entry>"
    "<entry>io.systemd.credential.binary:key=aG9yc2U=</entry></oemStrings>"
)
FWCFG = (
    "<entry name='opt/io.systemd.credentials/db.password'>horse</entry><entry name='opt/ovmf/X-Mmio64Mb'>1</entry>"
    "<entry name='opt/io.systemd.credentials/own' file='/p/own.bin'/>"
)
ARGUMENT = "<qemu:arg value='type=11,value=io.systemd.credential:a.b=horse'/>"


@pytest.mark.parametrize(
    ("devices", "rest", "said"),
    [
        ("<tpm><backend type='emulator'/></tpm>", "", "TPM"),
        ("<disk><serial>1</serial></disk>", "", "by-id"),
        ("", "<qemu:commandline><qemu:arg value='file:/tmp/out'/></qemu:commandline>", "QEMU arguments"),
        ("", f"<sysinfo type='smbios'>{OEM}</sysinfo>", "its guest is handed db.password, key by its definition"),
        ("", f"<sysinfo type='fwcfg'>{FWCFG}</sysinfo>", "its guest is handed db.password by its definition"),
        ("", f"<qemu:commandline>{ARGUMENT}</qemu:commandline>", "its guest is handed a.b by its definition"),
    ],
)
def test_what_a_user_should_know(devices, rest, said):
    (note,) = obstacles.notes_of(domain(devices, rest))
    assert said in note and "horse" not in note


def test_a_copied_tpm_is_told_to_be_one():
    (note,) = obstacles.notes_of(domain("<tpm><backend type='emulator'/></tpm>"), tpm_copied=True)
    assert "its TPM is a copy" in note


@pytest.mark.parametrize(
    ("backend", "found"),
    [
        ("type='emulator' version='2.0'/>", Tpm("tpm2")),
        ("type='emulator' version='1.2'/>", Tpm("tpm1.2")),
        ("type='emulator'><encryption secret='s'/></backend>", Tpm("tpm2", secret="s")),
        ("type='emulator'><source type='file' path='/t'/></backend>", Tpm("tpm2", place="/t")),
        ("type='passthrough'/>", None),
    ],
)
def test_what_is_known_of_a_tpm(backend, found):
    assert tpm_of(domain(f"<tpm><backend {backend}</tpm>")) == found
    assert tpm_of(domain()) is None


# ---- what a user says of them

RICH = (
    "<hostdev mode='subsystem' type='pci'/><filesystem><source dir='/srv'/><target dir='data'/></filesystem>"
    "<interface type='hostdev'><teaming type='transient' persistent='ua-a'/></interface>"
    "<interface type='vdpa'><alias name='ua-a'/></interface>"
    "<interface type='user'><portForward proto='tcp'/><mac address='a'/></interface>"
    "<rng><backend model='egd' type='unix'><source mode='connect' path='/e'/></backend></rng>"
)
REST = (
    "<os><nvram type='network' template='T'><source/></nvram></os>"
    "<seclabel type='static' model='selinux'><label>x</label></seclabel>"
    "<qemu:commandline><qemu:arg value='-uuid'/><qemu:arg value='1'/></qemu:commandline>"
    "<qemu:override><qemu:device alias='a'><qemu:frontend><qemu:property name='mac' value='52:54:00:0a:0b:0c'/>"
    "</qemu:frontend></qemu:device></qemu:override>"
)
EVERY = dict.fromkeys(obstacles.FINDERS, "drop")


def test_what_is_dropped_is_gone_and_nothing_else():
    found = obstacles.settled(domain(RICH, REST), EVERY)
    assert (found.refused, len(found.notes)) == ((), 10)
    assert all(note.startswith("left out of the clones: ") for note in found.notes)
    assert obstacles.obstacles_of(found.xml) == ()
    root = parse(found.xml)
    assert [(device.tag, device.get("type")) for device in root.find("devices")] == [("interface", "user")]
    assert [child.tag for child in root.find("devices/interface")] == ["mac"]
    assert dict(root.find("os/nvram").attrib) == {"template": "T"}
    assert [child.tag for child in root] == ["name", "os", "devices"]


def test_what_is_kept_is_told_and_what_nobody_spoke_of_is_refused():
    found = obstacles.settled(domain(RICH, REST), {"hostdev": "keep", "interface": "refuse"})
    assert found.notes == (
        "the same in all clones, which cannot all use it at once: it has a host device (subsystem pci)",
    )
    assert len(found.refused) == 9
    assert "its file system data is the host's (sharing: filesystem)" in found.refused
    assert len(parse(found.xml).findall("devices/hostdev")) == 1


def test_of_a_failover_pair_one_half_may_go():
    half = RICH.replace("type='hostdev'>", "type='network'>")
    assert parse(obstacles.settled(domain(half), EVERY).xml).find("devices/interface/teaming") is None


def test_a_module_knows_the_same_kinds():
    assert sorted(clone.KINDS) == sorted(obstacles.FINDERS)


def test_an_ordinary_machine_needs_no_note():
    assert (
        obstacles.notes_of(domain("<disk/>", "<qemu:commandline><qemu:arg value='-snapshot'/></qemu:commandline>"))
        == ()
    )
