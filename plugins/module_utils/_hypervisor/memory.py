# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisor's own memory."""

from __future__ import annotations

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor, asking
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt
from ansible_collections.golden.libvirt.plugins.module_utils._model import Memory


def read(hypervisor: Hypervisor) -> Memory:
    """All of it, and what is available. (What libvirt calls free memory leaves out what caches would give back.)"""
    with asking(f"asking {hypervisor.uri} for its memory"):
        kibibytes = hypervisor.conn.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
    available = sum(kibibytes.get(kind, 0) for kind in ("free", "buffers", "cached"))
    return Memory(kibibytes["total"] // 1024, available // 1024)
