# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What integration tests share: a running libvirt and, for each test, a lab that leaves nothing behind."""

from __future__ import annotations

import os
import pathlib
import secrets
import shutil
import subprocess
import tempfile
import time

import libvirt
import pytest
from support.lab import Lab

URI = os.environ.get("GOLDEN_TEST_URI", "qemu:///system")
# Below it are the labs' pools: QEMU's user must be able to go there.
DIRECTORY = os.environ.get("GOLDEN_TEST_DIR", "/var/tmp")


@pytest.fixture(scope="session")
def uri() -> str:
    """The connection that the tests use; daemons are started by hand where nothing else has started them."""
    libvirt.registerErrorHandler(lambda context, error: None, None)
    if not answers() and URI == "qemu:///system" and os.geteuid() == 0 and shutil.which("libvirtd"):
        for daemon in ("virtlogd", "libvirtd"):
            subprocess.run([daemon, "-d"], check=False)
        end = time.monotonic() + 20
        while not answers() and time.monotonic() < end:
            time.sleep(0.2)
    if not answers():
        pytest.fail(f"libvirt does not answer at {URI}")
    return URI


def answers() -> bool:
    try:
        libvirt.open(URI).close()
    except libvirt.libvirtError:
        return False
    return True


@pytest.fixture
def lab(uri: str, request: pytest.FixtureRequest):
    """A new Lab for the test, its names starting with ``t-`` and the test file's name."""
    prefix = f"t-{request.path.stem.removeprefix('test_')}-{secrets.token_hex(2)}"
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=DIRECTORY))
    path.chmod(0o711)
    made = Lab(uri, prefix, path)
    yield made
    made.close()
