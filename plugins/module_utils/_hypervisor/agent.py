# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest agent: is it there, what does it say, run something in the guest."""

from __future__ import annotations

import base64
import ipaddress
import json
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor, asking
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt, libvirt_qemu

ANSWER_SECONDS = 10
POLL_SECONDS = 1.0


def command(hypervisor: Hypervisor, name: str, execute: str, **arguments: Any) -> Any:
    """What the guest's agent returns for a QGA command (docs: QEMU Guest Agent protocol reference)."""
    request = json.dumps({"execute": execute, **({"arguments": arguments} if arguments else {})})
    with asking(f"asking the guest agent of {name} for {execute}"):
        answer = libvirt_qemu.qemuAgentCommand(domains.handle_of(hypervisor, name), request, ANSWER_SECONDS, 0)
    return json.loads(answer)["return"]


def answers(hypervisor: Hypervisor, name: str) -> bool:
    """Whether the agent answers a ping."""
    try:
        command(hypervisor, name, "guest-ping")
    except GoldenError:
        return False
    return True


def wait(hypervisor: Hypervisor, name: str, until: str, timeout: float) -> None:
    """Wait for the guest: *until* its ``agent`` answers, an ``address`` of it is known that is not loopback, or its
    ``ssh`` server answers at one of these.

    Ends early where the domain does not run any more.
    """
    end = time.monotonic() + timeout
    ready = {"agent": answers, "address": addresses, "ssh": answers_ssh}[until]
    while not ready(hypervisor, name):
        state = domains.state(hypervisor, name)
        if time.monotonic() > end or state in ("shutoff", "crashed"):
            break
        time.sleep(POLL_SECONDS)
    else:
        return
    raise GoldenError(
        f"waiting for the guest of {name}",
        f"no {until} within {timeout:g} seconds (the domain is {state})",
        "Look at its console ('virsh console', or the file that its serial port is logged to); check that "
        "qemu-guest-agent is installed and enabled in it.",
    )


def answers_ssh(hypervisor: Hypervisor, name: str) -> bool:
    """Whether an ssh server answers at one of the guest's addresses, as seen from where this runs."""
    return any(greets(address) for address in addresses(hypervisor, name))


def greets(address: str, port: int = 22) -> bool:
    """Whether what listens there introduces itself as an ssh server (RFC 4253, 4.2)."""
    with suppress(OSError), socket.create_connection((address, port), ANSWER_SECONDS) as server:
        return server.recv(4) == b"SSH-"
    return False


def addresses(hypervisor: Hypervisor, name: str) -> list[str]:
    """The guest's IP addresses, loopback and link-local ones left out: as its agent says, else libvirt's DHCP server,
    else the host's ARP table; none where nobody knows any."""
    for source in (
        libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT,
        libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE,
        libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP,
    ):
        with suppress(libvirt.libvirtError):
            interfaces = domains.handle_of(hypervisor, name).interfaceAddresses(source, 0)
            found = [address["addr"] for interface in interfaces.values() for address in interface["addrs"] or []]
            known = [address for address in found if is_reached(address)]
            if known:
                return known
    return []


def is_reached(said: str) -> bool:
    """Whether what was *said* is an address, and one that others may reach: a guest can have its agent say anything."""
    try:
        address = ipaddress.ip_address(said)
    except ValueError:
        return False
    return "%" not in said and not address.is_loopback and not address.is_link_local


def run(hypervisor: Hypervisor, name: str, argv: Sequence[str], stdin: bytes = b"", timeout: float = 60) -> bytes:
    """The output of a program run in the guest, without a shell; GoldenError where it fails or takes too long."""
    arguments: dict[str, Any] = {"path": argv[0], "arg": list(argv[1:]), "capture-output": True}
    if stdin:
        arguments["input-data"] = base64.b64encode(stdin).decode()
    pid = command(hypervisor, name, "guest-exec", **arguments)["pid"]
    end = time.monotonic() + timeout
    status: dict[str, Any] | None = None
    while time.monotonic() < end:
        status = command(hypervisor, name, "guest-exec-status", pid=pid)
        if status and status["exited"]:
            break
        time.sleep(0.2)
    doing = f"running {argv[0]} in the guest of {name}"
    if not status or not status["exited"]:
        raise GoldenError(doing, f"it took longer than {timeout:g} seconds", "Look into the guest.")
    if status.get("exitcode"):
        said = base64.b64decode(status.get("err-data", "")).decode(errors="replace").strip()
        raise GoldenError(doing, f"it ended with code {status['exitcode']}: {said[-300:]}", "Look into the guest.")
    return base64.b64decode(status.get("out-data", ""))
