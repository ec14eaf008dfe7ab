# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linked clones made independent: live and off, all disks or some; aborted, killed, refused."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import libvirt
import pytest
from support import versions
from support.lab import COLLECTION, MIB, assert_same, qemu_io
from support.poke import poke

# Enough that a test can slow the copying down before it is done.
MUCH = 96 * MIB


def clone(lab, *names, **options) -> list[str]:
    """Clones of version 1 of web; their full names."""
    args = {"image": "web", "version": "1", "image_pool": lab.pool, "names": [f"{lab.prefix}-{name}" for name in names]}
    result = lab.run("clone", {**args, **options})
    assert not result.get("failed"), result
    return args["names"]


def told(lab, name) -> dict:
    """What image_info says of a clone, and the names that its version counts."""
    (image,) = lab.run("image_info", {"image_pool": lab.pool})["images"]
    return next(one for one in image["clones"] if one["name"] == name)


def backing(lab, name, target="vda") -> str | None:
    path = lab.disk_path(name, target)
    lab.refresh()
    pool = lab.conn.storagePoolLookupByName(lab.pool)
    xml = pool.storageVolLookupByName(pathlib.Path(path).name).XMLDesc(0)
    return path if "<backingStore>" in xml else None


@pytest.mark.parametrize("state", ["shutoff", "running"])
def test_a_clone_is_independent_and_the_same(lab, state):
    versions.add(lab, "web", "1", disks=["qcow2", "raw"])
    (name,) = clone(lab, "a", start=state != "shutoff")
    poke(lab, name, "vdb", b"mine", offset=MIB)
    files = [lab.disk_path(name, target) for target in ("vda", "vdb")]
    assert told(lab, name)["linked"]
    result = lab.run_and_compare("flatten", {"domain": name})
    assert [one["disk"] for one in result["domains"][0]["flattened"]] == ["vda", "vdb"]
    assert [lab.disk_path(name, target) for target in ("vda", "vdb")] == files
    assert [backing(lab, name, target) for target in ("vda", "vdb")] == [None, None]
    assert lab.state(name) == state
    # While it runs, too: were QEMU killed now, all would be there.
    for path, target in zip(files, ("vda", "vdb")):
        assert lab.read(path, 12) == b"golden %s 1" % target.encode()
    assert lab.read(files[1], 4, offset=MIB) == b"mine"
    assert (told(lab, name)["linked"], told(lab, name)["known_by"]) == (False, ["metadata"])


def test_only_the_disks_asked_for(lab):
    versions.add(lab, "web", "1", disks=["qcow2", "qcow2"])
    (name,) = clone(lab, "a")
    assert lab.run_and_compare("flatten", {"domain": name, "disks": ["vdb"]})["domains"][0]["linked"] is True
    assert (backing(lab, name, "vda"), backing(lab, name, "vdb")) == (lab.disk_path(name), None)
    assert told(lab, name)["linked"]
    assert lab.run_and_compare("flatten", {"domain": name})["domains"][0]["linked"] is False
    assert not told(lab, name)["linked"]


def test_many_clones_and_one_that_is_none(lab):
    versions.add(lab, "web", "1")
    names = clone(lab, "a", "b")
    plain = lab.machine("plain")
    result = lab.run_and_compare("flatten", {"domains": [*names, plain], "parallel": 2})
    assert [one["changed"] for one in result["domains"]] == [True, True, False]


def test_what_depends_on_the_chain_is_said_all_at_once(lab):
    versions.add(lab, "web", "1")
    (name,) = clone(lab, "a")
    lab.run("snapshot", {"domain": name, "name": "one", "mode": "internal"})
    refused = lab.run_and_compare("flatten", {"domain": name, "disks": ["vda", "vdz"]}, fails=True)
    assert refused["domains"][0]["obstacles"] == [
        "it has no disk vdz (there: vda)",
        "its snapshot one depends on the same files: delete it",
    ]
    lab.run("snapshot", {"domain": name, "name": "one", "state": "absent"})
    lab.run_and_compare("flatten", {"domain": name})


def test_a_paused_clone_is_refused(lab):
    versions.add(lab, "web", "1")
    (name,) = clone(lab, "a", start=True)
    lab.domain(name).suspend()
    assert "it is paused: let it run" in lab.run_and_compare("flatten", {"domain": name}, fails=True)["msg"]


def test_a_flattened_clone_goes_back_to_its_version(lab):
    versions.add(lab, "web", "1")
    (name,) = clone(lab, "a")
    lab.run_and_compare("flatten", {"domain": name})
    lab.write(lab.disk_path(name), b"broken")
    lab.run_and_compare("revert", {"domain": name, "to": "version", "image_pool": lab.pool}, again=None)
    assert lab.read(lab.disk_path(name), 12) == b"golden vda 1"
    assert backing(lab, name) is None


