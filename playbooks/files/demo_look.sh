# shellcheck shell=bash
# Says in one line of JSON who this guest is and what its web server answers, once it has started all that it starts.
ask() {
  exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && tail -n 1 <&3
}

systemctl is-system-running --wait >/dev/null
printf '{"hostname": "%s", "machine_id": "%s", "host_key": "%s", "mac": "%s", "uuid": "%s", "answer": "%s"}\n' \
  "$(uname -n)" "$(cat /etc/machine-id)" "$(cut -d ' ' -f 2 /etc/ssh/ssh_host_ed25519_key.pub | tail -c 13)" \
  "$(cat /sys/class/net/e*/address)" "$(cat /sys/class/dmi/id/product_uuid)" "$(ask 2>/dev/null)"
