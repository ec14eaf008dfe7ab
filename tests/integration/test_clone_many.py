# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many clones in one task: names, settings of their own, groups, failures, disks, and what they are not to share."""

from __future__ import annotations

import json
import pathlib
import subprocess

import libvirt
import pytest
from support import versions
from support.lab import MIB, assert_same, qemu_img, remove_domain

SECURE = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE


def asked(lab, *names, **options):
    """The module's arguments for clones of those short names (or patterns), of version 1 of web."""
    args = {"names": [f"{lab.prefix}-{name}" for name in names], "image_pool": lab.pool, "image": "web", "version": "1"}
    return {**args, **options}


def there(lab) -> set[str]:
    return {domain.name().removeprefix(f"{lab.prefix}-") for domain in lab.domains()}


def info(path: str) -> dict:
    return json.loads(qemu_img("info", "-U", "--output=json", path))


def names_of(result, **wanted) -> list[str]:
    """The clones in a result of which all that is *wanted* holds."""
    return [
        clone["item"].rpartition("-")[2]
        for clone in result["clones"]
        if all(clone.get(key) == value for key, value in wanted.items())
    ]


# ---- names and settings


def test_a_pattern_and_clones_with_settings_of_their_own(lab):
    versions.add(lab, "web", "1")
    own = {"name": f"{lab.prefix}-{{3..4}}", "memory": 64, "title": "Larger", "linked": False}
    result = lab.run_and_compare("clone", asked(lab, "{1..2}", memory=48, clones=[own]))
    assert names_of(result) == ["1", "2", "3", "4"]
    memory = [lab.domain(clone["name"]).info()[1] // 1024 for clone in result["clones"]]
    assert memory == [48, 48, 64, 64]
    assert [clone["linked"] for clone in result["clones"]] == [True, True, False, False]
    assert "<title>Larger</title>" in lab.domain(f"{lab.prefix}-3").XMLDesc(0)
    lab.run_and_compare("clone", {**asked(lab, "{1..4}"), "version": None, "state": "absent"})
    assert there(lab) == set()


def test_a_name_is_asked_for_once(lab):
    versions.add(lab, "web", "1")
    result = lab.run_and_compare("clone", asked(lab, "{1..2}", clones=[{"name": f"{lab.prefix}-2"}]), fails=True)
    assert "is asked for twice" in result["msg"]


def test_one_guest_is_told_what_another_is_not(lab):
    versions.add(lab, "web", "1", first_boot="cloud-init")
    own = {"name": f"{lab.prefix}-b", "customise": {"fqdn": "db.example.org", "user_data": "#cloud-config\nb: 1\n"}}
    lab.run_and_compare("clone", asked(lab, "a", clones=[own], customise={"ssh_keys": ["ssh-ed25519 AAAA me"]}))
    one, two = (pathlib.Path(lab.file(f"{lab.prefix}-{name}.seed.iso")).read_bytes() for name in "ab")
    assert f'"local-hostname": "{lab.prefix}-a"'.replace("_", "-").encode() in one
    assert b'"local-hostname": "db.example.org"' in two
    assert b"ssh-ed25519 AAAA me" in one
    assert b"ssh-ed25519 AAAA me" in two
    assert (b"b: 1" in one, b"b: 1" in two) == (False, True)


# ---- groups


def test_surplus_clones_of_the_image_and_label_go_and_no_others(lab):
    versions.add(lab, "web", "1")
    versions.add(lab, "db", "1")
    lab.machine("machine")
    lab.run("clone", asked(lab, "other", label="blog"))
    lab.run("clone", asked(lab, "none"))
    lab.run("clone", asked(lab, "db", image="db", label="shop"))
    before = lab.world()
    lab.run("clone", asked(lab, "{1..5}", label="shop"))
    kept = {"machine", "other", "none", "db"}
    result = lab.run_and_compare("clone", asked(lab, "{1..3}", label="shop", exact=True))
    assert names_of(result, state="present") == ["1", "2", "3"]
    assert names_of(result, state="absent", changed=True) == ["4", "5"]
    assert there(lab) == {"1", "2", "3"} | kept
    lab.run_and_compare("clone", asked(lab, label="shop", exact=True))
    assert_same(before, lab.world(), "more or less than the group was removed")


def test_surplus_clones_stay_where_another_fails(lab):
    versions.add(lab, "web", "1")
    lab.run("clone", asked(lab, "a", "b"))
    lab.machine("c")
    result = lab.run("clone", asked(lab, "a", "c", exact=True, on_error="stop"))
    assert names_of(result, skipped=True) == ["a", "b"]
    assert there(lab) == {"a", "b", "c"}
    assert names_of(lab.run("clone", asked(lab, "a", "c", exact=True)), state="absent") == ["b"]
    assert there(lab) == {"a", "c"}


def test_a_clone_of_another_group_is_refused_and_one_of_none_joins(lab):
    versions.add(lab, "web", "1")
    lab.run("clone", asked(lab, "a"))
    assert lab.run_and_compare("clone", asked(lab, "a", label="shop"))["clones"][0]["label"] == "shop"
    result = lab.run_and_compare("clone", asked(lab, "a", label="blog"), fails=True)
    assert "a clone of web, label shop" in result["msg"]
    result = lab.run_and_compare("clone", {**asked(lab, "a", label="blog"), "state": "absent"}, fails=True)
    assert "not of web, label blog" in result["msg"]


# ---- failures


@pytest.mark.parametrize(("on_error", "left"), [("continue", 9), ("stop", 0), ("rollback", 0)])
def test_what_is_known_to_fail_stops_the_others_before_they_begin(lab, on_error, left):
    versions.add(lab, "web", "1")
    lab.machine("5")
    result = lab.run("clone", asked(lab, "{1..10}", on_error=on_error))
    assert names_of(result, failed=True) == ["5"]
    assert len(names_of(result, changed=True)) == left
    assert len(there(lab)) == left + 1


@pytest.mark.parametrize("on_error", ["continue", "stop", "rollback"])
def test_what_fails_while_others_are_made(lab, on_error):
    versions.add(lab, "web", "1")
    before = lab.world()
    # An interface on a bridge that is not there: defined without a word, and no start.
    bad = {"name": f"{lab.prefix}-2", "networks": [lab.network()], "start": True}
    args = asked(lab, "1", clones=[bad, {"name": f"{lab.prefix}-{{3..4}}"}], parallel=1, on_error=on_error)
    result = lab.run("clone", args)
    assert names_of(result, failed=True) == ["2"]
    changed = {"continue": ["1", "2", "3", "4"], "stop": ["1", "2"], "rollback": []}
    assert names_of(result, changed=True) == changed[on_error]
    assert names_of(result, skipped=True) == ([] if on_error == "continue" else ["3", "4"])
    if on_error == "rollback":
        assert names_of(result, rolled_back=True) == ["1", "2"]
        assert_same(before, lab.world(), "the rollback left something")


# ---- disks, networks, hardware


def test_disks_as_they_are_chosen(lab):
    versions.add(lab, "web", "1", disks=["qcow2", "raw", "qcow2"])
    fast = lab.add_pool("fast")
    digest = versions.digest_of(lab, "golden.web.1.vdb.raw")
    disks = [
        {"target": "vda", "size": "32M", "pool": fast},
        {"target": "vdb", "use": "share"},
        {"target": "vdc", "linked": False, "size": "24M"},
    ]
    (clone,) = lab.run_and_compare("clone", asked(lab, "a", disks=disks))["clones"]
    name = clone["name"]
    assert info(lab.disk_path(name, "vda"))["virtual-size"] == 32 * MIB
    assert lab.disk_path(name, "vda").startswith(f"{lab.path}/fast/")
    assert lab.read(lab.disk_path(name, "vda"), 12) == b"golden vda 1"
    assert lab.disk_path(name, "vdb") == lab.file("golden.web.1.vdb.raw")
    assert "backing-filename" not in info(lab.disk_path(name, "vdc"))
    assert info(lab.disk_path(name, "vdc"))["virtual-size"] == 24 * MIB
    lab.domain(name).create()
    lab.run_and_compare("clone", {**asked(lab, "a"), "state": "absent"})
    assert versions.digest_of(lab, "golden.web.1.vdb.raw") == digest


def test_disks_stay_as_they_were_chosen_when_a_clone_goes_to_another_version(lab):
    versions.add(lab, "web", "1", disks=["qcow2"] * 4)
    fast = lab.add_pool("fast")
    disks = [
        {"target": "vda", "size": "32M", "pool": fast},
        {"target": "vdb", "use": "share"},
        {"target": "vdc", "use": "skip"},
    ]
    customise = {"via": "credentials", "credentials": {"db.password": "correct horse"}}
    args = asked(lab, "a", disks=disks, customise=customise)
    (clone,) = lab.run("clone", args)["clones"]
    name = clone["name"]
    versions.add(lab, "web", "2", disks=["qcow2"] * 4)
    args = {"domain": name, "to": "version", "version": "2", "image_pool": lab.pool}
    lab.run_and_compare("revert", args, again=None)
    assert lab.disk_path(name, "vda") == f"{lab.path}/fast/{name}.vda.2.qcow2"
    assert info(lab.disk_path(name, "vda"))["virtual-size"] == 32 * MIB
    assert lab.disk_path(name, "vdb") == lab.file("golden.web.2.vdb.qcow2")
    assert lab.read(lab.disk_path(name, "vdd"), 12) == b"golden vdd 2"
    assert "<target dev='vdc'" not in lab.domain(name).XMLDesc(0)
    assert pathlib.Path(lab.file(f"{name}.credential-db.password.bin")).read_bytes() == b"correct horse"
    lab.run_and_compare("clone", {**asked(lab, "a"), "state": "absent", "version": None})
    assert not list(lab.path.rglob(f"{name}*"))


def test_a_disk_that_is_left_out(lab):
    versions.add(lab, "web", "1", disks=["qcow2", "qcow2"])
    (clone,) = lab.run_and_compare("clone", asked(lab, "a", disks=[{"target": "vdb", "use": "skip"}]))["clones"]
    assert [volume["name"] for volume in clone["volumes"]] == [f"{clone['name']}.vda.qcow2"]
    assert "<target dev='vdb'" not in lab.domain(clone["name"]).XMLDesc(0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"disks": [{"target": "vdx"}]}, "web 1 has no disk vdx"),
        ({"disks": [{"target": "vda", "size": "1M"}]}, "cannot shrink"),
        ({"disks": [{"target": "vda", "size": "much"}]}, "'much' is no size"),
        ({"memory": 1 << 30}, "MiB of memory: the hypervisor has"),
        ({"vcpus": 4000}, "4000 processors: a machine of its type takes"),
        ({"networks": ["nowhere"]}, "there is no network nowhere"),
        ({"label": "Shop!"}, "'Shop!' cannot be one"),
        ({"names": ["x-{9..1}"]}, "no range"),
    ],
)
def test_what_cannot_be_is_refused(lab, options, said):
    versions.add(lab, "web", "1")
    assert said in lab.run_and_compare("clone", asked(lab, "a", **options), fails=True)["msg"]


