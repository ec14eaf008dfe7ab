# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hypervisor each clone goes to: cases, and properties over any fleet."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.golden.libvirt.plugins.filter.placement import placement
from ansible_collections.golden.libvirt.plugins.module_utils._plan.placement import (
    Asked,
    Hypervisor,
    hypervisor_of,
    place,
)
from hypothesis import assume, given
from hypothesis import strategies as st


def kvm(name, *clones, others=(), free=4096, memory=1024, version="4", unfit=""):
    """A hypervisor with clones of the image and other domains."""
    domains = frozenset((*clones, *others))
    return Hypervisor(f"kvm{name}", frozenset(clones), domains, free, version, memory, unfit)


def where(asked, *fleet):
    """The places of all names, each as text."""
    found = place(asked, fleet)
    assert found.refused == ()
    return {name: "+".join(on).replace("kvm", "") for name, on in found.where.items()}


@pytest.mark.parametrize(
    ("asked", "fleet", "expected"),
    [
        # by count: evenly, then to where the fewest domains are, then by name
        (Asked("abcd"), [kvm(2), kvm(1)], "1212"),
        (Asked("abc"), [kvm(1, others=["x"]), kvm(2)], "212"),
        (Asked("abcd"), [kvm(1, "a", "b"), kvm(2)], "1122"),
        # a hypervisor more moves nothing
        (Asked("abcd"), [kvm(1, "a", "c"), kvm(2, "b"), kvm(3)], "1213"),
        # those that cannot have new ones keep theirs
        (Asked("abc"), [kvm(1, "a", unfit="kvm1 has none"), kvm(2), kvm(3)], "123"),
        (Asked("ab"), [kvm(1, "a", unfit="kvm1 has none")][:1] + [kvm(2)], "12"),
        # by memory: to where the most is free
        (Asked("abc", "memory"), [kvm(1, free=2048), kvm(2, free=4096)], "221"),
        (Asked("abc", "memory", memory={"c": 3000}), [kvm(1, free=3500), kvm(2, free=2100)], "221"),
        # one at a time to the roomiest would leave pieces too small for the last
        (Asked("abc", "memory", memory={"a": 3, "b": 2, "c": 2}), [kvm(1, free=4), kvm(2, free=3)], "211"),
        # the map wins, even over memory, and is deducted
        (Asked("abc", pinned={"b": "kvm1", "c": "kvm1"}), [kvm(1), kvm(2)], "211"),
        (Asked("ab", "memory", pinned={"a": "kvm2"}), [kvm(1, free=3000), kvm(2, free=3500)], "21"),
        # but moves nothing
        (Asked("a", pinned={"a": "kvm2"}), [kvm(1, "a"), kvm(2)], "1"),
        # what is on two stays on two
        (Asked("ab"), [kvm(1, "a"), kvm(2, "a")], ["1+2", "1"]),
        # nothing new: nobody needs to be there
        (Asked("a", unread=["kvm9"]), [kvm(1, "a", unfit="kvm1 has none")], "1"),
        (Asked("ab", unread=["kvm9"], strict=False), [kvm(1, "a"), kvm(2)], "12"),
        (Asked(""), [], ""),
    ],
)
def test_where_clones_come_to(asked, fleet, expected):
    assert list(where(asked, *fleet).values()) == list(expected)