def large_clone(lab, **options) -> str:
    """A clone with two disks, of which the second is large."""
    small, large = versions.add(lab, "web", "1", disks=["qcow2", "qcow2"]).disks
    os.chmod(lab.file(large.volume), 0o644)
    subprocess.run(["qemu-img", "resize", "-q", lab.file(large.volume), str(2 * MUCH)], check=True)
    qemu_io(lab.file(large.volume), f"write -q -P 7 {MIB} {MUCH}")
    os.chmod(lab.file(large.volume), 0o444)
    lab.refresh()
    return clone(lab, "a", **options)[0]


def begun(lab, name) -> subprocess.Popen[str]:
    """The module in the middle of the second disk, slowed down."""
    request = {"ANSIBLE_MODULE_ARGS": {"uri": lab.uri, "domain": name}}
    module = subprocess.Popen(
        [sys.executable, str(COLLECTION / "plugins" / "modules" / "flatten.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(COLLECTION.parents[2])},
    )
    module.stdin.write(json.dumps(request))
    module.stdin.close()
    domain, end = lab.domain(name), time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(libvirt.libvirtError):  # it is not on, or its first disk is not done
            domain.blockJobSetSpeed("vdb", 1)
            return module
        time.sleep(0.002)
    raise TimeoutError("no block job")


@pytest.mark.parametrize("state", ["shutoff", "running"])
def test_told_to_end_it_aborts_and_says_what_is_done(lab, state):
    name = large_clone(lab, start=state == "running")
    module = begun(lab, name)
    module.send_signal(signal.SIGTERM)
    result = json.loads(module.stdout.read())
    assert "the run was told to end" in result["msg"]
    assert result["domains"][0]["left"] == [f"of {name}, vda had been flattened, which stays"]
    assert lab.state(name) == state
    assert (backing(lab, name, "vda"), backing(lab, name, "vdb")) == (None, lab.disk_path(name, "vdb"))
    lab.run_and_compare("flatten", {"domain": name})
    lab.domain(name).destroy() if state == "running" else None
    assert lab.read(lab.disk_path(name, "vdb"), 4, offset=MIB + MUCH - 4) == b"\7\7\7\7"


@pytest.mark.parametrize("state", ["shutoff", "running"])
def test_powered_off_meanwhile_it_says_what_is_done_and_goes_on_later(lab, state):
    name = large_clone(lab, start=state == "running")
    module = begun(lab, name)
    lab.domain(name).destroy()
    (result,) = json.loads(module.stdout.read())["domains"]
    assert "domain is not running" in result["msg"]
    assert (result["left"], lab.state(name)) == ([f"of {name}, vda had been flattened, which stays"], "shutoff")
    lab.run_and_compare("flatten", {"domain": name})
    assert lab.read(lab.disk_path(name, "vdb"), 4, offset=MIB + MUCH - 4) == b"\7\7\7\7"


def test_killed_it_leaves_a_domain_that_was_off_off(lab):
    name = large_clone(lab)
    before = lab.domain(name).XMLDesc(2)
    module = begun(lab, name)
    module.kill()
    module.wait()
    end = time.monotonic() + 20
    while lab.domain(name).isActive() and time.monotonic() < end:
        time.sleep(0.05)
    assert lab.state(name) == "shutoff"
    assert lab.domain(name).XMLDesc(2) == before
    assert lab.read(lab.disk_path(name, "vdb"), 4, offset=MIB + MUCH - 4) == b"\7\7\7\7"
    lab.run_and_compare("flatten", {"domain": name})


def test_killed_it_is_gone_on_with(lab):
    name = large_clone(lab, start=True)
    module = begun(lab, name)
    module.kill()
    module.wait()
    lab.domain(name).blockJobSetSpeed("vdb", 0)
    assert not lab.run("flatten", {"domain": name}).get("failed")
    assert not told(lab, name)["linked"]


def test_no_room_is_found_out_before(lab):
    versions.add(lab, "web", "1")
    (name,) = clone(lab, "a")
    before = lab.world()
    # As if it held more than there is room for: a file system of its own would need root and a loop device.
    fake = lab.path / "sitecustomize.py"
    fake.write_text(
        "from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool\n"
        "Pool.free = lambda self: 1000\n"
    )
    request = {"ANSIBLE_MODULE_ARGS": {"uri": lab.uri, "domain": name}}
    done = subprocess.run(
        [sys.executable, str(COLLECTION / "plugins" / "modules" / "flatten.py")],
        input=json.dumps(request),
        env={**os.environ, "PYTHONPATH": f"{COLLECTION.parents[2]}:{lab.path}", "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    fake.unlink()
    assert f"pool {lab.pool} has 0 MiB left" in json.loads(done.stdout)["msg"]
    assert_same(before, lab.world(), "a refusal changed something")
