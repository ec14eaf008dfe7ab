# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What promoting decides: the version, the steps, what stands in the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Overtaken, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Disk,
    Domain,
    Holder,
    Lineage,
    Record,
    Seal,
    Sealed,
    Snapshot,
    SnapshotDisk,
    SnapshotNote,
    State,
    Version,
    Volume,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.channel import (
    AssignChannel,
    RemoveChannel,
    moved,
    plan_channel,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.freeze import Facts
from ansible_collections.golden.libvirt.plugins.module_utils._plan.promotable import Asked, Shelf, Source, obstacles_to
from ansible_collections.golden.libvirt.plugins.module_utils._plan.promote import plan_promote
from ansible_collections.golden.libvirt.plugins.module_utils._plan.quiesce import Quiescing
from ansible_collections.golden.libvirt.plugins.module_utils._plan.seal import plan_seal, valid_seal

HOLDER = Holder("here", "boot", 1, "then", 0)
BY = {"created": "2026-01-01T00:00:00Z", "created_by": "me@here", "host": "here"}
XML = "<domain type='qemu'><name>web</name><uuid>u-1</uuid><os><type>hvm</type></os><devices/></domain>"
PATH = "/srv/web.qcow2"
DISK = Disk("vda", path=PATH, format="qcow2")
ASKED = Asked(image="web", pool="golden", sealed=False)


def volume(path=PATH, form="qcow2", mtime="1.0"):
    return Volume("p", path.rpartition("/")[2], path, form, 1000, 10, 10, mtime=mtime)


def source(disks=(DISK,), *, volumes=None, domain=None, **options):
    found = {disk.target: volume(disk.path, disk.format) for disk in disks if disk.written and disk.path}
    made = Domain("web", "u-1", "shutoff", XML, disks=tuple(disks), **(domain or {}))
    return Source(made, {**found, **(volumes or {})}, **options)


def complete(number, of=None, **options):
    """A version, made of the source *of*."""
    draft = plan_promote(of or source(), ASKED, Shelf(), BY).actions[0].draft
    return replace(draft, version=number, **options)


def words(plan):
    return [action.words for action in plan.actions]


SEAL = Seal("guest", ("machine-id",), "systemd", "then", ((PATH, "1.0"),))


def test_a_new_version_is_claimed_copied_committed_and_then_assigned():
    disks = (DISK, Disk("sda", device="cdrom", readonly=True), Disk("vdb", path="/b"))
    nvram = volume("/n.fd", "raw")
    plan = plan_promote(source(disks, nvram=nvram), replace(ASKED, channels=("b", "a")), Shelf(), BY)
    assert words(plan) == ["claim version", *["copy into version"] * 3, "commit version", *["assign channel"] * 2]
    assert [action.volume for action in plan.actions[1:4]] == [
        "golden.web.1.vda.qcow2",
        "golden.web.1.vdb.qcow2",
        "golden.web.1.nvram.fd",
    ]
    assert [action.channel for action in plan.actions[5:]] == ["b", "a"]


@pytest.mark.parametrize(
    ("versions", "states", "held", "number"),
    [
        ([], {}, {}, "1"),
        (["1", "2"], {}, {}, "3"),
        (["9", "10", "1.11", "x12"], {}, {}, "11"),
        (["1"], {"7": {"state": "absent"}}, {}, "8"),
        (["1"], {}, {"2": "process 7 on there"}, "3"),
    ],
)
def test_the_next_number_is_above_all_that_were_ever_there(versions, states, held, number):
    of = source(domain={"record": Record()}, volumes={"vda": volume(mtime="0.5")})
    shelf = Shelf([complete(version, of) for version in versions], State(states=states), held=held)
    assert plan_promote(source(), ASKED, shelf, BY).result["version"] == number


def test_what_a_dead_run_left_is_replaced():
    dead = State(claims=dict.fromkeys(("1", "5"), HOLDER))
    shelf = Shelf(state=dead, unfinished={"1": ("golden.web.1.vda.qcow2",), "5": ("golden.web.5.vda.qcow2",)})
    claim = plan_promote(source(), ASKED, shelf, BY).actions[0]
    assert (claim.version, claim.replacing) == ("1", ("golden.web.1.vda.qcow2",))


def test_a_version_whose_manifest_was_lost_is_no_free_one():
    files = {"1": ("golden.web.1.vda.qcow2",), "2": ("golden.web.2.vda.qcow2",)}
    shelf = Shelf(state=State(claims={"2": HOLDER}), unfinished=files)
    assert plan_promote(source(), ASKED, shelf, BY).actions[0].version == "2"
    with pytest.raises(Refused, match="files of version 1 are there, without a manifest") as refused:
        plan_promote(source(), replace(ASKED, version="1"), shelf, BY)
    assert "golden.web.1.vda.qcow2" in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "options", "same"),
    [
        ({}, {}, True),
        ({"volumes": {"vda": volume(mtime="2.0")}}, {}, False),
        ({"nvram": volume("/n.fd", "raw")}, {}, False),
        ({"domain": {"state": "running"}}, {}, None),
        ({}, {"version": "1"}, True),
        ({}, {"version": "2"}, False),
        ({}, {"recipe": "r"}, False),
    ],
)
def test_the_same_state_is_the_same_version(changed, options, same):
    shelf, asked = Shelf([complete("1")]), replace(ASKED, **options)
    domain = changed.pop("domain", None)
    found = source(**changed)
    if domain:
        found = replace(found, domain=replace(found.domain, **domain))
    if same is None:
        with pytest.raises(Refused):
            plan_promote(found, asked, shelf, BY)
    else:
        assert (plan_promote(found, asked, shelf, BY).actions == ()) is same


