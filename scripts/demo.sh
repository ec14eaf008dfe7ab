#!/usr/bin/env bash
# demo.sh: the main job on this machine, from nothing to the summary, with the collection built and installed as users
# do it. `demo.sh clean` removes what it made.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=$root/.cache/demo
export ANSIBLE_HOME=$home/ansible ANSIBLE_COLLECTIONS_PATH=$home/collections ANSIBLE_NOCOWS=1
export PATH=$root/.venv/demo/bin:$PATH

install_ansible() {
  local sudo=()
  if ((EUID != 0)); then sudo=(sudo); fi
  if ! /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null; then
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends python3-venv
  fi
  if [[ ! -x $root/.venv/demo/bin/ansible-playbook ]]; then
    /usr/bin/python3 -m venv --clear "$root/.venv/demo"
    pip install --quiet 'ansible-core>=2.16'
  fi
}

install_collection() {
  mkdir -p "$home"
  rm -f "$home"/golden-libvirt-*.tar.gz
  ansible-galaxy collection build "$root" --output-path "$home" >/dev/null
  ansible-galaxy collection install "$home"/golden-libvirt-*.tar.gz --force --offline --collections-path "$home/collections" \
    >/dev/null
}

install_ansible
install_collection
case ${1:-run} in
  run) ansible-playbook golden.libvirt.demo ;;
  clean) ansible-playbook golden.libvirt.demo --extra-vars demo_state=absent ;;
  *)
    echo "usage: ${0##*/} [clean]" >&2
    exit 2
    ;;
esac
