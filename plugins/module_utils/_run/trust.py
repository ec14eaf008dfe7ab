# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of manifests, made and checked by OpenSSH's ssh-keygen where the module runs."""

from __future__ import annotations

import calendar
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, replace

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._image.manifest import signed_bytes
from ansible_collections.golden.libvirt.plugins.module_utils._image.repository import Repository
from ansible_collections.golden.libvirt.plugins.module_utils._model import Version
from ansible_collections.golden.libvirt.plugins.module_utils._run.disks import chain_below
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params

TOOL, NAMESPACE = "ssh-keygen", "golden.libvirt"
# What is signed to try a key: nothing, and not as a manifest.
TRIAL = f"{NAMESPACE}.trial"
# Nobody is there to be asked for a passphrase; without this, a prompt would wait at the terminal of the controller.
SILENT = {"SSH_ASKPASS_REQUIRE": "force", "SSH_ASKPASS": "/bin/false"}
FINGERPRINT = re.compile(r"\S+ key SHA256:\S+")
# Room that a manifest gets for it: ed25519 takes 300 bytes, RSA with a certificate 5,000.
MOST_BYTES = 8192


@dataclass(frozen=True)
class Signers:
    """Files on the machine that the module runs on: whom to trust (OpenSSH's allowed_signers), and which keys of
    theirs are revoked (a list of public keys, or OpenSSH's KRL)."""

    trusted: str
    revoked: str | None = None


class Untrusted(Refused):
    """A version that nobody trusted has signed."""


def signers_in(params: Params) -> Signers | None:
    """Whom the task trusts; None where anything goes."""
    if not params["trusted_signers"]:
        return None
    return Signers(params["trusted_signers"], params["revoked_signers"])


def prove_key(bench: Bench, key: str, doing: str) -> None:
    """Refuse a *key* that cannot sign, before anything is done."""
    try:
        signature(bench, key, TRIAL, b"", doing)
    except GoldenError as err:
        raise Refused(err.doing, err.reason, err.advice) from err


def signed(bench: Bench, key: str, version: Version) -> Version:
    """*version* with its signature by *key*: a private key, or a public one whose private half the ssh-agent has."""
    doing = f"signing {version.image} {version.version}"
    if not all(part.sha256 for part in version.parts):
        raise Refused(doing, "its volumes have no digests yet, which are what a signature is about", "Take them now.")
    return replace(version, signature=signature(bench, key, NAMESPACE, signed_bytes(version), doing))


def signature(bench: Bench, key: str, namespace: str, message: bytes, doing: str) -> str:
    status, said, error = keygen(bench, ["sign", "-q", "-f", key, "-n", namespace], message, doing)
    if status:
        raise GoldenError(
            doing,
            f"ssh-keygen cannot sign with {key}: {in_words(error)}",
            "Name the file of a private key that needs no passphrase and that only its owner may read; or of a public "
            "key whose private half the ssh-agent has that SSH_AUTH_SOCK leads to. Both where the task runs.",
        )
    return said


def refuse_untrusted(
    bench: Bench, signers: Signers | None, repository: Repository, version: Version, doing: str
) -> str | None:
    """Who of *signers* has signed *version*; None where nobody need.

    Raises Untrusted where none of them has signed it, or one that its disks are overlays of.
    """
    if signers is None:
        return None
    signer = signer_of(bench, signers, version, doing)
    for part in version.disks:
        volume = repository.store.find(part.volume)
        chain = chain_below(repository, volume) if volume else None
        for below in chain.versions if chain else ():
            signer_of(bench, signers, below, doing)
        if chain and chain.stray:
            reason = f"{part.volume} is an overlay of {chain.stray}, which no manifest names"
            raise Untrusted(doing, reason, "Use another version.")
    return signer


def refusal(
    bench: Bench, signers: Signers | None, repository: Repository, version: Version, doing: str
) -> GoldenError | None:
    """What refuse_untrusted raises."""
    try:
        refuse_untrusted(bench, signers, repository, version, doing)
    except GoldenError as err:
        return err
    return None


def signer_of(bench: Bench, signers: Signers, version: Version, doing: str) -> str:
    """Who of *signers* has signed the version, by the name that is given there; Untrusted where none of them has."""
    words = f"{version.image} {version.version}"
    for path in filter(None, (signers.trusted, signers.revoked)):
        if not os.access(path, os.R_OK):
            advice = "Name a file on the machine that the task runs on."
            raise Refused(doing, f"{path}, which says whom to trust, is not there or cannot be read", advice)
    if not version.signature:
        raise Untrusted(doing, f"{words} is not signed", advice_for(signers))
    with tempfile.NamedTemporaryFile("w", prefix="golden-", suffix=".sig", errors="replace") as file:
        file.write(str(version.signature))
        file.flush()
        return Check(bench, signers, version, doing, file.name).signer()


@dataclass(frozen=True)
class Check:
    """The check of one signature, which is in *file*."""

    bench: Bench
    signers: Signers
    version: Version
    doing: str
    file: str

    def signer(self) -> str:
        message, trusted = signed_bytes(self.version), ["-f", self.signers.trusted]
        revoked = ["-r", self.signers.revoked] if self.signers.revoked else []
        status, said, error = self.ask(["check-novalidate", "-n", NAMESPACE], message)
        if status:
            raise self.untrusted(
                "has a signature that is none of this manifest: the manifest was altered, or the signature is that of "
                f"something else ({in_words(error)})"
            )
        key = "".join(FINGERPRINT.findall(said)[:1])
        status, said, error = self.ask(["find-principals", *trusted, self.then()], b"")
        if status:
            raise self.untrusted(f"was signed by {key}, which is none of theirs ({in_words(error)})")
        for name in said.splitlines():
            asked = ["verify", *trusted, "-I", name, "-n", NAMESPACE, *revoked, self.then()]
            status, said, error = self.ask(asked, message)
            if not status:
                return name
        why = in_words(error) or "it is revoked"
        raise self.untrusted(f"was signed by {key}, which does not count for this ({why})")

    def ask(self, arguments: list[str], message: bytes) -> tuple[int, str, str]:
        return keygen(self.bench, [*arguments, "-s", self.file], message, self.doing)

    def then(self) -> str:
        """The time that a key must have been good at: when the version was made. ssh-keygen reads local time."""
        try:
            made = time.localtime(calendar.timegm(time.strptime(self.version.created, "%Y-%m-%dT%H:%M:%SZ")))
        except (TypeError, ValueError, OverflowError) as err:
            raise self.untrusted(f"was made at {self.version.created!r}, which is no time") from err
        return time.strftime("-Overify-time=%Y%m%d%H%M%S", made)

    def untrusted(self, reason: str) -> Untrusted:
        return Untrusted(self.doing, f"{self.version.image} {self.version.version} {reason}", advice_for(self.signers))


def advice_for(signers: Signers) -> str:
    return f"Use a version signed by one whom {signers.trusted} names, or add its signer there."


def keygen(bench: Bench, arguments: list[str], message: bytes, doing: str) -> tuple[int, str, str]:
    """Run `ssh-keygen -Y` on *message*: its status, output and errors."""
    if shutil.which(TOOL) is None:
        raise GoldenError(
            doing,
            f"there is no {TOOL} where the module runs",
            "Install OpenSSH's client there (Debian: openssh-client, Fedora: openssh).",
        )
    return bench.execute([TOOL, "-Y", *arguments], data=message, binary_data=True, environ_update=SILENT)


def in_words(error: str) -> str:
    """What ssh-keygen complained of, on one line."""
    return "; ".join(line.strip(" .@") for line in error.splitlines() if line.strip(" @"))
