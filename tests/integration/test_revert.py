# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back to snapshots, on a real libvirt. What every kind of machine does is in test_snapshot_matrix.py."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET

import libvirt
import pytest
from support.lab import qemu_img, tool
from support.poke import poke
from support.promoting import others_snapshot, run_meanwhile
from support.tiny_guest import Disk


def take(lab, name, snapshot, **options):
    result = lab.run("snapshot", {"domain": name, "name": snapshot, **options})
    assert not result.get("failed"), result["msg"]


def go_back(lab, name, snapshot, **options):
    """The item that a revert returns, compared with what check mode said."""
    return lab.run_and_compare("revert", {"domain": name, "snapshot": snapshot, **options}, again=None)["reverts"][0]


def tree(lab, name):
    """{snapshot: parent}, and which one is current."""
    info = lab.run("snapshot_info", {"domain": name})["snapshots"]
    return {one["name"]: one["parent"] for one in info}, [one["name"] for one in info if one["current"]]


@pytest.mark.parametrize(("kind", "disks"), [("internal", ["qcow2"]), ("external", ["qcow2", "raw"])])
def test_from_the_middle_of_the_tree_new_snapshots_have_the_right_parents(lab, kind, disks):
    name = lab.machine("a", disks)
    for number in (1, 2, 3):
        lab.write(lab.disk_path(name), b"state%d" % number)
        take(lab, name, f"s{number}", mode=kind)
    lab.write(lab.disk_path(name), b"state4")
    for to, parents in (("s2", {"a": "s2"}), ("s1", {"a": "s2", "b": "s1"}), ("s3", {"a": "s2", "b": "s1", "c": "s3"})):
        go_back(lab, name, to)
        assert lab.read(lab.disk_path(name), 6) == b"state" + to[1:].encode()
        new = max(parents)
        lab.write(lab.disk_path(name), b"after" + new.encode())
        take(lab, name, new)
        assert tree(lab, name) == ({"s1": None, "s2": "s1", "s3": "s2", **parents}, [new])
    for to, content in (("a", b"aftera"), ("b", b"afterb"), ("c", b"afterc"), ("s1", b"state1"), ("s3", b"state3")):
        go_back(lab, name, to)
        assert lab.read(lab.disk_path(name), 6) == content


def test_memory_and_disks_go_on_together(lab):
    name = lab.machine("a", ["qcow2", "raw"], guest=True, state="running")
    guest = lab.guest(name)
    guest.write("vda", 4096, "before")
    guest.write("vdb", 4096, "before")
    guest.remember("the past")
    take(lab, name, "one", memory="true")
    guest.write("vda", 4096, "after!")
    guest.remember("the present")
    for _twice in range(2):
        item = go_back(lab, name, "one")
        assert (item["memory"], item["power"], lab.state(name)) == (True, "running", "running")
        guest = lab.guest(name)
        guest.wait()
        assert guest.state()["remembered"] == "the past"
        assert (guest.read("vda", 4096, 6), guest.read("vdb", 4096, 6)) == ("before", "before")
        guest.write("vda", 4096, "again!")
        assert lab.disk_path(name) in lab.domain(name).XMLDesc(0)


def test_only_the_abandoned_overlay_goes_and_its_size_is_told(lab):
    name = lab.machine("a")
    take(lab, name, "one", mode="external")
    take(lab, name, "two")
    top, middle = lab.disk_path(name), lab.file(f"{name}.vda.one.qcow2")
    lab.write(top, b"x" * 1048576)
    item = go_back(lab, name, "one")
    assert [(lost["disk"], lost["file"], lost["bytes"] > 1048576) for lost in item["discarded"]] == [("vda", top, True)]
    assert not os.path.exists(top) and os.path.exists(middle)
    first = lab.disk_path(name)
    assert first == lab.file(f"{name}.vda.one.2.qcow2")
    assert go_back(lab, name, "two")["left"] == []
    assert not os.path.exists(first) and len(os.listdir(lab.path / "pool")) == 3


