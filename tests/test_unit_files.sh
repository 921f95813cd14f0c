#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The units as systemd reads them: nothing in them is unknown to it, and what they leave open is little.
# test_unit_files.sh BUILD SOURCE
# shellcheck disable=SC2317 # functions that tell() calls
set -u

build=$1 source=$2
threshold=15 # tenths, of 100: what systemd-analyze security calls exposure
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
number=0 failed=0

tell() { # NAME COMMAND…: which has to succeed without a word
  local name=$1 output
  shift
  number=$((number + 1))
  if output=$("$@" 2>&1) && [ -z "$output" ]; then
    echo "ok $number - $name"
  else
    printf '%s\n' "$output" | sed 's/^/# /'
    echo "not ok $number - $name"
    failed=1
  fi
}

verify() { SYSTEMD_UNIT_PATH=$folder: systemd-analyze verify --man=no "$@"; }

is_closed() { # UNIT
  local report=$folder/report
  systemd-analyze security --no-pager --offline=true --threshold="$threshold" "$1" >"$report" || grep ✗ "$report"
}

# Users and folders are made as the files say.
applies() {
  local root=$folder/root
  mkdir -p "$root/etc"
  systemd-sysusers --root="$root" "$source/systemd/libjob.sysusers.conf" 2>"$folder/report"
  grep -q '^libjob:' "$root/etc/passwd" || cat "$folder/report"
  [ "$(id -u)" = 0 ] || return 0 # only root may give folders away
  systemd-tmpfiles --root="$root" --create "$source/systemd/libjob.tmpfiles.conf"
  [ "$(stat -c %a "$root/etc/credstore")" = 700 ]
}

# The programs are not installed yet.
for unit in "$build"/systemd/*.service; do
  sed -E "s#/[^ ]*/jobbrokerd#$build/broker/jobbrokerd#; s#/[^ ]*/jobworkerd#$build/worker/jobworkerd#" "$unit" >"$folder/${unit##*/}"
done
cp "$source"/systemd/libjob.{slice,target} "$folder/"

echo 1..8
for unit in jobbrokerd.service jobworkerd.service jobworkerd@mail.service libjob.target libjob.slice; do
  tell "systemd understands all of $unit" verify "$unit"
done
tell "the broker is closed to what it does not need" is_closed "$folder/jobbrokerd.service"
tell "so is the worker" is_closed "$folder/jobworkerd.service"
tell "its user and folders can be made" applies
exit $failed
