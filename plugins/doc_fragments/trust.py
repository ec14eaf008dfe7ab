# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  trusted_signers:
    description:
      - A file of those whose signatures count, in OpenSSH's format C(allowed_signers), on the machine that the task
        runs on. Without it nobody asks for signatures.
      - With it, a version that none of them has signed counts as untrusted, and so does one whose signature is of
        something else, or by a key that was not valid when the version was made, is not meant for the namespace
        C(golden.libvirt), or is in O(revoked_signers).
      - This needs C(ssh-keygen) there. What is signed is the manifest with the digests of the disks; the disks
        themselves are compared with it by M(golden.libvirt.transfer) and M(golden.libvirt.image_info).
      - Set it for all modules that have it with C(group/golden.libvirt.trust) in C(module_defaults).
    type: path
  revoked_signers:
    description: A file of keys that do not count any more, a list of public keys or OpenSSH's C(KRL), on that machine.
    type: path
"""
