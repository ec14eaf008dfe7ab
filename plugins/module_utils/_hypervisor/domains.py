# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains: reading, defining, power, metadata."""

from __future__ import annotations

import difflib
import time
from contextlib import suppress
from typing import Callable

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, NotFound
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor, asking
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain, Limits
from ansible_collections.golden.libvirt.plugins.module_utils._xml import domain as domain_xml
from ansible_collections.golden.libvirt.plugins.module_utils._xml import hardware
from ansible_collections.golden.libvirt.plugins.module_utils._xml import metadata as metadata_xml

# Where libvirt does not say how many processors a machine may have.
MANY = 1 << 16
# virDomainState of libvirt-domain.h, as virsh names them.
STATES = ("nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended")


def names(hypervisor: Hypervisor) -> list[str]:
    """The names of all domains, active or not."""
    with asking(f"listing the domains of {hypervisor.uri}"):
        return sorted(handle.name() for handle in hypervisor.conn.listAllDomains(0))


def look_up(hypervisor: Hypervisor, name: str) -> libvirt.virDomain | None:
    """libvirt's handle, or None where there is no such domain."""
    try:
        return hypervisor.conn.lookupByName(name)
    except libvirt.libvirtError as err:
        if err.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        with asking(f"looking for domain {name}"):
            raise


def handle_of(hypervisor: Hypervisor, name: str) -> libvirt.virDomain:
    """libvirt's handle; NotFound, naming near misses, where there is no such domain."""
    handle = look_up(hypervisor, name)
    if handle is not None:
        return handle
    near = difflib.get_close_matches(name, names(hypervisor), 3, 0.5)
    raise NotFound(
        f"looking for domain {name}",
        f"{hypervisor.uri} has no domain of that name",
        f"Near: {', '.join(near)}." if near else "See 'virsh list --all' for those that are there.",
        code=libvirt.VIR_ERR_NO_DOMAIN,
    )


def incarnation(hypervisor: Hypervisor, name: str, uuid: str | None) -> libvirt.virDomain:
    """libvirt's handle of the domain with this *uuid*, where one is given: its name may be another's meanwhile."""
    if uuid is None:
        return handle_of(hypervisor, name)
    with asking(f"looking for domain {name}", "Somebody has removed it meanwhile: see what is there and decide again."):
        return hypervisor.conn.lookupByUUIDString(uuid)


def find(hypervisor: Hypervisor, name: str) -> Domain | None:
    """The domain, or None."""
    handle = look_up(hypervisor, name)
    return model_of(handle) if handle is not None else None


def read(hypervisor: Hypervisor, name: str) -> Domain:
    """The domain as its inactive XML says, secrets included."""
    return model_of(handle_of(hypervisor, name))


def read_all(hypervisor: Hypervisor) -> list[Domain]:
    """All domains, active or not; one that vanishes meanwhile is left out.

    Their states come with the listing: only its XML is asked of each, which is what many domains cost.
    """
    with asking(f"listing the domains of {hypervisor.uri}"):
        listed = hypervisor.conn.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)
        defined = hypervisor.conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT)
    persistent = {handle.UUID() for handle in defined}
    found: list[Domain] = []
    for handle, stats in listed:
        try:
            found.append(described(handle, stats["state.state"], handle.UUID() in persistent))
        except GoldenError as err:
            if not vanished(err):
                raise
    return sorted(found, key=lambda domain: domain.name)


def vanished(err: GoldenError) -> bool:
    """Whether that was because the domain is there no more."""
    return isinstance(err, NotFound) or err.code == libvirt.VIR_ERR_NO_DOMAIN


def model_of(handle: libvirt.virDomain) -> Domain:
    with asking(f"reading domain {handle.name()}"):
        return described(handle, handle.state()[0], bool(handle.isPersistent()))


def described(handle: libvirt.virDomain, state: int, persistent: bool) -> Domain:
    """The domain as its inactive XML says, in a *state* that libvirt's number stands for."""
    with asking(f"reading domain {handle.name()}"):
        flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
        return domain_xml.domain_of(handle.XMLDesc(flags), STATES[state], persistent=persistent)


def state(hypervisor: Hypervisor, name: str) -> str:
    """The domain's state, as virsh names it."""
    with asking(f"reading domain {name}"):
        return STATES[handle_of(hypervisor, name).state()[0]]


