# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  uri:
    description:
      - The connection to libvirt, as C(virsh -c) takes it.
      - V(qemu:///system) is the hypervisor that the task runs on, V(qemu:///session) that of its user;
        V(qemu+ssh://user@host/system) reaches another one from where the task runs.
    type: str
    default: qemu:///system
requirements:
  - Python >= 3.9 where the module runs
  - libvirt-python >= 9.0
  - lxml >= 4.9
"""
