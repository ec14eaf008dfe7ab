# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_info on real pools: what is there, what descends from it, what was tampered with; and the module channel."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
from dataclasses import replace

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._image import documents
from support import versions
from support.lab import assert_same, qemu_img


def told(lab, image="web", **options):
    """What image_info tells of one image."""
    found = lab.run_and_compare("image_info", {"images": [image], "image_pool": lab.pool, **options})
    assert "msg" not in found, found
    return found["images"][0] if found["images"] else None


def channel(lab, name, version, **options):
    args = {"image": "web", "image_pool": lab.pool, "name": name, "version": version, **options}
    return {name: value for name, value in args.items() if value is not None}


def clone(lab, *names, **options):
    args = {"names": [f"{lab.prefix}-{name}" for name in names], "image": "web", "image_pool": lab.pool, **options}
    result = lab.run("clone", args)
    assert "msg" not in result, result
    return [item["name"] for item in result["clones"]]


def clones_of(found):
    return {item["name"]: item for item in found["clones"]}


def test_an_empty_pool_and_an_unknown_image_are_no_error(lab):
    assert lab.run("image_info", {"image_pool": lab.pool})["images"] == []
    assert told(lab, "nothing") is None


def test_versions_are_told_in_order_with_their_channels(lab):
    for version in ("10", "9", "1.10", "1.9"):
        versions.add(lab, "web", version)
    lab.run_and_compare("channel", channel(lab, "stable", "9"))
    found = told(lab)
    assert [(of["version"], of["channels"], of["state"]) for of in found["versions"]] == [
        ("1.9", [], "active"),
        ("1.10", [], "active"),
        ("9", ["stable"], "active"),
        ("10", [], "active"),
    ]
    assert "domain" not in found["versions"][0]


def test_the_history_tells_who_moved_which_channel(lab):
    for version in ("1", "2"):
        versions.add(lab, "web", version)
        lab.run_and_compare("channel", channel(lab, "stable", version))
    lab.run_and_compare("channel", channel(lab, "stable", None, state="absent"))
    found = told(lab)
    assert found["channels"] == {}
    moves = [(change["serial"], change["channel"], change["from"], change["to"]) for change in found["history"]]
    assert moves == [(1, "stable", None, "1"), (2, "stable", "1", "2"), (3, "stable", "2", None)]
    assert all(re.fullmatch(r"\S+@\S+", change["by"]) for change in found["history"])


def test_clones_are_known_by_metadata_or_disks_and_flagged_when_behind(lab):
    for version in ("1", "2"):
        versions.add(lab, "web", version)
    lab.run("channel", channel(lab, "stable", "1"))
    by_channel, full = clone(lab, "a", channel="stable") + clone(lab, "full", version="1", linked=False)
    careless = clone(lab, "b", channel="stable")[0]
    xml = re.sub(r"<metadata>.*</metadata>", "", lab.domain(careless).XMLDesc(2), flags=re.DOTALL)
    lab.conn.defineXML(xml)
    foreign = lab.machine("virsh", disks=["qcow2"])
    qemu_img("rebase", "-u", "-b", lab.file("golden.web.2.vda.qcow2"), "-F", "qcow2", lab.disk_path(foreign))
    lab.run("channel", channel(lab, "stable", "2"))
    found = clones_of(told(lab))
    assert {name: (of["version"], of["known_by"], of["linked"], of["outdated"]) for name, of in found.items()} == {
        by_channel: ("1", ["metadata", "chain"], True, True),
        full: ("1", ["metadata"], False, False),
        careless: ("1", ["chain"], True, False),
        foreign: ("2", ["chain"], True, False),
    }
    assert not any(of["orphaned"] for of in found.values())


def test_a_clone_below_its_own_snapshots_is_still_known(lab):
    versions.add(lab, "web", "1")
    name = clone(lab, "a", version="1")[0]
    lab.run("snapshot", {"domain": name, "name": "s", "mode": "external"})
    xml = re.sub(r"<metadata>.*</metadata>", "", lab.domain(name).XMLDesc(2), flags=re.DOTALL)
    lab.conn.defineXML(xml)
    assert clones_of(told(lab))[name]["known_by"] == ["chain"]


