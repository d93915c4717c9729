#!/bin/sh
# Becomes a systemd as process 1 of namespaces of its own: $1 holds units/, $2 is the target to reach.
# /etc/systemd/system, /run and /var/log are private, so nothing here touches the machine's own.
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "$1/etc" /etc/systemd/system
mount --bind "$1/etc" /etc/systemd/system
[ -s /etc/machine-id ] || { tr -d - < /proc/sys/kernel/random/uuid > "$1/machine-id" && mount --bind "$1/machine-id" /etc/machine-id; }
hostname s4m-test
export SYSTEMD_UNIT_PATH="$1/units:/etc/systemd/system" container=s4m
exec /lib/systemd/systemd --system --unit="$2" --log-target=console --log-level=notice --show-status=no
