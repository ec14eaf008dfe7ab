# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  image_pool:
    description: The storage pool that holds the images. A pool of files, so of type C(dir), C(fs) or C(netfs).
    type: str
    default: golden
"""
