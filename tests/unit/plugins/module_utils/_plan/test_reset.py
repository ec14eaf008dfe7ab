# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone's way to a version: everything new is made before anything old goes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Made, Origin, Record, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan import clone, reset
from ansible_collections.golden.libvirt.plugins.module_utils._plan.leavings import Leavings
from ansible_collections.golden.libvirt.plugins.module_utils._plan.parts import Part
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import domain_of

XML = """<domain type='qemu'><name>web-01</name><uuid>u-1</uuid><genid>old</genid>
<os><type>hvm</type><nvram>/p/web-01.nvram.fd</nvram></os>
<devices><disk type='file'><driver name='qemu' type='qcow2'/>
<source file='/p/web-01.vda.qcow2'/><target dev='vda' bus='virtio'/></disk>
<disk type='file'><driver name='qemu' type='raw'/>
<source file='/p/web-01.seed.iso'/><target dev='vdb' bus='virtio'/><readonly/></disk>
<disk type='file'><driver name='qemu' type='raw'/>
<source file='/data/mine.raw'/><target dev='vdc' bus='virtio'/></disk>
<interface type='user'><mac address='52:54:00:00:00:01'/></interface></devices></domain>"""
NAMES = ("web-01.vda.qcow2", "web-01.nvram.fd", "web-01.seed.iso")
ORIGIN = Origin("web", "4", "stable", True, "2026", made=tuple(Made("golden", name) for name in NAMES))
SOURCE = clone.Source(
    words="web 5",
    template="",
    disks=(Part("vda", "/p/golden.web.5.vda.qcow2", "qcow2", 10),),
    nvram=Part("nvram", "/p/golden.web.5.nvram.fd", "raw", 5),
    image="web",
    version="5",
)
RESET = reset.Reset(SOURCE, "keep", False, "new")


def there(origin: Origin = ORIGIN, state: str = "running", taken: tuple[str, ...] = NAMES, **options) -> reset.Clone:
    domain = replace(domain_of(XML, state), record=Record(origin))
    backing = "/p/golden.web.4.vda.qcow2" if origin.linked else None
    volumes = {f"/p/{name}": Volume("golden", name, f"/p/{name}", "qcow2", 10, 3, 3, backing=backing) for name in taken}
    return reset.Clone(domain, origin, "golden", "/p", taken, volumes, **options)


def test_snapshots_go_only_by_force_and_when_the_new_disks_are_in_use():
    leavings = Leavings((Volume("golden", "x.s1", "/p/x.s1", "qcow2", 1, 1, 1),), ("s1",), saved=True)
    said = words(reset.plan_reset(replace(RESET, force=True), there(state="shutoff", leavings=leavings)))
    assert said[5:10] == [
        "define domain web-01",
        "discard saved memory web-01",
        "mark clone web-01 True",
        "forget snapshot web-01 s1",
        "delete volume golden x.s1",
    ]


def words(plan) -> list[str]:
    return [" ".join(str(value) for value in list(action.describe().values())[:3]) for action in plan.actions]


def test_the_old_goes_when_the_new_runs():
    plan = reset.plan_reset(RESET, there())
    assert words(plan) == [
        "check domain web-01",
        "mark domain web-01",
        "create volume golden web-01.vda.2.qcow2",
        "copy volume /p/golden.web.5.nvram.fd golden",
        "check domain web-01",
        "stop domain web-01",
        "define domain web-01",
        "start domain web-01 False",
        "mark clone web-01 True",
        "delete volume golden web-01.vda.qcow2",
        "delete volume golden web-01.nvram.fd",
        "mark domain web-01",
    ]
    assert (plan.result["previous_version"], plan.result["version"]) == ("4", "5")
    assert plan.result["discarded"] == [{"disk": "vda", "file": "/p/web-01.vda.qcow2", "bytes": 3}]


def test_the_machine_stays_itself_and_what_was_made_is_known_at_every_step():
    plan = reset.plan_reset(RESET, there())
    first, define, last = plan.actions[1], plan.actions[6], plan.actions[-1]
    now = domain_of(define.xml, "running")
    assert (now.name, now.uuid, now.macs) == ("web-01", "u-1", ("52:54:00:00:00:01",))
    assert [disk.path for disk in now.disks] == ["/p/web-01.vda.2.qcow2", "/p/web-01.seed.iso", "/data/mine.raw"]
    assert now.firmware.nvram == "/p/web-01.nvram.2.fd"
    assert "<genid>new</genid>" in define.xml
    new = {"web-01.vda.2.qcow2", "web-01.nvram.2.fd"}
    for record in (first.record, now.record):
        assert {made.volume for made in record.origin.made} == {*NAMES, *new}
    assert {made.volume for made in last.record.origin.made} == {"web-01.seed.iso", *new}
    assert (first.record.origin.version, last.record.origin.version) == ("4", "5")


