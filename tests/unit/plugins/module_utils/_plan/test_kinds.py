# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kind of snapshot a machine gets, and all that stands in the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._model import Firmware
from ansible_collections.golden.libvirt.plugins.module_utils._plan.kinds import (
    Wish,
    cautions,
    choose,
    way_out,
    with_memory,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Libvirt
from ansible_collections.golden.libvirt.tests.unit.plugins.module_utils._plan.machines import (
    disk,
    external,
    internal,
    line,
    machine,
    volume,
)

UEFI = Firmware("uefi", nvram="/nvram/web")
SHARED = "<filesystem type='mount'/>"
FLOPPY = disk("fda", "raw", device="floppy")
TPM = "<tpm model='tpm-crb'><backend type='emulator'/></tpm>"


@pytest.mark.parametrize(
    ("survey", "wish", "kind"),
    [
        (machine(), {}, "internal"),
        (machine(state="running"), {}, "internal"),
        (machine(state="running"), {"memory": "false"}, "external"),
        (machine(state="running"), {"quiesce": "required"}, "external"),
        (machine(disk(), disk("vdb", "raw")), {}, "external"),
        (machine(disk(), disk("vdb", "raw", readonly=True)), {}, "internal"),
        (machine(disk(), disk("vdb")), {"disks": ("vda",)}, "external"),
        (machine(disk(), disk("vdb", snapshot="no")), {}, "external"),
        (machine(disk(kind="block", path="/dev/vg/web")), {}, "internal"),
        (machine(firmware=UEFI), {}, "external"),
        (machine(firmware=UEFI, native=True), {}, "internal"),
        (machine(firmware=UEFI, native=True, state="running"), {}, "external"),
        (machine(firmware=replace(UEFI, nvram_format="qcow2"), native=True, state="running"), {}, "internal"),
        (machine(state="running", devices=SHARED), {}, "external"),
        (machine(snapshots=[internal("one")]), {}, "internal"),
        (line(1), {}, "external"),
        (line(1, state="running"), {"memory": "true"}, "external"),
        (machine(disk(), disk("vdb")), {"excluded": ("vdb",)}, "external"),
        (machine(disk(), disk("vdb", "raw")), {"excluded": ("vdb",)}, "external"),
        (machine(disk(), FLOPPY), {}, "external"),
        (machine(inside={"/pool/web.vda.qcow2": ["new"]}), {}, "external"),
        (machine(inside={"/pool/web.vda.qcow2": ["old"]}), {}, "internal"),
    ],
)
def test_auto_takes_what_works(survey, wish, kind):
    assert choose(survey, Wish("new", **wish)) == (kind, ())


@pytest.mark.parametrize(
    ("survey", "wish", "words"),
    [
        (machine(), {"name": "a/b"}, ["'a/b'"]),
        (machine(), {"name": ".a"}, ["'.a'"]),
        (machine(), {"name": " "}, ["' '"]),
        (machine(), {"name": "17"}, ["the name 17"]),
        (machine(persistent=False), {}, ["transient"]),
        (machine(state="pmsuspended"), {}, ["pmsuspended"]),
        (machine(saved=True), {}, ["managed save"]),
        (machine(), {"memory": "true"}, ["off and has none"]),
        (machine(disk(readonly=True)), {}, ["no disk that the guest writes to"]),
        (machine(), {"disks": ("vda", "vdx")}, ["the disk vdx", "it writes to vda"]),
        (machine(disk(), disk("sda", readonly=True)), {"disks": ("vda", "sda")}, ["sda: it is a read-only disk"]),
        (machine(), {"excluded": ("vdx",)}, ["the disk vdx"]),
        (machine(), {"excluded": ("vda",)}, ["no disk that the guest writes to"]),
        (machine(disk(), FLOPPY), {"mode": "internal"}, ["the floppy fda is raw and writable; eject it"]),
        (machine(disk(form="raw")), {"mode": "internal"}, ["vda is raw"]),
        (machine(disk(device="lun", kind="block")), {"mode": "internal"}, ["SCSI device of the host"]),
        (machine(disk(kind="block", form="raw")), {}, ["internal: the disk vda is raw on", "external: the disk vda"]),
        (machine(disk(kind="network", path=None)), {}, ["a network disk"]),
        (machine(disk(shareable=True)), {"mode": "external"}, ["shared with other domains"]),
        (machine(disk(transient=True)), {"mode": "external"}, ["transient"]),
        (replace(machine(), files={}), {"mode": "external"}, ["is not there"]),
        (
            replace(machine(disk(kind="volume", pool="vg", path=None)), files={}),
            {"mode": "external"},
            ["a volume of pool vg, which is none of files"],
        ),
        (machine(state="running"), {"mode": "internal", "memory": "false"}, ["always has the memory"]),
        (machine(state="running"), {"mode": "internal", "quiesce": "required"}, ["cannot be quiesced"]),
        (machine(state="running"), {"mode": "external", "memory": "true", "quiesce": "required"}, ["with memory it"]),
        (
            machine(state="running", devices=SHARED),
            {"memory": "true", "mode": "external"},
            ["directory that it shares"],
        ),
        (machine(firmware=UEFI), {"mode": "internal"}, ["none of a domain with UEFI"]),
        (line(1), {"mode": "internal"}, ["its snapshots are external"]),
        (machine(snapshots=[internal("one")]), {"mode": "external"}, ["its snapshots are internal"]),
        (machine(snapshots=[internal("one")], state="running"), {"memory": "false"}, ["always has the memory"]),
        (machine(), {"mode": "external", "name": "n" * 240}, ["too long"]),
        (machine(), {"name": "n" * 245}, ["too long for the file that libvirt keeps it in"]),
        (machine(inside={"/pool/web.vda.qcow2": ["new"]}), {"mode": "internal"}, ["new in it that libvirt does not"]),
        (line(199), {}, ["200 files"]),
    ],
)
def test_obstacles_are_found(survey, wish, words):
    _kind, obstacles = choose(survey, Wish(**{"name": "new", **wish}))
    for word in words:
        assert word in " ".join(obstacles)


def test_all_obstacles_come_at_once():
    survey = machine(disk(), disk("vdb", "raw"), disk("vdc", kind="network", path=None), state="running", saved=True)
    _kind, obstacles = choose(
        survey, Wish("1", mode="internal", memory="false", quiesce="required", disks=("vda", "x"))
    )
    assert len(obstacles) == 8


@pytest.mark.parametrize(("version", "depth"), [(9000000, 199), (10008000, 24), (11010000, 24), (11011000, 199)])
def test_some_versions_of_libvirt_start_only_short_chains(version, depth):
    survey = replace(line(24), libvirt=Libvirt(False, version))
    _kind, obstacles = choose(survey, Wish("new"))
    assert bool(obstacles) == (depth == 24)


@pytest.mark.parametrize(
    ("survey", "kind", "words"),
    [
        (machine(), "internal", []),
        (machine(devices=TPM), "internal", ["the state of its TPM is not in the snapshot"]),
        (machine(devices=TPM, state="running"), "internal", []),
        (replace(machine(state="running"), libvirt=Libvirt(True, 11003000)), "internal", ["libvirt 11.3"]),
        (replace(machine(), libvirt=Libvirt(True, 11003000)), "internal", []),
        (replace(machine(state="running"), libvirt=Libvirt(True, 11004000)), "internal", []),
        (line(18), "external", []),
        (replace(line(18), libvirt=Libvirt(True, 11003000)), "external", ["consists of 20 files", "at most 24"]),
    ],
)
def test_what_may_become_an_obstacle_is_told(survey, kind, words):
    said = " ".join(cautions(survey, Wish("new"), kind))
    assert all(word in said for word in words) and bool(said) == bool(words)


@pytest.mark.parametrize(
    ("state", "memory", "kind", "saved"),
    [
        ("shutoff", "auto", "internal", False),
        ("running", "auto", "internal", True),
        ("paused", "auto", "internal", True),
        ("running", "auto", "external", False),
        ("running", "true", "external", True),
        ("running", "false", "external", False),
    ],
)
def test_auto_saves_memory_where_it_must(state, memory, kind, saved):
    assert with_memory(machine(state=state), Wish("new", memory=memory), kind) == saved


def test_mixed_snapshots_of_other_tools_are_followed_by_the_current_one():
    one = external("one", "/pool/base", "/pool/o1")
    survey = machine(snapshots=[one, internal("two", current=True)], files=[volume("/pool/base")])
    assert choose(survey, Wish("new"))[0] == "internal"


@pytest.mark.parametrize(
    ("survey", "wish", "kind", "words"),
    [
        (machine(disk(form="raw")), {}, "internal", "With 'mode: external' it can be."),
        (machine(state="running"), {"memory": "true"}, "external", "With 'mode: internal' it can be."),
        (machine(disk(kind="network", path=None)), {}, "internal", ""),
        (machine(disk(form="raw")), {"name": "a/b"}, "internal", ""),
        (line(1), {}, "external", ""),
    ],
)
def test_the_other_kind_is_proposed_where_it_can_be_taken(survey, wish, kind, words):
    assert way_out(survey, Wish(**{"name": "new", **wish}), kind) == words
