-- SPDX-License-Identifier: Apache-2.0
-- A job that keeps killing workers must not take the jobs beside it along; and not every job that ends without success is dead.

-- Writes the attempt row and either the pending row or the dead letter of each job.
--   outcome  of the try; null: there was none (malformed message)
--   verdict  dead.reason when the caller knows that the job is dead, or the state expired or cancelled; null: crash and unknown-type budgets decide here
--   delay_us until the next try; negative: as the outcome has it (crashed 1, 2, 4, 8 s; parked 10 s … 5 min; else none)
--   token    of the lease that it ends; null: it was none. Without that lease the row is dropped.
--   ce_crashes goes into the headers of what crashed or was lost: the worker that gets it next is careful with it.
-- A job that has ended, or whose delivery has been written before, is left as it is.
CREATE OR REPLACE FUNCTION job.defer(holder text, parked_grace interval, ids uuid[], tokens bigint[], deliveries integer[], attempts integer[],
                          queues text[], types text[], topics text[], partitions integer[], offsets bigint[],
                          enqueued timestamptz[], crash_limits integer[], keys bytea[], headers_json text[], payloads bytea[],
                          outcomes text[], verdicts text[], delays_us bigint[], errors text[], started timestamptz[],
                          finished timestamptz[], cpu integer[], peak integer[], traces text[], parents uuid[])
RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    WITH input AS MATERIALIZED (
        SELECT * FROM unnest(ids, tokens, deliveries, attempts, queues, types, topics, partitions, offsets, enqueued,
                             crash_limits, keys, headers_json, payloads, outcomes, verdicts, delays_us, errors, started,
                             finished, cpu, peak, traces, parents)
            AS i (id, token, delivery, attempt, queue, type, topic, partition, ofs, enqueued, crash_limit, key, headers,
                  payload, outcome, verdict, delay_us, error, started, finished, cpu, peak, trace, parent)
    ), released AS (
        DELETE FROM job.lease l USING input i WHERE l.id = i.id AND l.token = i.token RETURNING l.id
    ), own AS MATERIALIZED (
        SELECT DISTINCT ON (i.id) i.* FROM input i
        WHERE (i.token IS NULL OR i.id IN (SELECT id FROM released))
          AND NOT EXISTS (SELECT FROM job.result r WHERE r.id = i.id)
    ), history AS (
        SELECT a.id, count(*) FILTER (WHERE a.outcome IN ('crashed', 'oom', 'lost')) AS crashes,
               count(*) FILTER (WHERE a.outcome = 'parked') AS parks,
               min(a.finished_at) FILTER (WHERE a.outcome = 'parked' AND a.delivery > coalesce(
                   (SELECT max(b.delivery) FROM job.attempt b WHERE b.id = a.id AND b.outcome <> 'parked'), 0)) AS parked_since
        FROM job.attempt a
        WHERE a.id IN (SELECT id FROM own WHERE outcome IN ('crashed', 'oom', 'lost', 'parked'))
        GROUP BY a.id
    ), tried AS (
        INSERT INTO job.attempt (id, delivery, attempt, outcome, error, started_at, finished_at, worker, cpu_ms, peak_kib)
        SELECT o.id, o.delivery, o.attempt, o.outcome, o.error, o.started, o.finished, holder, o.cpu, o.peak
        FROM own o WHERE o.outcome IS NOT NULL
        ORDER BY o.id
        ON CONFLICT DO NOTHING
        RETURNING id
    ), judged AS MATERIALIZED (
        SELECT o.*, coalesce(h.crashes, 0) + 1 AS crashes,
               coalesce(o.verdict,
                        CASE WHEN o.outcome IN ('crashed', 'oom', 'lost') AND coalesce(h.crashes, 0) + 1 >= o.crash_limit
                             THEN 'crashed'
                             WHEN o.outcome = 'parked' AND h.parked_since <= clock_timestamp() - parked_grace
                             THEN 'unknown_type' END) AS fate,
               CASE WHEN o.delay_us >= 0 THEN o.delay_us * interval '1 microsecond'
                    WHEN o.outcome IN ('crashed', 'oom') THEN interval '1 second' * 2 ^ least(coalesce(h.crashes, 0), 3)
                    WHEN o.outcome = 'parked'
                    THEN least(interval '10 seconds' * 2 ^ least(coalesce(h.parks, 0), 5), interval '5 minutes')
                    ELSE interval '0' END AS wait
        FROM own o LEFT JOIN history h USING (id)
        WHERE o.outcome IS NULL OR o.id IN (SELECT id FROM tried)
    ), ended AS (
        INSERT INTO job.result (id, queue, type, state, reason, attempt, delivery, error, enqueued_at, started_at,
                                finished_at, worker, cpu_ms, peak_kib, trace_id, topic, partition, "offset", parent)
        SELECT j.id, j.queue, j.type, CASE WHEN j.fate IN ('expired', 'cancelled') THEN j.fate ELSE 'dead' END,
               CASE WHEN j.fate NOT IN ('expired', 'cancelled') THEN j.fate END, j.attempt, j.delivery, j.error, j.enqueued, j.started,
               j.finished, holder, j.cpu, j.peak, j.trace, j.topic, j.partition, j.ofs, j.parent
        FROM judged j WHERE j.fate IS NOT NULL
        ORDER BY j.id
        ON CONFLICT DO NOTHING
        RETURNING id
    ), buried AS (
        INSERT INTO job.dead (id, died_at, queue, type, reason, delivery, attempt, error, enqueued_at, topic, partition,
                              "offset", key, headers, payload)
        SELECT j.id, j.finished, j.queue, j.type, j.fate, j.delivery, j.attempt, j.error, j.enqueued, j.topic, j.partition,
               j.ofs, j.key, j.headers::jsonb, j.payload
        FROM judged j WHERE j.id IN (SELECT id FROM ended) AND j.fate NOT IN ('expired', 'cancelled')
        ORDER BY j.id
        ON CONFLICT DO NOTHING
    )
    INSERT INTO job.pending AS p (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload, topic, partition)
    SELECT j.id, clock_timestamp() + j.wait, j.delivery + 1,
           j.attempt + (j.outcome IN ('failed', 'timeout'))::integer, j.queue, j.type,
           CASE j.outcome WHEN 'lost' THEN 'rescue' WHEN 'snoozed' THEN 'snooze' WHEN 'parked' THEN 'parked'
                          WHEN 'throttled' THEN 'throttled' WHEN 'interrupted' THEN 'interrupted' ELSE 'retry' END,
           j.key, j.headers::jsonb - 'ce_crashes' || CASE WHEN j.outcome IN ('crashed', 'oom', 'lost')
                                           THEN jsonb_build_object('ce_crashes', j.crashes::text) ELSE '{}' END,
           j.payload, j.topic, j.partition
    FROM judged j WHERE j.fate IS NULL
    ORDER BY j.id
    -- The relay may still hold the row whose message this was: wait for its DELETE. DO NOTHING would not, and lose the job.
    ON CONFLICT (id) DO UPDATE
        SET run_at = excluded.run_at, delivery = excluded.delivery, attempt = excluded.attempt, queue = excluded.queue,
            type = excluded.type, reason = excluded.reason, key = excluded.key, headers = excluded.headers,
            payload = excluded.payload, topic = excluded.topic, partition = excluded.partition
        WHERE p.delivery < excluded.delivery;
END $$;
