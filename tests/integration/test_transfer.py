# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions brought from one hypervisor to another: two daemons, each with a pool of its own."""

from __future__ import annotations

import json
import os
import pathlib
import random
import shutil
import subprocess

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import volumes
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._image import documents
from support import versions
from support.lab import MIB, Lab, assert_same
from support.stack import stack


@pytest.fixture
def far(lab):
    """A second hypervisor, whose pool is another directory."""
    with stack() as uri:
        other = Lab(uri, f"{lab.prefix}-far", lab.path / "far")
        yield other
        other.close()


def bring(lab, far, *names, **options):
    """The options to bring versions of web from *lab* to *far*."""
    return {
        "uri": far.uri,
        "image_pool": far.pool,
        "from_uri": lab.uri,
        "from_pool": lab.pool,
        "image": "web",
        "versions": list(names),
        **options,
    }


def told(far):
    images = far.run("image_info", {"image_pool": far.pool, "images": ["web"], "verify": True})["images"]
    return {of["version"]: of["problems"] for image in images for of in image["versions"]}


def test_a_version_is_brought_once_whole_and_sparse(lab, far):
    versions.add(lab, "web", "1", disks=["qcow2", "raw"], nvram=b"variables")
    versions.add(lab, "web", "2")
    done = far.run_and_compare("transfer", bring(lab, far, "1", "2"))
    assert [item["item"] for item in done["versions"]] == ["web 1", "web 2"]
    assert told(far) == {"1": [], "2": []}
    raw = pathlib.Path(far.file("golden.web.1.vdb.raw")).stat()
    assert (raw.st_size, raw.st_blocks * 512 < MIB) == (16 * MIB, True)


def test_what_was_interrupted_goes_on_and_what_does_not_fit_comes_anew(lab, far):
    version = versions.add(lab, "web", "1", disks=["raw"], content=b"x" * MIB)
    source = pathlib.Path(lab.file("golden.web.1.vda.raw")).read_bytes()
    target = pathlib.Path(far.file("golden.web.1.vda.raw"))
    for left in (source[: 5 * MIB], b"y" * len(source), b"z" * 2 * len(source)):
        target.write_bytes(left)
        far.refresh()
        assert not far.run("transfer", bring(lab, far, "1")).get("failed")
        assert target.read_bytes() == source
        pathlib.Path(far.file("golden.web.1.manifest.json")).unlink()
    assert version.version == "1"


def test_what_is_damaged_at_the_source_does_not_arrive(lab, far):
    versions.add(lab, "web", "1")
    path = pathlib.Path(lab.file("golden.web.1.vda.qcow2"))
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[70000] ^= 1
    path.write_bytes(content)
    failed = far.run("transfer", bring(lab, far, "1"))
    assert "what arrived is not what was promoted" in failed["msg"]
    assert told(far) == {}


def test_another_version_of_that_name_stays(lab, far):
    versions.add(lab, "web", "1")
    versions.add(far, "web", "1", content=b"other")
    assert "another version of that name" in far.run_and_compare("transfer", bring(lab, far, "1"), fails=True)["msg"]


def test_a_pool_copied_by_hand_to_another_host_holds_the_images_there(lab, far):
    versions.add(lab, "web", "1", disks=["qcow2", "raw"], nvram=b"variables")
    versions.add(lab, "web", "2", parent=("web", "1"))
    lab.run("channel", {"image": "web", "image_pool": lab.pool, "name": "stable", "version": "2"})
    for path in (lab.path / "pool").glob("golden.*"):
        shutil.copy(path, far.path / "pool")
    (found,) = far.run("image_info", {"image_pool": far.pool, "verify": True})["images"]
    assert {of["version"]: (of["problems"], of["channels"], of["ancestors"]) for of in found["versions"]} == {
        "1": ([], [], []),
        "2": ([], ["stable"], ["web 1"]),
    }
    made = far.run("clone", {"name": f"{far.prefix}-a", "image": "web", "channel": "stable", "image_pool": far.pool})
    assert far.disk_path(made["clones"][0]["name"]).startswith(str(far.path))
    moved = far.run_and_compare("channel", {"image": "web", "image_pool": far.pool, "name": "stable", "version": "1"})
    assert moved["channels"][0]["previous"] == "2"


