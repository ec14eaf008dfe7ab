# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs over qemu+ssh, run where neither the pool's files nor libvirt's sockets are in sight.

All other tests can be run like this, too: pytest --stack ssh.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import random

import pytest
from support import versions
from support.lab import MIB, Lab, assert_same, qemu_img
from support.ssh import far_away

# More than libvirt's streams carry in one piece.
GOLDEN = random.Random(1).randbytes(9 * MIB)


@pytest.fixture
def far_lab(lab: Lab, ssh_uri: str) -> Lab:
    """A lab whose modules have nothing but an ssh connection to its hypervisor."""
    lab.uri, lab.where = ssh_uri, far_away(lab.path)
    return lab


def verified(lab: Lab) -> dict:
    """What image_info says of image web, its versions' bytes verified."""
    (found,) = lab.run("image_info", {"image": "web", "image_pool": lab.pool, "verify": True})["images"]
    return found


def golden(lab: Lab, name: str) -> list[bool]:
    """Whether each of a domain's disks has the golden bytes."""
    return [lab.read(lab.disk_path(name, target), len(GOLDEN)) == GOLDEN for target in ("vda", "vdb")]


def spoil(lab: Lab, name: str) -> None:
    for target in ("vda", "vdb"):
        lab.write(lab.disk_path(name, target), b"broken" * 1000)
    assert golden(lab, name) == [False, False]


def test_a_version_has_the_bytes_of_its_domain_and_their_digests(far_lab):
    name = far_lab.machine("build", disks=["qcow2", "raw"], firmware="uefi")
    far_lab.domain(name).create()  # makes its UEFI variables
    far_lab.domain(name).destroy()
    for target in ("vda", "vdb"):
        far_lab.write(far_lab.disk_path(name, target), GOLDEN)
    args = {"image": "web", "version": "1", "image_pool": far_lab.pool}
    far_lab.run_and_compare("promote", {**args, "domain": name, "sealed": False, "channels": ["candidate"]})
    far_lab.run_and_compare("channel", {**args, "name": "stable"})

    image = verified(far_lab)
    (version,) = image["versions"]
    assert (image["channels"], version["problems"]) == ({"candidate": "1", "stable": "1"}, [])
    for disk in version["disks"]:
        path = far_lab.file(disk["volume"])
        assert far_lab.read(path, len(GOLDEN)) == GOLDEN
        assert hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() == disk["sha256"]
    variables = pathlib.Path(far_lab.file(version["firmware"]["nvram"]["volume"]))
    assert variables.read_bytes() == pathlib.Path(far_lab.file(f"{name}_VARS.fd")).read_bytes()

    with open(path, "r+b") as file:
        file.seek(8 * MIB)
        file.write(b"tampered")
    (problem,) = verified(far_lab)["versions"][0]["problems"]
    assert pathlib.Path(path).name in problem


@pytest.mark.parametrize("linked", [True, False])
def test_a_clone_is_made_saved_broken_mended_and_removed(far_lab, linked):
    versions.add(far_lab, "web", "1", disks=["qcow2", "raw"], content=GOLDEN)
    before = far_lab.world()
    customise = {"hostname": "far-away", "via": "cloud-init"}
    args = {"name": f"{far_lab.prefix}-clone", "image": "web", "image_pool": far_lab.pool}
    result = far_lab.run_and_compare("clone", {**args, "version": "1", "linked": linked, "customise": customise})
    name = result["clones"][0]["name"]
    assert golden(far_lab, name) == [True, True]
    disk = json.loads(qemu_img("info", "--output=json", far_lab.disk_path(name)))
    assert ("backing-filename" in disk) == linked
    assert b'"local-hostname": "far-away"' in pathlib.Path(far_lab.file(f"{name}.seed.iso")).read_bytes()

    for mode in ("internal", "external"):
        far_lab.run_and_compare("snapshot", {"domain": name, "name": mode, "mode": mode})
        spoil(far_lab, name)
        far_lab.run_and_compare("revert", {"domain": name, "snapshot": mode}, again=None)
        assert golden(far_lab, name) == [True, True]
        far_lab.run_and_compare("snapshot", {"domain": name, "name": mode, "state": "absent"})

    spoil(far_lab, name)
    far_lab.run_and_compare("revert", {"domain": name, "to": "version", "image_pool": far_lab.pool}, again=None)
    assert golden(far_lab, name) == [True, True]
    far_lab.run_and_compare("clone", {**args, "state": "absent"})
    assert_same(before, far_lab.world(), "more or less than was made was removed")
