# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promoting real domains: what a version holds, what is refused, and that only complete ones are seen."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import stat
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import tiny_guest, versions
from support.lab import MIB, assert_same, qemu_img, tool
from support.promoting import (
    SEALED,
    asked,
    image,
    in_pool,
    killed_run,
    manifest_of,
    path_in,
    sealed_machine,
)

# What makes a copy of a disk: ours in one pass, or libvirt's.
COPIES = ("fill", "copy")


def test_all_written_disks_are_copied_whole_and_flat(lab, images):
    base = lab.disk("base.qcow2", content=b"base")
    name = lab.machine("web", disks=["qcow2", "raw"])
    qemu_img("rebase", "-u", "-b", base, "-F", "qcow2", lab.disk_path(name))
    lab.write(lab.disk_path(name), b"top", offset=65536)
    lab.write(lab.disk_path(name, "vdb"), b"data" * 1000, offset=MIB, form="raw")
    result = lab.run_and_compare("promote", asked(images, name))
    for target, form in (("vda", "qcow2"), ("vdb", "raw")):
        copy = path_in(lab, images, f"golden.web.1.{target}.qcow2")
        qemu_img("compare", "-f", form, "-F", "qcow2", lab.disk_path(name, target), copy)
        info = json.loads(qemu_img("info", "--output=json", copy))
        assert "backing-filename" not in info
        assert info["format-specific"]["data"]["compat"] == "1.1"
        assert stat.filemode(pathlib.Path(copy).stat().st_mode) == "-r--r--r--"
    assert [disk["target"] for disk in manifest_of(result)["disks"]] == ["vda", "vdb"]
    for disk in manifest_of(result)["disks"]:
        copy = path_in(lab, images, disk["volume"])
        assert tool("sha256sum", copy).split()[0] == disk["sha256"]
        assert pathlib.Path(copy).stat().st_size == disk["size"]
    assert image(lab, images, verify=True)["versions"][0]["problems"] == []


def test_no_file_of_an_image_is_wider_than_it_has_to_be(lab, images):
    lab.run("promote", asked(images, sealed_machine(lab, firmware="uefi"), channels=["stable"]))
    for volume in in_pool(lab, images):
        mode = stat.S_IMODE(pathlib.Path(path_in(lab, images, volume)).stat().st_mode)
        assert mode == (0o640 if volume.endswith(".json") else 0o444)


