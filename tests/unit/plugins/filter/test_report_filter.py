# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report shows: several hypervisors' images put together, and their lineage drawn."""

from __future__ import annotations

import pytest
from ansible_collections.golden.libvirt.plugins.filter.html import escaped
from ansible_collections.golden.libvirt.plugins.filter.report import report


def version(name, parent=None, **more):
    return {
        "version": name,
        "created": f"2026-01-{int(name):02d}T00:00:00Z",
        "lineage": {"image": "web", "version": parent} if parent else None,
        "state": "active",
        "channels": [],
        "disks": [{"target": "vda", "sha256": "a", "size": 2048}],
        **more,
    }


def image(*versions, clones=(), channels=None, history=()):
    return {
        "name": "web",
        "versions": list(versions),
        "channels": channels or {},
        "history": list(history),
        "claims": [],
        "deleted": [],
        "clones": list(clones),
    }


def drawn(*versions):
    return report({"kvm": [image(*versions)]})["images"][0]["drawing"]


def lanes(drawing):
    return [node["lane"] for node in drawing["nodes"]]


def test_a_line_is_drawn_in_one_lane_and_siblings_wait_for_their_parent_in_one():
    line = drawn(version("1"), version("2", "1"), version("3", "2"))
    assert (lanes(line), line["lanes"]) == ([0, 0, 0], 1)
    star = drawn(version("1"), *(version(str(number), "1") for number in range(2, 12)))
    assert star["lanes"] == 2
    assert lanes(star) == [0, *[1] * 9, 0]
    assert {(edge["track"], edge["to"]) for edge in star["edges"]} == {(0, 10)}


def test_branches_that_live_side_by_side_get_a_lane_each():
    found = drawn(version("1"), version("2", "1"), version("3", "1"), version("4", "2"), version("5", "3"))
    assert (lanes(found), found["lanes"]) == ([0, 1, 0, 1, 0], 2)


def test_a_parent_elsewhere_or_gone_is_named():
    found = drawn(version("1", "0"), version("2", lineage={"image": "base", "version": "9"}))
    assert [node["outside"] for node in found["nodes"]] == ["base 9", "web 0"]


def test_hypervisors_are_put_together_and_what_differs_is_told():
    other = version("2", disks=[{"target": "vda", "sha256": "b", "size": 2048}], state="revoked", reason="leaks")
    told = {"kvm1": [image(version("1"), version("2"))], "kvm2": [image(version("1"), other, channels={"stable": "1"})]}
    (found,) = report(told)["images"]
    assert [(of["version"], of["on"], of["differs"], of["state"]) for of in found["versions"]] == [
        ("2", ["kvm1", "kvm2"], True, "revoked"),
        ("1", ["kvm1", "kvm2"], False, "active"),
    ]
    (channel,) = found["channels"]
    assert (channel["points"], channel["agreed"]) == ({"kvm1": None, "kvm2": "1"}, False)


def test_the_table_shows_what_is_used_and_the_newest_and_counts_the_rest():
    clone = {"name": "c", "version": "2", "outdated": True}
    versions = [version(str(number)) for number in range(1, 20)]
    found = report({"kvm1": [image(*versions, clones=[clone])], "kvm2": []})
    assert found["text"] == [
        "IMAGE  VERSION    STATE   CHANNELS  CREATED           SIZE     CLONES         ON",
        *(
            f"web    {number}         active            2026-01-{number} 00:00  2.0 KiB  0              kvm1"
            for number in range(19, 14, -1)
        ),
        "web    2          active            2026-01-02 00:00  2.0 KiB  1 (1 flagged)  kvm1",
        "web    … 13 more",
    ]
    assert found["hypervisors"][0] == {"name": "kvm1", "versions": 19, "bytes": 38912, "clones": 1, "flagged": 1}


@pytest.mark.parametrize("told", [{}, {"kvm": []}, {"kvm": [image()]}])
def test_nothing_makes_an_empty_report(told):
    assert len(report(told)["text"]) == 1


def test_texts_are_escaped_however_deep():
    assert escaped({"<a>": ["<b>", {"c": ('"', 1, None)}]}) == {"&lt;a&gt;": ["&lt;b&gt;", {"c": ["&quot;", 1, None]}]}
