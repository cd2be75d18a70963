#!/usr/bin/env bash
# systemd 252 (Debian 12)
# A service tells systemd that another process is its main one now (sd_notify(3), MAINPID=), as a daemon does that hands over to
# a new version of itself, which it has started. KillMode=mixed, TimeoutStopSec=30: at `systemctl stop` the new main process should
# get SIGTERM and 30 s. It gets SIGTERM and SIGKILL in the same moment, because it is not a child of systemd's; and it stays so
# for systemd when the old one has ended and it is one. With KillMode=control-group, or an ExecStop= that waits, it has its time.
# Expected: a stop waits for the process that systemd says it supervises.
# Needs root, namespaces and a tree of cgroup v2, and this machine has that systemd; the systemd that is tried boots in namespaces of its own.
set -euo pipefail
. "$(dirname "$0")/support/packages.sh"
[ "$(id -u)" = 0 ] || fail 'root is needed'
version=$(/lib/systemd/systemd --version | sed -n 's/^systemd \([0-9]*\).*/\1/p')
[ "$version" = 252 ] || fail "systemd is $version"
cgroup2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$cgroup2" ] || fail 'no tree of cgroup v2'
cgroup=$cgroup2$(sed -n 's/^0:://p' /proc/self/cgroup)/finding-$$
mkdir "$cgroup"

cat >service <<'SERVICE'
#!/bin/bash
# The first starts the second, tells of it, and ends; the second takes a second for its end.
if [ "${1:-}" = second ]; then
  trap 'echo "SIGTERM: ending" >>/told; sleep 1; echo ended >>/told; exit 0' TERM
  systemd-notify MAINPID=$$ READY=1
  echo ready >>/told
  while :; do sleep 0.1; done
fi
/service second &
sleep 2
SERVICE
cat >boot <<'BOOT'
#!/bin/sh
set -eu
cd "$1"
mount --make-rprivate /
mount -t tmpfs tmpfs root
cp service root/
cd root
mkdir -p usr etc/systemd/system proc sys dev run tmp old
mount --rbind /usr usr
for link in bin sbin lib lib64; do ln -s usr/$link $link; done
printf 'root:x:0:0::/root:/bin/sh\n' >etc/passwd
printf '%032d\n' 7 >etc/machine-id
printf '[Service]\nType=notify\nNotifyAccess=all\nKillMode=%s\nTimeoutStopSec=30\nExecStart=/bin/bash /service\n' "$2" >etc/systemd/system/told.service
printf '[Unit]\nDefaultDependencies=no\n' >etc/systemd/system/finding.target
chmod 755 service
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs tmpfs run
pivot_root . old
umount -l /old
exec env -i container=finding PATH=/usr/bin:/bin /lib/systemd/systemd --unit=finding.target --log-target=null --show-status=no </dev/null
BOOT

# try KILLMODE: the end of a second that was told of, in words.
try() {
  mkdir -p root
  sh -c "echo \$\$ >$cgroup/cgroup.procs; exec setpriv --pdeathsig KILL unshare --pid --fork --kill-child --mount --net --uts --ipc --cgroup sh boot $dir $1" 2>/dev/null &
  local outside=$! pid=''
  for _ in $(seq 100); do
    pid=$(cat /proc/$outside/task/$outside/children 2>/dev/null || true)
    pid=${pid%% *}
    [ -n "$pid" ] && inside "$pid" systemctl is-active finding.target >/dev/null 2>&1 && break
    sleep 0.1
  done
  inside "$pid" systemctl start --job-mode=ignore-dependencies told
  # Until the first has ended, and the second is systemd's child.
  sleep 3
  inside "$pid" systemctl stop told
  inside "$pid" cat /told | tr '\n' ',' | sed "s/^/KillMode=$1: /; s/,$/\n/"
  kill -9 "$pid"
  wait "$outside" 2>/dev/null || true
  sleep 0.5
}
inside() { timeout 40 nsenter --target "$1" --mount --pid --net --root --wd -- "${@:2}"; }
trap 'find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null; rm -rf "$dir"' EXIT
mixed=$(try mixed)
group=$(try control-group)
echo "$mixed"
echo "$group"
[[ $group == *ended ]] || fail 'with control-group it has no time either'
[[ $mixed != *ended ]] || fail 'it has its time'
