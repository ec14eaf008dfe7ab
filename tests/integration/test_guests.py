# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twenty real guests of one version on one machine: inside, too, each is itself. Takes many minutes without KVM:

pytest tests/integration/test_guests.py --guest-image IMAGE

IMAGE is a sealed qcow2 with cloud-init, guest agent and ssh server, as the role golden.libvirt.base makes one.
"""

from __future__ import annotations

import itertools
import pathlib
import time

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import agent
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from support import versions

MEMORY = 224
SECONDS = 1500
QUESTIONS = {
    "machine-id": "cat /etc/machine-id",
    "host key": "cat /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2",
    "host name": "hostname",
    "MAC": "cat /sys/class/net/e*/address",
    "product uuid": "cat /sys/class/dmi/id/product_uuid",
}


def answers_of(lab, name: str) -> dict[str, str]:
    """What the guest says of itself, once cloud-init is done with it."""
    script = "cloud-init status --wait >/dev/null 2>&1; " + "; ".join(QUESTIONS.values())
    with Hypervisor(lab.uri) as hypervisor:
        end = time.monotonic() + SECONDS
        while True:
            said = agent.run(hypervisor, name, ["/bin/sh", "-c", script], timeout=SECONDS).decode().split()
            if len(said) == len(QUESTIONS) or time.monotonic() > end:
                return dict(zip(QUESTIONS, said))
            time.sleep(2)


def test_twenty_guests_of_one_version_are_twenty_machines(lab, pytestconfig):
    image = pytestconfig.getoption("--guest-image")
    if not image:
        pytest.skip("no --guest-image")
    number = pytestconfig.getoption("--guests")
    versions.add_image(lab, "web", "1", pathlib.Path(image), first_boot="cloud-init")
    args = {
        "names": [f"{lab.prefix}-{{01..{number:02d}}}"],
        "image": "web",
        "version": "1",
        "image_pool": lab.pool,
        "memory": MEMORY,
        "start": True,
        "wait_for": "address",
        "wait_timeout": SECONDS,
        "max_starting": 4,
    }
    result = lab.run("clone", args, seconds=SECONDS * 2)
    assert not result.get("failed"), result["msg"]
    assert all(clone["addresses"] for clone in result["clones"])
    said = {clone["name"]: answers_of(lab, clone["name"]) for clone in result["clones"]}
    for question in QUESTIONS:
        assert len({answers[question] for answers in said.values()}) == number, (question, said)
    for clone in result["clones"]:
        mine = said[clone["name"]]
        assert (mine["host name"], mine["MAC"], mine["product uuid"].lower()) == (
            clone["name"],
            clone["macs"][0],
            clone["uuid"],
        )
    for one, two in itertools.combinations(said.values(), 2):
        assert not set(one.values()) & set(two.values())
    assert lab.run("clone", args, seconds=SECONDS)["changed"] is False
