-- SPDX-License-Identifier: Apache-2.0
-- Jobs of one key, one after the other, although jobs leave the log: to be tried again, with a lease, or because they wait too long.

-- An ordered job that has left the log and that later jobs of its key must not pass. It counts as long as the job has no result.
CREATE TABLE job.hold (
    id        uuid PRIMARY KEY,
    seq       bigint NOT NULL,
    key_hash  bigint NOT NULL,
    since     timestamptz NOT NULL DEFAULT clock_timestamp(),
    partition integer NOT NULL,
    topic     text NOT NULL,
    key       bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX hold_key ON job.hold (topic, partition, key_hash, seq);
COMMENT ON TABLE job.hold IS 'ordered jobs that have left the log and have not ended: later jobs of their keys wait';
COMMENT ON COLUMN job.hold.seq IS 'its place in the order of its key: the offset of its first delivery in this partition';

-- Serialises whoever changes or judges the holds of some keys, until the end of the transaction: two who did it at the same time
-- would each miss what the other does, and a job would wait for nobody. 64 locks for all keys, taken in order.
CREATE FUNCTION job.lock_keys(hashes bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('job.lock_keys', numbers.n))
    FROM (SELECT DISTINCT h.hash & 63 AS n FROM unnest(hashes) AS h (hash) ORDER BY n) AS numbers;
END $$;

-- Whose turn is it? Returns for each key its first live hold (null: there is none) and whether that waits for nothing but its turn
-- (`parked`), and forgets the holds in front of it, whose jobs have ended.
--   wake  no job of these keys is in a worker in front of the parked ones: the first of them come back now, as long as none in front of
--         them waits for its next try
CREATE FUNCTION job.look_at_keys(topics text[], partitions integer[], hashes bigint[], wake boolean)
RETURNS TABLE (topic text, partition integer, key_hash bigint, seq bigint, id uuid, parked boolean)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    PERFORM job.lock_keys(hashes);
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT DISTINCT a.topic, a.partition, a.key_hash
        FROM unnest(topics, partitions, hashes) AS a (topic, partition, key_hash)
    ), first AS MATERIALIZED (
        SELECT a.topic, a.partition, a.key_hash, h.id, h.seq
        FROM asked a CROSS JOIN LATERAL (
            SELECT h.id, h.seq FROM job.hold h
            WHERE h.topic = a.topic AND h.partition = a.partition AND h.key_hash = a.key_hash
              AND NOT EXISTS (SELECT FROM job.result r WHERE r.id = h.id)
            ORDER BY h.seq LIMIT 64) h
    ), waiting AS MATERIALIZED (
        SELECT f.topic, f.partition, f.key_hash, f.id, f.seq,
               coalesce(p.reason = 'throttled' AND p.run_at > clock_timestamp(), false) AS parked,
               bool_or(p.reason <> 'throttled' AND p.run_at > clock_timestamp())
                   OVER (PARTITION BY f.topic, f.partition, f.key_hash ORDER BY f.seq) AS behind_a_try
        FROM first f LEFT JOIN job.pending p USING (id)
    ), heads AS MATERIALIZED (
        SELECT DISTINCT ON (a.topic, a.partition, a.key_hash)
               a.topic, a.partition, a.key_hash, w.seq, w.id, w.parked AND NOT wake AS parked
        FROM asked a LEFT JOIN waiting w USING (topic, partition, key_hash)
        ORDER BY a.topic, a.partition, a.key_hash, w.seq
    ), gone AS (
        DELETE FROM job.hold h USING heads k
        WHERE h.topic = k.topic AND h.partition = k.partition AND h.key_hash = k.key_hash
          AND h.seq < coalesce(k.seq, 9223372036854775807)
          AND EXISTS (SELECT FROM job.result r WHERE r.id = h.id)
    ), woken AS (
        UPDATE job.pending p SET run_at = clock_timestamp()
        WHERE p.id IN (SELECT q.id FROM job.pending q
                       WHERE wake AND q.id IN (SELECT w.id FROM waiting w WHERE w.parked AND w.behind_a_try IS NOT TRUE)
                       -- what the relay has in its hands is on its way
                       FOR UPDATE SKIP LOCKED)
    )
    SELECT k.topic, k.partition, k.key_hash, k.seq, k.id, k.parked FROM heads k ORDER BY k.topic, k.partition;
