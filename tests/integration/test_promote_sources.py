# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promoting what is not a domain that is off: one that runs, one as it was at a snapshot; TPMs and block devices."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import stat
import subprocess
import sys
import threading
import time

import libvirt
import pytest
from support.lab import COLLECTION, MIB, assert_same, qemu_img, tool
from support.promoting import asked, image, in_pool, manifest_of, path_in, sealed_machine
from support.tiny_guest import Disk

TPM = "<tpm model='tpm-tis'><backend type='emulator'/></tpm>"


def content_of(lab, images, length, version="1", target="vda"):
    """The first bytes of a version's disk."""
    return lab.read(path_in(lab, images, f"golden.web.{version}.{target}.qcow2"), length)


def whole(lab, images):
    """That all versions are as their manifests say."""
    assert [of["problems"] for of in image(lab, images, verify=True)["versions"] if of["problems"]] == []


def running(lab, **options):
    """A machine that runs the tiny guest, which has written to its disks."""
    name = lab.machine("web", disks=["qcow2", "raw"], state="running", guest=True, **options)
    for target in ("vda", "vdb"):
        lab.guest(name).write(target, 0, f"on {target}")
    return name


# ---- running domains


def test_a_running_domain_becomes_a_version_and_goes_on(lab, images):
    name = running(lab)
    result = lab.run_and_compare("promote", asked(images, name, live=True, quiesce="required"), None, fails=lab.far)
    if lab.far:
        assert "it runs on another machine than this task" in result["msg"]
        return
    lab.guest(name).write("vda", 0, "later")
    assert (content_of(lab, images, 6), content_of(lab, images, 6, target="vdb")) == (b"on vda", b"on vdb")
    (version,) = result["versions"]
    assert (version["consistency"], version["fallback"]) == ("application", None)
    assert manifest_of(result)["provenance"]["consistency"] == "application"
    state = lab.guest(name).state()
    assert (state["freezes"], state["thaws"], state["frozen"]) == (1, 1, False)
    for disk in manifest_of(result)["disks"]:
        path = pathlib.Path(path_in(lab, images, disk["volume"]))
        assert stat.filemode(path.stat().st_mode) == "-r--r--r--"
        assert path.stat().st_uid == 0
        assert "backing-filename" not in json.loads(qemu_img("info", "--output=json", str(path)))
    whole(lab, images)
    clone = lab.run("clone", {"name": f"{lab.prefix}-clone", "image": "web", "version": "1", "image_pool": images})
    assert lab.read(lab.disk_path(clone["clones"][0]["name"]), 6) == b"on vda"


def test_the_uefi_variables_of_a_running_domain_are_those_of_that_instant(here, lab, images):
    name = lab.machine("web", firmware="uefi", state="paused")
    variables = pathlib.Path(lab.file(f"{name}_VARS.fd"))
    with variables.open("r+b") as file:
        file.write(b"boot order")
    result = lab.run("promote", asked(images, name, live=True, quiesce="never"))
    nvram = path_in(lab, images, manifest_of(result)["firmware"]["nvram"]["volume"])
    assert pathlib.Path(nvram).read_bytes() == variables.read_bytes()
    whole(lab, images)


@pytest.mark.parametrize(
    ("option", "quiesce", "words"),
    [
        ("fsfreeze=refuse", "required", "libvirt answered"),
        ("agent=off", "required", "quiesce: "),
        ("fsfreeze=refuse", "try", ""),
    ],
)
def test_a_guest_that_cannot_be_quiesced(here, lab, images, option, quiesce, words):
    name = lab.machine("web", state="running", guest="agent" not in option, options=[option])
    before = lab.world()
    result = lab.run("promote", asked(images, name, live=True, quiesce=quiesce))
    if quiesce == "required":
        assert words in result["msg"]
        assert [volume for volume in in_pool(lab, images) if "journal" not in volume] == []
        unchanged = {key: value for key, value in lab.world().items() if key in before and name in key}
        assert_same({key: before[key] for key in unchanged}, unchanged, "a refused promote changed the domain")
    else:
        (version,) = result["versions"]
        assert version["consistency"] == manifest_of(result)["provenance"]["consistency"] == "crash"
        assert "libvirt answered" in version["fallback"]


def test_a_running_domain_is_promoted_only_when_that_is_meant(lab, images):
    name = lab.machine("web", state="running")
    refused = lab.run_and_compare("promote", asked(images, name, sealed=True), fails=True)["versions"][0]
    assert "say 'live: true'" in refused["obstacles"][0]
    assert "nothing tells whether it is sealed" in refused["obstacles"][1]
    refused = lab.run_and_compare("promote", asked(images, name, live=True, rename_to="x"), fails=True)
    assert "it cannot be renamed while it runs" in refused["msg"]


