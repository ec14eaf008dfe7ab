# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims on a version by several who want to make it, interleaved, some of them killed."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Overtaken
from ansible_collections.golden.libvirt.plugins.module_utils._image import claims, holder, journal, manifest
from ansible_collections.golden.libvirt.plugins.module_utils._image.claims import Claims
from ansible_collections.golden.libvirt.plugins.module_utils._model import Holder, Version
from ansible_collections.golden.libvirt.tests.unit.plugins.module_utils._image.steps import (
    Killed,
    MemoryStore,
    Stage,
    orders,
)

VOLUME = "golden.web.4.manifest.json"
FAR = 10**10


def version_by(number):
    return Version("web", "4", "2026-01-01T00:00:00Z", f"user {number}", "<domain/>")


def version_in(raw):
    return manifest.version_in(raw, "web", "4")


def holder_of(number, until=FAR):
    return Holder("here", "boot", number, "1", until)


def stage_of(users):
    """A stage on which each user claims version 4, makes it and commits it; the disk says who wrote it last."""
    stage = Stage()

    def alive(other):
        return not stage.users[other.pid].killed and not stage.users[other.pid].ended

    def promote(number):
        mine = Claims(stage.store, "web", holder_of(number), stage.store.clock(), alive)
        mine.take("4", 500)
        for piece in range(2):
            stage.store.step(f"copy {piece}")
            stage.store.files["disk"] = f"{number}".encode()
        mine.commit(version_by(number))
        return number

    for number in range(users):
        stage.add(lambda number=number: promote(number))
    return stage


def check_one_made_it(stage, killed):
    """At most one is told that it made the version, and what is visible is whole: the disk is its own."""
    made = [user.outcome for user in stage.users if isinstance(user.outcome, int)]
    others = [user.outcome for user in stage.users if not isinstance(user.outcome, int)]
    assert all(isinstance(outcome, (Overtaken, Killed)) for outcome in others), others
    visible = version_in(stage.store.files[VOLUME]) if VOLUME in stage.store.files else None
    if visible:
        assert visible == version_by(int(stage.store.files["disk"]))
    assert [version_by(number) for number in made] in ([], [visible])
    assert made or killed is not None or not visible


def test_of_two_who_claim_a_version_one_makes_it_in_any_order_of_their_steps():
    wins = 0
    for order in orders(2, 30, 2):
        stage = stage_of(2)
        stage.play(order)
        check_one_made_it(stage, None)
        wins += any(isinstance(user.outcome, int) for user in stage.users)
    assert wins


def test_a_run_killed_at_any_step_leaves_what_the_next_one_takes_over():
    for steps in range(40):
        stage = stage_of(2)
        stage.play([0] * steps, kill=0)
        check_one_made_it(stage, 0)
        first, second = stage.users
        if isinstance(first.outcome, Killed) and not version_in(stage.store.files[VOLUME]):
            pytest.fail(f"killed after {steps} steps, the second run got {second.outcome!r}")
        assert version_in(stage.store.files[VOLUME])


@pytest.mark.parametrize("seed", range(30))
def test_three_runs_and_a_death_at_random_make_at_most_one_version(seed):
    choice = random.Random(seed)
    for _repeat in range(30):
        stage = stage_of(3)
        killed = choice.choice([None, 0, 1])
        stage.play([choice.randrange(3) for _step in range(choice.randrange(80))], kill=killed)
        check_one_made_it(stage, killed)


def of_two_rerunners(order):
    stage = stage_of(3)
    stage.users[0].until("copy 0")
    stage.users[0].kill()
    stage.play([number + 1 for number in order])
    return stage


def test_of_two_who_take_a_dead_claim_over_one_makes_the_version():
    for order in orders(2, 24, 2):
        stage = of_two_rerunners(order)
        check_one_made_it(stage, 0)
        assert [isinstance(user.outcome, int) for user in stage.users[1:]].count(True) == 1


def claims_in(store, number=1, alive=lambda other: True, until=FAR):
    return Claims(store, "web", holder_of(number, until), store.clock(journal.STEP), alive)


def claimed(store):
    return journal.Journal(store, "web", store.clock()).settled()[1].state.claims


def test_a_claim_says_in_the_journal_who_holds_it_and_is_no_version():
    store = MemoryStore()
    claims_in(store).take("4", 500)
    assert claimed(store) == {"4": holder_of(1)}
    assert version_in(store.files[VOLUME]) is None


def test_a_complete_version_is_one_json_object_and_claimed_no_more():
    store = MemoryStore()
    mine = claims_in(store)
    mine.take("4", 500)
    mine.commit(version_by(1))
    found = json.loads(store.files[VOLUME])
    assert (found["golden"], found["schema"], found["content"]["version"]) == ("manifest", 1, "4")
    assert claimed(store) == {}


