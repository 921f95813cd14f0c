/* SPDX-License-Identifier: Apache-2.0 */
#include "store/why.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/array.h"

/* As store/queues.c has it: a worker that has not beaten for this long is not counted as live. */
#define LIVE "w.lost_at IS NULL AND w.beat_at > clock_timestamp() - interval '15 seconds'"
#define TAKES "$1::text = ANY (w.queues) AND " LIVE

/*
 * Who has asked for a cancellation: one of the last 10,000 notes before it, of a week; a person makes few of them, and none
 * that is older is worth reading through more.
 */
#define CANCEL_ACTOR                                                                                         \
    "(SELECT n.actor FROM (SELECT u.actor, u.action, u.job, u.detail FROM job.audit u"                       \
    " WHERE u.at <= coalesce(c.asked_at, r.finished_at) + interval '1 second'"                               \
    " AND u.at > coalesce(c.asked_at, r.finished_at) - interval '7 days' ORDER BY u.at DESC LIMIT 10000) n"  \
    " WHERE n.action = 'cancel' AND (n.job = $1 OR n.detail -> 'ids' ? ($1)::text) LIMIT 1)"

int why_find_job(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr)
{
    struct db_param params[] = { db_uuid(id) };
    return db_query(
        db,
        "SELECT clock_timestamp(),"
        " CASE WHEN r.id IS NOT NULL OR d.id IS NOT NULL THEN 'ended' WHEN l.id IS NOT NULL THEN 'leased'"
        " WHEN p.id IS NOT NULL THEN 'pending' WHEN a.outcome IS NOT NULL THEN 'tried' END,"
        " (SELECT s.state FROM job.status s WHERE s.id = $1 LIMIT 1),"
        " coalesce(r.queue, d.queue, l.queue, p.queue), coalesce(r.type, d.type, l.type, p.type),"
        " coalesce(r.reason, d.reason, p.reason), coalesce(r.error, d.error),"
        " coalesce(r.attempt, d.attempt, l.attempt, p.attempt, a.attempt),"
        " coalesce(r.delivery, d.delivery, l.delivery, p.delivery, a.delivery), coalesce(r.worker, l.worker),"
        " coalesce(r.topic, d.topic, l.topic, p.topic), coalesce(r.partition, d.partition, l.partition, p.partition),"
        " coalesce(r.\"offset\", d.\"offset\", l.\"offset\"),"
        " coalesce(r.enqueued_at, d.enqueued_at, l.enqueued_at, job.time_of(p.headers ->> 'ce_time')),"
        " coalesce(r.started_at, l.started_at), coalesce(r.finished_at, d.died_at), p.run_at,"
        " job.expiry(coalesce(l.headers, p.headers, d.headers)), l.progress::text, r.result ->> 'duplicate_of',"
        " d.id IS NOT NULL, w.beat_at, w.lost_at,"
        " (SELECT count(*) FROM job.attempt t WHERE t.id = $1), a.outcome, a.error, a.attempt, a.delivery, a.finished_at,"
        " (SELECT min(t.finished_at) FROM job.attempt t WHERE t.id = $1 AND t.outcome = 'parked' AND t.delivery >"
        "  coalesce((SELECT max(o.delivery) FROM job.attempt o WHERE o.id = $1 AND o.outcome <> 'parked'), 0)),"
        " c.asked_at, CASE WHEN c.id IS NOT NULL OR r.state = 'cancelled' THEN " CANCEL_ACTOR " END,"
        " h.topic, h.partition, h.key_hash, h.seq"
        " FROM (SELECT) one LEFT JOIN job.result r ON r.id = $1 LEFT JOIN job.dead d ON d.id = $1"
        " LEFT JOIN job.lease l ON l.id = $1 LEFT JOIN job.worker w ON w.id = l.worker"
        " LEFT JOIN job.pending p ON p.id = $1 LEFT JOIN job.cancel c ON c.id = $1 LEFT JOIN job.hold h ON h.id = $1"
        " LEFT JOIN LATERAL (SELECT t.outcome, t.error, t.attempt, t.delivery, t.finished_at FROM job.attempt t"
        " WHERE t.id = $1 ORDER BY t.delivery DESC LIMIT 1) a ON true",
        params, 1, ret, reterr);
}

/* $4: an offset of the partition. Five bytes stand in front of the bits: worker/window.h. */
#define BITS "8 * (octet_length(c.done) - 5)"
#define IS_DONE                                                                                              \
    "CASE WHEN $4::bigint < c.next_offset THEN true WHEN $4::bigint - c.next_offset < " BITS                 \
    " THEN get_bit(substr(c.done, 6), $4::bigint - c.next_offset) = 1 ELSE false END"
