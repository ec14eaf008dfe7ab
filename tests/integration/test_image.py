# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module image on real pools: what versions are said to be, and what keeps one from being deleted."""

from __future__ import annotations

import json
import pathlib
import re

import pytest
from support import tiny_guest, versions
from support.lab import COLLECTION, qemu_img


def image(lab, state, *names, **options):
    return {"image": "web", "image_pool": lab.pool, "versions": list(names), "state": state, **options}


def told(lab, name="web"):
    """Each version of an image as image_info tells it, by name."""
    (found,) = lab.run("image_info", {"images": [name], "image_pool": lab.pool})["images"]
    return {of["version"]: of for of in found["versions"]}


def clone(lab, name, **options):
    return lab.run("clone", {"name": f"{lab.prefix}-{name}", "image": "web", "image_pool": lab.pool, **options})


def channel(lab, name, version):
    lab.run("channel", {"image": "web", "image_pool": lab.pool, "name": name, "version": version})


def family(lab):
    """web 1 with children 2 and, in another image, db 1, which has the child db 2."""
    for image_name, name, parent in (
        ("web", "1", None),
        ("web", "2", ("web", "1")),
        ("db", "1", ("web", "1")),
        ("db", "2", ("db", "1")),
    ):
        versions.add(lab, image_name, name, parent=parent)


def test_revoked_and_deprecated_versions_say_why_and_are_restored(lab):
    for version in ("1", "2"):
        versions.add(lab, "web", version)
    channel(lab, "stable", "1")
    revoked = lab.run_and_compare("image", image(lab, "revoked", "1", reason="leaks keys"))
    assert revoked["warnings"] == ["web 1 is revoked, but channels point at it: stable"]
    assert "version 1 is revoked: leaks keys" in clone(lab, "a", channel="stable")["msg"]
    lab.run_and_compare("image", image(lab, "deprecated", "2", reason="old"))
    assert clone(lab, "b", version="2")["warnings"][0] == "web 2 is deprecated: old"
    found = told(lab)
    assert [(of["state"], of["reason"]) for of in found.values()] == [("revoked", "leaks keys"), ("deprecated", "old")]
    restored = lab.run_and_compare("image", image(lab, "active", "1", "2"))
    assert [item["previous"] for item in restored["versions"]] == ["revoked", "deprecated"]
    assert not clone(lab, "a", channel="stable").get("failed")


def test_a_date_to_come_leaves_the_version_active_until_then(lab):
    versions.add(lab, "web", "1")
    lab.run_and_compare("image", image(lab, "revoked", "1", reason="leaks keys", date="2999-01-31"))
    (found,) = told(lab).values()
    assert (found["state"], found["to_come"]["date"]) == ("active", "2999-01-31")
    assert clone(lab, "a", version="1")["warnings"][0] == "web 1 will be revoked on 2999-01-31: leaks keys"
    lab.run_and_compare("image", image(lab, "revoked", "1", reason="leaks keys", date="2000-01-31T00:00:00Z"))
    assert clone(lab, "b", version="1")["failed"]
    to_come = image(lab, "deprecated", "1", reason="old", date="2999-01-31")
    refused = lab.run_and_compare("image", to_come, fails=True)
    assert "it is revoked now (leaks keys), and would be active until then" in refused["msg"]


def test_what_is_said_of_a_version_can_be_said_of_its_descendants(lab):
    family(lab)
    lab.run("image", {**image(lab, "deprecated", "2", reason="its own"), "image": "db"})
    options = {"reason": "CVE", "cascade": True}
    done = lab.run_and_compare("image", image(lab, "revoked", "1", **options))
    assert [item["item"] for item in done["versions"]] == ["web 1", "db 1", "web 2", "db 2"]
    assert told(lab)["2"]["through"] == "web 1"
    assert {name: of["state"] for name, of in told(lab, "db").items()} == {"1": "revoked", "2": "revoked"}
    lab.run("image", {**image(lab, "revoked", "1", reason="its own"), "image": "db"})
    lab.run_and_compare("image", image(lab, "active", "1", cascade=True))
    assert [of["state"] for of in told(lab).values()] == ["active", "active"]
    assert {name: (of["state"], of.get("reason")) for name, of in told(lab, "db").items()} == {
        "1": ("revoked", "its own"),
        "2": ("active", None),
    }


def test_a_deleted_version_is_gone_but_its_name_stays_taken(lab):
    for version in ("1", "2", "3"):
        versions.add(lab, "web", version, disks=["qcow2", "raw"], nvram=b"vars" if version == "3" else b"")
    done = lab.run_and_compare("image", image(lab, "absent", "3", "1", reason="old"))
    assert [item["version"] for item in done["versions"]] == ["1", "3"]
    assert [len(item["volumes"]) for item in done["versions"]] == [3, 4]
    assert all(item["bytes"] > 0 for item in done["versions"])
    assert {path.name.split(".")[2] for path in (lab.path / "pool").glob("golden.web.*")} == {"2", "journal"}
    (found,) = lab.run("image_info", {"images": ["web"], "image_pool": lab.pool})["images"]
    assert [(of["version"], of["reason"]) for of in found["deleted"]] == [("1", "old"), ("3", "old")]
    promoted = lab.run(
        "promote", {"domain": lab.machine("a"), "image": "web", "image_pool": lab.pool, "sealed": False}, check=True
    )
    assert promoted["versions"][0]["version"] == "4"


