-- SPDX-License-Identifier: Apache-2.0
-- Long jobs leave the log while they run, and a message that kills workers is found.

ALTER TABLE job.cursor ADD COLUMN suspect bigint;
COMMENT ON COLUMN job.cursor.suspect IS
    'equal to next_offset: after repeated crashes the first undone record from here on was taken up alone; else nothing';

-- As before, and for workers that search for the message that kills them: such a cursor keeps its crash count (`careful`) and
-- says which record is taken up next, alone (`suspect`).
DROP FUNCTION job.fence(text[], integer[], bigint[], bigint[], bigint[], bytea[], bigint[], boolean[], bigint);
CREATE FUNCTION job.fence(topics text[], partitions integer[], epochs bigint[], seqs bigint[], next_offsets bigint[],
                          bitmaps bytea[], log_starts bigint[], released boolean[], careful boolean[], suspects bigint[],
                          new_seq bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moved integer;
BEGIN
    UPDATE job.cursor c
    SET batch_seq = new_seq, next_offset = w.next_offset, done = w.done,
        crash_count = CASE WHEN w.careful THEN c.crash_count ELSE 0 END, suspect = w.suspect,
        log_start = coalesce(c.log_start, w.log_start), owner = CASE WHEN w.released THEN NULL ELSE c.owner END,
        updated_at = clock_timestamp()
    FROM unnest(topics, partitions, epochs, seqs, next_offsets, bitmaps, log_starts, released, careful, suspects)
         AS w (topic, partition, epoch, seq, next_offset, done, log_start, released, careful, suspect)
    WHERE c.topic = w.topic AND c.partition = w.partition AND c.epoch = w.epoch AND c.batch_seq = w.seq;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(topics) THEN
        RAISE EXCEPTION 'fenced: % of % cursors are still ours', moved, cardinality(topics) USING ERRCODE = 'JB001';
    END IF;
END $$;

-- Takes leases: of jobs before they start (claims), and of jobs that run already (hand-overs; `started` says since when).
-- Returns the tokens of those that are ours now, in order; the other jobs are taken or have ended already. A job whose id
-- was chosen by who enqueued it (`fresh`: and that is no relay's message) is also taken when it waits in job.pending.
-- Repeating it after an unknown COMMIT returns the same.
DROP FUNCTION job.claim(text, uuid[], bigint[], integer[], integer[], text[], text[], text[], integer[], bigint[],
                        timestamptz[], integer[], bytea[], text[], bytea[]);
CREATE FUNCTION job.claim(holder text, ids uuid[], tokens bigint[], deliveries integer[], attempts integer[],
                          queues text[], types text[], topics text[], partitions integer[], offsets bigint[],
                          enqueued timestamptz[], crash_limits integer[], keys bytea[], headers_json text[], payloads bytea[],
                          started timestamptz[], fresh boolean[])
RETURNS SETOF bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
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

-- As before; a record that was buried without being read (no type is known) is nothing that could run either.
CREATE OR REPLACE FUNCTION job.replay(ids uuid[]) RETURNS SETOF uuid LANGUAGE sql SET enable_seqscan = off AS $$
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
    RETURNING p.id
$$;
