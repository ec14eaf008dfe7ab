# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions that nobody changes or takes away, libvirt and root neither, and that we delete all the same."""

from __future__ import annotations

import os
import pathlib
import stat
import subprocess

import libvirt
import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import protection
from support import versions
from support.lab import chattr, qemu_img, tool


def immutable(lab, pool="pool"):
    """The names of the files in a pool that cannot be changed."""
    listed = tool("lsattr", str(lab.path / pool)).splitlines()
    return {os.path.basename(path) for flags, path in map(str.split, listed) if "i" in flags}


def promote(lab, **options):
    asked = {"domain": lab.machine("web", firmware="uefi"), "image": "web", "image_pool": lab.pool, "sealed": False}
    pathlib.Path(lab.file(f"{asked['domain']}_VARS.fd")).write_bytes(b"v" * 1000)
    done = lab.run("promote", {**asked, **options})
    assert "msg" not in done, done


def test_a_version_stays_as_it_is_until_we_delete_it(here, lab):
    versions.add(lab, "web", "0")
    promote(lab)
    volumes = {"golden.web.1.vda.qcow2", "golden.web.1.nvram.fd", "golden.web.1.manifest.json"}
    assert immutable(lab) == volumes
    for volume in volumes:
        for change in (os.unlink, lambda path: os.truncate(path, 0), lambda path: os.chown(path, 64055, 0)):
            with pytest.raises(PermissionError):
                change(lab.file(volume))
        with pytest.raises(libvirt.libvirtError, match="Operation not permitted"):
            lab.conn.storageVolLookupByPath(lab.file(volume)).delete(0)
    told = lab.run("image_info", {"image": "web", "image_pool": lab.pool, "verify": True})
    assert (told["images"][0]["versions"][1]["findings"], told["foreign"]) == ([], [])
    gone = {"image": "web", "version": "1", "image_pool": lab.pool, "state": "absent"}
    # Through a connection that may lead anywhere, what is immutable cannot be helped.
    failed = lab.run("image", {**gone, "uri": "qemu+unix:///system"})
    assert "run this on the hypervisor itself, as root, or take the flag there: 'chattr -i /" in failed["msg"]
    done = lab.run("image", gone)
    assert "msg" not in done, done
    assert not any(name.startswith("golden.web.1.") for name in os.listdir(lab.path / "pool"))


def test_protection_is_left_out_where_that_is_said(here, lab):
    promote(lab, protect=False)
    other = lab.add_pool("other")
    asked = {"image": "web", "version": "1", "from_uri": lab.uri, "from_pool": lab.pool, "image_pool": other}
    lab.run("transfer", {**asked, "protect": False})
    assert immutable(lab) | immutable(lab, "other") == set()
    for name in os.listdir(lab.path / "other"):
        os.unlink(lab.path / "other" / name)
    for _time in ("anew", "where only the manifest was lost"):
        done = lab.run("transfer", asked)
        assert "msg" not in done, done
        assert len(immutable(lab, "other")) == 3
        lost = lab.path / "other" / "golden.web.1.manifest.json"
        chattr("-i", str(lost))
        lost.unlink()


def test_what_a_dead_run_left_immutable_is_pruned(here, lab):
    versions.add(lab, "web", "1")
    for volume in ("golden.web.1.vda.qcow2", "golden.web.1.manifest.json"):
        os.utime(lab.file(volume), (0, 0))
        chattr("+i", lab.file(volume))
    lab.unprotect("golden.web.1.manifest.json")
    os.unlink(lab.file("golden.web.1.manifest.json"))
    lab.refresh()
    done = lab.run("prune", {"image_pool": lab.pool})
    assert "msg" not in done, done
    assert not os.path.exists(lab.file("golden.web.1.vda.qcow2"))


@pytest.mark.parametrize(("protected", "owner"), [(True, 0), (False, None)])
def test_libvirt_gives_away_what_a_clone_is_linked_to_unless_it_is_immutable(lab, protected, owner):
    versions.add(lab, "web", "1")
    base = lab.file("golden.web.1.vda.qcow2")
    if protected:
        chattr("+i", base)
    name = lab.machine("a")
    qemu_img("rebase", "-u", "-b", base, "-F", "qcow2", lab.disk_path(name))
    before = versions.digest_of(lab, "golden.web.1.vda.qcow2")
    for _time in range(2):
        lab.domain(name).create()
        assert lab.state(name) == "running"
        lab.domain(name).destroy()
    status = os.stat(base)
    assert (status.st_uid == owner) is protected
    assert stat.S_IMODE(status.st_mode) == 0o444
    assert versions.digest_of(lab, "golden.web.1.vda.qcow2") == before
    found = lab.run("image_info", {"image": "web", "image_pool": lab.pool, "verify": True})
    findings = {of["finding"]: of["note"] for of in found["images"][0]["versions"][0]["findings"]}
    # A remote connection could not have the flag, so that there it is nobody's fault.
    assert findings == ({} if protected else {"unprotected": True, "owner": lab.far}) or lab.far


def test_the_flag_is_not_to_be_had_where_libvirt_labels_files(tmp_path, monkeypatch):
    path = tmp_path / "golden"
    path.write_text("x")
    monkeypatch.setattr(protection, "SELINUX", str(path))
    protection.set_immutable(str(path), True)
    path.write_text("y")
    assert protection.is_immutable(str(path)) is None


def test_a_link_is_never_followed_to_what_it_leads_to(tmp_path):
    path, link = tmp_path / "other", tmp_path / "golden"
    path.write_text("x")
    link.symlink_to(path)
    protection.set_immutable(str(link), True)
    path.write_text("y")
    assert protection.is_immutable(str(link)) is None


@pytest.fixture
def without_flags(tmp_path):
    """A file system that has no immutable flag."""
    subprocess.run(["mount", "-t", "ramfs", "ramfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_a_file_system_without_the_flag_is_no_error(without_flags):
    path = without_flags / "golden"
    path.write_text("x")
    protection.set_immutable(str(path), True)
    assert protection.is_immutable(str(path)) is None