def snapshot_count(hypervisor: Hypervisor, name: str) -> int:
    """How many snapshots and checkpoints a domain has."""
    handle = handle_of(hypervisor, name)
    with asking(f"counting the snapshots of {name}"):
        return int(handle.snapshotNum(0)) + len(handle.listAllCheckpoints(0))


def live_xml(hypervisor: Hypervisor, name: str) -> str:
    """The XML of a running domain as it runs."""
    with asking(f"reading domain {name}"):
        xml: str = handle_of(hypervisor, name).XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
        return xml


def live_macs(hypervisor: Hypervisor) -> frozenset[str]:
    """The MAC addresses of running domains as they run: of interfaces that were plugged in since, too."""
    with asking(f"listing the running domains of {hypervisor.uri}"):
        handles = hypervisor.conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    found: set[str] = set()
    for handle in handles:
        with suppress(libvirt.libvirtError):  # it was switched off meanwhile
            found.update(domain_xml.domain_of(handle.XMLDesc(0), "running").macs)
    return frozenset(found)


def read_live(hypervisor: Hypervisor, name: str) -> Domain:
    """The domain as it runs where it runs, else as it is defined."""
    domain = read(hypervisor, name)
    if domain.off:
        return domain
    return domain_xml.domain_of(live_xml(hypervisor, name), domain.state, persistent=domain.persistent)


def has_saved_memory(hypervisor: Hypervisor, name: str) -> bool:
    """Whether the domain was put to disk with its memory (managed save), to go on there when it starts."""
    with asking(f"reading domain {name}"):
        return bool(handle_of(hypervisor, name).hasManagedSaveImage(0))


def has_snapshots(hypervisor: Hypervisor, name: str) -> bool:
    with asking(f"reading the snapshots of {name}"):
        return bool(handle_of(hypervisor, name).snapshotNum(0))


def snapshot_support(hypervisor: Hypervisor) -> tuple[bool, int]:
    """Whether libvirt reverts external snapshots itself, and its version as a number (9000000 is 9.0.0)."""
    with asking(f"asking {hypervisor.uri} what it can do"):
        capabilities = domain_xml.capabilities_of(hypervisor.conn.getCapabilities())
        return capabilities.external_snapshot, hypervisor.conn.getLibVersion()


def define(hypervisor: Hypervisor, xml: str, name: str) -> None:
    """Define (or redefine) a domain from *xml*."""
    with asking(f"defining domain {name}"):
        hypervisor.conn.defineXMLFlags(xml, 0)


def undefine(hypervisor: Hypervisor, name: str, uuid: str | None = None) -> None:
    """Forget a domain that is off, its snapshots' metadata, UEFI variables and vTPM state too; its disks stay.

    Where *uuid* is given, that one and no other of the name.
    """
    flags = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    flags |= libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    flags |= libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_TPM
    with asking(f"removing domain {name}"):
        incarnation(hypervisor, name, uuid).undefineFlags(flags)


def start(hypervisor: Hypervisor, name: str, *, paused: bool = False, lent: bool = False) -> None:
    """Start a domain that is off. One that is *lent* is stopped when the connection ends, however that comes."""
    flags = libvirt.VIR_DOMAIN_START_PAUSED if paused else 0
    flags |= libvirt.VIR_DOMAIN_START_AUTODESTROY if lent else 0
    with asking(f"starting domain {name}"):
        handle_of(hypervisor, name).createWithFlags(flags)


def stop(hypervisor: Hypervisor, name: str) -> None:
    """Cut a domain's power; flushes QEMU's caches first."""
    with asking(f"stopping domain {name}"):
        handle_of(hypervisor, name).destroyFlags(libvirt.VIR_DOMAIN_DESTROY_GRACEFUL)


def shut_down(hypervisor: Hypervisor, name: str, timeout: float) -> None:
    """Ask the guest to shut down (agent first, else ACPI) and wait *timeout* seconds for it."""
    handle = handle_of(hypervisor, name)
    with asking(f"shutting domain {name} down"):
        handle.shutdownFlags(0)
    end = time.monotonic() + timeout
    while STATES[handle.state()[0]] != "shutoff":
        if time.monotonic() > end:
            raise GoldenError(
                f"shutting domain {name} down",
                f"it still ran after {timeout:g} seconds",
                "Look at its console; or stop it hard.",
            )
        time.sleep(0.25)


