#!/bin/sh
# Builds the tiny test guest (a kernel from Debian's packages, and init.c as its whole user space) and prints
# where its two files are. What exists already is reused, so only the first call needs a package mirror.
#
#   build.sh [directory]      default: $GOLDEN_CACHE/tiny-guest, else /var/cache/golden-libvirt/tiny-guest for root
#                             and ~/.cache/golden-libvirt/tiny-guest for anybody else
#
# The directory must be one that the hypervisor's QEMU user can read.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
package=linux-image-cloud-amd64
modules='virtio_pci virtio_console virtio_blk virtio_scsi sd_mod ata_piix evdev button'

if [ "$(id -u)" = 0 ]; then cache=/var/cache; else cache=${XDG_CACHE_HOME:-$HOME/.cache}; fi
directory=${1:-${GOLDEN_CACHE:-$cache/golden-libvirt}/tiny-guest}
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
for tool in gcc cpio gzip flock dpkg-deb apt-get; do
    if ! command -v "$tool" >/dev/null; then
        echo "build.sh: $tool is missing (Debian packages: gcc libc6-dev cpio)" >&2
        exit 1
    fi
done
exec 9>"$directory/.lock"
flock 9
work=$(mktemp -d "$directory/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

fetch_kernel() {
    name=$(apt-cache depends "$package" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
    if [ -z "$name" ] && [ "$(id -u)" = 0 ]; then
        apt-get update -qq >&2
        name=$(apt-cache depends "$package" | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
    fi
    if [ -z "$name" ]; then
        echo "build.sh: apt knows no package $package: run 'apt-get update' as root first" >&2
        exit 1
    fi
    (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$name" >&2 && dpkg-deb -x "$name"_*.deb kernel)
    mkdir "$work/out" "$work/out/modules"
    cp "$work"/kernel/boot/vmlinuz-* "$work/out/vmlinuz"
    find "$work/kernel" -name '*.ko' -o -name '*.ko.xz' -o -name '*.ko.zst' >"$work/found"
    : >"$work/out/modules/order"
    for module in $modules; do add_module "$module"; done
    chmod -R u=rwX,go=rX "$work/out"
    rm -rf "$directory/kernel"
    mv "$work/out" "$directory/kernel"
}

# Adds a module after those that it needs.
add_module() {
    ! grep -q "^$1.ko\$" "$work/out/modules/order" || return 0
    file=$(sed -n "/\/$1\.ko/p" "$work/found" | head -n 1)
    [ -n "$file" ] || return 0 # built into this kernel
    case $file in
        *.xz) xz -dc "$file" ;;
        *.zst) zstd -qdc "$file" ;;
        *) cat "$file" ;;
    esac >"$work/out/modules/$1.ko"
    for needed in $(tr '\0' '\n' <"$work/out/modules/$1.ko" | sed -n 's/^depends=//p' | tr ',-' ' _'); do
        add_module "$needed"
    done
    echo "$1.ko" >>"$work/out/modules/order"
}

[ -s "$directory/kernel/vmlinuz" ] || fetch_kernel

if [ ! -s "$directory/initrd" ] || [ "$here/init.c" -nt "$directory/initrd" ] ||
    [ "$directory/kernel" -nt "$directory/initrd" ]; then
    mkdir "$work/root" "$work/root/dev" "$work/root/proc" "$work/root/sys"
    gcc -static -Os -s -Wall -Wextra -o "$work/root/init" "$here/init.c"
    cp -R "$directory/kernel/modules" "$work/root/modules"
    (cd "$work/root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$work/initrd.cpio"
    gzip -1 <"$work/initrd.cpio" >"$work/initrd"
    chmod 0644 "$work/initrd"
    mv "$work/initrd" "$directory/initrd"
fi
chmod 0755 "$directory"
echo "kernel=$directory/kernel/vmlinuz"
echo "initrd=$directory/initrd"
