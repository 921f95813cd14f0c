#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A handler as a command: counts the bytes of the file that the payload names, {"file": "/etc/hosts"}.
#
#     { type = "count"; kind = "command"; argv = ( "examples/handler.sh" ); }

file=$(sed -n 's/.*"file" *: *"\([^"\\]*\)".*/\1/p')
if [ -z "$file" ]; then
    echo 'the payload has no "file"' >&2
    exit 65 # no try will do better
fi
if [ ! -r "$file" ]; then
    echo "$file cannot be read" >&2
    exit 75 # it may come
fi
printf '{"bytes": %d, "attempt": %d}\n' "$(wc -c <"$file")" "$JOB_ATTEMPT"
