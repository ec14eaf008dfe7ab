# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promoting in place: nothing is copied, nothing is lost, at whatever moment the run dies."""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import shutil
import stat
import sys

import pytest
from support.lab import MIB, assert_same, qemu_img, tool
from support.promoting import (
    PROMOTE,
    SEALED,
    asked,
    image,
    in_pool,
    killed_run,
    manifest_of,
    path_in,
    run_meanwhile,
    sealed_machine,
)

pytestmark = pytest.mark.usefixtures("here")  # that it says so elsewhere is tested with ssh

WORDS = b"precious"


def frozen(images, name, **options):
    return asked(images, name, method="freeze", **options)


def chain(path):
    """The files that a disk consists of, from the top."""
    found = json.loads(qemu_img("info", "-U", "--backing-chain", "--output=json", path))
    return [of["filename"] for of in found]


def machine(lab, **options):
    """A machine with something on its disks, and its files."""
    name = lab.machine("web", disks=["qcow2", "qcow2"], **options)
    for target in ("vda", "vdb"):
        lab.write(lab.disk_path(name, target), WORDS + target.encode())
    return name


def boots(lab, name):
    """That QEMU starts the domain, and can write to its disks."""
    lab.domain(name).create()
    lab.domain(name).destroy()


def test_the_files_become_the_version_and_the_domain_goes_on(lab, images):
    name = machine(lab, firmware="uefi")
    shutil.copy("/usr/share/OVMF/OVMF_VARS_4M.fd", lab.file(f"{name}_VARS.fd"))
    before = {target: pathlib.Path(lab.disk_path(name, target)) for target in ("vda", "vdb")}
    inodes, mode = {target: path.stat().st_ino for target, path in before.items()}, before["vda"].stat().st_mode
    xml = lab.domain(name).XMLDesc(2)
    result = lab.run_and_compare("promote", frozen(images, name, channels=["stable"]))
    assert lab.domain(name).XMLDesc(2) == xml
    for target, path in before.items():
        golden = path_in(lab, images, f"golden.web.1.{target}.qcow2")
        assert os.stat(golden).st_ino == inodes[target]
        assert chain(str(path)) == [str(path), golden]
        assert (stat.filemode(os.stat(golden).st_mode), os.stat(golden).st_nlink) == ("-r--r--r--", 1)
        assert path.stat().st_mode == mode
        assert lab.read(str(path), 11) == WORDS + target.encode()
    for disk in manifest_of(result)["disks"]:
        golden = path_in(lab, images, disk["volume"])
        assert tool("sha256sum", golden).split()[0] == disk["sha256"]
        assert os.stat(golden).st_size == disk["size"]
    assert image(lab, images, verify=True)["versions"][0]["problems"] == []
    assert sorted(path.name for path in (lab.path / "pool").iterdir() if path.suffix == ".qcow2") == [
        f"{name}.vda.qcow2",
        f"{name}.vdb.qcow2",
    ]
    boots(lab, name)
    lab.write(str(before["vda"]), b"later")
    assert lab.read(path_in(lab, images, "golden.web.1.vda.qcow2"), 8) == WORDS
    clone = lab.run("clone", {"name": f"{lab.prefix}-clone", "image": "web", "channel": "stable", "image_pool": images})
    assert lab.read(lab.disk_path(clone["clones"][0]["name"]), 11) == WORDS + b"vda"


def test_a_linked_clone_is_frozen_over_the_version_that_it_is_of(lab, images):
    lab.run("promote", asked(images, machine(lab)))
    clone = lab.run("clone", {"name": f"{lab.prefix}-build", "image": "web", "version": "1", "image_pool": images})
    name = clone["clones"][0]["name"]
    lab.write(lab.disk_path(name), b"second")
    result = lab.run_and_compare("promote", frozen(images, name))
    manifest = manifest_of(result)
    assert manifest["lineage"] == {"image": "web", "version": "1"}
    assert [disk["backing"] for disk in manifest["disks"]] == ["golden.web.1.vda.qcow2", "golden.web.1.vdb.qcow2"]
    golden = path_in(lab, images, "golden.web.2.vda.qcow2")
    assert chain(lab.disk_path(name)) == [lab.disk_path(name), golden, path_in(lab, images, "golden.web.1.vda.qcow2")]
    assert [of["problems"] for of in image(lab, images, verify=True)["versions"]] == [[], []]
    refused = lab.run("image", {"image": "web", "version": "1", "image_pool": images, "state": "absent"})
    assert "web 2 is built on" in refused["msg"]
    far = {"image": "web", "versions": ["2"], "image_pool": lab.pool, "from_uri": lab.uri, "from_pool": images}
    assert "is an overlay on golden.web.1.vda.qcow2" in lab.run_and_compare("transfer", far, fails=True)["msg"]
    assert "msg" not in lab.run("clone", {"name": name, "image": "web", "image_pool": images, "state": "absent"})
    assert [of["problems"] for of in image(lab, images, verify=True)["versions"]] == [[], []]


