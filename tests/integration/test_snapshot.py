# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking and deleting snapshots, on a real libvirt."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import xml.etree.ElementTree as ET

import libvirt
import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import quiescing
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.snapshot import SNAPSHOT
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Batch, planned_for
from ansible_collections.golden.libvirt.plugins.modules.snapshot import SPEC
from support.lab import COLLECTION, qemu_img, tool
from support.poke import poke
from support.promoting import others_snapshot, run_meanwhile
from support.tiny_guest import Disk


def taken(lab, name, snapshot="one", **options):
    """The item that taking a snapshot returns, compared with what check mode said and with a second run."""
    return lab.run_and_compare("snapshot", {"domain": name, "name": snapshot, **options})["snapshots"][0]


def names(lab, domain):
    return sorted(snapshot.getName() for snapshot in lab.domain(domain).listAllSnapshots(0))


def xml_of(lab, domain, snapshot="one"):
    return ET.fromstring(lab.domain(domain).snapshotLookupByName(snapshot).getXMLDesc(1))


def test_a_domain_that_is_named_twice_is_saved_once(lab):
    name = lab.machine("a")
    done = lab.run_and_compare("snapshot", {"domains": [name, name], "name": "one"})
    assert [item["item"] for item in done["snapshots"]] == [name]


@pytest.mark.parametrize(
    ("disks", "state", "options", "taken_as"),
    [
        (["qcow2"], "shutoff", {}, ("internal", False, "offline")),
        (["qcow2"], "running", {}, ("internal", True, "crash")),
        (["qcow2"], "paused", {}, ("internal", True, "crash")),
        (["qcow2"], "running", {"memory": "false"}, ("external", False, "crash")),
        (["qcow2"], "paused", {"memory": "false"}, ("external", False, "crash")),
        (["qcow2", "qcow2"], "shutoff", {"disks": ["vdb"]}, ("external", False, "offline")),
        (["qcow2", "raw"], "shutoff", {}, ("external", False, "offline")),
        (["raw"], "running", {}, ("external", False, "crash")),
        (["raw", "qcow2"], "running", {"memory": "true"}, ("external", True, "crash")),
        (["qcow2"], "paused", {"mode": "external", "memory": "true"}, ("external", True, "crash")),
        (["qcow2"], "shutoff", {"mode": "external"}, ("external", False, "offline")),
    ],
)
def test_the_kind_follows_from_disks_state_and_wish(lab, disks, state, options, taken_as):
    kind, memory, consistency = taken_as
    name = lab.machine("a", disks, state=state)
    item = taken(lab, name, **options)
    assert (item["kind"], item["memory"], item["consistency"]) == taken_as
    assert (item["fallback"] is not None) == (consistency == "crash")
    root = xml_of(lab, name)
    assert root.find("memory").get("snapshot") == (kind if memory else "no")
    made = options.get("disks") or [f"vd{letter}" for letter in "ab"[: len(disks)]]
    assert {disk.get("name") for disk in root.findall("disks/disk") if disk.get("snapshot") == kind} == set(made)
    assert lab.state(name) == state


def test_external_files_have_plain_names_and_are_private(lab):
    name = lab.machine("a", ["qcow2", "raw"], state="running")
    taken(lab, name, mode="external", memory="true")
    files = [lab.file(f"{name}.{end}") for end in ("vda.one.qcow2", "vdb.one.qcow2", "one.memory")]
    assert [lab.disk_path(name, "vda"), lab.disk_path(name, "vdb")] == files[:2]
    assert [os.stat(path).st_mode & 0o027 for path in files] == [0, 0, 0]


def test_a_disk_that_is_left_out_stays_as_it_is(lab):
    name = lab.machine("a", ["qcow2", "qcow2"])
    before = lab.disk_path(name, "vda")
    taken(lab, name, disks=["vdb"])
    assert lab.disk_path(name, "vda") == before and lab.disk_path(name, "vdb") == lab.file(f"{name}.vdb.one.qcow2")


def test_a_read_only_disk_does_not_matter(lab):
    iso = Disk("sda", lab.disk("seed.iso", "raw"), "raw", "scsi", readonly=True, device="cdrom")
    name = lab.machine("a", [Disk("vda", lab.disk("a.qcow2")), iso])
    assert taken(lab, name)["kind"] == "internal"


