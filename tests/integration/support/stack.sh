#!/usr/bin/env bash
# stack.sh ROOT STATE SHARED…: the first process of a hypervisor in namespaces of its own (see stack.py, which starts
# it there). Starts libvirt's daemons on the file system ROOT, says "ready" and ends, and all with it, at the end of its
# standard input. STATE gets the daemons' socket and logs; the directories SHARED are the same inside and outside.

set -euo pipefail

base=$1 state=$2
shift 2
root=$state/root
mkdir "$root"

if [[ $base == / ]]; then
  mount --rbind / "$root"
  umount --recursive --lazy "$root/dev" "$root/proc" "$root/sys"
else
  # What is written goes to memory: the cached ROOT stays as it was made.
  mkdir "$state/written"
  mount -t tmpfs tmpfs "$state/written"
  mkdir "$state/written/"{upper,work}
  mount -t overlay -o "lowerdir=$base,upperdir=$state/written/upper,workdir=$state/written/work" overlay "$root"
  for directory in "$state" "$@"; do
    mkdir -p "$root$directory"
    mount --rbind "$directory" "$root$directory"
  done
fi

for directory in run dev etc/libvirt var/lib/libvirt var/cache/libvirt var/log/libvirt; do
  mount -t tmpfs -o mode=755 tmpfs "$root/$directory"
done
# The authority of the machine's own TPMs may be another user's.
authority=var/lib/swtpm-localca
if [[ $base == / && -d /$authority ]]; then
  mount -t tmpfs -o "mode=750,uid=$(stat -c %u /$authority),gid=$(stat -c %g /$authority)" tmpfs "$root/$authority"
fi
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"

# No /dev/kvm: it may be there and hang.
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

# With QEMU in a mount namespace of its own, libvirt would replace /dev/ptmx of the machine.
cat >"$root/etc/libvirt/qemu.conf" <<END
namespaces = []
security_driver = "none"
END
cat >"$root/etc/libvirt/libvirtd.conf" <<END
unix_sock_dir = "$state"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
END

ip link set lo up
for daemon in virtlogd libvirtd; do
  chroot "$root" "$daemon" --daemon </dev/null >>"$state/log" 2>&1
done
echo ready
read -r || true