def test_a_digest_that_was_put_off_is_taken_later(lab, images):
    name = machine(lab)
    result = lab.run_and_compare("promote", frozen(images, name, checksum="deferred"))
    assert [disk["sha256"] for disk in manifest_of(result)["disks"]] == [None, None]
    assert "undigested" in [of["finding"] for of in image(lab, images, verify=True)["versions"][0]["findings"]]
    far = {"image": "web", "versions": ["1"], "image_pool": lab.pool, "from_uri": lab.uri, "from_pool": images}
    assert "is not digested yet" in lab.run_and_compare("transfer", far, fails=True)["msg"]
    manifest = pathlib.Path(path_in(lab, images, "golden.web.1.manifest.json")).read_bytes()
    result = lab.run_and_compare("promote", frozen(images, name))
    assert [action["action"] for action in result["actions"]] == ["digest version"]
    for disk in manifest_of(result)["disks"]:
        assert tool("sha256sum", path_in(lab, images, disk["volume"])).split()[0] == disk["sha256"]
    assert image(lab, images, verify=True)["versions"][0]["problems"] == []
    assert pathlib.Path(path_in(lab, images, "golden.web.1.manifest.json")).read_bytes() == manifest
    golden = path_in(lab, images, "golden.web.1.vda.qcow2")
    tool("chattr", "-i", golden)
    with open(golden, "r+b") as file:
        file.seek(os.stat(golden).st_size - 1)
        file.write(b"x")
    assert "another content" in image(lab, images, verify=True)["versions"][0]["problems"][0]


def test_a_digest_is_taken_later_even_when_the_domain_has_gone_on(lab, images):
    name = machine(lab)
    lab.run("promote", frozen(images, name, checksum="deferred"))
    lab.write(lab.disk_path(name), b"later")
    result = lab.run_and_compare("promote", asked(images, name, version="1"), again=None)
    assert [action["action"] for action in result["actions"]] == ["digest version"]
    refused = lab.run_and_compare("promote", asked(images, name, checksum="deferred"), fails=True)
    assert "a copy is digested while it is made" in refused["msg"]


def test_a_seal_holds_for_the_new_files(lab, images):
    name = sealed_machine(lab)
    result = lab.run_and_compare("promote", frozen(images, name, sealed=True))
    assert manifest_of(result)["sealed"]["method"] == SEALED["method"]
    again = lab.run_and_compare("promote", asked(images, name, image="other", sealed=True))
    assert manifest_of(again)["sealed"]["method"] == SEALED["method"]


def test_all_that_keeps_files_from_being_frozen_is_told_at_once(lab, images):
    name, other = lab.machine("web", disks=["qcow2", "qcow2", "raw", "qcow2"]), lab.machine("other", disks=[])
    base = lab.disk("base.qcow2")
    qemu_img("rebase", "-u", "-b", base, "-F", "qcow2", lab.disk_path(name))
    qemu_img("create", "-q", "-f", "qcow2", "-b", lab.disk_path(name), "-F", "qcow2", lab.file("above.qcow2"))
    os.link(lab.disk_path(name), lab.path / "another-name")
    qemu_img("snapshot", "-c", "inside", lab.disk_path(name, "vdb"))
    source = f"<source file='{lab.disk_path(name, 'vdd')}'/>"
    disk = f"<disk type='file'><driver type='qcow2'/>{source}<target dev='vdz'/></disk>"
    lab.conn.defineXML(lab.domain(other).XMLDesc(2).replace("</devices>", f"{disk}</devices>"))
    lab.refresh()
    refused = lab.run_and_compare("promote", frozen(images, name, compress="zstd"), fails=True)
    obstacles = refused["versions"][0]["obstacles"]
    for number, words in enumerate(
        [
            "what is frozen in place is not compressed",
            "has 1 more names",
            f"is an overlay on {base}, which no manifest names",
            f"is needed by others: {lab.file('above.qcow2')}",
            "has snapshots inside: inside",
            "is raw: an overlay in its place would be qcow2",
            f"is needed by others: domain {other}",
        ]
    ):
        assert words in obstacles[number], obstacles
    assert len(obstacles) == 7


