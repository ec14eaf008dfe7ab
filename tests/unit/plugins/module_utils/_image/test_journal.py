# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal under several writers whose steps are interleaved in every way that matters, some of them killed."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Overtaken
from ansible_collections.golden.libvirt.plugins.module_utils._image import journal
from ansible_collections.golden.libvirt.plugins.module_utils._image.journal import Journal
from ansible_collections.golden.libvirt.plugins.module_utils._model import State
from ansible_collections.golden.libvirt.tests.unit.plugins.module_utils._image.steps import (
    Killed,
    MemoryStore,
    Stage,
    orders,
)


def assigning(channel, version, expected=None):
    """A decision as the module channel makes it."""

    def decide(state):
        current = state.channels.get(channel)
        if current == version:
            return None
        if expected is not None and (current or "") != expected:
            raise Overtaken("assigning", f"it is at {current}")
        change = {"channel": channel, "from": current, "to": version}
        return replace(state, channels={**state.channels, channel: version}, history=(*state.history, change))

    return decide


def stage_of(decisions, impatient=True, before=1):
    """A stage on which each of *decisions* is written by a user; *before* records are there already."""
    stage = Stage()
    clock = stage.store.clock(10.0 if impatient else 0.0)
    for number in range(before):
        Journal(stage.store, "web", clock).change(assigning("first", str(number)))
    for decide in decisions:
        stage.add(lambda decide=decide: Journal(stage.store, "web", clock).change(decide))
    return stage


def final(stage):
    return Journal(stage.store, "web", stage.store.clock()).settled()[1].state


def check_nothing_lost(stage):
    """Each writer that was told of success finds its change in the state and, once, in the history."""
    state = final(stage)
    for number, user in enumerate(stage.users):
        if isinstance(user.outcome, State):
            assert state.channels.get(f"c{number}") == "7"
            assert [change["channel"] for change in state.history].count(f"c{number}") == 1
        else:
            assert isinstance(user.outcome, Killed), user.outcome
    assert state.channels["first"] == "0"


def two_writers():
    return stage_of([assigning("c0", "7"), assigning("c1", "7")])


STEPS = 24


def test_two_writers_lose_nothing_in_any_order_of_their_steps():
    for order in orders(2, STEPS, 2):
        stage = two_writers()
        stage.play(order)
        check_nothing_lost(stage)


