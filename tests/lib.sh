# shellcheck shell=bash
# What the test scripts share. Sourced, never run.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
output=$root/tests/output
cache=$root/.cache
mkdir -p "$output" "$cache"
# Python is started thousands of times here: compiling Ansible and the collection anew each time takes longer than most
# of what is tested.
unset PYTHONDONTWRITEBYTECODE

cores=(2.16 2.17 2.18 2.19 2.20 2.21)

# The Pythons that an ansible-core runs on, best first.
pythons_of_core() {
  case $1 in
    2.16 | 2.17) echo 3.11 3.12 3.10 ;;
    2.18 | 2.19) echo 3.11 3.12 3.13 ;;
    *) echo 3.13 3.12 3.14 ;;
  esac
}

# find_python VERSION: prints the path of a real interpreter (a pyenv shim is none).
find_python() {
  local candidate pyenv_root
  pyenv_root=${PYENV_ROOT:-$(pyenv root 2>/dev/null || echo "$HOME/.pyenv")}
  for candidate in "$pyenv_root/versions/$1".*/bin/python "/usr/local/bin/python$1" "/usr/bin/python$1"; do
    if "$candidate" -c 'import ctypes, ssl, venv' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  uv python find --no-project --managed-python --no-python-downloads "$1" 2>/dev/null
}

# core_python CORE: prints the interpreter for it, or fails.
core_python() {
  local version
  for version in $(pythons_of_core "$1"); do
    find_python "$version" && return
  done
  return 1
}

# usable_cores: prints the cores that an interpreter was found for, oldest first.
usable_cores() {
  local core
  for core in "${cores[@]}"; do
    if core_python "$core" >/dev/null; then echo "$core"; fi
  done
}

uv() { "$root/.venv/uv/bin/uv" "$@"; }

# venv NAME PYTHON PIP-ARGUMENT…: makes .venv/NAME, or makes it anew when what it is made of has changed; prints its path.
venv() {
  local name=$1 python=$2 path=$root/.venv/$1 made_of argument
  shift 2
  made_of=$("$python" --version; echo "$python ${*//$root\//}"; for argument; do if [[ -f $argument ]]; then cat "$argument"; fi; done)
  (
    flock 9
    if [[ $(cat "$path/made-of" 2>/dev/null) != "$made_of" ]]; then
      rm -rf "$path"
      uv venv --quiet --seed --python "$python" "$path" >&2
      uv pip install --quiet --python "$path/bin/python" "$@" >&2
      echo "$made_of" >"$path/made-of"
    fi
  ) 9>"$root/.venv/$name.lock"
  echo "$path"
}

# core_venv CORE: prints the path of a virtual environment that has this ansible-core.
core_venv() {
  venv "core-$1" "$(core_python "$1")" "ansible-core~=$1.0" -r "$root/tests/requirements/core.txt"
}

newest_venv() { core_venv "$(usable_cores | tail -n 1)"; }

# tools_venv NAME: prints the path of a virtual environment that has the tools of tests/requirements/NAME.txt.
tools_venv() {
  venv "$1" "$(core_python "$(usable_cores | tail -n 1)")" -r "$root/tests/requirements/$1.txt"
}

# workspace NAME: copies the tree as it is now, committed or not, to where Ansible's tools want a collection; prints the
# directory that holds ansible_collections. Its git index is what ansible-test and ansible-lint list files from.
workspace() {
  local path=$cache/workspace/$1 collection=$cache/workspace/$1/ansible_collections/golden/libvirt
  rm -rf "$path"
  mkdir -p "$collection"
  git -C "$root" ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do if [[ -e $root/$file ]]; then printf '%s\0' "$file"; fi; done |
    tar -C "$root" --null --files-from=- -c | tar -C "$collection" -x
  git -C "$collection" init --quiet
  git -C "$collection" add --all
  echo "$path"
}

# build DIRECTORY: builds the collection into it and prints the archive's path.
build() {
  local collection
  collection=$(workspace "$(basename "$1")-build")/ansible_collections/golden/libvirt
  "$(newest_venv)/bin/ansible-galaxy" collection build --force --output-path "$1" "$collection" >&2
  echo "$1"/golden-libvirt-*.tar.gz
}

# ansible_test CORE WORKSPACE ARGUMENT…: runs ansible-test with a home of its own, where all that it would download but
# Python packages is already there.
ansible_test() {
  local core=$1 collection=$2/ansible_collections/golden/libvirt home=$cache/ansible-test/$1 version python
  shift 2
  mkdir -p "$home/bin" "$home/.ansible/test/cache" "$home/.config" "$home/.pip"
  for version in 20_3_4 21_3_1 23_1_2 24_2 25_2; do
    cp "$root/tests/get_pip.py" "$home/.ansible/test/cache/get_pip_$version.py"
  done
  for version in 3.9 3.10 3.11 3.12 3.13 3.14; do
    if python=$(find_python "$version"); then ln -sf "$python" "$home/bin/python$version"; fi
  done
  ln -sfn "${XDG_CONFIG_HOME:-$HOME/.config}/pip" "$home/.config/pip"
  printf '[global]\nquiet = 1\ndisable-pip-version-check = 1\n' >"$home/.pip/pip.conf"
  env --chdir="$collection" HOME="$home" LC_ALL=C.UTF-8 PATH="$(core_venv "$core")/bin:$home/bin:/usr/bin:/bin" \
    ansible-test "$@"
}