# ---- rsync

RANDOM = random.Random(4)
COMMON, NEW = RANDOM.randbytes(5 * MIB), RANDOM.randbytes(5 * MIB)


@pytest.fixture
def near(lab, far, ssh_uri):
    """This machine's hypervisor, which reaches *far* through ssh (its *from_uri*) and has version 1."""
    lab.uri, lab.where = "qemu:///system", ()
    lab.from_uri = f"{ssh_uri}&socket={far.uri.partition('socket=')[2]}"
    for version, content in (("1", COMMON), ("2", NEW + COMMON)):
        versions.add(far, "web", version, disks=["qcow2", "raw"], content=content)
    first = pull(lab, far, "1")
    assert (first["versions"][0]["method"], first["versions"][0]["reason"]) == ("streams", "")
    return lab


def pull(near, far, *names, fails=False, **options):
    """Bring versions from *far* to *near*, once in check mode and once for real; neither changes anything there."""
    there = far.world()
    done = near.run_and_compare("transfer", wanted(near, far, *names, **options), fails=fails)
    assert_same(there, far.world(), "where it comes from something changed")
    return done


def wanted(near, far, *names, **options):
    args = {"image_pool": near.pool, "from_uri": near.from_uri, "from_pool": far.pool, "image": "web"}
    return {**args, "versions": list(names), **options}


# Passes so many bytes, and dies where there are more, once much of the first disk is written.
# Where one of two rsyncs dies, the other is ended.
CUT = """mkfifo $0.$$; exec 3<&0
    {{ssh}} "$@" <&3 >$0.$$ & exec 4<$0.$$
    stdbuf -o0 head -c {bytes} <&4
    if [ "$(head -c 1 <&4 | wc -c)" = 1 ]; then
        for time in $(seq 300); do
            sleep 0.1; find {directory} -name '.golden.web.2.vda.*' -size +{kept}k | grep -q . && break
        done
        kill $!
    fi
    wait $!; exit"""


def way(near, rest):
    """The *from_uri* with a shell script as ssh which does what *rest* says with an rsync."""
    uri, client = near.from_uri.split("command=", 1)
    client, socket = client.split("&", 1)
    script = near.path / "ssh"
    script.write_text(f'#!/bin/sh\ncase " $* " in *" rsync --server"*) {rest.format(ssh=client)};; esac\n')
    with script.open("a") as file:
        file.write(f'exec {client} "$@"\n')
    script.chmod(0o755)
    return f"{uri}command={script}&{socket}"


def test_rsync_sends_what_the_version_before_has_not(near, far):
    (done,) = pull(near, far, "2")["versions"]
    assert (done["method"], done["basis"], done["reason"]) == ("rsync", "web 1", "")
    assert 2 * len(NEW) < done["received"] < 2 * len(NEW) + MIB / 2
    assert told(near) == {"1": [], "2": []}
    raw = pathlib.Path(near.file("golden.web.2.vdb.raw")).stat()
    assert (raw.st_size, raw.st_blocks * 512 < 12 * MIB) == (16 * MIB, True)


def test_an_rsync_that_was_cut_off_goes_on_where_it_was(near, far):
    cut = way(near, CUT.format(bytes=4 * MIB, kept=2048, directory=near.path / "pool"))
    args = {"image_pool": near.pool, "from_uri": cut, "from_pool": far.pool, "image": "web", "version": "2"}
    failed = near.run("transfer", args)
    assert "by rsync" in failed["msg"], failed
    assert "it goes on from there" in failed["msg"]
    assert list(told(near)) == ["1"]
    killed = pathlib.Path(near.file(".golden.web.2.vda.qcow2.AbCdEf"))
    pathlib.Path(near.file("golden.web.2.vda.qcow2")).rename(killed)
    kept = killed.stat().st_size
    (done,) = pull(near, far, "2")["versions"]
    assert kept > MIB
    assert len(NEW) < done["received"] < 2 * len(NEW) - kept + MIB
    assert told(near) == {"1": [], "2": []}
    assert not killed.exists()


