# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of images: lineage, clones and which of them are behind."""

from __future__ import annotations

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Domain,
    Lineage,
    Memory,
    Origin,
    Record,
    State,
    Version,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.report import (
    Descendant,
    Held,
    Holding,
    hypervisor_facts,
    report,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.verify import Finding


def version(name, parent=None, image="web"):
    return Version(image, name, "t", "me", "<domain/>", lineage=Lineage(*parent) if parent else None)


def clone(name, image="web", of="1", channel=None, chain=None, linked=False):
    origin = Origin(image, of, channel, linked, "then") if image else None
    return Descendant(Domain(name, f"u-{name}", "shutoff", "", record=Record(origin=origin)), chain)


@pytest.mark.parametrize(
    ("descendant", "flags"),
    [
        (clone("a", channel="stable"), {"outdated"}),
        (clone("a", of="2", channel="stable"), {"deprecated"}),
        (clone("a", of="2"), {"deprecated"}),
        (clone("a", channel="gone"), {"outdated"}),
        (clone("a"), set()),
        (clone("a", of="3"), {"revoked"}),
        (clone("a", of="8"), {"orphaned"}),
        (clone("a", of="1", channel="stable", chain=Lineage("web", "2")), {"deprecated"}),
        (clone("a", image=None, chain=Lineage("web", "1")), set()),
    ],
)
def test_a_clone_is_flagged(descendant, flags):
    states = {"2": {"state": "deprecated"}, "3": {"state": "revoked"}}
    holding = Holding("web", [version(name) for name in "123"], State(channels={"stable": "2"}, states=states))
    (found,) = report([holding], [descendant])
    (told,) = found["clones"]
    assert {name for name in ("outdated", "deprecated", "revoked", "orphaned") if told[name]} == flags


def test_descendants_of_other_images_are_left_out():
    (found,) = report([Holding("web", [version("1")])], [clone("a", image="db"), clone("b", image=None)])
    assert found["clones"] == []


def test_a_clone_has_drifted_where_the_volumes_that_it_is_linked_to_have():
    findings = {
        "1": [Finding("v", "tampered", "flipped", "do")],
        "2": [Finding("v", "owner", "given away", "do", note=True), Finding("m", "untrusted", "by nobody", "do")],
    }
    holding = Holding("web", [version("1"), version("2")], findings=findings)
    (found,) = report([holding], [clone("a", linked=True), clone("b", of="2", linked=True), clone("c")])
    assert {told["name"]: told["drifted"] for told in found["clones"]} == {"a": True, "b": False, "c": None}
    assert [told["problems"] for told in found["versions"]] == [["flipped"], ["by nobody"]]
    assert [len(told["findings"]) for told in found["versions"]] == [1, 2]


def test_ancestors_are_told_to_the_first_that_is_gone():
    versions = [version("4", ("base", "3")), version("5", ("web", "4"))]
    above = {Lineage("web", "4"): versions[0], Lineage("base", "3"): version("3", ("base", "2"), image="base")}
    (found,) = report([Holding("web", versions, above=above)], [])
    assert found["versions"][1]["ancestors"] == ["web 4", "base 3", "base 2"]


def test_lineage_runs_over_images():
    holdings = [
        Holding("base", [version("1", image="base"), version("2", ("base", "1"), image="base")]),
        Holding("web", [version("5", ("base", "1")), version("6", ("web", "5")), version("7", ("web", "4"))]),
    ]
    base, web = report(holdings, [clone("a", of="6")])
    (root,) = base["lineage"]
    assert [(of["image"], of["version"]) for of in root["children"]] == [("base", "2"), ("web", "5")]
    assert root["children"][1]["children"][0]["clones"] == ["a"]
    assert [of["version"] for of in web["lineage"]] == ["5", "7"]


def test_versions_that_claim_to_be_each_others_parents_end_somewhere():
    versions = [version("1", ("web", "2")), version("2", ("web", "1")), version("3", ("web", "3"))]
    assert report([Holding("web", versions)], [])


def test_what_is_unfinished_is_told_with_who_holds_it():
    held = Held("4", ("golden.web.4.vda.qcow2",), "process 7 on there", alive=True)
    (found,) = report([Holding("web", unfinished=[held])], [])
    assert found["claims"] == [
        {"version": "4", "volumes": ["golden.web.4.vda.qcow2"], "holder": "process 7 on there", "alive": True}
    ]


CLONE = Record(origin=Origin("web", "1", None, True, "then"))


@pytest.mark.parametrize(
    ("available", "domains", "free"),
    [
        (7000, [], 7000),
        # What runs may come to use more than it does now; what is off and no clone may stay off.
        (7000, [("running", Record(), 3000)], 5000),
        (4000, [("paused", CLONE, 3000)], 4000),
        (7000, [("shutoff", Record(), 3000)], 7000),
        (7000, [("shutoff", CLONE, 3000)], 4000),
        (7000, [("running", CLONE, 3000), ("shutoff", CLONE, 1000)], 4000),
        (7000, [("running", Record(), 9000)], 0),
    ],
)
def test_memory_that_more_machines_can_have(available, domains, free):
    there = [
        Domain(f"d{number}", "u", state, "", record=record, memory=memory)
        for number, (state, record, memory) in enumerate(domains)
    ]
    found = hypervisor_facts(Memory(8000, available), there)
    assert (found["memory"], found["memory_free"], len(found["domains"])) == (8000, free, len(domains))