def test_a_snapshot_on_a_branch_that_was_left_is_deleted_with_its_file(lab):
    name = lab.machine("a")
    lab.write(lab.disk_path(name), b"one")
    take(lab, name, "one", mode="external")
    lab.write(lab.disk_path(name), b"two")
    take(lab, name, "two")
    go_back(lab, name, "one")
    refused = lab.run_and_compare("snapshot", {"domain": name, "name": "one", "state": "absent"}, fails=True)
    assert "is built on it too (two)" in refused["msg"]
    lab.run_and_compare("snapshot", {"domain": name, "name": "two", "state": "absent"})
    lab.run_and_compare("snapshot", {"domain": name, "name": "one", "state": "absent"})
    assert os.listdir(lab.path / "pool") == [f"{name}.vda.qcow2"]
    assert lab.disk_path(name) == lab.file(f"{name}.vda.qcow2") and lab.read(lab.disk_path(name), 3) == b"one"


def test_the_definition_goes_back_too_and_the_diff_shows_it_without_secrets(lab):
    graphics = "<graphics type='vnc' autoport='yes' passwd='secret'/>"
    name = lab.machine("a", extra_devices=graphics)
    take(lab, name, "one", mode="external")
    xml = lab.domain(name).XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    lab.conn.defineXML(xml.replace(">98304<", ">65536<"))
    result = lab.run_and_compare("revert", {"domain": name, "snapshot": "one"}, again=None)
    assert ">98304<" in lab.domain(name).XMLDesc(0)
    assert ">65536<" in result["diff"][0]["before"] and ">98304<" in result["diff"][0]["after"]
    assert "secret" not in str(result)
    assert "passwd='secret'" in lab.domain(name).XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)


@pytest.mark.parametrize("kind", ["internal", "external"])
def test_a_safety_snapshot_leads_back(lab, kind):
    name = lab.machine("a")
    take(lab, name, "one", mode=kind)
    lab.write(lab.disk_path(name), b"later")
    item = go_back(lab, name, "one", safety_snapshot="safe")
    assert lab.read(lab.disk_path(name), 5) == bytes(5)
    assert item["actions"][-1 if kind == "internal" else 0]["action"] != "create snapshot"
    go_back(lab, name, "safe")
    assert lab.read(lab.disk_path(name), 5) == b"later"
    assert tree(lab, name)[0] == {"one": None, "safe": "one"}
    refused = lab.run_and_compare("revert", {"domain": name, "snapshot": "one", "safety_snapshot": "safe"}, fails=True)
    assert "already" in refused["msg"]


def test_uefi_variables_go_back(lab):
    name = lab.machine("a", state="running", firmware="uefi")
    lab.domain(name).destroy()
    nvram = lab.file(f"{name}_VARS.fd")
    take(lab, name, "one")
    with open(nvram, "rb") as file:
        before = file.read()
    with open(nvram, "r+b") as file:
        file.seek(1000)
        file.write(b"changed")
    go_back(lab, name, "one", power="running")
    lab.domain(name).destroy()
    go_back(lab, name, "one")
    with open(nvram, "rb") as file:
        assert file.read() == before


def test_the_state_of_a_tpm_goes_back_with_the_memory_or_only_if_told(lab):
    tpm = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"
    name = lab.machine("a", extra_devices=tpm, state="running")
    take(lab, name, "with")
    lab.domain(name).destroy()
    take(lab, name, "off")
    info = lab.run("snapshot_info", {"domain": name})["snapshots"]
    assert {one["name"]: one["tpm"] for one in info} == {"with": True, "off": False}
    refused = lab.run_and_compare("revert", {"domain": name, "snapshot": "off"}, fails=True)
    assert "TPM" in refused["msg"]
    go_back(lab, name, "off", force=True)
    go_back(lab, name, "with", power="running")
    assert lab.state(name) == "running"


def test_a_disk_that_is_not_in_the_snapshot_stays_as_it_is(lab):
    name = lab.machine("a", ["qcow2", "qcow2"])
    take(lab, name, "one", disks=["vda"])
    take(lab, name, "two", disks=["vdb"])
    for target in ("vda", "vdb"):
        lab.write(lab.disk_path(name, target), b"later")
    go_back(lab, name, "one")
    assert lab.read(lab.disk_path(name, "vda"), 5) == bytes(5)
    assert lab.read(lab.disk_path(name, "vdb"), 5) == b"later"


