#!/usr/bin/env bash
# Builds a bootable Debian disk (BIOS and UEFI) from packages: build-debian.sh OUTPUT.qcow2
#
# Nothing is mounted on the host and no loop device is used, so it works for root and, by way of user namespaces, for
# anybody else. What is wanted comes in the environment:
#   SUITE, PACKAGES (by commas), SIZE (of the disk, as truncate takes it)
#   MIRROR    default: what mmdebstrap itself takes
#   OVERLAY   directory whose files go into the disk, default: debian/ beside this script
#   KERNEL_ARGS  words for the kernel's command line
set -euo pipefail
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"

START=$((1 << 20))     # of the first partition
EFI_SIZE=$((128 << 20))
ROOT_START=$((START + EFI_SIZE))
TAIL=$((1 << 20)) # for the second partition table
ROOT_TYPE=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
FD=/proc/self/fd
ROOT_LABEL=golden-root # the overlay's etc/fstab names both
EFI_LABEL=GOLDEN-EFI

# Timers of a machine that lives long, and what a virtual machine seldom has but every boot pays for.
UNNEEDED='apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service
    fstrim.timer systemd-binfmt.service proc-sys-fs-binfmt_misc.automount sys-kernel-config.mount
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount modprobe@configfs.service
    modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service systemd-pstore.service
    systemd-update-utmp-runlevel.service'

say() { echo "$(date +%T) $*"; }

# What is to be there before the kernel is: an initramfs is made only once then, and small.
before_packages() {
    mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"
    printf 'MODULES=list\nCOMPRESS=gzip\n' >"$1/etc/initramfs-tools/conf.d/golden"
    printf '%s\n' virtio_pci virtio_blk virtio_scsi sd_mod ahci ata_piix nvme ext4 \
        >"$1/usr/share/initramfs-tools/modules.d/golden"
}

# Runs with the finished tree, as root or as root of a user namespace: that one may not even come near the user's files,
# so all that goes in and out does so by descriptors that were opened before (see make_tree).
after_packages() {
    tar -C "$1" -x <"$FD/23"
    mkdir -p "$1/efi" "$1/etc/initramfs/post-update.d"
    cp "$1/etc/kernel/postinst.d/zz-golden-boot" "$1/etc/initramfs/post-update.d/"
    chroot "$1" systemctl --quiet enable systemd-networkd.service ssh.service golden-host-keys.service
    chroot "$1" systemctl --quiet disable systemd-resolved.service
    chroot "$1" systemctl --quiet add-wants multi-user.target systemd-resolved.service
    # shellcheck disable=SC2086
    chroot "$1" systemctl --quiet mask $UNNEEDED
    cat "$1"/boot/vmlinuz-* >"$FD/21"
    cat "$1"/boot/initrd.img-* >"$FD/22"
    forget "$1"
    say "making the file system"
    # the tree without what is mounted inside it
    # shellcheck disable=SC2016
    unshare --mount sh -eu -c 'mount --bind "$1" "$1" && exec mke2fs -q -F -t ext4 -m 1 -d "$@"' sh \
        "$1" -L "$ROOT_LABEL" -E "offset=$ROOT_START,root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0" \
        "$FD/20" "$((ROOT_SIZE >> 10))k"
}

