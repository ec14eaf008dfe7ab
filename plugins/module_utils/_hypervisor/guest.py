# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling a running guest who it is, through its agent."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import agent
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor

# The name is an argument and the keys come on standard input: neither is ever read as shell.
SCRIPT = r"""
set -eu
short=${1%%.*}
hostnamectl set-hostname "$1" 2>/dev/null || { printf '%s\n' "$1" >/etc/hostname; hostname "$1"; }
if ! grep -qE "^[^#]*[[:space:]]$short([[:space:]]|$)" /etc/hosts 2>/dev/null; then
  printf '127.0.1.1\t%s\n' "$1$([ "$1" = "$short" ] || printf ' %s' "$short")" >>/etc/hosts
fi
umask 077
while IFS= read -r key; do
  mkdir -p /root/.ssh
  touch /root/.ssh/authorized_keys
  grep -qxF -e "$key" /root/.ssh/authorized_keys || printf '%s\n' "$key" >>/root/.ssh/authorized_keys
done
"""


def customise(hypervisor: Hypervisor, name: str, hostname: str, ssh_keys: Sequence[str], timeout: float) -> None:
    """Wait for the guest's agent, set its host name and let root log in with *ssh_keys*. Twice is once."""
    agent.wait(hypervisor, name, "agent", timeout)
    keys = "".join(f"{key.strip()}\n" for key in ssh_keys)
    agent.run(hypervisor, name, ["/bin/sh", "-c", SCRIPT, "golden", hostname], keys.encode())