def test_another_network_and_no_variables_of_the_versions(lab):
    versions.add(lab, "web", "1", nvram=pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd").read_bytes())
    before = lab.world()
    network = lab.network()
    (clone,) = lab.run_and_compare("clone", asked(lab, "a", networks=[network], nvram="reset"))["clones"]
    xml = lab.domain(clone["name"]).XMLDesc(SECURE)
    assert f"<source network='{network}'/>" in xml
    assert "golden.web" not in xml.partition("<devices>")[0]
    (variables,) = [volume["name"] for volume in clone["volumes"] if "nvram" in volume["name"]]
    assert f"{lab.file(variables)}</nvram>" in xml and not pathlib.Path(lab.file(variables)).exists()
    lab.run_and_compare("clone", {**asked(lab, "a"), "state": "absent"})
    assert_same(before, lab.world(), "more or less than was made was removed")


def test_what_two_machines_cannot_share_is_kept_or_dropped(lab):
    device = "<filesystem><source dir='/srv'/><target dir='srv'/></filesystem>"
    serial = "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='4555'/></serial>"
    versions.add(lab, "web", "1", extra_devices=device + serial)
    result = lab.run_and_compare("clone", asked(lab, "a", sharing={"chardev": "drop"}), fails=True)
    assert "(sharing: filesystem)" in result["msg"]
    assert "4555" not in result["msg"]
    sharing = {"filesystem": "keep", "chardev": "drop"}
    result = lab.run_and_compare("clone", asked(lab, "a", "b", sharing=sharing))
    assert len(result["warnings"]) == 2
    xml = lab.domain(result["clones"][0]["name"]).XMLDesc(SECURE)
    assert "<source dir='/srv'/>" in xml
    assert "4555" not in xml


# ---- credentials


def test_credentials_are_in_files_that_only_root_reads_and_nowhere_else(lab):
    versions.add(lab, "web", "1")
    customise = {"via": "credentials", "credentials": {"db.password": "correct horse"}}
    before = lab.world()
    result = lab.run_and_compare("clone", asked(lab, "a", start=True, customise=customise))
    assert "horse" not in json.dumps(result)
    domain = lab.domain(result["clones"][0]["name"])
    assert "horse" not in domain.XMLDesc(SECURE) + domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    file = pathlib.Path(lab.file(f"{domain.name()}.credential-db.password.bin"))
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"correct horse", 0o600)
    lab.run_and_compare("clone", {**asked(lab, "a"), "state": "absent"})
    assert_same(before, lab.world(), "more or less than was made was removed")


