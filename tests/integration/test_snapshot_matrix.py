# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of snapshot of every kind of machine: it works, and its bytes prove it, or it is refused beforehand."""

from __future__ import annotations

import dataclasses

import pytest
from support.poke import poke

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
        return self.lab.run("snapshot", {"domain": self.name, "name": snapshot, **self.options})

    def delete(self, snapshot):
        result = self.lab.run("snapshot", {"domain": self.name, "name": snapshot, "state": "absent"})
        assert not result.get("failed"), result["msg"]

    def revert(self, snapshot):
        result = self.lab.run("revert", {"domain": self.name, "snapshot": snapshot})
        assert not result.get("failed"), result["msg"]

    def parents(self):
        info = self.lab.run("snapshot_info", {"domain": self.name})["snapshots"]
        return {snapshot["name"]: snapshot["parent"] for snapshot in info}


def refusal(kind, state, machine, native):
    """A word of why such a snapshot is not taken; None where it is."""
    if kind == "memory" and state == "shutoff":
        return "off and has none"
    if kind == "internal" and machine in ("raw", "two disks"):
        return "is raw"
    if kind == "internal" and machine == "UEFI" and not (native and state == "shutoff"):
        return "UEFI"
    return None


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", KINDS)
def test_it_works_or_is_refused(lab, kind, state, machine):
    name = lab.machine("m", state=state, **MACHINES[machine])
    subject = Subject(lab, name, KINDS[kind])
    native = "<externalSnapshot" in lab.conn.getCapabilities()
    why = refusal(kind, state, machine, native)
    if why:
        asked = {"domain": name, "name": "s1", **KINDS[kind]}
        still = (machine, state) != ("UEFI", "running")  # the firmware writes its variables while it starts
        refused = lab.run_and_compare("snapshot", asked, fails=True) if still else lab.run("snapshot", asked)
        assert why in refused["msg"] and lab.domain(name).listAllSnapshots(0) == []
        return
    for number in (1, 2, 3):
        subject.write(f"state{number}")
        result = subject.take(f"s{number}")
        assert not result.get("failed"), result["msg"]
    subject.write("state4")
    assert subject.holds("state4")

    subject.delete("s2")
    assert subject.parents() == {"s1": None, "s3": "s1"} and subject.holds("state4")
    subject.delete("s3")
    assert subject.parents() == {"s1": None} and subject.holds("state4")

    subject.revert("s1")
    assert lab.state(name) == state and subject.holds("state1")
    subject.write("state5")
    subject.take("s5")
    assert subject.parents() == {"s1": None, "s5": "s1"} and subject.holds("state5")
