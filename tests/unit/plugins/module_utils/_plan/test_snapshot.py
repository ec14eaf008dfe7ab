# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verb snapshot does: taking, deleting, keeping so many."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Firmware
from ansible_collections.golden.libvirt.plugins.module_utils._plan.age import seconds_of
from ansible_collections.golden.libvirt.plugins.module_utils._plan.creation import plan_creation
from ansible_collections.golden.libvirt.plugins.module_utils._plan.kinds import Wish
from ansible_collections.golden.libvirt.plugins.module_utils._plan.snapshot import Retention, plan_absent, plan_present
from ansible_collections.golden.libvirt.tests.unit.plugins.module_utils._plan.machines import (
    disk,
    done,
    external,
    internal,
    line,
    machine,
    volume,
)


def present(survey, name="new", keep=None, problem="", since=None, **wish):
    return plan_present(survey, Wish(name, **wish), Retention(keep, since), lambda: problem)


def test_a_floppy_is_said_to_be_left_out():
    survey = machine(disk(), disk("fda", "raw", device="floppy"))
    creation = plan_creation(survey, Wish("new"), lambda: "")
    assert [(one.target, one.kind) for one in creation.snapshot.disks] == [("vda", "external"), ("fda", "no")]


def test_an_internal_snapshot_is_one_step():
    plan = present(machine())
    assert done(plan.actions) == ["create snapshot new"]
    assert (
        plan.result["consistency"] == "offline"
        and plan.before["snapshots"] == []
        and plan.after["snapshots"] == ["new"]
    )


def test_overlays_are_made_first_and_have_free_names():
    survey = machine(disk(), disk("vdb", "raw"), files=[volume("/pool/web.vdb.new.qcow2")])
    plan = present(survey)
    assert done(plan.actions) == [
        "create overlay web.vda.new.qcow2",
        "create overlay web.vdb.new.2.qcow2",
        "create snapshot new",
    ]
    assert plan.actions[1].backing == "/pool/web.vdb.raw" and plan.actions[1].backing_format == "raw"
    assert plan.after["disks"] == {"vda": "/pool/web.vda.new.qcow2", "vdb": "/pool/web.vdb.new.2.qcow2"}


@pytest.mark.parametrize(
    ("state", "wish", "problem", "told"),
    [
        ("shutoff", {}, "asked needlessly", ("offline", None, None)),
        ("running", {"memory": "false"}, "", ("application", None, "try")),
        ("running", {"memory": "false"}, "no agent", ("crash", "no agent", None)),
        ("running", {"memory": "false", "quiesce": "never"}, "no agent", ("crash", None, None)),
        ("running", {"quiesce": "required"}, "", ("application", None, "required")),
        ("paused", {"memory": "false"}, "", ("crash", "a paused guest cannot be quiesced", None)),
        ("running", {"quiesce": "never"}, "", ("crash", None, None)),
    ],
)
def test_consistency_is_told_beforehand(state, wish, problem, told):
    plan = present(machine(state=state), problem=problem, **wish)
    assert (plan.result["consistency"], plan.result["fallback"], plan.actions[-1].quiesce) == told


@pytest.mark.parametrize(("state", "words"), [("running", "no agent"), ("paused", "a paused guest cannot")])
def test_a_required_quiesce_that_the_guest_cannot_do_is_refused(state, words):
    with pytest.raises(Refused) as err:
        present(machine(state=state), problem="no agent", quiesce="required", memory="false", mode="external")
    assert words in str(err.value)


@pytest.mark.parametrize(
    ("files", "note", "steps"),
    [
        ([volume("/nvram/web")], "/nvram/web.new.nvram.fd", ["save UEFI variables web.new.nvram.fd"]),
        ([], "", []),
    ],
)
def test_uefi_variables_are_saved_where_there_are_any(files, note, steps):
    survey = machine(firmware=Firmware("uefi", nvram="/nvram/web"), native=True, files=files)
    creation = plan_creation(survey, Wish("new"), lambda: "")
    assert creation.snapshot.note.nvram == note
    assert done(creation.actions) == [*steps, "create snapshot new"]


def test_a_snapshot_that_is_there_stays_as_it_is_with_a_word_on_what_differs():
    plan = present(machine(snapshots=[internal("new")]), mode="external", label="n")
    assert not plan.changed and plan.before == plan.after
    assert len(plan.warnings) == 2 and "mode internal and not external" in plan.warnings[0]


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_oldest_of_the_label_go(keep):
    plan = present(line(3, label="n", native=True), "s4", keep=keep, label="n")
    assert plan.result["pruned"] == ["s1", "s2", "s3"][: 4 - keep]
    assert plan.after["snapshots"] == ["s1", "s2", "s3", "s4"][4 - keep :]


