-- SPDX-License-Identifier: Apache-2.0
-- Dead letters that were exported are put back.

-- Nobody is told of deaths that happened long ago, or elsewhere.
DROP TRIGGER dead_is_told ON job.dead;
CREATE TRIGGER dead_is_told AFTER INSERT ON job.dead REFERENCING NEW TABLE AS died FOR EACH STATEMENT
    WHEN (coalesce(current_setting('job.importing', true), '') <> 'on') EXECUTE FUNCTION job.tell_of_death();

-- Puts letters where they were, each with the record of its end, its tries and what it was before it was changed, all or nothing. A letter that is
-- there is left as it is, and so is a job that lives: it waits, runs, has ended otherwise, or is on its way through Kafka (it has tries and no
-- end). Returns for each id: imported, there, lives.
CREATE FUNCTION job.import_dead(ids uuid[], died timestamptz[], enqueued timestamptz[], edited timestamptz[], deliveries integer[], attempts integer[],
                                partitions integer[], offsets bigint[], queues text[], types text[], reasons text[], topics text[],
                                errors text[], keys bytea[], headers_json text[], payloads bytea[], results_json text[],
                                attempts_json text[], edits_json text[])
RETURNS TABLE (job uuid, action text) LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    judged_ids uuid[];
    actions text[];
BEGIN
    PERFORM set_config('job.importing', 'on', true);
    WITH input AS MATERIALIZED (
        SELECT DISTINCT ON (i.id) i.*
        FROM unnest(ids, died, enqueued, edited, deliveries, attempts, partitions, offsets, queues, types, reasons, topics, errors, keys,
                    headers_json, payloads, results_json, attempts_json, edits_json)
             AS i (id, died_at, enqueued_at, edited_at, delivery, attempt, partition, ofs, queue, type, reason, topic, error, key, headers,
                   payload, result, tries, edits)
        ORDER BY i.id
    ), judged AS MATERIALIZED (
        SELECT i.*, CASE
                   WHEN EXISTS (SELECT FROM job.dead d WHERE d.id = i.id) THEN 'there'
                   WHEN EXISTS (SELECT FROM job.pending p WHERE p.id = i.id) OR EXISTS (SELECT FROM job.lease l WHERE l.id = i.id)
                     OR EXISTS (SELECT FROM job.result r WHERE r.id = i.id AND r.state <> 'dead')
                     OR (EXISTS (SELECT FROM job.attempt a WHERE a.id = i.id) AND NOT EXISTS (SELECT FROM job.result r WHERE r.id = i.id))
                   THEN 'lives' END AS obstacle
        FROM input i
    ), buried AS (
        INSERT INTO job.dead AS d (id, died_at, enqueued_at, edited_at, delivery, attempt, partition, "offset", queue, type, reason, topic, error,
                                   key, headers, payload)
        SELECT j.id, j.died_at, j.enqueued_at, j.edited_at, j.delivery, j.attempt, j.partition, j.ofs, j.queue, j.type, j.reason, j.topic, j.error,
               j.key, j.headers::jsonb, j.payload
        FROM judged j WHERE j.obstacle IS NULL ORDER BY j.id
        ON CONFLICT DO NOTHING
        RETURNING d.id
    ), ended AS (
        INSERT INTO job.result (id, queue, type, state, reason, attempt, delivery, error, enqueued_at, started_at, finished_at, worker, cpu_ms,
                                peak_kib, trace_id, topic, partition, "offset", parent)
        SELECT j.id, j.queue, j.type, 'dead', j.reason, j.attempt, j.delivery, j.error, j.enqueued_at, r.started_at, j.died_at, r.worker,
               r.cpu_ms, r.peak_kib, r.trace_id, j.topic, j.partition, j.ofs, r.parent
        FROM judged j JOIN buried b USING (id)
        CROSS JOIN LATERAL jsonb_to_record(j.result::jsonb)
                   AS r (started_at timestamptz, worker text, cpu_ms integer, peak_kib integer, trace_id text, parent uuid)
        WHERE j.result IS NOT NULL ORDER BY j.id
        ON CONFLICT DO NOTHING
    ), tried AS (
        INSERT INTO job.attempt (id, delivery, attempt, outcome, error, started_at, finished_at, worker, cpu_ms, peak_kib)
        SELECT j.id, a.delivery, a.attempt, a.outcome, a.error, a.started_at, a.finished_at, a.worker, a.cpu_ms, a.peak_kib
        FROM judged j JOIN buried b USING (id)
        CROSS JOIN LATERAL jsonb_to_recordset(j.tries::jsonb)
                   AS a (delivery integer, attempt integer, outcome text, error text, started_at timestamptz, finished_at timestamptz,
                         worker text, cpu_ms integer, peak_kib integer)
        ORDER BY j.id, a.delivery
        ON CONFLICT DO NOTHING
    ), changed AS (
        INSERT INTO job.dead_edit (job, at, died_at, delivery, actor, queue, type, key, headers, payload)
        SELECT j.id, e.at, e.died_at, e.delivery, e.actor, e.queue, e.type, decode(e.key, 'base64'), e.headers, decode(e.payload, 'base64')
        FROM judged j JOIN buried b USING (id)
        CROSS JOIN LATERAL jsonb_to_recordset(j.edits::jsonb)
                   AS e (at timestamptz, died_at timestamptz, delivery integer, actor text, queue text, type text, key text, headers jsonb, payload text)
        WHERE NOT EXISTS (SELECT FROM job.dead_edit o WHERE o.job = j.id) ORDER BY j.id, e.at
    )
    SELECT array_agg(j.id ORDER BY j.id),
           array_agg(coalesce(j.obstacle, CASE WHEN b.id IS NULL THEN 'there' ELSE 'imported' END) ORDER BY j.id)
    INTO judged_ids, actions FROM judged j LEFT JOIN buried b USING (id);
    PERFORM set_config('job.importing', '', true);
    PERFORM job.note_action('import', ARRAY(SELECT n.id FROM unnest(judged_ids, actions) AS n (id, what) WHERE n.what = 'imported'));
    RETURN QUERY SELECT n.id, n.what FROM unnest(judged_ids, actions) AS n (id, what);
END $$;

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
