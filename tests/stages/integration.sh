#!/usr/bin/env bash
# integration.sh STACK[.PART]: the tests against a real libvirt daemon: the machine's (system), a second one of the same
# software (host), or a Debian suite's (trixie). PART is what conftest.py knows parts by.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

core=$(usable_cores | tail -n 1)
integration=$(venv integration "$(core_python "$core")" "ansible-core~=$core.0" -r "$root/requirements.txt" \
  -r "$root/tests/integration/requirements.txt")
workspace=$(workspace "integration-$1")
export PATH=$integration/bin:$PATH ANSIBLE_COLLECTIONS_PATH=$workspace PYTHONPATH=$workspace
cd "$workspace/ansible_collections/golden/libvirt"
IFS=. read -r stack part <<<"$1"
options=(--stack "$stack")
if [[ $part ]]; then
  options+=(--part "$part")
else
  # There is more time for the matrix than for what CI asks for, and other dice each time: a failure tells the seed.
  options+=(--steps 1000 --seed "$RANDOM")
fi
pytest tests/integration "${options[@]}"