@pytest.mark.parametrize("kind", ["internal", "external"])
def test_a_disk_may_be_a_volume_of_a_pool(lab, kind):
    name = lab.machine("a", ["qcow2", "qcow2"])
    path = lab.disk_path(name, "vdb")
    root = ET.fromstring(lab.domain(name).XMLDesc(0))
    disk = root.find("devices/disk/target[@dev='vdb']/..")
    disk.set("type", "volume")
    disk.find("source").attrib.clear()
    disk.find("source").attrib.update(pool=lab.pool, volume=os.path.basename(path))
    lab.conn.defineXML(ET.tostring(root, encoding="unicode"))
    lab.write(path, b"before")
    take(lab, name, "one", mode=kind)
    lab.write(path if kind == "internal" else lab.disk_path(name, "vdb"), b"later!")
    go_back(lab, name, "one")
    assert lab.read(path if kind == "internal" else lab.disk_path(name, "vdb"), 6) == b"before"
    if kind == "external":
        take(lab, name, "two", disks=["vda"])
        lab.write(lab.disk_path(name, "vdb"), b"stays!")
        go_back(lab, name, "two")
        assert lab.read(lab.disk_path(name, "vdb"), 6) == b"stays!" and lab.read(path, 6) == b"before"
    before = lab.read(lab.disk_path(name, "vdb") if kind == "external" else path, 6)
    result = lab.run("snapshot", {"domain": name, "name": "one", "state": "absent"})
    if kind == "external" and result.get("failed"):  # libvirt 9.0 compares what it has written down, not the files
        assert "are not the same" in result["msg"] and tree(lab, name)[0] == {"one": None, "two": "one"}
        assert lab.read(lab.disk_path(name, "vdb"), 6) == before
    else:
        assert tree(lab, name)[0] == ({} if kind == "internal" else {"two": None})
        assert lab.read(path, 6) == before


def test_a_missing_snapshot_fails_and_names_those_that_are_near(lab):
    name = lab.machine("a")
    take(lab, name, "before-configure")
    refused = lab.run_and_compare("revert", {"domain": name, "snapshot": "before-configur"}, fails=True)
    assert "Near: before-configure." in refused["msg"]


def test_a_frozen_file_that_somebody_uses_again_is_refused(lab):
    name = lab.machine("a")
    base = lab.disk_path(name)
    take(lab, name, "one", mode="external")
    other = lab.machine("b", [Disk("vda", base)])
    refused = lab.run_and_compare("revert", {"domain": name, "snapshot": "one"}, fails=True)
    assert f"{base}, which it froze for vda, is now a disk of {other}" in refused["msg"]


def test_an_internal_snapshot_of_what_others_are_built_on_is_gone_back_to_only_if_told(lab):
    name = lab.machine("a")
    lab.run("snapshot", {"domain": name, "name": "one"})
    base = lab.disk_path(name)
    clone = lab.machine("clone", [Disk("vda", lab.disk("clone.qcow2"), "qcow2")])
    qemu_img("rebase", "-u", "-F", "qcow2", "-b", base, lab.file("clone.qcow2"))
    sharer = lab.machine("sharer", [Disk("vda", base, "qcow2")])
    asked = {"domain": name, "snapshot": "one"}
    refused = lab.run_and_compare("revert", asked, fails=True)["reverts"][0]
    assert refused["obstacles"] == [
        f"{base} is a disk of {sharer} as well, which would go back with it",
        f"{lab.file('clone.qcow2')} ({clone}) is built on {base}, and its content would no longer fit",
    ]
    listed = lab.run("snapshot_info", {"domain": name})["snapshots"][0]
    assert listed["revert_obstacles"] == refused["obstacles"]
    lab.run_and_compare("revert", {**asked, "force": True}, again=None)


