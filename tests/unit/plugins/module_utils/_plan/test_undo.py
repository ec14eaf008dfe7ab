# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a clone that goes to a version, the way back, and when what is kept goes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._model import Holder, Made, Origin, Record, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan import before, clone, reset, undo
from ansible_collections.golden.libvirt.plugins.module_utils._plan.leavings import Leavings
from ansible_collections.golden.libvirt.plugins.module_utils._plan.parts import Part
from ansible_collections.golden.libvirt.plugins.module_utils._xml.clone import Storage, reset_xml
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import domain_of

XML = """<domain type='qemu'><name>web-01</name><uuid>u-1</uuid><genid>old</genid><devices>
<disk type='file'><driver name='qemu' type='qcow2'/><source file='/p/web-01.vda.qcow2'/><target dev='vda'/></disk>
<disk type='file'><driver name='qemu' type='raw'/><source file='/p/web-01.seed.iso'/><target dev='vdb'/></disk>
</devices></domain>"""
DISK, SEED, NEW = (Made("golden", f"web-01.{name}") for name in ("vda.qcow2", "seed.iso", "vda.2.qcow2"))
HOLDER = Holder("host", "boot", 1, "1", 0)
RECORD = Made("golden", "web-01.before.json")
ORIGIN = Origin("web", "4", "stable", True, "2026", made=(DISK, SEED))
SOURCE = clone.Source(
    words="web 5", template="", disks=(Part("vda", "/p/golden.web.5.vda.qcow2", "qcow2", 10),), image="web", version="5"
)
RESET = reset.Reset(SOURCE, "keep", False, "new", undo_for="2h", until="2026-03-02")
UNDO = undo.Undo("keep", False, "newer")


def volume(made: Made, backing: str | None = None) -> Volume:
    return Volume(made.pool, made.volume, f"/p/{made.volume}", "qcow2", 10, 3, 3, backing=backing)


def there(xml: str = XML, origin: Origin = ORIGIN, made: tuple[Made, ...] = (DISK, SEED), **options) -> before.Clone:
    domain = domain_of(reset_xml(xml, Record(origin), Storage(), nvram=None, generation="old"), "running")
    volumes = {f"/p/{one.volume}": volume(one, "/p/golden.web.4.vda.qcow2") for one in made}
    taken = [one.volume for one in made]
    return before.Clone(domain, origin, "golden", "/p", taken, volumes, **{"now": "2026-03-01", **options})


def went(plan, **options) -> before.Clone:
    """The clone once *plan* was done."""
    kept = next(action.before for action in plan.actions if isinstance(action, before.KeepBefore))
    xml = next(action.xml for action in plan.actions if hasattr(action, "xml"))
    origin = plan.actions[-1].record.origin
    return there(xml, origin, (DISK, SEED, NEW, RECORD), **{"befores": (kept,), **options})


def words(plan) -> list[str]:
    return [" ".join(str(value) for value in list(action.describe().values())[:3]) for action in plan.actions]


def test_the_old_disk_is_kept_and_written_down_before_the_clone_changes():
    plan = reset.plan_reset(RESET, there())
    assert words(plan) == [
        "check domain web-01",
        "mark domain web-01",
        "create volume golden web-01.vda.2.qcow2",
        "keep what was before web-01 golden",
        "check domain web-01",
        "stop domain web-01",
        "define domain web-01",
        "start domain web-01 False",
        "mark clone web-01 True",
        "mark domain web-01",
    ]
    assert plan.actions[-1].record.origin.made == (NEW, DISK, SEED, RECORD)
    loss = {"disk": "vda", "file": "/p/web-01.vda.qcow2", "bytes": 3}
    assert (plan.result["kept"], plan.result["discarded"], plan.result["kept_until"]) == ([loss], [], "2026-03-02")
    assert (plan.before["later"], plan.after["kept"]) == ([loss], [loss])


