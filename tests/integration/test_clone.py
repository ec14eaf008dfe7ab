# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones in a real daemon: theirs are their disks and identity, the version stays as it is."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from dataclasses import replace

import libvirt
import pytest
from ansible_collections.golden.libvirt.tests.unit.plugins.module_utils._xml.identities import identities, shared
from support import versions
from support.lab import COLLECTION, assert_same, qemu_img

SECURE = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE


def asked(lab, *names, **options):
    """The module's arguments for clones of those short names, of version 1 of web if nothing else is said."""
    args = {"names": [f"{lab.prefix}-{name}" for name in names], "image_pool": lab.pool, **options}
    if args.get("state") != "absent" and "domain" not in args:
        args = {"image": "web", "version": "1", **args}
    return {name: value for name, value in args.items() if value is not None}


def volumes(lab) -> set[str]:
    lab.refresh()
    return set(lab.conn.storagePoolLookupByName(lab.pool).listVolumes())


def info(path: str) -> dict:
    return json.loads(qemu_img("info", "-U", "--output=json", path))


def test_a_linked_clone_has_the_versions_bytes_and_keeps_its_own(lab):
    web = versions.add(lab, "web", "1", disks=["qcow2", "raw"])
    before = [versions.digest_of(lab, name) for name in versions.names_of(web)]
    name = lab.run_and_compare("clone", asked(lab, "a"))["clones"][0]["name"]
    for target, form in (("vda", "qcow2"), ("vdb", "raw")):
        path = lab.disk_path(name, target)
        assert lab.read(path, 14) == b"golden %s 1" % target.encode() + bytes(2)
        assert (info(path)["format"], info(path)["backing-filename-format"]) == ("qcow2", form)
        lab.write(path, b"my own")
        assert lab.read(path, 6) == b"my own"
    assert [versions.digest_of(lab, name) for name in versions.names_of(web)] == before


def test_a_full_clone_needs_the_version_no_more(lab):
    versions.add(lab, "web", "1", disks=["qcow2", "raw"])
    other = lab.add_pool("other")
    (clone,) = lab.run_and_compare("clone", asked(lab, "a", linked=False, pool=other))["clones"]
    assert {volume["pool"] for volume in clone["volumes"]} == {other}
    for target in ("vda", "vdb"):
        path = lab.disk_path(clone["name"], target)
        assert "backing-filename" not in info(path)
        assert lab.read(path, 12) == b"golden %s 1" % target.encode()


def test_a_clone_gets_its_own_copy_of_the_uefi_variables(lab):
    variables = pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd").read_bytes()
    versions.add(lab, "web", "1", nvram=variables)
    # Not run again: by then the firmware has written to its variables, sooner or later.
    (one, two) = lab.run_and_compare("clone", asked(lab, "a", "b", start=True), again=None)["clones"]
    for clone in (one, two):
        path = pathlib.Path(lab.file(f"{clone['name']}.nvram.fd"))
        assert f">{path}</nvram>" in lab.domain(clone["name"]).XMLDesc(0)
        assert path.stat().st_size == len(variables)
        lab.domain(clone["name"]).suspend()  # or the firmware writes between two looks
    lab.run_and_compare("clone", asked(lab, "a", "b", state="absent"))
    assert not [name for name in volumes(lab) if name.startswith(lab.prefix)]


