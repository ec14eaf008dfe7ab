# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshot XML to the model and back, and our line in a description."""

from __future__ import annotations

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._model import Snapshot, SnapshotDisk, SnapshotNote
from ansible_collections.golden.libvirt.plugins.module_utils._xml import snapshot as snapshot_xml
from hypothesis import given
from hypothesis import strategies as st

EXTERNAL = """<domainsnapshot>
  <name>two</name>
  <description>before the update

[golden.libvirt label="nightly" consistency="application" nvram="/nvram/web.two.nvram.fd"]</description>
  <state>running</state>
  <parent><name>one</name></parent>
  <creationTime>1767225600</creationTime>
  <memory snapshot='external' file='/pool/web.two.memory'/>
  <disks>
    <disk name='vda' snapshot='external' type='file'>
      <driver type='qcow2'/><source file='/pool/web.vda.two.qcow2'/>
    </disk>
    <disk name='vdb' snapshot='no'/>
  </disks>
  <domain type='qemu' id='7'><name>web</name><uuid>u</uuid><os><type>hvm</type></os><devices>
    <disk type='file'><driver name='qemu' type='raw'/><source file='/pool/web.raw'/><target dev='vda'/></disk>
    <disk type='file'><driver name='qemu' type='qcow2'/><source file='/b'/><target dev='vdb'/></disk>
  </devices></domain>
  <inactiveDomain type='qemu'><name>web</name><uuid>u</uuid><title>as defined</title></inactiveDomain>
</domainsnapshot>"""

TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")) | st.sampled_from('\n\t"\\[]'))


def internal(state, memory="<memory snapshot='internal'/>"):
    return (
        f"<domainsnapshot><name>s</name><state>{state}</state><creationTime>1</creationTime>{memory}"
        f"<disks><disk name='vda' snapshot='internal'/></disks></domainsnapshot>"
    )


def test_an_external_snapshot_is_read_with_what_it_froze():
    snapshot = snapshot_xml.snapshot_of("web", EXTERNAL, current=True)
    assert snapshot == Snapshot(
        domain="web",
        name="two",
        kind="external",
        memory=True,
        state="running",
        created=1767225600,
        parent="one",
        current=True,
        description="before the update",
        note=SnapshotNote("nightly", "application", "/nvram/web.two.nvram.fd"),
        memory_file="/pool/web.two.memory",
        disks=(
            SnapshotDisk("vda", "external", "/pool/web.vda.two.qcow2", "qcow2", "/pool/web.raw", "raw"),
            SnapshotDisk("vdb", "no", None, "qcow2", "/b", "qcow2"),
        ),
        xml=EXTERNAL,
    )
    assert [disk.target for disk in snapshot.external_disks] == ["vda"]


@pytest.mark.parametrize(
    ("xml", "memory"),
    [
        (internal("running"), True),
        (internal("shutoff", "<memory snapshot='no'/>"), False),
        (internal("shutoff", ""), False),
        (internal("running", ""), True),  # as libvirt wrote it before it knew <memory>
    ],
)
def test_an_internal_snapshot_has_the_memory_of_a_domain_that_was_on(xml, memory):
    snapshot = snapshot_xml.snapshot_of("web", xml)
    assert (snapshot.kind, snapshot.memory, snapshot.note) == ("internal", memory, SnapshotNote())


def test_a_definition_is_that_of_the_inactive_domain_and_the_live_one_only_if_asked():
    snapshot = snapshot_xml.snapshot_of("web", EXTERNAL)
    assert snapshot_xml.definition_then(snapshot) == (
        "<domain type='qemu'><name>web</name><uuid>u</uuid><title>as defined</title></domain>".replace("'", '"')
    )
    assert "<title>" not in snapshot_xml.definition_then(snapshot, live=True)
    with pytest.raises(GoldenError, match="did not keep"):
        snapshot_xml.definition_then(snapshot_xml.snapshot_of("web", internal("shutoff")))