def pause(hypervisor: Hypervisor, name: str, *, paused: bool) -> None:
    """Stop the processors of a domain that is on, or let them go on."""
    with asking(f"{'pausing' if paused else 'resuming'} domain {name}"):
        handle = handle_of(hypervisor, name)
        handle.suspend() if paused else handle.resume()


def restore(hypervisor: Hypervisor, name: str, file: str, xml: str, *, paused: bool) -> None:
    """Start a domain from the memory in *file*, as the domain *xml*."""
    with asking(f"restoring the memory of domain {name} from {file}"):
        flags = libvirt.VIR_DOMAIN_SAVE_PAUSED if paused else libvirt.VIR_DOMAIN_SAVE_RUNNING
        hypervisor.conn.restoreFlags(file, xml, flags)


def discard_saved_memory(hypervisor: Hypervisor, name: str) -> None:
    """Forget the memory that a domain was put to disk with (managed save)."""
    with asking(f"discarding the saved memory of domain {name}"):
        handle_of(hypervisor, name).managedSaveRemove(0)


def rename(hypervisor: Hypervisor, name: str, to: str) -> None:
    """Rename a domain that is off; its UUID stays."""
    with asking(f"renaming domain {name} to {to}"):
        handle_of(hypervisor, name).rename(to, 0)


def detach_seed(hypervisor: Hypervisor, name: str) -> Callable[[], None]:
    """Take the seed's disk from a domain, a running one too; returns what puts it back into the definition."""
    handle = handle_of(hypervisor, name)
    disk = hardware.seed_disk(read(hypervisor, name).xml)
    if disk is None:
        return lambda: None
    with asking(f"detaching the seed of domain {name}"):
        if handle.isActive() and disk.ejects:
            handle.updateDeviceFlags(disk.empty, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        elif handle.isActive():
            handle.detachDeviceFlags(disk.xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        handle.detachDeviceFlags(disk.xml, libvirt.VIR_DOMAIN_AFFECT_CONFIG)

    def put_back() -> None:
        handle.attachDeviceFlags(disk.xml, libvirt.VIR_DOMAIN_AFFECT_CONFIG)

    return put_back


def set_metadata(hypervisor: Hypervisor, name: str, element: str | None, uuid: str | None = None) -> None:
    """Put our element into the persistent (and, where it runs, the live) definition; None removes it.

    Where *uuid* is given, of that domain and no other of the name.
    """
    handle = incarnation(hypervisor, name, uuid)
    with asking(f"writing the metadata of domain {name}"):
        flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
        flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE if handle.isActive() else 0
        handle.setMetadata(
            libvirt.VIR_DOMAIN_METADATA_ELEMENT, element, metadata_xml.KEY, metadata_xml.NAMESPACE, flags
        )


def host(hypervisor: Hypervisor) -> dict[str, str]:
    """Who the hypervisor is: host name and UUID, libvirt's and QEMU's versions."""
    with asking(f"asking {hypervisor.uri} who it is"):
        capabilities = domain_xml.capabilities_of(hypervisor.conn.getCapabilities())
        return {
            "hostname": hypervisor.conn.getHostname(),
            "uuid": capabilities.host_uuid,
            "libvirt": dotted(hypervisor.conn.getLibVersion()),
            "hypervisor": f"{hypervisor.conn.getType()} {dotted(hypervisor.conn.getVersion())}",
        }


def limits(hypervisor: Hypervisor, xml: str) -> Limits:
    """What a domain like *xml* can have here."""
    wanted = domain_xml.platform_of(xml)
    with asking(f"asking {hypervisor.uri} what it has"):
        memory = int(hypervisor.conn.getInfo()[1])
        networks = frozenset(network.name() for network in hypervisor.conn.listAllNetworks(0))
    try:
        answer = hypervisor.conn.getDomainCapabilities(None, wanted.arch, wanted.machine, wanted.type)
    except libvirt.libvirtError:  # it says so itself when the domain is defined
        return Limits(memory, MANY, networks)
    return Limits(memory, domain_xml.most_vcpus(answer) or MANY, networks)


def dotted(number: int) -> str:
    """libvirt's version number as people write it."""
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}"
