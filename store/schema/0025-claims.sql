-- SPDX-License-Identifier: Apache-2.0
-- Of two messages of one delivery, read by two workers, both could run. A statement sees results as they were when it began, and an INSERT
-- that meets a lease which is being deleted waits for that COMMIT and then goes on: so the second claim saw neither the result nor the
-- lease that went with it. Now the lease is taken first. Only then, as a statement of its own that sees what was committed until
-- here, results and tries are looked up: whoever had the lease before us has written them in the transaction that we have waited for.

CREATE OR REPLACE FUNCTION job.claim(holder text, ids uuid[], tokens bigint[], deliveries integer[], attempts integer[],
                          queues text[], types text[], topics text[], partitions integer[], offsets bigint[],
                          enqueued timestamptz[], crash_limits integer[], keys bytea[], headers_json text[], payloads bytea[],
                          started timestamptz[], fresh boolean[])
RETURNS SETOF bigint LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
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
                keys, headers_json, payloads, started)
         AS c (id, token, delivery, attempt, queue, type, topic, partition, ofs, enqueued, crash_limit, key, headers, payload,
               started)
    ORDER BY c.id
    ON CONFLICT (id) DO NOTHING;
    DELETE FROM job.lease l USING unnest(ids, tokens, deliveries, fresh) AS c (id, token, delivery, fresh)
    WHERE l.id = c.id AND l.token = c.token
      AND (EXISTS (SELECT FROM job.result r WHERE r.id = c.id)
           OR EXISTS (SELECT FROM job.attempt a WHERE a.id = c.id AND a.delivery = c.delivery)
           OR c.fresh AND EXISTS (SELECT FROM job.pending p WHERE p.id = c.id));
    RETURN QUERY SELECT l.token FROM job.lease l JOIN unnest(ids, tokens) AS c (id, token) USING (id, token)
                 ORDER BY l.token;
END $$;
