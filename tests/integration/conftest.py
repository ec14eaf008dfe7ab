# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What integration tests share: a running libvirt and, for each test, a lab that leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator

import libvirt
import pytest
from support.lab import Lab
from support.ssh import far_away, remote
from support.stack import stack

SYSTEM, SSH = "system", "ssh"
# The test files that see the same on any hypervisor, wherever its files are: beside the others, and against a daemon of
# their own, they run to save time.
ANYWHERE = ("domains", "flatten", "image", "lab", "prune", "report", "revert", "snapshot", "snapshot_killed")
ANYWHERE += ("snapshot_matrix", "snapshot_model", "stack")
# Below it are the labs' pools: QEMU's user must be able to go there.
DIRECTORY = os.environ.get("GOLDEN_TEST_DIR", "/var/tmp")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stack",
        default=SYSTEM,
        help="the hypervisor to test: this machine's (system), the same with the modules behind ssh (ssh), "
        "a second daemon of the same software (host), or libvirt and QEMU of a Debian suite (trixie, forky)",
    )
    parser.addoption("--part", choices=("anywhere", "here"), help="only the test files of ANYWHERE, or only the others")
    parser.addoption("--steps", default=60, type=int, help="how many steps test_snapshot_model.py takes")
    parser.addoption("--seed", default=1, type=int, help="what its dice start from")
    parser.addoption(
        "--guest-image", help="a sealed qcow2 with cloud-init and guest agent, for test_guests.py and test_offline.py"
    )
    parser.addoption("--guests", default=20, type=int, help="how many guests of it to make")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    part = config.getoption("--part")
    if part:
        chosen = {True: [], False: []}
        for item in items:
            chosen[item.path.stem.removeprefix("test_") in ANYWHERE].append(item)
        items[:] = chosen[part == "anywhere"]
        config.hook.pytest_deselected(items=chosen[part != "anywhere"])


def pytest_configure() -> None:
    # Told to end, as by a time limit, clean up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def uri(pytestconfig: pytest.Config) -> Iterator[str]:
    """The connection that the tests use; the modules too, unless they are behind ssh."""
    libvirt.registerErrorHandler(lambda context, error: None, None)
    suite = pytestconfig.getoption("--stack")
    with system() if suite in (SYSTEM, SSH) else stack(suite) as uri:
        yield uri


@pytest.fixture(scope="session")
def ssh_uri(uri: str, pytestconfig: pytest.Config) -> Iterator[str]:
    """The same hypervisor through ssh."""
    if pytestconfig.getoption("--stack") not in (SYSTEM, SSH):
        pytest.skip("ssh leads to this machine's own hypervisor only")
    with remote() as through:
        yield through


@contextlib.contextmanager
def system() -> Iterator[str]:
    """The machine's own hypervisor; its daemons are started by hand where nothing else has started them."""
    uri = "qemu:///system"
    if not answers(uri) and os.geteuid() == 0 and shutil.which("libvirtd"):
        for daemon in ("virtlogd", "libvirtd"):
            subprocess.run([daemon, "-d"], check=False)
        end = time.monotonic() + 20
        while not answers(uri) and time.monotonic() < end:
            time.sleep(0.2)
    if not answers(uri):
        pytest.fail(f"libvirt does not answer at {uri}")
    yield uri


def answers(uri: str) -> bool:
    try:
        libvirt.open(uri).close()
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
    if request.config.getoption("--stack") == SSH:
        made.uri, made.where = request.getfixturevalue("ssh_uri"), far_away(path)
    yield made
    made.close()


@pytest.fixture
def here(lab: Lab) -> None:
    """For tests of what is done only where the modules know that the hypervisor's files are theirs."""
    if lab.far:
        pytest.skip("it is done on the hypervisor itself only")


@pytest.fixture
def images(lab: Lab) -> str:
    """The image pool."""
    return lab.add_pool("images")