def overlaid(lab, name, directory):
    """A domain that is off, its disk an overlay of web 1 in a directory of the lab."""
    overlay = str(lab.path / directory / f"{name}.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", "-b", lab.file("golden.web.1.vda.qcow2"), "-F", "qcow2", overlay)
    lab.machine(name, disks=[tiny_guest.Disk("vda", overlay)])


def test_a_domain_whose_overlay_is_in_no_pool_keeps_a_version(lab):
    for version in ("1", "2"):
        versions.add(lab, "web", version)
    (lab.path / "outside").mkdir()
    overlaid(lab, "loose", "outside")
    refused = lab.run("image", image(lab, "absent", "1"))
    words = f"domain {lab.prefix}-loose is built on {lab.file('golden.web.1.vda.qcow2')}"
    assert refused["versions"][0]["obstacles"] == [words]
    assert sorted(told(lab)) == ["1", "2"]


def test_all_that_depends_on_a_version_is_named_and_keeps_it(lab):
    family(lab)
    versions.add(lab, "web", "3")
    channel(lab, "stable", "1")
    clone(lab, "clone", version="1")
    careless = f"{lab.prefix}-careless"
    clone(lab, "careless", version="1")
    lab.conn.defineXML(re.sub(r"<metadata>.*</metadata>", "", lab.domain(careless).XMLDesc(2), flags=re.DOTALL))
    clone(lab, "deep", version="1")
    lab.run("snapshot", {"domain": f"{lab.prefix}-deep", "name": "s", "mode": "external"})
    foreign = lab.machine("virsh", disks=["qcow2"])
    golden = lab.file("golden.web.1.vda.qcow2")
    qemu_img("rebase", "-u", "-b", golden, "-F", "qcow2", lab.disk_path(foreign))
    qemu_img("create", "-q", "-f", "qcow2", "-b", golden, "-F", "qcow2", str(lab.path / "pool" / "nobodys.qcow2"))
    lab.add_pool("other")
    overlaid(lab, "pooled", "other")
    unused = lab.path / "other" / "unused.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", golden, "-F", "qcow2", str(unused))
    refused = lab.run_and_compare("image", image(lab, "absent", "1"), fails=True)
    built = ("clone", "careless", "deep", "virsh", "pooled")
    assert sorted(refused["versions"][0]["obstacles"]) == sorted(
        [
            "channel stable points at it",
            "web 2 was built from it",
            "db 1 was built from it",
            *(f"domain {lab.prefix}-{name} is built on {golden}" for name in built),
            f"{lab.file('nobodys.qcow2')} is built on {golden}",
            f"{unused} is built on {golden}",
        ]
    )


def test_a_version_that_a_domain_uses_itself_or_only_in_a_snapshot_stays(lab):
    for version in ("1", "2", "3"):
        versions.add(lab, "web", version)
    user = lab.machine("user")
    xml = lab.domain(user).XMLDesc(2).replace(lab.disk_path(user), lab.file("golden.web.1.vda.qcow2"))
    lab.conn.defineXML(xml)
    clone(lab, "moved", version="2")
    moved = f"{lab.prefix}-moved"
    lab.run("snapshot", {"domain": moved, "name": "s", "mode": "external"})
    flat = lab.disk("flat.qcow2")
    lab.conn.defineXML(lab.domain(moved).XMLDesc(2).replace(lab.disk_path(moved), flat))
    refused = lab.run_and_compare("image", image(lab, "absent", "1", "2"), fails=True)
    assert f"domain {user} uses {lab.file('golden.web.1.vda.qcow2')}" in refused["msg"]
    assert f"domain {moved} is built on {lab.file('golden.web.2.vda.qcow2')}" in refused["msg"]


def test_a_full_clone_keeps_nothing_but_is_told(lab):
    for version in ("1", "2"):
        versions.add(lab, "web", version)
    clone(lab, "full", version="1", linked=False)
    done = lab.run_and_compare("image", image(lab, "absent", "1"))
    assert done["warnings"] == [f"clone {lab.prefix}-full lives on without its version web 1"]


@pytest.mark.parametrize("asked", [("1",), ("1", "2"), ("2",)])
def test_a_family_goes_children_first_or_not_at_all(lab, asked):
    versions.add(lab, "web", "1")
    versions.add(lab, "web", "2", parent=("web", "1"))
    versions.add(lab, "web", "3")
    done = lab.run("image", image(lab, "absent", *asked))
    failed = asked == ("1",)
    assert bool(done.get("failed")) == failed
    assert [item["item"] for item in done["versions"]] == [f"web {name}" for name in sorted(asked, reverse=True)]
    assert sorted(told(lab)) == (["1", "2", "3"] if failed else sorted({"1", "2", "3"} - set(asked)))