def test_a_file_that_does_not_hold_the_snapshot_any_more_keeps_the_other_disks_from_going_back(lab):
    name = lab.machine("a", ["qcow2", "qcow2"])
    take(lab, name, "one")
    lost = lab.disk_path(name, "vdb")
    qemu_img("snapshot", "-d", "one", lost)
    lab.write(lab.disk_path(name), b"later")
    refused = lab.run_and_compare("revert", {"domain": name, "snapshot": "one"}, fails=True)
    assert f"{lost} has no snapshot one in it any more" in refused["msg"]
    info = lab.run("snapshot_info", {"domain": name})["snapshots"][0]
    assert not info["revertable"] and refused["reverts"][0]["obstacles"] == info["revert_obstacles"]


def test_of_two_snapshots_of_a_name_in_a_file_none_is_gone_back_to(lab):
    """QEMU would take the older one, which is not the one that libvirt knows."""
    name = lab.machine("a")
    for content in (b"one", b"two"):
        lab.write(lab.disk_path(name), content)
        lab.domain(name).snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
        if content == b"one":
            lab.domain(name).snapshotLookupByName("s").delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
    refused = lab.run_and_compare("revert", {"domain": name, "snapshot": "s"}, fails=True)
    assert "has more than one snapshot s in it" in refused["msg"]
    qemu_img("snapshot", "-d", "s", lab.disk_path(name))
    lab.write(lab.disk_path(name), b"now")
    go_back(lab, name, "s")
    assert lab.read(lab.disk_path(name), 3) == b"two"


def test_a_name_of_digits_is_not_trusted(lab):
    name = lab.machine("a")
    for snapshot in ("2", "x"):
        lab.domain(name).snapshotCreateXML(f"<domainsnapshot><name>{snapshot}</name></domainsnapshot>")
    refused = lab.run_and_compare("revert", {"domain": name, "snapshot": "2"}, fails=True)
    assert "for the number of another snapshot" in refused["msg"]


def test_a_machine_put_to_disk_loses_its_memory_only_if_told(lab):
    name = lab.machine("a", state="running")
    take(lab, name, "one", mode="external")
    lab.domain(name).managedSave()
    refused = lab.run_and_compare("revert", {"domain": name, "snapshot": "one"}, fails=True)
    assert "managed save" in refused["msg"]
    go_back(lab, name, "one", force=True, power="running")
    assert lab.state(name) == "running" and not lab.domain(name).hasManagedSaveImage()


def test_when_the_memory_cannot_be_restored_everything_is_as_before(lab):
    name = lab.machine("a", ["qcow2", "raw"], state="running")
    take(lab, name, "one", memory="true")
    take(lab, name, "two")
    lab.domain(name).destroy()
    with open(lab.file(f"{name}.one.memory"), "r+b") as file:
        file.truncate(100000)
    lab.write(lab.disk_path(name), b"present")
    before = {key: value for key, value in lab.world().items() if not key.startswith("state ")}
    failed = lab.run("revert", {"domain": name, "snapshot": "one", "power": "running"})
    assert failed["failed"] and failed["reverts"][0]["left"] == []
    after = {key: value for key, value in lab.world().items() if not key.startswith("state ")}
    assert {key for key in before | after if before.get(key) != after.get(key)} == set()
    assert lab.state(name) == "shutoff" and lab.read(lab.disk_path(name), 7) == b"present"


@pytest.mark.parametrize("kind", ["internal", "external"])
def test_a_paused_domain_whose_revert_fails_is_paused_again(lab, kind):
    name = lab.machine("a", state="running")
    take(lab, name, "one", mode=kind, memory="true")
    lab.domain(name).suspend()
    if kind == "external":
        os.truncate(lab.file(f"{name}.one.memory"), 100000)
        failed = lab.run("revert", {"domain": name, "snapshot": "one"})
    else:
        command = f"virsh -q -c '{lab.uri}' destroy {name} && qemu-img snapshot -d one {lab.disk_path(name)} >&2"
        failed = run_meanwhile(lab, {"domain": name, "snapshot": "one"}, "snapshots.revert", 1, command, "revert")
        assert "is started anew" in failed["msg"]
    assert failed["failed"] and lab.state(name) == "paused"


