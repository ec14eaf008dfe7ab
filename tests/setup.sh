#!/usr/bin/env bash
# Installs what the tests need on a Debian or Ubuntu machine: packages of bindep.txt, uv, missing Pythons where they
# can be had. Run again, it does nothing.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

install_packages() {
  local package wanted missing=() sudo=()
  mapfile -t wanted < <(awk '/platform:dpkg/ {print $1}' "$root/bindep.txt")
  for package in "${wanted[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok' || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then return; fi
  if ((EUID != 0)); then sudo=(sudo); fi
  echo "installing ${missing[*]}"
  {
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${missing[@]}"
  } >"$output/apt.log" 2>&1 || {
    tail -n 40 "$output/apt.log"
    return 1
  }
}

# As the role hypervisor does, which says why.
share_kvm() {
  local sudo=()
  if [[ ! -c /dev/kvm || -e /run/udev/control || $(stat -c %g /dev/kvm) != 0 ]]; then return; fi
  if ((EUID != 0)); then sudo=(sudo); fi
  "${sudo[@]}" chgrp kvm /dev/kvm
  "${sudo[@]}" chmod 0660 /dev/kvm
}

install_uv() {
  if ! uv --version >/dev/null 2>&1; then
    /usr/bin/python3 -m venv --clear "$root/.venv/uv"
    "$root/.venv/uv/bin/pip" install --quiet 'uv>=0.5'
  fi
}

# The oldest and the newest core are always tested: get their Python where this machine has none.
install_pythons() {
  local core version
  for core in "${cores[0]}" "${cores[-1]}"; do
    if ! core_python "$core" >/dev/null; then
      version=$(pythons_of_core "$core" | cut -d ' ' -f 1)
      uv python install --quiet "$version" || echo "no Python $version to be had"
    fi
  done
  for core in "${cores[@]}"; do
    core_python "$core" >/dev/null || echo "ansible-core $core is left out: none of Python $(pythons_of_core "$core") found"
  done
}

install_packages
share_kvm
install_uv
install_pythons