def test_without_a_way_for_rsync_streams_bring_it_and_say_why(near, far):
    bad = way(near, "echo no rsync there >&2; exit 127")
    refused = pull(near, far, "2", from_uri=bad, method="rsync", fails=True)
    assert "bringing web 2 by rsync: rsync does not get through: no rsync there" in refused["msg"]
    (done,) = pull(near, far, "2", from_uri=bad)["versions"]
    assert (done["method"], done["basis"]) == ("streams", "")
    assert "rsync does not get through: no rsync there" in done["reason"]
    assert done["received"] > 2 * len(NEW + COMMON)
    assert told(near) == {"1": [], "2": []}


def test_the_machine_that_has_a_version_pushes_it(near, far):
    versions.add(near, "web", "3", content=NEW)
    push = {"uri": near.from_uri, "image_pool": far.pool, "from_uri": near.uri, "from_pool": near.pool}
    done = near.run("transfer", {**push, "image": "web", "version": "3"})["versions"][0]
    assert (done["method"], done["reason"]) == (
        "streams",
        "qemu:///system does not lead through ssh to another machine",
    )
    assert told(far) == {"1": [], "2": [], "3": []}


# ---- files that others have


def left_without_manifest(near, far):
    """Version 1 without its manifest, which clones run on; what its volumes are, their times too."""
    made = near.run("clone", {"name": f"{near.prefix}-a", "image": "web", "version": "1", "image_pool": near.pool})
    assert not made.get("failed"), made
    manifest = near.file("golden.web.1.manifest.json")
    subprocess.run(["chattr", "-i", manifest], check=False)
    pathlib.Path(manifest).unlink()
    near.refresh()
    return standing(near)


def standing(near):
    found = [pathlib.Path(near.file(f"golden.web.1.{disk}")) for disk in ("vda.qcow2", "vdb.raw")]
    return {path: (path.stat().st_ino, path.stat().st_mode, path.stat().st_mtime_ns) for path in found}


def test_of_a_version_that_lost_its_manifest_only_that_comes(near, far):
    there = left_without_manifest(near, far)
    versions.add(near, "web", "0", disks=["qcow2", "raw"], content=COMMON)
    (done,) = near.run("transfer", wanted(near, far, "1"))["versions"]
    assert (done["received"], done["method"]) == (0, "rsync")
    assert (standing(near), told(near)["1"]) == (there, [])


@pytest.mark.parametrize("method", ["rsync", "streams"])
def test_another_version_does_not_come_over_what_clones_run_on(near, far, method):
    there = left_without_manifest(near, far)
    versions.add(near, "web", "0", disks=["qcow2", "raw"], content=COMMON)
    for path in (far.path / "pool").glob("golden.web.1.*"):
        path.unlink()
    versions.add(far, "web", "1", disks=["qcow2", "raw"], content=NEW)
    failed = near.run("transfer", wanted(near, far, "1", method=method))
    assert f"domain {near.prefix}-a is built on" in failed["msg"]
    assert standing(near) == there


@pytest.mark.parametrize("method", ["rsync", "streams"])
def test_a_disk_that_a_freeze_left_under_the_version_s_name_is_not_written_to(near, far, method):
    disk = pathlib.Path(near.disk_path(near.machine("live")))
    content = disk.read_bytes()
    target = pathlib.Path(near.file("golden.web.2.vda.qcow2"))
    target.hardlink_to(disk)
    near.refresh()
    versions.claim_for_the_dead(near, "web", "2")
    (done,) = near.run("transfer", wanted(near, far, "2", method=method))["versions"]
    assert done["received"] > len(NEW)
    assert (disk.read_bytes(), disk.stat().st_nlink) == (content, 1)
    assert told(near)["2"] == []


