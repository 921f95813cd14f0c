-- SPDX-License-Identifier: Apache-2.0
-- Enqueueing in somebody else's transaction: by whoever may call one function and nothing more, and at the price of an INSERT.

-- A new id (RFC 9562, version 7), from the database's clock. A UUID of version 4 with the time in front and two bits more is one.
CREATE OR REPLACE FUNCTION job.new_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
                                          PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                                          FROM 1 FOR 6),
                                  52, 1), 53, 1), 'hex')::uuid
$$;

-- As before; said to be no more constant than what it calls is, so that it is expanded where it is used.
CREATE OR REPLACE FUNCTION job.first_id_after(moment timestamptz) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Runs when the enqueuer's transaction commits, as the enqueuer; so it may read with its owner's rights, and by its owner's path.
-- A transaction that looks at one moment for all its time cannot see whether the relay has gone to sleep since, and one that took long
-- commits what a relay that is awake has passed already: these tell it in any case.
CREATE OR REPLACE FUNCTION job.wake_relay() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (CASE WHEN NEW.run_at < clock_timestamp() - interval '1 second' THEN true
             WHEN current_setting('transaction_isolation') = 'read committed'
             THEN EXISTS (SELECT FROM job.relay r WHERE r.asleep AND NEW.run_at < r.wake_at)
             ELSE NEW.run_at < clock_timestamp() + interval '10 seconds' END)
    THEN
        PERFORM pg_notify('job_relay', '');
    END IF;
    RETURN NULL;
END $$;

-- Raises what is wrong with a message that is to be enqueued. Each kind has an SQLSTATE of its own: JB1 and the number that libjob's
-- job.h has for it.
CREATE FUNCTION job.refuse_message(id uuid, queue text, type text, payload bytea, key bytea, headers jsonb, due timestamptz, late timestamptz,
                                   priority text, unique_key text, unique_ms bigint, debounce boolean)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    IF (queue ~ '^[a-z0-9][a-z0-9-]*$' AND length(queue) <= 63 AND queue NOT IN ('later', 'dead')) IS NOT TRUE THEN
        RAISE EXCEPTION 'queue % is no queue name: [a-z0-9][a-z0-9-]{0,62}, not "later" or "dead"', left(quote_nullable(queue), 80)
            USING ERRCODE = 'JB103';
    ELSIF (type ~ '^[A-Za-z][A-Za-z0-9_.-]*$' AND length(type) <= 128) IS NOT TRUE THEN
        RAISE EXCEPTION 'type % is no job type: [A-Za-z][A-Za-z0-9_.-]{0,127}', left(quote_nullable(type), 150)
            USING ERRCODE = 'JB104';
    ELSIF (substr(id::text, 15, 1) = '7' AND id < job.first_id_after(moment + interval '1 hour')) IS NOT TRUE THEN
        RAISE EXCEPTION 'id % is no UUID of version 7, or more than an hour in the future', quote_nullable(id)
            USING ERRCODE = 'JB106';
    ELSIF (jsonb_typeof(headers) = 'object' AND NOT headers @? '$.* ? (@.type() == "number" || @.type() == "boolean")') IS NOT TRUE THEN
        RAISE EXCEPTION 'headers must be a JSON object of strings, lists of them, nulls and {"base64": …}' USING ERRCODE = 'JB108';
    ELSIF coalesce(octet_length(payload), 0) + coalesce(octet_length(key), 0) + octet_length(headers::text) > 1048576 - 1024 THEN
        RAISE EXCEPTION 'payload has % bytes, key % and headers %: together more than 1 MiB less 1024', coalesce(octet_length(payload), 0),
            coalesce(octet_length(key), 0), octet_length(headers::text) USING ERRCODE = 'JB102';
    ELSIF NOT isfinite(due) OR due > moment + interval '1000 years' THEN
        RAISE EXCEPTION 'run_at % is no moment of the next 1000 years', due USING ERRCODE = 'JB107';
    ELSIF late <= greatest(due, moment) THEN
        RAISE EXCEPTION 'expires % has passed already, or is not after run_at %: the job could never start', late, due
            USING ERRCODE = 'JB107';
    ELSIF late > moment + interval '100 years' THEN
        RAISE EXCEPTION 'expires % is more than 100 years away; leave it out', late USING ERRCODE = 'JB107';
    ELSIF priority NOT IN ('high', 'low') THEN
        RAISE EXCEPTION 'priority % is neither high nor low', left(quote_literal(priority), 80) USING ERRCODE = 'JB107';
    ELSIF octet_length(unique_key) NOT BETWEEN 1 AND 512 THEN
        RAISE EXCEPTION 'unique_key has % bytes, not 1 to 512', octet_length(unique_key) USING ERRCODE = 'JB107';
    ELSIF unique_key IS NULL AND (unique_ms IS NOT NULL OR debounce) THEN
        RAISE EXCEPTION 'unique_for and debounce need a unique_key' USING ERRCODE = 'JB107';
    ELSIF unique_ms NOT BETWEEN 1 AND 315576000000 THEN
        RAISE EXCEPTION 'unique_for is not within 1 ms and 10 years' USING ERRCODE = 'JB107';
    END IF;
