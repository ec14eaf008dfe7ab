# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test's own corner of a real libvirt daemon, and the modules run in it as Ansible runs them.

    def test_it(lab):
        name = lab.machine("web", disks=["qcow2", "raw"])   # "t-snapshot-3f2a-web", off
        result = lab.run_and_compare("snapshot", {"domain": name, "name": "before"})

All of it (domains, pools, files) goes when the test ends, failed or not.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t
import xml.etree.ElementTree as ET

import libvirt

from support import tiny_guest

COLLECTION = pathlib.Path(__file__).resolve().parents[3]
MODULE_SECONDS = 300
MIB = 1024 * 1024
SECTOR = 512
UNDEFINE = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)


class Lab:
    """*prefix* starts the name of all that belongs to the test, *path* is its directory and that of pool *pool*."""

    def __init__(self, uri: str, prefix: str, path: pathlib.Path) -> None:
        self.uri = uri
        self.prefix = prefix
        self.path = path
        self.where: t.Sequence[str] = ()  # see run_module
        self.conn = libvirt.open(uri)
        path.mkdir(mode=0o711, exist_ok=True)
        self.pool = self.add_pool("pool")

    # ---- making things

    def add_pool(self, name: str) -> str:
        """A dir pool over the directory *name* of the lab; returns the pool's name."""
        directory = self.path / name
        directory.mkdir(mode=0o711, exist_ok=True)
        full = f"{self.prefix}-{name}"
        xml = f"<pool type='dir'><name>{full}</name><target><path>{directory}</path></target></pool>"
        self.conn.storagePoolDefineXML(xml, 0).create(0)
        return full

    def network(self, name: str = "net") -> str:
        """An inactive network; its name. Domains on it can be defined, and not be started."""
        full = f"{self.prefix}-{name}"
        self.conn.networkDefineXML(
            f"<network><name>{full}</name><forward mode='bridge'/><bridge name='none-0'/></network>"
        )
        return full

    def file(self, name: str) -> str:
        """The path of a file in the lab's pool."""
        return str(self.path / "pool" / name)

    def disk(self, name: str, form: str = "qcow2", size: int = 16 * MIB, content: bytes = b"") -> str:
        """A new disk in the pool that starts with *content*; its path."""
        path = self.file(name)
        options = ["-o", "compat=1.1"] if form == "qcow2" else []
        qemu_img("create", "-q", "-f", form, *options, path, str(size))
        if content:
            self.write(path, content, form=form)
        self.refresh()
        return path

    def refresh(self) -> None:
        """Let the pools see what others than libvirt made."""
        for pool in self.pools():
            pool.refresh()

    def machine(
        self,
        name: str,
        disks: t.Sequence[str | tiny_guest.Disk] = ("qcow2",),
        state: str = "shutoff",
        guest: bool = False,
        **options: t.Any,
    ) -> str:
        """A domain with new disks of those formats (or as they are given); returns its full name.

        With *guest* it boots the tiny guest, and running means that the guest answers; else it idles in its
        firmware. *options* are those of tiny_guest.domain_xml.
        """
        full = f"{self.prefix}-{name}"
        made = [
            disk if isinstance(disk, tiny_guest.Disk) else self.new_disk(full, i, disk) for i, disk in enumerate(disks)
        ]
        kernel, initrd = tiny_guest.build() if guest else ("", "")
        if options.get("firmware") == "uefi":
            options.setdefault("nvram", self.file(f"{full}_VARS.fd"))
        root = ET.fromstring(tiny_guest.domain_xml(full, kernel, initrd, disks=made, **options))
        if not guest:
            boot = root.find("os")
            for tag in ("kernel", "initrd", "cmdline"):
                boot.remove(boot.find(tag))
        domain = self.conn.defineXML(ET.tostring(root, encoding="unicode"))
        if state != "shutoff":
            domain.createWithFlags(0 if guest or state == "running" else libvirt.VIR_DOMAIN_START_PAUSED)
            if guest:
                tiny_guest.Guest(domain).wait()
                if state == "paused":
                    domain.suspend()
        return full

    def new_disk(self, full: str, number: int, form: str) -> tiny_guest.Disk:
        target = f"vd{'abcdefgh'[number]}"
        return tiny_guest.Disk(target, self.disk(f"{full}.{target}.{form}", form), form)

    # ---- looking and touching

    def domain(self, full: str) -> libvirt.virDomain:
        return self.conn.lookupByName(full)

    def guest(self, full: str) -> tiny_guest.Guest:
        return tiny_guest.Guest(self.domain(full))

    def state(self, full: str) -> str:
        """The domain's state as virsh names it."""
        names = ("nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended")
        return names[self.domain(full).state()[0]]

    def disk_path(self, full: str, target: str = "vda") -> str:
        """The file that the domain's disk now reads and writes."""
        root = ET.fromstring(self.domain(full).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
        return root.find(f"devices/disk/target[@dev='{target}']/../source").get("file")

    def write(self, path: str, content: bytes, offset: int = 0, form: str | None = None) -> None:
        """Write into the guest-visible bytes of a disk that no domain has open."""
        pattern = self.path / ".pattern"
        pattern.write_bytes(content)
        qemu_io(path, f"write -q -s {pattern} {offset} {len(content)}", form=form)
        pattern.unlink()

    def read(self, path: str, length: int, offset: int = 0) -> bytes:
        """The guest-visible bytes of a disk, its chain of backing files included."""
        target = self.path / ".read"
        form = json.loads(qemu_img("info", "-U", "--output=json", path))["format"]
        first, end = offset // SECTOR, -(-(offset + length) // SECTOR)
        source = ["-U", "-f", form, f"if={path}", f"bs={SECTOR}", f"skip={first}", f"count={end}"]
        qemu_img("dd", "-O", "raw", f"of={target}", *source)
        content = target.read_bytes()[offset - first * SECTOR :]
        target.unlink()
        return content[:length]

    # ---- the modules

    @property
    def far(self) -> bool:
        """Whether the modules run on another machine than the hypervisor, as far as they can tell."""
        return bool(self.where or "socket" in self.uri)

    def run(
        self,
        module: str,
        args: t.Mapping[str, t.Any],
        check: bool = False,
        diff: bool = False,
        seconds: float = MODULE_SECONDS,
    ) -> dict[str, t.Any]:
        """What the module returns; never an exception for a module that fails."""
        return run_module(module, {"uri": self.uri, **args}, check, diff, self.where, seconds)

    def run_and_compare(
        self, module: str, args: t.Mapping[str, t.Any], again: str | None = "unchanged", fails: bool = False
    ) -> dict[str, t.Any]:
        """Run in check mode and prove that nothing changed, then for real, and compare the two; returns the latter.

        *again* runs it once more and expects that nothing is to be done; None does not (a revert is never that).
        With *fails* both runs must be refused and change nothing.
        """
        before = self.world()
        predicted = self.run(module, args, check=True, diff=True)
        assert_same(before, self.world(), f"{module} in check mode changed something")
        real = self.run(module, args, diff=True)
        assert bool(real.get("failed")) == fails, real.get("msg", real)
        for key in ("failed", "msg", "changed", "actions", "diff"):
            assert predicted.get(key) == real.get(key), f"{key}: predicted {predicted.get(key)}, was {real.get(key)}"
        after = self.world()
        if fails or not real["changed"]:
            assert_same(before, after, f"{module} did not report what it changed")
        elif again:
            repeated = self.run(module, args)
            assert (repeated.get("failed"), repeated["changed"], repeated["actions"]) == (None, False, []), repeated
            assert_same(after, self.world(), f"{module} run again changed something")
        return real

    def world(self) -> dict[str, str]:
        """All that a module could have changed: domains, snapshots, pools, files; each by name, as text."""
        found: dict[str, str] = {}
        for domain in self.domains():
            found.update(described(domain))
        self.refresh()
        for pool in self.pools():
            found[f"pool {pool.name()}"] = ", ".join(sorted(pool.listVolumes()))
        for path in sorted(self.path.rglob("*")):
            if path.is_file() and path.suffix != ".log":
                status = path.stat()
                found[f"file {path}"] = f"{status.st_mode:o} {status.st_mtime_ns} {digest(path)}"
        return found

    def domains(self) -> list[libvirt.virDomain]:
        return [domain for domain in self.conn.listAllDomains(0) if domain.name().startswith(self.prefix)]

    def pools(self) -> list[libvirt.virStoragePool]:
        """The active pools over the lab's directories, those that a module set up on the side too."""
        found = []
        for pool in self.conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
            with contextlib.suppress(libvirt.libvirtError):  # another test's, gone meanwhile
                if f">{self.path}" in pool.XMLDesc(0):
                    found.append(pool)
        return found

    def close(self) -> None:
        for domain in self.domains():
            remove_domain(domain)
        for network in self.conn.listAllNetworks(0):
            if network.name().startswith(self.prefix):
                network.undefine()
        for pool in self.pools():
            persistent = pool.isPersistent()
            pool.destroy()
            if persistent:
                pool.undefine()
        self.conn.close()
        self.unprotect()
        shutil.rmtree(self.path)

    def unprotect(self, *names: str) -> None:
        """Take the immutable flag of files of the pool, or of all that is in the lab."""
        chattr("-R", "-f", "-i", *(map(self.file, names) if names else [str(self.path)]))


def run_module(
    module: str,
    args: t.Mapping[str, t.Any],
    check: bool = False,
    diff: bool = False,
    where: t.Sequence[str] = (),
    seconds: float = MODULE_SECONDS,
) -> dict[str, t.Any]:
    """Execute a module's file as Ansible does on a host, arguments on standard input.

    *where* is the start of a command that runs it elsewhere, such as support.ssh.far_away().
    """
    request = {**args, "_ansible_check_mode": check, "_ansible_diff": diff}
    done = subprocess.run(
        [*where, sys.executable, str(COLLECTION / "plugins" / "modules" / f"{module}.py")],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": request}),
        env={**os.environ, "PYTHONPATH": str(COLLECTION.parents[2])},
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.stdout.startswith("\n{") and not done.stderr, f"{module} said:\n{done.stdout}\n{done.stderr}"
    result = json.loads(done.stdout)
    result.pop("invocation", None)
    if "warnings" in result:
        result["warnings"] = [warning_text(warning) for warning in result["warnings"]]
    return result


def warning_text(warning: str | dict[str, t.Any]) -> str:
    """A warning as a playbook shows it: ansible-core 2.19 and newer hand the controller an object."""
    return warning if isinstance(warning, str) else warning["event"]["msg"]


def described(domain: libvirt.virDomain) -> dict[str, str]:
    """A domain, its state, its definitions and snapshots, as texts by name."""
    name = domain.name()
    found = {f"state {name}": str(domain.state()), f"xml {name}": domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)}
    if domain.isActive():
        found[f"live xml {name}"] = domain.XMLDesc(0)
    for snapshot in domain.listAllSnapshots(0):
        current = snapshot.isCurrent(0)
        found[f"snapshot {name} {snapshot.getName()}"] = f"current {current} {snapshot.getXMLDesc(0)}"
    nvram = ET.fromstring(found[f"xml {name}"]).findtext("os/nvram")
    if nvram and os.path.exists(nvram):
        found[f"nvram {name}"] = digest(pathlib.Path(nvram))
    return found


def assert_same(before: t.Mapping[str, str], after: t.Mapping[str, str], what: str) -> None:
    different = [
        "\n".join(
            difflib.unified_diff(before.get(key, "").splitlines(), after.get(key, "").splitlines(), key, lineterm="")
        )
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    assert not different, "\n".join([what, *different])


def remove_domain(domain: libvirt.virDomain) -> None:
    if domain.isActive():
        domain.destroy()
    if domain.isPersistent():
        domain.undefineFlags(UNDEFINE)


def digest(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def qemu_img(*args: str) -> str:
    return tool("qemu-img", *args)


def chattr(*args: str) -> None:
    """Without a word where the file system has no flags."""
    subprocess.run(["chattr", *args], check=False, capture_output=True)


def qemu_io(path: str, command: str, form: str | None = None) -> str:
    return tool("qemu-io", *(["-f", form] if form else []), "-c", command, path)


def tool(*argv: str) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr or done.stdout}"
    return done.stdout
