# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done for a clone, whatever is there of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Disk,
    Domain,
    Holder,
    Limits,
    Made,
    Origin,
    Record,
    Snapshot,
    SnapshotDisk,
    Volume,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan import actions, clone, guest, removal
from ansible_collections.golden.libvirt.plugins.module_utils._plan.identity import Register
from ansible_collections.golden.libvirt.plugins.module_utils._plan.leavings import Leavings, leavings_of
from ansible_collections.golden.libvirt.plugins.module_utils._plan.parts import Choice, Part, Place, Recipe
from ansible_collections.golden.libvirt.plugins.module_utils._plan.removal import Kin
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey
from ansible_collections.golden.libvirt.plugins.module_utils._xml.clone import Machine
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import domain_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import parse

KEY = "ssh-ed25519 AAAA anna"
HOLDER = Holder("host", "boot", 1, "2", 3)
TEMPLATE = """<domain type='qemu'><name>golden-template</name><memory>1</memory><vcpu>1</vcpu>
<os><type>hvm</type></os><devices>
<disk type='file'><driver name='qemu' type='raw' cache='none'/><target dev='vda' bus='virtio'/></disk>
<disk type='file'><driver name='qemu' type='qcow2'/><target dev='vdb' bus='virtio'/></disk>
<interface type='user'/></devices></domain>"""
SOURCE = clone.Source(
    words="web 4",
    template=TEMPLATE,
    disks=(
        Part("vda", "/p/golden.web.4.vda.raw", "raw", 10),
        Part("vdb", "/p/golden.web.4.vdb.qcow2", "qcow2", 20),
    ),
    image="web",
    version="4",
)
WANTED = clone.Wanted(
    source=SOURCE,
    recipe=Recipe(Place("golden", "/p"), True, SOURCE.disks),
    limits=Limits(4096, 8, frozenset({"lan"})),
    channel="stable",
    label="",
    machine=Machine(),
    guest=None,
    start=False,
    wait_for="none",
    wait_timeout=60,
    created="2026-01-01T00:00:00Z",
    holder=HOLDER,
)
MADE = (Made("golden", "web-01.vda.qcow2"), Made("golden", "web-01.vdb.qcow2"))
ORIGIN = Origin("web", "4", "stable", True, "2026-01-01T00:00:00Z", made=MADE)


def there(origin: Origin | None = ORIGIN, state: str = "shutoff") -> Domain:
    return Domain("web-01", "u-1", state, "<domain/>", record=Record(origin))


def planned(wanted=WANTED, domain=None, volumes=(), busy=False):
    taken = {"golden": volumes}
    return clone.plan_clone(wanted, "web-01", domain, Register("h", ()), volumes=taken, busy=busy)


def recipe(**options):
    """WANTED with another recipe."""
    return replace(WANTED, recipe=replace(WANTED.recipe, **options))


def words(plan) -> list[str]:
    return [" ".join(str(value) for value in list(action.describe().values())[:3]) for action in plan.actions]


def test_a_new_clone_is_defined_first_and_marked_last():
    plan = planned()
    assert words(plan) == [
        "define domain web-01",
        "create volume golden web-01.vda.qcow2",
        "create volume golden web-01.vdb.qcow2",
        "mark clone web-01 True",
    ]
    assert [(action.backing, action.backing_format) for action in plan.actions[1:3]] == [
        ("/p/golden.web.4.vda.raw", "raw"),
        ("/p/golden.web.4.vdb.qcow2", "qcow2"),
    ]
    defined = domain_of(plan.actions[0].xml, "shutoff")
    assert [(disk.path, disk.format) for disk in defined.disks] == [
        ("/p/web-01.vda.qcow2", "qcow2"),
        ("/p/web-01.vdb.qcow2", "qcow2"),
    ]
    assert parse(plan.actions[0].xml).find("devices/disk/driver").get("cache") == "none"
    assert defined.record.origin == replace(ORIGIN, complete=False, holder=HOLDER)
    assert plan.actions[-1].record.origin == ORIGIN
    assert (defined.uuid, list(defined.macs)) == (plan.actions[0].uuid, plan.result["macs"])
    assert plan.actions[-1].uuid == defined.uuid