def test_back_and_the_record_goes_last():
    now = went(reset.plan_reset(RESET, there()))
    plan = undo.plan_undo(UNDO, now)
    assert words(plan) == [
        "check domain web-01",
        "mark domain web-01",
        "stop domain web-01",
        "define domain web-01",
        "start domain web-01 False",
        "mark clone web-01 True",
        "delete volume golden web-01.vda.2.qcow2",
        "mark domain web-01",
        "delete volume golden web-01.before.json",
    ]
    back = domain_of(plan.actions[3].xml, "running")
    assert [disk.path for disk in back.disks] == ["/p/web-01.vda.qcow2", "/p/web-01.seed.iso"]
    assert "<genid>newer</genid>" in plan.actions[3].xml
    assert plan.actions[-2].record.origin == ORIGIN
    assert (plan.result["version"], plan.result["previous_version"]) == ("4", "5")


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        ({}, ["web-01.vda.2.qcow2"]),
        ({"now": "2026-03-03"}, ["web-01.vda.2.qcow2", "web-01.vda.qcow2", "web-01.before.json"]),
    ],
)
def test_what_is_kept_goes_with_the_next_revert_after_its_time(options, gone):
    now = went(reset.plan_reset(RESET, there()), **options)
    plan = reset.plan_reset(replace(RESET, undo_for=None), now)
    assert [action.volume for action in plan.actions if action.words == "delete volume"] == gone


@pytest.mark.parametrize(
    ("interrupted", "state", "version", "kept"),
    [
        (True, "shutoff", "5", False),
        (False, "shutoff", "5", True),
        (True, "running", "5", True),  # it was started, and has written since
        (True, "shutoff", "6", True),
    ],
)
def test_a_run_that_was_cut_off_before_the_clone_started_keeps_nothing_twice(interrupted, state, version, kept):
    now = went(reset.plan_reset(RESET, there()), interrupted=interrupted)
    now = replace(now, domain=replace(now.domain, state=state))
    plan = reset.plan_reset(replace(RESET, source=replace(SOURCE, version=version)), now)
    assert any(isinstance(action, before.KeepBefore) for action in plan.actions) is kept


def test_no_holder_outlives_the_start_nor_the_settling():
    asked = replace(RESET, holder=HOLDER)
    plan = reset.plan_reset(asked, there())
    (settled,) = (action for action in plan.actions if action.words == "mark clone")
    assert (plan.actions[1].record.origin.holder, settled.record.origin.holder) == (HOLDER, None)
    cut = went(plan, interrupted=True)
    cut = replace(cut, origin=replace(cut.origin, holder=HOLDER))
    for until in (None, "2026-04-01"):  # the one removes what is kept, the other finds nothing else to do
        assert undo.plan_settling(cut, until).actions[-1].record.origin.holder is None


def test_a_record_whose_disks_are_in_use_is_spent_and_no_disk_goes_with_it():
    kept = went(reset.plan_reset(RESET, there())).befores[0]
    now = there(made=(DISK, SEED, RECORD), befores=(kept,))
    assert before.spent(kept, now) and now.lasting == ()
    assert words(undo.plan_settling(now, None))[1:] == ["delete volume golden web-01.before.json", "mark domain web-01"]


def test_a_kept_disk_that_a_snapshot_was_put_over_since_it_is_in_use_again_is_not_deleted():
    kept = went(reset.plan_reset(RESET, there())).befores[0]
    top = Volume("golden", "top", "/p/top", "qcow2", 10, 4, 4, backing="/p/web-01.vda.qcow2")
    xml = XML.replace("/p/web-01.vda.qcow2", "/p/top")
    now = there(xml, made=(DISK, SEED, RECORD), befores=(kept,), leavings=Leavings(files=(top,)))
    assert words(undo.plan_settling(now, None))[1:] == ["delete volume golden web-01.before.json", "mark domain web-01"]


def test_settling():
    now = went(reset.plan_reset(replace(RESET, undo_for="ever", until=None), there()))
    plan = undo.plan_settling(now, "2026-04-01")
    assert words(plan) == [
        "check domain web-01",
        "mark domain web-01",
        "keep what was before web-01 golden",
        "delete volume golden web-01.before.json",
        "mark domain web-01",
    ]
    assert plan.actions[2].before.until == plan.result["kept_until"] == "2026-04-01"
    assert plan.actions[-1].record.origin.made == (NEW, DISK, SEED, Made("golden", "web-01.before.2.json"))
    plan = undo.plan_settling(now, None)
    assert [action.volume for action in plan.actions[1:-1]] == ["web-01.vda.qcow2", "web-01.before.json"]
    assert undo.plan_settling(went(reset.plan_reset(RESET, there())), "2026-04-01").actions == ()