END $$;

-- Part of a worker's batch, behind everything that it says of its jobs: which of the ordered ones hold their keys from now on. Returns
-- what job.look_at_keys() does.
--   holds   it must not be passed, also when it has no lease
--   passes  it will be tried again, and may be passed until then
CREATE FUNCTION job.settle_keys(holder text, ids uuid[], topics text[], partitions integer[], hashes bigint[], keys bytea[],
                                seqs bigint[], holds boolean[], passes boolean[])
RETURNS TABLE (topic text, partition integer, key_hash bigint, seq bigint, id uuid, parked boolean)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    PERFORM job.lock_keys(hashes);
    DELETE FROM job.hold h USING unnest(ids, passes) AS i (id, passes)
    WHERE h.id = i.id
      AND (EXISTS (SELECT FROM job.result r WHERE r.id = i.id)
           OR i.passes AND NOT EXISTS (SELECT FROM job.lease l WHERE l.id = i.id));
    INSERT INTO job.hold (id, seq, key_hash, partition, topic, key)
    SELECT DISTINCT ON (i.id) i.id, i.seq, i.key_hash, i.partition, i.topic, i.key
    FROM unnest(ids, seqs, hashes, partitions, topics, keys, holds, passes)
         AS i (id, seq, key_hash, partition, topic, key, holds, passes)
    WHERE NOT i.passes AND NOT EXISTS (SELECT FROM job.result r WHERE r.id = i.id)
      AND (i.holds OR EXISTS (SELECT FROM job.lease l WHERE l.id = i.id))
    ORDER BY i.id, i.seq
    ON CONFLICT (id) DO NOTHING;
    PERFORM pg_notify('job_key', c.topic || '/' || c.partition)
    FROM (SELECT DISTINCT u.topic, u.partition FROM unnest(topics, partitions) AS u (topic, partition)) AS t
    JOIN job.cursor c USING (topic, partition)
    WHERE c.owner <> holder;
    RETURN QUERY SELECT * FROM job.look_at_keys(topics, partitions, hashes, false);
END $$;

-- These jobs have ended elsewhere than in a worker: who waits behind them is next, and the owners of their partitions are told.
CREATE FUNCTION job.leave_keys(ids uuid[]) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    topics text[];
    partitions integer[];
    hashes bigint[];
BEGIN
    SELECT array_agg(h.topic), array_agg(h.partition), array_agg(h.key_hash) INTO topics, partitions, hashes
    FROM job.hold h WHERE h.id = ANY (ids);
    IF topics IS NULL THEN
        RETURN;
    END IF;
    PERFORM job.look_at_keys(topics, partitions, hashes, true);
    PERFORM pg_notify('job_key', t.topic || '/' || t.partition)
    FROM (SELECT DISTINCT u.topic, u.partition FROM unnest(topics, partitions) AS u (topic, partition)) AS t;
END $$;

-- Finds the holds whose jobs have ended without anybody having thought of them. Returns how many.
CREATE FUNCTION job.forget_holds() RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    ended uuid[];
BEGIN
    SELECT array_agg(e.id) INTO ended
    FROM (SELECT h.id FROM job.hold h WHERE EXISTS (SELECT FROM job.result r WHERE r.id = h.id) LIMIT 10000) e;
    PERFORM job.leave_keys(ended);
    DELETE FROM job.hold h WHERE h.id = ANY (ended) AND EXISTS (SELECT FROM job.result r WHERE r.id = h.id);
    RETURN coalesce(cardinality(ended), 0);
END $$;

-- --- Who ends jobs beside the workers, and who brings them back: as before, and keys are thought of -------------------------