# ---- domains and their snapshots


def test_a_running_domain_is_cloned_while_it_goes_on(lab):
    source = lab.machine("src", disks=["qcow2", "raw"], state="running", guest=True)
    for disk in ("vda", "vdb"):
        lab.guest(source).write(disk, 0, f"first {disk}")
    disks = [{"target": "vdb", "size": "24M"}]
    args = {"names": [f"{lab.prefix}-{name}" for name in "ab"], "domain": source, "image_pool": lab.pool}
    result = lab.run_and_compare("clone", {**args, "disks": disks})
    assert any("is running: its disks are copied as of one instant" in said for said in result["warnings"])
    lab.guest(source).write("vda", 0, "later vda")
    for clone in result["clones"]:
        for disk in ("vda", "vdb"):
            assert lab.read(lab.disk_path(clone["name"], disk), 9) == f"first {disk}".encode()
        assert "backing-filename" not in info(lab.disk_path(clone["name"]))
        assert info(lab.disk_path(clone["name"], "vdb"))["virtual-size"] == 24 * MIB
        assert clone["linked"] is False
    assert lab.guest(source).read("vda", 0, 9) == "later vda"
    lab.domain(result["clones"][0]["name"]).create()


def test_a_running_domain_stays_as_it_was_where_its_clone_fails(lab):
    source = lab.machine("src", state="paused")
    before = lab.world()
    args = {"names": [f"{lab.prefix}-a"], "domain": source, "image_pool": lab.pool}
    bad = {"start": True, "networks": [lab.network()]}
    assert lab.run("clone", {**args, **bad})["failed"]
    lab.run("clone", {**args, "state": "absent", "domain": None})
    assert_same(before, lab.world(), "the clone left something")