@pytest.mark.parametrize(("state", "wish"), [("shutoff", {"safety_snapshot": "safe"}), ("running", {"together": True})])
@pytest.mark.parametrize("back", [True, False])
def test_a_revert_that_fails_halfway_loses_nothing_that_the_safety_snapshot_holds(lab, wish, state, back):
    name = lab.machine("a", ["qcow2", "qcow2"])
    take(lab, name, "one")
    for target in ("vda", "vdb"):
        lab.write(lab.disk_path(name, target), b"later")
    if state == "running":
        lab.domain(name).create()
    asked = {"domain": name, "snapshot": "one", "power": "shutoff", **wish}
    path = lab.disk_path(name, "vdb")
    breaks = f"virsh -q -c '{lab.uri}' destroy {name} >&2 || true; "
    breaks += f"qemu-img snapshot -d one {path}" if back else f"mv {path} {path}.away"
    failed = run_meanwhile(lab, asked, "snapshots.revert", 1, breaks, "revert")
    assert failed["failed"], failed
    if back:
        assert failed["reverts"][0]["left"] == [] and tree(lab, name) == ({"one": None}, ["one"])
        assert lab.state(name) == state
    else:
        os.rename(f"{path}.away", path)
        held = wish.get("safety_snapshot", "before-one")
        assert f"{held} holds what it was" in failed["msg"] and tree(lab, name)[0] == {"one": None, held: "one"}
        go_back(lab, name, held)
    for target in ("vda", "vdb"):
        assert lab.read(lab.disk_path(name, target), 5) == b"later"


def test_a_domain_that_does_not_start_again_after_a_failed_revert_is_told_of(lab):
    name = lab.machine("a", ["qcow2", "qcow2"], state="running")
    take(lab, name, "one")
    gone = lab.disk_path(name, "vdb")
    command = f"virsh -q -c '{lab.uri}' destroy {name} >&2 && mv {gone} {gone}.away"
    failed = run_meanwhile(lab, {"domain": name, "snapshot": "one"}, "snapshots.revert", 1, command, "revert")
    os.rename(f"{gone}.away", gone)
    assert "could not be started again" in failed["reverts"][0]["left"][0] and lab.state(name) == "shutoff"


def test_snapshots_of_virsh_are_listed_and_reverted_to(lab):
    name = lab.machine("a")
    lab.write(lab.disk_path(name), b"before")
    lab.domain(name).snapshotCreateXML(
        "<domainsnapshot><name>virsh's own</name></domainsnapshot>", libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    )
    lab.write(lab.disk_path(name), b"after!")
    info = lab.run("snapshot_info", {"domain": name})["snapshots"]
    assert [(one["name"], one["kind"], one["consistency"], one["revertable"]) for one in info] == [
        ("virsh's own", "external", "offline", True)
    ]
    go_back(lab, name, "virsh's own")
    assert lab.read(lab.disk_path(name), 6) == b"before"


def test_several_domains_go_back_in_one_task(lab):
    names = [lab.machine(letter) for letter in "ab"]
    result = lab.run("snapshot", {"domains": names, "name": "one"})
    assert [item["failed"] for item in result["snapshots"]] == [False, False]
    for name in names:
        lab.write(lab.disk_path(name), b"later")
    result = lab.run_and_compare("revert", {"domains": names, "snapshot": "one"}, again=None)
    assert [item["item"] for item in result["reverts"]] == names
    assert [lab.read(lab.disk_path(name), 5) for name in names] == [bytes(5)] * 2


def test_the_metadata_of_other_tools_is_kept(lab):
    name = lab.machine("a")
    lab.domain(name).setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<x/>", "k", "urn:other", 0)
    take(lab, name, "one", mode="external")
    go_back(lab, name, "one")
    assert "urn:other" in ET.tostring(ET.fromstring(lab.domain(name).XMLDesc(0)).find("metadata"), encoding="unicode")


