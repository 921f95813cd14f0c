-- SPDX-License-Identifier: Apache-2.0
-- Jobs that wait in PostgreSQL until it is too late for them.

-- When a job with these headers must have started; null: at any time, or it is not said as it should be (the worker judges that).
-- Immutable in fact: what has this form means the same moment under every setting.
CREATE FUNCTION job.expiry(headers jsonb) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF headers ->> 'ce_expires' ~* '^\d{4}-\d\d-\d\d[t ]\d\d:\d\d:\d\d(\.\d+)?(z|[+-]\d\d:\d\d)$' THEN
        RETURN (headers ->> 'ce_expires')::timestamptz;
    END IF;
    RETURN NULL;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

-- Only the jobs that expire are in it, so the others cost nothing.
CREATE INDEX pending_expires ON job.pending (job.expiry(headers)) WHERE headers ? 'ce_expires';

-- Ends jobs that wait and have expired, whether they were due or not, at most so many, and tells who waits for them. Those that expired
-- before `since` are not looked for. Returns how many rows it has taken away. A row whose job has a lease is the trace of a message
-- that was sent all the same: it goes, and the lease decides.
CREATE FUNCTION job.expire_waiting(since timestamptz, at_most bigint) RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    n bigint;
    ended uuid[];
    awaited uuid[];
BEGIN
    WITH late AS (
        SELECT p.id FROM job.pending p
        WHERE p.headers ? 'ce_expires' AND job.expiry(p.headers) >= since AND job.expiry(p.headers) <= now()
        ORDER BY job.expiry(p.headers) LIMIT at_most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM job.pending p USING late WHERE p.id = late.id RETURNING p.*
    ), expired AS (
        INSERT INTO job.result AS r (id, queue, type, state, attempt, delivery, error, enqueued_at, finished_at, worker, trace_id,
                                     topic, partition, parent)
        SELECT g.id, g.queue, g.type, 'expired', g.attempt, g.delivery, 'it had not started in time',
               job.time_of(g.headers ->> 'ce_time'), clock_timestamp(), 'relay',
               substring(g.headers ->> 'traceparent' FROM '^[0-9a-f]{2}-([0-9a-f]{32})-'), g.topic, g.partition,
               substring(g.headers ->> 'ce_parent' FROM '^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$')::uuid
        FROM gone g
        WHERE NOT EXISTS (SELECT FROM job.lease l WHERE l.id = g.id)
        ORDER BY g.id
        ON CONFLICT DO NOTHING
        RETURNING r.id
    )
    SELECT count(*), array_agg(e.id), array_agg(e.id) FILTER (WHERE g.headers ? 'ce_reply') INTO n, ended, awaited
    FROM gone g LEFT JOIN expired e USING (id);
    PERFORM pg_notify('job_result', a::text) FROM unnest(awaited) AS a WHERE a IS NOT NULL;
    PERFORM job.leave_keys(ended);
    RETURN n;
END $$;

-- As before; and whoever replays a job that died wants it to run, however late it is.
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
           1, r.queue, r.type, 'replay', r.key, r.headers - '{ce_keyseq,ce_expires}'::text[], r.payload, r.topic, r.partition
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

-- A function with one more parameter is another function. This one takes the place of the old one, with what others may do with it
-- and what was written about it.
ALTER FUNCTION job.enqueue(text, text, jsonb, text, timestamptz, integer, interval, text[], jsonb, uuid) RENAME TO enqueue_before_0009;

-- Enqueues a job in the caller's transaction: it exists if and only if that commits. With the id of a job that
-- waits already it changes nothing: repeating a call whose answer was lost is safe. It does not start at `expires` or later: if
-- nothing has started it by then, it ends as "expired".
CREATE FUNCTION job.enqueue(queue text, type text, payload jsonb DEFAULT NULL, key text DEFAULT NULL,
                            run_at timestamptz DEFAULT NULL, max_attempts integer DEFAULT NULL,
                            timeout interval DEFAULT NULL, tags text[] DEFAULT NULL, headers jsonb DEFAULT NULL,
                            id uuid DEFAULT NULL, expires timestamptz DEFAULT NULL)
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
    ELSIF expires <= clock_timestamp() THEN
        RAISE EXCEPTION 'expires % has passed already', expires USING ERRCODE = 'invalid_parameter_value';
    ELSIF expires <= run_at THEN
        RAISE EXCEPTION 'expires % is not after run_at %: the job could never start', expires, run_at
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF expires > clock_timestamp() + interval '100 years' THEN
        RAISE EXCEPTION 'expires % is more than 100 years away; leave it out', expires
            USING ERRCODE = 'invalid_parameter_value';
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
        'ce_expires', to_char(expires AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'ce_tags', array_to_string(tags, ',')));
    INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload)
    VALUES (job_id, coalesce(run_at, clock_timestamp()), 1, 1, queue, type,
            CASE WHEN run_at > clock_timestamp() THEN 'delay' ELSE 'outbox' END,
            convert_to(key, 'UTF8'), all_headers, convert_to(payload::text, 'UTF8'))
    ON CONFLICT ON CONSTRAINT pending_pkey DO NOTHING;
    RETURN job_id;
END $$;

DO $$
DECLARE
    old regprocedure := 'job.enqueue_before_0009(text,text,jsonb,text,timestamptz,integer,interval,text[],jsonb,uuid)';
    new regprocedure := 'job.enqueue(text,text,jsonb,text,timestamptz,integer,interval,text[],jsonb,uuid,timestamptz)';
    acl aclitem[];
    held record;
BEGIN
    SELECT p.proacl INTO acl FROM pg_proc p WHERE p.oid = old;
    IF acl IS NOT NULL THEN
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', new);
        FOR held IN SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS who, a.is_grantable
                    FROM aclexplode(acl) a WHERE a.privilege_type = 'EXECUTE'
        LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s%s', new, held.who,
                           CASE WHEN held.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
        END LOOP;
    END IF;
    EXECUTE format('COMMENT ON FUNCTION %s IS %L', new, obj_description(old, 'pg_proc'));
    EXECUTE format('DROP FUNCTION %s', old);
END $$;