def test_what_makes_an_external_snapshot_names_every_file():
    snapshot = Snapshot(
        domain="web",
        name="one",
        kind="external",
        memory=True,
        state="running",
        description="a < b",
        note=SnapshotNote(consistency="crash"),
        memory_file="/pool/web.one.memory",
        disks=(SnapshotDisk("vda", "external", "/pool/o.qcow2"), SnapshotDisk("vdb", "no")),
    )
    assert snapshot_xml.new_snapshot(snapshot) == (
        "<domainsnapshot><name>one</name>"
        '<description>a &lt; b\n\n[golden.libvirt consistency="crash"]</description>'
        '<memory snapshot="external" file="/pool/web.one.memory"/>'
        '<disks><disk name="vda" snapshot="external" type="file"><driver type="qcow2"/>'
        '<source file="/pool/o.qcow2"/></disk><disk name="vdb" snapshot="no"/></disks></domainsnapshot>'
    )


def test_overlays_are_replaced_by_disk():
    changed = snapshot_xml.with_overlays(EXTERNAL, {"vda": "/new", "vdb": "/not there"})
    after = snapshot_xml.snapshot_of("web", changed)
    assert [disk.path for disk in after.disks] == ["/new", None]
    assert after.disks[0].base == "/pool/web.raw"


def test_what_is_below_a_file_is_written_down_once_and_only_where_libvirt_looks():
    chains = {"/pool/web.raw": [], "/b": [("/c", "qcow2"), ("/d", "raw")]}
    told = snapshot_xml.with_chains(EXTERNAL, chains)
    root = snapshot_xml.parse(told)
    assert len(root.findall("domain/devices/disk/backingStore")) == 2
    second = root.findall("domain/devices/disk")[1]
    assert second.find("backingStore/source").get("file") == "/c"
    assert second.find("backingStore/backingStore/format").get("type") == "raw"
    assert len(second.find("backingStore/backingStore/backingStore")) == 0
    assert snapshot_xml.with_chains(told, chains) == told


def test_the_overlay_of_libvirts_own_revert_counts_until_there_is_another():
    theirs = EXTERNAL.replace(
        "<domain type",
        "<revertDisks><disk name='vda'><source file='/pool/web.17'/></disk></revertDisks><domain type",
        1,
    )
    assert snapshot_xml.snapshot_of("web", theirs).disks[0].path == "/pool/web.17"
    ours = snapshot_xml.with_overlays(theirs, {"vda": "/pool/new"})
    assert snapshot_xml.snapshot_of("web", ours).disks[0].path == "/pool/new" and "revertDisks" not in ours


@pytest.mark.parametrize(
    ("description", "text", "note"),
    [
        ("", "", SnapshotNote()),
        ("by hand", "by hand", SnapshotNote()),
        ('[golden.libvirt label="a"]', "", SnapshotNote(label="a")),
        ('text\n\n[golden.libvirt label="a"]\n', 'text\n\n[golden.libvirt label="a"]\n', SnapshotNote()),
        ('[golden.libvirt nvram="" later="unknown"]', "", SnapshotNote(nvram="")),
    ],
)
def test_only_the_last_line_is_ours(description, text, note):
    assert snapshot_xml.without_note(description) == (text, note)


@given(TEXT, st.builds(SnapshotNote, st.none() | TEXT, st.none() | st.just("offline"), st.none() | TEXT))
def test_text_and_note_come_back_as_they_were(text, note):
    assert snapshot_xml.without_note(snapshot_xml.with_note(text, note)) == (text, note)


@pytest.mark.parametrize(
    ("device", "found"),
    [
        ("<hostdev mode='subsystem' type='pci'/>", ["its host device (pci)"]),
        ("<interface type='hostdev'/>", ["its interface of type hostdev"]),
        ("<filesystem type='mount'/>", ["the host's directory that it shares"]),
        ("<interface type='user'/><tpm model='tpm-crb'><backend type='emulator'/></tpm>", []),
    ],
)
def test_what_keeps_the_memory_from_being_saved_is_named(device, found):
    xml = f"<domain><devices>{device}</devices></domain>"
    assert snapshot_xml.unsaveable(xml) == found
    assert snapshot_xml.has_tpm(xml) == ("<tpm" in device)


def test_a_diff_shows_no_secrets():
    xml = (
        "<domain><devices><graphics type='vnc' passwd='x1'/>"
        "<disk><source><cookies><cookie name='c'>x2</cookie></cookies></source></disk></devices></domain>"
    )
    shown = "\n".join(snapshot_xml.shown(xml))
    assert "vnc" in shown and "x1" not in shown and "x2" not in shown