def test_after_a_revert_of_virsh_the_files_are_still_known(lab):
    if "<externalSnapshot" not in lab.conn.getCapabilities():
        pytest.skip("this libvirt does not revert external snapshots itself")
    name = lab.machine("a")
    lab.write(lab.disk_path(name), b"one")
    take(lab, name, "one", mode="external")
    lab.write(lab.disk_path(name), b"two")
    take(lab, name, "two")
    domain = lab.domain(name)
    domain.revertToSnapshot(domain.snapshotLookupByName("one"), 0)
    theirs = lab.disk_path(name)
    assert go_back(lab, name, "one")["left"] == [] and not os.path.exists(theirs)
    go_back(lab, name, "two")
    assert lab.read(lab.disk_path(name), 3) == b"two"
    domain.revertToSnapshot(domain.snapshotLookupByName("one"), 0)
    assert lab.read(lab.disk_path(name), 3) == b"one"
    lab.run_and_compare("snapshot", {"domain": name, "name": "two", "state": "absent"})
    lab.run_and_compare("snapshot", {"domain": name, "name": "one", "state": "absent"})
    assert os.listdir(lab.path / "pool") == [f"{name}.vda.qcow2"]
    assert lab.read(lab.disk_path(name), 3) == b"one"


def test_why_libvirts_own_revert_is_not_used(lab):
    """Where it fails, the domain is defined to write to what a snapshot froze; and it takes from other disks, too."""
    if "<externalSnapshot" not in lab.conn.getCapabilities():
        pytest.skip("this libvirt does not revert external snapshots itself")
    name, other = lab.machine("a", state="running"), lab.machine("b", ["qcow2", "qcow2"])
    take(lab, name, "one", mode="external", memory="true")
    lab.domain(name).destroy()
    os.truncate(lab.file(f"{name}.one.memory"), 100000)
    with pytest.raises(libvirt.libvirtError):
        lab.domain(name).revertToSnapshot(lab.domain(name).snapshotLookupByName("one"), 0)
    assert lab.disk_path(name) == lab.file(f"{name}.vda.qcow2")
    assert "writes to" in lab.run_and_compare("revert", {"domain": name, "snapshot": "one"}, fails=True)["msg"]

    take(lab, other, "one", disks=["vda"])
    take(lab, other, "two", disks=["vdb"])
    later = lab.disk_path(other, "vdb")
    lab.domain(other).revertToSnapshot(lab.domain(other).snapshotLookupByName("one"), 0)
    assert lab.disk_path(other, "vdb") != later and not os.path.exists(later)


@pytest.mark.parametrize(("kind", "state"), [("internal", "shutoff"), ("internal", "running"), ("external", "running")])
def test_together_all_go_back(lab, kind, state):
    domains = [lab.machine(letter, state=state) for letter in "ab"]
    lab.run("snapshot", {"domains": domains, "name": "one", "mode": kind})
    for domain in domains:
        poke(lab, domain, "vda", b"later")
    lab.run_and_compare("revert", {"domains": domains, "snapshot": "one", "together": True}, again=None)
    for domain in domains:
        assert lab.read(lab.disk_path(domain), 5) == bytes(5) and lab.state(domain) == state
        assert tree(lab, domain) == ({"one": None}, ["one"])


@pytest.mark.parametrize("state", ["shutoff", "running"])
def test_together_none_goes_back_where_one_fails(lab, state):
    """One with an internal and one with an external snapshot; that of a third has lost its bytes."""
    domains = [lab.machine("a", state=state), lab.machine("b", ["raw"], state=state), lab.machine("c")]
    for domain in domains:
        take(lab, domain, "one", memory="auto" if domain != domains[1] else "false")
    for domain in domains[:2]:
        poke(lab, domain, "vda", b"later")
    tool("qemu-img", "snapshot", "-d", "one", lab.disk_path(domains[2]))
    told = [tree(lab, domain) for domain in domains]
    result = lab.run("revert", {"domains": domains, "snapshot": "one", "together": True})
    assert [item["failed"] for item in result["reverts"]] == [True] * 3, result
    assert f"{domains[2]} failed, and so nothing is done" in result["reverts"][0]["msg"]
    assert [item["left"] for item in result["reverts"]] == [[], [], []]
    for domain in domains[:2]:
        assert lab.read(lab.disk_path(domain), 5) == b"later" and lab.state(domain) == state
    assert [tree(lab, domain) for domain in domains] == told


