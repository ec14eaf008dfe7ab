# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone's XML from its source's: real-world pairs, and a property over generated ones."""

from __future__ import annotations

import itertools
import pathlib

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._model import Identity
from ansible_collections.golden.libvirt.plugins.module_utils._xml import chardevs, identity, obstacles
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import keeps_variables
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import parse, text_of
from ansible_collections.golden.libvirt.tests.unit.plugins.module_utils._xml.identities import identities, shared
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

PAIRS = pathlib.Path(__file__).with_name("identity")
SOURCES = {path.name.split(".")[0]: path for path in sorted(PAIRS.glob("*.in.xml"))}
SCHEMA = pathlib.Path("/usr/share/libvirt/schemas/domain.rng")


def cloned(xml: str, name: str = "web-01", digit: str = "1") -> str:
    root = parse(xml)
    count = identity.interface_count(xml)
    macs = tuple(f"52:54:00:00:{digit * 2}:{number:02x}" for number in range(1, count + 1))
    nvram = f"/srv/golden/{name}.nvram.fd" if root.find("os/nvram") is not None else None
    uuid = f"{digit * 8}-2222-4333-8444-555555555555"
    identity.give_identity(root, Identity(name, uuid, macs, f"{digit * 8}-9999-4333-8444-555555555555", nvram))
    return text_of(root)


def canonical(xml: str) -> str:
    return etree.canonicalize(xml, strip_text=True)


@pytest.mark.parametrize("source", SOURCES)
def test_a_clone_differs_in_its_identity_and_in_nothing_else(source):
    path = SOURCES[source]
    expected = path.with_name(path.name.replace(".in.", ".out.")).read_text(encoding="utf-8")
    assert canonical(cloned(path.read_text(encoding="utf-8"))) == canonical(expected)


@pytest.mark.parametrize("source", SOURCES)
def test_clones_share_nothing_with_each_other_or_their_source(source):
    xml = SOURCES[source].read_text(encoding="utf-8")
    one, two = with_disks(cloned(xml, "one", "1")), with_disks(cloned(xml, "two", "2"))
    for first, second in itertools.combinations((xml, one, two), 2):
        assert shared(first, second) == []


@pytest.mark.skipif(not SCHEMA.exists(), reason="libvirt's schemas are not installed")
@pytest.mark.parametrize("source", SOURCES)
def test_a_clone_is_valid(source):
    schema = etree.RelaxNG(etree.parse(str(SCHEMA)))
    xml = SOURCES[source].read_text(encoding="utf-8")
    schema.assertValid(etree.fromstring(xml))
    schema.assertValid(etree.fromstring(cloned(xml)))


def with_disks(xml: str) -> str:
    """Own disks, as the verb gives them after the identity."""
    root = parse(xml)
    for source in root.xpath("devices/disk/source"):
        source.attrib.clear()
        source.set("file", f"/srv/golden/{root.findtext('name')}.{source.getparent().find('target').get('dev')}.qcow2")
    return text_of(root)


def test_a_clone_without_variables_of_its_version_gets_libvirts_default():
    root = parse("<domain><name>a</name><os><nvram template='T'>/nvram/a_VARS.fd</nvram></os></domain>")
    identity.give_identity(root, Identity("b", "u"))
    assert etree.tostring(root.find("os/nvram")) == b'<nvram template="T"/>'


@pytest.mark.parametrize(
    ("nvram", "path", "expected"),
    [
        ("<nvram>/a</nvram>", None, "<os/>"),
        ("<nvram type='file'><source file='/a'/></nvram>", "/b", "<os><nvram>/b</nvram></os>"),
        ("", "/b", "<os><nvram>/b</nvram></os>"),
        ("", None, "<os/>"),
        ("<varstore template='T' path='/a'/>", None, "<os><varstore template='T'/></os>"),
    ],
)
def test_firmware_variables(nvram, path, expected):
    root = parse(f"<domain><name>a</name><os>{nvram}</os></domain>")
    identity.give_identity(root, Identity("b", "u", nvram=path))
    assert canonical(etree.tostring(root.find("os"), encoding="unicode")) == canonical(expected)


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("<os><nvram>/a</nvram></os>", True),
        ("<os firmware='efi'/>", True),
        ("<os><loader type='pflash' readonly='yes'>/a</loader></os>", True),
        ("<os><loader type='pflash' stateless='yes'>/a</loader></os>", False),
        ("<os><loader type='pflash' readonly='no'>/a</loader></os>", False),
        ("<os firmware='efi'><loader type='rom'/></os>", False),
        ("<os firmware='efi'><varstore template='T'/></os>", False),
        ("<os/>", False),
        ("<os firmware='bios'/>", False),
    ],
)
def test_whose_variables_libvirt_keeps_in_a_file(system, expected):
    assert keeps_variables(f"<domain>{system}</domain>") is expected


