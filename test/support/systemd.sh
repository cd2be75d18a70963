#!/bin/sh
# A systemd of its own: a root of tmpfs over this machine's /usr, in namespaces of its own, with a cgroup2 tree that is a branch of
# this machine's (and nothing of cgroup v1, which a systemd would mount and so take controllers from others). Run as process 1
# of a pid namespace, in a cgroup namespace and a mount namespace of its own:   systemd.sh ROOT TORC NODE UNITS
set -eu
root=$1 torc=$2 node=$3 units=$4
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p etc/systemd/system etc/torc var/lib var/cache run tmp proc sys dev root opt/torc usr oldroot opt/node
mount --rbind /usr usr
mount -o remount,bind,ro usr
for link in bin sbin lib lib32 lib64; do
  if [ -L /$link ]; then cp -a /$link .; elif [ -d /$link ]; then mkdir $link && mount --rbind /$link $link; fi
done
mount -t tmpfs tmpfs usr/local
mkdir usr/local/bin
mount --bind "$torc" opt/torc
mount -o remount,bind,ro opt/torc
printf '#!/bin/sh\nexec node /opt/torc/src/torc.cjs "$@"\n' >usr/local/bin/torc
chmod 755 usr/local/bin/torc
cp "$node" usr/local/bin/node
cp /etc/ld.so.cache etc/
printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >etc/passwd
printf 'root:x:0:\nadm:x:4:\nutmp:x:43:\nsystemd-journal:x:999:\nnogroup:x:65534:\n' >etc/group
printf 'passwd: files systemd\ngroup: files systemd\nhosts: files\n' >etc/nsswitch.conf
printf '127.0.0.1 localhost\n' >etc/hosts
printf '%032d\n' 7 >etc/machine-id
cp "$units"/torc.service "$units"/torc.socket etc/systemd/system/
printf '[Unit]\nDescription=what a test needs\nRequires=basic.target\nAfter=basic.target\n' >etc/systemd/system/test.target
# Of this machine's devices and kernel nothing is its own.
for unit in systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udev-trigger.service \
  systemd-modules-load.service systemd-sysctl.service systemd-remount-fs.service systemd-update-utmp.service \
  systemd-firstboot.service systemd-sysusers.service systemd-hwdb-update.service ldconfig.service \
  systemd-pstore.service systemd-binfmt.service; do
  ln -s /dev/null etc/systemd/system/$unit
done
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  : >dev/$device
  mount --bind /dev/$device dev/$device
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=1777 tmpfs dev/shm
pivot_root . oldroot
umount -l /oldroot
cd /
exec /usr/bin/env -i container=torctest PATH=/usr/local/bin:/usr/bin:/bin /lib/systemd/systemd --unit=test.target --log-target=journal --show-status=no </dev/null