def test_together_none_goes_back_where_one_has_no_such_snapshot(lab):
    domains = [lab.machine("a"), lab.machine("b")]
    take(lab, domains[0], "one")
    refused = lab.run_and_compare("revert", {"domains": domains, "snapshot": "one", "together": True}, fails=True)
    assert "has no snapshot of that name" in refused["reverts"][1]["msg"]
    lab.write(lab.disk_path(domains[0]), b"later")
    result = lab.run("revert", {"domains": domains, "snapshot": "one"})
    assert [item["failed"] for item in result["reverts"]] == [False, True] and result["failed"]


@pytest.mark.parametrize(
    ("state", "options"),
    [
        ("shutoff", []),
        ("running", []),
        ("running", ["--disk-only"]),
        ("running", ["--memspec", "file={memory},snapshot=external"]),
    ],
)
def test_what_virsh_takes_is_followed_reverted_to_and_deleted(lab, state, options):
    name = lab.machine("a", ["qcow2", "qcow2"], state=state)
    poke(lab, name, "vda", b"before")
    options = [option.format(memory=lab.file("theirs.memory")) for option in options]
    tool("virsh", "-c", lab.uri, "snapshot-create-as", name, "theirs", "by hand", *options)
    info = lab.run("snapshot_info", {"domain": name})["snapshots"][0]
    assert (info["description"], info["revertable"], info["deletable"]) == ("by hand", True, True)
    take(lab, name, "ours")
    kinds = {one["name"]: one["kind"] for one in lab.run("snapshot_info", {"domain": name})["snapshots"]}
    assert kinds["theirs"] == kinds["ours"] == ("external" if options else "internal")
    poke(lab, name, "vda", b"after!")
    go_back(lab, name, "theirs")
    assert lab.read(lab.disk_path(name), 6) == b"before" and lab.state(name) == state
    for snapshot in ("ours", "theirs"):
        lab.run_and_compare("snapshot", {"domain": name, "name": snapshot, "state": "absent"})
    assert lab.read(lab.disk_path(name), 6) == b"before" and lab.domain(name).listAllSnapshots(0) == []
    assert sorted(os.listdir(lab.path / "pool")) == [f"{name}.vda.qcow2", f"{name}.vdb.qcow2"]


@pytest.mark.parametrize("when", [("snapshots.read_all", 2), ("domains.define", 1)])
def test_what_somebody_takes_a_snapshot_of_at_the_same_moment_is_not_removed(lab, when):
    name = lab.machine("a")
    take(lab, name, "one", mode="external")
    lab.write(lab.disk_path(name), b"later")
    asked = {"domain": name, "snapshot": "one"}
    result = run_meanwhile(lab, asked, *when, others_snapshot(lab, name), "revert")
    assert not result.get("failed"), result["msg"]
    assert lab.read(lab.disk_path(name), 5) == bytes(5)
    assert not lab.run("revert", {"domain": name, "snapshot": "other"}).get("failed")
    assert lab.read(lab.disk_path(name), 5) == b"later"


def test_a_domain_that_somebody_starts_before_it_goes_back_is_looked_at_again(lab):
    """Else its disks would be changed, and the overlay removed, under the running domain."""
    name = lab.machine("a")
    take(lab, name, "one", mode="external")
    start = f"virsh -q -c '{lab.uri}' start {name} >&2"
    result = run_meanwhile(lab, {"domain": name, "snapshot": "one"}, "snapshots.read_all", 1, start, "revert")
    assert not result.get("failed"), result["msg"]
    assert lab.state(name) == "running"
    used = ET.fromstring(lab.domain(name).XMLDesc(0)).find("devices/disk/source").get("file")
    assert used == lab.disk_path(name) and os.path.exists(used)