def test_a_version_that_is_not_active_does_not_count_as_the_same():
    shelf = Shelf([complete("1")], State(states={"1": {"state": "revoked"}}))
    assert plan_promote(source(), ASKED, shelf, BY).result["version"] == "2"


@pytest.mark.parametrize("recipe", [None, "r1"])
def test_a_version_that_is_to_be_held_back_later_counts_until_then(recipe):
    said = {"1": {"state": "deprecated", "reason": "old", "date": "2026-12-31"}}
    shelf, asked = Shelf([complete("1", recipe="r1")]), replace(ASKED, recipe=recipe)
    for now, version in (("2026-12-30T00:00:00Z", "1"), ("2027-01-01T00:00:00Z", "2")):
        found = plan_promote(source(), asked, replace(shelf, state=State(states=said, read=now)), BY)
        assert found.result["version"] == version


@pytest.mark.parametrize("options", [{}, {"recipe": "r1"}])
def test_a_new_version_can_be_forced(options):
    shelf = Shelf([complete("1", recipe="r1")])
    assert plan_promote(source(), replace(ASKED, force=True, **options), shelf, BY).result["version"] == "2"


def test_a_block_device_does_not_tell_that_it_was_not_written_to():
    block = source([Disk("vda", kind="block", path="/dev/vg/web")])
    assert plan_promote(block, ASKED, Shelf([complete("1", block)]), BY).result["version"] == "2"


@pytest.mark.parametrize(
    ("recipe", "lineage", "same"),
    [("r1", None, True), ("r2", None, False), ("r1", Lineage("base", "1"), False)],
)
def test_the_same_recipe_on_the_same_parent_is_the_same_version_even_of_a_running_domain(recipe, lineage, same):
    shelf = Shelf([complete("1", recipe="r1")])
    running = replace(source(lineage=lineage), domain=replace(source().domain, state="running"))
    if same:
        assert plan_promote(running, replace(ASKED, recipe=recipe), shelf, BY).actions == ()
    else:
        with pytest.raises(Refused, match="it is running"):
            plan_promote(running, replace(ASKED, recipe=recipe), shelf, BY)


