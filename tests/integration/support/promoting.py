# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of promoting share."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

from support.lab import COLLECTION

KILLED = pathlib.Path(__file__).with_name("killed.py")
MEANWHILE = pathlib.Path(__file__).with_name("meanwhile.py")
MODULES = COLLECTION / "plugins" / "modules"
PROMOTE = str(MODULES / "promote.py")
SEALED = {"method": "guest", "first_boot": "systemd", "operations": ["machine-id"]}


def asked(images, domain, **options):
    return {"domain": domain, "image": "web", "image_pool": images, "sealed": False, **options}


def image(lab, images, **options):
    found = lab.run("image_info", {"image": "web", "image_pool": images, **options})["images"]
    return found[0] if found else None


def in_pool(lab, images):
    lab.refresh()
    return sorted(lab.conn.storagePoolLookupByName(images).listVolumes())


def path_in(lab, images, volume):
    return lab.conn.storagePoolLookupByName(images).storageVolLookupByName(volume).path()


def manifest_of(result):
    return result["versions"][0]["manifest"]


def sealed_machine(lab, name="web", **options):
    full = lab.machine(name, **options)
    assert "msg" not in lab.run("seal", {"domain": full, **SEALED})
    return full


def killed_run(lab, args, when="never", number=0):
    """Run promote until it is killed; what it did to pools, where it is not."""
    done = run_of(lab, args, str(KILLED), PROMOTE, when, str(number))
    assert (done.returncode == 0) == (when == "never"), done
    return done.stderr.split()


def run_meanwhile(lab, args, step, number, command, module="promote"):
    """Run a module, and a shell *command* before it does a *step* for the *number*-th time; what it returns."""
    path = str(MODULES / f"{module}.py")
    return json.loads(run_of(lab, args, str(MEANWHILE), path, step, str(number), command).stdout)


def others_snapshot(lab, domain):
    """The command by which somebody else takes an external snapshot, *other*."""
    disk = f"vda,snapshot=external,file={lab.file('other.qcow2')}"
    return f"virsh -q -c '{lab.uri}' snapshot-create-as {domain} other --disk-only --diskspec {disk} >&2"


def run_of(lab, args, *command):
    return subprocess.run(
        [sys.executable, *command],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {"uri": lab.uri, **args}}),
        env={**os.environ, "PYTHONPATH": str(COLLECTION.parents[2])},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
