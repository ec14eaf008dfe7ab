# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones that went to a version and come back to what they were: the same bytes, definition, variables and power."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
from dataclasses import replace

import libvirt
import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._image import documents, holder
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.revert import REVERT
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import item_result
from ansible_collections.golden.libvirt.plugins.module_utils._xml import metadata
from ansible_collections.golden.libvirt.plugins.modules.revert import SPEC
from support import versions
from support.lab import COLLECTION, assert_same, qemu_img

KILLED = pathlib.Path(__file__).parent / "support" / "killed.py"
VARIABLES = bytes(540672)
LATER = b"written by the clone"


def clone(lab, *names, **options) -> list[str]:
    """Clones of version 1 of web; their full names."""
    args = {"image": "web", "version": "1", "image_pool": lab.pool, "names": [f"{lab.prefix}-{name}" for name in names]}
    result = lab.run("clone", {**args, **options})
    assert not result.get("failed"), result
    return args["names"]


def to(lab, where, *names, **options) -> dict:
    return {"domains": list(names), "to": where, "image_pool": lab.pool, **options}


def forward(lab, name, **options) -> dict:
    """The clone goes to version 2 and can come back."""
    done = lab.run("revert", to(lab, "version", name, **{"version": "2", "undo_for": "2h", **options}))
    assert not done.get("failed"), done
    return done["reverts"][0]