@pytest.mark.parametrize("kept", [True, False])
def test_new_uefi_variables_are_the_clones_own_never_what_another_domain_left(lab, kept):
    variables = pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd").read_bytes()
    web = versions.add(lab, "web", "1", nvram=variables)
    if not kept:
        versions.write(lab, replace(web, nvram=None))
    wanted = {"nvram": "reset"} if kept else {}
    path = pathlib.Path(lab.file(f"{lab.prefix}-a.nvram.fd"))
    path.write_bytes(b"another domain's")
    lab.refresh()
    refused = lab.run_and_compare("clone", asked(lab, "a", **wanted), fails=True)
    assert f"has volumes of that name already, which are no clone's of that name: {path.name}" in refused["msg"]
    path.unlink()
    # Not run again: by then the firmware has written to its variables, sooner or later.
    (clone,) = lab.run_and_compare("clone", asked(lab, "a", start=True, **wanted), again=None)["clones"]
    assert f">{path}</nvram>" in lab.domain(clone["name"]).XMLDesc(0)
    assert path.stat().st_size == len(variables)
    lab.domain(clone["name"]).suspend()
    lab.run_and_compare("clone", asked(lab, "a", state="absent"))
    assert not [name for name in volumes(lab) if name.startswith(lab.prefix)]


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        (["20M", "24M"], "'disks' names vda more than once"),
        (["9000P"], "no disk can have 9000P"),
        (["0"], "disk vda cannot shrink from 16777216 to 0 bytes"),
    ],
)
def test_what_is_said_of_a_disk_is_taken_or_refused(lab, sizes, reason):
    versions.add(lab, "web", "1")
    disks = [{"target": "vda", "size": size} for size in sizes]
    assert reason in lab.run_and_compare("clone", asked(lab, "a", disks=disks), fails=True)["msg"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"parallel": -1}, "'parallel' is -1: it is how many at the same time, 1 or more"),
        ({"customise": {"user_data": "#cloud-config\n\udcff"}}, "'customise' has text that is not UTF-8"),
    ],
)
def test_what_no_module_takes_is_refused(lab, wrong, reason):
    assert reason in lab.run("clone", asked(lab, "a", **wrong))["msg"]


def test_a_domain_that_is_off_can_be_cloned(lab):
    source = lab.machine("src", disks=["qcow2", "raw"], macs=["52:54:00:12:34:56"], firmware="uefi")
    lab.domain(source).create()
    lab.domain(source).destroy()
    lab.write(lab.disk_path(source, "vdb"), b"source", form="raw")
    before = lab.world()
    (clone,) = lab.run_and_compare("clone", asked(lab, "a", domain=source))["clones"]
    assert (clone["linked"], clone["domain"], clone["image"]) == (False, source, None)
    assert lab.read(lab.disk_path(clone["name"], "vdb"), 6) == b"source"
    assert shared(lab.domain(source).XMLDesc(SECURE), lab.domain(clone["name"]).XMLDesc(SECURE)) == []
    lab.run_and_compare("clone", asked(lab, "a", state="absent"))
    assert_same(before, lab.world(), "more or less than was made was removed")


def test_no_two_of_twenty_clones_share_an_identity(lab):
    rich = (
        "<graphics type='vnc' port='5999' autoport='no' websocket='5799'/>"
        "<vsock><cid auto='no' address='77'/></vsock>"
        f"<console type='file'><source path='{lab.path}/console'/><log file='{lab.path}/console.log'/></console>"
        "<channel type='unix'><source mode='bind' path='/run/golden-template.sock'/>"
        "<target type='virtio' name='org.example.0'/></channel>"
    )
    versions.add(lab, "web", "1", extra_devices=rich, macs=[None, None])
    names = [f"c{number:02d}" for number in range(20)]
    clones = lab.run_and_compare("clone", asked(lab, *names, parallel=4))["clones"]
    assert [clone["item"] for clone in clones] == [f"{lab.prefix}-{name}" for name in names]
    found = [lab.domain(clone["name"]).XMLDesc(SECURE) for clone in clones]
    assert all(len(identities(xml)["MAC"]) == 2 for xml in found)
    for one, two in itertools.combinations(found, 2):
        assert shared(one, two) == []
    for xml in found:
        lab.conn.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)


def test_addresses_of_others_are_passed_over_and_come_again_for_a_clone_made_anew(lab):
    versions.add(lab, "web", "1", macs=[None, None])
    (first,) = lab.run("clone", asked(lab, "a"))["clones"]
    lab.run("clone", asked(lab, "a", state="absent"))
    assert lab.run("clone", asked(lab, "a"))["clones"][0]["macs"] == first["macs"]
    lab.run("clone", asked(lab, "a", state="absent"))
    lab.machine("thief", macs=[first["macs"][1].upper()])
    (second,) = lab.run_and_compare("clone", asked(lab, "a"))["clones"]
    assert second["macs"][0] == first["macs"][0]
    assert second["macs"][1] != first["macs"][1]


def test_hardware_overrides(lab):
    versions.add(lab, "web", "1")
    (clone,) = lab.run_and_compare("clone", asked(lab, "a", memory=64, vcpus=2, title="A web server"))["clones"]
    domain = lab.domain(clone["name"])
    assert (domain.info()[1], domain.info()[3]) == (64 * 1024, 2)
    assert "<title>A web server</title>" in domain.XMLDesc(0)