def test_a_snapshot_is_cloned_and_the_domain_not_disturbed(lab):
    source = lab.machine("src", disks=["qcow2", "raw"], firmware="uefi")
    lab.domain(source).create()
    lab.domain(source).destroy()
    for disk, form in (("vda", "qcow2"), ("vdb", "raw")):
        lab.write(lab.disk_path(source, disk), b"then", form=form)
    taken = lab.run("snapshot", {"domain": source, "name": "then", "mode": "external"})
    assert not taken.get("failed"), taken
    lab.write(lab.disk_path(source, "vda"), b"late")
    before = lab.world()
    args = {"names": [f"{lab.prefix}-a"], "domain": source, "image_pool": lab.pool}
    (clone,) = lab.run_and_compare("clone", {**args, "snapshot": "then"})["clones"]
    for disk in ("vda", "vdb"):
        assert lab.read(lab.disk_path(clone["name"], disk), 4) == b"then"
    assert pathlib.Path(lab.file(f"{clone['name']}.nvram.fd")).exists()
    lab.domain(clone["name"]).create()
    lab.domain(clone["name"]).suspend()  # or its firmware writes between two looks
    lab.run_and_compare("clone", {**args, "state": "absent", "domain": None})
    assert_same(before, lab.world(), "the domain was disturbed")
    result = lab.run_and_compare("clone", {**args, "snapshot": "never"}, fails=True)
    assert "no such snapshot (there: then)" in result["msg"]