def test_domains_that_run_and_snapshots_are_not_frozen(lab, images):
    name = lab.machine("web", state="running")
    refused = lab.run_and_compare("promote", frozen(images, name, live=True), fails=True)
    assert "cannot be frozen in place: shut it down" in refused["msg"]
    lab.domain(name).destroy()
    lab.run("snapshot", {"domain": name, "name": "s1", "mode": "external"})
    refused = lab.run_and_compare("promote", frozen(images, name), fails=True)
    assert "its snapshots and checkpoints (1) need its files" in refused["msg"]
    refused = lab.run_and_compare("promote", frozen(images, name, snapshot="s1"), fails=True)
    assert "a snapshot cannot be frozen in place" in refused["msg"]


def test_another_file_system_is_refused(lab, images):
    name = machine(lab)
    tool("mount", "-t", "tmpfs", "-o", "size=12m,mode=0711", "tmpfs", str(lab.path / "images"))
    try:
        lab.refresh()
        refused = lab.run_and_compare("promote", frozen(images, name), fails=True)
        assert "is in another file system than the image pool" in refused["msg"]
    finally:
        tool("umount", str(lab.path / "images"))
        lab.refresh()


def guest_bytes(lab, name):
    return [lab.read(lab.disk_path(name, target), 11) for target in ("vda", "vdb")]


def test_a_failure_puts_everything_back(lab, images):
    name = machine(lab)
    before = {key: value for key, value in lab.world().items() if name in key}
    os.chmod(lab.path / "images", 0o711)
    tool("chattr", "+i", str(lab.path / "images"))
    try:
        failed = lab.run("promote", frozen(images, name))
    finally:
        tool("chattr", "-i", str(lab.path / "images"))
    assert failed["failed"]
    assert_same(before, {key: value for key, value in lab.world().items() if name in key}, "the domain is changed")


def complete(lab, label):
    """Whether there is a version of the image, which is whole then."""
    manifest = lab.path / "images" / f"golden.{label}.1.manifest.json"
    if not manifest.exists() or not manifest.read_text().strip("\0 \n"):
        return False
    for disk in json.loads(manifest.read_text())["content"]["disks"]:
        assert tool("sha256sum", str(lab.path / "images" / disk["volume"])).split()[0] == disk["sha256"]
    return True


def test_a_freeze_killed_at_any_moment_is_made_up_for_by_the_next(lab, images):
    name, content = machine(lab), os.urandom(MIB)
    lab.write(lab.disk_path(name), content, offset=MIB)
    xml, expected = lab.domain(name).XMLDesc(2), guest_bytes(lab, name)
    steps = killed_run(lab, frozen(images, lab.machine("count", disks=["qcow2", "qcow2"]), image="count"))
    assert {"link", "rename", "unlink", "rebase"} <= set(steps)
    made = []
    for number in range(1 + steps.index("link"), len(steps) + 1):
        label, moment = f"x{number}", f"killed before step {number} ({steps[number - 1]})"
        wanted = frozen(images, name, image=label, channels=["stable"])
        killed_run(lab, wanted, "before", number)
        made.append(complete(lab, label))
        if not made[-1] and number % 2:  # whoever removes what is left takes nothing from the domain
            for volume in (lab.path / "images").glob(f"golden.{label}.*.qcow2"):
                volume.unlink()
            lab.refresh()
        assert (lab.domain(name).XMLDesc(2), guest_bytes(lab, name)) == (xml, expected), moment
        assert "msg" not in (result := lab.run("promote", wanted)), (moment, result)
        assert guest_bytes(lab, name) == expected, moment
        assert lab.read(lab.disk_path(name), MIB, MIB) == content, moment
        golden = [path_in(lab, images, f"golden.{label}.1.{target}.qcow2") for target in ("vda", "vdb")]
        assert [chain(lab.disk_path(name, target))[1] for target in ("vda", "vdb")] == golden, moment
        beside = sorted(path.name for path in (lab.path / "pool").glob(f"{name}*"))
        assert beside == [f"{name}.vda.qcow2", f"{name}.vdb.qcow2"], moment
        lab.write(lab.disk_path(name), f"{number:08}".encode(), offset=4 * MIB)  # the next is another state
    assert {True, False} == set(made)
    for of in lab.run("image_info", {"image_pool": images, "verify": True})["images"]:
        assert [(version["version"], version["problems"]) for version in of["versions"]] == [("1", [])], of["name"]
        assert of["name"] == "count" or of["channels"] == {"stable": "1"}


