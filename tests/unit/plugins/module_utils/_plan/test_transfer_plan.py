# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a version that is to come is built on."""

from __future__ import annotations

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._model import Lineage, Version, VersionDisk
from ansible_collections.golden.libvirt.plugins.module_utils._plan.transfer import (
    BringVersion,
    Wanted,
    bases_in,
    nearest,
    plan_transfer,
)


def version(name, *disks, image="web"):
    made = tuple(
        VersionDisk(target, f"golden.{image}.{name}.{target}.{form}", form, 1, 1, "x")
        for target, form in (disk.split(".") for disk in disks)
    )
    return Version(image, name, "2026-01-01T00:00:00Z", "me", "<domain/>", made)


@pytest.mark.parametrize(
    ("wanted", "ancestors", "there", "expected"),
    [
        ("4", [], [], []),
        ("4", [], ["1", "10", "3", "5", "4"], ["3", "1", "5", "10"]),
        ("10", [], ["2", "9"], ["9", "2"]),
        ("4", [("web", "2"), ("base", "12")], ["2", "3"], ["web 2", "base 12", "3", "2"]),
        ("1.10", [], ["1.9", "1.11", "1.2"], ["1.9", "1.2", "1.11"]),
    ],
)
def test_ancestors_come_first_then_what_is_before_then_what_is_after(wanted, ancestors, there, expected):
    above = [Lineage(*of) for of in ancestors]
    found = [(of.image, of.version) for of in nearest(version(wanted), above, there)]
    assert found == [tuple(of.split()) if " " in of else ("web", of) for of in expected]


def test_each_disk_is_built_on_the_same_disk():
    basis, wanted = version("1", "vda.qcow2", "vdb.raw", "vdc.qcow2"), version("2", "vda.qcow2", "vdb.qcow2", "vdd.raw")
    assert bases_in(basis, wanted) == {"golden.web.2.vda.qcow2": "golden.web.1.vda.qcow2"}


@pytest.mark.parametrize(
    ("basis", "reason", "expected"),
    [
        (version("1", "vda.qcow2"), "", ("rsync", "web 1", "")),
        (version("1", "sda.qcow2"), "", ("streams", None, "")),
        (None, "no rsync", ("streams", None, "no rsync")),
    ],
)
def test_a_plan_says_what_is_built_on_or_why_nothing_is(basis, reason, expected):
    plan = plan_transfer(Wanted(version("2", "vda.qcow2"), b"", "qemu+ssh://a/system", "p"), None, "p", basis, reason)
    (action,) = plan.actions
    assert isinstance(action, BringVersion)
    assert (action.method, action.basis, plan.result["reason"]) == expected
