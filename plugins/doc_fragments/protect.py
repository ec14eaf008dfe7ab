# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  protect:
    description:
      - Whether the version's volumes get the immutable flag (C(chattr +i)), so that neither libvirt nor root changes,
        deletes or gives them away. These modules take it when they delete a version, where they run on the hypervisor
        itself as root.
      - This takes a task that runs there as root, a file system that has the flag (ext4, xfs, btrfs) and no SELinux.
        Elsewhere their mode alone protects them. Set it to V(false) where versions are deleted over a remote O(uri).
    type: bool
    default: true
"""