def test_kinds_are_not_mixed(lab):
    name = lab.machine("a")
    taken(lab, name, "one", mode="external")
    assert taken(lab, name, "two")["kind"] == "external"
    refused = lab.run_and_compare("snapshot", {"domain": name, "name": "three", "mode": "internal"}, fails=True)
    assert "its snapshots are external" in refused["msg"]


def test_a_snapshot_inside_a_file_that_libvirt_forgot_is_neither_lost_nor_taken_for_a_new_one(lab):
    name = lab.machine("a", ["qcow2", "qcow2"])
    path = lab.disk_path(name, "vdb")
    qemu_img("snapshot", "-c", "one", path)
    refused = lab.run_and_compare("snapshot", {"domain": name, "name": "one", "mode": "internal"}, fails=True)
    assert f"{path} has a snapshot one in it that libvirt does not know" in refused["msg"]
    lab.domain(name).create()
    lab.run_and_compare("snapshot", {"domain": name, "name": "one", "mode": "internal"}, fails=True)
    assert taken(lab, name, "two")["kind"] == "internal"


@pytest.mark.parametrize("name", ["n" * 245, "\u00e9" * 123])
def test_a_name_that_libvirt_could_not_write_down_leaves_no_snapshot_in_the_disk(lab, name):
    domain = lab.machine("a")
    refused = lab.run_and_compare("snapshot", {"domain": domain, "name": name}, fails=True)
    assert "too long" in refused["msg"]
    assert taken(lab, domain, "n" * 244)["kind"] == "internal"


def test_all_obstacles_are_said_at_once(lab):
    name = lab.machine("a", ["raw", "qcow2"], state="running")
    asked = {
        "domain": name,
        "name": "a/b",
        "mode": "internal",
        "memory": "false",
        "quiesce": "required",
        "disks": ["vda", "x"],
    }
    item = lab.run_and_compare("snapshot", asked, fails=True)["snapshots"][0]
    said = " ".join(item["obstacles"])
    for word in ("'a/b'", "disk x", "vda is raw", "or none", "always has the memory", "cannot be quiesced"):
        assert word in said


def test_an_unknown_domain_hides_no_other(lab):
    name = lab.machine("web")
    result = lab.run("snapshot", {"domains": [f"{name}x", name], "name": "one"})
    assert [item["failed"] for item in result["snapshots"]] == [True, False]
    assert result["failed"] and f"Near: {name}" in result["msg"]
    assert names(lab, name) == ["one"]


def test_description_and_label_come_back_as_they_were(lab):
    name = lab.machine("a")
    text = 'two\nlines & <tags> "quoted"\n\n[golden.libvirt label="not this one"]\n'
    taken(lab, name, description=text, label='a "b" ]')
    info = lab.run("snapshot_info", {"domain": name})["snapshots"][0]
    assert (info["description"], info["label"]) == (text, 'a "b" ]')


def test_a_quiesced_snapshot_is_application_consistent(lab):
    name = lab.machine("a", guest=True, state="running")
    item = taken(lab, name, mode="external", quiesce="required")
    assert (item["consistency"], item["fallback"]) == ("application", None)
    state = lab.guest(name).state()
    assert (state["freezes"], state["thaws"], state["frozen"]) == (1, 1, False)


def test_a_guest_that_refuses_to_freeze_is_thawed_and_taken_as_it_is_only_if_that_will_do(lab):
    name = lab.machine("a", guest=True, state="running", options=["fsfreeze=refuse"])
    before = lab.world()
    refused = lab.run("snapshot", {"domain": name, "name": "one", "mode": "external", "quiesce": "required"})
    assert refused["failed"] and lab.world() == before
    # This guest refuses to thaw, too: all that is known is said.
    assert ["may still be frozen" in left for left in refused["snapshots"][0]["left"]] == [True]
    item = taken(lab, name, mode="external")
    assert item["consistency"] == "crash" and "fsfreeze" in item["fallback"]
    assert lab.run("snapshot_info", {"domain": name})["snapshots"][0]["consistency"] == "crash"
    assert not lab.guest(name).state()["frozen"]