def test_a_full_clone_copies():
    plan = planned(recipe(linked=False))
    assert [type(action) for action in plan.actions[1:3]] == [actions.CopyVolume] * 2
    assert plan.result["linked"] is False


def test_uefi_variables_and_seed_are_volumes_of_the_clones_own():
    nvram = Part("nvram", "/p/golden.web.4.nvram.fd", "raw", 5)
    wanted = replace(recipe(nvram=nvram), guest=guest.Guest("cloud-init"))
    plan = planned(wanted)
    assert words(plan)[3:5] == ["copy volume /p/golden.web.4.nvram.fd golden", "write volume golden web-01.seed.iso"]
    assert b'"local-hostname": "web-01"' in plan.actions[4].content
    assert "content" not in plan.actions[4].describe()
    root = parse(plan.actions[0].xml)
    assert root.findtext("os/nvram") == "/p/web-01.nvram.fd"
    assert root.xpath("string(//disk[alias]/source/@file)") == "/p/web-01.seed.iso"
    assert [volume["name"] for volume in plan.result["volumes"]][2:] == ["web-01.nvram.fd", "web-01.seed.iso"]


def test_starting_waiting_and_telling_the_guest_come_last():
    wanted = replace(WANTED, start=True, wait_for="address", guest=guest.Guest("agent", ssh_keys=("k",)))
    assert words(planned(wanted))[4:] == [
        "start domain web-01 False",
        "wait for guest web-01 address",
        "customise guest web-01 web-01",
        "mark domain web-01",
    ]
    assert planned(wanted).actions[-1].record.origin.customised


@pytest.mark.parametrize(
    ("domain", "busy", "said"),
    [
        (there(None), False, "which is not a clone"),
        (there(replace(ORIGIN, image="db")), False, "which is a clone of db"),
        (there(replace(ORIGIN, image="", domain="x")), False, "which is a clone of domain x"),
        (there(replace(ORIGIN, complete=False, holder=HOLDER)), True, "another run is making it (process 1 on host)"),
        (there(replace(ORIGIN, holder=HOLDER)), True, "another run is reverting it (process 1 on host)"),
        (there(replace(ORIGIN, complete=False), "running"), False, "only half made, and running"),
    ],
)
def test_what_is_there_and_not_this_clone_is_left_alone(domain, busy, said):
    with pytest.raises(Refused) as refused:
        planned(domain=domain, busy=busy)
    assert said in str(refused.value)


def test_volumes_that_no_clone_claims_are_left_alone():
    with pytest.raises(Refused, match=r"web-01\.vdb\.qcow2"):
        planned(volumes={"web-01.vdb.qcow2", "web-01.vdc.qcow2"})


def test_nothing_new_is_struck_from_what_must_not_be():
    wanted = replace(WANTED, source=replace(SOURCE, refusal=Refused("cloning from web 4", "version 4 is revoked")))
    with pytest.raises(Refused, match="revoked"):
        planned(wanted)
    assert planned(wanted, there()).actions == ()


def test_each_disk_is_what_was_chosen_for_it():
    choices = {"vda": Choice(size=15, linked=False, place=Place("fast", "/f")), "vdb": Choice("share")}
    plan = planned(recipe(choices=choices))
    assert words(plan)[1:3] == [
        "copy volume /p/golden.web.4.vda.raw fast",
        "grow volume fast web-01.vda.qcow2",
    ]
    disks = parse(plan.actions[0].xml).findall("devices/disk")
    assert [disk.find("source").get("file") for disk in disks] == ["/f/web-01.vda.qcow2", "/p/golden.web.4.vdb.qcow2"]
    assert [disk.find("readonly") is not None for disk in disks] == [False, True]
    assert (plan.result["linked"], [volume["pool"] for volume in plan.result["volumes"]]) == (True, ["fast"])
    origin = domain_of(plan.actions[0].xml, "shutoff").record.origin
    assert (origin.shared, origin.skipped) == (("vdb",), ())


