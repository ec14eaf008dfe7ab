# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that are told who they are while they are off. The real thing needs libguestfs and a guest that it knows:

apt-get install --no-install-recommends guestfs-tools linux-image-cloud-amd64
pytest tests/integration/test_offline.py --guest-image IMAGE

IMAGE is a qcow2 as the role golden.libvirt.base makes one. libguestfs' machine takes a minute and more without KVM.
"""

from __future__ import annotations

import json
import pathlib

import pytest
from support import versions
from support.lab import assert_same, qemu_img, tool

SECONDS = 3000
KEYS = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOne one", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAITwo two"]


def asked(lab, *names, **options):
    customise = {"via": "offline", "fqdn": "{name}.example.org", "ssh_keys": KEYS}
    args = {"names": [f"{lab.prefix}-{name}" for name in names], "image": "web", "version": "1", "image_pool": lab.pool}
    return {**args, "customise": customise, **options}


@pytest.fixture(autouse=True)
def on_the_hypervisor(pytestconfig):
    if pytestconfig.getoption("--stack") != "system":
        pytest.skip("libguestfs writes to files of the machine that it runs on")


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """A virt-customize that notes down its arguments and who may read the keys, and fails where FAIL is set."""
    program = tmp_path / "virt-customize"
    program.write_text(
        f"""#!/bin/sh
        echo "$@" "$LIBGUESTFS_BACKEND $LIBGUESTFS_BACKEND_SETTINGS" >>{tmp_path}/said
        for last; do :; done
        keys=${{last#root:file:}}
        stat -c '%a %U' "$keys" "${{keys%/*}}" >>{tmp_path}/modes
        cat "$keys" >>{tmp_path}/keys
        if [ -n "$FAIL" ]; then echo 'virt-customize: error: no operating systems were found' >&2; exit 1; fi
        """
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_it_is_said_once_and_to_nobody_else(lab, noted):
    versions.add(lab, "web", "1")
    (clone,) = lab.run_and_compare("clone", asked(lab, "a"))["clones"]
    said = (noted / "said").read_text()
    assert f"--connect {lab.uri} --domain {clone['uuid']} " in said
    assert f"--hostname {clone['name']}.example.org " in said
    assert "direct force_tcg" in said
    assert "AAAA" not in said
    assert (noted / "keys").read_text().splitlines() == KEYS
    assert (noted / "modes").read_text() == "600 root\n700 root\n"
    lab.domain(clone["name"]).create()
    assert lab.run_and_compare("clone", asked(lab, "a"))["changed"] is False
    args = {"domain": clone["name"], "to": "version", "image_pool": lab.pool, "power": "shutoff"}
    result = lab.run("revert", args)
    assert any("was told through its agent or offline is lost" in warning for warning in result["warnings"])
    lab.domain(clone["name"]).create()
    assert "was not told offline yet" in lab.run_and_compare("clone", asked(lab, "a"), fails=True)["msg"]
    lab.domain(clone["name"]).destroy()
    result = lab.run_and_compare("clone", asked(lab, "a"))
    assert [action["action"] for action in result["actions"]] == ["customise guest offline", "mark domain"]


def test_a_clone_that_cannot_be_told_is_not_made(lab, noted, monkeypatch):
    versions.add(lab, "web", "1")
    monkeypatch.setenv("FAIL", "1")
    before = lab.world()
    result = lab.run("clone", asked(lab, "a"))
    assert "no operating systems were found" in result["msg"]
    assert_same(before, lab.world(), "the failed clone left something")


def test_without_the_tool_it_is_refused_with_what_to_install(lab, tmp_path, monkeypatch):
    versions.add(lab, "web", "1")
    monkeypatch.setenv("PATH", str(tmp_path))
    args = asked(lab, "a", customise={"via": "offline", "user_data": "#!/bin/sh\n"})
    result = lab.run("clone", args)
    assert "(1) 'user_data' needs cloud-init" in result["msg"]
    assert "(2) virt-customize is not there: install guestfs-tools" in result["msg"]
    assert not lab.domains()


def test_a_real_guest_is_told_offline(lab, pytestconfig):
    image = pytestconfig.getoption("--guest-image")
    if not image:
        pytest.skip("no --guest-image")
    versions.add_image(lab, "web", "1", pathlib.Path(image), first_boot="systemd")
    digest = versions.digest_of(lab, "golden.web.1.vda.qcow2")
    own = {"name": f"{lab.prefix}-full", "linked": False}
    result = lab.run("clone", asked(lab, "linked", clones=[own]), seconds=SECONDS)
    assert not result.get("failed"), result["msg"]
    for clone in result["clones"]:
        name = clone["name"]
        root = root_of(lab, name)
        assert in_guest(root, "cat /etc/hostname") == f"{name}.example.org\n"
        assert in_guest(root, "cat /root/.ssh/authorized_keys").splitlines() == KEYS
        assert "Mode:  0600" in in_guest(root, "stat /root/.ssh/authorized_keys")
        root.unlink()
    assert versions.digest_of(lab, "golden.web.1.vda.qcow2") == digest
    assert lab.run("clone", asked(lab, "linked", clones=[own]))["changed"] is False


def root_of(lab, name: str) -> pathlib.Path:
    """A guest's root file system: the last partition of its disk."""
    disk, root = lab.path / "disk.raw", lab.path / "root.raw"
    qemu_img("convert", "-U", "-O", "raw", lab.disk_path(name), str(disk))
    first = json.loads(tool("sfdisk", "--json", str(disk)))["partitiontable"]["partitions"][-1]["start"] // 2048
    tool("dd", f"if={disk}", f"of={root}", "bs=1M", f"skip={first}", "conv=sparse", "status=none")
    disk.unlink()
    return root


def in_guest(root: pathlib.Path, request: str) -> str:
    """What debugfs says of a file system."""
    return tool("debugfs", "-R", request, str(root))