def test_a_clone_of_an_older_version_is_told_and_kept(lab):
    versions.add(lab, "web", "1")
    lab.run("clone", asked(lab, "a"))
    versions.add(lab, "web", "2")
    result = lab.run_and_compare("clone", asked(lab, "a", version="2"))
    assert result["changed"] is False
    assert (result["clones"][0]["outdated"], result["clones"][0]["version"]) == (True, "1")


def test_a_clone_that_was_switched_off_is_started_again_only_when_asked(lab):
    versions.add(lab, "web", "1")
    name = lab.run("clone", asked(lab, "a", start=True))["clones"][0]["name"]
    lab.domain(name).destroy()
    assert lab.run_and_compare("clone", asked(lab, "a"))["changed"] is False
    result = lab.run_and_compare("clone", asked(lab, "a", start=True))
    assert [action["action"] for action in result["actions"]] == ["start domain"]
    assert lab.state(name) == "running"


# ---- bad calls: one clear message, nothing changed


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"image": "wbe"}, ["no image wbe", "Near: web"]),
        ({"version": "9"}, ["no complete version 9", "1"]),
        ({"version": None, "channel": "stable"}, ["no channel stable"]),
        ({"version": None}, ["neither a version nor a channel"]),
        ({"image": None, "version": None, "domain": "nobody"}, ["no domain of that name"]),
        ({"pool": "nowhere"}, ["no pool of that name"]),
        ({"names": ["../x"]}, ["'../x' cannot be one"]),
        ({"names": ["golden.web.1"]}, ["'golden.web.1' cannot be one"]),
        ({"customise": {"hostname": "a_b", "via": "cloud-init"}}, ["'a_b' cannot be a host name"]),
        ({"customise": {"user_data": "hi", "via": "cloud-init"}}, ["#cloud-config"]),
        ({"customise": {"user_data": "hi", "via": "agent"}}, ["(1)", "user_data", "(2)", "start", "(3)"]),
        ({"memory": 8}, ["laid out in NUMA cells or modules"]),
    ],
)
def test_bad_calls(lab, options, said):
    versions.add(lab, "web", "1", extra_devices="<memory model='dimm'><target><size>1</size></target></memory>")
    result = lab.run_and_compare("clone", asked(lab, "a", **options), fails=True)
    for words in said:
        assert words in result["msg"]


def test_equal_host_names_are_refused(lab):
    versions.add(lab, "web", "1")
    args = asked(lab, "a", "b", customise={"fqdn": "web.example.org", "via": "cloud-init"})
    assert "would be the same in 2 guests" in lab.run_and_compare("clone", args, fails=True)["msg"]


def test_what_two_machines_cannot_share_is_refused_all_at_once(lab):
    device = "<filesystem><source dir='/srv'/><target dir='srv'/></filesystem>"
    serial = "<serial type='tcp'><source mode='bind' host='127.0.0.1' service='4555'/></serial>"
    versions.add(lab, "web", "1", extra_devices=device + serial)
    result = lab.run_and_compare("clone", asked(lab, "a", "b"), fails=True)
    assert "file system srv" in result["msg"]
    assert "port 4555" in result["msg"]
    assert [len(clone["obstacles"]) for clone in result["clones"]] == [2, 2]


def test_a_domain_of_that_name_is_never_touched(lab):
    versions.add(lab, "web", "1")
    versions.add(lab, "db", "1")
    lab.machine("a")
    lab.run("clone", asked(lab, "b", image="db"))
    result = lab.run_and_compare("clone", asked(lab, "a"), fails=True)
    assert "is not a clone" in result["msg"]
    assert "is a clone of db" in lab.run_and_compare("clone", asked(lab, "b"), fails=True)["msg"]
    assert "is not a clone" in lab.run_and_compare("clone", asked(lab, "a", state="absent"), fails=True)["msg"]
    args = asked(lab, "b", state="absent", image="web")
    assert "clone of db, not of web" in lab.run_and_compare("clone", args, fails=True)["msg"]


