# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which answer is an ssh server's, and which qcow2 file may be shared block for block."""

from __future__ import annotations

import socket
import struct
import threading

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.agent import greets, is_reached
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.reflink import is_whole


@pytest.mark.parametrize(
    ("said", "expected"), [(b"SSH-2.0-OpenSSH_9.2\r\n", True), (b"HTTP/1.1 400\r\n", False), (b"", False)]
)
def test_an_ssh_server_introduces_itself(said, expected):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _address = server.accept()
            with client:
                client.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        assert greets("127.0.0.1", server.getsockname()[1]) is expected
        thread.join()


def test_nobody_there_is_no_ssh_server():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert greets("127.0.0.1", port) is False


def header(
    version: int = 3, backing: int = 0, snapshots: int = 0, features: int = 0, magic: bytes = b"QFI\xfb"
) -> bytes:
    """The start of a qcow2 file (docs/interop/qcow2.txt of QEMU)."""
    return struct.pack(">4sIQ44xIQQ", magic, version, backing, snapshots, 0, features)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, True),
        ({"version": 2}, True),
        ({"version": 2, "features": 4}, True),
        ({"features": 8}, True),
        ({"features": 1}, False),
        ({"features": 4}, False),
        ({"backing": 512}, False),
        ({"snapshots": 1}, False),
        ({"magic": b"RAW!"}, False),
    ],
)
def test_a_file_that_is_all_of_its_disk_and_nothing_else(given, expected):
    assert is_whole(header(**given)) is expected


@pytest.mark.parametrize(
    ("said", "reached"),
    [
        ("192.0.2.7", True),
        ("2001:db8::7", True),
        ("127.0.1.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("FE80::1", False),
        ("2001:db8::7%{{ 1 + 1 }}", False),
        ("{{ 1 + 1 }}", False),
        ("-oProxyCommand=true", False),
        ("", False),
    ],
)
def test_only_what_is_an_address_counts_as_one(said, reached):
    assert is_reached(said) is reached
