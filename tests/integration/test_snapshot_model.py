# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots, reverts and deletions at random against a model that keeps copies of the bytes.

GOLDEN_STEPS says how many steps, GOLDEN_SEED which: a failure names the seed.
"""

from __future__ import annotations

import dataclasses
import os
import random

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.revert import REVERT
from ansible_collections.golden.libvirt.plugins.module_utils._run.snapshot import SNAPSHOT
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import item_result
from ansible_collections.golden.libvirt.plugins.modules import revert, snapshot
from support.poke import poke

STEPS = int(os.environ.get("GOLDEN_STEPS", "60"))
SEED = int(os.environ.get("GOLDEN_SEED", "1"))
OFFSETS = (0, 70000, 1048576, 16 * 1048576 - 8)
SNAPSHOT_OPTIONS = {name: option.get("default") for name, option in snapshot.SPEC.items()}
REVERT_OPTIONS = {name: option.get("default") for name, option in revert.SPEC.items()}
MOST = 7  # snapshots at a time


@dataclasses.dataclass
class Saved:
    """A snapshot in the model. *disks* holds {target: {offset: bytes}}."""

    disks: dict
    parent: str | None


class Machine:
    """A real machine and the model of it, changed together."""

    def __init__(self, lab, seed, mode, disks):
        self.lab, self.random, self.mode = lab, random.Random(seed), mode
        self.name = lab.machine("m", disks)
        self.targets = ["vda", "vdb"][: len(disks)]
        self.now = {target: dict.fromkeys(OFFSETS, bytes(8)) for target in self.targets}
        self.saved, self.current, self.count, self.refused = {}, None, 0, 0

    def step(self):
        """One thing at random; returns what, in words."""
        names = list(self.saved)
        weights = {
            self.write: 4,
            self.take: 3 if len(names) < MOST else 0,
            self.revert: 3 if names else 0,
            self.delete: 2 if names else 0,
            self.prune: 0.4 if names else 0,
            self.power: 0.3,
        }
        return self.random.choices(list(weights), list(weights.values()))[0]()

    def write(self):
        target, offset = self.random.choice(self.targets), self.random.choice(OFFSETS)
        content = self.random.randbytes(8)
        if self.lab.state(self.name) == "paused":
            return "write nothing"
        poke(self.lab, self.name, target, content, offset)
        self.now[target][offset] = content
        return f"write {target} {offset}"

    def take(self):
        self.count += 1
        name = f"s{self.count}"
        result = self.do(SNAPSHOT, {**SNAPSHOT_OPTIONS, "name": name, "mode": self.mode, "quiesce": "never"})
        assert not result["failed"], result["msg"]
        self.saved[name] = Saved(self.copy(self.now), self.current)
        self.current = name
        return f"take {name}"

    def revert(self):
        name = self.random.choice(list(self.saved))
        result = self.do(REVERT, {**REVERT_OPTIONS, "snapshot": name})
        assert not result["failed"], result["msg"]
        self.now, self.current = self.copy(self.saved[name].disks), name
        return f"revert to {name}"

    def delete(self):
        name = self.random.choice(list(self.saved))
        result = self.do(SNAPSHOT, {**SNAPSHOT_OPTIONS, "name": name, "state": "absent"})
        if result["failed"]:
            assert self.mode == "external" and result["obstacles"], result["msg"]
            assert all("is built on it" in text or "is needed by" in text for text in result["obstacles"]), result[
                "msg"
            ]
            assert not self.leaf(name), f"{name} has no children, and yet: {result['msg']}"
            self.refused += 1
            return f"cannot delete {name}"
        parent = self.saved.pop(name).parent
        for other in self.saved.values():
            other.parent = parent if other.parent == name else other.parent
        self.current = parent if self.current == name else self.current
        return f"delete {name}"

    def prune(self):
        """Delete a snapshot and all that follow from it, which always works: nobody else needs them."""
        name = self.random.choice(list(self.saved))
        result = self.do(SNAPSHOT, {**SNAPSHOT_OPTIONS, "name": name, "state": "absent", "children": True})
        assert not result["failed"], result["msg"]
        parent, doomed = self.saved[name].parent, self.branch(name)
        self.saved = {other: saved for other, saved in self.saved.items() if other not in doomed}
        self.current = parent if self.current in doomed else self.current
        return f"prune {name}"

    def branch(self, name):
        """*name* and all that follow from it."""
        children = [other for other, saved in self.saved.items() if saved.parent == name]
        return {name, *(below for child in children for below in self.branch(child))}

    def power(self):
        domain = self.lab.domain(self.name)
        if domain.isActive():
            domain.destroy()
            return "stop"
        domain.create()
        return "start"

    def leaf(self, name):
        return name not in {saved.parent for saved in self.saved.values()} and name != self.current

    def do(self, verb, params):
        params = {**params, "domains": [self.name]}
        with Hypervisor(self.lab.uri) as hypervisor:
            bench = Bench(hypervisor)
            return item_result(verb.plan(bench, params)[0], verb, bench, params, False)

    def check(self):
        """The bytes and the tree of the machine are those of the model."""
        for target, content in self.now.items():
            path = self.lab.disk_path(self.name, target)
            for offset, expected in content.items():
                assert self.lab.read(path, 8, offset) == expected, f"{target} at {offset}"
        snapshots = self.lab.domain(self.name).listAllSnapshots(0)
        parents = {one.getName(): one.getParent().getName() if has_parent(one) else None for one in snapshots}
        assert parents == {name: saved.parent for name, saved in self.saved.items()}
        assert [one.getName() for one in snapshots if one.isCurrent(0)] == ([self.current] if self.current else [])

    @staticmethod
    def copy(disks):
        return {target: dict(content) for target, content in disks.items()}


def has_parent(snapshot):
    return "<parent>" in snapshot.getXMLDesc(0)


@pytest.mark.parametrize(("mode", "disks"), [("internal", ["qcow2"]), ("external", ["qcow2", "raw"])])
def test_whatever_is_done_the_bytes_are_those_of_the_model(lab, mode, disks):
    machine = Machine(lab, SEED, mode, disks)
    done = []
    for _step in range(STEPS):
        try:
            done.append(machine.step())
            machine.check()
        except BaseException as err:
            raise AssertionError(f"seed {SEED}, after {done}") from err
