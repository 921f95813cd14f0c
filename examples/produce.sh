#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Enqueues a job from a shell with kcat or psql: produce.sh kafka|sql TYPE [PAYLOAD [QUEUE]]
#
# Nothing of the payload is a shell's word, an SQL text, or an option.
set -eu

how=$1 type=$2 payload=${3:-'{}'} queue=${4:-default}
case $how in
  kafka) # one job for each line, or else what -D says: a byte that JSON never has
    printf '%s' "$payload" | kcat -P -b "$JOB_KAFKA" -t "job.$queue" -D '\x1e' -H "ce_type=$type" \
      -X enable.idempotence=true -X delivery.timeout.ms=10000 -X topic.partitioner=murmur2_random
    ;;
  sql) # psql quotes :'…' itself; prints the job's id
    psql -XqAt -v ON_ERROR_STOP=1 -v type="$type" -v payload="$payload" -v queue="$queue" "$JOB_DATABASE_URL" <<'SQL'
SELECT job.enqueue(:'queue', :'type', :'payload');
SQL
    ;;
  *)
    echo "produce.sh: $how? kafka or sql" >&2
    exit 2
    ;;
esac
