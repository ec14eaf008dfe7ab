# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones back, and forward, to versions of their image: other bytes, the same machine."""

from __future__ import annotations

import pathlib
import time

import libvirt
import pytest
from support import versions
from support.lab import assert_same, qemu_img

SECURE = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
VARIABLES = bytes(540672)


def clone(lab, *names, **options) -> list[str]:
    """Clones of version 1 of web; their full names."""
    args = {"image": "web", "version": "1", "image_pool": lab.pool, "names": [f"{lab.prefix}-{name}" for name in names]}
    result = lab.run("clone", {**args, **options})
    assert not result.get("failed"), result
    return args["names"]


def back(lab, *names, **options) -> dict:
    """The arguments that revert clones to their version."""
    return {"domains": list(names), "to": "version", "image_pool": lab.pool, **options}


def identity(lab, name) -> tuple:
    xml = lab.domain(name).XMLDesc(SECURE)
    return lab.domain(name).UUIDString(), xml.count("<disk"), [line for line in xml.splitlines() if "<mac" in line]


def test_a_broken_clone_has_its_versions_bytes_again_and_is_the_same_machine(lab):
    versions.add(lab, "web", "1", disks=["qcow2", "raw"], nvram=VARIABLES, first_boot="cloud-init")
    (name,) = clone(lab, "a")
    before, seed = identity(lab, name), lab.disk_path(name, "vdc")
    for target in ("vda", "vdb"):
        lab.write(lab.disk_path(name, target), b"broken")
    lab.write(lab.file(f"{name}.nvram.fd"), b"broken", form="raw")
    result = lab.run_and_compare("revert", back(lab, name), again=None)
    for target in ("vda", "vdb"):
        assert lab.read(lab.disk_path(name, target), 12) == b"golden %s 1" % target.encode()
    assert pathlib.Path(lab.file(f"{name}.nvram.2.fd")).read_bytes() == VARIABLES
    assert (identity(lab, name), lab.disk_path(name, "vdc")) == (before, seed)
    assert result["reverts"][0]["previous_version"] == result["reverts"][0]["version"] == "1"
    lab.run_and_compare("revert", back(lab, name), again=None)
    lab.run_and_compare("clone", {"name": name, "state": "absent", "image_pool": lab.pool})
    assert not [path for path in pathlib.Path(lab.file("")).iterdir() if name in path.name]


def test_forward_to_what_the_channel_points_at(lab):
    versions.add(lab, "web", "1")
    names = clone(lab, "a", "b")
    versions.add(lab, "web", "2")
    assert not lab.run("channel", {"image": "web", "name": "stable", "version": "2", "image_pool": lab.pool}).get(
        "failed"
    )
    lab.run_and_compare("revert", back(lab, *names, channel="stable"), again=None)
    for name in names:
        assert lab.read(lab.disk_path(name), 12) == b"golden vda 2"
    args = {"image": "web", "channel": "stable", "names": names, "image_pool": lab.pool}
    again = lab.run_and_compare("clone", args)
    assert [(one["outdated"], one["version"], one["changed"]) for one in again["clones"]] == [(False, "2", False)] * 2
    lab.run_and_compare("revert", back(lab, *names, version="1"), again=None)
    assert lab.read(lab.disk_path(names[0]), 12) == b"golden vda 1"


@pytest.mark.parametrize(
    ("state", "power", "ends"),
    [
        ("running", "keep", "running"),
        ("paused", "keep", "paused"),
        ("shutoff", "keep", "shutoff"),
        ("shutoff", "running", "running"),
        ("running", "shutoff", "shutoff"),
        ("running", "paused", "paused"),
    ],
)
def test_power(lab, state, power, ends):
    versions.add(lab, "web", "1")
    (name,) = clone(lab, "a", start=state != "shutoff")
    if state == "paused":
        lab.domain(name).suspend()
    lab.run_and_compare("revert", back(lab, name, power=power), again=None)
    assert lab.state(name) == ends


