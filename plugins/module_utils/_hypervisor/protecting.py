# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may write to a version's files on this machine."""

from __future__ import annotations

import os

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.streams import file_errors

MODE = 0o444


def protect(path: str) -> None:
    """Let nobody write to a file, and nobody but root own it where this is root: as libvirt makes volumes."""
    with file_errors(f"taking the leave to write to {path}"):
        os.chmod(path, MODE)
        if os.geteuid() == 0:
            os.chown(path, 0, 0)
