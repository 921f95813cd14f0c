-- SPDX-License-Identifier: Apache-2.0
-- A handler for the type job.dead hears of every job that dies: each death is a job of that type, enqueued by the transaction that
-- buries the dead one. So it is there if and only if the dead letter is, and runs once for each.

-- The queue that gets these jobs, in job.setting as dead_hook; null: deaths are told to nobody.
CREATE FUNCTION job.dead_hook() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT value FROM job.setting WHERE name = 'dead_hook'
$$;

-- From now on deaths are told to this queue; null: to nobody. Workers call it that have a handler for job.dead, people to take it away.
-- A change is noted in job.audit. Returns what it was before.
CREATE FUNCTION job.set_dead_hook(queue text, who text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    was text := job.dead_hook();
BEGIN
    IF was IS NOT DISTINCT FROM queue THEN
        RETURN was;
    ELSIF NOT (queue ~ '^[a-z0-9][a-z0-9-]{0,62}$' AND queue NOT IN ('later', 'dead')) THEN
        RAISE EXCEPTION 'queue % is no queue name: [a-z0-9][a-z0-9-]{0,62}, not "later" or "dead"', left(quote_literal(queue), 80)
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF queue IS NULL THEN
        DELETE FROM job.setting s WHERE s.name = 'dead_hook';
    ELSE
        INSERT INTO job.setting AS s (name, value) VALUES ('dead_hook', queue)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE s.value <> excluded.value;
    END IF;
    IF FOUND THEN -- else somebody did the same at the same time
        INSERT INTO job.audit (actor, action, queue, detail)
        VALUES (coalesce(who, job.actor()), 'dead hook', set_dead_hook.queue, jsonb_build_object('from', was, 'to', set_dead_hook.queue));
    END IF;
    RETURN was;
END $$;

-- Bytes as JSON, as they are; null when they are none, when jsonb could not hold them, or when they are nested so deeply that a text
-- around them would be refused as too deep.
CREATE FUNCTION job.json_of(bytes bytea) RETURNS json LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    text_of text;
BEGIN
    text_of := convert_from(bytes, 'UTF8');
    RETURN CASE WHEN NOT text_of::jsonb @? '$.**{250}' THEN text_of::json END;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END $$;

-- What the handler gets: always all members. Payload and headers up to 64 KiB each; the payload only when it is JSON and says so.
CREATE FUNCTION job.describe_death(d job.dead) RETURNS json LANGUAGE plpgsql STABLE AS $$
DECLARE
    is_json boolean := coalesce(d.headers ->> 'content-type', 'application/json') ~* '^(application/|[a-z0-9./-]+\+)json\s*(;|$)';
BEGIN
    RETURN json_build_object(
        'id', d.id, 'queue', d.queue, 'type', d.type, 'reason', d.reason, 'delivery', d.delivery, 'attempt', d.attempt,
        'error', left(d.error, 8192),
        'died_at', to_char(d.died_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'topic', d.topic, 'partition', d.partition, 'offset', d."offset",
        'headers', CASE WHEN octet_length(d.headers::text) <= 65536 THEN job.json_of(convert_to(d.headers::text, 'UTF8')) END,
        'payload', CASE WHEN is_json AND octet_length(d.payload) <= 65536 THEN job.json_of(d.payload) END,
        'payload_bytes', coalesce(octet_length(d.payload), 0));
END $$;

-- Enqueues the job that tells of a death. It goes on in the trace of the dead one.
CREATE FUNCTION job.enqueue_death(hook text, d job.dead) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (hook ~ '^[a-z0-9][a-z0-9-]{0,62}$' AND hook NOT IN ('later', 'dead')) THEN
        RAISE EXCEPTION 'dead_hook in job.setting is %, which is no queue name', left(quote_literal(hook), 80)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers, payload)
    VALUES (job.new_id(), clock_timestamp(), 1, 1, hook, 'job.dead', 'outbox',
            jsonb_strip_nulls(jsonb_build_object(
                'ce_source', '/dead', 'ce_parent', d.id, 'content-type', 'application/json',
                'ce_time', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                'traceparent', substring(d.headers ->> 'traceparent' FROM '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'))),
            convert_to(job.describe_death(d)::text, 'UTF8'));
END $$;

-- As before, for whoever waits; and for the handler of job.dead, whose own jobs die without another one. A death that cannot be told is
-- a row of job.incident, and no reason not to bury the job: it would be lost, or stop the log. What goes away by itself (a deadlock, no
-- memory, a shutdown) is left to whoever buries, who does it again.
CREATE OR REPLACE FUNCTION job.tell_of_death() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    hook text;
    d job.dead;
    untold uuid[] := '{}';
    why text;
BEGIN
    IF NOT EXISTS (SELECT FROM died) THEN
        RETURN NULL;
    END IF;
    PERFORM pg_notify('job_result', w.id::text) FROM died w WHERE w.headers ? 'ce_reply';
    hook := job.dead_hook();
    IF hook IS NULL THEN
        RETURN NULL;
    END IF;
    BEGIN -- one subtransaction for all of them
        PERFORM job.enqueue_death(hook, ROW(w.*)::job.dead) FROM died w WHERE w.type IS DISTINCT FROM 'job.dead';
    EXCEPTION WHEN OTHERS THEN
        IF left(SQLSTATE, 2) IN ('40', '53', '55', '57', '58') THEN
            RAISE;
        END IF;
        FOR d IN SELECT * FROM died w WHERE w.type IS DISTINCT FROM 'job.dead' LOOP
            BEGIN
                PERFORM job.enqueue_death(hook, d);
            EXCEPTION WHEN OTHERS THEN
                IF left(SQLSTATE, 2) IN ('40', '53', '55', '57', '58') THEN
                    RAISE;
                END IF;
                untold := untold || d.id;
                why := SQLERRM;
            END;
        END LOOP;
        IF cardinality(untold) > 0 THEN
            INSERT INTO job.incident (kind, detail)
            VALUES ('dead_hook', jsonb_build_object('jobs', cardinality(untold), 'ids', to_jsonb(untold[1:1000]), 'why', why));
        END IF;
    END;
    RETURN NULL;
END $$;

COMMENT ON TABLE job.audit IS 'who replayed, purged, cancelled, paused, resumed, what was done to job.cron and who hears of deaths, when';
