-- SPDX-License-Identifier: Apache-2.0
-- Jobs whose unique key nobody holds, which are most, are admitted together.

-- As before. The first job of each key that has no row takes it, all of them in one statement and in the order of the keys; what is left (keys that
-- are held, or were, and further jobs of one key) goes one by one.
CREATE OR REPLACE FUNCTION job.store_later(from_topic text, from_partition integer, epoch bigint, seq bigint, next_offset bigint, log_start bigint,
                                ids uuid[], queues text[], types text[], topics text[], run_ats timestamptz[],
                                keys bytea[], headers_json text[], payloads bytea[], enqueued timestamptz[], unique_keys text[],
                                unique_us bigint[], debounces boolean[], replies boolean[], traces text[], parents uuid[],
                                offsets bigint[], faults text[])
RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    j job.later_job;
    taken uuid[];
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
    WITH wanted AS MATERIALIZED (
        SELECT DISTINCT ON (w.queue, w.type, w.unique_key) w.*
        FROM unnest(ids, queues, types, topics, run_ats, keys, headers_json, payloads, unique_keys, unique_us, offsets, faults)
             AS w (id, queue, type, topic, run_at, key, headers, payload, unique_key, unique_us, ofs, fault)
        WHERE w.unique_key IS NOT NULL AND w.fault IS NULL
          AND NOT EXISTS (SELECT FROM job.result r WHERE r.id = w.id)
          AND NOT EXISTS (SELECT FROM job.attempt a WHERE a.id = w.id)
          AND NOT EXISTS (SELECT FROM job.lease l WHERE l.id = w.id)
        ORDER BY w.queue, w.type, w.unique_key, w.ofs
    ), took AS (
        INSERT INTO job.unique (queue, type, key, id, until)
        SELECT w.queue, w.type, w.unique_key, w.id, clock_timestamp() + w.unique_us * interval '1 microsecond' FROM wanted w
        ON CONFLICT DO NOTHING
        RETURNING id
    ), put AS (
        INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload, topic)
        SELECT w.id, coalesce(w.run_at, clock_timestamp()), 1, 1, w.queue, w.type, 'delay', w.key, w.headers::jsonb, w.payload, w.topic
        FROM wanted w JOIN took USING (id)
        ON CONFLICT DO NOTHING
    )
    SELECT array_agg(t.id) INTO taken FROM took t;
    FOR j IN SELECT w.id, w.queue, w.type, w.topic, coalesce(w.run_at, clock_timestamp()), w.key, w.headers, w.payload, w.enqueued, w.unique_key, w.unique_us,
                    w.debounce, w.reply, w.trace, w.parent, w.ofs
             FROM unnest(ids, queues, types, topics, run_ats, keys, headers_json, payloads, enqueued, unique_keys, unique_us,
                         debounces, replies, traces, parents, offsets, faults)
                  AS w (id, queue, type, topic, run_at, key, headers, payload, enqueued, unique_key, unique_us, debounce, reply,
                        trace, parent, ofs, fault)
             WHERE w.unique_key IS NOT NULL AND w.fault IS NULL
               AND NOT EXISTS (SELECT FROM unnest(taken) AS t (id) WHERE t.id = w.id)
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
