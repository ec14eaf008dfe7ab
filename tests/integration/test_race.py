# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hypervisors that share an image pool's directory: nothing but the files is common to their daemons."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import versions
from support.lab import Lab
from support.stack import stack

WRITERS = 8


@pytest.fixture
def labs(lab: Lab) -> Iterator[list[Lab]]:
    """Two hypervisors with a pool of the same name over the same directory, which has versions 1 to 8 of image web."""
    for number in range(1, WRITERS + 1):
        versions.add(lab, "web", str(number))
    with stack() as uri:
        second = Lab(uri, lab.prefix, lab.path)
        yield [lab, second]
        second.conn.close()


def race(labs: list[Lab], args: t.Callable[[int], dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The results of eight runs of channel at once, half of them on either hypervisor."""

    def write(writer: int) -> dict[str, t.Any]:
        lab = labs[writer % len(labs)]
        return lab.run("channel", {"image": "web", "image_pool": lab.pool, "version": str(writer + 1), **args(writer)})

    return at_once(write)


def at_once(write: t.Callable[[int], dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    with ThreadPoolExecutor(WRITERS) as runs:
        return list(runs.map(write, range(WRITERS)))


def image(lab: Lab) -> dict[str, t.Any]:
    (found,) = lab.run("image_info", {"image": "web", "image_pool": lab.pool})["images"]
    return found


def test_of_eight_writers_on_two_daemons_no_change_is_lost(labs):
    wanted = {f"writer{writer}-{number}": str(writer + 1) for writer in range(WRITERS) for number in range(5)}
    results = race(labs, lambda writer: {"names": [name for name in wanted if name.startswith(f"writer{writer}-")]})
    assert [result["msg"] for result in results if result.get("failed")] == []
    for lab in labs:
        found = image(lab)
        assert found["channels"] == wanted
        assert sorted((change["channel"], change["to"]) for change in found["history"]) == sorted(wanted.items())


def test_of_eight_that_expect_the_same_channel_one_moves_it(labs):
    results = race(labs, lambda writer: {"name": "stable", "expect_current": ""})
    winners = [result["channels"][0]["version"] for result in results if not result.get("failed")]
    assert len(winners) == 1
    for lab in labs:
        assert image(lab)["channels"] == {"stable": winners[0]}
    for result in results:
        assert not result.get("failed") or ("stable" in result["msg"] and not result["changed"]), result


def test_of_eight_that_bring_a_channel_back_all_find_it_there(labs):
    for version in ("1", "2", "3"):
        labs[0].run("channel", {"image": "web", "image_pool": labs[0].pool, "version": version, "name": "stable"})
    results = race(labs, lambda writer: {"name": "stable", "version": "previous"})
    assert [result["channels"][0]["version"] for result in results] == ["2"] * WRITERS
    assert [result["changed"] for result in results].count(True) >= 1
    assert [change["to"] for change in image(labs[1])["history"]] == ["1", "2", "3", "2"]


def promoted_at_once(labs: list[Lab], **options: t.Any) -> list[dict[str, t.Any]]:
    """The results of eight promotes of a domain each, whose disks start with the number of the domain."""
    machines = [labs[writer % len(labs)].machine(f"m{writer}") for writer in range(WRITERS)]
    for writer, name in enumerate(machines):
        labs[0].write(labs[0].file(f"{name}.vda.qcow2"), f"machine {writer}".encode())

    def promote(writer: int) -> dict[str, t.Any]:
        lab = labs[writer % len(labs)]
        asked = {"domain": machines[writer], "image": "web", "image_pool": lab.pool, "sealed": False}
        return lab.run("promote", {**asked, **options})

    return at_once(promote)


def test_of_eight_that_promote_to_the_same_version_one_makes_it_whole(labs):
    results = promoted_at_once(labs, version="v1", channels=["candidate"])
    (winner,) = [writer for writer, result in enumerate(results) if not result.get("failed")]
    assert labs[0].read(labs[0].file("golden.web.v1.vda.qcow2"), 9) == f"machine {winner}".encode()
    for result in results:
        assert not result.get("failed") or "is being made by process" in result["msg"] or "exists" in result["msg"]
    for lab in labs:
        asked = {"image": "web", "image_pool": lab.pool, "verify": True}
        (found,) = lab.run("image_info", asked)["images"]
        assert (found["channels"], found["claims"]) == ({"candidate": "v1"}, [])
        assert {of["version"]: of["problems"] for of in found["versions"]}["v1"] == []


def test_eight_that_promote_to_the_next_version_make_one_each(labs):
    results = promoted_at_once(labs)
    assert [result["msg"] for result in results if result.get("failed")] == []
    made = {result["versions"][0]["version"]: writer for writer, result in enumerate(results)}
    assert sorted(made, key=int) == [str(WRITERS + number) for number in range(1, WRITERS + 1)]
    for version, writer in made.items():
        assert labs[0].read(labs[0].file(f"golden.web.{version}.vda.qcow2"), 9) == f"machine {writer}".encode()