def test_a_paused_domain_needs_no_freezing_and_a_recipe_makes_it_one_version(here, lab, images):
    name = lab.machine("web", state="paused")
    result = lab.run_and_compare("promote", asked(images, name, live=True, recipe="r1"))
    assert result["versions"][0]["consistency"] == "crash"
    assert "paused guest" in result["versions"][0]["fallback"]


def test_a_job_that_the_domain_has_already_is_told_before_the_guest_is_frozen(here, lab, images):
    name = lab.machine("web", state="running", guest=True)
    (lab.path / "pool").chmod(0o777)  # for QEMU's user to put its socket there
    server = f"<server transport='unix' socket='{lab.file('backup.sock')}'/>"
    lab.domain(name).backupBegin(f"<domainbackup mode='pull'>{server}</domainbackup>", None, 0)
    failed = lab.run("promote", asked(images, name, live=True, quiesce="required"))
    assert "it has a job already" in failed["msg"]
    assert f"virsh domjobabort {name}" in failed["msg"]
    assert lab.domain(name).jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE
    lab.domain(name).abortJob()
    assert lab.run("promote", asked(images, name, live=True, quiesce="required"))["versions"][0]["version"] == "1"


def test_a_run_that_is_told_to_end_aborts_the_job(here, lab, images):
    big = lab.disk("big.raw", "raw", 900 * MIB)
    pathlib.Path(big).write_bytes(os.urandom(MIB) * 900)
    name = lab.machine("web", disks=[Disk("vda", big, "raw")], state="running", guest=True)
    run = subprocess.Popen(
        [sys.executable, str(COLLECTION / "plugins" / "modules" / "promote.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(COLLECTION.parents[2])},
        text=True,
    )
    wanted = {"uri": lab.uri, **asked(images, name, live=True)}
    writer = threading.Thread(target=run.stdin.write, args=(json.dumps({"ANSIBLE_MODULE_ARGS": wanted}),))
    writer.start()
    writer.join()
    run.stdin.close()
    (qemu,) = map(int, subprocess.check_output(["pgrep", "--full", f"guest={name},"]).split())
    pool = lab.path / "images"
    while all(file.stat().st_blocks * 512 < 16 * MIB for file in pool.iterdir()) and run.poll() is None:
        time.sleep(0.001)
    # However busy the machine is, the job does not end before the run is told to.
    os.kill(qemu, signal.SIGSTOP)
    run.send_signal(signal.SIGTERM)
    time.sleep(2)
    os.kill(qemu, signal.SIGCONT)
    said = json.loads(run.stdout.read())
    run.wait()
    run.stdout.close()
    assert "the run was told to end" in said["msg"]
    assert said["versions"][0]["left"] == []
    assert lab.domain(name).jobInfo()[0] == 0
    assert not lab.guest(name).state()["frozen"]
    assert [volume for volume in in_pool(lab, images) if "journal" not in volume] == []


# ---- snapshots


@pytest.mark.parametrize("mode", ["internal", "external"])
@pytest.mark.parametrize("state", ["shutoff", "running"])
def test_a_snapshot_becomes_the_version_of_then(lab, images, mode, state):
    name = sealed_machine(lab, firmware="uefi" if mode == "external" else "bios", disks=["qcow2", "qcow2"])
    for target in ("vda", "vdb"):
        lab.write(lab.disk_path(name, target), f"then {target}".encode())
    lab.run("seal", {"domain": name, "method": "guest", "first_boot": "systemd", "operations": ["machine-id"]})
    if mode == "external":
        variables = pathlib.Path(lab.file(f"{name}_VARS.fd"))
        variables.write_bytes(b"then" * 1000)
    memory = lab.domain(name).maxMemory()
    assert "msg" not in lab.run("snapshot", {"domain": name, "name": "s1", "mode": mode})
    for target in ("vda", "vdb"):
        lab.write(lab.disk_path(name, target), b"later" * 100)
    lab.domain(name).setMemoryFlags(memory // 2, 2)
    if mode == "external":
        variables.write_bytes(b"later" * 1000)
    elif state == "running":
        tool("qemu-img", "resize", "-q", lab.disk_path(name), "24M")
    if state == "running" and mode == "internal":
        lab.domain(name).create()
    before = {key: value for key, value in lab.world().items() if name in key}
    result = lab.run_and_compare("promote", asked(images, name, snapshot="s1", sealed=True))
    assert_same(before, {key: value for key, value in lab.world().items() if name in key}, "the domain is disturbed")
    for target in ("vda", "vdb"):
        assert content_of(lab, images, 8, target=target) == f"then {target}".encode()
    manifest = manifest_of(result)
    assert {disk["capacity"] for disk in manifest["disks"]} == {16 * MIB}
    assert manifest["sealed"]["method"] == "guest"
    assert manifest["provenance"]["domain"]["snapshot"] == "s1"
    assert result["versions"][0]["consistency"] == "offline"
    content = json.loads(pathlib.Path(path_in(lab, images, "golden.web.1.manifest.json")).read_text())["content"]
    assert f'<memory unit="KiB">{memory}<' in content["domain"].replace("'", '"')
    if mode == "external":
        nvram = path_in(lab, images, manifest["firmware"]["nvram"]["volume"])
        assert pathlib.Path(nvram).read_bytes() == b"then" * 1000
    whole(lab, images)


def test_a_snapshot_of_a_running_guest_leaves_out_its_memory(lab, images):
    name = lab.machine("web", state="running", guest=True)
    lab.guest(name).write("vda", 0, "then")
    assert "msg" not in lab.run("snapshot", {"domain": name, "name": "s1", "mode": "internal"})
    lab.guest(name).write("vda", 0, "later")
    result = lab.run_and_compare("promote", asked(images, name, snapshot="s1"))
    assert content_of(lab, images, 4) == b"then"
    assert result["versions"][0]["consistency"] == "crash"
    assert any("the memory in snapshot s1 is not in web 1" in warning for warning in result["warnings"])


def test_a_snapshot_in_a_compressed_file_is_read_too(here, lab, images):
    name = lab.machine("web")
    lab.write(lab.disk_path(name), b"packed" * 1000)
    packed = lab.file("packed.qcow2")
    qemu_img("convert", "-c", "-O", "qcow2", lab.disk_path(name), packed)
    pathlib.Path(packed).replace(lab.disk_path(name))
    lab.run("snapshot", {"domain": name, "name": "s1", "mode": "internal"})
    lab.write(lab.disk_path(name), b"later!" * 1000)
    result = lab.run_and_compare("promote", asked(images, name, snapshot="s1"))
    assert "msg" not in result
    assert content_of(lab, images, 6000) == b"packed" * 1000


def test_all_that_a_snapshot_does_not_hold_is_told_at_once(lab, images):
    name = lab.machine("web", disks=["qcow2", "qcow2"], firmware="uefi")
    overlay = lab.file("over.qcow2")
    disks = f"<disk name='vda' snapshot='no'/><disk name='vdb'><source file='{overlay}'/></disk>"
    xml = f"<domainsnapshot><name>s1</name><disks>{disks}</disks></domainsnapshot>"
    lab.domain(name).snapshotCreateXML(xml, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY)
    lab.refresh()
    refused = lab.run_and_compare("promote", asked(images, name, snapshot="s1", sealed=True), fails=True)
    assert [what[:30] for what in refused["versions"][0]["obstacles"]] == [
        "disk vda is not in the snapsho",
        "the snapshot holds no UEFI var",
        "nothing tells that it was seal",
    ]
    refused = lab.run_and_compare("promote", asked(images, name, snapshot="s2"), fails=True)
    assert "no such snapshot (there: s1)" in refused["msg"]


# ---- TPMs and block devices


def test_a_tpm_is_left_out_only_when_that_is_meant(lab, images):
    name = lab.machine("web", extra_devices=TPM)
    refused = lab.run_and_compare("promote", asked(images, name), fails=True)
    assert "say 'tpm: empty'" in refused["msg"]
    result = lab.run_and_compare("promote", asked(images, name, tpm="empty"))
    assert any("the state of the TPM is not in web 1" in warning for warning in result["warnings"])
    assert manifest_of(result)["provenance"]["tpm"] == "empty"


def test_a_block_device_is_copied(here, lab, images):
    backing = lab.disk("device.raw", "raw")
    lab.write(backing, b"on a device", form="raw")
    device = tool("losetup", "--find", "--show", backing).strip()
    try:
        name = lab.machine("web", disks=[Disk("vda", device, "raw")])
        xml = lab.domain(name).XMLDesc(2).replace("type='file' device='disk'", "type='block' device='disk'")
        lab.conn.defineXML(xml.replace(f"file='{device}'", f"dev='{device}'"))
        result = lab.run("promote", asked(images, name))
        assert manifest_of(result)["disks"][0]["capacity"] == 16 * MIB
        assert content_of(lab, images, 11) == b"on a device"
        assert "msg" not in lab.run("promote", asked(images, name, compress="zstd", force=True))
        assert content_of(lab, images, 11, version="2") == b"on a device"
        lab.write(device, b"QFI\xfb" + bytes(508), form="raw")
        assert "its content looks like qcow2" in lab.run_and_compare("promote", asked(images, name), fails=True)["msg"]
    finally:
        tool("losetup", "--detach", device)
    whole(lab, images)
