# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying the state of a domain's emulated TPM to its clones, where a user says so."""

from __future__ import annotations

import posixpath

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains, tpm
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain
from ansible_collections.golden.libvirt.plugins.module_utils._plan.parts import CopyTpm
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import tpm_of

FRESH = "Say 'tpm: fresh': each clone then makes its TPM's state anew."


def refuse_version(words: str, xml: str) -> None:
    """Raise where a version's machine has a TPM, whose state would be copied."""
    if tpm_of(xml):
        raise Refused(f"cloning from {words}", "a version holds no TPM state that could be copied", FRESH)


def state_of(bench: Bench, domain: Domain, words: str, *, then: bool) -> str:
    """The directory of the state of a domain's TPM; empty where it has no TPM, or none that ever started.

    Refuses, all at once, what cannot be copied; *then* says that the domain is one of a snapshot.
    """
    found = tpm_of(domain.xml)
    if found is None:
        return ""
    obstacles = [tpm.hindrance(bench.hypervisor)]
    obstacles += ["a snapshot holds no state of a TPM that could be copied"] if then else []
    obstacles += [] if domain.off else [f"it is {domain.state}, and its TPM at work: shut it down"]
    obstacles += [f"its TPM's state is encrypted with the secret {found.secret}"] if found.secret else []
    obstacles += [f"its TPM's state is at a place of its own ({found.place})"] if found.place else []
    if any(obstacles):
        told = [obstacle for obstacle in obstacles if obstacle]
        raise Refused(f"cloning from {words}", "the state of its TPM cannot be copied", FRESH, obstacles=told)
    directory = tpm.directory(domain.uuid, found.kind)
    return directory if tpm.exists(directory) else ""


@perform.register
def copy_tpm(action: CopyTpm, bench: Bench) -> Undo:
    """The clone's definition takes it with it when it goes."""
    tpm.copy(action.state, tpm.directory(action.uuid, posixpath.basename(action.state)))
    state = domains.state(bench.hypervisor, action.source)
    if state not in ("shutoff", "crashed"):
        doing = f"copying the state of the TPM of {action.source} to {action.domain}"
        raise GoldenError(doing, f"it is {state} now", "Shut it down, leave it off, and run this again.")
    return None