def test_an_existing_version_only_gets_the_channels_that_it_lacks():
    state = State(channels={"a": "1", "b": "7"})
    plan = plan_promote(source(), replace(ASKED, channels=("a", "b", "c")), Shelf([complete("1")], state), BY)
    assert [(action.words, action.channel) for action in plan.actions] == [
        ("assign channel", "b"),
        ("assign channel", "c"),
    ]
    assert (plan.before["channels"], plan.after["channels"]) == ({"b": "7", "c": None}, {"b": "1", "c": "1"})


@pytest.mark.parametrize(
    ("shelf", "reason"),
    [
        (
            Shelf([complete("4", source(volumes={"vda": volume(mtime="0")}))]),
            "exists already and was made from something",
        ),
        (Shelf(state=State(states={"4": {"state": "absent"}})), "exists already and is absent"),
        (
            Shelf([complete("4")], State(states={"4": {"state": "deprecated", "reason": "old"}})),
            r"exists already and is deprecated \(old\)",
        ),
        (Shelf(held={"4": "process 7 on there"}), "is being made by process 7 on there"),
    ],
)
def test_a_version_that_was_asked_for_by_name_must_be_free(shelf, reason):
    with pytest.raises(Refused, match=reason):
        plan_promote(source(), replace(ASKED, version="4"), shelf, BY)


@pytest.mark.parametrize(
    ("given", "asked", "obstacle"),
    [
        (source(domain={}), ASKED, None),
        (source(saved=True), ASKED, "its memory was saved"),
        (source([]), ASKED, "it has no disk"),
        (source([replace(DISK, readonly=True)]), ASKED, "it has no disk"),
        (source(volumes={"vda": None}), ASKED, "disk vda (/srv/web.qcow2) is not there"),
        (source(volumes={"vda": volume(form="raw")}), ASKED, "disk vda is qcow2 for the domain, but its content looks"),
        (
            source([replace(DISK, kind="network", path=None)], volumes={"vda": None}),
            ASKED,
            "disk vda is a network disk",
        ),
        (source([replace(DISK, shareable=True)]), ASKED, "disk vda is shared"),
        (source([replace(DISK, transient=True)]), ASKED, "disk vda is transient"),
        (source(domain={"persistent": False}), ASKED, "it is transient: define it"),
        (source(), replace(ASKED, sealed=True), "it is not sealed"),
        (source(domain={"record": Record(seal=SEAL)}), replace(ASKED, sealed=True), None),
        (
            source(domain={"record": Record(seal=SEAL)}, volumes={"vda": volume(mtime="2.0")}),
            replace(ASKED, sealed=True),
            "it was written to since it was sealed",
        ),
        (source(snapshots=2), replace(ASKED, rename_to="other"), "it cannot be renamed while it has snapshots"),
        (source(taken=True), replace(ASKED, rename_to="other"), "it cannot be renamed: there is a domain other"),
        (source(), replace(ASKED, rename_to="a/b"), "it cannot be renamed: 'a/b' is no name"),
        (source(), replace(ASKED, rename_to=""), "it cannot be renamed: '' is no name"),
        (source(snapshots=2, taken=True), replace(ASKED, rename_to="web"), None),
    ],
)
def test_what_stands_in_the_way(given, asked, obstacle):
    found = obstacles_to(given, asked)
    assert [what[: len(obstacle or "")] for what in found] == ([obstacle] if obstacle else [])


def test_what_is_sealed_is_in_the_manifest_and_what_is_not_is_null():
    sealed_source = source(domain={"record": Record(seal=SEAL)})
    assert complete("1", sealed_source).sealed == Sealed("guest", ("machine-id",), "systemd")
    assert complete("1").sealed is None


# ---- seals