def test_of_a_revoked_version_nothing_new_is_made_and_of_a_deprecated_one_with_a_warning(lab):
    versions.add(lab, "web", "1")
    versions.set_state(lab, "web", "1", "deprecated", "too old")
    result = lab.run_and_compare("clone", asked(lab, "a"))
    assert result["warnings"] == ["web 1 is deprecated: too old"]
    versions.set_state(lab, "web", "1", "revoked", "a hole in it")
    assert lab.run_and_compare("clone", asked(lab, "a"))["changed"] is False
    assert "a hole in it" in lab.run_and_compare("clone", asked(lab, "b"), fails=True)["msg"]


def test_a_volume_of_that_name_is_never_touched(lab):
    versions.add(lab, "web", "1")
    lab.disk(f"{lab.prefix}-a.vda.qcow2", content=b"precious")
    result = lab.run_and_compare("clone", asked(lab, "a"), fails=True)
    assert f"{lab.prefix}-a.vda.qcow2" in result["msg"]


def test_one_failure_hides_nothing_of_the_others(lab):
    versions.add(lab, "web", "1")
    lab.machine("b")
    result = lab.run("clone", asked(lab, "a", "b", "c"))
    assert [clone["failed"] for clone in result["clones"]] == [False, True, False]
    assert (result["failed"], result["changed"]) == (True, True)


def test_what_fails_halfway_is_undone(lab):
    versions.add(lab, "web", "1", disks=["qcow2", "qcow2"])
    broken = pathlib.Path(lab.file("golden.web.1.vdb.qcow2"))
    broken.chmod(0o600)
    broken.write_bytes(b"no qcow2 file")
    before = lab.world()
    result = lab.run("clone", asked(lab, "a"))
    assert (result["failed"], result["changed"]) == (True, False)
    assert_same(before, lab.world(), "the failed clone left something")


# ---- interrupted runs


def test_a_run_that_is_killed_is_finished_by_the_next_and_leaves_no_debris(lab):
    versions.add(lab, "web", "1", disks=["qcow2", "raw"])
    before = lab.world()
    args = asked(lab, *[f"c{number:02d}" for number in range(30)])
    for share in (1, 12, 29):
        run = start_module(lab, "clone", args)
        while len(lab.domains()) < share and run.poll() is None:
            time.sleep(0.002)
        run.send_signal(signal.SIGKILL)
        run.wait()
        settle(lab)
    result = lab.run_and_compare("clone", args)
    assert all("complete='yes'" in lab.domain(clone["name"]).XMLDesc(0).replace('"', "'") for clone in result["clones"])
    assert len(volumes(lab)) == 3 + 60
    run = start_module(lab, "clone", {**args, "state": "absent"})
    while len(lab.domains()) > 15 and run.poll() is None:
        time.sleep(0.002)
    run.send_signal(signal.SIGKILL)
    run.wait()
    settle(lab)
    lab.run_and_compare("clone", {**args, "state": "absent"})
    assert_same(before, lab.world(), "something of the clones is left")


def test_of_two_runs_at_once_one_makes_each_clone_and_the_other_says_so(lab):
    versions.add(lab, "web", "1")
    args = asked(lab, *[f"c{number:02d}" for number in range(12)])
    runs = [start_module(lab, "clone", args, stdout=subprocess.PIPE) for _run in range(3)]
    results = [json.loads(run.stdout.read()) for run in runs if run.wait(120) is not None]
    for clones in zip(*(result["clones"] for result in results)):
        assert sum(clone["changed"] for clone in clones) == 1, clones
        for clone in clones:
            assert not clone["failed"] or "another run" in clone["msg"] or "meanwhile" in clone["msg"], clone["msg"]
    assert lab.run_and_compare("clone", args)["changed"] is False


def start_module(lab, module, args, stdout=subprocess.DEVNULL) -> subprocess.Popen:
    run = subprocess.Popen(
        [sys.executable, str(COLLECTION / "plugins" / "modules" / f"{module}.py")],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(COLLECTION.parents[2])},
    )
    run.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": {"uri": lab.uri, **args}}).encode())
    run.stdin.close()
    return run


def settle(lab) -> None:
    """Wait until the daemon has ended what the killed client had begun."""
    time.sleep(0.5)
    lab.refresh()


