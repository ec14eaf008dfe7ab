#!/bin/sh
# usage: shut_down.sh URI DOMAIN SECONDS
# Asks the guest to shut down and waits until the domain is off.
set -eu
export LC_ALL=C

virsh --connect "$1" shutdown "$2" >/dev/null
waited=0
until [ "$(virsh --connect "$1" domstate "$2" | head -n 1)" = "shut off" ]; do
  if [ "$waited" -ge "$3" ]; then
    echo "Domain $2 still ran $3 seconds after it was asked to shut down. Look at its console, or stop it hard." >&2
    exit 1
  fi
  sleep 1
  waited=$((waited + 1))
done
