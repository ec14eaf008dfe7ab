# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pruning real pools: what the rule and the dead leave, and nothing else."""

from __future__ import annotations

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
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import deltas, domains, volumes
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder
from ansible_collections.golden.libvirt.plugins.module_utils._image.journal import Journal
from ansible_collections.golden.libvirt.plugins.module_utils._xml import metadata
from support import versions
from support.lab import COLLECTION

KILLED = pathlib.Path(__file__).parent / "support" / "killed.py"


def prune(lab, **options):
    done = lab.run_and_compare("prune", {"image_pool": lab.pool, **options})
    return {item["item"]: item for item in done["versions"]}


def gone(found):
    return sorted(name for name, item in found.items() if not item["kept"])


def there(lab, name="web"):
    (found,) = lab.run("image_info", {"images": [name], "image_pool": lab.pool})["images"]
    return [of["version"] for of in found["versions"]]


def aged(lab, *days, image="web"):
    """Versions 1, 2, 3 and so on, so many days old."""
    for number, age in enumerate(days, 1):
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age * 86400))
        versions.add(lab, image, str(number), created=created)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({}, ["1", "2", "3", "4"]),
        ({"keep_last": 3}, ["2", "3", "4"]),
        ({"max_age": "36h"}, ["3", "4"]),
        ({"max_age": "1w", "keep_last": 1}, ["2", "3", "4"]),
        ({"max_age": "1h"}, ["4"]),
        ({"keep_last": 1, "images": ["db"]}, ["1", "2", "3", "4"]),
    ],
)
def test_number_and_age_condemn_together(lab, options, left):
    aged(lab, 10, 5, 1, 0)
    aged(lab, 10, image="db")
    found = prune(lab, **options)
    assert there(lab) == left
    assert there(lab, "db") == ["1"]
    assert all(item["bytes"] > 0 and item["why"] == "retention" for item in found.values())


def test_what_is_assigned_in_use_a_parent_or_labelled_stays_and_says_so(lab):
    for number, parent in (
        ("1", None),
        ("2", ("web", "1")),
        ("3", None),
        ("4", None),
        ("5", ("web", "4")),
        ("7", None),
    ):
        versions.add(lab, "web", number, parent=parent)
    versions.add(lab, "web", "6", labels={"team": "audit"})
    lab.run("channel", {"image": "web", "image_pool": lab.pool, "name": "stable", "version": "3"})
    clone = f"{lab.prefix}-a"
    lab.run("clone", {"name": clone, "image": "web", "image_pool": lab.pool, "version": "2"})
    found = prune(lab, keep_last=1, keep_labels=["team=audit"])
    assert gone(found) == ["web 4", "web 5"]
    assert {name: item["kept"] for name, item in found.items() if item["kept"]} == {
        "web 1": ["web 2 was built from it"],
        "web 2": [f"domain {clone} is built on {lab.file('golden.web.2.vda.qcow2')}"],
        "web 3": ["channel stable points at it"],
    }
    assert there(lab) == ["1", "2", "3", "6", "7"]


def half_made(lab, version, alive):
    """What a run has made of a version that is not complete; *alive*: this process still does."""
    mine = holder.this_process()
    claim = mine if alive else replace(mine, started="1")
    with Hypervisor(lab.uri) as hypervisor:
        pool = volumes.open_pool(hypervisor, lab.pool)
        Journal(pool, "web").change(lambda state: replace(state, claims={**state.claims, version: claim}))
    lab.disk(f"golden.web.{version}.vda.qcow2")


def test_what_the_dead_have_left_goes_and_what_the_living_make_stays(lab):
    versions.add(lab, "web", "1")
    half_made(lab, "2", alive=False)
    half_made(lab, "3", alive=True)
    found = prune(lab)
    assert {name: item["why"] for name, item in found.items()} == {"web 2": "interrupted run"}
    (image,) = lab.run("image_info", {"image_pool": lab.pool})["images"]
    assert [(claim["version"], claim["alive"]) for claim in image["claims"]] == [("3", True)]
    refused = {"image": "web", "image_pool": lab.pool, "version": "3", "state": "absent"}
    assert "it is being made by process" in lab.run_and_compare("image", refused, fails=True)["msg"]


def test_what_nobody_claims_may_be_copied_by_hand_until_it_is_old(lab):
    versions.add(lab, "web", "1")
    lab.disk("golden.web.2.vda.qcow2")
    lab.disk("golden.web.3.vda.qcow2")
    old = time.time() - holder.LEASE_SECONDS - 60
    os.utime(lab.file("golden.web.3.vda.qcow2"), (old, old))
    assert gone(prune(lab)) == ["web 3"]
    assert pathlib.Path(lab.file("golden.web.2.vda.qcow2")).exists()