def test_a_seal_that_holds_is_not_marked_again():
    sealed = Sealed("guest", ("machine-id",), "systemd")
    found = source()
    plan = plan_seal(found.domain, found.disks, sealed, "now")
    record = plan.actions[0].record
    domain = replace(found.domain, record=record)
    assert valid_seal(domain, found.disks) == sealed
    assert plan_seal(domain, found.disks, sealed, "later").actions == ()
    assert words(plan_seal(domain, found.disks, replace(sealed, operations=()), "later")) == ["mark domain"]
    assert valid_seal(domain, {"vda": volume(mtime="3")}) is None
    assert valid_seal(domain, {**found.disks, "vdb": volume("/b")}) is None


# ---- channels


@pytest.mark.parametrize(
    ("move", "current", "outcome"),
    [
        (AssignChannel("web", "c", "2", "p"), {}, {"c": "2"}),
        (AssignChannel("web", "c", "2", "p"), {"c": "1", "d": "1"}, {"c": "2", "d": "1"}),
        (AssignChannel("web", "c", "2", "p"), {"c": "2"}, None),
        (AssignChannel("web", "c", "2", "p", "1"), {"c": "1"}, {"c": "2"}),
        (AssignChannel("web", "c", "2", "p", "1"), {"c": "2"}, None),
        (AssignChannel("web", "c", "2", "p", "1"), {"c": "3"}, Overtaken),
        (AssignChannel("web", "c", "2", "p", ""), {}, {"c": "2"}),
        (AssignChannel("web", "c", "2", "p", ""), {"c": "1"}, Overtaken),
        (AssignChannel("web", "c", "9", "p"), {}, Refused),
        (RemoveChannel("web", "c", "p"), {"c": "1", "d": "1"}, {"d": "1"}),
        (RemoveChannel("web", "c", "p"), {}, None),
        (RemoveChannel("web", "c", "p", "2"), {"c": "1"}, Overtaken),
    ],
)
def test_a_channel_moves_by_the_same_rules_in_the_plan_and_in_the_record(move, current, outcome):
    state = State(channels=current, states={"9": {"state": "revoked", "reason": "bad"}})
    if outcome in (Overtaken, Refused):
        for decide in (lambda: moved(state, move, {}), lambda: plan_channel(move, state)):
            with pytest.raises(outcome):
                decide()
        return
    found = moved(state, move, {"by": "me"})
    assert (found.channels if found else None) == outcome
    assert plan_channel(move, state).changed == (outcome is not None)
    if found:
        assert found.history[-1] == {
            "by": "me",
            "channel": "c",
            "from": current.get("c"),
            "to": outcome.get("c"),
        }


def test_a_version_made_by_another_collection_has_no_witness_and_is_not_the_same():
    foreign = Version("web", "1", "t", "me", "<domain/>", sealed=None)
    assert plan_promote(source(), ASKED, Shelf([foreign]), BY).result["version"] == "2"


# ---- snapshots, running domains, files frozen in place


def at_snapshot(kind="internal", **options):
    disks = (SnapshotDisk("vda", kind, base=PATH, base_format="qcow2"),)
    snapshot = Snapshot("web", "s1", kind, False, "shutoff", created=7, disks=disks)
    return source(snapshot=replace(snapshot, **options))


@pytest.mark.parametrize(("kind", "inside", "files"), [("internal", "s1", []), ("external", None, [PATH])])
def test_a_snapshot_is_copied_out_of_the_file_that_holds_it(kind, inside, files):
    plan = plan_promote(at_snapshot(kind), ASKED, Shelf(), BY)
    assert plan.actions[1].snapshot == inside
    assert [volume.path for volume in plan.actions[-1].unchanged] == files
    assert plan_promote(at_snapshot(kind), ASKED, Shelf([complete("1", at_snapshot(kind))]), BY).actions == ()
    later = at_snapshot(kind, created=8)
    assert plan_promote(later, ASKED, Shelf([complete("1", at_snapshot(kind))]), BY).actions != ()


