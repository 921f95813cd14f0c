#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# tools/services.sh, as far as it needs no server. test_services.sh SERVICES
set -u

# shellcheck source=tools/services.sh
. "$1"

echo 1..1
for _ in {1..200}; do kafka_cluster_id; done >"${TMPDIR:-/tmp}/cluster-ids.$$"
wrong=$(grep -Evc '^[A-Za-z0-9]{22}$' "${TMPDIR:-/tmp}/cluster-ids.$$")
rm "${TMPDIR:-/tmp}/cluster-ids.$$"
if [ "$wrong" = 0 ]; then echo "ok 1 - cluster ids cannot be taken for options"; else echo "not ok 1 - $wrong cluster ids of 200"; fi
[ "$wrong" = 0 ]