def test_the_last_version_stays(lab):
    for version in ("1", "2"):
        versions.add(lab, "web", version)
    assert (
        "no version of web would be left"
        in lab.run_and_compare("image", image(lab, "absent", "1", "2"), fails=True)["msg"]
    )


def test_a_deletion_that_was_interrupted_is_completed(lab):
    for version in ("1", "2"):
        versions.add(lab, "web", version)
    versions.set_state(lab, "web", "1", "absent", "old")
    assert told(lab)["1"]["state"] == "absent"
    assert "version 1 was deleted: old" in clone(lab, "a", version="1")["msg"]
    pathlib.Path(lab.file("golden.web.1.manifest.json")).unlink()
    done = lab.run_and_compare("image", image(lab, "absent", "1"))
    assert [action["action"] for action in done["actions"]] == ["delete leftovers"]
    assert sorted(told(lab)) == ["2"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"versions": ["7"]}, "has no complete version 7. There: 1"),
        ({"image": "wbe"}, "has no image wbe. Near: web"),
        ({"date": "tomorrow"}, "'tomorrow' is none"),
        ({"date": "2026-02-31"}, "'2026-02-31' is none"),
        ({"reason": None}, "state is revoked but all of the following are missing: reason"),
        ({"versions": ["previous"]}, "'previous' means the one before"),
    ],
)
def test_what_cannot_be_said_gets_one_clear_message(lab, options, words):
    versions.add(lab, "web", "1")
    args = {**image(lab, "revoked", "1", reason="leaks keys"), **options}
    args = {name: value for name, value in args.items() if value is not None}
    assert words in lab.run_and_compare("image", args, fails=True)["msg"]


def test_what_real_runs_write_fits_the_published_schemas(lab):
    jsonschema = pytest.importorskip("jsonschema")
    for name in ("a", "b"):
        args = {"domain": lab.machine(name, firmware="uefi"), "image": "web", "image_pool": lab.pool, "sealed": False}
        assert not lab.run("promote", {**args, "channels": ["candidate"], "labels": {"team": "web"}}).get("failed")
    lab.run("image", image(lab, "deprecated", "1", reason="old", date="2026-12-31"))
    lab.run("channel", {"image": "web", "image_pool": lab.pool, "name": "candidate", "version": "previous"})
    lab.run("image", image(lab, "absent", "2"))
    for kind, number in (("manifest", 1), ("journal", 9)):
        schema = json.loads((COLLECTION / "docs" / "schemas" / f"{kind}-1.json").read_text(encoding="utf-8"))
        found = list((lab.path / "pool").glob(f"golden.web.*{kind}*.json"))
        assert len(found) == number
        for path in found:
            jsonschema.Draft202012Validator(schema).validate(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "said",
    [
        "../pool/{name}",
        "{directory}//./{name}",
        "file:{directory}/{name}",
        'json:{{"driver": "qcow2", "file": {{"driver": "file", "filename": "{directory}/{name}"}}}}',
        'json:{{"driver": "qcow2", "file.driver": "file", "file.filename": "{directory}/{name}"}}',
    ],
)
def test_an_overlay_keeps_a_version_however_it_names_its_file(lab, said):
    versions.add(lab, "web", "1")
    versions.add(lab, "web", "2")
    lab.add_pool("others")
    base, overlay = pathlib.Path(lab.file("golden.web.1.vda.qcow2")), lab.path / "others" / "a.qcow2"
    named = said.format(directory=base.parent, name=base.name)
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", named, str(overlay), "16M")
    lab.refresh()
    options = {"image": "web", "version": "1", "image_pool": lab.pool, "state": "absent"}
    failed = lab.run_and_compare("image", options, fails=True)
    assert failed["versions"][0]["obstacles"] == [f"{overlay} is built on {base}"]


@pytest.mark.parametrize("through", ["pool", "link"])
def test_a_domain_keeps_a_version_by_whatever_path_it_reaches_the_pool(lab, here, through):
    versions.add(lab, "web", "1")
    versions.add(lab, "web", "2")
    link = lab.path / "link"
    link.symlink_to(lab.path / "pool")
    lab.add_pool("link")
    lab.add_pool("others")
    pool, other = (lab.pool, link) if through == "link" else (f"{lab.prefix}-link", lab.path / "pool")
    overlay = str(lab.path / "others" / "a.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(other / "golden.web.1.vda.qcow2"), overlay)
    name = lab.machine("a", disks=[tiny_guest.Disk("vda", overlay, "qcow2")])
    if through == "link":
        forget = lab.conn.storagePoolLookupByName(f"{lab.prefix}-link")
        forget.destroy()
        forget.undefine()
    options = {"image": "web", "version": "1", "image_pool": pool, "state": "absent"}
    failed = lab.run_and_compare("image", options, fails=True)
    assert f"domain {name} is built on" in failed["msg"]