CREATE OR REPLACE FUNCTION job.rescue(lost_worker text, seen_beat timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    lost uuid[];
BEGIN
    PERFORM FROM job.worker w WHERE w.id = lost_worker AND w.beat_at = seen_beat FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT array_agg(l.id) INTO lost FROM job.lease l WHERE l.worker = lost_worker;
    IF lost IS NOT NULL THEN
        PERFORM job.defer(lost_worker, interval '0', array_agg(l.id), array_agg(l.token), array_agg(l.delivery),
                          array_agg(l.attempt), array_agg(l.queue), array_agg(l.type), array_agg(l.topic),
                          array_agg(l.partition), array_agg(l."offset"), array_agg(l.enqueued_at),
                          array_agg(l.max_crashes), array_agg(l.key), array_agg(l.headers::text), array_agg(l.payload),
                          array_agg('lost'::text), array_agg(NULL::text), array_agg(-1::bigint),
                          array_agg('the worker stopped beating while it held this job'::text),
                          array_agg(l.started_at), array_agg(clock_timestamp()), array_agg(NULL::integer),
                          array_agg(NULL::integer), array_agg(split_part(l.headers ->> 'traceparent', '-', 2)),
                          array_agg((l.headers ->> 'ce_parent')::uuid))
        FROM (SELECT * FROM job.lease WHERE worker = lost_worker ORDER BY id) l;
        PERFORM job.leave_keys(lost);
    END IF;
    DELETE FROM job.worker WHERE id = lost_worker;
    RETURN coalesce(cardinality(lost), 0);
END $$;

CREATE OR REPLACE FUNCTION job.cancel_waiting(ids uuid[]) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
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
    PERFORM job.leave_keys(ended);
END $$;

-- A replayed job has lost its old place: its turn comes when its message does.
CREATE OR REPLACE FUNCTION job.replay(ids uuid[]) RETURNS SETOF uuid LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    DELETE FROM job.cancel c USING job.dead d WHERE c.id = ANY (ids) AND d.id = c.id;
    DELETE FROM job.hold h USING job.dead d WHERE h.id = ANY (ids) AND d.id = h.id;
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
           1, r.queue, r.type, 'replay', r.key, r.headers - 'ce_keyseq', r.payload, r.topic, r.partition
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

-- As before; a job that waits for its turn is "waiting".
CREATE OR REPLACE VIEW job.status AS
    SELECT id, state, queue, type, attempt, delivery, NULL::timestamptz AS run_at, started_at, finished_at, worker, reason
    FROM job.result
    UNION ALL
    SELECT l.id, 'running', l.queue, l.type, l.attempt, l.delivery, NULL, l.started_at, NULL, l.worker, NULL
    FROM job.lease l
    WHERE NOT EXISTS (SELECT FROM job.result r WHERE r.id = l.id)
    UNION ALL
    SELECT p.id,
           CASE WHEN p.reason IN ('retry', 'rescue') THEN 'retrying'
                WHEN p.run_at > now() AND p.reason = 'throttled' THEN 'waiting'
                WHEN p.run_at > now() THEN 'scheduled'
                ELSE 'queued' END,
           p.queue, p.type, p.attempt, p.delivery, p.run_at, NULL, NULL, NULL, p.reason
    FROM job.pending p
    WHERE NOT EXISTS (SELECT FROM job.result r WHERE r.id = p.id)
      AND NOT EXISTS (SELECT FROM job.lease l WHERE l.id = p.id)
    UNION ALL
    SELECT a.id, 'queued', NULL, NULL, a.attempt, a.delivery, NULL, NULL, NULL, NULL, a.outcome
    FROM (SELECT DISTINCT ON (id) id, attempt, delivery, outcome FROM job.attempt ORDER BY id, delivery DESC) a
    WHERE NOT EXISTS (SELECT FROM job.result r WHERE r.id = a.id)
      AND NOT EXISTS (SELECT FROM job.lease l WHERE l.id = a.id)
      AND NOT EXISTS (SELECT FROM job.pending p WHERE p.id = a.id);

-- The keys whose later jobs wait, with the job that they wait for.
CREATE VIEW job.held_key AS
    SELECT DISTINCT ON (h.topic, h.partition, h.key_hash)
           h.topic, h.partition, h.key, h.id, s.state, s.queue, s.type, s.attempt, s.run_at, h.since,
           count(*) OVER (PARTITION BY h.topic, h.partition, h.key_hash) AS jobs
    FROM job.hold h LEFT JOIN job.status s ON s.id = h.id
    WHERE s.finished_at IS NULL
    ORDER BY h.topic, h.partition, h.key_hash, h.seq;
COMMENT ON VIEW job.held_key IS 'keys whose later jobs wait, and the job that they wait for';