@pytest.mark.parametrize(
    ("asked", "fleet", "said"),
    [
        (Asked("ab", unread=["kvm9"]), [kvm(1, "a")], ["b may be on what was not read", "kvm9"]),
        (Asked("a"), [kvm(1, others=["a"]), kvm(2)], ["kvm1 has domains of these names, which are no clones", "a"]),
        (Asked("a"), [kvm(1, unfit="kvm1 has no image web")], ["there is no hypervisor for", "kvm1 has no image web"]),
        (Asked("a"), [kvm(1), kvm(2, version="5")], ["of different versions: 4 on kvm1, 5 on kvm2"]),
        (Asked("a", pinned={"b": "kvm1"}), [kvm(1)], ["not asked for: b"]),
        (Asked("a", pinned={"a": "kvm7"}), [kvm(1)], ["names 'kvm7', which is none of the hypervisors"]),
        (
            Asked("a", pinned={"a": "kvm2"}),
            [kvm(1), kvm(2, unfit="web 4 is revoked on kvm2 (leaks)")],
            ["puts a on kvm2, but web 4 is revoked on kvm2 (leaks)"],
        ),
        (Asked("a", pinned={"a": "kvm9"}, unread=["kvm9"], strict=False), [kvm(1)], ["on kvm9, which was not read"]),
        (
            Asked("abcdefg", "memory"),
            [kvm(1, free=1500), kvm(2, free=100)],
            ["no memory for b, c, d, e, f and 1 more, of 1024 MiB each", "left are 476 MiB on kvm1, 100 MiB on kvm2"],
        ),
    ],
)
def test_what_is_refused_is_said_and_nothing_new_is_placed(asked, fleet, said):
    found = place(asked, fleet)
    for words in said:
        assert words in " ".join(found.refused)
    there = frozenset().union(*(of.clones for of in fleet))
    assert {name for name, on in found.where.items() if on} == there & set(asked.names)


def test_all_that_is_wrong_is_said_at_once():
    found = place(Asked("ab", pinned={"z": "kvm1"}, unread=["kvm9"]), [kvm(1, others=["b"])])
    assert len(found.refused) == 3


def test_what_is_not_as_one_may_expect_is_told():
    asked = Asked("abc", pinned={"a": "kvm2", "b": "kvm1"}, unread=["kvm9"])
    found = place(asked, [kvm(1, "a", "b", "c"), kvm(2, "c")])
    assert found.notes == (
        "a is on kvm1, not on kvm2; it stays there",
        "c is on several hypervisors: kvm1, kvm2",
        "not read: kvm9",
    )


# ---- properties: whatever there is

NAMES = [f"web-{number:02d}" for number in range(8)]
FLEETS = st.lists(
    st.builds(
        lambda clones, others, free, unfit: kvm("", *clones, others=others, free=free, unfit=unfit),
        st.frozensets(st.sampled_from([*NAMES, "old"]), max_size=3),
        st.frozensets(st.sampled_from(["db", "mail"])),
        st.integers(0, 16000),
        st.sampled_from(["", "", "", "it has no image web"]),
    ),
    min_size=1,
    max_size=4,
).map(lambda fleet: [replace(of, name=f"kvm{number}") for number, of in enumerate(fleet, 1)])
ASKED = st.builds(
    Asked,
    names=st.lists(st.sampled_from(NAMES), unique=True),
    by=st.sampled_from(["count", "memory"]),
    memory=st.dictionaries(st.sampled_from(NAMES), st.sampled_from([512, 2048, 5000])),
)


def after(fleet, found):
    """The fleet once the clones are made."""
    return [replace(of, clones=of.clones | {name for name, on in found.where.items() if of.name in on}) for of in fleet]


@given(FLEETS, ASKED, st.randoms(use_true_random=False))
def test_every_name_is_on_one_and_those_there_stay(fleet, asked, random):
    found = place(asked, fleet)
    assume(not found.refused)
    assert list(found.where) == list(asked.names)
    there = {name: {of.name for of in fleet if name in of.clones} for name in asked.names}
    fit = {of.name for of in fleet if not of.unfit}
    for name, on in found.where.items():
        assert set(on) == there[name] if there[name] else len(on) == 1 and set(on) <= fit
    shuffled = random.sample(fleet, len(fleet))
    assert place(asked, shuffled) == found


@given(FLEETS, ASKED, FLEETS)
def test_again_and_with_more_hypervisors_nothing_moves(fleet, asked, others):
    found = place(asked, fleet)
    assume(not found.refused)
    more = [replace(of, name=f"new-{of.name}", clones=frozenset()) for of in others]
    for grown in (after(fleet, found), [*after(fleet, found), *more]):
        assert place(asked, grown).where == found.where