END $$;

-- Puts a job whose headers are complete but for its times into job.pending, in the caller's transaction. This is what libjob's
-- job_enqueue_tx() calls. It refuses what no row may have, and leaves the rest to whoever reads the message.
--   run_at      null: delay_ms from now
--   expires_at  null: expires_ms from now, or never
--   priority    high, low; null: neither
--   unique_key  if another job has it, this one ends as its duplicate, as with what comes through the topic of later jobs. Waits for
--               a transaction that has taken the key and not ended.
-- With the id of a job that waits already it changes nothing.
CREATE FUNCTION job.enqueue_message(id uuid, queue text, type text, payload bytea, key bytea, headers jsonb, run_at timestamptz,
                                    delay_ms bigint, expires_at timestamptz, expires_ms bigint, priority text, unique_key text,
                                    unique_ms bigint, debounce boolean)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    due timestamptz;
    late timestamptz;
    all_headers jsonb;
BEGIN
    due := coalesce(run_at, clock_timestamp() + delay_ms * interval '1 millisecond', clock_timestamp());
    late := coalesce(expires_at, clock_timestamp() + expires_ms * interval '1 millisecond');
    PERFORM job.refuse_message(id, queue, type, payload, key, headers, due, late, priority, unique_key, unique_ms, debounce);
    all_headers := headers || jsonb_strip_nulls(jsonb_build_object(
        'ce_time', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'ce_expires', to_char(late AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'ce_uniquekey', unique_key, 'ce_uniquettlms', unique_ms::text));
    IF unique_key IS NOT NULL THEN
        PERFORM job.admit_unique(ROW (id, queue, type, '.' || priority, greatest(due, clock_timestamp()), nullif(key, ''), all_headers,
                                      payload, clock_timestamp(), unique_key, unique_ms * 1000, coalesce(debounce, false),
                                      headers ? 'ce_reply', split_part(headers ->> 'traceparent', '-', 2),
                                      substring(headers ->> 'ce_parent' FROM '^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$')::uuid,
                                      NULL)::job.later_job, NULL, NULL);
        RETURN;
    END IF;
    INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, topic, key, headers, payload)
    VALUES (id, greatest(due, clock_timestamp()), 1, 1, queue, type, CASE WHEN due > clock_timestamp() THEN 'delay' ELSE 'outbox' END,
            '.' || priority, nullif(key, ''), all_headers, payload)
    ON CONFLICT ON CONSTRAINT pending_pkey DO NOTHING;
