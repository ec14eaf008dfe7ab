#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Tell images, versions, channels, lineage and clones
version_added: "0.1.0"
description:
  - Tells what the image pool holds, and what was made from it on this hypervisor.
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - golden.libvirt.connection
  - golden.libvirt.attributes
  - golden.libvirt.image_pool
options:
  images:
    description: The images to tell about; all of the pool by default. One that is not there is left out.
    type: list
    elements: str
    aliases: [image]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: golden.libvirt.promote
  - module: golden.libvirt.channel
"""

EXAMPLES = r"""
- name: See what there is
  golden.libvirt.image_info:
  register: there
"""

RETURN = r"""
images:
  description: One entry per image.
  returned: success
  type: list
  elements: dict
"""

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import IMAGE_POOL
from ansible_collections.golden.libvirt.plugins.module_utils._run.image_info import read
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_info

SPEC = {**IMAGE_POOL, "images": {"type": "list", "elements": "str", "aliases": ["image"]}}


def main() -> None:
    run_info(SPEC, read)


if __name__ == "__main__":
    main()