@pytest.mark.parametrize(("complete", "at_it"), [("no", "making"), ("yes", "reverting")])
def test_a_clone_that_another_run_is_at_is_left_to_it(lab, complete, at_it):
    versions.add(lab, "web", "1")
    name = lab.run("clone", asked(lab, "a"))["clones"][0]["name"]
    xml = lab.domain(name).XMLDesc(SECURE)
    stat = pathlib.Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    held = (
        f'<holder host="here" boot="{boot}/{os.readlink("/proc/self/ns/pid")}" pid="{os.getpid()}"'
        f' started="{stat[19]}" until="9999999999"/></origin>'
    )
    lab.conn.defineXML(
        xml.replace('complete="yes"', f'complete="{complete}"')
        .replace("complete='yes'", f"complete='{complete}'")
        .replace("</origin>", held)
    )
    for wanted in ({"label": "shop"}, {"state": "absent"}):
        said = lab.run_and_compare("clone", asked(lab, "a", **wanted), fails=True)["msg"]
        assert f"another run is {at_it} it (process {os.getpid()} on here)" in said


# ---- removal


def test_removal_takes_what_was_made_and_nothing_else(lab):
    versions.add(lab, "web", "1", first_boot="cloud-init", nvram=bytes(540672))
    before = lab.world()
    lab.run("clone", asked(lab, "a", "b", start=True))
    lab.run_and_compare("clone", asked(lab, "a", "b", state="absent"))
    assert_same(before, lab.world(), "more or less than was made was removed")
    assert lab.run_and_compare("clone", asked(lab, "a", state="absent"))["changed"] is False


def test_the_clones_snapshots_go_with_it(lab):
    versions.add(lab, "web", "1", disks=["qcow2", "raw"], nvram=bytes(540672))
    before = lab.world()
    name = lab.run("clone", asked(lab, "a"))["clones"][0]["name"]
    for snapshot in ("one", "two"):
        taken = lab.run("snapshot", {"domain": name, "name": snapshot, "mode": "external"})
        assert not taken.get("failed"), taken
    assert len(volumes(lab)) > 8
    lab.run_and_compare("clone", asked(lab, "a", state="absent"))
    assert_same(before, lab.world(), "more or less than was made was removed")


