#!/bin/sh
# Strips a guest's identity, after it has made sure that the guest will make itself a new one at its next boot.
#
# usage: seal.sh check|seal UUID OPERATION...
#   check    say what sealing would do, and change nothing
#   seal     make sure of the next boot, then strip
# UUID is the domain's, so that no other machine is stripped by mistake; "offline" where the script runs on the disks of
# a domain that is off.
#
# Says what it did in lines of JSON: {"first_boot": ..., "unit": ...}, then {"operation": ..., "found": COUNT} for each
# operation. Where the guest could not make itself a new identity it strips nothing, says {"obstacle": ...}, exits 3.
set -eu

unit=golden-first-boot.service

give_up() {
  printf '{"obstacle": "%s"}\n' "$1"
  exit 3
}

# The machine that this runs on is the domain.
ensure_domain() {
  if [ "$uuid" = offline ]; then return; fi
  if [ -r /sys/class/dmi/id/product_uuid ]; then
    found=$(tr '[:upper:]' '[:lower:]' </sys/class/dmi/id/product_uuid)
    [ "$found" = "$uuid" ] || give_up "this is not the domain $uuid but a machine with the UUID $found"
  else
    systemd-detect-virt --quiet --vm || give_up "this is not a virtual machine"
  fi
}

# Whether cloud-init runs at boot and makes host keys.
cloud_init_will() {
  command -v cloud-init >/dev/null && [ ! -e /etc/cloud/cloud-init.disabled ] || return 1
  if grep -qs 'cloud-init=disabled' /proc/cmdline /etc/default/grub; then return 1; fi
  if grep -Eqsr '^ssh_genkeytypes: *(\[ *\]|null|~) *$' /etc/cloud/cloud.cfg /etc/cloud/cloud.cfg.d; then return 1; fi
  grep -Eq '^ *- *(\[ *)?ssh *(,.*)?$' /etc/cloud/cloud.cfg || return 1
  systemctl --quiet is-enabled cloud-init.service || systemctl --quiet is-enabled cloud-init-network.service
} 2>/dev/null

# Prints what makes missing host keys: units that are enabled, sshd's own (Fedora, Red Hat, SUSE).
key_makers() {
  grep -ls '^ExecStart=.*ssh-keygen' /etc/systemd/system/*.service /usr/lib/systemd/system/*.service |
    while IFS= read -r file; do
      if systemctl --quiet is-enabled "${file##*/}"; then echo "${file##*/}"; fi
    done
  if systemctl cat sshd.service | grep -Eq 'sshd-keygen|sshd-gen-keys'; then echo sshd.service; fi
} 2>/dev/null

# The unit makes keys only where nothing else has made any: cloud-init goes first, and does not run at all in a clone
# that was given no seed.
write_unit() {
  cat >"/etc/systemd/system/$unit" <<END
[Unit]
Description=Make the host keys that sealing removed
Documentation=https://github.com/golden-libvirt/golden.libvirt
ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key
After=cloud-init.service cloud-init-network.service
Before=ssh.service sshd.service

[Service]
Type=oneshot
ExecStart=$(command -v ssh-keygen) -A

[Install]
WantedBy=multi-user.target
END
  systemctl --quiet --no-reload enable "$unit"
}

# The next boot: machine-id comes from systemd, host keys from cloud-init, a unit that is there or one of ours.
ensure_first_boot() {
  command -v systemctl >/dev/null || give_up "the guest has no systemd: nothing would make a new machine-id"
  first_boot=systemd made=none
  if cloud_init_will; then first_boot=cloud-init; fi
  if command -v sshd >/dev/null || [ -x /usr/sbin/sshd ]; then
    command -v ssh-keygen >/dev/null || give_up "the guest has sshd without ssh-keygen: nothing would make host keys"
    made=$(key_makers | head -n 1)
    if [ -z "$made" ]; then
      made=$unit
      if [ "$mode" != check ]; then
        write_unit
        systemctl --quiet is-enabled "$unit" || give_up "$unit could not be enabled: nothing would make host keys"
      fi
    fi
  fi
  printf '{"first_boot": "%s", "unit": "%s"}\n' "$first_boot" "$made"
}