# Leaves nothing that belongs to one machine, or to the making of this one.
forget() {
    rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/cache/debconf/*-old "$1"/var/lib/dpkg/*-old \
        "$1"/var/log/* "$1"/tmp/* "$1"/root/.[!.]*
    rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap" \
        "$1/var/lib/dbus/machine-id" "$1/etc/resolv.conf" "$1/var/lib/systemd/random-seed"
    : >"$1/etc/machine-id"
    echo debian >"$1/etc/hostname"
    ln -s ../run/systemd/resolve/stub-resolv.conf "$1/etc/resolv.conf"
    touch -r "$1/usr" "$1/etc/.updated" "$1/var/.updated" # or systemd would take the first boot for an upgrade
}

make_tree() {
    # its cleaning up would come after ours, and find its own settings gone
    set -- --variant=minbase --format=null --skip=cleanup --include="$PACKAGES" --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --essential-hook="bash $FD/24 before_packages \"\$1\"" \
        --customize-hook="bash $FD/24 after_packages \"\$1\""
    # how this machine's apt reaches its mirror
    apt-config dump 2>/dev/null | grep -iE '^Acquire::(https?|Check)[^ ]* "[^"]+";$' >"$WORK/apt.conf" || true
    while read -r line; do set -- "$@" --aptopt="$line"; done <"$WORK/apt.conf"
    tar -C "$OVERLAY" --owner=0 --group=0 --mode=u=rwX,go=rX -c . >"$WORK/overlay.tar"
    say "installing packages of $SUITE"
    TMPDIR=${TMPDIR:-/var/tmp} mmdebstrap "$@" "$SUITE" /dev/null ${MIRROR:+"$MIRROR"} \
        20<>"$WORK/disk.raw" 21>"$WORK/vmlinuz" 22>"$WORK/initrd.img" 23<"$WORK/overlay.tar" 24<"$SCRIPT"
}

make_efi_partition() {
    set -- "root=LABEL=$ROOT_LABEL rw console=tty0 console=ttyS0,115200 ${KERNEL_ARGS:-quiet}"
    mkdir -p "$WORK/loader/entries" "$WORK/EFI/BOOT" "$WORK/syslinux"
    printf 'timeout 0\n' >"$WORK/loader/loader.conf"
    printf 'title Debian\nlinux /vmlinuz\ninitrd /initrd.img\noptions %s\n' "$1" >"$WORK/loader/entries/debian.conf"
    printf 'DEFAULT debian\nPROMPT 0\nLABEL debian\n KERNEL /vmlinuz\n INITRD /initrd.img\n APPEND %s\n' "$1" \
        >"$WORK/syslinux/syslinux.cfg"
    cp /usr/lib/systemd/boot/efi/systemd-bootx64.efi "$WORK/EFI/BOOT/BOOTX64.EFI"
    truncate -s "$EFI_SIZE" "$WORK/efi.fat"
    mkfs.vfat -n "$EFI_LABEL" -h "$((START / 512))" "$WORK/efi.fat" >/dev/null
    MTOOLS_SKIP_CHECK=1 mcopy -s -i "$WORK/efi.fat" "$WORK/vmlinuz" "$WORK/initrd.img" "$WORK/loader" "$WORK/EFI" \
        "$WORK/syslinux" ::
    syslinux --directory syslinux --install "$WORK/efi.fat"
}

make_disk() {
    printf 'start=%s, size=%s, type=uefi, attrs=LegacyBIOSBootable\nstart=%s, type=%s\n' \
        "$((START >> 9))" "$((EFI_SIZE >> 9))" "$((ROOT_START >> 9))" "$ROOT_TYPE" |
        sfdisk --quiet --wipe-partitions never --no-reread --no-tell-kernel --label gpt "$WORK/disk.raw"
    dd status=none conv=notrunc bs=440 count=1 of="$WORK/disk.raw" if=/usr/lib/syslinux/mbr/gptmbr.bin
    dd status=none conv=notrunc,sparse bs=1M seek="$((START >> 20))" of="$WORK/disk.raw" if="$WORK/efi.fat"
}

build() {
    for tool in mmdebstrap mke2fs mkfs.vfat mcopy syslinux sfdisk qemu-img unshare; do
        command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }
    done
    SCRIPT=$(readlink -f "$0")
    OVERLAY=${OVERLAY:-$(dirname "$SCRIPT")/debian}
    WORK=$(mktemp -d "$(dirname "$(readlink -f "$1")")/.build.XXXXXX")
    trap 'rm -rf "$WORK"' EXIT
    trap 'exit 1' HUP INT TERM
    truncate -s "$SIZE" "$WORK/disk.raw"
    install -m 0666 /dev/null "$WORK/vmlinuz"
    install -m 0666 /dev/null "$WORK/initrd.img"
    chmod 0666 "$WORK/disk.raw" # like the others in a directory that nobody else comes into
    ROOT_SIZE=$(($(stat -c %s "$WORK/disk.raw") - ROOT_START - TAIL))
    export ROOT_SIZE
    make_tree
    say "making the disk"
    make_efi_partition
    make_disk
    qemu-img convert -O qcow2 -o compat=1.1 "$WORK/disk.raw" "$WORK/disk.qcow2"
    mv "$WORK/disk.qcow2" "$1"
    say "done"
}

case $1 in
    before_packages | after_packages) "$@" ;;
    *) build "$1" ;;
esac