def test_a_disk_may_be_left_out_and_an_overlay_may_be_larger():
    plan = planned(recipe(choices={"vda": Choice("skip"), "vdb": Choice(size=40)}))
    assert [disk.target for disk in domain_of(plan.actions[0].xml, "shutoff").disks] == ["vdb"]
    assert plan.actions[1].capacity == 40


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (recipe(choices={"vdz": Choice()}), "web 4 has no disk vdz"),
        (recipe(choices={"vdb": Choice(size=19)}), "cannot shrink from 20 to 19"),
        (recipe(choices={"vdb": Choice("skip", size=30)}), "'size', 'pool' and 'linked' say nothing"),
        (
            replace(
                recipe(choices={"vdb": Choice("share")}),
                source=replace(SOURCE, image="", domain="x", words="domain x"),
            ),
            "disk vdb of domain x is written to",
        ),
        (replace(WANTED, machine=Machine(memory=8192)), "cannot have 8192 MiB of memory: the hypervisor has 4096"),
        (replace(WANTED, machine=Machine(memory=0)), "cannot have 0 MiB"),
        (replace(WANTED, machine=Machine(vcpus=9)), "cannot have 9 processors: a machine of its type takes 8"),
        (replace(WANTED, machine=Machine(title="a\nb")), "more than one line"),
        (replace(WANTED, machine=Machine(title="a\x01b")), "characters that no XML can have"),
        (replace(WANTED, machine=Machine(networks=("wan",))), "no network wan (there: lan)"),
        (replace(WANTED, source=replace(SOURCE, obstacles=("it has a host device",))), "it has a host device"),
    ],
)
def test_what_cannot_be_is_refused(wanted, said):
    with pytest.raises(Refused) as refused:
        planned(wanted)
    assert said in str(refused.value)


def test_a_clone_of_no_group_joins_the_one_that_is_named_and_one_of_another_group_does_not():
    labelled = replace(WANTED, label="shop")
    plan = planned(labelled, there())
    assert (words(plan), plan.actions[0].record.origin.label) == (["mark domain web-01"], "shop")
    assert planned(labelled, there(replace(ORIGIN, label="shop"))).changed is False
    assert planned(WANTED, there(replace(ORIGIN, label="shop"))).changed is False
    with pytest.raises(Refused, match="a clone of web, label blog"):
        planned(labelled, there(replace(ORIGIN, label="blog")))


def test_a_whole_clone_stays_as_it_is():
    plan = planned(domain=there())
    assert (plan.actions, plan.before == plan.after, plan.result["outdated"]) == ((), True, False)


def test_a_clone_of_another_version_is_outdated():
    assert planned(domain=there(replace(ORIGIN, version="3"))).result["outdated"] is True


@pytest.mark.parametrize(
    ("state", "customised", "expected"),
    [
        ("shutoff", True, ["start domain web-01 False", "wait for guest web-01 agent"]),
        ("running", True, ["wait for guest web-01 agent"]),
        ("running", False, ["wait for guest web-01 agent", "customise guest web-01 web-01", "mark domain web-01"]),
    ],
)
def test_a_whole_clone_is_brought_to_where_it_shall_be(state, customised, expected):
    wanted = replace(WANTED, start=True, wait_for="agent", guest=guest.Guest("agent"))
    plan = planned(wanted, there(replace(ORIGIN, customised=customised), state))
    assert words(plan) == expected
    assert plan.changed is (len(expected) != 1)


