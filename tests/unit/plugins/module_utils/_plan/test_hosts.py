# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones as inventory hosts: names, groups, and how they are reached."""

from __future__ import annotations

import shlex

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._plan.hosts import (
    address_of,
    hosts_of,
    labels_of,
    ssh_through,
)

HERE, FAR = "qemu:///system", "qemu+ssh://root@hv-1.example.org/system"
LABELS = {HERE: "laptop", FAR: "hv-1.example.org"}


def clone(name, **facts):
    base = {"image": "web", "version": "1.0", "channel": "stable", "state": "running", "outdated": False}
    return {"name": name, "addresses": ["10.0.0.7"], **base, **facts}


def host(connection="ssh", uri=HERE, **facts):
    return hosts_of({uri: [clone("web-01", **facts)]}, LABELS, connection)[0]


def test_groups_are_names_that_ansible_takes():
    assert host(uri=FAR, state="shutoff", outdated=True).groups == (
        "golden_clones",
        "golden_image_web",
        "golden_version_web_1_0",
        "golden_channel_stable",
        "golden_hypervisor_hv_1_example_org",
        "golden_state_shutoff",
        "golden_outdated",
    )
    assert host(channel=None).groups == (
        "golden_clones",
        "golden_image_web",
        "golden_version_web_1_0",
        "golden_hypervisor_laptop",
        "golden_state_running",
    )


def test_what_is_known_are_variables():
    known = host().variables
    assert (known["golden_domain"], known["golden_version"], known["golden_outdated"]) == ("web-01", "1.0", False)
    assert (known["golden_hypervisor"], known["golden_uri"]) == ("laptop", HERE)
    assert "golden_name" not in known


def test_a_name_that_two_hypervisors_have_tells_which():
    found = hosts_of({HERE: [clone("a"), clone("b")], FAR: [clone("b")]}, LABELS, "ssh")
    assert [one.name for one in found] == ["a", "b@laptop", "b@hv-1.example.org"]


def test_hypervisors_are_called_as_their_uris_say():
    uris = [FAR, HERE, "qemu+unix:///system?socket=/run/x", "qemu+ssh://hv-1.example.org/session", HERE]
    assert list(labels_of(uris, "laptop").values()) == ["hv-1.example.org", "laptop", "laptop-2", "hv-1.example.org-2"]


def test_the_agent_is_asked_for_by_domain():
    assert {name: value for name, value in host("agent", FAR).variables.items() if name.startswith("ansible_")} == {
        "ansible_connection": "community.libvirt.libvirt_qemu",
        "ansible_host": "web-01",
        "ansible_libvirt_uri": FAR,
        "ansible_become": False,
        "ansible_remote_tmp": "/root/.ansible/tmp",
    }


@pytest.mark.parametrize(
    ("connection", "uri", "addresses", "expected"),
    [
        ("ssh", FAR, ["10.0.0.7"], {"ansible_host": "10.0.0.7"}),
        ("ssh", FAR, [], {}),
        ("jump", HERE, ["10.0.0.7"], {"ansible_host": "10.0.0.7"}),
        (
            "jump",
            FAR,
            ["10.0.0.7"],
            {"ansible_host": "10.0.0.7", "ansible_ssh_common_args": "-o ProxyJump=root@hv-1.example.org"},
        ),
    ],
)
def test_ssh(connection, uri, addresses, expected):
    found = host(connection, uri, addresses=addresses).variables
    assert {name: value for name, value in found.items() if name.startswith("ansible_")} == expected


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("qemu+ssh://hv/system", "ProxyJump=hv"),
        ("qemu+libssh2://me@hv:2222/system?no_tty=1", "ProxyJump=me@hv:2222"),
        ("qemu+ssh://me@hv:2222/system?keyfile=/k", "ProxyCommand=ssh -W '[%h]:%p' -i /k -p 2222 me@hv"),
        ("qemu+ssh://hv/system?command=/my/ssh", "ProxyCommand=/my/ssh -W '[%h]:%p' hv"),
    ],
)
def test_ssh_goes_through_the_hypervisor_as_libvirt_does(uri, said):
    assert shlex.split(ssh_through(uri)) == ["-o", said]


def test_another_transport_leads_nowhere():
    assert ssh_through("qemu+tls://hv/system") == ""


@pytest.mark.parametrize(
    ("addresses", "chosen"), [([], None), (["2001:db8::1"], "2001:db8::1"), (["2001:db8::1", "10.0.0.7"], "10.0.0.7")]
)
def test_ipv4_is_preferred(addresses, chosen):
    assert address_of(addresses) == chosen
