# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a version's volumes, and of files that are nobody's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._model import Holder, State, VersionDisk, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.verify import Seen, findings_of, strangers

NAME = "golden.web.1.vda.qcow2"
DISK = VersionDisk("vda", NAME, "qcow2", 100, 10, "abc")
FILE = Volume("p", NAME, f"/p/{NAME}", "qcow2", 100, 10, 10, mode="0444", owner=0)
GOOD = Seen(FILE, "abc", immutable=True)


def file(**options):
    return replace(GOOD, volume=replace(FILE, **options))


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (GOOD, {}),
        (Seen(None), {"missing": False}),
        (replace(GOOD, digest="abd"), {"tampered": False}),
        (file(size=9), {"truncated": False}),
        (file(size=0), {"truncated": False}),
        (file(size=11), {"tampered": False}),
        (replace(GOOD, link="/etc/shadow"), {"tampered": False}),
        (replace(file(size=9), link="/etc/shadow"), {"tampered": False}),
        (replace(GOOD, digest=None, unread="I/O error"), {"unreadable": False}),
        (file(mode="0644"), {"mode": False}),
        (file(owner=64055), {"owner": False}),
        (file(owner=None), {}),
        (replace(file(owner=64055), immutable=False), {"owner": False, "unprotected": True}),
        (replace(file(owner=64055), immutable=None), {"owner": True, "unprotected": True}),
        (replace(GOOD, immutable=False), {"unprotected": True}),
        (replace(GOOD, stray="/elsewhere"), {"foreign": False}),
        (
            replace(file(size=9, mode="0644", owner=1), stray="/x"),
            dict.fromkeys(["truncated", "mode", "owner", "foreign"]),
        ),
    ],
)
def test_a_volume_is_what_was_promoted_or_that_is_said(seen, found):
    findings = list(findings_of(DISK, seen, 0))
    assert {of.finding: of.note or None for of in findings} == {name: note or None for name, note in found.items()}
    assert all(of.volume == NAME and NAME in of.text and of.do for of in findings)


def test_a_digest_that_was_put_off_hides_nothing_else():
    found = list(findings_of(replace(DISK, sha256=""), replace(file(mode="0644"), digest=None), 0))
    assert [(of.finding, of.note) for of in found] == [("undigested", True), ("mode", False)]


def test_nobody_knows_whose_it_should_be():
    assert list(findings_of(DISK, file(owner=7), None)) == []


@pytest.mark.parametrize(
    ("volume", "finding"),
    [
        ("golden.web.1.vda.qcow2", None),
        ("golden.web.journal.000001.json", None),
        ("golden.web.2.vda.qcow2", None),  # being made
        ("golden.web.3.vda.qcow2", None),  # its deletion was interrupted
        ("golden.web.4.vda.qcow2", "foreign"),
        ("golden.web.5.vda.qcow2", "foreign"),  # revoked, and gone
        ("golden.web.4.manifest.json", "tampered"),
        ("golden.web.1.vdb.qcow2", "foreign"),
        ("golden.web.1.vda.vmdk", "foreign"),
        ("golden.db.2.vda.qcow2", "foreign"),
        ("golden.", "foreign"),
        ("goldenrod.qcow2", None),
        ("web-01.vda.qcow2", None),
    ],
)
def test_a_file_is_somebodys_or_a_stranger(volume, finding):
    holder = Holder("h", "b", 1, "2", 3)
    states = {"web": State(states={"3": {"state": "absent"}, "5": {"state": "revoked"}}, claims={"2": holder})}
    found = [of.finding for of in strangers([volume], {NAME}, states, "/p")]
    assert found == ([finding] if finding else [])