@pytest.mark.parametrize(
    ("since", "pruned"), [(100, []), (101, ["s1"]), (250, ["s1", "s2"]), (1000, ["s1", "s2", "s3"])]
)
def test_the_too_old_of_the_label_go(since, pruned):
    survey = line(3, label="n", native=True)
    snapshots = tuple(replace(one, created=100 * number) for number, one in enumerate(survey.snapshots, 1))
    plan = present(replace(survey, snapshots=snapshots), "s4", since=since, label="n")
    assert plan.result["pruned"] == pruned
    plan = present(replace(survey, snapshots=snapshots), "s4", keep=2, since=since, label="n")
    assert plan.result["pruned"] == pruned[:2]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), (" 12h ", 43200), ("30d", 2592000), ("1 w", 604800)]
)
def test_an_age_is_a_number_and_a_unit(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5h", "3 days", "1d\n1d"])
def test_no_other_age_is_guessed(text):
    with pytest.raises(GoldenError, match="90d"):
        seconds_of(text)


def test_other_labels_and_those_below_them_stay():
    survey = machine(
        snapshots=[
            internal("n1", label="n"),
            internal("o1", "n1", label="o"),
            internal("n2", "o1", label="n"),
            internal("n3", "n2", label="n", current=True),
        ]
    )
    plan = present(survey, "n4", keep=1, label="n")
    assert plan.result["pruned"] == ["n2", "n3"]
    assert [spared["name"] for spared in plan.result["spared"]] == ["n1"]
    assert plan.after["snapshots"] == ["n1", "o1", "n4"]


def test_the_current_one_is_never_pruned():
    survey = machine(snapshots=[internal("n1", label="n", current=True), internal("n2", "n1", label="n")])
    assert present(survey, "n2", keep=1, label="n").result["spared"] == [
        {"name": "n1", "reason": "it is the current one"}
    ]


@pytest.mark.parametrize(
    ("survey", "name", "steps"),
    [
        (machine(snapshots=[internal("one")]), "one", ["delete snapshot one"]),
        (machine(), "gone", []),
        (line(2), "s2", ["delete snapshot s2"]),
        (line(2), "s1", ["delete snapshot s1"]),
        (line(2, native=True), "s1", ["delete snapshot s1"]),
        (line(2, state="running"), "s1", ["delete snapshot s1"]),
    ],
)
def test_deleting(survey, name, steps):
    plan = plan_absent(survey, name)
    assert done(plan.actions) == steps
    assert name not in plan.after["snapshots"]


@pytest.mark.parametrize(
    ("survey", "name", "started"),
    [
        (line(2), "s1", True),
        (line(2), "s2", None),
        (line(2, native=True), "s1", None),
        (line(2, state="running"), "s1", None),
    ],
)
def test_qemu_is_started_to_merge_in_the_middle_where_libvirt_does_not(survey, name, started):
    assert plan_absent(survey, name).actions[-1].started is started


def test_after_a_merge_everything_names_the_base():
    plan = plan_absent(line(1), "s1")
    assert plan.after["disks"] == {"vda": "/pool/base"}


def test_libvirt_is_told_first_which_overlay_is_in_use_where_it_knows_another():
    survey = line(2, native=True)
    snapshots = (external("s1", "/pool/base", "/pool/gone"), survey.snapshots[1])
    plan = plan_absent(replace(survey, snapshots=snapshots), "s1")
    assert done(plan.actions) == ["redefine snapshot s1", "delete snapshot s1"]
    assert plan.actions[0].overlays == {"vda": "/pool/o1"}


def test_memory_and_uefi_variables_go_with_their_snapshot():
    survey = line(1, files=[volume("/pool/memory"), volume("/nvram/copy")])
    snapshot = survey.snapshots[0]
    own = replace(snapshot, memory=True, memory_file="/pool/memory", note=replace(snapshot.note, nvram="/nvram/copy"))
    plan = plan_absent(replace(survey, snapshots=(own,)), "s1")
    assert done(plan.actions) == ["delete snapshot s1", "delete volume memory", "delete volume copy"]


def branched():
    """s1 ← s2, then reverted to s1: the disk writes to /pool/n over /pool/base, /pool/o1 is what s2 froze."""
    snapshots = [
        external("s1", "/pool/base", "/pool/n", current=True),
        external("s2", "/pool/o1", "/pool/o2", "s1"),
    ]
    files = [volume("/pool/base"), volume("/pool/o1", "/pool/base"), volume("/pool/n", "/pool/base")]
    return machine(disk(path="/pool/n"), snapshots=snapshots, files=files)


def test_what_follows_goes_too_if_told():
    plan = plan_absent(line(3, native=True), "s2", children=True)
    assert done(plan.actions) == ["delete snapshot s3", "delete snapshot s2"]
    assert plan.after == {"snapshots": ["s1"], "disks": {"vda": "/pool/o1"}}
    plan = plan_absent(branched(), "s1", children=True)
    assert done(plan.actions) == ["delete volume o1", "forget snapshot s2", "delete snapshot s1"]
    assert plan.after == {"snapshots": [], "disks": {"vda": "/pool/base"}}


def test_what_follows_goes_all_or_not_at_all():
    with pytest.raises(Refused) as refused:
        plan_absent(line(3, files=[volume("/pool/clone", "/pool/o2")]), "s2", children=True)
    assert [obstacle.split(":")[0] for obstacle in refused.value.obstacles] == ["s3", "s2"]


def test_libvirt_is_told_what_is_below_the_branches_that_were_left():
    left = replace(line(4, native=True), domain=branched().domain)
    snapshots = tuple(replace(one, current=one.name == "s3") for one in left.snapshots)
    files = {**left.files, "/pool/n": volume("/pool/n", "/pool/o2")}
    plan = plan_absent(replace(left, snapshots=snapshots, files=files), "s1")
    assert done(plan.actions) == ["redefine snapshot s4", "delete snapshot s1"]
    assert plan.actions[0].chains == {
        "/pool/o3": [("/pool/o2", "qcow2"), ("/pool/o1", "qcow2"), ("/pool/base", "qcow2")]
    }


def test_what_is_on_a_branch_that_was_left_goes_with_its_files():
    plan = plan_absent(branched(), "s2")
    assert done(plan.actions) == ["delete volume o1", "forget snapshot s2"]
    assert plan.after["disks"] == {"vda": "/pool/n"}


def test_what_could_not_go_before_others_went_goes_in_the_same_run():
    survey = branched()
    labelled = tuple(replace(one, note=replace(one.note, label="n")) for one in survey.snapshots)
    result = present(replace(survey, snapshots=labelled), keep=1, label="n", mode="external").result
    assert (result["pruned"], result["spared"]) == (["s2", "s1"], [])


def mixed():
    """What s2 froze, on a branch that was left, holds an internal snapshot, too."""
    survey = branched()
    return replace(survey, snapshots=(*survey.snapshots, internal("inner", base="/pool/o1")))


def went_to(current):
    """The disk is below s2, and yet the domain follows from *current*: it went there where that has another disk."""
    survey = line(2)
    return replace(survey, snapshots=tuple(replace(one, current=one.name == current) for one in survey.snapshots))


def forked():
    """After s1 one snapshot of the one disk was taken, and one of the other."""
    survey = line(2)
    other = replace(survey.snapshots[1], name="other", current=False, disks=())
    return replace(survey, snapshots=(*survey.snapshots, other))


@pytest.mark.parametrize(
    ("survey", "name", "words"),
    [
        (went_to("s1"), "s2", "it is below vda, but the domain does not follow from it now"),
        (forked(), "s1", "s2, other all follow from it"),
        (branched(), "s1", "/pool/o1 is built on it too (s2)"),
        (
            line(1, files=[volume("/pool/clone", "/pool/base")]),
            "s1",
            "/pool/clone is built on it too (which no domain or snapshot here uses)",
        ),
        (
            line(2, files=[volume("/pool/clone", "/pool/o1")]),
            "s1",
            "/pool/clone is built on it too (which no domain or snapshot here uses)",
        ),
        (line(1, others={"/pool/base": "db"}), "s1", "is a disk of db"),
        (line(1, files=[replace(volume("/pool/base"), mode="0444")]), "s1", "frozen"),
        (line(1, saved=True), "s1", "managed save"),
        (machine(snapshots=[internal("one", base="/pool/old")]), "one", "it is in /pool/old"),
        (replace(line(1), files={}), "s1", "cannot be seen"),
        (mixed(), "s2", "/pool/o1 is needed by inner"),
    ],
)
def test_nothing_that_others_need_is_deleted(survey, name, words):
    with pytest.raises(Refused) as refused:
        plan_absent(survey, name)
    assert any(words in obstacle for obstacle in refused.value.obstacles), refused.value.obstacles


def test_keeping_none_is_refused():
    with pytest.raises(Refused, match="keep"):
        present(machine(), keep=0, label="n")


def test_keeping_so_many_of_no_label_is_refused():
    with pytest.raises(Refused, match="it is empty"):
        present(machine(), keep=1, label="")


@pytest.mark.parametrize(
    "text",
    [{"name": "a\x00b"}, {"name": "a\nb"}, {"name": "a\ufffe"}, {"description": "\x1b[0m"}, {"label": "a\x7f"}],
)
def test_control_characters_are_refused(text):
    with pytest.raises(Refused, match="control characters"):
        present(machine(), **text)
