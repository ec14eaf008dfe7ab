# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NoCloud seed: what is in it, read back from its bytes."""

from __future__ import annotations

import json
import struct

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._seed import iso9660, nocloud

SECTOR = 2048


def listing(image: bytes, descriptor: int) -> dict[str, bytes]:
    """The files that a descriptor's tree holds, by the name that it says."""
    head = image[descriptor * SECTOR : (descriptor + 1) * SECTOR]
    encoding = "utf-16-be" if head[0] == 2 else "ascii"
    root = struct.unpack_from("<I", head, 156 + 2)[0] * SECTOR
    found, at = {}, root
    while image[at]:
        extent, size = struct.unpack_from("<I", image, at + 2)[0], struct.unpack_from("<I", image, at + 10)[0]
        name = image[at + 33 : at + 33 + image[at + 32]]
        if name not in (b"\0", b"\1"):
            found[name.decode(encoding)] = image[extent * SECTOR : extent * SECTOR + size]
        at += image[at]
    return found


def seed(**options) -> dict[str, bytes]:
    return listing(nocloud.seed("i-1", "web-01", **options), iso9660.JOLIET)


def test_both_trees_hold_the_files_and_the_label():
    image = iso9660.image({"user-data": b"u" * 5000, "meta-data": b"m"}, "cidata")
    assert listing(image, iso9660.PLAIN) == {"META-DATA.;1": b"m", "USER-DATA.;1": b"u" * 5000}
    assert listing(image, iso9660.JOLIET) == {"meta-data": b"m", "user-data": b"u" * 5000}
    assert image[16 * SECTOR + 40 : 16 * SECTOR + 72] == b"cidata".ljust(32)
    assert image[17 * SECTOR + 40 : 17 * SECTOR + 72].decode("utf-16-be") == "cidata".ljust(16)
    assert struct.unpack_from("<I", image, 16 * SECTOR + 80)[0] * SECTOR == len(image)


def test_the_same_content_is_the_same_image():
    assert nocloud.seed("i-1", "web-01", ["k"]) == nocloud.seed("i-1", "web-01", ["k"])


def test_host_name_and_keys_are_metadata_and_user_data_stays_the_users_own():
    data = {"user-data": "#cloud-config\npackages: [vim]  # ü\n", "vendor-data": "#!/bin/sh\n"}
    files = seed(ssh_keys=['ssh-ed25519 AAAA "anna"'], data=data)
    assert json.loads(files["meta-data"]) == {
        "instance-id": "i-1",
        "local-hostname": "web-01",
        "public-keys": ['ssh-ed25519 AAAA "anna"'],
    }
    assert files["user-data"].decode() == "#cloud-config\npackages: [vim]  # ü\n"
    assert files["vendor-data"] == b"#!/bin/sh\n"
    assert "network-config" not in files


def test_characters_stay_whole():
    # Not as two escapes, which are one character in JSON but in YAML two, which nothing can write.
    assert "anna 🐧".encode() in seed(ssh_keys=["ssh-ed25519 AAAA anna 🐧"])["meta-data"]


def test_without_user_data_cloud_init_still_finds_its_file():
    assert seed()["user-data"] == b"#cloud-config\n{}\n"


def test_network_configuration():
    assert json.loads(seed(network_config={"version": 2})["network-config"]) == {"version": 2}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#cloud-config\na: 1", True),
        ("#!/bin/sh\n", True),
        ("hostname: x", False),
        ("", False),
        (" #cloud-config", False),
    ],
)
def test_what_cloud_init_knows_as_user_data(text, expected):
    assert nocloud.is_user_data(text) is expected
