# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones of all kinds of domains: valid where their source is, sharing nothing, whatever is kept or dropped."""

from __future__ import annotations

import itertools
import pathlib
import random
from functools import cache

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._model import Identity, Origin, Record
from ansible_collections.golden.libvirt.plugins.module_utils._xml import identity, obstacles
from ansible_collections.golden.libvirt.plugins.module_utils._xml.clone import Machine, Storage, clone_xml
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import domain_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml.template import template_of
from ansible_collections.golden.libvirt.tests.unit.plugins.module_utils._xml.grammar import Grammar
from ansible_collections.golden.libvirt.tests.unit.plugins.module_utils._xml.identities import identities, shared
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lxml import etree

HERE = pathlib.Path(__file__)
CORPUS = {
    path.name.split(".")[0]: path.read_text(encoding="utf-8")
    for path in sorted([*HERE.with_name("corpus").glob("*.xml"), *HERE.with_name("identity").glob("*.in.xml")])
}
SCHEMA = pathlib.Path("/usr/share/libvirt/schemas/domain.rng")
DROP = dict.fromkeys(obstacles.FINDERS, "drop")
ORIGIN = Origin("web", "4", "stable", True, "2026-01-01T00:00:00Z", label="shop", skipped=("vdx",), shared=("vdy",))
needs_schema = pytest.mark.skipif(not SCHEMA.exists(), reason="libvirt's schemas are not installed")


@cache
def schema() -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(str(SCHEMA)))


def is_valid(xml: str) -> bool:
    return schema().validate(etree.fromstring(xml))


def clone_of(xml: str, number: int) -> str:
    """The complete clone that the verb makes, with disks, seed and credentials of its own."""
    name = f"clone-{number:04d}"
    count = identity.interface_count(xml)
    macs = tuple(f"52:54:00:{number >> 8:02x}:{number & 255:02x}:{at:02x}" for at in range(count))
    there = domain_of(xml, "shutoff")
    nvram = f"/pool/{name}.nvram.fd" if there.firmware.kind == "uefi" else None
    uuid, generation = (f"{number:08d}-0000-4000-8000-{half * 12}" for half in "ab")
    storage = Storage(
        own={disk.target: f"/pool/{name}.{disk.target}.qcow2" for disk in there.written_disks},
        seed=f"/pool/{name}.seed.iso" if number % 2 else None,
        credentials={"db": f"/pool/{name}.credential-db.bin"} if number % 3 else {},
    )
    return clone_xml(xml, Identity(name, uuid, macs, generation, nvram), Record(ORIGIN), storage, Machine())


@needs_schema
@pytest.mark.parametrize("name", CORPUS)
@pytest.mark.parametrize("choice", ["keep", "drop"])
def test_a_clone_is_valid_where_its_source_is(name, choice):
    assert is_valid(CORPUS[name]), schema().error_log
    settled = obstacles.settled(CORPUS[name], dict.fromkeys(obstacles.FINDERS, choice))
    for number in range(6):
        assert is_valid(clone_of(settled.xml, number)), schema().error_log
    assert is_valid(clone_of(template_of(settled.xml), 1)), schema().error_log


@pytest.mark.parametrize("name", CORPUS)
def test_clones_without_what_cannot_be_shared_share_nothing(name):
    settled = obstacles.settled(CORPUS[name], DROP)
    assert settled.refused == obstacles.obstacles_of(settled.xml) == ()
    domains = [CORPUS[name], *(clone_of(settled.xml, number) for number in range(1, 5))]
    for one, two in itertools.combinations(domains, 2):
        assert shared(one, two) == []


def test_clones_of_all_of_them_share_nothing():
    settled = [obstacles.settled(xml, DROP).xml for xml in CORPUS.values()]
    clones = [clone_of(xml, number) for number, xml in enumerate(settled * 2, 1)]
    for one, two in itertools.combinations(clones, 2):
        assert shared(one, two) == []


@pytest.mark.parametrize("name", CORPUS)
def test_a_clone_of_a_clone_is_as_distinct(name):
    first = clone_of(obstacles.settled(CORPUS[name], DROP).xml, 1)
    second = clone_of(first, 2)
    assert shared(first, second) == []
    assert "clone-0001" not in second


@pytest.mark.parametrize("name", [path.name.split(".")[0] for path in sorted(HERE.with_name("corpus").glob("*.xml"))])
def test_every_obstacle_is_named_with_its_kind_at_once(name):
    refused = obstacles.settled(CORPUS[name], {}).refused
    found = list(obstacles.obstacles(etree.fromstring(CORPUS[name])))
    assert len(refused) == len({obstacle.words for obstacle in found})
    assert bool(refused) is (name != "plain")


# ---- property: any domain that libvirt's schema allows


@cache
def grammar() -> Grammar:
    return Grammar(str(SCHEMA))


@needs_schema
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), kind=st.sampled_from(["keep", "drop"]))
def test_any_domain_of_the_schema_has_valid_clones_that_share_nothing(seed, kind):
    xml = grammar().document(random.Random(seed))
    domain = etree.fromstring(xml)
    assume(domain.find("devices") is not None and domain.find("os/type") is not None)  # libvirt always writes them
    assert is_valid(xml), schema().error_log
    settled = obstacles.settled(xml, dict.fromkeys(obstacles.FINDERS, kind))
    one, two = (clone_of(settled.xml, number) for number in (1, 2))
    assert is_valid(one), schema().error_log
    assert is_valid(clone_of(template_of(settled.xml), 3)), schema().error_log
    if kind == "drop":
        assert settled.refused == obstacles.obstacles_of(settled.xml) == ()
        assert shared(one, two) == shared(one, xml) == []


# ---- property: a valid machine put together from any devices of the corpus

MACHINES = [etree.fromstring(xml) for xml in CORPUS.values() if "x86_64" in xml and "<bootloader>" not in xml]
DEVICES = sorted(
    {
        etree.tostring(device, encoding="unicode", with_tail=False)
        for machine in MACHINES
        for device in machine.find("devices")
    }
)


@needs_schema
@settings(max_examples=150, deadline=None)
@given(
    machine=st.sampled_from(range(len(MACHINES))),
    devices=st.lists(st.sampled_from(DEVICES), max_size=25),
    choices=st.dictionaries(st.sampled_from(sorted(obstacles.FINDERS)), st.sampled_from(["keep", "drop"])),
    numbers=st.lists(st.integers(1, 9999), min_size=2, max_size=2, unique=True),
)
def test_any_valid_machine_has_valid_clones(machine, devices, choices, numbers):
    root = etree.fromstring(etree.tostring(MACHINES[machine]))
    place = root.find("devices")
    for device in place:
        place.remove(device)
    for number, device in enumerate(devices):
        element = etree.fromstring(device)
        for target in element.findall("target[@dev]") if element.tag == "disk" else []:
            target.set("dev", f"vd{'abcdefghijklmnopqrstuvwxy'[number]}")
        place.append(element)
    xml = etree.tostring(root, encoding="unicode")
    if not is_valid(xml):
        return
    kept = obstacles.settled(xml, choices)
    one, two = (clone_of(kept.xml, number) for number in numbers)
    assert is_valid(one), schema().error_log
    dropped = obstacles.settled(xml, DROP).xml
    one, two = (clone_of(dropped, number) for number in numbers)
    assert is_valid(one), schema().error_log
    assert shared(one, two) == shared(one, xml) == []
    assert len(identities(one)["MAC"]) <= identity.interface_count(dropped)
