# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: nocloud
short_description: A seed image for cloud-init
version_added: "0.1.0"
description:
  - Makes the image of a disk that cloud-init reads at the first boot (its data source NoCloud), an ISO 9660 file system
    with the label C(cidata), and encodes it as Base64.
  - The role P(golden.libvirt.builder#role) attaches one to a builder. Clones get theirs from M(golden.libvirt.clone).
author:
  - The golden.libvirt developers (@golden-libvirt)
positional: _input
options:
  _input:
    description: The guest's host name, fully qualified where that is known.
    type: str
    required: true
  instance_id:
    description: The instance's ID. cloud-init does the first boot's work again when it changes.
    type: str
    required: true
  ssh_keys:
    description: Public keys for the image's default user.
    type: list
    elements: str
    default: []
  user_data:
    description: The user data, as cloud-init takes them.
    type: str
    default: ""
  network_config:
    description: The network configuration, as cloud-init takes it (version 1 or 2).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Write a seed image
  ansible.builtin.copy:
    content: >-
      {{ 'web-build' | golden.libvirt.nocloud(instance_id='1', ssh_keys=[key]) | b64decode(encoding='latin-1') }}
    dest: /tmp/seed.iso
    mode: "0600"
  vars:
    key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5k me@example.org
"""

RETURN = r"""
_value:
  description: The image, encoded as Base64.
  type: str
"""

import base64
from typing import Any, Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.golden.libvirt.plugins.module_utils._seed import nocloud as _nocloud


def nocloud(
    hostname: str,
    instance_id: str,
    ssh_keys: list[str] | None = None,
    user_data: str = "",
    network_config: dict[str, Any] | None = None,
) -> str:
    """The seed's image as Base64; AnsibleFilterError where cloud-init would not know what the user data are."""
    if user_data and not _nocloud.is_user_data(user_data):
        raise AnsibleFilterError("the user data begin with nothing that cloud-init knows, such as '#cloud-config'")
    image = _nocloud.seed(
        instance_id, hostname, tuple(ssh_keys or ()), {"user-data": user_data}, network_config or None
    )
    return base64.b64encode(image).decode()


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"nocloud": nocloud}
