# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  parallel:
    description:
      - How many items to work on at the same time, 1 or more. All over one connection.
      - Storage work gains little beyond the number of the hypervisor's processors; waiting for guests does.
    type: int
    default: 2
"""