def test_a_data_source_in_the_serial_number_is_kept():
    entry = "<entry name='serial'>ds=nocloud;s=http://seed.example/</entry>"
    root = parse(f"<domain><name>a</name><sysinfo type='smbios'><system>{entry}</system></sysinfo></domain>")
    identity.give_identity(root, Identity("b", "u"))
    assert root.findtext(".//entry") == "ds=nocloud;s=http://seed.example/"


@pytest.mark.parametrize("wwn", ["5000c50015ea71ad", "0x5000c50015ea71ad"])
def test_a_world_wide_name_keeps_its_vendor_and_its_length(wwn):
    disk = f"<disk><wwn>{wwn}</wwn></disk>"
    root = parse(f"<domain><name>a</name><devices>{disk}</devices></domain>")
    identity.give_identity(root, Identity("b", "u"))
    found = root.findtext("devices/disk/wwn")
    assert (found[:-9], len(found), found == wwn) == (wwn[:-9], len(wwn), False)


def test_a_port_that_all_shall_have_stays_whole():
    port = "<virtualport type='midonet'><parameters interfaceid='p'/></virtualport>"
    root = parse(f"<domain><name>a</name><devices><interface>{port}</interface></devices></domain>")
    identity.give_identity(root, Identity("b", "u", ("52:54:00:00:00:01",)))
    assert root.find(".//parameters").get("interfaceid") == "p"


def test_as_many_addresses_as_interfaces_are_needed():
    with pytest.raises(GoldenError, match="has 1 interfaces and was given 0"):
        identity.give_identity(parse("<domain><devices><interface/></devices></domain>"), Identity("b", "u"))


@pytest.mark.parametrize(
    ("path", "old", "expected"),
    [
        ("/log/web.log", "web", "/log/new.log"),
        ("/log/web-serial.log", "web", "/log/new-serial.log"),
        ("/log/webster.log", "web", "/log/new-webster.log"),
        ("/web/console.log", "web", "/web/new-console.log"),
        ("/log/a+b.log", "a+b", "/log/new.log"),
        ("/log/x.log", "", "/log/new-x.log"),
        (r"/log/\1.log", "web", r"/log/new-\1.log"),
    ],
)
def test_a_file_gets_a_name_of_the_clones_own(path, old, expected):
    assert chardevs.own_path(path, old, "new") == expected


# ---- property: whatever devices a domain is put together from

PIECES = sorted(
    {
        etree.tostring(device, encoding="unicode", with_tail=False)
        for path in SOURCES.values()
        for device in etree.parse(str(path)).getroot().find("devices")
    }
)
WHOLES = sorted(
    {
        etree.tostring(element, encoding="unicode", with_tail=False)
        for path in SOURCES.values()
        for element in etree.parse(str(path)).getroot()
        if element.tag in ("genid", "os", "sysinfo", "seclabel", "metadata")
    }
)
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFG0123456789._+", min_size=1, max_size=20)


@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=30),
    wholes=st.lists(st.sampled_from(WHOLES), max_size=6, unique_by=lambda whole: whole.split(">")[0].split()[0]),
    source=NAMES,
    clones=st.lists(NAMES, min_size=2, max_size=2, unique_by=str.lower),
)
def test_no_two_clones_of_any_domain_share_an_identity(pieces, wholes, source, clones):
    xml = f"<domain><name>{source}</name><uuid>0</uuid>{''.join(wholes)}<devices>{''.join(pieces)}</devices></domain>"
    one, two = (with_disks(cloned(xml, name, digit)) for name, digit in zip(clones, "12"))
    assert obstacles.obstacles_of(xml) == ()
    assert shared(one, two) == []
    if source.lower() not in (name.lower() for name in clones):
        assert shared(one, xml) == []
    assert len(identities(one)["MAC"]) == len({*etree.fromstring(one).xpath("//mac/@address")})
    for kept in ("metadata", "cpu", "features", "os/type", "devices/controller", "devices/video"):
        assert [etree.tostring(element) for element in parse(one).findall(kept)] == [
            etree.tostring(element) for element in parse(xml).findall(kept)
        ]