def test_a_domain_that_ran_after_a_freeze_was_killed_loses_nothing(lab, images):
    name = machine(lab)
    steps = killed_run(lab, frozen(images, lab.machine("count", disks=["qcow2", "qcow2"]), image="count"))
    killed_run(lab, frozen(images, name), "before", rename_of_overlay(steps) + 1)
    boots(lab, name)
    lab.write(lab.disk_path(name), b"after")
    refused = lab.run_and_compare("promote", frozen(images, name), fails=True)
    assert "merge it ('qemu-img commit" in refused["msg"]
    copied = lab.run("promote", asked(images, name, image="copy"))
    assert lab.read(path_in(lab, images, "golden.copy.1.vda.qcow2"), 8) == b"afterous"
    qemu_img("commit", "-q", lab.disk_path(name))
    assert "msg" not in lab.run("promote", frozen(images, name)), copied
    assert lab.read(path_in(lab, images, "golden.web.1.vda.qcow2"), 8) == b"afterous"
    assert [volume for volume in in_pool(lab, images) if "web.1" in volume]


def test_a_freeze_that_died_at_its_end_is_ended_by_the_next_whatever_that_makes(lab, images):
    name = machine(lab)
    steps = killed_run(lab, frozen(images, lab.machine("count", disks=["qcow2", "qcow2"]), image="count"))
    killed_run(lab, frozen(images, name), "before", 1 + steps.index("rebase"))
    lab.write(lab.disk_path(name), b"after")
    result = lab.run("promote", frozen(images, name, checksum="deferred"))
    assert [action["action"] for action in result["actions"]][:3] == ["build overlay on version"] * 2 + [
        "claim version"
    ]
    made = [path_in(lab, images, f"golden.web.{version}.vda.qcow2") for version in (2, 1)]
    assert chain(lab.disk_path(name)) == [lab.disk_path(name), *made]
    assert [lab.read(path, 8) for path in made] == [b"afterous", WORDS]
    assert manifest_of(result)["lineage"] == {"image": "web", "version": "1"}


@pytest.mark.parametrize("how", ["resize -q {} +1M", "snapshot -c inside {}"])
def test_an_overlay_that_was_grown_or_has_a_snapshot_is_another_disk(lab, images, how):
    name = lab.machine("web", disks=["qcow2"])
    lab.run("promote", frozen(images, name))
    assert lab.run("promote", asked(images, name))["versions"][0]["version"] == "1"
    qemu_img(*how.format(lab.disk_path(name)).split())
    assert lab.run("promote", asked(images, name))["versions"][0]["version"] == "2"


def test_an_overlay_that_was_grown_is_not_taken_back(lab, images):
    name = lab.machine("web", disks=["qcow2"])
    steps = killed_run(lab, frozen(images, lab.machine("count", disks=["qcow2"]), image="count"))
    killed_run(lab, frozen(images, name), "before", rename_of_overlay(steps) + 1)
    qemu_img("resize", "-q", lab.disk_path(name), "+1M")
    refused = lab.run_and_compare("promote", frozen(images, name), fails=True)
    assert "merge it ('qemu-img commit" in refused["msg"]


def rename_of_overlay(steps):
    """The number of the step that gives an overlay the name of the last disk."""
    return max(number for number, step in enumerate(steps, 1) if step == "rename")