def test_a_disk_that_was_attached_later_stays(lab):
    versions.add(lab, "web", "1")
    name = lab.run("clone", asked(lab, "a"))["clones"][0]["name"]
    data = lab.disk("data.qcow2", content=b"data")
    disk = f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{data}'/><target dev='vdb'/></disk>"
    lab.domain(name).attachDeviceFlags(disk, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    lab.run_and_compare("clone", asked(lab, "a", state="absent"))
    assert lab.read(data, 4) == b"data"


def test_a_clone_whose_disk_another_domain_uses_is_kept(lab):
    versions.add(lab, "web", "1")
    name = lab.run("clone", asked(lab, "a"))["clones"][0]["name"]
    thief = lab.machine("thief")
    xml = lab.domain(thief).XMLDesc(SECURE).replace(lab.disk_path(thief), lab.disk_path(name))
    lab.conn.defineXML(xml)
    result = lab.run_and_compare("clone", asked(lab, "a", state="absent"), fails=True)
    assert f"domain {thief} uses" in result["msg"]


@pytest.mark.parametrize("by", ["volume", "hand"])
def test_a_clone_whose_disk_another_domain_uses_by_its_volume_or_since_it_runs_is_kept(lab, by):
    versions.add(lab, "web", "1")
    name = lab.run("clone", asked(lab, "a"))["clones"][0]["name"]
    thief = lab.machine("thief", state="paused")
    source, flag = {
        "volume": (f"pool='{lab.pool}' volume='{name}.vda.qcow2'", libvirt.VIR_DOMAIN_AFFECT_CONFIG),
        "hand": (f"file='{lab.disk_path(name)}'", libvirt.VIR_DOMAIN_AFFECT_LIVE),
    }[by]
    kind = "volume" if by == "volume" else "file"
    disk = f"<disk type='{kind}'><driver name='qemu' type='qcow2'/><source {source}/><target dev='vdb'/></disk>"
    lab.domain(thief).attachDeviceFlags(disk, flag)
    for module, options in (
        ("clone", asked(lab, "a", state="absent")),
        ("revert", {"domain": name, "to": "version", "image_pool": lab.pool}),
    ):
        assert f"domain {thief} uses" in lab.run_and_compare(module, options, fails=True)["msg"]


def test_a_domain_with_the_metadata_of_a_clone_that_is_gone_is_kept(lab):
    versions.add(lab, "web", "1")
    name = lab.run("clone", asked(lab, "a"))["clones"][0]["name"]
    xml = lab.domain(name).XMLDesc(SECURE)
    metadata = xml[xml.index("<metadata>") : xml.index("</metadata>")] + "</metadata>"
    copy = lab.machine("copy")
    lab.conn.defineXML(lab.domain(copy).XMLDesc(SECURE).replace("<memory ", metadata + "<memory ", 1))
    assert f"domain {name} uses" in lab.run_and_compare("clone", asked(lab, "a", exact=True), fails=True)["msg"]
    lab.run("clone", asked(lab, "a", state="absent"))
    result = lab.run_and_compare("clone", asked(lab, exact=True), fails=True)
    assert "it uses none of the volumes that were made" in result["msg"]


def test_a_clone_that_would_be_gone_with_its_power_is_kept(lab):
    versions.add(lab, "web", "1")
    name = lab.run("clone", asked(lab, "a", start=True))["clones"][0]["name"]
    lab.domain(name).undefine()
    before = set(volumes(lab))
    result = lab.run_and_compare("clone", asked(lab, "a", state="absent"), fails=True)
    assert "it is transient" in result["msg"]
    result = lab.run_and_compare("revert", {"domain": name, "to": "version", "image_pool": lab.pool}, fails=True)
    assert "it is transient" in result["msg"]
    assert (lab.state(name), volumes(lab)) == ("running", before)
    lab.conn.defineXML(lab.domain(name).XMLDesc(SECURE))
    lab.run_and_compare("clone", asked(lab, "a", state="absent"))


# ---- guests


def test_guests_are_awaited_and_have_the_versions_disk(lab):
    versions.add(lab, "web", "1", guest=True)
    result = lab.run_and_compare("clone", asked(lab, "a", "b", start=True, wait_for="agent"), again=None)
    for clone in result["clones"]:
        assert lab.guest(clone["name"]).read("vda", 0, 12) == "golden vda 1"
        lab.guest(clone["name"]).write("vda", 0, f"I am {clone['name'][-1]}")
    assert [lab.guest(clone["name"]).read("vda", 0, 6) for clone in result["clones"]] == ["I am a", "I am b"]
    assert lab.run("clone", asked(lab, "a", "b", start=True, wait_for="agent"))["changed"] is False


def test_a_guest_that_is_late_is_a_failure_and_the_clone_stays(lab):
    versions.add(lab, "web", "1")
    result = lab.run("clone", asked(lab, "a", start=True, wait_for="agent", wait_timeout=1))
    assert "no agent within 1 seconds (the domain is running)" in result["msg"]
    (clone,) = result["clones"]
    assert (clone["failed"], clone["changed"]) == (True, True)
    assert clone["left"] == [f"what was done up to (action start domain, domain {clone['item']}, paused False)"]
    assert lab.state(clone["item"]) == "running"
    assert lab.run("clone", asked(lab, "a"))["changed"] is False


def test_the_seed_tells_the_guest_who_it_is_and_nobody_else_its_secrets(lab):
    versions.add(lab, "web", "1", first_boot="cloud-init")
    secret = "#cloud-config\npassword: correct horse battery staple\n"
    customise = {"fqdn": "{name}.example.org", "ssh_keys": ["ssh-ed25519 AAAA me"], "user_data": secret}
    args = asked(lab, "a", customise=customise)
    result = lab.run_and_compare("clone", args)
    assert "horse" not in json.dumps(result)
    (clone,) = result["clones"]
    assert "horse" not in lab.domain(clone["name"]).XMLDesc(SECURE)
    seed = pathlib.Path(lab.file(f"{clone['name']}.seed.iso"))
    assert seed.stat().st_mode & 0o777 == 0o600
    content = seed.read_bytes()
    assert secret.encode() in content
    assert f'"local-hostname": "{clone["name"]}.example.org"'.encode() in content
    assert f'"instance-id": "{clone["uuid"]}"'.encode() in content
    lab.run_and_compare("clone", asked(lab, "a", state="absent"))
    assert not seed.exists()
