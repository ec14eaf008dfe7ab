#!/usr/bin/env bash
# demo.sh: the main job on this machine, from nothing to the summary, with the collection built and installed as users
# do it. `demo.sh clean` removes what it made.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=$root/.cache/demo
venv=$root/.venv/demo
export ANSIBLE_HOME=$home/ansible ANSIBLE_COLLECTIONS_PATH=$home/collections ANSIBLE_NOCOWS=1
export ANSIBLE_DISPLAY_SKIPPED_HOSTS=false ANSIBLE_CALLBACK_RESULT_FORMAT=yaml
export ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_INVENTORY_UNPARSED_WARNING=false
export PATH=$venv/bin:$PATH LC_ALL=C.UTF-8 UV_LINK_MODE=copy UV_SYSTEM_CERTS=1

as_root() { if ((EUID == 0)); then "$@"; else sudo "$@"; fi; }

# What Ansible itself needs: the connection to guests through their agent runs in its own Python.
install_packages() {
  local package missing=()
  for package in python3-venv python3-libvirt python3-lxml; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok' || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then return; fi
  echo "Installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
}

install_ansible() {
  if [[ -e $venv/ready ]]; then return; fi
  echo "Installing Ansible into .venv/demo"
  /usr/bin/python3 -m venv --clear --system-site-packages "$venv"
  pip install --quiet --disable-pip-version-check uv
  uv pip install --quiet --python "$venv/bin/python" ansible
  touch "$venv/ready"
}

install_collection() {
  mkdir -p "$home"
  rm -f "$home"/golden-libvirt-*.tar.gz
  ansible-galaxy collection build "$root" --output-path "$home" >/dev/null
  ansible-galaxy collection install "$home"/golden-libvirt-*.tar.gz --force --offline \
    --collections-path "$home/collections" >/dev/null
}

# A sudo that asks for a password is asked by Ansible once.
become() { if ((EUID != 0)) && ! sudo -n true 2>/dev/null; then echo --ask-become-pass; fi; }

case ${1:-run} in
  run) playbook=golden.libvirt.demo ;;
  clean) playbook=golden.libvirt.demo_clean ;;
  *)
    echo "usage: ${0##*/} [clean]" >&2
    exit 2
    ;;
esac
# All demos of a user have the same names.
exec 9>"/var/lock/golden-libvirt-demo.$UID"
if ! flock --nonblock 9; then
  echo "Another demo of this user is running: wait for its end." >&2
  exit 1
fi

install_packages
install_ansible
install_collection
mapfile -t become < <(become)
ansible-playbook "${become[@]}" "$playbook" --extra-vars "base_cache=$home/base" 9>&-