def test_a_running_guest_finds_itself_reset(lab):
    versions.add(lab, "web", "1", guest=True)
    (name,) = clone(lab, "a", start=True, wait_for="agent")
    lab.guest(name).write("vda", 0, "broken")
    started = time.monotonic()
    lab.run("revert", back(lab, name))
    print(f"reverted in {time.monotonic() - started:.2f} s")
    lab.guest(name).wait()
    assert lab.guest(name).read("vda", 0, 12) == "golden vda 1"


def test_a_full_clone_gets_a_full_copy(lab):
    versions.add(lab, "web", "1")
    (name,) = clone(lab, "a", linked=False)
    lab.write(lab.disk_path(name), b"broken")
    lab.run_and_compare("revert", back(lab, name), again=None)
    assert lab.read(lab.disk_path(name), 12) == b"golden vda 1"
    assert "<backingStore>" not in lab.domain(name).XMLDesc(0)


def test_snapshots_are_lost_only_by_force(lab):
    versions.add(lab, "web", "1")
    (name,) = clone(lab, "a")
    for snapshot in ("one", "two"):
        lab.run("snapshot", {"domain": name, "name": snapshot, "mode": "external"})
    refused = lab.run_and_compare("revert", back(lab, name), fails=True)
    assert "its snapshots (one, two) would be lost ('force'" in refused["msg"]
    lab.run_and_compare("revert", back(lab, name, force=True), again=None)
    assert lab.read(lab.disk_path(name), 12) == b"golden vda 1"
    assert lab.domain(name).snapshotNum() == 0
    mine = sorted(path.name for path in pathlib.Path(lab.file("")).iterdir() if name in path.name)
    assert mine == [f"{name}.vda.2.qcow2"]


@pytest.mark.parametrize("beside", [False, True])
def test_what_somebody_has_built_on_a_clones_disk_keeps_it_from_going(lab, beside):
    versions.add(lab, "web", "1")
    name, other = clone(lab, "a", "b")
    if beside:
        lab.add_pool("beside")
    overlay = str(lab.path / ("beside" if beside else "pool") / "overlay.qcow2")
    disk = lab.disk_path(name)
    qemu_img("create", "-f", "qcow2", "-F", "qcow2", "-b", disk, overlay)
    before = lab.world()
    for module, args in (
        ("revert", back(lab, name, force=True)),
        ("clone", {"name": name, "state": "absent", "image_pool": lab.pool}),
    ):
        refused = lab.run_and_compare(module, args, fails=True)
        (item,) = refused["reverts" if module == "revert" else "clones"]
        assert item["obstacles"] == [f"{overlay} is built on {disk}"]
    assert_same(before, lab.world(), "what was refused changed something")
    lab.run_and_compare("revert", back(lab, other), again=None)
    pathlib.Path(overlay).unlink()
    lab.run_and_compare("revert", back(lab, name), again=None)


def test_what_cannot_be_reverted_is_refused(lab):
    versions.add(lab, "web", "1")
    versions.add(lab, "web", "2", disks=["qcow2", "qcow2"])
    other, (name,) = lab.machine("other"), clone(lab, "a")
    for args, said in (
        (back(lab, other), "not a clone of an image"),
        (back(lab, "nobody"), "no domain of that name"),
        (back(lab, name, version="2"), "disks that the clone has not: vdb"),
        (back(lab, name, version="3"), "no complete version 3"),
        (back(lab, name, channel="stable"), "no channel stable"),
        (back(lab, name, safety_snapshot="s"), "safety_snapshot"),
    ):
        assert said in lab.run_and_compare("revert", args, fails=True)["msg"]


def test_what_fails_halfway_is_undone(lab):
    versions.add(lab, "web", "1")
    (name,) = clone(lab, "a", start=True)
    versions.add(lab, "web", "2", disks=["qcow2"])
    broken = pathlib.Path(lab.file("golden.web.2.vda.qcow2"))
    broken.chmod(0o600)
    broken.write_bytes(b"no qcow2 file")
    before = lab.world()
    result = lab.run("revert", back(lab, name, version="2"))
    assert (result["failed"], result["changed"]) == (True, False)
    assert_same(before, lab.world(), "the failed revert left something")
