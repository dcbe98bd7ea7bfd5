#!/bin/busybox sh
# First process of a guest: loads what the kernel needs for its disks and network, and hands over to init.sh
# on the root image. Whatever fails ends the machine, which its provider notices.
/bin/busybox --install -s /bin
export PATH=/bin

fail() {
  echo "hearth: $*" >/dev/console
  poweroff -f
}

mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t devtmpfs dev /dev || fail "no kernel file systems"
while read -r module; do
  insmod "/modules/$module" || fail "module $module does not load"
done </modules/order
# Nobody loads another one, also not who breaks out of a container.
echo 1 >/proc/sys/kernel/modules_disabled

mount -t squashfs -o ro /dev/vda /root || fail "no root image on /dev/vda"
case " $(cat /proc/cmdline) " in
*" hearth.trial "*)
  echo "hearth: a guest boots here" >/dev/console
  poweroff -f
  ;;
esac
for directory in proc sys dev; do mount -o move "/$directory" "/root/$directory"; done
exec switch_root /root /opt/hearth/init.sh
fail "no init on the root image"
