/* SPDX-License-Identifier: Apache-2.0 */
#include "store/health.h"

int health_check_server(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db, "SELECT current_setting('server_version_num')::integer, current_setting('server_version')", NULL,
        0, ret, reterr);
}

int health_check_schema(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT (SELECT max(n) FROM generate_series(0, 31) AS n WHERE (SELECT bool_and("
        "   to_regclass(format('job.%s_%s', t, to_char((clock_timestamp() AT TIME ZONE 'UTC')::date + m,"
        "   'YYYYMMDD'))) IS NOT NULL)"
        "   FROM generate_series(0, n) AS m, unnest(ARRAY['result', 'attempt']) AS t)),"
        " (SELECT coalesce(sum(p.n), 0)::bigint FROM job.pending_queues() AS q (queue) CROSS JOIN LATERAL (SELECT count(*) AS n"
        "   FROM job.pending p WHERE p.queue = q.queue AND p.run_at < now() - interval '30 seconds') AS p),"
        " (SELECT min(p.run_at) FROM job.pending_queues() AS q (queue) CROSS JOIN LATERAL (SELECT run_at"
        "   FROM job.pending p WHERE p.queue = q.queue AND p.run_at < now() - interval '30 seconds'"
        "   ORDER BY p.run_at LIMIT 1) AS p),"
        " (SELECT count(*) FROM job.dead),"
        " (SELECT count(*) FROM job.incident i WHERE kind NOT IN ('reset', 'trim_confirmed')"
        "   AND at > clock_timestamp() - interval '30 days' AND NOT EXISTS (SELECT FROM job.incident r"
        "   WHERE r.kind = 'reset' AND r.topic = i.topic AND r.partition = i.partition AND r.id > i.id))",
        NULL, 0, ret, reterr);
}