def told(lab, name) -> str:
    """All that a domain's definition says, but for its generation id and the order of what was made for it."""
    xml = lab.domain(name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    made = sorted(re.findall(r"<[a-z:]*made [^>]*>", xml))
    return re.sub(r"<genid>.*?</genid>|<[a-z:]*made [^>]*>", "", xml) + "".join(made)


def files(lab) -> list[str]:
    return sorted(path.name for path in pathlib.Path(lab.file("")).iterdir() if path.name.startswith(lab.prefix))


def age(lab, seconds_ago="2020-01-01T00:00:00Z") -> None:
    """Let the time of what is kept have run out."""
    for path in pathlib.Path(lab.file("")).glob("*.before*.json"):
        said = documents.content_of("before", path.read_bytes())
        path.write_bytes(documents.document("before", {**said, "until": seconds_ago}))
    lab.refresh()


def two(lab, **options) -> None:
    for version in ("1", "2"):
        versions.add(lab, "web", version, **options)


def test_back_to_the_bytes_the_definition_the_variables_and_the_power_of_then(lab):
    two(lab, disks=["qcow2", "raw"], nvram=VARIABLES, first_boot="cloud-init")
    (name,) = clone(lab, "a")
    data = lab.disk("data.qcow2", content=b"data")
    disk = f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{data}'/><target dev='vdx'/></disk>"
    lab.domain(name).attachDeviceFlags(disk, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    for target in ("vda", "vdb"):
        lab.write(lab.disk_path(name, target), LATER)
    pathlib.Path(lab.file(f"{name}.nvram.fd")).write_bytes(b"\1" * len(VARIABLES))
    before, there = told(lab, name), files(lab)
    result = lab.run_and_compare("revert", to(lab, "version", name, version="2", undo_for="2h"), again=None)
    (item,) = result["reverts"]
    assert item["discarded"] == [] and item["kept_until"] and [disk["disk"] for disk in item["kept"]] == ["vda", "vdb"]
    assert all(disk["bytes"] for disk in item["kept"])
    assert '"undo_for": "2h"' in result["diff"][0]["after"]
    assert lab.read(lab.disk_path(name), 12) == b"golden vda 2"
    lab.write(data, b"more")
    lab.domain(name).create()
    back = lab.run_and_compare("revert", to(lab, "before", name), again=None)["reverts"][0]
    assert (back["version"], back["previous_version"], back["power"]) == ("1", "2", "shutoff")
    assert [disk["disk"] for disk in back["discarded"]] == ["vda", "vdb"]
    assert told(lab, name) == before and files(lab) == there and lab.state(name) == "shutoff"
    for target in ("vda", "vdb"):
        assert lab.read(lab.disk_path(name, target), len(LATER)) == LATER
    assert pathlib.Path(lab.file(f"{name}.nvram.fd")).read_bytes() == b"\1" * len(VARIABLES)
    assert lab.read(data, 4) == b"more"
    assert "nothing is kept of what it was" in lab.run_and_compare("revert", to(lab, "before", name), fails=True)["msg"]
    lab.run_and_compare("clone", {"name": name, "state": "absent", "image_pool": lab.pool})
    assert files(lab) == []


def test_each_step_is_kept_for_its_own_time_and_undone_by_itself(lab):
    two(lab)
    (name,) = clone(lab, "a", start=True)
    forward(lab, name)
    before = told(lab, name)
    lab.run("revert", to(lab, "version", name))  # its version again, and nothing kept of that
    forward(lab, name, version="1", undo_for="ever")
    assert lab.run("revert", to(lab, "before", name))["reverts"][0]["version"] == "2"
    assert lab.run("revert", to(lab, "before", name))["reverts"][0]["version"] == "1"
    assert lab.state(name) == "running" and told(lab, name) != before
    assert files(lab) == [f"{name}.vda.qcow2"]


def test_what_is_kept_keeps_its_version_and_goes_when_its_time_is_over(lab):
    two(lab)
    (name, other) = clone(lab, "a", "b")
    forward(lab, name)
    forward(lab, other)
    gone = {"image": "web", "version": "1", "state": "absent", "image_pool": lab.pool}
    assert f"domain {name} (kept to go back to) is built on" in lab.run_and_compare("image", gone, fails=True)["msg"]
    assert lab.run_and_compare("prune", {"image_pool": lab.pool})["versions"] == []
    age(lab)
    lab.run_and_compare("revert", to(lab, "version", other), again=None)
    assert not [file for file in files(lab) if file.startswith(other) and file != f"{other}.vda.3.qcow2"]
    (pruned,) = lab.run_and_compare("prune", {"image_pool": lab.pool, "keep_last": 1})["versions"][:1]
    assert (pruned["why"], pruned["bytes"] > 0) == ("undo is over", True)
    assert sorted(pruned["volumes"]) == [f"{name}.before.json", f"{name}.vda.qcow2"]
    assert lab.read(lab.disk_path(name), 12) == b"golden vda 2"
    assert files(lab) == [f"{name}.vda.2.qcow2", f"{other}.vda.3.qcow2"]
    assert not os.path.exists(lab.file("golden.web.1.vda.qcow2"))


def test_what_something_is_built_on_stays_and_so_does_its_version(lab):
    two(lab)
    (name,) = clone(lab, "a")
    forward(lab, name, undo_for="1h")
    disk = lab.file(f"{name}.vda.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", disk, lab.file("other.qcow2"))
    lab.refresh()
    there = files(lab)
    said = lab.run_and_compare("revert", to(lab, "stay", name), fails=True)["msg"]
    assert f"{lab.file('other.qcow2')} is built on {disk}" in said
    age(lab)
    kept, version = lab.run_and_compare("prune", {"image_pool": lab.pool, "keep_last": 1})["versions"]
    assert kept["kept"] == [f"{lab.file('other.qcow2')} is built on {disk}"]
    assert [word for word in version["kept"] if "(kept to go back to) is built on" in word]
    assert files(lab) == there and lab.read(disk, 12) == b"golden vda 1"


def test_a_clone_that_was_started_since_it_was_planned_is_stopped_before_its_disks_go(lab):
    two(lab)
    (name,) = clone(lab, "a")
    options = {option: said.get("default") for option, said in SPEC.items()}
    params = {**options, **to(lab, "version", name, name, version="2")}
    with Hypervisor(lab.uri) as hypervisor:
        bench = Bench(hypervisor)
        (plan,) = REVERT.plan(bench, params)
        lab.domain(name).create()
        item = item_result(plan, REVERT, bench, params, False)
    assert not item["failed"] and "stop domain" in [action["action"] for action in item["actions"]], item
    runs_on = lab.domain(name).XMLDesc(0)
    assert lab.file(f"{name}.vda.2.qcow2") in runs_on and lab.file(f"{name}.vda.qcow2") not in runs_on
    assert files(lab) == [f"{name}.vda.2.qcow2"]


def test_it_can_be_undone_after_its_time_and_without_metadata(lab):
    two(lab)
    (name,) = clone(lab, "a")
    lab.write(lab.disk_path(name), LATER)
    before = told(lab, name)
    forward(lab, name)
    age(lab)
    xml = lab.domain(name).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    lab.conn.defineXML(re.sub(r"<metadata>.*?</metadata>", "", xml, flags=re.DOTALL))
    lab.run_and_compare("revert", to(lab, "before", name), again=None)
    assert told(lab, name) == before and lab.read(lab.disk_path(name), len(LATER)) == LATER
    assert files(lab) == [f"{name}.vda.qcow2"]


def test_it_stays_what_it_is(lab):
    two(lab)
    ever, timed, never = clone(lab, "a", "b", "c")
    forward(lab, ever, undo_for="ever")
    forward(lab, timed, undo_for="1d")
    result = lab.run_and_compare("revert", to(lab, "stay", ever, timed, never, undo_for="2h"))
    assert [item["changed"] for item in result["reverts"]] == [True, False, False]
    assert result["reverts"][0]["kept_until"] < result["reverts"][1]["kept_until"]
    result = lab.run_and_compare("revert", to(lab, "stay", ever, timed, never))
    assert files(lab) == [f"{ever}.vda.2.qcow2", f"{timed}.vda.2.qcow2", f"{never}.vda.qcow2"]
    assert lab.read(lab.disk_path(ever), 12) == b"golden vda 2"


@pytest.mark.parametrize("mode", ["external", "internal"])
def test_of_snapshots_the_bytes_come_back(lab, mode):
    two(lab)
    (name,) = clone(lab, "a")
    lab.write(lab.disk_path(name), b"below")
    for snapshot in ("one", "two"):
        assert not lab.run("snapshot", {"domain": name, "name": snapshot, "mode": mode}).get("failed")
    lab.write(lab.disk_path(name), LATER)
    asked = to(lab, "version", name, version="2", undo_for="2h")
    assert "its snapshots (one, two) would be lost" in lab.run_and_compare("revert", asked, fails=True)["msg"]
    lab.run_and_compare("revert", {**asked, "force": True}, again=None)
    lab.run("snapshot", {"domain": name, "name": "three", "mode": mode})
    assert "(three) would be lost" in lab.run_and_compare("revert", to(lab, "before", name), fails=True)["msg"]
    lab.run_and_compare("revert", to(lab, "before", name, force=True), again=None)
    assert lab.read(lab.disk_path(name), len(LATER)) == LATER and lab.domain(name).snapshotNum() == 0
    lab.domain(name).create()
    lab.run_and_compare("clone", {"name": name, "state": "absent", "image_pool": lab.pool})
    assert files(lab) == []


def test_variables_that_the_clone_goes_on_with_come_back_too(lab):
    versions.add(lab, "web", "1", nvram=VARIABLES)
    versions.add(lab, "web", "2", firmware="uefi")
    (name,) = clone(lab, "a")
    path = pathlib.Path(lab.file(f"{name}.nvram.fd"))
    path.write_bytes(b"\1" * len(VARIABLES))
    forward(lab, name)
    path.write_bytes(b"\2" * len(VARIABLES))
    lab.run_and_compare("revert", to(lab, "before", name), again=None)
    assert path.read_bytes() == b"\1" * len(VARIABLES)
    assert files(lab) == [f"{name}.nvram.fd", f"{name}.vda.qcow2"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_clone_that_had_no_variables_yet_comes_back(lab, kept):
    for number in "12":
        web = versions.add(lab, "web", number, nvram=VARIABLES)
        if not kept:
            versions.write(lab, replace(web, nvram=None))
    (name,) = clone(lab, "a", nvram="reset")
    before = re.findall(r'nvram[^<]*</nvram>|volume="[^"]*"', told(lab, name))
    forward(lab, name)
    lab.run_and_compare("revert", to(lab, "before", name), again=None)
    assert re.findall(r'nvram[^<]*</nvram>|volume="[^"]*"', told(lab, name)) == before
    assert files(lab) == [f"{name}.vda.qcow2"]


def test_what_does_not_fit_is_refused(lab):
    two(lab)
    (name,) = clone(lab, "a")
    for args, said in (
        (to(lab, "version", name, undo_for="soon"), "'soon' is no age"),
        (to(lab, "version", name, safety_snapshot="s"), "say with 'undo_for' how long these are kept"),
        (to(lab, "before", name, undo_for="2h"), "'to: before' goes without undo_for"),
        (to(lab, "stay", name, version="2"), "'to: stay' goes without version"),
        (to(lab, "stay", name, undo_for="ever"), "'to: stay' gives an end, and 'ever' is none"),
        (to(lab, "before", lab.machine("other")), "not a clone of an image"),
    ):
        assert said in lab.run_and_compare("revert", args, fails=True)["msg"]
    forward(lab, name)
    pathlib.Path(lab.file(f"{name}.vda.qcow2")).unlink()
    lab.refresh()
    said = lab.run_and_compare("revert", to(lab, "before", name), fails=True)["msg"]
    assert f"{name}.vda.qcow2 is not there any more" in said


def test_a_disk_attached_where_the_version_has_one_is_never_taken_away(lab):
    versions.add(lab, "web", "1")
    versions.add(lab, "web", "2", disks=["qcow2", "qcow2"])
    (name,) = clone(lab, "a")
    data = lab.disk("data.qcow2", content=b"data")
    disk = f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{data}'/><target dev='vdb'/></disk>"
    lab.domain(name).attachDeviceFlags(disk, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    refused = lab.run_and_compare("revert", to(lab, "version", name, version="2"), fails=True)
    assert "the clone's vdb is another one, which was attached to it later" in refused["msg"]


def test_a_disk_that_the_version_has_no_more_stays_and_keeps_its_version(lab):
    versions.add(lab, "web", "1", disks=["qcow2", "qcow2"])
    versions.add(lab, "web", "2")
    (name,) = clone(lab, "a")
    lab.write(lab.disk_path(name, "vdb"), LATER)
    result = lab.run_and_compare("revert", to(lab, "version", name, version="2"), again=None)
    assert "web 2 has no disk vdb: the clone's own stays as it is" in result["warnings"][0]
    assert lab.read(lab.disk_path(name, "vdb"), len(LATER)) == LATER
    gone = {"image": "web", "version": "1", "state": "absent", "image_pool": lab.pool}
    assert "golden.web.1.vdb.qcow2" in lab.run_and_compare("image", gone, fails=True)["msg"]


def killed_run(lab, args, when, number) -> list[str]:
    """Run revert until it is killed at one of the things that it does to pools; these, where it is not."""
    done = subprocess.run(
        [sys.executable, str(KILLED), str(COLLECTION / "plugins" / "modules" / "revert.py"), when, str(number)],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {"uri": lab.uri, **args}}),
        env={**os.environ, "PYTHONPATH": str(COLLECTION.parents[2])},
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stderr.split() if when == "never" else []


def test_killed_at_any_moment_the_same_again_comes_to_the_same(lab, pytestconfig):
    if pytestconfig.getoption("--stack") == "ssh":
        pytest.skip("the module is killed where the test runs")
    two(lab, nvram=VARIABLES)
    names = clone(lab, *(f"k{number}" for number in range(8)), parallel=4)
    for name in names:
        lab.write(lab.disk_path(name), LATER)
    steps = killed_run(lab, to(lab, "version", names[0], version="2", undo_for="2h"), "never", 0)
    back = killed_run(lab, to(lab, "before", names[0]), "never", 0)
    assert len(steps) + len(back) == 7, (steps, back)
    for name, (where, number) in zip(
        names[1:], [*(("version", n + 1) for n in range(len(steps))), *(("before", n + 1) for n in range(len(back)))]
    ):
        there = to(lab, "version", name, version="2", undo_for="2h")
        if where == "version":
            killed_run(lab, there, "before", number)
        assert not (again := lab.run("revert", there)).get("failed"), again
        assert lab.read(lab.disk_path(name), 12) == b"golden vda 2"
        if where == "before":
            killed_run(lab, to(lab, "before", name), "before", number)
        assert not (again := lab.run("revert", to(lab, "before", name))).get("failed"), again
        assert lab.read(lab.disk_path(name), len(LATER)) == LATER, (where, number)
        assert [file for file in files(lab) if file.startswith(name)] == [f"{name}.nvram.fd", f"{name}.vda.qcow2"]


def test_cut_off_when_the_new_disks_were_in_use_what_was_before_them_is_what_is_kept(lab):
    two(lab)
    (name,) = clone(lab, "a")
    lab.write(lab.disk_path(name), LATER)
    forward(lab, name)
    dead = replace(holder.this_process(), started="1")
    with Hypervisor(lab.uri) as hypervisor:
        record = domains.read(hypervisor, name).record
        for who in (holder.this_process(), dead):
            marked = replace(record, origin=replace(record.origin, holder=who))
            domains.set_metadata(hypervisor, name, metadata.element_of(marked))
            if who is not dead:
                asked = to(lab, "version", name)
                assert "is reverting it right now" in lab.run_and_compare("revert", asked, fails=True)["msg"]
    forward(lab, name)
    assert len([file for file in files(lab) if "before" in file]) == 1
    lab.run_and_compare("revert", to(lab, "before", name), again=None)
    assert lab.read(lab.disk_path(name), len(LATER)) == LATER and files(lab) == [f"{name}.vda.qcow2"]


def test_what_fails_halfway_is_undone(lab):
    two(lab)
    (name,) = clone(lab, "a")
    forward(lab, name)
    broken = pathlib.Path(lab.file(f"{name}.vda.qcow2"))
    whole = broken.read_bytes()
    broken.write_bytes(b"no qcow2 file")
    before = lab.world()
    result = lab.run("revert", to(lab, "before", name, power="running"))
    assert (result["failed"], result["changed"]) == (True, False)
    after = lab.world()
    # Why it is off is another reason now: it failed to start.
    before[f"state {name}"] = after[f"state {name}"]
    assert lab.state(name) == "shutoff"
    assert_same(before, after, "the failed revert left something")
    broken.write_bytes(whole)
    assert not lab.run("revert", to(lab, "before", name)).get("failed")