@pytest.mark.parametrize("step", ["freezing.add_name", "freezing.rebase"])
def test_of_two_runs_that_freeze_a_domain_one_fails_whatever_it_makes(lab, images, step):
    name = lab.machine("web", disks=["qcow2"])
    lab.write(lab.disk_path(name), WORDS)
    other = {**frozen(lab.pool, name, image="other"), "uri": lab.uri}
    args, said = lab.path / "args.json", lab.path / "said"
    args.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": other}))
    command = f"{shlex.quote(sys.executable)} {PROMOTE} < {args} > {said} || true"
    assert "msg" not in run_meanwhile(lab, frozen(images, name), step, 1, command)
    assert "another run is freezing it" in json.loads(said.read_text())["msg"]
    golden = path_in(lab, images, "golden.web.1.vda.qcow2")
    assert chain(lab.disk_path(name)) == [lab.disk_path(name), golden]
    assert lab.read(golden, 8) == lab.read(lab.disk_path(name), 8) == WORDS
    assert not [volume for volume in in_pool(lab, lab.pool) if "golden.other" in volume]


@pytest.mark.parametrize(
    ("step", "number", "command", "words"),
    [
        ("freezing.add_name", 2, "cp {other} {disk}.freezing", "there is a file of that name"),
        ("freezing.add_name", 2, "ln {disk} {disk}.freezing", "there is a file of that name"),
        ("freezing.require_laid", 1, "mv {disk}.freezing {disk}", "is no overlay over"),
        ("freezing.require_laid", 1, "rm {disk}.freezing", "or that is another file"),
    ],
)
def test_what_others_do_to_the_files_meanwhile_costs_no_data(lab, images, step, number, command, words):
    name, other = lab.machine("web", disks=["qcow2"]), lab.disk("other.qcow2")
    disk = lab.disk_path(name)
    lab.write(disk, WORDS)
    lab.write(other, b"foreign")
    inode = os.stat(disk).st_ino
    failed = run_meanwhile(lab, frozen(images, name), step, number, command.format(disk=disk, other=other))
    assert failed["failed"] and words in failed["msg"], failed
    assert not lab.run("image_info", {"image_pool": images})["images"] or not image(lab, images)["versions"]
    there = [path for path in lab.path.rglob("*") if path.is_file() and path.stat().st_ino == inode]
    assert there and lab.read(str(there[0]), 8) == WORDS
    assert lab.read(other, 7) == b"foreign"
    if "rm" not in command:
        assert lab.read(disk, 8) == WORDS and os.stat(disk).st_ino == inode
    if "cp" in command:
        assert lab.read(f"{disk}.freezing", 7) == b"foreign"


def test_a_file_whose_name_would_be_in_the_way_is_nobodys_to_delete(lab, images):
    name, other = lab.machine("web", disks=["qcow2"]), lab.disk("other.qcow2")
    lab.write(other, b"foreign")
    disk = lab.disk_path(name)
    beside, stray = f"{disk}.overlay", f"{disk}.freezing.overlay"
    for path in (beside, stray):
        shutil.copy(other, path)
    refused = lab.run_and_compare("promote", frozen(images, name), fails=True)
    assert f"{stray} is there, and nothing of ours" in refused["msg"]
    os.unlink(stray)
    lab.refresh()
    failed = run_meanwhile(lab, frozen(images, name), "freezing.add_name", 2, f"cp {other} {stray}")
    assert "the name is taken" in failed["msg"], failed
    assert chain(disk) == [disk] and not os.path.exists(f"{disk}.freezing")
    assert lab.read(stray, 7) == lab.read(beside, 7) == b"foreign"
    os.unlink(stray)
    lab.refresh()
    assert "msg" not in lab.run("promote", frozen(images, name))
    assert lab.read(beside, 7) == b"foreign"


@pytest.mark.parametrize("step", ["freezing.take_back", "freezing.bare"])
def test_an_overlay_that_a_guest_writes_to_meanwhile_is_not_taken_back(lab, images, step):
    name = lab.machine("web", disks=["qcow2"])
    steps = killed_run(lab, frozen(images, lab.machine("count", disks=["qcow2"]), image="count"))
    killed_run(lab, frozen(images, name), "before", rename_of_overlay(steps) + 1)
    disk = lab.disk_path(name)
    overlay, start = os.stat(disk).st_ino, f"virsh -q -c '{lab.uri}' start {name}"
    failed = run_meanwhile(lab, frozen(images, name), step, 1, start)
    assert "was started, and writes to the overlay" in failed["msg"], failed
    assert os.stat(disk).st_ino == overlay and chain(disk) == [disk, f"{disk}.freezing"]
    assert not os.path.exists(f"{disk}.freezing.overlay")
    lab.domain(name).destroy()
    assert "msg" not in lab.run("promote", frozen(images, name))