def test_without_an_agent_the_fallback_is_told_beforehand(lab):
    name = lab.machine("a", state="running", channel=False)
    assert "agent" in taken(lab, name, mode="external")["fallback"]
    asked = {"domain": name, "name": "two", "quiesce": "required"}
    assert "quiesce:" in lab.run_and_compare("snapshot", asked, fails=True)["msg"]


@pytest.mark.parametrize("kind", ["internal", "external"])
@pytest.mark.parametrize("state", ["shutoff", "running"])
def test_retention_removes_the_oldest_of_the_label_only(lab, kind, state):
    name = lab.machine("a", state=state)
    written = {}
    for number in (1, 2, 3):
        written[number] = bytes([64 + number]) * 512
        if state == "shutoff":
            lab.write(lab.disk_path(name), written[number], offset=number * 65536)
        item = taken(lab, name, f"n{number}", mode=kind, label="n", keep=2)
        taken(lab, name, f"other{number}", mode=kind, label="o") if number == 3 else None
    assert item["pruned"] == ["n1"] and item["spared"] == []
    assert names(lab, name) == ["n2", "n3", "other3"]
    item = taken(lab, name, "n4", mode=kind, label="n", keep=1)
    assert item["pruned"] == ["n2"] and [spared["name"] for spared in item["spared"]] == ["n3"]
    if state == "shutoff":
        for number, content in written.items():
            assert lab.read(lab.disk_path(name), 512, offset=number * 65536) == content


def test_deleting_takes_the_memory_file_with_it(lab):
    name = lab.machine("a", state="running")
    taken(lab, name, mode="external", memory="true")
    assert os.path.exists(lab.file(f"{name}.one.memory"))
    lab.run_and_compare("snapshot", {"domain": name, "name": "one", "state": "absent"})
    assert sorted(os.listdir(lab.path / "pool")) == [f"{name}.vda.qcow2"]


def test_what_a_clone_is_built_on_is_not_merged_into(lab):
    name = lab.machine("a")
    base = lab.disk_path(name)
    taken(lab, name, mode="external")
    volume = (
        f"<volume><name>clone.qcow2</name><capacity>16777216</capacity><target><format type='qcow2'/></target>"
        f"<backingStore><path>{base}</path><format type='qcow2'/></backingStore></volume>"
    )
    lab.conn.storagePoolLookupByName(lab.pool).createXML(volume, 0)
    clone = lab.machine("clone", [Disk("vda", lab.file("clone.qcow2"))])
    item = lab.run_and_compare("snapshot", {"domain": name, "name": "one", "state": "absent"}, fails=True)["snapshots"][
        0
    ]
    assert item["obstacles"] == [f"{lab.file('clone.qcow2')} is built on it too ({clone})"]


def elsewhere(lab, base):
    """An overlay on *base* in a directory that no pool covers."""
    overlay = lab.path / "elsewhere" / "overlay.qcow2"
    overlay.parent.mkdir(mode=0o711)
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, str(overlay))
    return str(overlay)


