#!/usr/bin/env bash
# The demo as the README has it, from a copy of the tree: once to make all, once more to change nothing, then removed.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

collection=$(workspace demo)/ansible_collections/golden/libvirt
# What it installs and builds from packages is kept for the next time.
mkdir -p "$cache/demo/venv" "$cache/demo/cache"
ln -s "$cache/demo/venv" "$collection/.venv"
ln -s "$cache/demo/cache" "$collection/.cache"
cd "$collection"
trap 'make demo-clean' EXIT

make demo
make demo | tee "$output/demo-again.log"
if grep -E 'changed=[1-9]|failed=[1-9]|unreachable=[1-9]' "$output/demo-again.log"; then
  echo "The second run changed something." >&2
  exit 1
fi

trap - EXIT
make demo-clean
if virsh list --all --name | grep -Ex 'web-(build|0[123]|golden-test)' || virsh pool-info golden-demo 2>/dev/null; then
  echo "demo-clean left something." >&2
  exit 1
fi
