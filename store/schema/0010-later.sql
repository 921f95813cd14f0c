-- SPDX-License-Identifier: Apache-2.0
-- Jobs that the broker has to see before they may go to their queues: with a time, or with a key that only one of them may have.

-- Who holds a unique key. The row of a job that has ended, or whose time is over, holds nothing: the next job takes it.
CREATE TABLE job.unique (
    id    uuid NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    until timestamptz,
    queue text NOT NULL,
    type  text NOT NULL,
    key   text NOT NULL,
    PRIMARY KEY (queue, type, key)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE job.unique IS 'the job of each unique key; later ones are its duplicates as long as it holds';
COMMENT ON COLUMN job.unique.until IS 'null: until its job has a row in job.result';

-- Whose is this key from now on? Takes it for the job if it is free. Waits for a transaction that has taken it and not ended.
CREATE FUNCTION job.take_unique(in_queue text, in_type text, in_key text, in_id uuid, valid_until timestamptz)
RETURNS uuid LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    holder uuid;
BEGIN
    LOOP
        INSERT INTO job.unique AS u (queue, type, key, id, until) VALUES (in_queue, in_type, in_key, in_id, valid_until)
        ON CONFLICT (queue, type, key) DO UPDATE SET id = excluded.id, since = excluded.since, until = excluded.until
            WHERE CASE WHEN u.until IS NULL THEN EXISTS (SELECT FROM job.result r WHERE r.id = u.id)
                       ELSE u.until <= clock_timestamp() END
        RETURNING u.id INTO holder;
        IF FOUND THEN
            RETURN holder;
        END IF;
        SELECT u.id INTO holder FROM job.unique u WHERE u.queue = in_queue AND u.type = in_type AND u.key = in_key;
        IF FOUND THEN
            RETURN holder;
        END IF; -- else it was forgotten between the two
    END LOOP;
END $$;

-- Forgets who holds nothing any more. It must run before results are deleted: a job without result counts as one that has not ended.
CREATE FUNCTION job.forget_unique() RETURNS bigint LANGUAGE sql SET jit = off AS $$
    WITH free AS (
        SELECT u.ctid FROM job.unique u
        WHERE CASE WHEN u.until IS NULL THEN EXISTS (SELECT FROM job.result r WHERE r.id = u.id)
                   ELSE u.until <= clock_timestamp() END
        FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM job.unique u USING free f WHERE u.ctid = f.ctid RETURNING 1
    )
    SELECT count(*) FROM gone
$$;

-- What travelled as one message and waits for its time.
CREATE TYPE job.later_job AS (
    id uuid, queue text, type text, topic text, run_at timestamptz, key bytea, headers text, payload bytea,
    enqueued timestamptz, unique_key text, unique_us bigint, debounce boolean, reply boolean, trace text, parent uuid, ofs bigint
);

-- Ends a job whose key another one holds.
CREATE FUNCTION job.end_duplicate(j job.later_job, holder uuid, from_topic text, from_partition integer)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job.result (id, queue, type, state, attempt, delivery, error, result, enqueued_at, finished_at, trace_id, parent,
                            topic, partition, "offset")
    VALUES (j.id, j.queue, j.type, 'duplicate', 1, 1, 'duplicate of ' || holder, jsonb_build_object('duplicate_of', holder),
            j.enqueued, clock_timestamp(), j.trace, j.parent, from_topic, from_partition, j.ofs)
    ON CONFLICT DO NOTHING;
    IF FOUND AND j.reply THEN
        PERFORM pg_notify('job_result', j.id::text);
    END IF;
END $$;

-- The job that holds the key gets this one's payload, headers and time, if it still waits for its own. False when it does not.
CREATE FUNCTION job.replace_waiting(j job.later_job, holder uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE job.pending p
    SET run_at = j.run_at, key = j.key, headers = j.headers::jsonb, payload = j.payload, topic = j.topic
    WHERE p.id = holder AND p.delivery = 1 AND p.attempt = 1 AND p.reason IN ('delay', 'outbox');
    RETURN FOUND;
END $$;

-- Admits a job with a unique key: it waits for its time, or ends as a duplicate.
CREATE FUNCTION job.admit_unique(j job.later_job, from_topic text, from_partition integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    valid_until timestamptz := clock_timestamp() + j.unique_us * interval '1 microsecond';
    holder uuid := job.take_unique(j.queue, j.type, j.unique_key, j.id, valid_until);
BEGIN
    IF holder <> j.id AND j.debounce AND NOT job.replace_waiting(j, holder) THEN
        UPDATE job.unique u SET id = j.id, since = clock_timestamp(), until = valid_until
        WHERE u.queue = j.queue AND u.type = j.type AND u.key = j.unique_key;
        holder := j.id;
    END IF;
    IF holder <> j.id THEN
        PERFORM job.end_duplicate(j, holder, from_topic, from_partition);
        RETURN;
    END IF;
    INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload, topic)
    VALUES (j.id, j.run_at, 1, 1, j.queue, j.type, 'delay', j.key, j.headers::jsonb, j.payload, j.topic)
    ON CONFLICT DO NOTHING;
END $$;

-- One batch of the topic <prefix>.later: the cursor moves, and every job waits in job.pending, has ended as a duplicate, or is a dead letter
-- (`fault`: why it is malformed). A job that is known already is the same message once more. Keys are taken in order, so that two brokers cannot wait
-- for each other.
CREATE FUNCTION job.store_later(from_topic text, from_partition integer, epoch bigint, seq bigint, next_offset bigint, log_start bigint,
                                ids uuid[], queues text[], types text[], topics text[], run_ats timestamptz[],
                                keys bytea[], headers_json text[], payloads bytea[], enqueued timestamptz[], unique_keys text[],
                                unique_us bigint[], debounces boolean[], replies boolean[], traces text[], parents uuid[],
                                offsets bigint[], faults text[])
RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    j job.later_job;
BEGIN
    PERFORM job.fence(ARRAY[from_topic], ARRAY[from_partition], ARRAY[epoch], ARRAY[seq], ARRAY[next_offset], ARRAY[''::bytea],
                      ARRAY[log_start], ARRAY[false], ARRAY[false], ARRAY[NULL::bigint], seq + 1);
    INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload, topic)
    SELECT DISTINCT ON (w.id) w.id, coalesce(w.run_at, clock_timestamp()), 1, 1, w.queue, w.type, 'delay', w.key, w.headers::jsonb, w.payload, w.topic
    FROM unnest(ids, queues, types, topics, run_ats, keys, headers_json, payloads, unique_keys, faults)
         AS w (id, queue, type, topic, run_at, key, headers, payload, unique_key, fault)
    WHERE w.unique_key IS NULL AND w.fault IS NULL
      AND NOT EXISTS (SELECT FROM job.result r WHERE r.id = w.id)
      AND NOT EXISTS (SELECT FROM job.attempt a WHERE a.id = w.id)
      AND NOT EXISTS (SELECT FROM job.lease l WHERE l.id = w.id)
    ORDER BY w.id
    ON CONFLICT DO NOTHING;
    FOR j IN SELECT w.id, w.queue, w.type, w.topic, coalesce(w.run_at, clock_timestamp()), w.key, w.headers, w.payload, w.enqueued, w.unique_key, w.unique_us,
                    w.debounce, w.reply, w.trace, w.parent, w.ofs
             FROM unnest(ids, queues, types, topics, run_ats, keys, headers_json, payloads, enqueued, unique_keys, unique_us,
                         debounces, replies, traces, parents, offsets, faults)
                  AS w (id, queue, type, topic, run_at, key, headers, payload, enqueued, unique_key, unique_us, debounce, reply,
                        trace, parent, ofs, fault)
             WHERE w.unique_key IS NOT NULL AND w.fault IS NULL
               AND NOT EXISTS (SELECT FROM job.result r WHERE r.id = w.id)
               AND NOT EXISTS (SELECT FROM job.attempt a WHERE a.id = w.id)
               AND NOT EXISTS (SELECT FROM job.lease l WHERE l.id = w.id)
             ORDER BY w.queue, w.type, w.unique_key, w.ofs
    LOOP
        PERFORM job.admit_unique(j, from_topic, from_partition);
    END LOOP;
    PERFORM job.defer('later', interval '0', array_agg(w.id), array_agg(NULL::bigint), array_agg(1), array_agg(1),
                      array_agg(w.queue), array_agg(w.type), array_agg(from_topic), array_agg(from_partition), array_agg(w.ofs),
                      array_agg(w.enqueued), array_agg(NULL::integer), array_agg(w.key), array_agg(w.headers),
                      array_agg(w.payload), array_agg(NULL::text), array_agg('malformed'::text), array_agg(0::bigint),
                      array_agg(w.fault), array_agg(NULL::timestamptz), array_agg(clock_timestamp()), array_agg(NULL::integer),
                      array_agg(NULL::integer), array_agg(w.trace), array_agg(w.parent))
    FROM unnest(ids, queues, types, keys, headers_json, payloads, enqueued, traces, parents, offsets, faults)
         AS w (id, queue, type, key, headers, payload, enqueued, trace, parent, ofs, fault)
    WHERE w.fault IS NOT NULL
    HAVING count(*) > 0;
END $$;

COMMENT ON FUNCTION job.store_later IS 'part of the broker: one batch of the topic of what comes later';