def test_clones_whose_version_is_gone_are_orphaned(lab):
    versions.add(lab, "web", "1")
    name = clone(lab, "a", version="1", linked=False)[0]
    for volume in ("golden.web.1.manifest.json", "golden.web.1.vda.qcow2"):
        pathlib.Path(lab.file(volume)).unlink()
    lab.refresh()
    found = told(lab)
    assert (found["versions"], clones_of(found)[name]["orphaned"]) == ([], True)


def test_clones_of_an_image_of_that_name_in_another_pool_are_not_counted(lab):
    versions.add(lab, "web", "1")
    clone(lab, "a", version="1")
    other = lab.add_pool("other")
    for volume in ("golden.web.1.manifest.json", "golden.web.1.vda.qcow2"):
        shutil.copy(lab.file(volume), lab.path / "other")
    lab.refresh()
    assert told(lab, image_pool=other)["clones"] == []
    assert len(told(lab)["clones"]) == 1


def test_lineage_is_a_tree_with_the_clones_at_its_versions(lab):
    lab.run("promote", {"domain": lab.machine("root"), "image": "web", "image_pool": lab.pool, "sealed": False})
    parent = "golden.web.1.vda.qcow2"
    for number in ("2", "3"):
        name = lab.machine(f"m{number}")
        qemu_img("rebase", "-u", "-b", lab.file(parent), "-F", "qcow2", lab.disk_path(name))
        lab.run("promote", {"domain": name, "image": "web", "image_pool": lab.pool, "sealed": False})
        lab.domain(name).undefine()
        parent = f"golden.web.{number}.vda.qcow2"
    name = clone(lab, "leaf", version="2")[0]
    found = told(lab)
    (root,) = found["lineage"]
    assert (root["version"], [of["version"] for of in root["children"]]) == ("1", ["2"])
    (child,) = root["children"]
    assert (child["clones"], [of["version"] for of in child["children"]]) == ([name], ["3"])
    assert found["versions"][0]["children"] == [{"image": "web", "version": "2"}]
    assert found["versions"][2]["lineage"] == {"image": "web", "version": "2"}
    assert found["versions"][2]["ancestors"] == ["web 2", "web 1"]


def tamper(lab, name, change):
    path = pathlib.Path(lab.file(name))
    path.chmod(0o644)
    change(path)
    if path.exists():
        path.chmod(0o444)


def flip(path):
    content = bytearray(path.read_bytes())
    content[70000] ^= 1
    path.write_bytes(content)


def another_versions(path):
    path.write_bytes(path.with_name("golden.web.good.vda.raw").read_bytes())


def linked_elsewhere(path):
    path.rename(path.parent.parent / "moved")
    path.symlink_to(path.parent.parent / "moved")


# What is done to a version's disk, what that is called, and the words.
DAMAGES = {
    "flipped": (flip, "tampered", "has another content than was promoted"),
    "swapped": (another_versions, "tampered", "has another content than was promoted"),
    "linked": (linked_elsewhere, "tampered", "is a symbolic link to /"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "truncated", "has 16777215 bytes instead of 16777"),
    "empty": (lambda path: path.write_bytes(b""), "truncated", "has 0 bytes instead of 16777216"),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"x"), "tampered", "has 16777217 bytes instead of"),
    "gone": (lambda path: path.unlink(), "missing", "is missing"),
    "open": (lambda path: None, "mode", "has mode 0644 instead of 0444"),
    "given": (lambda path: os.chown(path, 64055, 0), "owner", "belongs to user 64055 instead of 0"),
}


@pytest.fixture
def damaged(lab):
    """A pool with a good version and, for each damage, one that has it."""
    for version in ("good", *DAMAGES):
        versions.add(lab, "web", version, disks=["raw"])
    linked, full = clone(lab, "a", version="flipped") + clone(lab, "full", version="flipped", linked=False)
    for version, (change, _finding, _words) in DAMAGES.items():
        tamper(lab, f"golden.web.{version}.vda.raw", change)
    os.chmod(lab.file("golden.web.open.vda.raw"), 0o644)
    lab.refresh()
    yield {linked: True, full: None}
    lab.unprotect()


