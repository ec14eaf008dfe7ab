# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back to a snapshot: in which steps, to which state, and when not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import NotFound, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Firmware, SnapshotDisk, SnapshotNote
from ansible_collections.golden.libvirt.plugins.module_utils._plan.revert import RevertWish, plan_revert
from ansible_collections.golden.libvirt.tests.unit.plugins.module_utils._plan.machines import (
    disk,
    done,
    external,
    internal,
    line,
    machine,
    volume,
    xml_of,
)

TPM = "<tpm model='tpm-crb'><backend type='emulator'/></tpm>"
UEFI = Firmware("uefi", nvram="/nvram/web")


def back(survey, name="s1", **wish):
    return plan_revert(survey, RevertWish(name, **wish), lambda: "")


def with_memory(survey, name):
    """The survey with the memory saved in one of its external snapshots."""
    snapshots = tuple(
        replace(one, memory=True, memory_file="/pool/memory", state="running") if one.name == name else one
        for one in survey.snapshots
    )
    return replace(survey, snapshots=snapshots, files={**survey.files, "/pool/memory": volume("/pool/memory")})


@pytest.mark.parametrize(
    ("survey", "wish", "steps"),
    [
        (line(2), {}, ["create overlay", "define domain", "redefine snapshot s1", "delete volume o2"]),
        (
            line(2, state="running"),
            {},
            [
                "create overlay",
                "stop domain",
                "define domain",
                "redefine snapshot s1",
                "start domain",
                "delete volume o2",
            ],
        ),
        (
            with_memory(line(2, state="paused"), "s1"),
            {},
            [
                "create overlay",
                "stop domain",
                "define domain",
                "redefine snapshot s1",
                "restore memory",
                "delete volume o2",
            ],
        ),
        (
            with_memory(line(2), "s1"),
            {},
            ["create overlay", "define domain", "redefine snapshot s1", "delete volume o2"],
        ),
        (machine(snapshots=[internal("s1")]), {}, ["revert to snapshot s1"]),
        (
            machine(snapshots=[internal("s1", current=True)]),
            {"safety_snapshot": "safe"},
            ["create snapshot safe", "revert to snapshot s1"],
        ),
    ],
)
def test_the_steps(survey, wish, steps):
    found = done(back(survey, **wish).actions)
    assert [step if not step.startswith("create overlay") else "create overlay" for step in found] == steps


def test_a_safety_snapshot_keeps_what_would_have_been_discarded():
    plan = back(line(2), safety_snapshot="safe")
    assert done(plan.actions) == [
        "create overlay web.vda.safe.qcow2",
        "create snapshot safe",
        "create overlay web.vda.s1.qcow2",
        "define domain",
        "redefine snapshot s1",
        "delete volume web.vda.safe.qcow2",
    ]
    assert [(lost["file"], lost["bytes"]) for lost in plan.result["discarded"]] == [("/pool/web.vda.safe.qcow2", 0)]


def test_the_domain_is_defined_with_the_new_overlay_and_the_snapshot_knows_it():
    plan = back(line(2))
    overlay, define, redefine = plan.actions[:3]
    assert overlay.backing == "/pool/base" and overlay.path == "/pool/web.vda.s1.qcow2"
    assert overlay.path in define.xml and "/pool/o2" not in define.xml
    assert redefine.overlays == {"vda": overlay.path} and redefine.current
    assert plan.after["disks"] == {"vda": overlay.path} and plan.before["disks"] == {"vda": "/pool/o2"}


@pytest.mark.parametrize("path", ["/pool/web.vda.qcow2", "/pool/elsewhere"])
def test_a_disk_that_is_not_in_the_snapshot_stays(path):
    survey = line(1)
    vdb = disk("vdb", path=path)
    snapshot = survey.snapshots[0]
    then = [disk(path="/pool/base"), disk("vdb", path="/pool/web.vda.qcow2")]
    snapshot = replace(
        snapshot,
        disks=(*snapshot.disks, SnapshotDisk("vdb", "no", base="/pool/web.vda.qcow2")),
        xml=f"<domainsnapshot><name>s1</name><disks/>{xml_of(then)}</domainsnapshot>",
    )
    domain = replace(survey.domain, disks=(*survey.domain.disks, vdb))
    plan = back(replace(survey, domain=domain, snapshots=(snapshot,)))
    assert path in next(action for action in plan.actions if action.words == "define domain").xml
    assert plan.after["disks"]["vdb"] == path


@pytest.mark.parametrize(
    ("now", "power", "after"),
    [
        ("shutoff", "keep", "shutoff"),
        ("running", "keep", "running"),
        ("paused", "keep", "paused"),
        ("crashed", "keep", "shutoff"),
        ("running", "shutoff", "shutoff"),
        ("shutoff", "running", "running"),
        ("shutoff", "paused", "paused"),
    ],
)
@pytest.mark.parametrize("kind", ["internal", "external"])
def test_the_power_is_as_asked_for(now, power, after, kind):
    survey = line(1, state=now) if kind == "external" else machine(snapshots=[internal("s1")], state=now)
    plan = back(survey, power=power)
    assert plan.result["power"] == after
    if kind == "external":
        started = [action.paused for action in plan.actions if action.words == "start domain"]
        assert started == ([] if after == "shutoff" else [after == "paused"])
    else:
        assert plan.actions[-1].power == after


def test_a_file_that_no_snapshot_made_is_left():
    survey = line(1)
    stranger = volume("/pool/stranger", "/pool/o1")
    domain = replace(survey.domain, disks=(disk(path="/pool/stranger"),))
    plan = back(replace(survey, domain=domain, files={**survey.files, "/pool/stranger": stranger}))
    assert plan.result["left"] == ["/pool/stranger"]
    assert "delete volume" not in [action.words for action in plan.actions]


