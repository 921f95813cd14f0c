#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# systemd as process 1 of namespaces of its own, on a copy-on-write view of this machine's files; it shares nothing but the
# network. It knows no unit of this machine except the journal's.
#
#   booted.sh probe          exit status 0: it can be done here; else the reason, on standard output
#   booted.sh boot FOLDER    FOLDER/files is laid over /. Does not return; kill it, and everything in there ends
set -euo pipefail
here=$(readlink -f "$0")

die() {
  echo "$*"
  exit 1
}

mount_files() { # ROOT
  local root=$1 device
  mkdir upper scratch "$root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/scratch" "$root" ||
    die "an overlay cannot be mounted"
  mount -t proc proc "$root/proc" || die "/proc cannot be mounted"
  mount -o bind,ro "$root/proc/sys" "$root/proc/sys"
  mount -t sysfs sysfs "$root/sys" -o ro || die "/sys cannot be mounted"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" || die "control groups cannot be mounted"
  mount -t tmpfs tmpfs "$root/run" -o mode=755
  mount -t tmpfs tmpfs "$root/tmp" -o mode=1777
  mount -t tmpfs tmpfs "$root/var/log" -o mode=755
  mount -t tmpfs tmpfs "$root/dev" -o mode=755
  for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir "$root/dev/shm" "$root/dev/pts"
  mount -t tmpfs tmpfs "$root/dev/shm" -o mode=1777
  mount -t devpts devpts "$root/dev/pts" -o newinstance,ptmxmode=666
  ln -s pts/ptmx "$root/dev/ptmx"
  # The machine's own settings of systemd are not ours.
  mount -t tmpfs tmpfs "$root/etc/systemd" -o mode=755
}

write_units() { # ROOT
  local units=$1/etc/systemd/system unit
  mkdir "$units"
  for unit in systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket; do
    cp "/lib/systemd/system/$unit" "$units/"
  done
  printf '[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\nAfter=systemd-journald.socket\n' >"$units/sysinit.target"
  for unit in basic multi-user network-online slices sockets shutdown local-fs umount; do
    printf '[Unit]\nDefaultDependencies=no\n' >"$units/$unit.target"
  done
}

# In all namespaces, as their process 1.
inside() { # probe|boot FOLDER
  cd "$2/live"
  mount_files root
  [ "$1" = boot ] || return 0
  write_units root
  cp -a "$2/files/." root/
  cd root
  mkdir -p .old
  pivot_root . .old
  umount -l .old
  mount --make-rshared / # credentials come by propagation
  exec env -i container=libjob-test PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin \
    SYSTEMD_UNIT_PATH=/etc/systemd/system:/usr/local/lib/systemd/system SYSTEMD_GENERATOR_PATH=/nowhere \
    /lib/systemd/systemd --system --unit=sysinit.target --show-status=false
}

remove_groups() { # GROUP…: with those in them
  local group
  for group; do
    [ ! -e "$group" ] || find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}

# Process 1 first: what waits for it has waited for all of them then.
end() {
  local first=
  read -r first _ <"/proc/$child/task/$child/children" || true
  kill -KILL "${first:-$child}" || true
}

# What is mounted here goes with the namespace. Control groups would stay.
outside() { # probe|boot FOLDER
  local groups=$2/live/groups group status=0
  mount --make-rprivate / || die "mounts cannot be made private"
  mount -t tmpfs tmpfs "$2/live" -o mode=755 || die "a tmpfs cannot be mounted"
  mkdir "$groups"
  mount -t cgroup2 cgroup2 "$groups" || die "control groups (v2) cannot be mounted"
  remove_groups "$groups"/libjob-test-* # of runs that were killed; one that is in use stays
  group=$groups/libjob-test-$$
  mkdir "$group" || die "no control group can be made"
  trap end TERM
  setpriv --pdeathsig KILL "$here" join "$group" "$@" &
  child=$!
  while kill -0 "$child" 2>/dev/null; do
    status=0
    wait "$child" || status=$?
  done
  remove_groups "$group"
  exit "$status"
}

join() { # GROUP probe|boot FOLDER
  echo 0 >"$1/cgroup.procs" || die "nothing can enter a control group"
  exec unshare --pid --uts --ipc --cgroup --mount --fork --kill-child "$here" inside "${@:2}"
}

enter() { # probe|boot FOLDER
  mkdir -p "$2/files" "$2/live"
  exec unshare --mount "$here" outside "$@"
}

probe() {
  local folder status=0
  folder=$(mktemp -d)
  "$here" enter probe "$folder" 2>&1 || status=$?
  rm -r "$folder"
  return $status
}

case ${1:-} in
  probe)
    [ "$(id -u)" = 0 ] || die "only root may boot a systemd"
    [ -x /lib/systemd/systemd ] || die "systemd is not installed"
    probe
    ;;
  boot) enter boot "$(readlink -f "$2")" ;;
  enter | outside | join | inside) "$@" ;;
  *) die "usage: booted.sh probe|boot FOLDER" ;;
esac
