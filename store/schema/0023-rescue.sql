-- SPDX-License-Identifier: Apache-2.0
-- A lost worker is declared dead in one transaction; its jobs are taken from it in others, so that neither their number nor their size
-- makes a long one. Whoever dies in between, any broker goes on.

ALTER TABLE job.worker
    ADD COLUMN lost_at timestamptz,
    ADD COLUMN rescued integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN job.worker.lost_at IS
    'not null: was declared dead. It can beat and take leases no more; its row goes when none of its leases is left';
COMMENT ON COLUMN job.worker.rescued IS 'of a worker that was declared dead: how many jobs were taken from it so far';

-- Declares a worker dead, unless it has beaten since or is about to (its row is locked: by a batch that takes leases, or a beat). From
-- here on it has no more leases than it has now. Returns whether it did.
CREATE FUNCTION job.declare_lost(lost_worker text, seen_beat timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM job.worker w WHERE w.id = lost_worker AND w.beat_at = seen_beat AND w.lost_at IS NULL FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE job.worker w SET lost_at = clock_timestamp() WHERE w.id = lost_worker;
    RETURN true;
END $$;

-- Part of job.rescue(): these leases, which are locked, become tries with the outcome lost, and rows of job.pending or dead letters.
CREATE FUNCTION job.rescue_leases(lost_worker text, ids uuid[]) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    PERFORM job.defer(lost_worker, interval '0', array_agg(l.id), array_agg(l.token), array_agg(l.delivery),
                      array_agg(l.attempt), array_agg(l.queue), array_agg(l.type), array_agg(l.topic),
                      array_agg(l.partition), array_agg(l."offset"), array_agg(l.enqueued_at),
                      array_agg(l.max_crashes), array_agg(l.key), array_agg(l.headers::text), array_agg(l.payload),
                      array_agg('lost'::text), array_agg(NULL::text), array_agg(-1::bigint),
                      array_agg('the worker stopped beating while it held this job'::text),
                      array_agg(l.started_at), array_agg(clock_timestamp()), array_agg(NULL::integer),
                      array_agg(NULL::integer), array_agg(split_part(l.headers ->> 'traceparent', '-', 2)),
                      array_agg((l.headers ->> 'ce_parent')::uuid))
    FROM (SELECT * FROM job.lease WHERE id = ANY (ids) ORDER BY id) l;
    PERFORM job.leave_keys(ids);
END $$;

-- Part of job.rescue(): a lease that cannot become anything else becomes a dead letter, with all that it has.
CREATE FUNCTION job.bury_lease(lost_worker text, of_job uuid, why text) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    WITH lost AS (
        DELETE FROM job.lease l WHERE l.id = of_job RETURNING l.*
    ), tried AS (
        INSERT INTO job.attempt (id, delivery, attempt, outcome, error, started_at, finished_at, worker)
        SELECT l.id, l.delivery, l.attempt, 'lost', why, l.started_at, clock_timestamp(), lost_worker FROM lost l
        ON CONFLICT DO NOTHING
    ), ended AS (
        INSERT INTO job.result (id, queue, type, state, reason, attempt, delivery, error, enqueued_at, started_at, finished_at,
                                worker, topic, partition, "offset")
        SELECT l.id, l.queue, l.type, 'dead', 'crashed', l.attempt, l.delivery, why, l.enqueued_at, l.started_at,
               clock_timestamp(), lost_worker, l.topic, l.partition, l."offset"
        FROM lost l
        ON CONFLICT DO NOTHING
        RETURNING id
    )
    INSERT INTO job.dead (id, died_at, queue, type, reason, delivery, attempt, error, enqueued_at, topic, partition,
                          "offset", key, headers, payload)
    SELECT l.id, clock_timestamp(), l.queue, l.type, 'crashed', l.delivery, l.attempt, why, l.enqueued_at, l.topic, l.partition,
           l."offset", l.key, l.headers, l.payload
    FROM lost l WHERE l.id IN (SELECT id FROM ended)
    ON CONFLICT DO NOTHING;
    PERFORM job.leave_keys(ARRAY[of_job]);
END $$;

-- Takes some jobs from a worker that was declared dead: at most so many, of at most so many bytes, but at least one. Repeat it until
-- its row is gone. What somebody has locked (the worker itself, which has come back and ends a job) is left for the next time, and so is
-- the whole worker while another broker is at it.
--   jobs   taken now; null: there is no such worker, or another broker is at it
--   total  taken in all; null: there are more
DROP FUNCTION job.rescue(text, timestamptz);
CREATE FUNCTION job.rescue(lost_worker text, at_most integer DEFAULT 500, at_most_bytes bigint DEFAULT 4194304,
                           OUT jobs integer, OUT total integer)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    part uuid[] := '{}';
    lease record;
    bytes bigint := 0;
BEGIN
    PERFORM FROM job.worker w WHERE w.id = lost_worker AND w.lost_at IS NOT NULL FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR lease IN
        SELECT l.id, coalesce(octet_length(l.payload), 0) + octet_length(l.headers::text) AS size
        FROM job.lease l WHERE l.worker = lost_worker LIMIT at_most FOR UPDATE SKIP LOCKED
    LOOP
        bytes := bytes + lease.size;
        EXIT WHEN bytes > at_most_bytes AND cardinality(part) > 0;
        part := part || lease.id;
    END LOOP;
    jobs := cardinality(part);
    IF jobs > 0 THEN
        BEGIN
            PERFORM job.rescue_leases(lost_worker, part);
        EXCEPTION WHEN OTHERS THEN -- one of them cannot be stored, and the others are not to wait for it
            IF left(SQLSTATE, 2) IN ('40', '53', '55', '57', '58') THEN
                RAISE;
            END IF;
            PERFORM job.rescue_one_by_one(lost_worker, part);
        END;
    END IF;
    UPDATE job.worker w SET rescued = w.rescued + jobs WHERE w.id = lost_worker RETURNING w.rescued INTO total;
    IF EXISTS (SELECT FROM job.lease l WHERE l.worker = lost_worker) THEN
        total := NULL;
    ELSE
        DELETE FROM job.worker w WHERE w.id = lost_worker;
    END IF;
END $$;

-- Part of job.rescue().
CREATE FUNCTION job.rescue_one_by_one(lost_worker text, ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    of_job uuid;
BEGIN
    FOREACH of_job IN ARRAY ids LOOP
        BEGIN
            PERFORM job.rescue_leases(lost_worker, ARRAY[of_job]);
        EXCEPTION WHEN OTHERS THEN
            IF left(SQLSTATE, 2) IN ('40', '53', '55', '57', '58') THEN
                RAISE;
            END IF;
            PERFORM job.bury_lease(lost_worker, of_job, 'rescue refused: ' || SQLSTATE || ' ' || SQLERRM);
        END;
    END LOOP;
END $$;

-- As before; who was declared dead takes no lease: as if its row were gone (SQLSTATE 23503).
CREATE OR REPLACE FUNCTION job.claim(holder text, ids uuid[], tokens bigint[], deliveries integer[], attempts integer[],
                          queues text[], types text[], topics text[], partitions integer[], offsets bigint[],
                          enqueued timestamptz[], crash_limits integer[], keys bytea[], headers_json text[], payloads bytea[],
                          started timestamptz[], fresh boolean[])
RETURNS SETOF bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    -- The lock is the foreign key's own: who declares us dead passes by until we have committed, and then sees that we have beaten.
    PERFORM FROM job.worker w WHERE w.id = holder AND w.lost_at IS NULL FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'worker % was declared dead', holder USING ERRCODE = 'foreign_key_violation';
    END IF;
    INSERT INTO job.lease (id, token, delivery, attempt, queue, type, topic, partition, "offset", enqueued_at,
                           max_crashes, worker, key, headers, payload, started_at)
    SELECT c.id, c.token, c.delivery, c.attempt, c.queue, c.type, c.topic, c.partition, c.ofs, c.enqueued,
           c.crash_limit, holder, c.key, c.headers::jsonb, c.payload, coalesce(c.started, clock_timestamp())
    FROM unnest(ids, tokens, deliveries, attempts, queues, types, topics, partitions, offsets, enqueued, crash_limits,
                keys, headers_json, payloads, started, fresh)
         AS c (id, token, delivery, attempt, queue, type, topic, partition, ofs, enqueued, crash_limit, key, headers, payload,
               started, fresh)
    WHERE NOT EXISTS (SELECT FROM job.result r WHERE r.id = c.id)
      AND NOT EXISTS (SELECT FROM job.attempt a WHERE a.id = c.id AND a.delivery = c.delivery)
      AND NOT (c.fresh AND EXISTS (SELECT FROM job.pending p WHERE p.id = c.id))
    ORDER BY c.id
    ON CONFLICT (id) DO NOTHING;
    RETURN QUERY SELECT l.token FROM job.lease l JOIN unnest(ids, tokens) AS c (id, token) USING (id, token)
                 ORDER BY l.token;
END $$;
