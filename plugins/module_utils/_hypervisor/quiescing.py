# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Having a guest's agent freeze its file systems, and always thaw them again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import agent, domains
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor, asking
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt

# How long a guest may take to freeze or thaw its file systems.
QUIESCE_SECONDS = 30
# What libvirt answers when the guest agent is at fault: not configured, unresponsive, timed out, refused.
AGENT_CODES = (74, 86, 112, 113)


def problem(hypervisor: Hypervisor, domain: str) -> str:
    """Why the guest cannot be quiesced; empty where its agent says that its file systems are thawed."""
    try:
        status = agent.command(hypervisor, domain, "guest-fsfreeze-status")
    except GoldenError as err:
        return err.reason
    return "" if status == "thawed" else f"the guest agent says that its file systems are {status}"


@contextmanager
def frozen(hypervisor: Hypervisor, domain: str, quiesce: str | None) -> Iterator[str]:
    """Within it the guest's file systems are at rest: not where *quiesce* is None; where it is ``try``, if they can be.

    Yields why they are not although that was to be tried.

    They are let go whatever happens.
    """
    fallback = ""
    try:
        if quiesce:
            freeze(hypervisor, domain)
    except GoldenError as err:
        if quiesce != "try":
            raise
        fallback, quiesce = why_not(err), None
    try:
        yield fallback
    finally:
        if quiesce:
            thaw(hypervisor, domain)


def why_not(err: GoldenError) -> str:
    """Why a guest was not quiesced, in words."""
    return "; ".join([err.reason, *err.left])


@contextmanager
def agent_in_time(handle: libvirt.virDomain) -> Iterator[None]:
    """Within it, the guest agent has to answer in time; libvirt's default is to wait for ever."""
    with asking(f"setting how long the guest agent of {handle.name()} may take"):
        handle.agentSetResponseTimeout(QUIESCE_SECONDS, 0)
    try:
        yield
    finally:
        with suppress(libvirt.libvirtError):  # the domain may be gone
            handle.agentSetResponseTimeout(libvirt.VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK, 0)


def freeze(hypervisor: Hypervisor, domain: str) -> None:
    """Have the guest freeze its file systems, or thaw again what it froze."""
    handle = domains.handle_of(hypervisor, domain)
    with agent_in_time(handle):
        try:
            with asking(f"freezing the file systems of {domain}"):
                handle.fsFreeze(None, 0)
        except GoldenError as err:
            if not thawed(handle):
                err.left += (still_frozen(domain),)
            raise


def thaw(hypervisor: Hypervisor, domain: str) -> None:
    """Have the guest thaw its file systems."""
    handle = domains.handle_of(hypervisor, domain)
    with agent_in_time(handle):
        if not thawed(handle):
            raise GoldenError(
                f"thawing the file systems of {domain}",
                "its guest did not answer",
                "Look into the guest, or reset it.",
                left=(still_frozen(domain),),
            )


def still_frozen(domain: str) -> str:
    return f"the guest of {domain} did not answer the thaw, and may still be frozen"


def thawed(handle: libvirt.virDomain) -> bool:
    """Thaw; whether nothing is frozen now, as in a domain that does not run any more."""
    try:
        handle.fsThaw(None, 0)
    except libvirt.libvirtError:
        return gone(handle)
    return True


def gone(handle: libvirt.virDomain) -> bool:
    try:
        return not handle.isActive()
    except libvirt.libvirtError:
        return True


def agent_failed(err: GoldenError) -> bool:
    """Whether a snapshot failed because the guest could not be quiesced. libvirt 9.0 says [1] for a refusing agent."""
    return err.code in AGENT_CODES or (err.code == libvirt.VIR_ERR_INTERNAL_ERROR and "agent" in err.reason)