homes() { cut -d : -f 6 /etc/passwd | sort -u; }

# What an operation removes, one path a line.
paths_of() {
  case $1 in
    machine-id) if [ -L /var/lib/dbus/machine-id ]; then set --; else set -- /var/lib/dbus/machine-id; fi ;;
    ssh-host-keys) set -- /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub ;;
    dhcp-leases)
      set -- /var/lib/dhcp/*lease* /var/lib/dhclient/*lease* /var/lib/dhcpcd/* /var/lib/NetworkManager/*lease* \
        /var/lib/NetworkManager/secret_key /etc/dhcpcd.duid
      ;;
    logs) set -- /var/log/journal/* ;;
    cloud-init)
      set -- /var/lib/cloud/data /var/lib/cloud/handlers /var/lib/cloud/instance /var/lib/cloud/instances \
        /var/lib/cloud/scripts /var/lib/cloud/sem /var/log/cloud-init.log /var/log/cloud-init-output.log
      ;;
    histories)
      for home in $(homes); do
        set -- "$@" "$home"/.*_history "$home"/.lesshst "$home"/.viminfo "$home"/.wget-hsts "$home/.ansible"
      done
      shift
      ;;
    tmp)
      find /tmp /var/tmp -xdev -mindepth 1 -maxdepth 1 ! -name 'systemd-private-*'
      set --
      ;;
    random-seed) set -- /var/lib/systemd/random-seed /var/lib/urandom/random-seed /var/lib/random-seed ;;
    agent-state) set -- /var/lib/qemu-ga/* /var/lib/qemu-guest-agent/* /run/qga.state ;;
    package-cache) set -- /var/cache/apt/*.bin /var/cache/apt/archives/*.deb /var/lib/apt/lists/* /var/cache/dnf/* ;;
  esac
  for path; do
    if [ -e "$path" ] || [ -L "$path" ]; then printf '%s\n' "$path"; fi
  done
}

# Keeps what would write the removed things again on the way down from doing so.
quiet_writers() {
  case $1 in
    logs) journalctl --relinquish-var || : ;;
    random-seed) systemctl stop systemd-random-seed.service || : ;;
  esac
} >/dev/null 2>&1

# DHCP clients write their files when they end: let them write into memory.
hide_from_writers() {
  if [ "$1" = dhcp-leases ] && [ "$uuid" != offline ]; then
    for directory in /var/lib/dhcp /var/lib/dhclient /var/lib/dhcpcd /var/lib/NetworkManager; do
      if [ -d "$directory" ]; then mount -t tmpfs -o mode=0755,size=1m tmpfs "$directory"; fi
    done
  fi
}

# Files that must stay, empty.
emptied_by() {
  case $1 in
    machine-id) if [ -s /etc/machine-id ]; then echo /etc/machine-id; fi ;;
    logs) find /var/log -xdev -type f -size +0 ! -path '/var/log/journal/*' ;;
  esac
}

strip() {
  gone=$(paths_of "$1")
  empty=$(emptied_by "$1")
  if [ "$mode" = seal ]; then
    quiet_writers "$1"
    printf '%s\n' "$gone" | while IFS= read -r path; do if [ -n "$path" ]; then rm -rf -- "$path"; fi; done
    printf '%s\n' "$empty" | while IFS= read -r path; do if [ -n "$path" ]; then : >"$path"; fi; done
    hide_from_writers "$1"
  fi
  printf '{"operation": "%s", "found": %d}\n' "$1" "$(printf '%s\n%s\n' "$gone" "$empty" | grep -c .)"
}

mode=$1 uuid=$2
shift 2
ensure_domain
ensure_first_boot
for operation; do strip "$operation"; done
sync
