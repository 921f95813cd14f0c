-- SPDX-License-Identifier: Apache-2.0
-- Jobs that somebody does not want any more.

-- A cancellation on its way to whoever has the job: a worker that runs it, or the one that will read it. It goes when the job
-- has ended (the broker looks), or after a week if the job never came.
CREATE TABLE job.cancel (
    id       uuid PRIMARY KEY,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE job.cancel IS 'jobs that must not start, or must stop';

-- Cancels jobs wherever they are. Returns what became of each:
--   cancelled  it waited in job.pending and has ended
--   stopping   a worker holds it, and is told
--   noted      PostgreSQL does not know it: it will not start when a worker reads it
--   ended      it had ended before: nothing has changed
-- The relay may hold the row of a waiting job; the DELETE waits for it, and then the job is on its way and noted.
CREATE FUNCTION job.cancel_jobs(ids uuid[]) RETURNS TABLE (job uuid, action text) LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    WITH gone AS (
        DELETE FROM job.pending p WHERE p.id = ANY (ids) RETURNING p.*
    )
    INSERT INTO job.result (id, queue, type, state, attempt, delivery, error, enqueued_at, finished_at, topic, partition)
    SELECT g.id, g.queue, g.type, 'cancelled', g.attempt, g.delivery, 'cancelled while it waited',
           (g.headers ->> 'ce_time')::timestamptz, clock_timestamp(), g.topic, g.partition
    FROM gone g
    ON CONFLICT DO NOTHING;
    INSERT INTO job.cancel (id)
    SELECT w.id FROM (SELECT DISTINCT unnest(ids) AS id) w
    WHERE NOT EXISTS (SELECT FROM job.result r WHERE r.id = w.id)
    ON CONFLICT DO NOTHING;
    PERFORM pg_notify('job_cancel', c.id::text) FROM job.cancel c WHERE c.id = ANY (ids);
    PERFORM pg_notify('job_result', r.id::text) FROM job.result r
    WHERE r.id = ANY (ids) AND r.state = 'cancelled' AND r.error = 'cancelled while it waited';
    RETURN QUERY
        SELECT w.id, CASE WHEN r.state = 'cancelled' THEN 'cancelled'
                          WHEN r.id IS NOT NULL THEN 'ended'
                          WHEN l.id IS NOT NULL THEN 'stopping'
                          ELSE 'noted' END
        FROM unnest(ids) WITH ORDINALITY AS w (id, place)
        LEFT JOIN job.result r ON r.id = w.id LEFT JOIN job.lease l ON l.id = w.id
        ORDER BY w.place;
END $$;

-- Forgets cancellations that have done their work. Returns how many.
CREATE FUNCTION job.forget_cancels() RETURNS bigint LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM job.cancel c
        WHERE c.asked_at < clock_timestamp() - interval '7 days' OR EXISTS (SELECT FROM job.result r WHERE r.id = c.id)
        RETURNING 1
    )
    SELECT count(*) FROM gone
$$;
