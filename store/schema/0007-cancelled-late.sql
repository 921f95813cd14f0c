-- SPDX-License-Identifier: Apache-2.0
-- Cancellations that meet something else: a retry of the same moment, a replay, headers that are not what they should be.

-- Text from a message's headers; null when it is no time.
CREATE FUNCTION job.time_of(value text) RETURNS timestamptz LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    RETURN value::timestamptz;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

-- Ends those jobs that wait in job.pending as cancelled, and tells who waits for them.
CREATE FUNCTION job.cancel_waiting(ids uuid[]) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    ended uuid[];
BEGIN
    WITH gone AS (
        DELETE FROM job.pending p WHERE p.id = ANY (ids) RETURNING p.*
    ), cancelled AS (
        INSERT INTO job.result AS r (id, queue, type, state, attempt, delivery, error, enqueued_at, finished_at, topic, partition)
        SELECT g.id, g.queue, g.type, 'cancelled', g.attempt, g.delivery, 'cancelled while it waited',
               job.time_of(g.headers ->> 'ce_time'), clock_timestamp(), g.topic, g.partition
        FROM gone g
        ON CONFLICT DO NOTHING
        RETURNING r.id
    )
    SELECT array_agg(c.id) INTO ended FROM cancelled c;
    PERFORM pg_notify('job_result', e::text) FROM unnest(ended) AS e;
END $$;

-- As before.
CREATE OR REPLACE FUNCTION job.cancel_jobs(ids uuid[]) RETURNS TABLE (job uuid, action text) LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM job.cancel_waiting(ids);
    INSERT INTO job.cancel (id)
    SELECT w.id FROM (SELECT DISTINCT unnest(ids) AS id) w
    WHERE NOT EXISTS (SELECT FROM job.result r WHERE r.id = w.id)
    ON CONFLICT DO NOTHING;
    PERFORM pg_notify('job_cancel', c.id::text) FROM job.cancel c WHERE c.id = ANY (ids);
    RETURN QUERY
        SELECT w.id, CASE WHEN r.state = 'cancelled' THEN 'cancelled'
                          WHEN r.id IS NOT NULL THEN 'ended'
                          WHEN l.id IS NOT NULL THEN 'stopping'
                          ELSE 'noted' END
        FROM unnest(ids) WITH ORDINALITY AS w (id, place)
        LEFT JOIN job.result r ON r.id = w.id LEFT JOIN job.lease l ON l.id = w.id
        ORDER BY w.place;
END $$;

-- As before; and a job that was deferred in the moment when it was cancelled, so that neither saw the other, is cancelled where it waits.
CREATE OR REPLACE FUNCTION job.forget_cancels() RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    n bigint;
BEGIN
    PERFORM job.cancel_waiting(ARRAY(SELECT c.id FROM job.cancel c WHERE EXISTS (SELECT FROM job.pending p WHERE p.id = c.id)));
    DELETE FROM job.cancel c
    WHERE c.asked_at < clock_timestamp() - interval '7 days' OR EXISTS (SELECT FROM job.result r WHERE r.id = c.id);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

-- As before; and whoever replays a job wants it to run: no cancellation that came after its end may stop it. Workers may still know of
-- one, so they are told, by nothing instead of an id, to read again which there are. A worker claims what was replayed over the
-- connection that tells it, so it hears of it in time.
CREATE OR REPLACE FUNCTION job.replay(ids uuid[]) RETURNS SETOF uuid LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    DELETE FROM job.cancel c USING job.dead d WHERE c.id = ANY (ids) AND d.id = c.id;
    PERFORM pg_notify('job_cancel', '');
    RETURN QUERY
    WITH risen AS (
        DELETE FROM job.dead d
        WHERE d.id = ANY (ids) AND d.reason <> 'malformed' AND d.type IS NOT NULL RETURNING d.*
    ), forgotten AS (
        DELETE FROM job.result r USING risen WHERE r.id = risen.id AND r.state = 'dead'
    )
    INSERT INTO job.pending AS p (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload, topic, partition)
    SELECT r.id, clock_timestamp(),
           greatest(r.delivery, (SELECT max(a.delivery) FROM job.attempt a WHERE a.id = r.id)) + 1,
           1, r.queue, r.type, 'replay', r.key, r.headers, r.payload, r.topic, r.partition
    FROM risen r
    ORDER BY r.id
    -- As in job.defer(): the relay may still hold the row of the last delivery.
    ON CONFLICT (id) DO UPDATE
        SET run_at = excluded.run_at, delivery = excluded.delivery, attempt = excluded.attempt, queue = excluded.queue,
            type = excluded.type, reason = excluded.reason, key = excluded.key, headers = excluded.headers,
            payload = excluded.payload, topic = excluded.topic, partition = excluded.partition
        WHERE p.delivery < excluded.delivery
    RETURNING p.id;
END $$;