def dying_clone(lab, name, **options):
    """A linked clone of web 1, its run killed before it made the second of its volumes."""
    args = {"uri": lab.uri, "name": name, "image": "web", "image_pool": lab.pool, "version": "1", **options}
    command = [sys.executable, str(KILLED), str(COLLECTION / "plugins" / "modules" / "clone.py"), "before", "2"]
    environment = {**os.environ, "PYTHONPATH": str(COLLECTION.parents[2])}
    done = subprocess.run(
        command,
        check=False,
        input=json.dumps({"ANSIBLE_MODULE_ARGS": args}),
        env=environment,
        text=True,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done
    lab.refresh()


def test_clones_that_died_half_made_go_and_keep_no_version(lab):
    for version in ("1", "2"):
        versions.add(lab, "web", version, disks=["qcow2", "qcow2"])
    before = lab.world()
    dead, alive, started = (f"{lab.prefix}-{name}" for name in ("dead", "alive", "started"))
    dying_clone(lab, dead)
    assert pathlib.Path(lab.file(f"{dead}.vda.qcow2")).exists()
    found = prune(lab, keep_last=1)
    assert {name: (item["why"], item["volumes"]) for name, item in found.items()} == {
        dead: ("interrupted clone", [f"{dead}.vda.qcow2"]),
        "web 1": ("retention", [f"golden.web.1.{part}" for part in ("manifest.json", "vda.qcow2", "vdb.qcow2")]),
    }
    assert found[dead]["bytes"] > 0
    assert {name for name in before if name not in lab.world()} == {
        f"file {lab.file(f'golden.web.1.{part}')}" for part in ("manifest.json", "vda.qcow2", "vdb.qcow2")
    }
    lab.run("clone", {"names": [alive, started], "image": "web", "image_pool": lab.pool, "version": "2"})
    living = holder.this_process()
    for name, maker in ((alive, living), (started, replace(living, started="1"))):
        with Hypervisor(lab.uri) as hypervisor:
            record = domains.read(hypervisor, name).record
            half = replace(record, origin=replace(record.origin, complete=False, holder=maker))
            domains.set_metadata(hypervisor, name, metadata.element_of(half))
    lab.domain(started).createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    assert prune(lab) == {}
    lab.domain(started).managedSave()
    assert prune(lab) == {}
    lab.domain(started).managedSaveRemove()
    assert gone(prune(lab)) == [started]


def test_records_that_were_never_filled_go_once_others_stand_and_they_are_old(lab):
    versions.add(lab, "web", "1")
    for serial, age in ((1, 0), (2, holder.LEASE_SECONDS + 60), (4, 60), (6, holder.LEASE_SECONDS + 60)):
        if age:
            path = pathlib.Path(lab.file(f"golden.web.journal.{serial:06d}.json"))
            path.touch()
            os.truncate(path, 8192)
            os.utime(path, (time.time() - age,) * 2)
            lab.refresh()
        if serial != 6:
            lab.run("channel", {"image": "web", "image_pool": lab.pool, "name": f"c{serial}", "version": "1"})
    found = prune(lab)
    assert {name: item["volumes"] for name, item in found.items()} == {
        "journal of web": ["golden.web.journal.000002.json"]
    }
    (image,) = lab.run("image_info", {"image_pool": lab.pool})["images"]
    assert image["channels"] == {"c1": "1", "c2": "1", "c4": "1"}


def test_what_rsync_was_receiving_goes_with_the_version(lab):
    versions.add(lab, "web", "1")
    half_made(lab, "2", alive=False)
    half_made(lab, "3", alive=True)
    parts = [parts_of(lab, version) for version in "23"]
    assert prune(lab)["web 2"]["volumes"] == [*(part.name for part in parts[0]), "golden.web.2.vda.qcow2"]
    assert [[part.exists() for part in some] for some in parts] == [[False, False], [True, True]]


def test_what_rsync_was_receiving_of_a_version_that_is_whole_goes_when_it_is_old(lab):
    for version in "123":
        versions.add(lab, "web", version)
    parts = [*parts_of(lab, "1"), *parts_of(lab, "2", old=True), *parts_of(lab, "3", old=True)]
    found = prune(lab, keep_last=2, images=["web", "web"])
    assert found["beside web 3"]["volumes"] == [part.name for part in parts[4:]]
    assert found["beside web 3"]["why"] == "interrupted write"
    assert sorted(found) == ["beside web 2", "beside web 3", "web 1"]
    assert there(lab) == ["2", "3"] and not any(part.exists() for part in parts)


def parts_of(lab, version, old=False):
    """What rsync has received of a version's disk, and what it was to build on, half put together."""
    disk = f"golden.web.{version}.vda.qcow2"
    parts = [
        pathlib.Path(path) for path in (lab.file(f".{disk}.AbCdEf"), deltas.BESIDE.format(lab.path / "pool", disk))
    ]
    for part in parts:
        part.write_bytes(b"x")
        os.utime(part, (time.time() - old * (holder.LEASE_SECONDS + 60),) * 2)
    lab.refresh()
    return parts


def test_an_interrupted_deletion_is_completed(lab):
    for version in ("1", "2"):
        versions.add(lab, "web", version)
    versions.set_state(lab, "web", "1", "absent", "old")
    assert {name: item["why"] for name, item in prune(lab).items()} == {"web 1": "interrupted deletion"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_age": "old"}, "'old' is no age"),
        ({"keep_last": 0}, "the newest version always stays"),
        ({"images": ["../x"]}, "'../x' cannot be one"),
    ],
)
def test_a_bad_rule_is_refused(lab, options, words):
    assert words in lab.run_and_compare("prune", {"image_pool": lab.pool, **options}, fails=True)["msg"]


@pytest.mark.parametrize("age", ["9999999h", "500000d", "999999999w"])
def test_no_version_is_older_than_all_time(lab, age):
    aged(lab, 10, 5)
    assert prune(lab, max_age=age) == {}