@pytest.mark.parametrize(
    ("nvram", "state", "steps"),
    [
        ("/nvram/copy", "shutoff", ["restore UEFI variables", "revert to snapshot s1"]),
        ("/nvram/copy", "running", ["stop domain", "restore UEFI variables", "revert to snapshot s1"]),
        ("", "shutoff", ["restore UEFI variables", "revert to snapshot s1"]),
        (None, "running", ["revert to snapshot s1"]),
    ],
)
def test_uefi_variables_go_back_while_the_domain_is_off(nvram, state, steps):
    files = [volume("/nvram/web"), volume("/nvram/copy")]
    snapshot = replace(internal("s1"), note=SnapshotNote(nvram=nvram))
    plan = back(machine(native=True, state=state, firmware=UEFI, files=files, snapshots=[snapshot]))
    assert done(plan.actions) == steps
    assert bool(plan.warnings) == (nvram is None)


def test_a_missing_snapshot_is_not_silence():
    with pytest.raises(NotFound, match="no snapshot of that name") as missing:
        back(line(2), "s3")
    assert "s2" in missing.value.advice


def holding(*names):
    """A machine with the internal snapshot s1, whose file holds those of *names*."""
    return machine(snapshots=[internal("s1")], inside={"/pool/web.vda.qcow2": names})


@pytest.mark.parametrize(
    ("survey", "wish", "words", "forced"),
    [
        (line(1, devices=TPM), {}, "TPM", True),
        (machine(snapshots=[internal("s1", memory=True, tpm=True)], devices=TPM), {"power": "shutoff"}, "TPM", True),
        (machine(snapshots=[internal("s1", memory=True)], state="running", devices=TPM), {}, "TPM", True),
        (line(1, saved=True), {}, "managed save", True),
        (machine(snapshots=[internal("7")]), {"name": "7"}, "number of another", True),
        (line(1, persistent=False), {}, "transient", False),
        (line(1, state="pmsuspended"), {}, "pmsuspended", False),
        (line(1, others={"/pool/base": "db"}), {}, "now a disk of db", False),
        (
            machine(disk(path="/pool/base"), snapshots=[external("s1", "/pool/base", "/o")]),
            {},
            "that state is lost",
            False,
        ),
        (machine(snapshots=[external("s1", "/pool/gone", "/o")]), {}, "is gone", False),
        (machine(snapshots=[internal("s1", base="/pool/old")]), {}, "it is in /pool/old", False),
        (line(1), {"safety_snapshot": "s1"}, "already", False),
        (holding(), {}, "has no snapshot s1 in it any more", False),
        (holding("s1", "s1"), {}, "goes back to the oldest", False),
    ],
)
def test_what_would_lose_something_is_refused_unless_forced(survey, wish, words, forced):
    with pytest.raises(Refused) as refused:
        back(survey, **wish)
    assert words in " ".join(refused.value.obstacles)
    if forced:
        assert back(survey, **{**wish, "force": True}).changed
    else:
        with pytest.raises(Refused):
            back(survey, **{**wish, "force": True})


def test_a_safety_snapshot_is_named_with_text_only():
    with pytest.raises(Refused, match="control characters"):
        back(line(1), safety_snapshot="a\nb")


def test_a_missing_memory_file_does_not_matter_to_a_domain_that_ends_off():
    survey = with_memory(line(1), "s1")
    survey = replace(survey, files={path: file for path, file in survey.files.items() if path != "/pool/memory"})
    assert back(survey).warnings
    with pytest.raises(Refused, match="memory"):
        back(survey, power="running")


def test_a_tpm_goes_back_with_the_memory():
    assert back(machine(snapshots=[internal("s1", memory=True, tpm=True)], state="running", devices=TPM)).changed


def test_one_of_a_company_can_be_taken_back_although_libvirt_cannot():
    survey = machine(snapshots=[internal("one", current=True), internal("before-one", "one")])
    plan = back(survey, "one", together=True)
    assert done(plan.actions) == [
        "create snapshot before-one-2",
        "revert to snapshot one",
        "delete snapshot before-one-2",
    ]
    assert plan.actions[1].back == "before-one-2" and plan.actions[2].settles
    assert plan.after["snapshots"] == ["one", "before-one"]
    kept = back(survey, "one", together=True, safety_snapshot="safe")
    assert done(kept.actions)[-1] == "revert to snapshot one" and kept.actions[-1].back == "safe"


def test_nothing_is_dropped_before_all_else_is_done():
    plan = back(line(2), together=True)
    assert [action.words for action in plan.actions if action.settles] == ["delete volume"]


def test_the_diff_tells_what_goes():
    for survey, lost in (
        (line(2), {"disk": "vda", "file": "/pool/o2", "bytes": 10, "at_most": 10}),
        (
            machine(snapshots=[internal("s1")]),
            {"disk": "vda", "file": "/pool/web.vda.qcow2", "bytes": None, "at_most": 10},
        ),
    ):
        plan = back(survey)
        assert plan.before["later"] == [lost] == plan.result["discarded"] and plan.after["later"] == []


def test_a_file_that_holds_an_internal_snapshot_too_stays():
    survey = line(2)
    survey = replace(survey, snapshots=(*survey.snapshots, internal("mixed", "s2", base="/pool/o2")))
    plan = back(survey)
    assert "delete volume o2" not in done(plan.actions) and plan.result["discarded"] == []