@pytest.mark.parametrize(
    ("note", "sealed", "words"),
    [(SnapshotNote(sealed="yes"), "guest", None), (SnapshotNote(), None, "nothing tells that it was sealed")],
)
def test_a_snapshot_is_sealed_where_it_says_so(note, sealed, words):
    of = at_snapshot(note=note)
    of = replace(of, domain=replace(of.domain, record=Record(seal=replace(SEAL, witness=()))))
    draft = plan_promote(of, ASKED, Shelf(), BY).actions[0].draft
    assert (draft.sealed.method if draft.sealed else None) == sealed
    assert any(words in what for what in obstacles_to(of, replace(ASKED, sealed=True))) if words else True


@pytest.mark.parametrize(
    ("changes", "asked", "words"),
    [
        ({}, {"live": False}, "say 'live: true'"),
        ({"local": False}, {}, "runs on another machine"),
        ({}, {"compress": "zstd"}, "QEMU cannot compress"),
        ({}, {"sealed": True}, "nothing tells whether it is sealed"),
        ({}, {"rename_to": "x"}, "cannot be renamed while it runs"),
        ({"nvram": volume("/n", "qcow2")}, {}, "UEFI variables are in a qcow2 file"),
        ({"written": frozenset({"/other"})}, {}, "not what it runs with"),
        ({"quiescing": Quiescing(None, "crash", None, ("quiesce: no agent",))}, {}, "quiesce: no agent"),
        ({}, {"freeze": True}, "cannot be frozen in place"),
    ],
)
def test_a_running_domain_is_refused_with_a_reason(changes, asked, words):
    of = replace(source(), domain=replace(source().domain, state="running"), written=frozenset({PATH}))
    found = obstacles_to(replace(of, **changes), replace(ASKED, **{"live": True, **asked}))
    assert [what for what in found if words in what], found


FACTS = Facts(PATH)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, None),
        ({"backing": "/golden/golden.web.1.vda.qcow2"}, None),
        ({"shelter": "same"}, None),
        ({"shelter": "below"}, None),
        ({"shelter": "below", "frozen": "golden.web.1.vda.qcow2", "touched": True}, None),
        ({"regular": False}, "is not a file"),
        ({"near": False}, "another file system"),
        ({"problem": "it is encrypted"}, "it is encrypted"),
        ({"links": 1}, "1 more names"),
        ({"snapshots": ("a", "b")}, "snapshots inside: a, b"),
        ({"backing": "/base"}, "which no manifest names"),
        ({"shared": ("domain other",)}, "needed by others: domain other"),
        ({"fixed": True}, "backingStore"),
        ({"shelter": "foreign"}, "nothing of ours"),
        ({"stray": "/srv/stray"}, "/srv/stray is there, and nothing of ours"),
        ({"shelter": "below", "touched": True}, "merge it"),
    ],
)
def test_a_file_is_frozen_where_nothing_stands_in_the_way(facts, words):
    named = {"/golden/golden.web.1.vda.qcow2": "golden.web.1.vda.qcow2"}
    of = source(facts={"vda": replace(FACTS, **facts)}, named=named)
    found = obstacles_to(of, replace(ASKED, freeze=True))
    assert len(found) == (1 if words else 0)
    assert words is None or words in found[0]


FREEZING = ["freeze into version", "continue on overlay", "commit version", "build overlay on version"]


@pytest.mark.parametrize(
    ("facts", "first"),
    [
        ({}, []),
        ({"shelter": "below"}, ["take back overlay"]),
        ({"shelter": "same"}, ["take back overlay"]),
        ({"shelter": "below", "frozen": "golden.web.1.vda.qcow2"}, ["build overlay on version"]),
    ],
)
def test_a_freeze_makes_up_first_for_one_that_died(facts, first):
    of = source(facts={"vda": replace(FACTS, **facts)})
    assert words(plan_promote(of, replace(ASKED, freeze=True), Shelf(), BY)) == [*first, "claim version", *FREEZING]