@pytest.mark.parametrize(
    ("power", "state", "started"),
    [
        ("keep", "running", ["start domain web-01 False"]),
        ("keep", "paused", ["start domain web-01 True"]),
        ("keep", "shutoff", []),
        ("running", "shutoff", ["start domain web-01 False"]),
        ("shutoff", "running", []),
        ("paused", "shutoff", ["start domain web-01 True"]),
    ],
)
def test_power(power, state, started):
    said = words(reset.plan_reset(replace(RESET, power=power), there(state=state)))
    assert [text for text in said if text.startswith("start")] == started
    assert ("stop domain web-01" in said) is (state != "shutoff")


def test_a_full_clone_gets_a_copy():
    said = words(reset.plan_reset(RESET, there(replace(ORIGIN, linked=False))))
    assert said[2] == "copy volume /p/golden.web.5.vda.qcow2 golden"


def test_what_a_killed_run_left_goes_too():
    stale = Made("golden", "web-01.vda.2.qcow2")
    clone_there = there(replace(ORIGIN, made=(*ORIGIN.made, stale)), taken=(*NAMES, stale.volume))
    said = words(reset.plan_reset(RESET, clone_there))
    assert "create volume golden web-01.vda.3.qcow2" in said
    assert "delete volume golden web-01.vda.2.qcow2" in said


def test_all_obstacles_at_once():
    source = replace(SOURCE, disks=(*SOURCE.disks, clone.Part("vdz", "/p/z", "raw", 1)), refusal=Refused("", "revoked"))
    with pytest.raises(Refused) as refused:
        reset.plan_reset(
            replace(RESET, source=source),
            there(replace(ORIGIN, complete=False), leavings=Leavings(snapshots=("s1",), saved=True)),
        )
    assert len(refused.value.obstacles) == 5


def test_the_agents_part_is_told_to_be_lost():
    plan = reset.plan_reset(RESET, there(replace(ORIGIN, customised=True)))
    assert any("told through its agent or offline is lost" in warning for warning in plan.warnings)
    assert not plan.actions[-1].record.origin.customised


def test_what_was_chosen_of_the_disks_stays_so():
    xml = (
        XML.replace(
            "<os>",
            "<sysinfo type='fwcfg'><entry name='opt/io.systemd.credentials/a' "
            "file='/p/web-01.credential-a.bin'/></sysinfo><os>",
        )
        .replace("/data/mine.raw", "/p/golden.web.4.vdc.raw")
        .replace("/p/web-01.vda.qcow2", "/f/web-01.vda.qcow2")
    )
    made = (Made("fast", "web-01.vda.qcow2"), Made("golden", "web-01.credential-a.bin"))
    origin = replace(ORIGIN, made=made, skipped=("vde",), shared=("vdc",))
    volumes = {
        "/f/web-01.vda.qcow2": Volume("fast", "web-01.vda.qcow2", "/f/web-01.vda.qcow2", "qcow2", 99, 1, 1),
        "/p/web-01.credential-a.bin": Volume(
            "golden", "web-01.credential-a.bin", "/p/web-01.credential-a.bin", "raw", 1, 1, 1
        ),
    }
    domain = replace(domain_of(xml, "shutoff"), record=Record(origin))
    parts = [Part(f"vd{letter}", f"/p/golden.web.5.vd{letter}.qcow2", "qcow2", 10) for letter in "ace"]
    asked = replace(RESET, source=replace(SOURCE, disks=tuple(parts), nvram=None))
    there = [volume.name for volume in volumes.values()]
    plan = reset.plan_reset(asked, reset.Clone(domain, origin, "golden", "/p", there, volumes))
    assert words(plan) == [
        "check domain web-01",
        "mark domain web-01",
        "copy volume /p/golden.web.5.vda.qcow2 fast",
        "grow volume fast web-01.vda.2.qcow2",
        "check domain web-01",
        "define domain web-01",
        "mark clone web-01 True",
        "delete volume fast web-01.vda.qcow2",
        "mark domain web-01",
    ]
    disks = {disk.target: disk.path for disk in domain_of(plan.actions[5].xml, "shutoff").disks}
    assert (disks["vda"], disks["vdc"]) == ("/f/web-01.vda.2.qcow2", "/p/golden.web.5.vdc.qcow2")
    assert plan.actions[-1].record.origin.made == (Made("fast", "web-01.vda.2.qcow2"), made[1])
