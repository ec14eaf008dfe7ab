# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where rsync is told to go by a libvirt URI, and what it is given to build on."""

from __future__ import annotations

import os

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import deltas

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("uri", "host", "shell"),
    [
        ("qemu+ssh://kvm1/system", "kvm1", "ssh"),
        ("qemu+ssh://root@kvm1.example.org:2222/system", "root@kvm1.example.org", "ssh -p 2222"),
        ("qemu+libssh2://me@[fe80::1]/system", "me@[fe80::1]", "ssh"),
        ("qemu+ssh://kvm1/system?keyfile=/etc/k&command=/opt/ssh&no_verify=1", "kvm1", "/opt/ssh -i /etc/k"),
    ],
)
def test_the_way_is_that_of_the_uri_and_host_keys_are_checked(uri, host, shell):
    way = deltas.way_along(uri)
    command, *given = shell.split()
    assert (way.host, way.shell) == (host, (command, *deltas.SSH_OPTIONS, *given))
    assert "StrictHostKeyChecking" not in " ".join(way.command(path="/p"))


@pytest.mark.parametrize(
    "uri",
    [
        "qemu:///system",
        "qemu+unix:///system?socket=/run/x",
        "qemu+tls://kvm1/system",
        "qemu+ssh:///system",
        "qemu+ssh://-oProxyCommand=x/system",
        "qemu+ssh://-x@kvm1/system",
        "qemu+ssh://a%20b@kvm1/system",
        "qemu+ssh://kvm1/system?command=sh -c x",
        "qemu+ssh://kvm1/system?keyfile=-oProxyCommand=x",
        "qemu+ssh://kvm1/system?keyfile=/a'b",
    ],
)
def test_what_rsync_cannot_be_told_is_no_way(uri):
    with pytest.raises(deltas.NoWay):
        deltas.way_along(uri)


def test_a_path_is_one_argument_whatever_is_in_it():
    command = deltas.way_along("qemu+ssh://kvm1/system").command(path="/a b/$(c)/d'e")
    assert command[-2:] == ["--", "kvm1:/a b/$(c)/d'e"]
    assert "--protect-args" in command


def test_what_was_received_and_the_basis_are_put_together_holes_as_holes(tmp_path):
    basis, target = tmp_path / "basis", tmp_path / "target"
    with basis.open("wb") as file:
        file.write(b"b" * MIB)
        file.truncate(64 * MIB)
        file.seek(65 * MIB)
        file.write(b"e" * 100)
    target.write_bytes(b"old")
    for name, content in (
        (".target.aaaaaa", b"more received"),
        (".target.bbbbbb", b"less"),
        (".target.long", b"other"),
    ):
        (tmp_path / name).write_bytes(content)
    deltas.gather(deltas.Delta("/far", str(target), str(basis), 99 * MIB))
    found = target.read_bytes()
    assert (found[:13], found[MIB : MIB + 3], found[-2:]) == (b"more received", b"bbb", b"ee")
    assert len(found) == MIB + basis.stat().st_size
    assert target.stat().st_blocks * 512 < 4 * MIB
    assert sorted(os.listdir(tmp_path)) == [".target.long", "basis", "target"]


def test_what_has_grown_beyond_the_volume_is_begun_anew(tmp_path):
    basis, target = tmp_path / "basis", tmp_path / "target"
    basis.write_bytes(b"basis")
    target.write_bytes(b"x" * 100)
    deltas.gather(deltas.Delta("/far", str(target), str(basis), 99))
    assert target.read_bytes() == b"basis"


def test_a_file_that_is_there_is_not_written_to(tmp_path):
    basis, target, disk = tmp_path / "basis", tmp_path / "target", tmp_path / "disk"
    basis.write_bytes(b"basis")
    disk.write_bytes(b"live")
    disk.chmod(0o640)
    os.link(disk, target)
    deltas.gather(deltas.Delta("/far", str(target), str(basis), 99))
    assert (disk.read_bytes(), disk.stat().st_mode & 0o777, disk.stat().st_nlink) == (b"live", 0o640, 1)
    assert target.read_bytes()[:4] == b"live"
    assert target.stat().st_mode & 0o777 == 0o444


def test_a_failed_rsync_is_told_with_what_it_said(tmp_path):
    (tmp_path / "basis").write_bytes(b"basis")
    delta = deltas.Delta("/far", str(tmp_path / "target"), str(tmp_path / "basis"), 99)
    with pytest.raises(deltas.GoldenError, match="bringing target from kvm1 by rsync: no route. Run it again"):
        deltas.bring(deltas.Way("kvm1", ("ssh",)), delta, lambda command: (12, "", "no\nroute\n"))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            "no rsync there\nrsync: connection unexpectedly closed (0 bytes received so far) [Receiver]\n",
            "no rsync there",
        ),
        (
            "no rsync there\nrsync: [Receiver] safe_write failed to write 6 bytes to fd 4: Broken pipe (32)\n",
            "no rsync there",
        ),
        (
            'rsync: [sender] link_stat "/a" failed: No such file or directory (2)\nrsync error: some (code 23)\n',
            'rsync: [sender] link_stat "/a" failed: No such file or directory (2)',
        ),
        ("rsync error: timeout (code 30) at io.c(1)\n", "rsync error: timeout (code 30) at io.c(1)"),
        ("", ""),
    ],
)
def test_why_it_failed_is_said_and_not_how_it_noticed(error, said):
    assert deltas.words(error) == said
