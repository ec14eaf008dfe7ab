# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reverts and deletions that end before any one of their actions: told to (SIGTERM), or killed (SIGKILL)."""

from __future__ import annotations

import os
import signal

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._run import perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.revert import REVERT
from ansible_collections.golden.libvirt.plugins.module_utils._run.snapshot import SNAPSHOT
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import item_result
from support.model import DEFAULTS

DISKS = ("vda", "vdb")


def run(lab, verb, domain, monkeypatch=None, number=None, end=None, **asked):
    """The item's result; *end* is called with the bench before action *number* (from 0)."""
    params = {**DEFAULTS[verb], "domains": [domain], **asked}
    with Hypervisor(lab.uri) as hypervisor:
        bench = Bench(hypervisor)
        plan = verb.plan(bench, params)[0]
        real, begun = perform.perform, []

        def counted(action, bench):
            begun.append(action)
            if len(begun) == number:
                end(bench)
            return real(action, bench)

        if end and number == 0:
            end(bench)
        if monkeypatch:
            monkeypatch.setattr(perform, "perform", counted)
        result = item_result(plan, verb, bench, params, False)
        if monkeypatch:
            monkeypatch.undo()
        return {**result, "all": 1 + len(getattr(plan, "actions", ()))}  # the guard comes first


def killed(lab, verb, domain, monkeypatch, number, **asked):
    """Whether it was killed before action *number* (from 1): it had so many."""
    child = os.fork()
    if not child:
        run(lab, verb, domain, monkeypatch, number, lambda bench: os.kill(os.getpid(), signal.SIGKILL), **asked)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def write(lab, name, content):
    for target in DISKS:
        lab.write(lab.disk_path(name, target), content)


def holds(lab, name, content):
    return all(lab.read(lab.disk_path(name, target), len(content)) == content for target in DISKS)


def files(lab):
    return set(os.listdir(lab.path / "pool"))


def snapped(lab):
    """A machine with snapshots one and two of what it then held."""
    name = lab.machine("a", ["qcow2", "raw"])
    for content in (b"one", b"two"):
        write(lab, name, content)
        assert not run(lab, SNAPSHOT, name, name=content.decode(), mode="external")["failed"]
    write(lab, name, b"now")
    return name


def test_told_to_end_a_revert_is_undone_or_done(lab, monkeypatch):
    name = snapped(lab)
    number, result = 0, {"all": 1}
    while number < result["all"]:
        before = lab.world()
        result = run(lab, REVERT, name, monkeypatch, number, lambda bench: bench.ending.set(), snapshot="two")
        if number < result["all"] - 1:  # until the first of the overlays that are needed no more is gone
            assert result["failed"] and not result["left"] and lab.world() == before, number
        else:
            assert holds(lab, name, b"two")
        number += 1
    assert number >= 6
    assert not run(lab, REVERT, name, snapshot="one")["failed"] and holds(lab, name, b"one")


def test_killed_a_revert_is_done_again(lab, monkeypatch):
    name, number = snapped(lab), 1
    while killed(lab, REVERT, name, monkeypatch, number, snapshot="one"):
        assert not run(lab, REVERT, name, snapshot="one")["failed"] and holds(lab, name, b"one"), number
        write(lab, name, b"now")
        number += 1
    assert number > 6
    assert not run(lab, REVERT, name, snapshot="two")["failed"] and holds(lab, name, b"two")
    # What the killed ones left is told, and nothing is merged below it.
    refused = run(lab, SNAPSHOT, name, name="one", state="absent")
    for obstacle in refused["obstacles"]:
        assert "which no domain or snapshot here uses" in obstacle
        os.unlink(obstacle.partition(" is built on")[0])
    assert len(refused["obstacles"]) > 2
    assert not run(lab, SNAPSHOT, name, name="one", state="absent")["failed"] and holds(lab, name, b"two")


def test_killed_a_deletion_is_done_again(lab, monkeypatch):
    name, number = snapped(lab), 1
    left = files(lab)
    while True:
        assert not run(lab, REVERT, name, snapshot="one")["failed"]
        if not killed(lab, SNAPSHOT, name, monkeypatch, number, name="two", state="absent"):
            break
        assert not run(lab, SNAPSHOT, name, name="two", state="absent")["failed"]
        assert len(files(lab)) == len(left) - 2 and holds(lab, name, b"one"), number
        assert not run(lab, SNAPSHOT, name, name="two")["failed"]
        number += 1
    assert number > 3
    assert not run(lab, SNAPSHOT, name, name="one", state="absent")["failed"] and holds(lab, name, b"one")
    assert len(files(lab)) == 2
