# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of snapshot of every kind of machine: it works, and its bytes prove it, or it is refused beforehand.

What comes of it is recorded for each stack: see support/record.py.
"""

from __future__ import annotations

import dataclasses

import pytest
from support.poke import poke
from support.record import compare

KINDS = {
    "internal": {"mode": "internal"},
    "external": {"mode": "external", "memory": "false"},
    "memory": {"mode": "external", "memory": "true"},
}
MACHINES = {
    "qcow2": {"disks": ["qcow2"]},
    "raw": {"disks": ["raw"]},
    "two disks": {"disks": ["qcow2", "raw"]},
    "UEFI": {"disks": ["qcow2"], "firmware": "uefi"},
}
STATES = ["shutoff", "running", "paused"]
FIRST, LAST = 0, 1048576  # where the bytes are: in what the first write touched, and far from it


@dataclasses.dataclass
class Subject:
    """A machine of the matrix and what its snapshots are asked for with."""

    lab: object
    name: str
    options: dict

    def write(self, text):
        paused = self.lab.state(self.name) == "paused"
        if paused:  # QEMU lets go of the disks of a paused domain whose memory it saved
            self.lab.domain(self.name).resume()
        for target in self.targets():
            for offset in (FIRST, LAST):
                poke(self.lab, self.name, target, text.encode() + target.encode(), offset)
        if paused:
            self.lab.domain(self.name).suspend()

    def holds(self, text):
        """Whether the guest-visible bytes are those last written as *text*."""
        return all(
            self.lab.read(self.lab.disk_path(self.name, target), len(text) + 3, offset) == f"{text}{target}".encode()
            for target in self.targets()
            for offset in (FIRST, LAST)
        )

    def targets(self):
        return ["vda", "vdb"] if "vdb" in self.lab.domain(self.name).XMLDesc(0) else ["vda"]

    def take(self, snapshot):
        return self.done("snapshot", name=snapshot, **self.options)

    def delete(self, snapshot):
        return self.done("snapshot", name=snapshot, state="absent")

    def revert(self, snapshot):
        return self.done("revert", snapshot=snapshot)

    def done(self, module, **args):
        """Empty where it works; else why it is refused, and then nothing is changed."""
        before = self.lab.world()
        result = self.lab.run(module, {"domain": self.name, **args})
        if not result.get("failed"):
            return ""
        item = next(iter(result["snapshots" if module == "snapshot" else "reverts"]))
        assert item["obstacles"], result["msg"]
        if not self.restless:
            assert self.lab.world() == before
        return "; ".join(item["obstacles"])

    @property
    def restless(self):
        """Whether the firmware writes its variables while it starts."""
        return "pflash" in self.lab.domain(self.name).XMLDesc(0) and self.lab.state(self.name) == "running"

    def parents(self):
        info = self.lab.run("snapshot_info", {"domain": self.name})["snapshots"]
        return {snapshot["name"]: snapshot["parent"] for snapshot in info}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", KINDS)
def test_it_works_or_is_refused(lab, pytestconfig, kind, state, machine):
    subject = Subject(lab, lab.machine("m", state=state, **MACHINES[machine]), KINDS[kind])
    outcome = run(subject, state)
    compare(lab.conn, pytestconfig.getoption("--stack"), f"{kind}, {state}, {machine}", outcome)


def run(subject, state):
    """What each operation came to: empty where its bytes prove that it works, else the reason."""
    outcome = dict.fromkeys(("create", "delete middle", "delete leaf", "revert"), "")
    for number in (1, 2, 3):
        subject.write(f"state{number}")
        outcome["create"] = subject.take(f"s{number}")
        if outcome["create"]:
            assert number == 1 and subject.parents() == {} and subject.holds("state1")
            return dict.fromkeys(outcome, outcome["create"])
    subject.write("state4")
    assert subject.holds("state4")

    outcome["delete middle"] = subject.delete("s2")
    there = {"s1": None, "s3": "s1"} if not outcome["delete middle"] else {"s1": None, "s2": "s1", "s3": "s2"}
    assert subject.parents() == there and subject.holds("state4")
    outcome["delete leaf"] = subject.delete("s3")
    there.pop("s3") if not outcome["delete leaf"] else None
    assert subject.parents() == there and subject.holds("state4")

    outcome["revert"] = subject.revert("s1")
    assert subject.lab.state(subject.name) == state
    if not outcome["revert"]:
        assert subject.holds("state1")
        subject.write("state5")
        assert subject.take("s5") == "" and subject.parents() == {**there, "s5": "s1"} and subject.holds("state5")
    return outcome