@given(FLEETS, ASKED)
def test_by_count_no_hypervisor_gets_one_that_another_needs_more(fleet, asked):
    found = place(replace(asked, by="count"), fleet)
    assume(not found.refused)
    counts = {of.name: sum(of.name in on for on in found.where.values()) for of in fleet if not of.unfit}
    there = {of.name: len(of.clones & set(asked.names)) for of in fleet}
    for name, count in counts.items():
        if count > there[name]:
            assert count <= min(counts.values()) + 1


@given(FLEETS, ASKED, st.booleans())
def test_by_memory_nothing_is_put_where_there_is_none(fleet, asked, same):
    asked = replace(asked, by="memory", memory={} if same else asked.memory)
    found = place(asked, fleet)
    there = {name for of in fleet for name in of.clones}
    new = [name for name in asked.names if name not in there]
    room = sum(of.free // of.memory for of in fleet if not of.unfit)
    if same and new:
        assert bool(found.refused) == (room < len(new))
    for of in fleet:
        taken = sum(asked.memory.get(name, of.memory) for name in new if found.where[name] == (of.name,))
        assert taken <= of.free


@given(FLEETS, ASKED, st.data())
def test_the_map_wins_for_what_is_new(fleet, asked, data):
    pinned = data.draw(
        st.dictionaries(st.sampled_from(asked.names), st.sampled_from([of.name for of in fleet]))
        if asked.names
        else st.just({})
    )
    found = place(replace(asked, pinned=pinned), fleet)
    assume(not found.refused)
    there = {name for of in fleet for name in of.clones}
    for name, hypervisor in pinned.items():
        assert name in there or found.where[name] == (hypervisor,)


# ---- what hypervisors tell, and what they are asked


def told(*clones, versions=(("4", "active"),), channels=(("stable", "4"),), free=4096, domains=()):
    image = {
        "name": "web",
        "versions": [{"version": of, "state": state, "memory": 512, "reason": "leaks"} for of, state in versions],
        "channels": dict(channels),
        "clones": [{"name": name} for name in clones],
    }
    return {"images": [image], "hypervisor": {"memory_free": free, "domains": [*clones, *domains]}}


@pytest.mark.parametrize(
    ("facts", "version", "unfit"),
    [
        (told(), "", ""),
        (told(versions=[("4", "deprecated")]), "4", ""),
        (told(versions=[("4", "revoked")]), "", "web 4 is revoked on kvm1 (leaks)"),
        (told(channels=[]), "", "kvm1 has no channel stable of web"),
        (told(channels=[]), "4", ""),
        (told(), "5", "kvm1 has no version 5 of web"),
        ({**told(), "images": []}, "4", "kvm1 has no version 4 of web"),
    ],
)
def test_what_a_hypervisor_can_have(facts, version, unfit):
    found = hypervisor_of("kvm1", facts, "web", version, "stable")
    assert found.unfit == unfit
    assert (found.version, found.memory) == ("4", 512) or unfit


def test_each_is_asked_for_its_share_with_settings_of_their_own():
    fleet = {"kvm1": told("web-1"), "kvm2": told(), "kvm3": {"msg": "unreachable"}}
    found = placement(
        fleet,
        names=["web-{1..2}"],
        clones=[{"name": "big-{1..2}", "memory": 2048}],
        image="web",
        channel="stable",
        map={"big-{1..2}": "kvm1"},
        hypervisors=["kvm1", "kvm2", "kvm3"],
        unreachable="warn",
    )
    assert found["hypervisors"] == {
        "kvm1": {
            "names": ["web-1"],
            "clones": [{"name": "big-1", "memory": 2048}, {"name": "big-2", "memory": 2048}],
        },
        "kvm2": {"names": ["web-2"], "clones": []},
    }
    assert (found["refused"], found["notes"]) == ([], ["not read: kvm3"])


def test_a_name_twice_or_a_range_that_is_none_is_refused():
    for names, clones in ((["a"], [{"name": "a"}]), (["web-{9..1}"], [])):
        assert len(placement({"kvm1": told()}, names=names, clones=clones, image="web", version="4")["refused"]) == 1
