# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots, reverts and deletions at random against a model that keeps copies of the bytes.

    pytest tests/integration/test_snapshot_model.py --stack trixie --steps 5000 --seed 7

With GOLDEN_TEST_DIR on a tmpfs it is several times as quick.
"""

from __future__ import annotations

import random

from support.model import SORTS, Machine

LIFE = 40  # steps of each machine


def test_whatever_is_done_the_bytes_are_those_of_the_model(lab, pytestconfig):
    seed, steps = pytestconfig.getoption("--seed"), pytestconfig.getoption("--steps")
    for life in range(-(-steps // LIFE)):
        dice = random.Random(f"{seed} {life}")
        # Each sort in turn, whatever the seed, so that a short run sees them all.
        machine = Machine(lab, dice, SORTS[(seed + life) % len(SORTS)], f"m{life}")
        done = [f"{machine.sort}"]
        try:
            for _step in range(min(LIFE, steps - life * LIFE)):
                done.append(machine.step())
                machine.check()
            machine.end()
        except BaseException as err:
            raise AssertionError("\n  ".join([f"seed {seed}, machine {life}, after", *done])) from err