END $$;
-- Most have no options, and pay neither for passing nor for looking at them: one expression beside the row.
CREATE FUNCTION job.enqueue_message(id uuid, queue text, type text, payload bytea, key bytea, headers jsonb)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF queue || '/' || type ~ '^[a-z0-9][a-z0-9-]*/[A-Za-z][A-Za-z0-9_.-]*$' AND length(queue) <= 63 AND length(type) <= 128
       AND queue <> 'later' AND queue <> 'dead' AND coalesce(octet_length(payload), 0) <= 900000
       AND coalesce(octet_length(key), 1) BETWEEN 1 AND 10000 AND pg_column_size(headers) < 10000 AND jsonb_typeof(headers) = 'object'
       AND NOT headers @? '$.* ? (@.type() == "number" || @.type() == "boolean")' AND substr(id::text, 15, 1) = '7'
       AND id < job.first_id_after(clock_timestamp() + interval '1 hour')
    THEN
        INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload)
        VALUES (id, clock_timestamp(), 1, 1, queue, type, 'outbox', key,
                headers || jsonb_build_object('ce_time', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
                payload)
        ON CONFLICT ON CONSTRAINT pending_pkey DO NOTHING;
    ELSE
        PERFORM job.enqueue_message(id, queue, type, payload, key, headers, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    END IF;
END $$;

COMMENT ON COLUMN job.pending.topic IS 'where the previous delivery came from, with its partition; or only the lane that it goes to: .high, .low';

-- The headers that the options of job.enqueue() become.
CREATE FUNCTION job.enqueue_headers(max_attempts integer, timeout interval, tags text[], headers jsonb, reply boolean)
RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF max_attempts NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'max_attempts % is not within 1 and 1000', max_attempts USING ERRCODE = 'JB107';
    ELSIF timeout NOT BETWEEN interval '1 millisecond' AND interval '30 days' THEN
        RAISE EXCEPTION 'timeout % is not within 1 ms and 30 days', timeout USING ERRCODE = 'JB107';
    ELSIF EXISTS (SELECT FROM unnest(tags) AS t (tag) WHERE coalesce(t.tag, '') = '' OR t.tag ~ '[,[:cntrl:]]') THEN
        RAISE EXCEPTION 'tags must not be null or empty, nor hold commas or control characters' USING ERRCODE = 'JB107';
    ELSIF jsonb_typeof(headers) <> 'object' THEN
        RAISE EXCEPTION 'headers must be a JSON object of strings' USING ERRCODE = 'JB108';
    ELSIF EXISTS (SELECT FROM jsonb_each(headers) h (name, value)
                  WHERE h.name ~* '^(ce_|content-type$)' OR h.name = '' OR jsonb_typeof(h.value) <> 'string') THEN
        RAISE EXCEPTION 'headers must be strings, and content-type and names beginning with ce_ are reserved'
            USING ERRCODE = 'JB108';
    ELSIF (SELECT count(*) FROM jsonb_object_keys(headers)) > 40 OR octet_length(headers::text) > 65536 THEN
        RAISE EXCEPTION 'headers are more than 40, or more than 64 KiB' USING ERRCODE = 'JB108';
    END IF;
    RETURN coalesce(headers, '{}') || jsonb_strip_nulls(jsonb_build_object(
        'ce_source', '/postgresql/' || current_database(),
        'content-type', 'application/json',
        'ce_maxattempts', max_attempts::text,
        'ce_timeoutms', ceil(extract(epoch FROM timeout) * 1000)::bigint::text,
        'ce_tags', nullif(array_to_string(tags, ','), ''),
        'ce_reply', CASE WHEN reply THEN '1' END));
END $$;

-- A function with more parameters is another function. This one takes the place of the old one, with what others may do with it and
-- what was written about it.
ALTER FUNCTION job.enqueue(text, text, jsonb, text, timestamptz, integer, interval, text[], jsonb, uuid, timestamptz)
    RENAME TO enqueue_before_0014;

-- Enqueues a job in the caller's transaction: it exists if and only if that commits. With the id of a job that waits already it changes
-- nothing: repeating a call whose answer was lost is safe. It does not start at `expires` or later: if nothing has started it by then,
-- it ends as "expired". With `reply` its end is told on the channel job_result. What is wrong has an SQLSTATE, see job.refuse_message().
-- Whoever may execute it needs no other right but USAGE on the schema.
CREATE FUNCTION job.enqueue(queue text, type text, payload jsonb DEFAULT NULL, key text DEFAULT NULL,
                            run_at timestamptz DEFAULT NULL, max_attempts integer DEFAULT NULL,
                            timeout interval DEFAULT NULL, tags text[] DEFAULT NULL, headers jsonb DEFAULT NULL,
                            id uuid DEFAULT NULL, expires timestamptz DEFAULT NULL, unique_key text DEFAULT NULL,
                            unique_for interval DEFAULT NULL, priority text DEFAULT NULL, reply boolean DEFAULT NULL,
                            debounce boolean DEFAULT NULL)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    job_id uuid := coalesce(id, job.new_id());
    body bytea := convert_to(payload::text, 'UTF8');
BEGIN
    IF queue || '/' || type ~ '^[a-z0-9][a-z0-9-]*/[A-Za-z][A-Za-z0-9_.-]*$' AND length(queue) <= 63 AND length(type) <= 128
       AND queue <> 'later' AND queue <> 'dead' AND coalesce(octet_length(body), 0) <= 900000 AND coalesce(length(key), 1) BETWEEN 1 AND 1000
       AND num_nonnulls(run_at, max_attempts, timeout, tags, headers, id, expires, unique_key, unique_for, priority, reply, debounce) = 0
    THEN
        INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload)
        VALUES (job_id, clock_timestamp(), 1, 1, queue, type, 'outbox', convert_to(key, 'UTF8'),
                jsonb_build_object('ce_source', '/postgresql/' || current_database(), 'content-type', 'application/json', 'ce_time',
                                   to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
                body);
    ELSE
        PERFORM job.enqueue_message(job_id, queue, type, body, convert_to(key, 'UTF8'),
                                    job.enqueue_headers(max_attempts, timeout, tags, headers, reply), run_at, NULL, expires, NULL,
                                    priority, unique_key, ceil(extract(epoch FROM unique_for) * 1000)::bigint, debounce);
    END IF;
    RETURN job_id;
END $$;

-- Until now whoever may insert into job.pending could enqueue, and everybody could try. From now on it takes the right to do it.
DO $$
DECLARE
    old regprocedure := 'job.enqueue_before_0014(text,text,jsonb,text,timestamptz,integer,interval,text[],jsonb,uuid,timestamptz)';
    f regprocedure;
    held record;
BEGIN
    FOR f IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'job'::regnamespace AND p.proname IN ('enqueue', 'enqueue_message')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        FOR held IN SELECT a.grantee::regrole::text AS who, bool_or(a.is_grantable) AS is_grantable
                    FROM (SELECT (aclexplode(p.proacl)).* FROM pg_proc p WHERE p.oid = old
                          UNION ALL
                          SELECT (aclexplode(c.relacl)).* FROM pg_class c WHERE c.oid = 'job.pending'::regclass) a
                    WHERE a.privilege_type IN ('EXECUTE', 'INSERT') AND a.grantee <> 0
                    GROUP BY 1
        LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s%s', f, held.who,
                           CASE WHEN held.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
        END LOOP;
        EXECUTE format('COMMENT ON FUNCTION %s IS %L', f, obj_description(old, 'pg_proc'));
    END LOOP;
    EXECUTE format('DROP FUNCTION %s', old);
END $$;
