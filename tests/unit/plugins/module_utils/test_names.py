# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be a name, and that volumes' names are read back unambiguously."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._names import Named


@pytest.mark.parametrize(
    ("volume", "meaning"),
    [
        ("golden.web.4.vda.qcow2", Named("disk", "web", "4", "vda")),
        ("golden.web.4.vda.raw", Named("disk", "web", "4", "vda")),
        ("golden.web.1.2.manifest.json", Named("manifest", "web", "1.2")),
        ("golden.web.1.2.vda.qcow2", Named("disk", "web", "1.2", "vda")),
        ("golden.web.4.nvram.fd", Named("nvram", "web", "4")),
        ("golden.web.journal.000017.json", Named("journal", "web", serial=17)),
        ("golden.web.journal.1000000.json", Named("journal", "web", serial=1000000)),
        ("golden.web.journal.manifest.json", Named("manifest", "web", "journal")),
        ("golden.web.journal.000017.manifest.json", Named("manifest", "web", "journal.000017")),
        ("golden.web.manifest.manifest.json", Named("manifest", "web", "manifest")),
        ("golden.web.1.manifest.vda.qcow2", Named("disk", "web", "1.manifest", "vda")),
        ("golden.a-b_c.1+x-y_z.sda.qcow2", Named("disk", "a-b_c", "1+x-y_z", "sda")),
        (".golden.web.4.vda.qcow2.aB3xYz", Named("receiving", "web", "4", "vda")),
        (".golden.web.4.nvram.fd.aB3xYz", Named("receiving", "web", "4")),
        (".golden.web.4.vda.qcow2.begun", Named("receiving", "web", "4", "vda")),
        (".golden.web.4.vda.qcow2", None),
        (".golden.web.journal.000017.json.aB3xYz", None),
        (".web-01.vda.qcow2.aB3xYz", None),
        ("golden.web.journal.17.json", None),
        ("golden.web.vda.qcow2", None),
        ("golden.Web.4.vda.qcow2", None),
        ("golden.web.4.vda.qcow2.tmp", None),
        ("golden.web..vda.qcow2", None),
        ("golden.web.4.vd/a.qcow2", None),
        ("golden.web.4.vda.qcow2\n", None),
        ("web-01.vda.qcow2", None),
    ],
)
def test_a_volumes_name_is_read_back(volume, meaning):
    assert names.parsed(volume) == meaning


def test_no_two_things_have_the_same_volume():
    images = ["web", "web-1", "1"]
    versions = ["1", "1.2", "journal", "1.vda", "manifest", "1.nvram", "journal.000001", "1.journal", "nvram.fd"]
    made = [names.journal_volume(image, serial) for image in images for serial in (1, 17)]
    for image, version in itertools.product(images, versions):
        made += [names.manifest_volume(image, version), names.nvram_volume(image, version)]
        made += [names.disk_volume(image, version, target) for target in ("vda", "nvram", "manifest", "journal")]
    assert len(set(made)) == len(made)
    for volume in made:
        found = names.parsed(volume)
        spelled = {
            "journal": lambda of: names.journal_volume(of.image, of.serial),
            "manifest": lambda of: names.manifest_volume(of.image, of.version),
            "nvram": lambda of: names.nvram_volume(of.image, of.version),
            "disk": lambda of: names.disk_volume(of.image, of.version, of.target),
        }
        assert spelled[found.kind](found) == volume


@pytest.mark.parametrize(
    ("check", "name"),
    [
        *((names.check_image, name) for name in ("", "Web", "-web", "web.1", "../web", "web\n", "a" * 65, "wéb")),
        *((names.check_version, name) for name in ("", ".1", "-1", "1/2", "1 2", "..", "1\n", "v" * 65)),
        *((names.check_channel, name) for name in ("", "Stable", ".", "a/b", "stable\n")),
    ],
)
def test_other_names_are_refused(check, name):
    with pytest.raises(Refused, match="cannot be one"):
        check(name)


@pytest.mark.parametrize(
    ("check", "name"),
    [
        *((names.check_image, name) for name in ("web", "1", "a_b-c", "a" * 64)),
        *((names.check_version, name) for name in ("1", "1.2", "2026-01-01T00.00", "v1+git.abc_def", "A")),
        *((names.check_channel, name) for name in ("stable", "rc-1", "eu.west_1")),
    ],
)
def test_names_that_are_allowed(check, name):
    assert check(name) == name


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("web-01", ["web-01"]),
        ("web-{08..10}", ["web-08", "web-09", "web-10"]),
        ("web-{8..10}", ["web-8", "web-9", "web-10"]),
        ("{1..2}-{1..2}", ["1-1", "1-2", "2-1", "2-2"]),
        ("n{5..5}x", ["n5x"]),
        ("n{0..1}", ["n0", "n1"]),
        ("web-{a..b}", ["web-{a..b}"]),
    ],
)
def test_a_pattern_stands_for_names(pattern, expected):
    assert names.expanded(pattern) == expected


@pytest.mark.parametrize("pattern", ["web-{10..1}", "web-{0..10000}", "web-{1..101}-{1..100}"])
def test_what_is_no_range_is_refused(pattern):
    with pytest.raises(Refused, match="is no range|they are too many"):
        names.expanded(pattern)
