#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The library as an application meets it: what it exports, and its headers in both languages.
# test_library.sh SHARED STATIC INCLUDE-DIRECTORY
# shellcheck disable=SC2317 # functions that check runs by name
set -u

shared=$1 static=$2 include=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 failed=0

check() { # NAME COMMAND…
  local name=$1
  shift
  n=$((n + 1))
  if "$@" >"$work/out" 2>&1; then
    echo "ok $n - $name"
  else
    echo "not ok $n - $name"
    sed 's/^/# /' "$work/out"
    failed=1
  fi
}

only_job_names() { ! grep -v '^job_\|^LIBJOB_0$' "$1"; }

functions_in_headers() { # every function that a header declares and nothing else
  grep -hE '^JOB_(HANDLER_)?API' "$include"/*.h | grep -oE '\bjob_[a-z_]+\(' | tr -d '(' | sort -u
}

exports_match_headers() { diff <(functions_in_headers) <(grep '^job_' "$1" | sort -u); }

cat >"$work/use.c" <<'PROGRAM'
#include <job.h>
#include <job_handler.h>
static int run(struct job_context *ctx)
{
    return job_context_id(ctx) ? JOB_DONE : JOB_RETRY;
}
static const struct job_handler handlers[] = { { "use", run, { 0, 0, 0, 0 } } };
int log_write(void);
int log_write(void)
{
    return 1; /* the application's own; the library has one, too */
}
int main(void)
{
    struct job_test_result result;
    struct job_id id;
    char text[JOB_ID_TEXT_SIZE];
    job_id_new(&id);
    if (job_id_parse(job_id_format(&id, text), &id) || job_test_run(&handlers[0], "{}", 1, &result))
        return 1;
    job_test_result_done(&result);
    return job_client_close(0, 0) + (log_write() - 1);
}
PROGRAM
cp "$work/use.c" "$work/use.cc"

strict=(-Wall -Wextra -pedantic -Werror "-I$include")
# What a build with sanitizers needs besides: the runtime that its objects call.
read -ra extra <<<"${JOB_TEST_LINK_ARGS:-}"
runs() { "${CC:-cc}" -std=c11 "${strict[@]}" "$work/use.c" -o "$work/$1" "${@:2}" ${extra[@]+"${extra[@]}"} && "$work/$1"; }

nm -D --defined-only "$shared" | awk '{print $3}' | sed 's/@.*//' >"$work/shared"
nm -g --defined-only "$static" | awk 'NF == 3 {print $3}' >"$work/static"

check "shared library exports only job_*" only_job_names "$work/shared"
check "static library exports only job_*" only_job_names "$work/static"
check "shared library exports what the headers declare" exports_match_headers "$work/shared"
check "static library exports what the headers declare" exports_match_headers "$work/static"
check "headers compile as C11" "${CC:-cc}" -std=c11 "${strict[@]}" -c "$work/use.c" -o "$work/c.o"
check "headers compile as C++11" "${CXX:-c++}" -std=c++11 "${strict[@]}" -c "$work/use.cc" -o "$work/cc.o"
check "program runs with the shared library" runs with_shared "$shared" "-Wl,-rpath,$(dirname "$shared")"
check "program runs with the static library" runs with_static "$static" -lrdkafka -lpq -ljansson -lpthread
echo "1..$n"
exit $failed