def test_a_guest_is_told_offline_before_the_clone_is_whole_and_once():
    wanted = replace(WANTED, start=True, guest=guest.Guest("offline", ssh_keys=(KEY,)))
    plan = planned(wanted)
    assert words(plan)[3:] == [
        "customise guest offline web-01 web-01",
        "mark clone web-01 True",
        "start domain web-01 False",
    ]
    assert (plan.actions[3].uuid, plan.actions[3].emulated) == (plan.actions[0].uuid, True)
    assert KEY not in str(plan.actions[3])
    told = plan.actions[4].record.origin
    assert told == replace(ORIGIN, customised=True, hostname="web-01")
    assert words(planned(wanted, there(told, "running"))) == []
    back = planned(wanted, there(ORIGIN, "shutoff"))
    assert words(back) == ["customise guest offline web-01 web-01", "mark domain web-01", "start domain web-01 False"]
    assert back.actions[1].record.origin == told
    with pytest.raises(Refused, match="it is running, and was not told offline yet"):
        planned(wanted, there(ORIGIN, "running"))


def test_what_a_snapshot_holds_is_copied_and_a_tpm_is_only_if_told():
    disks = (Part("vda", "/p/src.qcow2", "qcow2", 10, "s"), SOURCE.disks[1])
    source = replace(SOURCE, image="", version="", domain="src", disks=disks, tpm="/states/u/tpm2")
    plan = planned(replace(WANTED, source=source, recipe=Recipe(Place("golden", "/p"), False, disks)))
    assert [getattr(action, "snapshot", "") for action in plan.actions] == ["", "s", None, "", ""]
    assert words(plan)[3:] == ["copy TPM state web-01 src", "mark clone web-01 True"]
    assert plan.actions[3].uuid == plan.actions[0].uuid
    assert "copy TPM state" not in str(words(planned()))


def test_a_half_made_clone_is_made_anew():
    plan = planned(domain=there(replace(ORIGIN, complete=False)), volumes={"web-01.vda.qcow2", "other"})
    assert words(plan)[:3] == ["remove domain web-01", "delete volume golden web-01.vda.qcow2", "define domain web-01"]


def test_removal_takes_what_is_there_of_what_was_made():
    volumes = {"golden": {"web-01.vdb.qcow2", "golden.web.4.vda.raw"}}
    leavings = Leavings((Volume("golden", "web-01.vda.s1", "/p/web-01.vda.s1", "qcow2", 1, 1, 1),), ("s1",))
    assert words(removal.plan_removal("web-01", there(state="running"), Kin("web"), volumes, leavings)) == [
        "stop domain web-01",
        "mark clone web-01 False",
        "delete volume golden web-01.vda.s1",
        "delete volume golden web-01.vdb.qcow2",
        "remove domain web-01",
    ]
    assert removal.plan_removal("web-01", None, Kin(), {}, Leavings()).changed is False


@pytest.mark.parametrize(
    ("domain", "label", "leavings", "said"),
    [
        (there(None), None, Leavings(), "is not a clone"),
        (there(replace(ORIGIN, image="db")), None, Leavings(), "a clone of db, not of web"),
        (there(replace(ORIGIN, label="a")), "b", Leavings(), "a clone of web, label a, not of web, label b"),
        (there(), None, Leavings(obstacles=("domain x uses /p/web-01.vda.qcow2",)), "domain x uses"),
    ],
)
def test_removal_refuses(domain, label, leavings, said):
    with pytest.raises(Refused) as refused:
        removal.plan_removal("web-01", domain, Kin("web", label), {"golden": ()}, leavings)
    assert said in str(refused.value)


# ---- what snapshots leave


def volume(path: str, backing: str | None = None) -> Volume:
    return Volume("golden", path.rpartition("/")[2], path, "qcow2", 1, 1, 1, backing=backing)