def snapshot_of(lab, source, name):
    """Take an internal snapshot; returns the arguments for a clone of it."""
    taken = lab.run("snapshot", {"domain": source, "name": name, "mode": "internal"})
    assert not taken.get("failed"), taken
    return {"names": [f"{lab.prefix}-a"], "domain": source, "image_pool": lab.pool, "snapshot": name}


def test_an_internal_snapshot_of_a_domain_that_is_off(lab):
    """Its disk was an overlay and has grown since; the name has what qemu-img's options would read as their own."""
    source = lab.machine("src", disks=["qcow2", "qcow2"])
    base = lab.disk("base.qcow2", content=b"base")
    top = lab.disk_path(source)
    pathlib.Path(top).unlink()
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, top)
    lab.write(top, b"then", offset=MIB)
    lab.write(lab.disk_path(source, "vdb"), b"then", offset=15 * MIB)
    args = snapshot_of(lab, source, "it's, off=1")
    lab.write(top, b"late", offset=MIB)
    lab.write(top, b"late", offset=0)
    lab.write(lab.disk_path(source, "vdb"), b"late" * MIB, offset=8 * MIB)
    qemu_img("resize", "-q", lab.disk_path(source, "vdb"), "24M")
    before = lab.world()
    result = lab.run_and_compare("clone", {**args, "disks": [{"target": "vda", "size": "20M"}]})
    name = result["clones"][0]["name"]
    assert not any("memory" in said for said in result["warnings"])
    vda, vdb = lab.disk_path(name), lab.disk_path(name, "vdb")
    assert (info(vda)["virtual-size"], info(vdb)["virtual-size"]) == (20 * MIB, 16 * MIB)
    assert pathlib.Path(vda).stat().st_mode & 0o777 == 0o640
    assert "backing-filename" not in info(vda)
    assert "snapshots" not in info(vda)
    assert lab.read(vda, 20 * MIB) == b"base".ljust(MIB, b"\0") + b"then".ljust(19 * MIB, b"\0")
    assert lab.read(vdb, 16 * MIB) == bytes(15 * MIB) + b"then".ljust(MIB, b"\0")
    lab.domain(name).create()
    lab.run_and_compare("clone", {**args, "state": "absent", "domain": None, "snapshot": None})
    assert_same(before, lab.world(), "the domain was disturbed")


def test_an_internal_snapshot_of_a_running_domain_that_goes_on_writing(lab):
    source = lab.machine("src", disks=["qcow2", "qcow2"], state="running", guest=True)
    for disk in ("vda", "vdb"):
        lab.guest(source).fill(disk, 0, MIB, f"then {disk} ")
    args = snapshot_of(lab, source, "then")
    for disk in ("vda", "vdb"):
        lab.guest(source).fill(disk, 0, 3 * MIB, f"late {disk} ")
    result = lab.run_and_compare("clone", args)
    name = result["clones"][0]["name"]
    assert any("its memory is not taken" in said for said in result["warnings"])
    for disk in ("vda", "vdb"):
        then = (f"then {disk} " * MIB).encode()[:MIB]
        assert lab.read(lab.disk_path(name, disk), 16 * MIB) == then + bytes(15 * MIB)
        assert lab.guest(source).read(disk, 2 * MIB, 4) == (f"late {disk} " * MIB)[2 * MIB : 2 * MIB + 4]
    lab.domain(source).destroy()


