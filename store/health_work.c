/* SPDX-License-Identifier: Apache-2.0 */
/* Does the work go on: rows that wait, those who move them, those who have gone. */
#include "store/health_inside.h"

#define LIVE "w.beat_at > clock_timestamp() - interval '15 seconds'"

int health_check_relay(struct db *db, int64_t patience_us, struct rows **ret, struct err *reterr)
{
    return health_query(
        db,
        "SELECT p.n, p.oldest, p.n > 0 AND (SELECT r.asleep AND r.wake_at > p.oldest FROM job.relay r)"
        " FROM (SELECT coalesce(sum(d.n), 0)::bigint AS n, min(d.oldest) AS oldest"
        "   FROM job.pending_queues() AS q (queue) CROSS JOIN LATERAL"
        "   (SELECT count(*) AS n, min(l.run_at) AS oldest FROM (SELECT run_at FROM job.pending p WHERE p.queue = q.queue"
        "    AND p.run_at < now() - $1::interval ORDER BY p.run_at LIMIT " COUNT_MAX ") l) d) p",
        patience_us, ret, reterr);
}

int health_list_broker_threads(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT application_name, count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name IN ('relay', 'later', 'clock', 'trim', 'cron') GROUP BY 1 ORDER BY 1",
        NULL, 0, ret, reterr);
}

int health_list_workers(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(db,
                    "SELECT w.id, w.host, w.pid, w.http," AGE(
                        "w.beat_at") ", w.lost_at IS NOT NULL,"
                                     " (SELECT count(*) FROM job.lease l WHERE l.worker = w.id)"
                                     " FROM job.worker w ORDER BY w.beat_at LIMIT 1000",
                    NULL, 0, ret, reterr);
}

int health_list_cursors(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT c.topic, c.partition, c.next_offset, c.owner, c.unclean, c.crash_count," AGE(
            "c.updated_at") ","
                            " coalesce(" LIVE ", false),"
                            " c.checked_ts * 1000 - (extract(epoch FROM c.updated_at) * 1000000)::bigint"
                            " FROM job.cursor c LEFT JOIN job.worker w ON w.id = c.owner ORDER BY c.topic, c.partition LIMIT 10000",
        NULL, 0, ret, reterr);
}

int health_list_pending_queues(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT q.queue, (SELECT count(*) FROM (SELECT FROM job.pending p WHERE p.queue = q.queue LIMIT " COUNT_MAX
        ") l) FROM job.pending_queues() AS q (queue) LIMIT 1000",
        NULL, 0, ret, reterr);
}

int health_list_paused(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT name, paused_by," AGE(
            "paused_at") " FROM job.queue WHERE paused_at IS NOT NULL ORDER BY paused_at LIMIT " LIST_MAX,
        NULL, 0, ret, reterr);
}

int health_check_dead(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT (SELECT coalesce(sum(n), 0)::bigint FROM job.dead_count),"
        " coalesce(sum(n) FILTER (WHERE hour >= date_trunc('hour', now()) - interval '1 hour'), 0)::bigint,"
        " (coalesce(sum(n) FILTER (WHERE hour < date_trunc('hour', now()) - interval '1 hour'), 0) / 24)::bigint"
        " FROM job.rollup WHERE state = 'dead' AND hour >= date_trunc('hour', now()) - interval '25 hours'",
        NULL, 0, ret, reterr);
}

int health_list_incidents(struct db *db, struct rows **ret, struct err *reterr)
{
    return db_query(
        db,
        "SELECT kind, count(*), max(at), (array_agg(topic ORDER BY id DESC))[1] FROM job.incident i"
        " WHERE kind NOT IN ('reset', 'trim_confirmed')"
        " AND at > clock_timestamp() - interval '30 days' AND NOT EXISTS (SELECT FROM job.incident r"
        "   WHERE r.kind = 'reset' AND r.topic = i.topic AND r.partition = i.partition AND r.id > i.id)"
        " GROUP BY kind ORDER BY kind LIMIT " LIST_MAX,
        NULL, 0, ret, reterr);
}
