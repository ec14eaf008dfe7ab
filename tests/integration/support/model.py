# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine whose snapshots are taken, reverted to and deleted at random, and the model of it, which keeps the bytes.

The modules' own code plans and does each step, in this process: thousands of steps take minutes.
"""

from __future__ import annotations

import dataclasses
import os
import random
import xml.etree.ElementTree as ET

import libvirt
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.revert import REVERT
from ansible_collections.golden.libvirt.plugins.module_utils._run.snapshot import SNAPSHOT
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Batch, planned_for
from ansible_collections.golden.libvirt.plugins.modules import revert, snapshot

from support.lab import MIB, Lab, assert_same, described, qemu_img, remove_domain
from support.poke import poke
from support.tiny_guest import Disk

SIZE = MIB
MOST = 7  # snapshots at a time
MEMORY = 32  # MiB, which QEMU saves quickly
DEFAULTS = {
    verb: {name: option.get("default") for name, option in spec.items()}
    for verb, spec in ((SNAPSHOT, snapshot.SPEC), (REVERT, revert.SPEC))
}
# Why a snapshot may have to stay: others need its files.
NEEDED = ("is built on it", "is needed by")
# … and where snapshots are of some disks only, the disks may follow from different ones.
ASTRAY = (*NEEDED, "below some of the disks", "does not follow from it", "all follow from it")
PUT_AWAY = "managed save"
LET_GO = "of a paused domain when it saves its memory"


@dataclasses.dataclass(frozen=True)
class Sort:
    """What machines there are: the *mode* of their snapshots, their *disks*' formats, and whether snapshots may be of
    some disks only (*partial*)."""

    mode: str
    disks: tuple[str, ...]
    partial: bool = False


SORTS = (
    Sort("internal", ("qcow2",)),
    Sort("internal", ("qcow2", "qcow2")),
    Sort("external", ("qcow2",)),
    Sort("external", ("raw",)),
    Sort("external", ("qcow2", "raw")),
    Sort("external", ("raw", "qcow2"), partial=True),
)


@dataclasses.dataclass
class Saved:
    """A snapshot in the model: the bytes of the *disks* in it by target."""

    disks: dict[str, bytes]
    parent: str | None
    label: str | None = None


class Machine:
    """A real machine and the model of it, changed together. All is decided by *dice*."""

    def __init__(self, lab: Lab, dice: random.Random, sort: Sort, name: str) -> None:
        self.lab, self.dice, self.sort = lab, dice, sort
        self.targets = ["vda", "vdb"][: len(sort.disks)]
        disks = [
            Disk(target, lab.disk(f"{name}-{target}.{form}", form, SIZE), form)
            for target, form in zip(self.targets, sort.disks)
        ]
        self.name = lab.machine(name, disks, memory=MEMORY)
        self.now = {target: bytes(SIZE) for target in self.targets}
        self.saved: dict[str, Saved] = {}
        self.current: str | None = None
        self.state = "shutoff"
        self.away = False  # put to disk with its memory
        self.bystander: tuple[str, bytes] | None = None  # another's file over one that a snapshot froze, its bytes
        self.count = 0

    # ---- steps

    def step(self) -> str:
        """One thing at random; returns what, in words."""
        some, room = bool(self.saved), len(self.saved) < MOST
        weights = {
            self.write: 4 if not self.away else 0,
            self.take: 3 if room else 0,
            self.take_by_virsh: 0.7 if room and not self.away else 0,
            self.revert: 3 if some else 0,
            self.delete: 2 if some else 0,
            self.delete_branch: 0.5 if some else 0,
            self.ask_nonsense: 0.7,
            self.ask_again: 0.3 if some else 0,
            self.power: 0.7,
            self.put_away: 0.1 if self.state == "running" else 0,
            self.stand_by: 0.15 if some and self.sort.mode == "external" else 0,
        }
        return self.dice.choices(list(weights), list(weights.values()))[0]()

    def write(self) -> str:
        target = self.dice.choice(self.targets)
        content = self.dice.randbytes(self.dice.choice((8, 512, 70000)))
        offset = self.dice.choice((0, self.dice.randrange(SIZE - len(content)), SIZE - len(content)))
        self.wake()
        if self.state == "shutoff":
            path, form = self.files()[target]
            self.lab.write(path, content, offset, form)
        else:
            poke(self.lab, self.name, target, content, offset)
        before = self.now[target]
        self.now[target] = before[:offset] + content + before[offset + len(content) :]
        return f"write {len(content)} bytes to {target} at {offset}"

    def wake(self) -> None:
        """Let QEMU take the disks again that it let go of when it saved the memory of the paused domain."""
        if self.state == "paused":
            self.lab.domain(self.name).resume()
            self.lab.domain(self.name).suspend()

    def take(self) -> str:
        name, dice = self.new_name(), self.dice
        asked = {"name": name, "mode": dice.choice((self.sort.mode, "auto")) if self.saved else self.sort.mode}
        asked["quiesce"] = dice.choice(("try", "never"))
        if self.sort.mode == "external" and self.state != "shutoff" and dice.random() < 0.15:
            asked["memory"] = "true"
        if self.sort.partial and dice.random() < 0.4:
            asked["disks"] = [dice.choice(self.targets)]
        if dice.random() < 0.3 and self.state != "paused":
            asked.update(label=dice.choice("no"), keep=dice.choice((1, 2, 3)))
        result = self.done(SNAPSHOT, PUT_AWAY if self.away else LET_GO if self.state == "paused" else (), **asked)
        if result["failed"]:
            return f"cannot take {asked}"
        self.remember(name, asked.get("disks"), asked.get("label"))
        return f"take {asked}{self.retain(result, **asked) if 'keep' in asked else ''}"

    def retain(self, result, label: str, keep: int, **_asked) -> str:
        """Those that *result* says are gone are of the label, too many, and nobody's parent or present."""
        labelled = [name for name, saved in self.saved.items() if saved.label == label]
        spared = [one["name"] for one in result["spared"]]
        assert sorted(result["pruned"] + spared) == labelled[:-keep], result
        for name in result["pruned"]:
            children = [saved.label for saved in self.saved.values() if saved.parent == name]
            assert name != self.current and set(children) <= {label}, result
            self.forget(name)
        for one in result["spared"]:
            free = all(saved.label == label for saved in self.saved.values() if saved.parent == one["name"])
            assert not free or one["name"] == self.current or any(word in one["reason"] for word in ASTRAY), one
        return f", {result['pruned']} gone, {spared} spared"

    def take_by_virsh(self) -> str:
        """As other tools do it: no files of ours, no note."""
        name = self.new_name()
        external = self.sort.mode == "external"
        flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY if external else 0
        xml = f"<domainsnapshot><name>{name}</name></domainsnapshot>"
        try:
            self.lab.domain(self.name).snapshotCreateXML(xml, flags)
        except libvirt.libvirtError as err:
            if self.state == "paused" and "paused due to previous migration" in str(err):
                return f"virsh cannot take {name}"
            raise
        self.remember(name)
        return f"virsh takes {name}"

    def revert(self) -> str:
        dice, name = self.dice, self.dice.choice(list(self.saved))
        asked = {"snapshot": name, "power": dice.choice(("keep", "keep", "keep", "running", "shutoff", "paused"))}
        if dice.random() < 0.2 and len(self.saved) < MOST and not self.away:
            asked["safety_snapshot"] = self.new_name()
        asked["together"] = dice.random() < 0.15 and self.state != "paused" and not self.away
        asked["force"] = dice.random() < (0.5 if self.away else 0.1)
        allowed = (PUT_AWAY,) if self.away else ()
        if self.state == "paused":
            allowed += (LET_GO,)
        if self.sort.partial:
            allowed += ("writes to", "is gone")
        result = self.done(REVERT, allowed, **asked)
        if result["failed"]:
            return f"cannot revert {asked}"
        if "safety_snapshot" in asked:
            self.remember(asked["safety_snapshot"])
        self.now.update(self.saved[name].disks)
        self.current, self.away = name, False
        self.state = self.state if asked["power"] == "keep" else asked["power"]
        return f"revert {asked}"

    def delete(self) -> str:
        name = self.dice.choice(list(self.saved))
        result = self.done(SNAPSHOT, self.stays(name), name=name, state="absent")
        if result["failed"]:
            return f"cannot delete {name}"
        self.forget(name)
        return f"delete {name}"

    def stays(self, name: str) -> tuple[str, ...]:
        """Why *name* may have to stay."""
        if self.sort.mode == "internal":
            return ()
        paused = (LET_GO,) if self.state == "paused" else ()
        if self.away:
            return (PUT_AWAY, *ASTRAY)
        leaf = name not in {saved.parent for saved in self.saved.values()} and name != self.current
        return paused + (ASTRAY if self.sort.partial else () if leaf and not self.bystander else NEEDED)

    def delete_branch(self) -> str:
        """Delete a snapshot and all that follow from it: nobody else needs them, unless somebody stands by."""
        name = self.dice.choice(list(self.saved))
        needed = self.bystander or self.away or self.sort.partial
        self.wake()
        result = self.done(SNAPSHOT, self.stays(name) if needed else (), name=name, state="absent", children=True)
        if result["failed"]:
            return f"cannot delete {name} with what follows"
        for doomed in self.branch(name):
            self.forget(doomed)
        return f"delete {name} with what follows"

    def branch(self, name: str) -> list[str]:
        """*name* and all that follow from it, children first."""
        children = [other for other, saved in self.saved.items() if saved.parent == name]
        return [*(below for child in children for below in self.branch(child)), name]

    def ask_nonsense(self) -> str:
        name, other = self.new_name(), "external" if self.sort.mode == "internal" else "internal"
        nonsense = [
            (SNAPSHOT, {"name": f"{name}/x"}),
            (SNAPSHOT, {"name": f"{self.count}"}),
            (SNAPSHOT, {"name": name, "disks": ["vdx"]}),
            (SNAPSHOT, {"name": name, "label": "n", "keep": 0}),
            (SNAPSHOT, {"name": name, "quiesce": "required"}) if self.state != "shutoff" else None,
            (SNAPSHOT, {"name": name, "memory": "true"}) if self.state == "shutoff" else None,
            (SNAPSHOT, {"name": name, "mode": other}) if self.saved else None,
            (REVERT, {"snapshot": name}),
            (REVERT, {"snapshot": self.current, "safety_snapshot": self.current}) if self.current else None,
        ]
        verb, asked = self.dice.choice([one for one in nonsense if one])
        result = self.done(verb, ("",), **asked)
        assert result["failed"], result
        return f"refused {asked}"

    def ask_again(self) -> str:
        """For what is there, and for what is gone."""
        name = self.dice.choice(list(self.saved))
        for asked in ({"name": name, "mode": self.sort.mode}, {"name": self.new_name(), "state": "absent"}):
            before = self.fingerprint()
            result = self.done(SNAPSHOT, (), **asked)
            assert not result["changed"] and self.fingerprint() == before, result
        return f"{name} is there"

    def power(self) -> str:
        domain = self.lab.domain(self.name)
        if self.state == "shutoff":
            self.state = "running" if self.away else self.dice.choice(("running", "paused"))
            domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED if self.state == "paused" else 0)
            self.away = False
        elif self.dice.random() < 0.5:
            domain.destroy()
            self.state = "shutoff"
        elif self.state == "paused":
            domain.resume()
            self.state = "running"
        else:
            domain.suspend()
            self.state = "paused"
        return f"now {self.state}"

    def put_away(self) -> str:
        self.lab.domain(self.name).managedSave()
        self.state, self.away = "shutoff", True
        return "put to disk"

    def stand_by(self) -> str:
        """Somebody builds on what a snapshot froze, and goes again."""
        if self.bystander:
            os.unlink(self.bystander[0])
            self.bystander = None
            return "the bystander goes"
        name = self.dice.choice(list(self.saved))
        target = self.dice.choice(list(self.saved[name].disks))
        base, form = self.frozen(name)[target]
        path = self.lab.file(f"{self.name}.bystander.{self.count}")
        qemu_img("create", "-q", "-f", "qcow2", "-F", form, "-b", base, path)
        self.bystander = path, self.saved[name].disks[target]
        return f"a bystander on {target} of {name}"

    # ---- the model

    def new_name(self) -> str:
        self.count += 1
        return f"s{self.count:03}"

    def remember(self, name: str, targets: list[str] | None = None, label: str | None = None) -> None:
        disks = {target: self.now[target] for target in targets or self.targets}
        self.saved[name] = Saved(disks, self.current, label)
        self.current = name

    def forget(self, name: str) -> None:
        """Its children are its parent's."""
        gone = self.saved.pop(name)
        for other in self.saved.values():
            other.parent = gone.parent if other.parent == name else other.parent
        self.current = gone.parent if self.current == name else self.current

    # ---- the real one

    def done(self, verb, allowed, **asked):
        """What the verb returns. It may fail only for a reason *allowed* (words of it), and then nothing is changed."""
        allowed = (allowed,) if isinstance(allowed, str) else allowed
        params = {**DEFAULTS[verb], **asked, "domains": [self.name]}
        before = self.fingerprint()
        with Hypervisor(self.lab.uri) as hypervisor:
            bench = Bench(hypervisor)
            planned = planned_for(verb, bench, params)
            result = Batch(planned, verb, bench, params, False).run()[0]
        if result["failed"]:
            reasons = result.get("obstacles") or [result["msg"]]
            assert all(any(word in reason for word in allowed) for reason in reasons), f"{asked}: {result['msg']}"
            assert not result.get("left"), result
            assert_same(before, self.fingerprint(), f"{asked} was refused, and yet something changed")
        elif isinstance(planned[0], Plan) and planned[0].after:
            self.foretold(planned[0].after)
        return result

    def foretold(self, after) -> None:
        """What check mode says will be is what is."""
        assert sorted(after["snapshots"]) == sorted(one.getName() for one in self.snapshots())
        assert after["disks"] == {target: path for target, (path, _form) in self.files().items()}

    def snapshots(self):
        return self.lab.domain(self.name).listAllSnapshots(0)

    def fingerprint(self) -> dict[str, str]:
        """All that a step could change but what is in the files."""
        found = described(self.lab.domain(self.name))
        for path in sorted((self.lab.path / "pool").iterdir()):
            status = path.stat()
            found[str(path)] = f"{status.st_mode:o} {status.st_size} {status.st_mtime_ns}"
        return found

    def files(self) -> dict[str, tuple[str, str]]:
        """The file and format of each disk."""
        flags = 0 if self.state != "shutoff" else libvirt.VIR_DOMAIN_XML_INACTIVE
        return sources(ET.fromstring(self.lab.domain(self.name).XMLDesc(flags)))

    def frozen(self, name: str) -> dict[str, tuple[str, str]]:
        """The file and format in which each disk's state is in a snapshot."""
        handle = self.lab.domain(self.name).snapshotLookupByName(name)
        return sources(ET.fromstring(handle.getXMLDesc(0)).find("domain"))

    def bytes_of(self, path: str, form: str, *options: str) -> bytes:
        """All that a guest would see."""
        target = self.lab.path / ".bytes"
        qemu_img("convert", "-U", "-f", form, *options, "-O", "raw", path, str(target))
        return target.read_bytes()

    def check(self) -> None:
        """The bytes and the tree of the machine, and the bytes of one of its snapshots, are those of the model."""
        assert self.lab.state(self.name) == self.state
        for target, (path, form) in self.files().items():
            assert self.bytes_of(path, form) == self.now[target], f"the bytes of {target} differ ({path})"
        parents, currents = {}, []
        for handle in self.snapshots():
            parents[handle.getName()] = ET.fromstring(handle.getXMLDesc(0)).findtext("parent/name")
            currents += [handle.getName()] if handle.isCurrent(0) else []
        assert parents == {name: saved.parent for name, saved in self.saved.items()}
        assert currents == ([self.current] if self.current else [])
        if self.bystander:
            path, content = self.bystander
            assert self.bytes_of(path, "qcow2") == content, "the bytes of the bystander differ"
        if self.saved:
            self.check_snapshot(self.dice.choice(list(self.saved)))

    def check_snapshot(self, name: str) -> None:
        """What a revert would bring back; of an internal one QEMU tells only while the domain is off."""
        internal = self.sort.mode == "internal"
        if internal and self.state != "shutoff":
            return
        options = ("-l", f"snapshot.name={name}") if internal else ()
        frozen = self.frozen(name)
        for target, content in self.saved[name].disks.items():
            path, form = frozen[target]
            assert self.bytes_of(path, form, *options) == content, f"the bytes of {target} in {name} differ ({path})"

    def end(self) -> None:
        """Delete all snapshots: the disks have their bytes, and no other file is left."""
        if self.bystander:
            self.stand_by()
        if self.away:
            self.power()
        self.wake()
        while self.saved:
            allowed = ASTRAY if self.sort.partial else ()
            if self.done(SNAPSHOT, allowed, name=next(iter(self.saved)), state="absent", children=True)["failed"]:
                break
            for name in self.branch(next(iter(self.saved))):
                self.forget(name)
        self.check()
        if not self.saved:
            paths = {path for path, _form in self.files().values()}
            left = {str(path) for path in (self.lab.path / "pool").iterdir()}
            assert left == paths, f"left: {sorted(left - paths)}"
        remove_domain(self.lab.domain(self.name))
        for path in (self.lab.path / "pool").iterdir():
            path.unlink()


def sources(domain: ET.Element) -> dict[str, tuple[str, str]]:
    return {
        disk.find("target").get("dev"): (disk.find("source").get("file"), disk.find("driver").get("type"))
        for disk in domain.findall("devices/disk")
    }
