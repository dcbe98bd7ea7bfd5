#!/bin/sh
# Prepares the guest for its host agent and runs it; when that ends with status 0, the machine is switched off.
# The root is read-only: what is written goes to memory (/run, /tmp) or to the data disk.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# The same numbers as in src/provider/microvm/guest-network.ts.
ADDRESS=10.0.2.15/24
GATEWAY=10.0.2.2
NETWORK=10.0.2.0/24
CONFIG=/run/hearth/host-agent.json
RESTARTS_MAX=20

end() {
  echo "hearth: $*" >/dev/console
  busybox poweroff -f
}

mount -t tmpfs -o mode=755,size=16m tmpfs /run
mount -t tmpfs -o mode=1777,size=16m tmpfs /tmp
mkdir -p /dev/shm && mount -t tmpfs -o mode=1777,size=16m tmpfs /dev/shm
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup || end "no control groups"
mount -t squashfs -o ro,nosuid,nodev /dev/vdb /opt/hearth/bundle || end "no bundle on /dev/vdb"
mount -t ext4 -o noatime,nosuid,nodev /dev/vdc /var/lib/hearth || end "no data disk on /dev/vdc"

hostname hearth
ip link set lo up
ip address add "$ADDRESS" dev eth0 && ip link set eth0 up && ip route add default via "$GATEWAY" || end "no network"
# The server's endpoint answers at the gateway: it is the host agent's, and no function's.
nft -f - <<RULES || end "no firewall"
table inet machine {
  chain forward {
    type filter hook forward priority -20; policy accept;
    ip daddr $NETWORK drop
  }
}
RULES

mkdir -p -m 700 /run/hearth /var/lib/hearth/host
(umask 077 && cat /sys/firmware/qemu_fw_cfg/by_name/opt/hearth/host-agent/raw >"$CONFIG") || end "no configuration"
(umask 077 && cat /sys/firmware/qemu_fw_cfg/by_name/opt/hearth/host-key/raw >/var/lib/hearth/host/host-key.json)
cat /sys/firmware/qemu_fw_cfg/by_name/opt/hearth/resolv-conf/raw >/run/resolv.conf
# The containers' root folder was made with the image.
ln -sfn /opt/hearth/images /var/lib/hearth/host/images
dmesg -n 1
echo "hearth: ready for the host agent after $(cut -d ' ' -f 1 /proc/uptime) s" >/dev/console

# What the engine made of the programs when the bundle was packed; without it they are compiled at every start.
export NODE_COMPILE_CACHE=/opt/hearth/bundle/compiled NODE_COMPILE_CACHE_PORTABLE=1
restarts=0
while [ "$restarts" -lt "$RESTARTS_MAX" ]; do
  /opt/hearth/node/agent /opt/hearth/bundle/host-agent.mjs --config "$CONFIG" </dev/null >/dev/console 2>&1
  status=$?
  [ "$status" = 0 ] && end "the host agent has ended"
  echo "hearth: the host agent ended with status $status; it is started again" >/dev/console
  restarts=$((restarts + 1))
  sleep 1
done
end "the host agent keeps failing"