def test_a_writer_killed_at_any_step_neither_blocks_nor_harms_the_other():
    for order in orders(2, STEPS, 2):
        stage = two_writers()
        stage.play(order[: len(order) // 2], kill=0)
        check_nothing_lost(stage)
        assert isinstance(stage.users[1].outcome, State)


@pytest.mark.parametrize("seed", range(40))
def test_four_writers_and_deaths_at_random_lose_nothing(seed):
    choice = random.Random(seed)
    for _repeat in range(25):
        stage = stage_of([assigning(f"c{number}", "7") for number in range(4)])
        steps = choice.randrange(10, 90)
        stage.play([choice.randrange(4) for _step in range(steps)], kill=choice.choice([None, 0, 1, 2]))
        check_nothing_lost(stage)


@pytest.mark.parametrize("seed", range(20))
def test_of_those_who_expect_the_same_state_one_wins(seed):
    choice = random.Random(seed)
    for _repeat in range(25):
        stage = stage_of([assigning("lock", str(number), expected="") for number in range(3)])
        stage.play([choice.randrange(3) for _step in range(choice.randrange(60))])
        won = [number for number, user in enumerate(stage.users) if isinstance(user.outcome, State)]
        assert [str(number) for number in won] == [final(stage).channels["lock"]]
        assert all(isinstance(user.outcome, (State, Overtaken)) for user in stage.users)


def test_a_slow_writer_that_was_overtaken_finds_out_and_writes_again():
    stage = two_writers()
    slow, quick = stage.users
    while "golden.web.journal.000002.json" not in stage.store.files:
        slow.go()
    while not quick.ended:
        quick.go()
    assert stage.store.files["golden.web.journal.000003.json"].startswith(b"{")
    assert final(stage).channels == {"first": "0", "c1": "7"}
    stage.play([])
    check_nothing_lost(stage)
    assert final(stage).serial == 4


def test_success_is_not_told_below_an_unfinished_record():
    stage = two_writers()
    mine, other = stage.users
    mine.until("write golden.web.journal.000002")
    other.until("write golden.web.journal.000003")
    while not mine.ended:
        mine.go()
    stage.play([])
    check_nothing_lost(stage)


def test_a_record_that_is_built_on_while_one_looks_is_looked_at_again():
    stage = stage_of([assigning(f"c{number}", "7") for number in range(4)])
    mine, other, heir, last = stage.users
    mine.until("write golden.web.journal.000002")
    other.until("write golden.web.journal.000003")  # takes record 2 for dead
    mine.until("list")
    heir.until("write golden.web.journal.000004")  # builds on 2, takes 3 for dead
    mine.until("read golden.web.journal.000004")  # has seen that 4 is the highest
    last.until("create golden.web.journal.000005")
    last.until("list")
    other.until("list")
    last.until("write golden.web.journal.000005")  # builds on 3, takes 4 for dead
    heir.until("list")
    while not mine.ended and mine.next != "sleep":
        mine.go()
    stage.play([])
    check_nothing_lost(stage)


def test_what_looks_as_wanted_is_written_when_a_slow_writer_may_yet_undo_it():
    stage = stage_of([assigning("c0", "7"), assigning("c1", "7"), assigning("c0", "7")])
    dying, slow, sure = stage.users
    dying.until("write golden.web.journal.000002")
    slow.until("write golden.web.journal.000003")
    dying.until("list")
    dying.kill()
    while not sure.ended:
        sure.go()
    assert isinstance(sure.outcome, State)
    stage.play([])
    assert final(stage).channels == {"first": "0", "c0": "7", "c1": "7"}


def test_a_dead_writers_record_delays_the_next_by_the_grace_and_no_longer():
    store = MemoryStore()
    clock = store.clock(journal.STEP)
    Journal(store, "web", clock).change(assigning("a", "1"))
    store.put("golden.web.journal.000002.json", b"\0" * 4096)
    start = store.time
    state = Journal(store, "web", clock).change(assigning("a", "2"))
    assert (state.serial, state.channels) == (3, {"a": "2"})
    assert journal.GRACE <= store.time - start < journal.GRACE + 1
    start = store.time
    Journal(store, "web", clock).change(assigning("a", "3"))
    assert store.time == start


def test_a_record_that_died_long_ago_delays_nobody():
    store = MemoryStore()
    store.put("golden.web.journal.000001.json", b"{")
    store.time += 60
    start = store.time
    assert Journal(store, "web", store.clock()).change(assigning("a", "1")).serial == 2
    assert store.time == start


def test_a_refusal_leaves_no_record():
    store = MemoryStore()
    Journal(store, "web", store.clock()).change(assigning("a", "1"))
    with pytest.raises(Overtaken):
        Journal(store, "web", store.clock()).change(assigning("a", "3", expected="2"))
    assert sorted(store.files) == ["golden.web.journal.000001.json"]


def test_a_record_that_cannot_be_written_is_an_error_and_leaves_none():
    store = MemoryStore()

    def upload(name, content):
        raise GoldenError(f"writing {name}", "no space is left")

    store.upload = upload
    with pytest.raises(GoldenError, match="no space"):
        Journal(store, "web", store.clock()).change(lambda state: replace(state, channels={"stable": "1"}))
    assert store.files == {}


def test_a_record_stays_that_is_whole_but_for_its_padding():
    store = MemoryStore()

    def upload(name, content):
        store.put(name, content.rstrip() + b"\0" * (len(content) - len(content.rstrip())))
        raise GoldenError(f"writing {name}", "no space is left")

    store.upload = upload
    state = Journal(store, "web", store.clock()).change(lambda state: replace(state, channels={"stable": "1"}))
    assert state.channels == {"stable": "1"}
    assert len(store.files) == 1


def test_what_is_as_wanted_is_not_written():
    store = MemoryStore()
    first = Journal(store, "web", store.clock()).change(assigning("a", "1"))
    assert Journal(store, "web", store.clock()).change(assigning("a", "1")) == first
    assert len(store.files) == 1


def test_a_record_is_json_that_says_the_whole_state_and_what_it_builds_on():
    store = MemoryStore()
    for version in ("1", "2"):
        Journal(store, "web", store.clock()).change(assigning("stable", version))
    first, second = (json.loads(store.files[name]) for name in sorted(store.files))
    assert (second["golden"], second["schema"]) == ("journal", 1)
    assert second["content"]["channels"] == {"stable": "2"}
    assert second["content"]["base"] == {"serial": 1, "sha256": first["sha256"]}
    assert [(change["serial"], change["to"]) for change in second["content"]["history"]] == [(1, "1"), (2, "2")]


def test_the_history_in_a_record_has_a_limit():
    store = MemoryStore()
    for number in range(journal.REMEMBERED + 5):
        state = Journal(store, "web", store.clock()).change(assigning("a", str(number)))
    assert [change["to"] for change in state.history] == [str(number) for number in range(5, journal.REMEMBERED + 5)]


def test_a_record_of_a_newer_schema_is_refused_not_passed_over():
    store = MemoryStore()
    Journal(store, "web", store.clock()).change(assigning("a", "1"))
    name = "golden.web.journal.000001.json"
    store.files[name] = store.files[name].replace(b'"schema": 1', b'"schema": 2')
    with pytest.raises(GoldenError, match="schema 2.*Update the collection"):
        Journal(store, "web", store.clock()).change(assigning("a", "2"))


def test_other_images_journals_are_left_alone():
    store = MemoryStore()
    Journal(store, "db", store.clock()).change(assigning("a", "9"))
    assert Journal(store, "web", store.clock()).change(assigning("a", "1")).serial == 1
    assert Journal(store, "db", store.clock()).settled()[1].state.channels == {"a": "9"}
