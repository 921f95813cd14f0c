#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# archive.sh OUTPUT LIBRARY NEEDED…: one static library of all of LIBRARY, the handler's side, and what these two need
# of the others. Only job_* is visible in it, as in libjob.so.
set -eu
output=$1 library=$2
shift 2
object=$output.p.o
trap 'rm -f "$object"' EXIT
ld -r -o "$object" -u job_context_id -u job_test_run --whole-archive "$library" --no-whole-archive "$@"
objcopy --wildcard --keep-global-symbol='job_*' "$object"
objcopy -L job_context_reset -L job_context_done -L job_context_run "$object"
rm -f "$output"
ar rcsD "$output" "$object"