def test_an_internal_snapshot_over_compressed_clusters(lab):
    """These are read by qemu-img, on the hypervisor only."""
    source = lab.machine("src")
    plain, top = lab.disk("plain.qcow2", content=b"then"), lab.disk_path(source)
    qemu_img("convert", "-c", "-O", "qcow2", "-o", "compat=1.1", plain, top)
    args = snapshot_of(lab, source, "a,$HOME")
    lab.write(top, b"late")
    if lab.far:
        before, result = lab.world(), lab.run("clone", args)
        assert "it has compressed clusters. Run this on the hypervisor itself" in result["msg"]
        assert_same(before, lab.world(), "the failed clone left something")
        return
    (clone,) = lab.run_and_compare("clone", args)["clones"]
    assert lab.read(lab.disk_path(clone["name"]), 6) == b"then\0\0"


def test_an_internal_snapshot_that_is_not_in_the_file(lab):
    source = lab.machine("src")
    args = snapshot_of(lab, source, "then")
    qemu_img("snapshot", "-d", "then", lab.disk_path(source))
    result = lab.run_and_compare("clone", args, fails=True)
    assert "it has no internal snapshot then" in result["msg"]


# ---- seeds


def test_a_seed_is_written_anew_where_it_says_something_else_and_goes_when_it_has_served(lab):
    versions.add(lab, "web", "1", first_boot="cloud-init")
    before = lab.world()
    (clone,) = lab.run_and_compare("clone", asked(lab, "a", customise={"user_data": "#!/bin/sh\n# one\n"}))["clones"]
    seed = pathlib.Path(lab.file(f"{clone['name']}.seed.iso"))
    longer = {"user_data": "#!/bin/sh\n# two" + "!" * 5000 + "\n"}
    result = lab.run_and_compare("clone", asked(lab, "a", customise=longer))
    assert [action["action"] for action in result["actions"]] == ["rewrite volume"]
    assert "two!" not in json.dumps(result)
    assert (b"two!" in seed.read_bytes(), seed.stat().st_mode & 0o777) == (True, 0o600)
    assert f'"instance-id": "{clone["uuid"]}"'.encode() in seed.read_bytes()
    assert lab.run_and_compare("clone", asked(lab, "a"))["changed"] is False
    result = lab.run_and_compare("clone", asked(lab, "a", customise={"seed": "absent"}))
    assert not seed.exists()
    assert "seed" not in lab.domain(clone["name"]).XMLDesc(SECURE)
    assert lab.run_and_compare("clone", asked(lab, "a", customise=longer))["changed"] is False
    lab.run_and_compare("clone", {**asked(lab, "a"), "state": "absent"})
    assert_same(before, lab.world(), "more or less than was made was removed")


def test_a_clone_that_was_renamed_loses_its_seed(lab):
    versions.add(lab, "web", "1", first_boot="cloud-init")
    name = lab.run("clone", asked(lab, "a"))["clones"][0]["name"]
    lab.domain(name).rename(f"{lab.prefix}-b")
    result = lab.run_and_compare("clone", asked(lab, "a"), fails=True)
    assert "A clone that was renamed goes on using them" in result["msg"]
    result = lab.run_and_compare("clone", asked(lab, "b", customise={"ssh_keys": ["ssh-ed25519 AAAA me"]}))
    assert [action["action"] for action in result["actions"]] == ["rewrite volume"]
    lab.run_and_compare("clone", asked(lab, "b", customise={"seed": "absent"}))
    assert not pathlib.Path(lab.file(f"{name}.seed.iso")).exists()