def test_a_manifest_torn_at_any_byte_is_no_version():
    whole = manifest.bytes_of(version_by(1)).rstrip()
    for length in range(len(whole)):
        assert version_in(whole[:length].ljust(8192, b"\0")) is None
    assert version_in(whole.ljust(8192, b"\0")) == version_by(1)
    assert manifest.version_in(whole, "web", "3") is None
    assert manifest.version_in(whole, "db", "4") is None


def test_a_manifest_with_any_byte_changed_is_another_or_none():
    whole = manifest.bytes_of(version_by(1)).rstrip()
    start = whole.index(b'"content"')
    for place in range(start, len(whole)):
        assert version_in(whole[:place] + b"x" + whole[place + 1 :]) in (None, version_by(1))


def test_a_claim_forgets_the_digests_of_another_version_of_that_name():
    store, mine = MemoryStore(), {"3": {"a": "d"}, "4": {"b": "d"}}
    journal.Journal(store, "web", store.clock()).change(lambda state: replace(state, digests=mine))
    claims_in(store).take("4", 500)
    assert journal.Journal(store, "web", store.clock()).settled()[1].state.digests == {"3": {"a": "d"}}


def test_a_living_holders_claim_is_left_alone():
    store = MemoryStore()
    claims_in(store, 1).take("4", 500)
    before = dict(store.files)
    with pytest.raises(Overtaken, match="being made by process 1 on here"):
        claims_in(store, 2).take("4", 500)
    assert store.files == before


def test_a_dead_holders_claim_is_taken_over_and_may_grow():
    store = MemoryStore()
    claims_in(store, 1).take("4", 500)
    heir = claims_in(store, 2, alive=lambda other: False)
    heir.take("4", 50_000)
    assert claimed(store) == {"4": holder_of(2)}
    assert len(store.files[VOLUME]) > 50_000
    with pytest.raises(Overtaken, match="taken over by process 2"):
        claims_in(store, 1).commit(version_by(1))
    heir.commit(version_by(2))
    assert version_in(store.files[VOLUME]) == version_by(2)


def test_an_empty_manifest_volume_without_a_claim_is_used():
    store = MemoryStore()
    store.put(VOLUME, b"\0" * 8192)
    mine = claims_in(store)
    mine.take("4", 500)
    mine.commit(version_by(1))
    assert version_in(store.files[VOLUME]) == version_by(1)


def test_a_complete_version_is_not_claimed():
    store = MemoryStore()
    mine = claims_in(store)
    mine.take("4", 500)
    mine.commit(version_by(1))
    with pytest.raises(Overtaken, match="completed meanwhile"):
        claims_in(store, 2, alive=lambda other: False).take("4", 500)
    mine.release("4")
    assert version_in(store.files[VOLUME]) == version_by(1)


@pytest.mark.parametrize("before", [False, True])
def test_a_released_claim_leaves_nothing_that_blocks(before):
    store = MemoryStore()
    if before:
        claims_in(store, 1).take("4", 500)
    mine = claims_in(store, 2, alive=lambda other: False)
    mine.take("4", 500)
    mine.release("4")
    assert VOLUME not in store.files
    claims_in(store, 3).take("4", 500)


def test_a_claim_that_was_taken_over_is_not_released():
    store = MemoryStore()
    claims_in(store, 1).take("4", 500)
    claims_in(store, 2, alive=lambda other: False).take("4", 500)
    claims_in(store, 1).release("4")
    assert VOLUME in store.files
    assert claimed(store) == {"4": holder_of(2)}


def test_a_lease_that_is_about_to_end_is_renewed_before_the_commit():
    store = MemoryStore()
    mine = claims_in(store, until=int(store.time) + claims.MARGIN_SECONDS - 1)
    mine.take("4", 500)
    mine.journal.change(lambda state: mine.renewed(state, "4"))
    assert claimed(store)["4"].until > store.time + claims.MARGIN_SECONDS
    mine.commit(version_by(1))
    assert version_in(store.files[VOLUME]) == version_by(1)


def test_a_manifest_that_reads_otherwise_than_written_is_an_error():
    store = MemoryStore()
    mine = claims_in(store)
    mine.take("4", 500)
    mine.store.upload = lambda name, content: None
    with pytest.raises(GoldenError, match="reads otherwise"):
        mine.commit(version_by(1))


def test_this_process_is_alive_and_one_that_ended_is_not():
    me = holder.this_process()
    assert holder.alive(me)
    assert not holder.alive(Holder(me.host, me.boot, me.pid, "1", FAR))
    assert not holder.alive(Holder(me.host, me.boot, 2**22 + 1, "1", FAR))
    assert holder.alive(Holder("elsewhere", "other boot", 1, "1", FAR))
    assert not holder.alive(Holder("elsewhere", "other boot", 1, "1", 0))