def findings_in(found):
    return {
        version["version"]: [(of["finding"], of["text"]) for of in version["findings"] if not of["note"]]
        for version in found["versions"]
    }


def test_verify_tells_apart_what_was_done_to_volumes(here, lab, damaged):
    assert {item["drifted"] for item in told(lab)["clones"]} == {None}
    found = told(lab, verify=True)
    findings = findings_in(found)
    assert findings.pop("good") == []
    assert set(findings) == set(DAMAGES)
    for version, (_change, finding, words) in DAMAGES.items():
        ((kind, text),) = findings[version]
        assert (kind, text.startswith(f"golden.web.{version}.vda.raw {words}")) == (finding, True), text
    assert {name: of["drifted"] for name, of in clones_of(found).items()} == damaged
    everything = [of for version in found["versions"] for of in version["findings"]]
    assert all(of["do"] and of["volume"] for of in everything)
    texts = {version["version"]: version["problems"] for version in found["versions"]}
    assert texts["flipped"] == ["golden.web.flipped.vda.raw has another content than was promoted"]


def test_verify_does_so_from_far_away_too(lab, damaged):
    """There a link is not seen but for what it leads to, and nobody can have the immutable flag."""
    images = lab.run("image_info", {"image_pool": lab.pool, "uri": far_uri(lab), "verify": True, "parallel": 4})
    (found,) = images["images"]
    kinds = {version: [kind for kind, _text in of] for version, of in findings_in(found).items()}
    expected = {version: [finding] for version, (_change, finding, _words) in DAMAGES.items()}
    assert kinds == {**expected, "linked": [], "given": [], "good": []}
    notes = {of["finding"] for version in found["versions"] for of in version["findings"] if of["note"]}
    assert notes == {"unprotected", "owner"}


def far_uri(lab):
    """A connection that may lead to another machine, as far as the modules know."""
    return lab.uri.replace("qemu:", "qemu+unix:")


def test_verify_reads_what_versions_are_overlays_of(lab):
    """A version that was frozen in place is an overlay of other versions."""
    first, top = versions.add(lab, "base", "1"), versions.add(lab, "web", "1")
    stray, base = versions.add(lab, "web", "2"), lab.disk("base.qcow2")
    for version, below in ((top, lab.file(first.disks[0].volume)), (stray, base)):
        volume = version.disks[0].volume
        tamper(
            lab,
            volume,
            lambda path, below=below: qemu_img("rebase", "-u", "-f", "qcow2", "-b", below, "-F", "qcow2", str(path)),
        )
        size, digest = versions.size_of(lab, volume), versions.digest_of(lab, volume)
        versions.write(lab, replace(version, disks=(replace(version.disks[0], size=size, sha256=digest),)))
    found = findings_in(told(lab, verify=True))
    assert found["1"] == []
    assert found["2"] == [("foreign", f"golden.web.2.vda.qcow2 is an overlay of {base}, which no manifest names")]
    tamper(lab, first.disks[0].volume, flip)
    assert findings_in(told(lab, verify=True))["1"] == [
        ("tampered", "golden.base.1.vda.qcow2 has another content than was promoted")
    ]


