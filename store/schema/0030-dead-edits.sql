-- SPDX-License-Identifier: Apache-2.0
-- What dead letters were before they were changed is not kept for ever.

-- As before; and what letters were before they were changed is forgotten like tries, once the letter is gone.
CREATE OR REPLACE FUNCTION job.forget_bulk(keep interval, at_most integer) RETURNS bigint LANGUAGE sql SET enable_seqscan = off SET jit = off AS $$
    WITH runs AS (
        DELETE FROM job.bulk b WHERE b.moved_at < clock_timestamp() - keep RETURNING 1
    ), replays AS (
        DELETE FROM job.replayed r WHERE (r.id, r.delivery) IN (
            SELECT o.id, o.delivery FROM job.replayed o WHERE o.replayed_at < clock_timestamp() - keep ORDER BY o.replayed_at LIMIT at_most)
        RETURNING 1
    ), edits AS (
        DELETE FROM job.dead_edit e WHERE e.n IN (
            SELECT o.n FROM job.dead_edit o
            WHERE o.at < clock_timestamp() - keep AND NOT EXISTS (SELECT FROM job.dead d WHERE d.id = o.job) ORDER BY o.n LIMIT at_most)
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM replays) + (SELECT count(*) FROM edits)
$$;

COMMENT ON TABLE job.audit IS
    'who replayed, purged, edited, imported, ran again, made due, cancelled, paused, resumed, drained, granted, what was done to job.cron and who hears of deaths, when';