#define AHEAD                                                                                                \
    "greatest($4::bigint - c.next_offset"                                                                    \
    " - coalesce(bit_count(substr(c.done, 6, greatest(least(($4::bigint - c.next_offset) / 8, 2000), 0)::integer)), 0), 0)"
/* Brokers' connections: each duty has one, named after it. */
#define DUTIES                                                                                               \
    "(SELECT count(*) FILTER (WHERE a.application_name = 'relay') AS relays,"                                \
    " count(*) FILTER (WHERE a.application_name = 'later') AS laters,"                                       \
    " count(*) FILTER (WHERE a.application_name = 'clock') AS clocks"                                        \
    " FROM pg_stat_activity a WHERE a.datname = current_database())"

int why_find_road(struct db *db, const struct why_road *road, struct rows **ret, struct err *reterr)
{
    char partition[12], offset[24];
    bool has_place = road->topic != NULL;
    snprintf(partition, sizeof(partition), "%d", (int)road->partition);
    snprintf(offset, sizeof(offset), "%" PRId64, road->offset);
    struct db_param params[] = {
        db_text(road->queue),
        db_text(road->topic),
        db_text(has_place ? partition : NULL),
        db_text(has_place ? offset : NULL),
    };
    return db_query(
        db,
        "SELECT clock_timestamp(), q.paused_at, q.paused_by,"
        " (SELECT count(*) FROM job.worker w WHERE w.drain_at IS NULL AND " TAKES "),"
        " x.id, x.drain_at, x.drain_by, (SELECT count(*) FROM job.worker w WHERE " LIVE "), c.next_offset,"
        " CASE WHEN c.reset_to IS NULL THEN c.trouble ELSE 'reset' END, c.crash_count, " IS_DONE ", " AHEAD
        ","
        " c.owner, o.beat_at, o.lost_at, (SELECT count(*) FROM job.lease l WHERE l.worker = c.owner),"
        " n.id, n.narrow ->> $1::text, v.relays, v.laters, v.clocks,"
        " (SELECT p.run_at FROM job.pending p WHERE p.queue = $1::text ORDER BY p.run_at, p.id LIMIT 1)"
        " FROM " DUTIES " v LEFT JOIN job.queue q ON q.name = $1::text"
        " LEFT JOIN job.cursor c ON c.topic = $2::text AND c.partition = $3::integer"
        " LEFT JOIN job.worker o ON o.id = c.owner"
        " LEFT JOIN LATERAL (SELECT w.id, w.drain_at, w.drain_by FROM job.worker w"
        " WHERE w.drain_at IS NOT NULL AND " TAKES " ORDER BY w.drain_at DESC LIMIT 1) x ON true"
        " LEFT JOIN LATERAL (SELECT w.id, w.narrow FROM job.worker w WHERE w.narrow ? $1::text AND " LIVE
        " ORDER BY w.id IS DISTINCT FROM c.owner, w.id LIMIT 1) n ON true",
        params, 4, ret, reterr);
}

/* By the index on (topic, partition, key_hash, seq): whether they have ended is looked up for these few only. */
int why_list_before(struct db *db, const struct why_hold *hold, struct rows **ret, struct err *reterr)
{
    char partition[12], hash[24], seq[24];
    snprintf(partition, sizeof(partition), "%d", (int)hold->partition);
    snprintf(hash, sizeof(hash), "%" PRId64, hold->key_hash);
    snprintf(seq, sizeof(seq), "%" PRId64, hold->seq);
    struct db_param params[] = { db_text(hold->topic), db_text(partition), db_text(hash), db_text(seq) };
    return db_query(db,
                    "SELECT h.id, h.since FROM job.hold h WHERE h.topic = $1 AND h.partition = $2::integer"
                    " AND h.key_hash = $3::bigint AND h.seq < $4::bigint ORDER BY h.seq LIMIT 64",
                    params, 4, ret, reterr);
}

int why_list_states(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr)
{
    _cleanup_(array_done) struct array array = { 0 };
    array_init(&array, PG_UUID_ARRAY);
    for (size_t i = 0; i < n; i++)
        array_append_uuid(&array, &ids[i]);
    struct db_param params[] = { array_param(&array) };
    return db_query(db,
                    "SELECT s.id, s.state, s.finished_at IS NOT NULL FROM job.status s WHERE s.id = ANY ($1)",
                    params, 1, ret, reterr);
}