def test_uefi_variables_are_part_of_the_version(lab, images):
    name = lab.machine("web", firmware="uefi")
    variables = pathlib.Path(lab.file(f"{name}_VARS.fd"))
    variables.write_bytes(pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd").read_bytes() + b"")
    with variables.open("r+b") as file:
        file.seek(1000)
        file.write(b"boot order")
    result = lab.run_and_compare("promote", asked(images, name))
    firmware = manifest_of(result)["firmware"]
    assert firmware["type"] == "uefi"
    assert pathlib.Path(path_in(lab, images, firmware["nvram"]["volume"])).read_bytes() == variables.read_bytes()


def test_a_machine_that_never_ran_has_no_uefi_variables_yet(lab, images):
    result = lab.run("promote", asked(images, lab.machine("web", firmware="uefi")))
    assert manifest_of(result)["firmware"] == {"type": "uefi"}


def test_the_manifest_is_json_that_says_what_and_where_from(lab, images):
    name = sealed_machine(lab)
    told = {"job": {"id": 7, "url": "https://example.com/jobs/7"}}
    lab.run_and_compare(
        "promote",
        asked(images, name, sealed=True, labels={"os": "debian"}, description="für alle", provenance=told, recipe="r1"),
    )
    found = json.loads(pathlib.Path(path_in(lab, images, "golden.web.1.manifest.json")).read_text())
    content = found["content"]
    assert (found["golden"], found["schema"]) == ("manifest", 1)
    assert (content["image"], content["version"], content["recipe"]) == ("web", "1", "r1")
    assert (content["labels"], content["description"]) == ({"os": "debian"}, "für alle")
    assert content["sealed"] == {"method": "guest", "operations": ["machine-id"], "first_boot": "systemd"}
    assert content["provenance"]["job"] == told["job"]
    assert content["provenance"]["domain"] == {"name": name, "uuid": lab.domain(name).UUIDString()}
    assert name not in content["domain"]
    assert lab.domain(name).UUIDString() not in content["domain"]


def test_promoting_the_same_state_again_makes_no_version(lab, images):
    name = lab.machine("web")
    lab.run_and_compare("promote", asked(images, name, channels=["candidate"]))
    again = lab.run_and_compare("promote", asked(images, name, channels=["candidate", "stable"]))
    assert [action["action"] for action in again["actions"]] == ["assign channel"]
    assert again["versions"][0]["version"] == "1"
    lab.domain(name).create()
    time.sleep(0.5)
    lab.domain(name).destroy()
    lab.write(lab.disk_path(name), b"changed")
    changed = lab.run_and_compare("promote", asked(images, name, channels=["candidate"]))
    assert changed["versions"][0]["version"] == "2"
    assert image(lab, images)["channels"] == {"candidate": "2", "stable": "1"}


def test_a_changed_definition_is_another_state(lab, images):
    name = lab.machine("web")
    lab.run("promote", asked(images, name))
    lab.domain(name).setMemoryFlags(48 * 1024, 2)
    assert lab.run_and_compare("promote", asked(images, name))["versions"][0]["version"] == "2"


def test_an_unsealed_version_does_not_stand_for_a_sealed_one(lab, images):
    name = lab.machine("web")
    lab.run("promote", asked(images, name))
    lab.run("seal", {"domain": name, **SEALED})
    result = lab.run_and_compare("promote", asked(images, name, sealed=True))
    assert (result["versions"][0]["version"], manifest_of(result)["sealed"]["method"]) == ("2", "guest")


def test_the_same_recipe_on_the_same_parent_makes_no_version(lab, images):
    first, second = lab.machine("a"), lab.machine("b", disks=["raw"])
    lab.run_and_compare("promote", asked(images, first, recipe="r1"))
    same = lab.run_and_compare("promote", asked(images, second, recipe="r1"))
    assert (same["changed"], same["versions"][0]["version"]) == (False, "1")
    other = lab.run_and_compare("promote", asked(images, second, recipe="r2"))
    assert other["versions"][0]["version"] == "2"


def test_a_version_has_the_name_that_was_asked_for_and_never_changes(lab, images):
    name, other = lab.machine("a"), lab.machine("b")
    lab.run_and_compare("promote", asked(images, name, version="1.2-rc.1"))
    assert "golden.web.1.2-rc.1.vda.qcow2" in in_pool(lab, images)
    refused = lab.run_and_compare("promote", asked(images, other, version="1.2-rc.1"), fails=True)
    assert "exists already and was made from something else" in refused["msg"]
    assert lab.run_and_compare("promote", asked(images, other))["versions"][0]["version"] == "1"


def test_the_parent_is_read_from_the_backing_chain(lab, images):
    lab.run("promote", asked(images, lab.machine("first"), version="7"))
    name = lab.machine("second")
    parent = path_in(lab, images, "golden.web.7.vda.qcow2")
    middle = lab.disk("middle.qcow2")
    qemu_img("rebase", "-u", "-b", parent, "-F", "qcow2", middle)
    qemu_img("rebase", "-u", "-b", middle, "-F", "qcow2", lab.disk_path(name))
    lab.refresh()
    result = lab.run_and_compare("promote", asked(images, name, image="app"))
    assert manifest_of(result)["lineage"] == {"image": "web", "version": "7"}


def test_the_domain_can_take_a_name_that_tells_its_purpose(lab, images):
    name = lab.machine("web")
    wanted = asked(images, name, rename_to=f"{name}-golden", channels=["stable"])
    uuid = lab.domain(name).UUIDString()
    result = lab.run_and_compare("promote", wanted)
    assert result["versions"][0]["domain"] == f"{name}-golden"
    assert lab.domain(f"{name}-golden").UUIDString() == uuid


def test_a_rename_that_libvirt_would_refuse_is_refused_before_anything_is_copied(lab, images):
    name, taken = lab.machine("web"), lab.machine("taken")
    lab.domain(name).snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
    refused = lab.run_and_compare("promote", asked(images, name, rename_to=taken), fails=True)
    assert [what[:24] for what in refused["versions"][0]["obstacles"]] == [
        "it cannot be renamed: th",
        "it cannot be renamed whi",
    ]


def test_the_next_version_is_the_number_after_the_highest(lab, images):
    for number, version in enumerate(["9", "10", "1.5", "x"]):
        lab.run("promote", asked(images, lab.machine(f"m{number}"), version=version))
    assert lab.run_and_compare("promote", asked(images, lab.machine("last")))["versions"][0]["version"] == "11"


def test_a_version_that_lost_its_manifest_is_not_replaced_under_its_clones(lab):
    versions.add(lab, "web", "1")
    made = lab.run("clone", {"name": f"{lab.prefix}-a", "image": "web", "version": "1", "image_pool": lab.pool})
    assert not made.get("failed"), made
    pathlib.Path(lab.file("golden.web.1.manifest.json")).unlink()
    lab.refresh()
    base = pathlib.Path(lab.file("golden.web.1.vda.qcow2"))
    content, name = base.read_bytes(), lab.machine("web")
    refused = lab.run("promote", asked(lab.pool, name, version="1"))
    assert "files of version 1 are there, without a manifest" in refused["msg"]
    made = lab.run("promote", asked(lab.pool, name))
    assert made["versions"][0]["version"] == "2", made
    versions.claim_for_the_dead(lab, "web", "1")
    refused = lab.run_and_compare("promote", asked(lab.pool, name, version="1", force=True), fails=True)
    assert f"domain {lab.prefix}-a is built on {base}" in refused["msg"]
    assert base.read_bytes() == content


def test_disks_outside_of_any_pool_and_volume_disks_are_read_too(lab, images):
    outside = lab.path / "outside"
    outside.mkdir(mode=0o711)
    name = lab.machine("web", disks=["qcow2", "qcow2"])
    source = pathlib.Path(lab.disk_path(name))
    lab.write(str(source), b"outside")
    source.rename(outside / "disk.qcow2")
    volume = pathlib.Path(lab.disk_path(name, "vdb")).name
    xml = lab.domain(name).XMLDesc(2).replace(str(source), str(outside / "disk.qcow2"))
    xml = xml.replace(f"file='{lab.disk_path(name, 'vdb')}'", f"pool='{lab.pool}' volume='{volume}'")
    before, after = xml.rsplit("<disk type='file'", 1)
    lab.conn.defineXML(f"{before}<disk type='volume'{after}")
    lab.run_and_compare("promote", asked(images, name))
    copy = path_in(lab, images, "golden.web.1.vda.qcow2")
    assert lab.read(copy, 7) == b"outside"
    assert [pool.name() for pool in lab.pools()] == [lab.pool, images] or len(lab.pools()) == 2


def info(path):
    return json.loads(qemu_img("info", "--output=json", path))


def test_what_a_disk_is_made_of_does_not_matter(lab, images):
    """Backing files of other formats, sizes and cluster sizes, zeros that were written, snapshots inside."""
    base, middle = lab.disk("base.raw", "raw", 5 * MIB), lab.file("middle.qcow2")
    lab.write(base, os.urandom(3 * MIB), 512 * 3, form="raw")
    qemu_img(*f"create -q -f qcow2 -o cluster_size=4k,compat=0.10 -b {base} -F raw {middle} 12M".split())
    lab.write(middle, os.urandom(70000), 2 * MIB + 512)
    name = lab.machine("web", disks=["qcow2", "raw"])
    top = lab.disk_path(name)
    qemu_img(*f"create -q -f qcow2 -o cluster_size=512k -b {middle} -F qcow2 {top} 16M".split())
    lab.write(top, b"before")
    qemu_img("snapshot", "-c", "s", top)
    for command in ("write -z 1M 64k", "write -P 7 4M 100k", "discard 5M 1M", "write -P 0 6M 1M"):
        tool("qemu-io", "-c", command, top)
    pathlib.Path(lab.disk_path(name, "vdb")).write_bytes(b"x" + bytes(16 * MIB - 1))
    lab.refresh()
    lab.run_and_compare("promote", asked(images, name))
    for target, form in (("vda", "qcow2"), ("vdb", "raw")):
        copy = path_in(lab, images, f"golden.web.1.{target}.qcow2")
        qemu_img("check", "-q", copy)
        qemu_img("compare", "-f", form, "-F", "qcow2", lab.disk_path(name, target), copy)
        assert "snapshots" not in info(copy)
    assert pathlib.Path(copy).stat().st_size <= 6 * 65536


def test_a_source_that_is_compressed_is_copied_by_libvirt(lab, images):
    name = lab.machine("web")
    lab.write(lab.disk_path(name), b"packed" * 1000)
    packed = lab.file("packed.qcow2")
    qemu_img("convert", "-c", "-O", "qcow2", lab.disk_path(name), packed)
    pathlib.Path(packed).replace(lab.disk_path(name))
    lab.run_and_compare("promote", asked(images, name))
    copy = path_in(lab, images, "golden.web.1.vda.qcow2")
    assert lab.read(copy, 6000) == b"packed" * 1000
    assert image(lab, images, verify=True)["versions"][0]["problems"] == []


@pytest.mark.parametrize("how", ["zstd", "zlib"])
def test_copies_are_compressed_where_the_run_is_on_the_hypervisor(lab, images, how):
    name = lab.machine("web", disks=["qcow2", "raw"])
    content = b"all work and no play " * 100000
    for target in ("vda", "vdb"):
        lab.write(lab.disk_path(name, target), content)
    result = lab.run_and_compare("promote", asked(images, name, compress=how), fails=lab.far)
    if lab.far:
        assert "libvirt cannot compress" in result["msg"]
        return
    for disk in manifest_of(result)["disks"]:
        copy = path_in(lab, images, disk["volume"])
        assert lab.read(copy, len(content)) == content
        assert disk["size"] == pathlib.Path(copy).stat().st_size < len(content) // 3
        assert info(copy)["format-specific"]["data"]["compression-type"] == how
        assert stat.filemode(pathlib.Path(copy).stat().st_mode) == "-r--r--r--"
    assert image(lab, images, verify=True)["versions"][0]["problems"] == []


# ---- what is refused


def add_device(lab, name, xml):
    domain = lab.domain(name)
    lab.conn.defineXML(domain.XMLDesc(2).replace("</devices>", f"{xml}</devices>"))


NETWORK_DISK = (
    "<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='nbd' name='x'>"
    "<host name='127.0.0.1' port='10809'/></source><target dev='vdx' bus='virtio'/></disk>"
)
HOST_DEVICE = (
    "<hostdev mode='subsystem' type='usb' managed='yes'><source><vendor id='0x1234'/><product id='0xbeef'/></source>"
    "</hostdev>"
)


def test_all_obstacles_are_told_at_once(lab, images):
    name = lab.machine("web", disks=["qcow2", "raw", "raw"])
    add_device(lab, name, NETWORK_DISK + HOST_DEVICE + "<tpm model='tpm-tis'><backend type='emulator'/></tpm>")
    pathlib.Path(lab.disk_path(name)).unlink()
    qemu_img("create", "-q", "-f", "qcow2", "-b", "/etc/shadow", "-F", "raw", lab.disk_path(name, "vdb"), "16M")
    domain = lab.domain(name)
    lab.conn.defineXML(domain.XMLDesc(2).replace("<target dev='vdc'", "<shareable/><target dev='vdc'"))
    lab.refresh()
    refused = lab.run_and_compare("promote", asked(images, name, sealed=True), fails=True)
    obstacles = refused["versions"][0]["obstacles"]
    for number, words in enumerate(
        [
            f"disk vda ({lab.disk_path(name)}) is not there",
            "disk vdb is raw for the domain, but its content looks like qcow2",
            "disk vdc is shared with other domains",
            "disk vdx is a network disk",
            "it is not sealed",
            "it has a host device (subsystem usb)",
            "it has a TPM (emulator)",
        ]
    ):
        assert obstacles[number].startswith(words), obstacles
    assert len(obstacles) == 7


@pytest.mark.parametrize(
    ("state", "options", "words"),
    [
        ("running", {}, "it is running: shut it down"),
        ("paused", {}, "it is paused: shut it down"),
        ("shutoff", {"sealed": True}, "it is not sealed"),
        ("shutoff", {"image": "Web/.."}, "'Web/..' cannot be one"),
        ("shutoff", {"version": "../1"}, "'../1' cannot be one"),
        ("shutoff", {"channels": ["a b"]}, "'a b' cannot be one"),
        ("shutoff", {"domain": "t-promote-no-such"}, "has no domain of that name"),
        ("shutoff", {"uri": "qemu:///nowhere"}, "connecting to qemu:///nowhere"),
    ],
)
def test_a_bad_call_gets_one_clear_message_and_changes_nothing(lab, images, state, options, words):
    name = lab.machine("web", state=state)
    refused = lab.run_and_compare("promote", {**asked(images, name), **options}, fails=True)
    assert words in refused["msg"]
    assert "Traceback" not in refused["msg"]


def test_an_unknown_pool_is_told_with_those_that_are_there(lab, images):
    name = lab.machine("web")
    before = lab.world()
    refused = lab.run("promote", asked("t-no-such", name))["msg"]
    assert "has no pool of that name" in refused
    assert images in refused
    assert_same(before, lab.world(), "a refused promote changes nothing")


def test_a_domain_without_disks_and_one_that_is_saved_are_refused(lab, images):
    empty = lab.machine("empty", disks=[])
    assert "it has no disk" in lab.run_and_compare("promote", asked(images, empty), fails=True)["msg"]
    saved = lab.machine("saved", state="running")
    lab.domain(saved).managedSave()
    assert "its memory was saved" in lab.run_and_compare("promote", asked(images, saved), fails=True)["msg"]


def test_a_seal_is_stale_once_a_disk_was_written_to(lab, images):
    name = sealed_machine(lab)
    lab.write(lab.disk_path(name), b"later")
    refused = lab.run_and_compare("promote", asked(images, name, sealed=True), fails=True)
    assert "written to since it was sealed" in refused["msg"]
    lab.run_and_compare("seal", {"domain": name, **SEALED})
    assert lab.run_and_compare("promote", asked(images, name, sealed=True))["changed"]


def test_no_space_leaves_nothing_and_says_what_to_do(lab, images, pytestconfig):
    if pytestconfig.getoption("--stack") not in ("system", "ssh"):
        pytest.skip("a stack of its own does not see what is mounted here")
    name = lab.machine("web", disks=["raw", "raw"])
    (lab.path / "content").write_bytes(b"x" * (8 * MIB))
    for target in ("vda", "vdb"):
        lab.write(lab.disk_path(name, target), b"x" * (8 * MIB), form="raw")
    directory = lab.path / "images"
    tool("mount", "-t", "tmpfs", "-o", "size=12m,mode=0711", "tmpfs", str(directory))
    try:
        lab.refresh()
        failed = lab.run("promote", asked(images, name))
        assert "No space left" in failed["msg"]
        assert "Free space in the pool" in failed["msg"]
        assert failed["versions"][0]["left"] == []
        assert [volume for volume in in_pool(lab, images) if "journal" not in volume] == []
    finally:
        tool("umount", str(directory))
        lab.refresh()


def test_a_pool_that_has_no_room_for_a_record_is_told_at_once(lab, images, pytestconfig):
    if pytestconfig.getoption("--stack") not in ("system", "ssh"):
        pytest.skip("a stack of its own does not see what is mounted here")
    name = lab.machine("web")
    directory = lab.path / "images"
    tool("mount", "-t", "tmpfs", "-o", "size=1m,mode=0711", "tmpfs", str(directory))
    try:
        with contextlib.suppress(OSError), open(directory / "others", "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        lab.refresh()
        failed = lab.run("promote", asked(images, name), seconds=60)
        assert "no space is left" in failed["msg"]
        assert "Free space in the pool" in failed["msg"]
        assert in_pool(lab, images) == ["others"]
        (directory / "others").unlink()
        assert lab.run("promote", asked(images, name))["versions"][0]["version"] == "1"
    finally:
        tool("umount", str(directory))
        lab.refresh()


# ---- others at the same time, and deaths


def test_domains_promoted_at_once_become_one_version_each(lab, images):
    names = [lab.machine(f"m{number}") for number in range(4)]
    for name in names:
        lab.write(lab.disk_path(name), name.encode())
    with ThreadPoolExecutor(len(names)) as runs:
        results = list(runs.map(lambda name: lab.run("promote", asked(images, name, channels=["last"])), names))
    assert [result["msg"] for result in results if result.get("failed")] == []
    made = {result["versions"][0]["version"]: name for name, result in zip(names, results)}
    assert sorted(made) == ["1", "2", "3", "4"]
    for version, name in made.items():
        copy = path_in(lab, images, f"golden.web.{version}.vda.qcow2")
        assert lab.read(copy, len(name)) == name.encode()
    found = image(lab, images, verify=True)
    assert [version["problems"] for version in found["versions"]] == [[], [], [], []]
    assert found["claims"] == []


def test_of_runs_that_want_the_same_version_one_makes_it(lab, images):
    names = [lab.machine(f"m{number}") for number in range(4)]
    with ThreadPoolExecutor(len(names)) as runs:
        results = list(runs.map(lambda name: lab.run("promote", asked(images, name, version="v1")), names))
    failed = [result["msg"] for result in results if result.get("failed")]
    assert len(failed) == 3
    assert all("is being made by process" in message or "exists already" in message for message in failed), failed
    assert image(lab, images, verify=True)["versions"][0]["problems"] == []


def check_visible(lab, images, name):
    """What is visible of an image is whole, and that is at most version 1; returns what there is of it."""
    found = lab.run("image_info", {"image": name, "image_pool": images, "verify": True})["images"]
    versions = [(version["version"], version["problems"]) for of in found for version in of["versions"]]
    assert versions in ([], [("1", [])])
    return found[0] if versions else None


def source_of(lab, name):
    """What of the world is the source's."""
    return {key: value for key, value in lab.world().items() if name in key and "/images/" not in key}


def test_a_run_killed_at_any_moment_is_made_up_for_by_the_next(lab, images):
    if lab.where:
        pytest.skip("what is killed runs where libvirt does")
    name = lab.machine("web", firmware="uefi")
    pathlib.Path(lab.file(f"{name}_VARS.fd")).write_bytes(b"variables" * 1000)
    lab.write(lab.disk_path(name), b"precious")
    before = source_of(lab, name)
    steps = killed_run(lab, asked(images, name, image="x", channels=["stable"]))
    assert len([step for step in steps if step in COPIES]) == 2
    moments = [("before", number) for number in range(1, len(steps) + 1)]
    moments += [("amid", number) for number, step in enumerate(steps, 1) if step in ("upload", "fill")]
    for when, number in moments:
        image, moment = f"{when}{number}", f"killed {when} step {number} ({steps[number - 1]})"
        wanted = asked(images, name, image=image, channels=["stable"])
        killed_run(lab, wanted, when, number)
        assert_same(before, source_of(lab, name), f"{moment}, the source is changed")
        check_visible(lab, images, image)
        start = time.monotonic()
        assert "msg" not in (result := lab.run("promote", wanted)), (moment, result)
        assert time.monotonic() - start < 120, moment
        made = check_visible(lab, images, image)
        assert made, moment
        assert (made["channels"], made["claims"]) == ({"stable": "1"}, []), moment
        assert lab.read(path_in(lab, images, f"golden.{image}.1.vda.qcow2"), 8) == b"precious"


def test_a_run_killed_while_a_disk_is_copied_is_made_up_for_by_the_next(lab, images):
    if lab.where:
        pytest.skip("what is killed runs where libvirt does")
    content = os.urandom(MIB) * 600
    name = lab.machine("web", disks=[tiny_guest.Disk("vda", lab.disk("big.raw", "raw", 600 * MIB), "raw")])
    pathlib.Path(lab.disk_path(name)).write_bytes(content)
    wanted = asked(images, name)
    steps = killed_run(lab, asked(images, lab.machine("small"), image="x"))
    killed_run(lab, wanted, "amid", 1 + next(number for number, step in enumerate(steps) if step in COPIES))
    result = lab.run("promote", wanted)
    assert result["actions"][0]["replacing"] == ["golden.web.1.manifest.json", "golden.web.1.vda.qcow2"]
    assert check_visible(lab, images, "web")
    qemu_img("compare", "-f", "raw", "-F", "qcow2", lab.disk_path(name), path_in(lab, images, "golden.web.1.vda.qcow2"))
