# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A version's template from a domain's XML, over the same real-world domains as the clones' identity."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._model import Record, Seal
from ansible_collections.golden.libvirt.plugins.module_utils._xml import metadata
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import disk_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml.template import (
    NAME,
    NOBODY,
    definition_of,
    template_of,
    unpromotable,
)
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import parse, text_of
from ansible_collections.golden.libvirt.tests.unit.plugins.module_utils._xml.identities import identities, shared

SOURCES = {
    path.name.split(".")[0]: path for path in sorted(pathlib.Path(__file__).with_name("identity").glob("*.in.xml"))
}


def source(name):
    return SOURCES[name].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SOURCES)
def test_a_template_shares_no_identity_with_the_domain_that_it_is_made_of(name):
    assert shared(source(name), template_of(source(name))) == []


@pytest.mark.parametrize("name", SOURCES)
def test_a_template_has_no_identity_of_its_own(name):
    found = identities(template_of(source(name)))
    assert found["name"] == {NAME}
    assert found["uuid"] <= {NOBODY}
    for kind in ("generation", "MAC", "tap", "port profile", "cid", "port", "socket", "label", "seed"):
        assert found[kind] == set(), kind


@pytest.mark.parametrize("name", SOURCES)
def test_written_disks_have_no_source_and_others_keep_theirs(name):
    for element, before in zip(
        parse(template_of(source(name))).findall("devices/disk"),
        [
            disk
            for disk in parse(source(name)).findall("devices/disk")
            if disk.find("alias[@name='ua-golden-seed']") is None
        ],
    ):
        disk, old = disk_of(element), disk_of(before)
        assert disk.target == old.target
        if disk.written or disk.device in ("cdrom", "floppy"):
            assert disk.path is None
        else:
            assert disk.path == old.path


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_not_identity_stays(name):
    before, after = parse(source(name)), parse(template_of(source(name)))
    for tag in ("memory", "vcpu", "os/type", "features", "cpu", "clock", "on_poweroff", "devices/emulator"):
        assert [canonical(element) for element in before.findall(tag)] == [
            canonical(element) for element in after.findall(tag)
        ]
    for tag in ("controller", "interface", "serial", "channel", "video", "memballoon", "rng"):
        assert len(before.findall(f"devices/{tag}")) == len(after.findall(f"devices/{tag}"))
    others = "{http://libvirt.org/schemas/domain/qemu/1.0}commandline"
    assert [canonical(element) for element in before.findall(others)] == [
        canonical(element) for element in after.findall(others)
    ]


def canonical(element):
    return [(of.tag, dict(of.attrib), (of.text or "").strip()) for of in element.iter()]


def test_elements_that_nobody_knows_are_kept():
    xml = "<domain><name>a</name><uuid>u</uuid><os/><devices><warp speed='9'><core/></warp></devices></domain>"
    assert canonical(parse(template_of(xml)).find("devices/warp")) == [("warp", {"speed": "9"}, ""), ("core", {}, "")]


def sealed(xml):
    root = parse(xml)
    metadata.with_record(root, Record(seal=Seal("guest", (), "systemd", "now")))
    return text_of(root)


@pytest.mark.parametrize("name", SOURCES)
def test_our_marks_are_neither_in_the_template_nor_in_the_definition(name):
    assert metadata.record_of(parse(sealed(source(name)))).seal
    assert template_of(sealed(source(name))) == template_of(source(name))
    assert definition_of(sealed(source(name))) == definition_of(source(name))


@pytest.mark.parametrize("name", SOURCES)
def test_a_renamed_domain_has_the_same_definition_and_a_changed_one_another(name):
    old = parse(source(name)).findtext("name")
    renamed = source(name).replace(f"<name>{old}</name>", "<name>another</name>", 1)
    assert definition_of(renamed) == definition_of(source(name))
    assert definition_of(renamed.replace("<on_poweroff>destroy<", "<on_poweroff>restart<")) != definition_of(
        renamed
    ) or ("<on_poweroff>destroy<" not in renamed)


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("<hostdev mode='subsystem' type='pci'/>", ["it has a host device (subsystem pci)"]),
        ("<interface type='user'/><interface type='hostdev'/>", ["its interface 2 is a host device"]),
        ("<tpm model='tpm-crb'><backend type='emulator'/></tpm>", ["it has a TPM (emulator)"]),
        (
            "<memory model='nvdimm'><source><path>/x.img</path></source></memory>",
            ["its memory device is the file /x.img"],
        ),
        (
            "<disk type='file'><source file='/a'><encryption format='luks'/></source><target dev='vda'/></disk>",
            ["disk vda is encrypted"],
        ),
        ("<disk type='file'><source file='/a'/><target dev='vda'/></disk>", []),
    ],
)
def test_what_no_version_can_hold(device, words):
    found = unpromotable(f"<domain><name>a</name><os/><devices>{device}</devices></domain>")
    assert [what[: len(word)] for what, word in zip(found, words)] == words
    assert len(found) == len(words)