def survey_of(*files: Volume, **options) -> Survey:
    disks = (Disk("vda", path="/p/web-01.vda.s2"), Disk("vdb", path="/data/own"))
    frozen = (SnapshotDisk("vda", "external", "/p/web-01.vda.s1"),)
    later = (SnapshotDisk("vda", "external", "/p/web-01.vda.s2"),)
    snapshots = (
        Snapshot("web-01", "s1", "external", True, "running", 1, memory_file="/p/web-01.s1.memory", disks=frozen),
        Snapshot("web-01", "s2", "external", False, "shutoff", 2, disks=later),
    )
    there = (
        volume("/p/golden.web.4.vda"),
        volume("/p/web-01.vda.qcow2", "/p/golden.web.4.vda"),
        volume("/p/web-01.vda.s1", "/p/web-01.vda.qcow2"),
        volume("/p/web-01.vda.s2", "/p/web-01.vda.s1"),
        volume("/p/web-01.s1.memory"),
        volume("/data/own"),
        *files,
    )
    domain = Domain("web-01", "u-1", "shutoff", "<domain/>", disks)
    return Survey(domain, snapshots, {file.path: file for file in there}, **options)


def test_the_files_of_a_clones_snapshots_go_with_it():
    found = leavings_of(survey_of(), ["/p/web-01.vda.qcow2"])
    assert [file.name for file in found.files] == ["web-01.vda.s1", "web-01.vda.s2", "web-01.s1.memory"]
    assert (found.snapshots, found.obstacles) == (("s1", "s2"), ())


@pytest.mark.parametrize(
    ("survey", "said"),
    [
        (survey_of(volume("/x", "/p/web-01.vda.s1")), "/x is built on /p/web-01.vda.s1"),
        (survey_of(volume("/x", "/p/web-01.vda.qcow2")), "/x is built on /p/web-01.vda.qcow2"),
        (survey_of(others={"/p/web-01.vda.s2": "thief"}), "domain thief uses /p/web-01.vda.s2"),
    ],
)
def test_what_others_need_of_them_is_told(survey, said):
    assert leavings_of(survey, ["/p/web-01.vda.qcow2"]).obstacles == (said,)


def test_the_newest_bytes_of_a_disk_that_was_attached_later_are_kept():
    survey = survey_of(volume("/data/own.s3", "/data/own"))
    snapshot = replace(survey.snapshots[0], disks=(SnapshotDisk("vdb", "external", "/data/own.s3"),))
    found = leavings_of(replace(survey, snapshots=(snapshot,)), ["/p/web-01.vda.qcow2"])
    assert "/data/own.s3 is a snapshot's, of a disk that was not made for web-01" in found.obstacles[0]
    assert "own.s3" not in [file.name for file in found.files]


# ---- what guests are told

ASKED = {"hostname": None, "fqdn": None, "ssh_keys": [], "user_data": None, "network_config": None, "via": "auto"}


@pytest.mark.parametrize(
    ("asked", "first_boot", "via"),
    [
        (None, "cloud-init", "cloud-init"),
        (None, "systemd", None),
        (None, "", None),
        ({}, "cloud-init", "cloud-init"),
        ({}, "systemd", "agent"),
        ({"via": "cloud-init"}, "", "cloud-init"),
        ({"via": "agent"}, "cloud-init", "agent"),
        ({"via": "credentials"}, "cloud-init", "credentials"),
        ({"via": "offline"}, "cloud-init", "offline"),
    ],
)
def test_the_way_to_the_guest(asked, first_boot, via):
    found = guest.guest_for(None if asked is None else {**ASKED, **asked}, first_boot, start=True)
    assert (found.via if found else None) == via


@pytest.mark.parametrize(
    ("asked", "start", "obstacles"),
    [
        ({"via": "agent", "user_data": "#cloud-config", "network_config": {"version": 2}}, False, 3),
        ({"via": "cloud-init", "user_data": "hello"}, False, 1),
        ({"via": "cloud-init", "vendor_data": "hello"}, False, 1),
        ({"via": "credentials", "user_data": "#cloud-config"}, False, 1),
        ({"via": "cloud-init", "credentials": {"../x": "1", "": "2", "a.b-c_D": "3"}}, False, 2),
        ({"via": "cloud-init", "credentials": {"db.port": 5432, "db": {"a": "b"}, "c": "3"}}, False, 2),
    ],
)
def test_what_cannot_be_told_is_refused_all_at_once(asked, start, obstacles):
    with pytest.raises(Refused) as refused:
        guest.guest_for({**ASKED, **asked}, "", start=start)
    assert len(refused.value.obstacles) == obstacles


