# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flattening: what is done, and all that stands in the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Origin, Record
from ansible_collections.golden.libvirt.plugins.module_utils._plan.flatten import plan_flatten
from ansible_collections.golden.libvirt.tests.unit.plugins.module_utils._plan.machines import (
    disk,
    done,
    internal,
    machine,
    volume,
)

VERSION = "/pool/golden.web.1.vda.qcow2"
TOP = "/pool/web.vda.qcow2"
ORIGIN = Origin("web", "1", None, True, "then")


def clone(**options):
    """A linked clone with a disk of its own beside."""
    survey = machine(disk(), disk("vdb"), files=[volume(TOP, VERSION), volume(VERSION)], **options)
    return replace(survey, domain=replace(survey.domain, record=Record(ORIGIN)))


def plan(survey, asked=None, checkpoints=0, room=1000):
    return plan_flatten(survey, asked, checkpoints, {"pool": room})


def test_what_is_done():
    assert done(plan(clone(state="running")).actions) == ["flatten disks", "mark domain"]
    assert done(plan(clone()).actions) == ["start domain paused", "flatten disks", "mark domain", "stop domain"]
    assert plan(clone(), ["vdb"]).actions == ()


def test_the_diff_tells_the_chains():
    found = plan(clone())
    assert found.before == {"disks": {"vda": [TOP, VERSION], "vdb": ["/pool/web.vdb.qcow2"]}, "linked": True}
    assert found.after == {"disks": {"vda": [TOP], "vdb": ["/pool/web.vdb.qcow2"]}, "linked": False}


def test_flat_is_marked_where_the_metadata_lags_behind():
    survey = clone()
    flat = replace(survey, files={**survey.files, TOP: volume(TOP)})
    assert done(plan(flat).actions) == ["mark domain"]


@pytest.mark.parametrize(
    ("survey", "options", "said"),
    [
        (clone(snapshots=[internal("one")]), {}, "its snapshot one depends"),
        (clone(), {"checkpoints": 2}, "2 checkpoints"),
        (clone(saved=True), {}, "managed save"),
        (clone(persistent=False), {}, "transient"),
        (clone(state="paused"), {}, "it is paused"),
        (clone(), {"room": 5}, "pool pool has 0 MiB left"),
        (clone(), {"asked": ["vdc"]}, "no disk vdc (there: vda, vdb)"),
    ],
)
def test_what_stands_in_the_way(survey, options, said):
    with pytest.raises(Refused) as refused:
        plan(survey, **options)
    assert said in str(refused.value)