def test_a_file_that_the_system_cannot_flush_is_told_as_such(here, lab):
    os.symlink("/proc/version", lab.file("version"))
    with Hypervisor(lab.uri) as hypervisor:
        pool = volumes.open_pool(hypervisor, lab.pool)
        with pytest.raises(GoldenError, match="writing volume version of pool .* to its disk: Invalid argument"):
            pool.flush("version")


# ---- the playbook


def distribute(lab, hosts, **variables):
    """The playbook, run for hypervisors of which each has its own variables; returns its code and what it said."""
    inventory = lab.path / "hosts.json"
    inventory.write_text(json.dumps({"hypervisors": {"hosts": hosts}}))
    extra = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "transfer_image": "web",
        "transfer_from_uri": lab.uri,
        "transfer_from_pool": lab.pool,
        "transfer_channels": "stable",
        **variables,
    }
    done = subprocess.run(
        ["ansible-playbook", "-i", inventory, "golden.libvirt.distribute", "-e", json.dumps(extra)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
    )
    return done.returncode, done.stdout + done.stderr


def test_channels_follow_when_a_version_has_arrived_everywhere_or_on_each(lab, far):
    versions.add(lab, "web", "1")
    lab.run("channel", {"image": "web", "image_pool": lab.pool, "name": "stable", "version": "1"})
    good = {"golden_uri": far.uri, "golden_image_pool": far.pool}
    hosts = {"good": good, "bad": {**good, "golden_image_pool": "t-no-such"}}

    def channels():
        (image,) = far.run("image_info", {"image_pool": far.pool, "images": ["web"]})["images"]
        return image["channels"]

    code, said = distribute(lab, hosts)
    assert code != 0
    assert "web 1 has not arrived on bad: no channel was moved" in said
    assert (told(far), channels()) == ({"1": []}, {})
    code, said = distribute(lab, hosts, transfer_channels_follow="each")
    assert (code != 0, channels()) == (True, {"stable": "1"})
    code, said = distribute(lab, {"good": good})
    assert (code, "changed=0" in said) == (0, True), said


@pytest.mark.parametrize("victim", ["golden.db.1.vda.qcow2", "other.qcow2", "../other.qcow2"])
def test_a_manifest_that_takes_others_files_for_its_own_is_none(lab, far, victim):
    versions.add(lab, "web", "1")
    versions.add(far, "db", "1")
    far.disk("other.qcow2", content=b"somebody's")
    path = pathlib.Path(lab.file("golden.web.1.manifest.json"))
    content = documents.content_of("manifest", path.read_bytes())
    content["disks"][0]["volume"] = victim
    path.unlink()
    path.write_bytes(documents.document("manifest", content))
    pathlib.Path(lab.file("golden.db.1.vda.qcow2")).write_bytes(b"evil")
    pathlib.Path(lab.file("other.qcow2")).write_bytes(b"evil")
    lab.refresh()
    before = far.world()
    failed = far.run("transfer", bring(lab, far, "1"))
    assert_same(before, far.world(), "a manifest reached files that are not its version's")
    assert f"{victim} is no volume of it" in failed["msg"]


def test_what_was_deleted_here_is_not_brought_only_to_be_pruned(lab, far):
    for at, version in ((lab, "1"), (far, "1"), (far, "2")):
        versions.add(at, "web", version)
    options = {"image": "web", "image_pool": far.pool, "version": "1", "state": "absent", "reason": "too old"}
    assert far.run("image", options)["changed"]
    failed = far.run_and_compare("transfer", bring(lab, far, "1"), fails=True)
    assert "version 1 was deleted here: too old" in failed["msg"]
