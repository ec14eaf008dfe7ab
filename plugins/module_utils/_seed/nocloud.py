# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cloud-init's NoCloud data source: who the guest is and what its user wants of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._seed import iso9660

LABEL = "cidata"
NOTHING = "#cloud-config\n{}\n"
# What cloud-init knows user data by.
HEADERS = (
    "#cloud-config",
    "#!",
    "#include",
    "#cloud-boothook",
    "#part-handler",
    "## template: jinja",
    "Content-Type:",
    "MIME-Version:",
)


def seed(
    instance: str,
    hostname: str,
    ssh_keys: Sequence[str] = (),
    data: Mapping[str, str | None] | None = None,
    network_config: Mapping[str, Any] | None = None,
) -> bytes:
    """The image of the seed. *instance* is new for each machine; *hostname* may be fully qualified.

    Host name and keys go into the metadata, so that *data* (of ``user-data`` and ``vendor-data``) stay, byte for byte,
    the user's own.
    """
    metadata: dict[str, Any] = {"instance-id": instance, "local-hostname": hostname}
    if ssh_keys:
        metadata["public-keys"] = list(ssh_keys)
    files = {"meta-data": yaml(metadata), "user-data": NOTHING.encode()}
    files.update({name: content.encode() for name, content in (data or {}).items() if content})
    if network_config is not None:
        files["network-config"] = yaml(network_config)
    return iso9660.image(files, LABEL)


def yaml(content: Mapping[str, Any]) -> bytes:
    """JSON, which is YAML but for characters that are written as two halves."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def is_user_data(text: str) -> bool:
    """Whether cloud-init would know what *text* is."""
    return text.startswith(HEADERS)