def test_what_was_begun_is_settled_and_what_somebody_else_keeps_is_not():
    now = went(reset.plan_reset(replace(RESET, undo_for="settled", until=None), there()))
    (begun,) = now.befores
    assert begun.open and begun.until is None
    ever = replace(begun, record=Made("golden", "ever.json"), volumes=(), replaced={}, open=False)
    timed = replace(ever, record=Made("golden", "timed.json"), until="2026-03-30")
    now = replace(now, befores=(ever, timed, begun), taken=[*now.taken, "ever.json", "timed.json"])
    plan = undo.plan_settling(now, "2026-03-02", begun=True)
    assert [action.before.until for action in plan.actions if isinstance(action, before.KeepBefore)] == ["2026-03-02"]
    assert not plan.actions[2].before.open
    assert [action.volume for action in plan.actions if action.words == "delete volume"] == [RECORD.volume]
    plan = undo.plan_settling(now, None, begun=True)
    assert [action.volume for action in plan.actions[1:-1]] == [DISK.volume, RECORD.volume]
    assert undo.plan_settling(replace(now, befores=(ever, timed)), None, begun=True).actions == ()


def test_all_that_stands_in_the_way_of_going_back():
    now = went(reset.plan_reset(RESET, there()), leavings=Leavings(snapshots=("s1",), saved=True))
    now = replace(now, taken=[NEW.volume], domain=replace(now.domain, name="other"))
    with pytest.raises(GoldenError) as refused:
        undo.plan_undo(UNDO, now)
    assert len(refused.value.obstacles) == 5
    with pytest.raises(GoldenError, match="nothing is kept"):
        undo.plan_undo(UNDO, there())


def test_the_files_that_an_external_snapshot_put_over_the_disk_are_kept_with_it():
    top = Volume("golden", "top", "/p/top", "qcow2", 10, 4, 4, backing="/p/web-01.vda.qcow2")
    beside = Volume("golden", "s1.memory", "/p/s1.memory", "raw", 1, 1, 1)
    xml = XML.replace("/p/web-01.vda.qcow2", "/p/top")
    leavings = Leavings(files=(top, beside), snapshots=("s1",))
    plan = reset.plan_reset(replace(RESET, force=True), there(xml, leavings=leavings))
    assert [action.volume for action in plan.actions if action.words == "delete volume"] == ["s1.memory"]
    kept = next(action.before for action in plan.actions if isinstance(action, before.KeepBefore))
    assert kept.volumes == (Made("golden", "top"), DISK)


@pytest.mark.parametrize(("until", "told"), [("agent", True), ("address", False), ("none", False)])
def test_the_name_that_the_agent_told_is_told_again_when_it_answers(until, told):
    named = replace(ORIGIN, customised=True, hostname="web-01.example.org")
    plan = reset.plan_reset(replace(RESET, waiting=(until, 60)), there(origin=named))
    assert ("customise guest web-01 web-01.example.org" in words(plan)) is told
    assert ("lost, but its name:" in plan.warnings[0]) is told
    assert not [action for action in plan.actions if action.words == "mark domain"][-1].record.origin.customised


def test_a_disk_attached_later_is_not_the_versions():
    attached = replace(ORIGIN, made=(SEED,))
    with pytest.raises(GoldenError, match="attached to it later"):
        reset.plan_reset(RESET, there(origin=attached))


def test_a_disk_that_is_not_replaced_keeps_all_that_it_consists_of():
    base, top = Made("golden", "web-01.vdc.qcow2"), Made("golden", "web-01.vdc.s1.qcow2")
    xml = XML.replace(
        "</devices>",
        """<disk type='file'><driver name='qemu' type='qcow2'/>
        <source file='/p/web-01.vdc.s1.qcow2'/><target dev='vdc'/></disk></devices>""",
    )
    leavings = Leavings(files=(volume(top, "/p/web-01.vdc.qcow2"),), snapshots=("s1",))
    origin = replace(ORIGIN, made=(*ORIGIN.made, base))
    now = there(xml, origin, (DISK, SEED, base), leavings=leavings)
    plan = reset.plan_reset(replace(RESET, force=True), now)
    assert not [action for action in plan.actions if action.words == "delete volume"]
    assert {base, top} <= set(plan.actions[-1].record.origin.made)
    then = went(plan, leavings=leavings)
    then = replace(then, volumes={**then.volumes, "/p/web-01.vdc.qcow2": volume(base)})
    back = undo.plan_undo(replace(UNDO, force=True), replace(then, taken=[*then.taken, base.volume]))
    gone = [action.volume for action in back.actions if action.words == "delete volume"]
    assert gone == [NEW.volume, RECORD.volume]
