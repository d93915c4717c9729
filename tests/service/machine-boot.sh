#!/bin/sh
# Becomes a systemd as process 1 of namespaces of its own: $1 holds units/, $2 is the target to reach, $3 the
# checkout, which is seen at /opt/scrum4me. /etc/systemd/system, /etc/passwd, /home, /run and /var/log are
# private, so nothing here touches the machine's own; a user alice (4242) lives in /home/alice.
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "$1/etc" /etc/systemd/system
mount --bind "$1/etc" /etc/systemd/system
[ -s /etc/machine-id ] || {
  tr -d - < /proc/sys/kernel/random/uuid > "$1/machine-id"
  mount --bind "$1/machine-id" /etc/machine-id
}
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir /opt/scrum4me
mount --bind "$3" /opt/scrum4me
{ cat /etc/passwd; echo 'alice:x:4242:4242::/home/alice:/bin/sh'; } > "$1/passwd"
{ cat /etc/group; echo 'alice:x:4242:'; } > "$1/group"
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
mount -t tmpfs -o mode=755 tmpfs /home
mkdir -m 700 /home/alice
chown 4242:4242 /home/alice
hostname s4m-test
export SYSTEMD_UNIT_PATH="$1/units:/etc/systemd/system" container=s4m
exec /lib/systemd/systemd --system --unit="$2" --log-target=console --log-level=notice --show-status=no