def test_verify_finds_files_that_are_nobodys(lab):
    for image, version in (("web", "1"), ("web", "2"), ("web", "3"), ("web", "4"), ("db", "1")):
        versions.add(lab, image, version)
    lab.run("channel", channel(lab, "stable", "1"))
    pool = lab.path / "pool"
    for stranger in ("golden.web.1.vdz.qcow2", "golden.web.evil", "golden.nothing.7.vda.qcow2", "golden.iso"):
        (pool / stranger).write_bytes(b"x")
    (pool / "not-golden.qcow2").write_bytes(b"x")
    # Another version's manifest, a torn one, and one that stays empty.
    shutil.copy(pool / "golden.web.1.manifest.json", pool / "golden.web.2.manifest.json")
    (pool / "golden.web.3.manifest.json").write_bytes((pool / "golden.web.3.manifest.json").read_bytes()[:99])
    (pool / "golden.web.4.manifest.json").write_bytes(b" " * 4096)
    versions.set_state(lab, "web", "4", "absent", "old")
    lab.refresh()
    mine = {
        "golden.web.1.vdz.qcow2": "foreign",
        "golden.web.evil": "foreign",
        "golden.web.2.manifest.json": "tampered",
        "golden.web.2.vda.qcow2": "foreign",
        "golden.web.3.manifest.json": "tampered",
        "golden.web.3.vda.qcow2": "foreign",
    }
    for asked, expected in (
        ({"images": ["web"]}, mine),
        ({}, {**mine, "golden.nothing.7.vda.qcow2": "foreign", "golden.iso": "foreign"}),
    ):
        found = lab.run_and_compare("image_info", {"image_pool": lab.pool, "verify": True, **asked})
        assert {of["volume"]: of["finding"] for of in found["foreign"]} == expected
        assert [of["version"] for of in found["images"][-1]["versions"]] == ["1"]


def test_a_digest_that_was_put_off_is_noted(lab):
    version = versions.add(lab, "web", "1")
    versions.write(lab, replace(version, disks=(replace(version.disks[0], sha256=""),)))
    (found,) = told(lab, verify=True)["versions"]
    assert found["problems"] == []
    assert "undigested" in [of["finding"] for of in found["findings"]]


def test_a_pool_that_was_copied_by_hand_holds_the_images(lab):
    versions.add(lab, "web", "1", disks=["qcow2", "raw"])
    lab.run("channel", channel(lab, "stable", "1"))
    other = lab.add_pool("other")
    for path in (lab.path / "pool").glob("golden.*"):
        shutil.copy(path, lab.path / "other")
    found = told(lab, image_pool=other, verify=True)
    assert (found["channels"], found["versions"][0]["version"]) == ({"stable": "1"}, "1")
    assert all("is missing" not in problem for problem in found["versions"][0]["problems"])


# ---- channel


def test_channels_are_moved_once_and_removed(lab):
    for version in ("1", "2"):
        versions.add(lab, "web", version)
    moved = lab.run_and_compare("channel", channel(lab, None, "1", names=["candidate", "stable"]))
    assert [(item["channel"], item["previous"], item["version"]) for item in moved["channels"]] == [
        ("candidate", None, "1"),
        ("stable", None, "1"),
    ]
    lab.run_and_compare("channel", channel(lab, "stable", "2", expect_current="1"))
    lab.run_and_compare("channel", channel(lab, "candidate", None, state="absent"))
    assert told(lab)["channels"] == {"stable": "2"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image": "wbe"}, "has no image wbe. Near: web"),
        ({"version": "7"}, "has no complete version 7. There: 1"),
        ({"name": "a/b"}, "'a/b' cannot be one"),
        ({"expect_current": "3"}, "points at nothing, not at 3 as expected"),
        ({"version": None}, "state is present but all of the following are missing: version"),
    ],
)
def test_a_bad_move_gets_one_clear_message_and_changes_nothing(lab, options, words):
    versions.add(lab, "web", "1")
    args = {**channel(lab, "stable", "1"), **options}
    args = {name: value for name, value in args.items() if value is not None}
    assert words in lab.run_and_compare("channel", args, fails=True)["msg"]


@pytest.mark.parametrize("module", ["channel", "image_info"])
def test_an_unknown_pool_is_told_with_those_that_are_there(lab, module):
    args = channel(lab, "stable", "1") if module == "channel" else {}
    refused = lab.run(module, {**args, "image_pool": "t-no-such"})["msg"]
    assert "has no pool of that name" in refused
    assert lab.pool in refused