def test_what_a_running_domain_has_plugged_in_is_not_merged_into(lab):
    name, other = lab.machine("a"), lab.machine("other", state="paused")
    base = lab.disk_path(name)
    taken(lab, name, mode="external")
    overlay = elsewhere(lab, base)
    disk = f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{overlay}'/><target dev='vdx'/></disk>"
    lab.domain(other).attachDeviceFlags(disk, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    absent = {"domain": name, "name": "one", "state": "absent"}
    refused = lab.run_and_compare("snapshot", absent, fails=True)["snapshots"][0]
    assert refused["obstacles"] == [f"{overlay} is built on it too ({other})"]
    lab.domain(other).destroy()
    lab.run_and_compare("snapshot", absent)


@pytest.mark.parametrize("linked", ["file", "directory"])
def test_what_a_domain_reaches_through_a_symbolic_link_is_not_merged_into(lab, here, linked):
    name = lab.machine("a")
    base = lab.disk_path(name)
    taken(lab, name, mode="external")
    others = lab.path / "others"
    if linked == "file":
        others.mkdir(mode=0o711)
        (others / os.path.basename(base)).symlink_to(base)
    else:
        others.symlink_to(lab.path / "pool")
    path = str(others / os.path.basename(base))
    other = lab.machine("other", [Disk("vda", path, "qcow2")])
    overlay = elsewhere(lab, path)
    third = lab.machine("third", [Disk("vda", overlay, "qcow2")])
    item = lab.run_and_compare("snapshot", {"domain": name, "name": "one", "state": "absent"}, fails=True)
    assert item["snapshots"][0]["obstacles"] == [
        f"{overlay} is built on it too ({third})",
        f"{base} is a disk of {other}",
    ]


def test_uefi_variables_are_saved_with_the_snapshot(lab):
    name = lab.machine("a", ["qcow2"], state="running", firmware="uefi")
    lab.domain(name).destroy()
    nvram, copy = lab.file(f"{name}_VARS.fd"), lab.file(f"{name}.one.nvram.fd")
    taken(lab, name)
    with open(nvram, "rb") as original, open(copy, "rb") as saved:
        assert original.read() == saved.read()
    lab.run_and_compare("snapshot", {"domain": name, "name": "one", "state": "absent"})
    assert not os.path.exists(copy)


def test_retention_by_age_removes_the_old_of_the_label_only(lab):
    name = lab.machine("a")
    for snapshot, label in (("n1", "n"), ("o1", "o"), ("n2", "n")):
        taken(lab, name, snapshot, mode="external", label=label)
    time.sleep(2)
    asked = {"domain": name, "name": "n3", "label": "n", "max_age": "1s"}
    item = lab.run_and_compare("snapshot", asked, again=None)["snapshots"][0]
    assert item["pruned"] == ["n2"] and "o1 was taken after it" in item["spared"][0]["reason"]
    assert names(lab, name) == ["n1", "n3", "o1"]
    refused = lab.run_and_compare("snapshot", {**asked, "name": "n4", "max_age": "soon"}, fails=True)
    assert "Write 36h, 90d or 12w" in refused["msg"]


@pytest.mark.parametrize("state", ["shutoff", "running"])
def test_what_follows_from_a_snapshot_goes_with_it(lab, state):
    name = lab.machine("a", ["qcow2", "raw"], state=state)
    for snapshot in ("one", "two", "three"):
        taken(lab, name, snapshot, memory="false" if state == "running" else "auto")
        poke(lab, name, "vda", snapshot.encode())
    lab.run("revert", {"domain": name, "snapshot": "three"})
    poke(lab, name, "vdb", b"present")
    lab.run_and_compare("snapshot", {"domain": name, "name": "two", "state": "absent", "children": True})
    assert names(lab, name) == ["one"]
    assert lab.read(lab.disk_path(name), 3) == b"two" and lab.read(lab.disk_path(name, "vdb"), 7) == b"present"


def test_retention_that_was_applied_has_nothing_to_do_when_run_again(lab):
    name = lab.machine("a")
    for number in (1, 2, 3):
        taken(lab, name, f"n{number}", mode="external", label="n")
    lab.run("revert", {"domain": name, "snapshot": "n2"})
    item = taken(lab, name, "n4", label="n", keep=1)  # run twice
    assert sorted(item["pruned"]) == ["n1", "n2", "n3"] and item["spared"] == [] and names(lab, name) == ["n4"]
    assert sorted(os.listdir(lab.path / "pool")) == [f"{name}.vda.n4.qcow2", f"{name}.vda.qcow2"]


def test_a_pool_on_the_side_that_another_run_drops_is_set_up_anew(lab):
    """Two runs share the one over a directory that no pool covers, and the first to end drops it."""
    directory = lab.path / "bare"
    directory.mkdir(mode=0o711)
    qemu_img("create", "-q", "-f", "qcow2", str(directory / "a.qcow2"), "16M")
    name = lab.machine("a", [Disk("vda", str(directory / "a.qcow2"))])
    side = "golden-" + hashlib.sha256(str(directory).encode()).hexdigest()[:12]
    drop = f"virsh -q -c '{lab.uri}' pool-destroy {side} >&2 || true"  # another test's run may have done so
    asked = {"domain": name, "mode": "external"}
    for module, wish, step in (
        ("snapshot", {**asked, "name": "one"}, "volumes.open_pool"),
        ("snapshot", {**asked, "name": "two"}, "volumes.Pool.create"),
        ("revert", {"domain": name, "snapshot": "one"}, "volumes.Pool.delete"),
        ("snapshot", {**asked, "name": "two", "state": "absent"}, "volumes.Pool.delete"),
    ):
        result = run_meanwhile(lab, wish, step, 1, drop, module)
        assert not result.get("failed"), result["msg"]
    assert sorted(os.listdir(directory)) == ["a.qcow2", os.path.basename(lab.disk_path(name))]


def test_disks_can_be_left_out_by_name(lab):
    name = lab.machine("a", ["qcow2", "qcow2"])
    taken(lab, name, exclude_disks=["vda"])
    assert lab.disk_path(name) == lab.file(f"{name}.vda.qcow2") != lab.disk_path(name, "vdb")


def test_a_floppy_stays_out_of_it(lab):
    floppy = Disk("fda", lab.disk("a.img", "raw", 1440 * 1024), "raw", "fdc", device="floppy")
    name = lab.machine("a", [Disk("vda", lab.disk("a.qcow2")), floppy], state="running")
    assert taken(lab, name)["kind"] == "external"
    assert lab.disk_path(name, "fda") == lab.file("a.img")
    refused = lab.run_and_compare("snapshot", {"domain": name, "name": "two", "mode": "internal"}, fails=True)
    assert "eject it" in refused["msg"]


def test_a_branch_whose_files_qemu_cannot_read_does_not_bring_libvirt_down(lab):
    name = lab.machine("a", state="running")
    for snapshot in ("one", "two", "three", "four"):
        taken(lab, name, snapshot, memory="false")
    lab.run("revert", {"domain": name, "snapshot": "three"})
    frozen = lab.file(f"{name}.vda.three.qcow2")  # by snapshot four, on the branch that was left
    os.chown(frozen, 0, 0)
    os.chmod(frozen, 0o600)
    lab.run_and_compare("snapshot", {"domain": name, "name": "one", "state": "absent"})
    assert names(lab, name) == ["four", "three", "two"] and lab.state(name) == "running"
    assert not lab.run("revert", {"domain": name, "snapshot": "four"}).get("failed")


def group(lab, *options):
    """Machines that each run the tiny guest, with those options."""
    return [lab.machine(f"g{number}", guest=True, state="running", options=some) for number, some in enumerate(options)]


def test_guests_are_frozen_together_before_any_snapshot_begins(lab):
    domains = group(lab, [], [], [])
    asked = {"domains": domains, "name": "one", "mode": "external", "quiesce": "required", "together": True}
    result = lab.run_and_compare("snapshot", asked)
    assert [item["consistency"] for item in result["snapshots"]] == ["application"] * 3
    times = {xml_of(lab, domain).findtext("creationTime") for domain in domains}
    assert max(map(int, times)) - min(map(int, times)) <= 1
    for domain in domains:
        state = lab.guest(domain).state()
        assert (state["freezes"], state["thaws"], state["frozen"]) == (1, 1, False)


@pytest.mark.parametrize("together", [False, True])
def test_a_guest_that_does_not_answer_holds_nobody_up_for_long(lab, monkeypatch, together):
    monkeypatch.setattr(quiescing, "QUIESCE_SECONDS", 2)
    domains = group(lab, ["fsfreeze=hang"], [])
    options = {name: option.get("default") for name, option in SPEC.items()}
    asked = {"domains": domains, "name": "one", "mode": "external", "quiesce": "required", "together": together}
    with Hypervisor(lab.uri) as hypervisor:
        bench, params = Bench(hypervisor), {**options, **asked}
        items = Batch(planned_for(SNAPSHOT, bench, params), SNAPSHOT, bench, params, False).run()
    assert [item["failed"] for item in items] == [True, together]
    assert "may still be frozen" in items[0]["left"][0]
    assert names(lab, domains[0]) == [] and names(lab, domains[1]) == ([] if together else ["one"])
    assert not lab.guest(domains[1]).state()["frozen"]


def test_together_all_or_none_is_taken(lab):
    domains = group(lab, [], ["fsfreeze=refuse"])
    before = lab.world()
    asked = {"domains": domains, "name": "one", "mode": "external", "quiesce": "required", "together": True}
    result = lab.run("snapshot", asked)
    assert [item["failed"] for item in result["snapshots"]] == [True, True]
    assert f"{domains[1]} failed, and so nothing is done" in result["snapshots"][0]["msg"]
    assert lab.world() == before and not lab.guest(domains[0]).state()["frozen"]
    result = lab.run("snapshot", {**asked, "quiesce": "try"})
    assert [item["consistency"] for item in result["snapshots"]] == ["application", "crash"]


def test_together_a_failure_in_the_middle_leaves_nothing(lab):
    domains = [lab.machine("a"), lab.machine("b"), lab.machine("c")]
    os.truncate(lab.disk_path(domains[1]), 1000)  # no qcow2 any more: seen only once it is worked on
    before = lab.world()
    result = lab.run("snapshot", {"domains": domains, "name": "one", "mode": "internal", "together": True})
    assert [item["failed"] for item in result["snapshots"]] == [True] * 3
    after = lab.world()
    assert {key for key in before if before[key] != after.get(key) and not key.startswith("file")} == set()
    assert [names(lab, domain) for domain in domains] == [[], [], []]


def test_together_none_is_begun_where_one_cannot_be_taken(lab):
    domains = [lab.machine("a"), lab.machine("b", ["raw"])]
    asked = {"domains": domains, "name": "one", "mode": "internal", "together": True}
    result = lab.run_and_compare("snapshot", asked, fails=True)
    assert "so nothing is done" in result["snapshots"][0]["msg"] and "is raw" in result["snapshots"][1]["msg"]


def test_memory_files_go_with_all_that_follows(lab):
    """libvirt 12.8 removes a memory file itself, the pool still listing it."""
    name = lab.machine("a", state="running")
    for snapshot in ("one", "two", "three"):
        taken(lab, name, snapshot, mode="external", memory="true")
    lab.run_and_compare("snapshot", {"domain": name, "name": "one", "state": "absent", "children": True})
    assert os.listdir(lab.path / "pool") == [f"{name}.vda.qcow2"] and names(lab, name) == []


def test_where_qemu_let_go_of_a_paused_domain_nothing_is_changed(lab):
    """QEMU 7.2 does not merge its files then, 11.1 does."""
    name = lab.machine("a", state="paused")
    taken(lab, name, mode="external", memory="true")
    before = lab.world()
    refused = lab.run("snapshot", {"domain": name, "name": "one", "state": "absent"})
    if refused.get("failed"):
        assert "resume it for a moment" in refused["msg"] and lab.world() == before
        lab.domain(name).resume()
        lab.domain(name).suspend()
        lab.run_and_compare("snapshot", {"domain": name, "name": "one", "state": "absent"})
    assert os.listdir(lab.path / "pool") == [f"{name}.vda.qcow2"] and names(lab, name) == []


@pytest.mark.parametrize("when", [("snapshots.read_all", 2), ("snapshots.create", 1)])
@pytest.mark.parametrize(("state", "memory"), [("shutoff", "auto"), ("running", "false"), ("running", "true")])
def test_a_snapshot_that_somebody_takes_at_the_same_moment_is_built_on(lab, state, memory, when):
    """Else libvirt takes one for built on the other, and the files do not: what the one holds is lost at a restart."""
    name = lab.machine("a", ["raw"], state=state)
    asked = {"domain": name, "name": "one", "memory": memory}
    result = run_meanwhile(lab, asked, *when, others_snapshot(lab, name), "snapshot")
    assert not result.get("failed"), result["msg"]
    assert xml_of(lab, name).findtext("parent/name") == "other"
    overlay = lab.file(f"{name}.vda.one.qcow2")
    assert lab.disk_path(name) == overlay
    for path, backing in ((overlay, lab.file("other.qcow2")), (lab.file("other.qcow2"), lab.file(f"{name}.vda.raw"))):
        assert json.loads(qemu_img("info", "-U", "--output=json", path))["full-backing-filename"] == backing
    memories = [f"{name}.one.memory"] if memory == "true" else []
    files = [f"{name}.vda.raw", "other.qcow2", f"{name}.vda.one.qcow2", *memories]
    assert sorted(os.listdir(lab.path / "pool")) == sorted(files)


def test_of_two_that_take_the_same_snapshot_one_does_and_both_find_it(lab):
    name = lab.machine("a", state="running")
    asked = {"domain": name, "name": "one", "memory": "false"}
    command = f"echo '{json.dumps({'ANSIBLE_MODULE_ARGS': {'uri': lab.uri, **asked}})}' | {sys.executable} "
    command += f"{COLLECTION / 'plugins' / 'modules' / 'snapshot.py'} >&2"
    for step in ("volumes.Pool.create", "snapshots.create"):
        result = run_meanwhile(lab, asked, step, 1, command, "snapshot")
        assert not result.get("failed"), result["msg"]
        assert result["changed"] is False and names(lab, name) == ["one"]
        overlay = os.path.basename(lab.disk_path(name))
        assert sorted(os.listdir(lab.path / "pool")) == sorted([f"{name}.vda.qcow2", overlay])
        lab.run("snapshot", {**asked, "state": "absent"})


@pytest.mark.parametrize(
    ("step", "goes", "seen"),
    [
        ("domains.has_saved_memory", ["undefine --snapshots-metadata"], 0),
        (
            "snapshots.snapshot_xml.snapshot_of",
            [f"snapshot-delete --metadata --snapshotname {name}" for name in ("one", "two")],
            1,
        ),
    ],
)
def test_what_goes_while_snapshots_are_listed_hides_no_other(lab, step, goes, seen):
    going, other = domains = [lab.machine(letter) for letter in "ab"]
    for domain, snapshot in ((going, "one"), (going, "two"), (other, "one")):
        lab.run("snapshot", {"domain": domain, "name": snapshot})
    command = " && ".join(f"virsh -q -c '{lab.uri}' {go} --domain {going} >&2" for go in goes)
    found = run_meanwhile(lab, {"domains": domains}, step, 1, command, "snapshot_info")
    assert [one["domain"] for one in found["snapshots"]] == [*seen * [going], other]


def test_what_cannot_be_merged_while_a_domain_is_paused_is_spared_until_it_runs(lab):
    name = lab.machine("a", state="paused")
    taken(lab, name, "n1", mode="external", memory="true", label="n", keep=1)
    item = taken(lab, name, "n2", memory="false", label="n", keep=1)
    assert item["pruned"] == [] and "resume it" in item["spared"][0]["reason"]
    lab.domain(name).resume()
    assert taken(lab, name, "n3", memory="false", label="n", keep=1)["pruned"] == ["n1", "n2"]
    assert names(lab, name) == ["n3"]


def test_a_disk_in_a_pool_that_is_not_active_is_not_called_missing(lab):
    name = lab.machine("a")
    pool = lab.conn.storagePoolLookupByName(lab.pool)
    disk = f"<disk type='volume'><source pool='{lab.pool}' volume='b.raw'/><target dev='vdb'/></disk>"
    lab.disk("b.raw", "raw")
    lab.conn.defineXML(lab.domain(name).XMLDesc(0).replace("</devices>", f"{disk}</devices>"))
    taken(lab, name, mode="external", disks=["vda"])
    pool.destroy()
    refused = lab.run("snapshot", {"domain": name, "name": "two", "mode": "external"})
    (told,) = lab.run("snapshot_info", {"domain": name})["snapshots"]
    pool.create()
    start = f"virsh pool-start {lab.pool}"
    assert [start in obstacle for obstacle in refused["snapshots"][0]["obstacles"]] == [True, True]
    assert [start in obstacle for obstacle in told["revert_obstacles"]] == [True]
    taken(lab, name, "two")


def test_kinds_that_virsh_mixed_are_not_called_deletable_where_they_are_not(lab):
    name = lab.machine("a")
    disk = f"vda,file={lab.file('over.qcow2')}"
    for command in ("in1", f"ex --disk-only --diskspec {disk}", "in2"):
        tool("virsh", "-q", "-c", lab.uri, "snapshot-create-as", name, *command.split())
    info = {one["name"]: one for one in lab.run("snapshot_info", {"domain": name})["snapshots"]}
    assert {one: facts["deletable"] for one, facts in info.items()} == {"in1": False, "ex": False, "in2": True}
    said = " ".join(info["ex"]["delete_obstacles"])
    assert "follows from in1" in said and "in2 is inside its overlay" in said
    refused = lab.run_and_compare("snapshot", {"domain": name, "name": "ex", "state": "absent"}, fails=True)
    assert refused["snapshots"][0]["obstacles"] == info["ex"]["delete_obstacles"]
    lab.run_and_compare("snapshot", {"domain": name, "name": "in2", "state": "absent"})
