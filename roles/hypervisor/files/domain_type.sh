#!/bin/sh
# Prints kvm where a guest truly runs under KVM here within a time limit, else qemu; stderr says why not.
# Usage: domain_type.sh EMULATOR SECONDS [ACCELERATOR]
# /dev/kvm may be there and hang in the kernel, where not even SIGKILL ends the process: nothing here waits for it.
set -eu
emulator=$1 seconds=$2 accelerator=${3:-kvm}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$accelerator" = kvm ] && [ ! -e /dev/kvm ]; then
    echo "there is no /dev/kvm" >&2
    echo qemu
    exit
fi

# A boot sector that writes 0x10 to QEMU's isa-debug-exit port 0xf4, which ends QEMU with code 0x10 * 2 + 1 = 33.
{
    printf '\272\364\000\260\020\356\364\353\375'
    head -c 501 /dev/zero
    printf '\125\252'
} >"$work/boot"

(
    code=0
    setsid "$emulator" -accel "$accelerator" -nodefaults -no-user-config -display none -m 16 \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -drive "file=$work/boot,format=raw,if=ide" \
        <&- >"$work/said" 2>&1 &
    echo $! >"$work/pid"
    wait $! || code=$?
    echo "$code" >"$work/code"
) >/dev/null 2>&1 </dev/null &

waited=0
while [ ! -s "$work/code" ] && [ "$waited" -lt $((seconds * 10)) ]; do
    sleep 0.1
    waited=$((waited + 1))
done

if [ "$(cat "$work/code" 2>/dev/null)" = 33 ]; then
    echo kvm
    exit
fi
if [ -s "$work/code" ]; then
    echo "$emulator with $accelerator ended with code $(cat "$work/code"): $(tail -n 1 "$work/said")" >&2
else
    kill -9 "$(cat "$work/pid")" 2>/dev/null || true
    echo "a guest with $accelerator did not run within $seconds seconds" >&2
fi
echo qemu