def test_a_channel_is_brought_back_to_where_it_was_and_stays_there(lab):
    for version in ("1", "2", "3"):
        versions.add(lab, "web", version)
        lab.run("channel", channel(lab, "stable", version))
    back = lab.run_and_compare("channel", channel(lab, "stable", "previous"))
    assert (back["channels"][0]["version"], back["channels"][0]["previous"]) == ("2", "3")
    assert told(lab)["history"][-1]["back"] is True
    lab.run("channel", channel(lab, "stable", None, state="absent"))
    assert lab.run_and_compare("channel", channel(lab, "stable", "previous"))["channels"][0]["version"] == "2"
    versions.set_state(lab, "web", "2", "revoked", "leaks keys")
    lab.run("channel", channel(lab, "stable", "3"))
    refused = lab.run_and_compare("channel", channel(lab, "stable", "previous"), fails=True)
    assert "version 2 is revoked: leaks keys" in refused["msg"]
    refused = lab.run_and_compare("channel", channel(lab, "edge", "previous"), fails=True)
    assert "knows no version that it pointed at before" in refused["msg"]


def test_one_channel_that_cannot_be_moved_hides_no_other(lab):
    versions.add(lab, "web", "1")
    result = lab.run("channel", channel(lab, None, "1", names=["good", "b a d"]))
    assert [item["failed"] for item in result["channels"]] == [False, True]
    assert told(lab)["channels"] == {"good": "1"}


# ---- seal

SEAL = {"method": "guest", "first_boot": "systemd", "operations": ["machine-id"]}


def test_a_seal_is_marked_once_and_again_after_a_write(lab):
    names = [lab.machine("a"), lab.machine("b", disks=["raw", "qcow2"])]
    lab.run_and_compare("seal", {"domains": names, **SEAL})
    lab.write(lab.disk_path(names[1], "vdb"), b"later")
    result = lab.run_and_compare("seal", {"domains": names, **SEAL})
    assert [item["changed"] for item in result["seals"]] == [False, True]
    assert "later" not in str(result)


def test_a_seal_changes_nothing_but_the_metadata(lab):
    name = lab.machine("a")
    before = lab.world()
    lab.run("seal", {"domain": name, **SEAL})
    after = lab.world()
    key = f"xml {name}"
    assert re.sub(r"\n? *<metadata>.*</metadata>", "", after[key], flags=re.DOTALL) == before[key]
    assert_same({**before, key: ""}, {**after, key: ""}, "a seal is metadata")


@pytest.mark.parametrize(
    ("state", "disks", "words"),
    [("running", ["qcow2"], "it is running: shut it down"), ("shutoff", [], "it has no disk that it writes to")],
)
def test_what_cannot_be_sealed_is_refused(lab, state, disks, words):
    name = lab.machine("a", disks=disks, state=state)
    assert words in lab.run_and_compare("seal", {"domain": name, **SEAL}, fails=True)["msg"]


def test_a_document_that_is_whole_and_says_otherwise_than_it_must_is_told_and_is_no_debris(lab):
    versions.add(lab, "web", "1")
    versions.add(lab, "web", "2")
    path, record = (pathlib.Path(lab.file(f"golden.web.{name}.json")) for name in ("1.manifest", "journal.000009"))
    content = documents.content_of("manifest", path.read_bytes())
    name = {"image": "web", "version": "1"}
    said = [{}, name, {**content, "firmware": None}, {**content, "disks": [{**content["disks"][0], "more": 1}]}]
    written = [(path, "manifest", of) for of in said] + [(record, "journal", {"serial": 9})]
    for file, kind, of in written:
        shutil.copy(path, lab.path / "kept")
        file.write_bytes(documents.document(kind, of))
        os.utime(file, (0, 0))
        lab.refresh()
        for module, options in (("image_info", {}), ("prune", {"keep_last": 1})):
            failed = lab.run_and_compare(module, {"image_pool": lab.pool, **options}, fails=True)
            assert f"reading the {kind} {'web 1' if kind == 'manifest' else '9'}: " in failed["msg"]
            assert "not as this golden.libvirt writes one" in failed["msg"]
        shutil.copy(lab.path / "kept", path)