def test_a_running_clone_loses_its_seed(lab):
    versions.add(lab, "web", "1", first_boot="cloud-init", guest=True)
    args = asked(lab, "a", start=True, wait_for="agent")
    name = lab.run("clone", args)["clones"][0]["name"]
    lab.run_and_compare("clone", {**args, "customise": {"seed": "absent"}}, again=None)
    assert not pathlib.Path(lab.file(f"{name}.seed.iso")).exists()
    assert lab.guest(name).read("vda", 0, 6) == "golden"
    lab.domain(name).destroy()
    lab.run_and_compare("clone", args, again=None)


def test_a_lost_seed_is_written_again(lab):
    versions.add(lab, "web", "1", first_boot="cloud-init")
    args = asked(lab, "a", customise={"hostname": "{name}"})
    name = lab.run("clone", args)["clones"][0]["name"]
    lab.conn.storagePoolLookupByName(lab.pool).storageVolLookupByName(f"{name}.seed.iso").delete()
    result = lab.run_and_compare("clone", args)
    assert [action["action"] for action in result["actions"]] == ["rewrite volume"]


# ---- reflinks


@pytest.fixture
def btrfs(lab, pytestconfig):
    """A pool on a file system that can share blocks between files."""
    if pytestconfig.getoption("--stack") not in ("system", "ssh"):
        pytest.skip("what is mounted now is seen by the machine's own hypervisor only")
    image, directory = lab.path / "btrfs.img", lab.path / "shared"
    directory.mkdir()
    with open(image, "wb") as file:
        file.truncate(160 * MIB)
    mounted = subprocess.run(
        ["sh", "-c", 'mkfs.btrfs -q "$0" && mount -o loop "$0" "$1"', image, directory],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip(f"no btrfs here: {mounted.stderr.decode()}")
    directory.chmod(0o711)
    lab.pool = lab.add_pool("shared")
    lab.file = lambda name: str(directory / name)
    yield directory
    for domain in lab.domains():
        remove_domain(domain)
    pool = lab.conn.storagePoolLookupByName(lab.pool)
    pool.destroy()
    pool.undefine()
    subprocess.run(["umount", directory], check=True)


def test_full_copies_share_their_blocks_where_the_file_system_can(here, lab, btrfs):
    web = versions.add(lab, "web", "1", disks=["qcow2", "qcow2"])
    original = pathlib.Path(lab.file("golden.web.1.vda.qcow2"))
    original.chmod(0o600)
    lab.write(str(original), bytes(range(256)) * 4 * 4096)
    original.chmod(0o444)
    digests = [versions.digest_of(lab, name) for name in versions.names_of(web)]
    disks = [{"target": "vda", "size": "32M"}]
    (clone,) = lab.run_and_compare("clone", asked(lab, "a", linked=False, disks=disks))["clones"]
    path = lab.disk_path(clone["name"])
    extents = subprocess.run(["filefrag", "-v", path], check=True, capture_output=True, text=True).stdout
    assert [line for line in extents.splitlines() if line.lstrip()[:1].isdigit() and "shared" in line], extents
    assert "backing-filename" not in info(path)
    assert info(path)["virtual-size"] == 32 * MIB
    assert pathlib.Path(path).stat().st_mode & 0o777 == 0o640
    assert lab.read(path, 512) == bytes(range(256)) * 2
    lab.write(path, b"my own")
    assert [versions.digest_of(lab, name) for name in versions.names_of(web)] == digests
    lab.run_and_compare("clone", {**asked(lab, "a"), "state": "absent"})


def test_a_file_with_snapshots_in_it_is_copied_without_them(lab, btrfs):
    source = lab.machine("src")
    lab.write(lab.disk_path(source), b"now")
    assert not lab.run("snapshot", {"domain": source, "name": "s", "mode": "internal"}).get("failed")
    args = {"names": [f"{lab.prefix}-a"], "domain": source, "image_pool": lab.pool}
    (clone,) = lab.run_and_compare("clone", args)["clones"]
    assert "snapshots" not in info(lab.disk_path(clone["name"]))
    assert lab.read(lab.disk_path(clone["name"]), 3) == b"now"
    lab.run("snapshot", {"domain": source, "name": "s", "state": "absent"})
