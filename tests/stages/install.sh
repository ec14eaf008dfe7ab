#!/usr/bin/env bash
# Builds the collection, installs it as a user does but offline, and lets Ansible read every playbook by its full name.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

directory=$cache/install
rm -rf "$directory"
mkdir -p "$directory"
PATH=$(newest_venv)/bin:$PATH
export PATH ANSIBLE_HOME=$directory/home ANSIBLE_COLLECTIONS_PATH=$directory/collections
archive=$(build "$directory")
cd "$directory"
ansible-galaxy collection install "$archive" --offline --collections-path collections
ansible-galaxy collection verify golden.libvirt --offline
playbooks=0
for playbook in collections/ansible_collections/golden/libvirt/playbooks/*.yml; do
  name=golden.libvirt.$(basename "$playbook" .yml)
  ansible-playbook --inventory localhost, --syntax-check "$name"
  ansible-playbook --inventory localhost, --list-tasks "$name"
  playbooks=$((playbooks + 1))
done
echo "$playbooks playbooks"
((playbooks > 0))
