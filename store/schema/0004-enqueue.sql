-- SPDX-License-Identifier: Apache-2.0
-- Enqueueing refuses what could not be carried out, and may be repeated.

-- Enqueues a job in the caller's transaction: it exists if and only if that commits. With the id of a job that
-- waits already it changes nothing: repeating a call whose answer was lost is safe.
CREATE OR REPLACE FUNCTION job.enqueue(queue text, type text, payload jsonb DEFAULT NULL, key text DEFAULT NULL,
                            run_at timestamptz DEFAULT NULL, max_attempts integer DEFAULT NULL,
                            timeout interval DEFAULT NULL, tags text[] DEFAULT NULL, headers jsonb DEFAULT NULL,
                            id uuid DEFAULT NULL)
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    job_id uuid := coalesce(id, job.new_id());
    all_headers jsonb;
BEGIN
    IF queue IS NULL OR queue !~ '^[a-z0-9][a-z0-9-]{0,62}$' OR queue IN ('later', 'dead') THEN
        RAISE EXCEPTION 'queue % is no queue name: [a-z0-9][a-z0-9-]{0,62}, not "later" or "dead"', quote_nullable(queue)
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF type IS NULL OR type !~ '^[A-Za-z][A-Za-z0-9_.-]{0,127}$' THEN
        RAISE EXCEPTION 'type % is no job type: [A-Za-z][A-Za-z0-9_.-]{0,127}', quote_nullable(type)
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF octet_length(payload::text) + coalesce(octet_length(headers::text), 0) > 1048576 - 1024 THEN
        RAISE EXCEPTION 'payload has % bytes, more than 1 MiB less headers', octet_length(payload::text)
            USING ERRCODE = 'program_limit_exceeded';
    ELSIF NOT isfinite(run_at) THEN
        RAISE EXCEPTION 'run_at % is no moment that comes', run_at USING ERRCODE = 'invalid_parameter_value';
    ELSIF EXISTS (SELECT FROM unnest(tags) AS t (tag) WHERE coalesce(t.tag, '') = '' OR t.tag ~ '[,[:cntrl:]]') THEN
        RAISE EXCEPTION 'tags must not be null or empty, nor hold commas or control characters'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF max_attempts NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'max_attempts % is not within 1 and 1000', max_attempts USING ERRCODE = 'invalid_parameter_value';
    ELSIF timeout NOT BETWEEN interval '1 millisecond' AND interval '30 days' THEN
        RAISE EXCEPTION 'timeout % is not within 1 ms and 30 days', timeout USING ERRCODE = 'invalid_parameter_value';
    ELSIF jsonb_typeof(headers) <> 'object' THEN
        RAISE EXCEPTION 'headers must be a JSON object of strings' USING ERRCODE = 'invalid_parameter_value';
    ELSIF EXISTS (SELECT FROM jsonb_each(headers) h (name, value)
                  WHERE h.name ~ '^(ce_|content-type$)' OR h.name = '' OR jsonb_typeof(h.value) <> 'string') THEN
        RAISE EXCEPTION 'headers must be strings, and content-type and names beginning with ce_ are reserved'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF (SELECT count(*) FROM jsonb_object_keys(headers)) > 40 OR octet_length(headers::text) > 65536 THEN
        RAISE EXCEPTION 'headers are more than 40, or more than 64 KiB' USING ERRCODE = 'program_limit_exceeded';
    ELSIF id IS NOT NULL AND (substr(id::text, 15, 1) <> '7' OR id >= job.first_id_after(clock_timestamp() + interval '1 hour')) THEN
        RAISE EXCEPTION 'id % is no UUID of version 7, or more than an hour in the future', id
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    all_headers := coalesce(headers, '{}') || jsonb_strip_nulls(jsonb_build_object(
        'ce_source', '/postgresql/' || current_database(),
        'ce_time', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'content-type', 'application/json',
        'ce_maxattempts', max_attempts::text,
        'ce_timeoutms', ceil(extract(epoch FROM timeout) * 1000)::bigint::text,
        'ce_tags', array_to_string(tags, ',')));
    INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload)
    VALUES (job_id, coalesce(run_at, clock_timestamp()), 1, 1, queue, type,
            CASE WHEN run_at > clock_timestamp() THEN 'delay' ELSE 'outbox' END,
            convert_to(key, 'UTF8'), all_headers, convert_to(payload::text, 'UTF8'))
    ON CONFLICT ON CONSTRAINT pending_pkey DO NOTHING;
    RETURN job_id;
END $$;

-- One row per job that PostgreSQL knows, whatever lies where at the moment: a relayed job's row in job.pending may outlive the
-- start of its job by an instant, and so may one that was enqueued twice under one id. A job whose last delivery is on its way
-- through Kafka is "queued".
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