def test_what_keeps_disks_from_being_written_to_is_told_with_the_rest():
    asked = {**ASKED, "via": "offline", "user_data": "#cloud-config"}
    with pytest.raises(Refused) as refused:
        guest.guest_for(asked, "", start=False, hindrance=lambda: "no tool")
    assert refused.value.obstacles == ("'user_data' needs cloud-init", "no tool")
    assert guest.guest_for({**ASKED, "via": "cloud-init"}, "", start=False, hindrance=lambda: "no tool")


def test_host_names_must_differ_within_a_task():
    one, two = guest.Guest("agent"), guest.Guest("agent", fqdn="web-01")
    guest.refuse_equal_names({"web-01": one, "web-02": one})
    with pytest.raises(Refused, match="'web-01' would be the same in 2 guests"):
        guest.refuse_equal_names({"web-01": one, "web-02": two})
    with pytest.raises(Refused, match=r"'web-01' would be the same in 3 guests \(web_01, web-01, Web\+01\)"):
        guest.refuse_equal_names({"web_01": one, "web-01": one, "Web+01": one})


def test_credentials_are_files_of_the_clones_own_and_nowhere_in_its_xml():
    told = guest.Guest("credentials", ssh_keys=(KEY,), credentials={"db.password": "hunter2"})
    plan = planned(replace(WANTED, guest=told))
    written = {action.volume: (action.content, action.mode) for action in plan.actions if action.words[:5] == "write"}
    assert written == {
        "web-01.credential-system.hostname.bin": (b"web-01", "0600"),
        "web-01.credential-ssh.authorized_keys.root.bin": (KEY.encode() + b"\n", "0600"),
        "web-01.credential-db.password.bin": (b"hunter2", "0600"),
    }
    xml = plan.actions[0].xml
    assert "hunter2" not in xml + str(plan) + str([action.describe() for action in plan.actions])
    entries = {entry.get("name"): entry.get("file") for entry in parse(xml).findall("sysinfo[@type='fwcfg']/entry")}
    assert entries["opt/io.systemd.credentials/db.password"] == "/p/web-01.credential-db.password.bin"


def test_a_credential_of_the_clones_own_takes_the_place_of_the_sources():
    within = "<sysinfo type='fwcfg'><entry name='opt/io.systemd.credentials/db.password'>horse</entry></sysinfo><os>"
    source = replace(SOURCE, template=SOURCE.template.replace("<os>", within))
    told = guest.Guest("cloud-init", credentials={"db.password": "hunter2"})
    root = parse(planned(replace(WANTED, source=source, guest=told)).actions[0].xml)
    (entry,) = root.findall("sysinfo/entry")
    assert (entry.get("file"), entry.text) == ("/p/web-01.credential-db.password.bin", None)


@pytest.mark.parametrize(
    ("hostname", "fqdn", "clone_name", "expected"),
    [
        ("{name}", None, "web-01", "web-01"),
        ("{name}", None, "web_01+x", "web-01-x"),
        ("h-{name}", None, "web-01", "h-web-01"),
        ("{name}", "{name}.example.org", "web-01", "web-01.example.org"),
    ],
)
def test_host_names(hostname, fqdn, clone_name, expected):
    assert guest.Guest("agent", hostname, fqdn).name_for(clone_name) == expected


@pytest.mark.parametrize("hostname", ["a b", "-a", "x" * 64, "{name}_x", ""])
def test_what_cannot_be_a_host_name_is_refused(hostname):
    with pytest.raises(Refused, match="cannot be a host name"):
        guest.Guest("agent", hostname).name_for("web-01")
