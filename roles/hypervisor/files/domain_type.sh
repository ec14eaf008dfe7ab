#!/bin/sh
# Prints kvm where a guest truly runs under KVM here, else qemu and, on stderr, why not.
# Usage: domain_type.sh EMULATOR SECONDS
# The same guest runs under software emulation first: KVM that is slower than that (nested virtualisation that traps
# everything), or that cannot give a guest this processor, is as good as none. /dev/kvm may also hang in the kernel,
# where not even SIGKILL ends the process: nothing here waits for it.
set -eu
emulator=$1 tenths=$(($2 * 10))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

no() {
    echo "$1" >&2
    echo qemu
    exit
}

# Runs the guest under accelerator $1 for at most $2 tenths of a second; sets $took. Fails where it did not run.
trial() {
    took=0
    (
        code=0
        "$emulator" -accel "$1" -cpu max -nodefaults -no-user-config -display none -m 16 \
            -device isa-debug-exit,iobase=0xf4,iosize=4 -drive "file=$work/boot,format=raw,if=ide" \
            >"$work/said" 2>&1 &
        echo $! >"$work/pid"
        wait $! || code=$?
        echo "$code" >"$work/code.$1"
    ) </dev/null >/dev/null 2>&1 &
    while [ ! -s "$work/code.$1" ] && [ "$took" -lt "$2" ]; do
        sleep 0.1
        took=$((took + 1))
    done
    if [ ! -s "$work/code.$1" ]; then
        kill -9 "$(cat "$work/pid")" 2>/dev/null || true
        return 1
    fi
    [ "$(cat "$work/code.$1")" = 33 ]
}

[ -e /dev/kvm ] || no "there is no /dev/kvm"

# A boot sector that writes 0x10 to QEMU's isa-debug-exit port 0xf4, which ends QEMU with code 0x10 * 2 + 1 = 33.
{
    printf '\272\364\000\260\020\356\364\353\375'
    head -c 501 /dev/zero
    printf '\125\252'
} >"$work/boot"

trial tcg "$tenths" || no "$emulator does not run a guest at all: $(tail -n 1 "$work/said")"
emulated=$took limit=$((took + 5))
trial kvm "$limit" || no "a guest that took $emulated tenths of a second emulated did not run under KVM in $limit: $(tail -n 1 "$work/said")"
echo kvm