def test_what_was_frozen_is_known_again_by_its_untouched_overlays():
    freezing = replace(ASKED, freeze=True, checksum="deferred")
    draft = plan_promote(source(facts={"vda": FACTS}), freezing, Shelf(), BY).actions[0].draft
    assert (draft.disks[0].sha256, draft.undigested) == (None, ("golden.web.1.vda.qcow2",))
    shelf, after = Shelf([draft]), source(untouched={"vda": "golden.web.1.vda.qcow2"}, facts={"vda": FACTS})
    assert plan_promote(after, freezing, shelf, BY).actions == ()
    assert words(plan_promote(after, replace(freezing, checksum="now"), shelf, BY)) == ["digest version"]
    named = replace(freezing, version="1")
    assert words(plan_promote(source(), replace(named, checksum="now"), shelf, BY)) == ["digest version"]
    with pytest.raises(Refused, match="made from something else"):
        plan_promote(source(), named, shelf, BY)


def test_what_was_frozen_by_a_recipe_is_that_version_although_it_is_its_own_parent_now():
    freezing = replace(ASKED, freeze=True, recipe="r")
    draft = plan_promote(source(facts={"vda": FACTS}), freezing, Shelf(), BY).actions[0].draft
    shelf = Shelf([replace(draft, disks=(replace(draft.disks[0], sha256="x"),))])
    after = source(untouched={"vda": "golden.web.1.vda.qcow2"}, lineage=Lineage("web", "1"))
    assert plan_promote(after, freezing, shelf, BY).actions == ()
    assert plan_promote(replace(after, untouched={}), freezing, shelf, BY).actions != ()


def test_the_seal_of_what_was_frozen_is_renewed():
    before = source(domain={"record": Record(seal=SEAL)}, facts={"vda": FACTS})
    plan = plan_promote(before, replace(ASKED, freeze=True, sealed=True), Shelf(), BY)
    assert words(plan)[-1] == "renew seal"
    draft = replace(plan.actions[0].draft, disks=(replace(plan.actions[0].draft.disks[0], sha256="x"),))
    after = replace(before, disks={"vda": volume(mtime="2.0")}, untouched={"vda": "golden.web.1.vda.qcow2"})
    assert words(plan_promote(after, replace(ASKED, freeze=True, sealed=True), Shelf([draft]), BY)) == ["renew seal"]


def test_only_a_seal_that_the_frozen_version_has_is_renewed():
    before = source(domain={"record": Record(seal=SEAL)}, facts={"vda": FACTS})
    asked = replace(ASKED, freeze=True, recipe="r")
    draft = plan_promote(before, replace(asked, sealed=True), Shelf(), BY).actions[0].draft
    shelf = Shelf([replace(draft, disks=(replace(draft.disks[0], sha256="x"),))])
    known = replace(before, disks={"vda": volume(mtime="2.0")}, untouched={"vda": "golden.web.1.vda.qcow2"})
    clone = replace(known, untouched={"vda": "golden.base.1.vda.qcow2"})
    unsealed = replace(known, domain=replace(known.domain, record=Record()))
    resealed = replace(known, domain=replace(known.domain, record=Record(seal=replace(SEAL, method="other"))))
    for of, steps in ((known, ["renew seal"]), (clone, []), (unsealed, []), (resealed, [])):
        assert words(plan_promote(of, asked, shelf, BY)) == steps


def test_a_version_whose_digest_was_taken_is_that_of_its_own_state_only():
    freezing = replace(ASKED, freeze=True, checksum="deferred")
    draft = plan_promote(source(facts={"vda": FACTS}), freezing, Shelf(), BY).actions[0].draft
    digested = replace(draft, disks=(replace(draft.disks[0], sha256="x"),))
    shelf = Shelf([digested], State(digests={"1": {"golden.web.1.vda.qcow2": "x"}}))
    named = replace(freezing, version="1", checksum="now")
    untouched = source(untouched={"vda": "golden.web.1.vda.qcow2"}, facts={"vda": FACTS})
    assert plan_promote(untouched, named, shelf, BY).actions == ()
    with pytest.raises(Refused, match="made from something else"):
        plan_promote(source(), named, shelf, BY)
