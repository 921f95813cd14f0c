-- SPDX-License-Identifier: Apache-2.0
-- Jobs that are enqueued by the clock.

-- One row per entry. Everybody may insert and change rows; brokers work out the ticks. `since` is all that they remember: every
-- tick up to it has been dealt with.
CREATE TABLE job.cron (
    name           text PRIMARY KEY,
    expression     text NOT NULL,
    zone           text NOT NULL DEFAULT 'UTC',
    queue          text NOT NULL DEFAULT 'default',
    type           text NOT NULL,
    payload        jsonb,
    key            text,
    headers        jsonb NOT NULL DEFAULT '{}',
    tags           text[],
    max_attempts   integer,
    timeout        interval,
    missed         text NOT NULL DEFAULT 'last',
    missed_max     integer NOT NULL DEFAULT 100,
    jitter         interval NOT NULL DEFAULT '0',
    enabled        boolean NOT NULL DEFAULT true,
    source         text NOT NULL DEFAULT 'sql',
    anchor         timestamptz NOT NULL DEFAULT clock_timestamp(),
    since          timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_at        timestamptz NOT NULL DEFAULT '-infinity',
    last_at        timestamptz,
    last_id        uuid,
    left_out_from  timestamptz,
    left_out_until timestamptz,
    error          text,
    CONSTRAINT cron_name CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$'),
    CONSTRAINT cron_expression CHECK (octet_length(expression) BETWEEN 1 AND 512),
    CONSTRAINT cron_zone CHECK (octet_length(zone) BETWEEN 1 AND 64),
    CONSTRAINT cron_queue CHECK (queue ~ '^[a-z0-9][a-z0-9-]{0,62}$' AND queue NOT IN ('later', 'dead')),
    CONSTRAINT cron_type CHECK (type ~ '^[A-Za-z][A-Za-z0-9_.-]{0,127}$'),
    CONSTRAINT cron_payload CHECK (octet_length(payload::text) + octet_length(headers::text) + coalesce(octet_length(key), 0)
                                   <= 1048576 - 2048),
    CONSTRAINT cron_key CHECK (octet_length(key) BETWEEN 1 AND 4096),
    CONSTRAINT cron_tags CHECK (array_position(tags, NULL) IS NULL AND array_position(tags, '') IS NULL
                                AND array_to_string(tags, '') !~ '[,[:cntrl:]]'),
    CONSTRAINT cron_max_attempts CHECK (max_attempts BETWEEN 1 AND 1000),
    CONSTRAINT cron_timeout CHECK (timeout BETWEEN interval '1 millisecond' AND interval '30 days'),
    CONSTRAINT cron_missed CHECK (missed IN ('skip', 'last', 'all')),
    CONSTRAINT cron_missed_max CHECK (missed_max BETWEEN 1 AND 1000),
    CONSTRAINT cron_jitter CHECK (jitter BETWEEN interval '0' AND interval '1 day'),
    CONSTRAINT cron_source CHECK (source IN ('sql', 'jobctl', 'config'))
) WITH (fillfactor = 50);
CREATE INDEX cron_next_at ON job.cron (next_at) WHERE enabled;
COMMENT ON TABLE job.cron IS 'jobs that are enqueued by the clock';
COMMENT ON COLUMN job.cron.missed IS 'which ticks are made up for when no broker was there: skip (none), last, all (the last missed_max)';
COMMENT ON COLUMN job.cron.jitter IS 'each job is due so much later at most, at random';
COMMENT ON COLUMN job.cron.anchor IS 'what @every counts from: when the expression was written';
COMMENT ON COLUMN job.cron.since IS 'every tick up to here has been dealt with';
COMMENT ON COLUMN job.cron.next_at IS 'the first tick after `since`; with an error: when a broker looks again; -infinity: at once';
COMMENT ON COLUMN job.cron.last_at IS 'the last tick that was enqueued, as last_id';
COMMENT ON COLUMN job.cron.left_out_from IS 'the ticks that were last left out because they were missed: from this one to left_out_until';
COMMENT ON COLUMN job.cron.error IS 'why it does not tick';

-- --- When somebody changes an entry ------------------------------------------------------------------------------------

CREATE FUNCTION job.check_cron_headers(headers jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF jsonb_typeof(headers) <> 'object'
       OR EXISTS (SELECT FROM jsonb_each(headers) h (name, value)
                  WHERE h.name ~ '^(ce_|content-type$|cron-)' OR h.name = '' OR jsonb_typeof(h.value) <> 'string') THEN
        RAISE EXCEPTION 'headers must be an object of strings; content-type and names beginning with ce_ or cron- are reserved'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF (SELECT count(*) FROM jsonb_object_keys(headers)) > 38 OR octet_length(headers::text) > 65536 THEN
        RAISE EXCEPTION 'headers are more than 38, or more than 64 KiB' USING ERRCODE = 'program_limit_exceeded';
    END IF;
END $$;

-- An entry that is new, has another rhythm or is enabled again begins now: what went by before is not made up for.
CREATE FUNCTION job.cron_before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM job.check_cron_headers(NEW.headers);
    IF TG_OP = 'UPDATE' THEN
        IF NEW.expression <> OLD.expression THEN
            NEW.anchor := clock_timestamp();
        END IF;
        IF NEW.expression <> OLD.expression OR NEW.zone <> OLD.zone OR (NEW.enabled AND NOT OLD.enabled) THEN
            NEW.since := clock_timestamp();
            NEW.next_at := '-infinity';
            NEW.error := NULL;
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER cron_before BEFORE INSERT OR UPDATE OF expression, zone, enabled, headers ON job.cron FOR EACH ROW
    EXECUTE FUNCTION job.cron_before();

-- Brokers sleep until the next tick that they know of; only what comes earlier wakes them.
CREATE FUNCTION job.wake_cron() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('job_cron', '');
    RETURN NULL;
END $$;
CREATE TRIGGER cron_inserted AFTER INSERT ON job.cron FOR EACH STATEMENT EXECUTE FUNCTION job.wake_cron();
CREATE TRIGGER cron_updated AFTER UPDATE ON job.cron FOR EACH ROW
    WHEN (NEW.enabled AND (NEW.next_at < OLD.next_at OR NOT OLD.enabled)) EXECUTE FUNCTION job.wake_cron();

-- What people have written, without what brokers have.
CREATE FUNCTION job.cron_definition(entry job.cron) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_strip_nulls(to_jsonb(entry)
        - '{name,anchor,since,next_at,last_at,last_id,left_out_from,left_out_until,error}'::text[])
$$;

-- Who did it. A change tells what was there before, as far as it differs.
CREATE FUNCTION job.note_cron() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was jsonb := job.cron_definition(OLD);
    is_now jsonb := job.cron_definition(NEW);
    verb text := CASE WHEN TG_OP = 'INSERT' THEN 'cron add' WHEN TG_OP = 'DELETE' THEN 'cron remove'
                      WHEN was - 'enabled' <> is_now - 'enabled' THEN 'cron change'
                      WHEN NEW.enabled THEN 'cron enable' ELSE 'cron disable' END;
BEGIN
    INSERT INTO job.audit (actor, action, queue, detail)
    VALUES (job.actor(), verb, coalesce(NEW.queue, OLD.queue),
            jsonb_strip_nulls(jsonb_build_object('name', coalesce(NEW.name, OLD.name), 'to', is_now,
                'from', (SELECT jsonb_object_agg(w.key, w.value) FROM jsonb_each(was) w
                         WHERE is_now IS NULL OR w.value IS DISTINCT FROM is_now -> w.key))));
    RETURN NULL;
END $$;
CREATE TRIGGER cron_noted AFTER INSERT OR DELETE ON job.cron FOR EACH ROW EXECUTE FUNCTION job.note_cron();
CREATE TRIGGER cron_change_noted AFTER UPDATE ON job.cron FOR EACH ROW
    WHEN ((NEW.name, NEW.expression, NEW.zone, NEW.queue, NEW.type, NEW.payload, NEW.key, NEW.headers, NEW.tags, NEW.max_attempts,
           NEW.timeout, NEW.missed, NEW.missed_max, NEW.jitter, NEW.enabled, NEW.source)
          IS DISTINCT FROM
          (OLD.name, OLD.expression, OLD.zone, OLD.queue, OLD.type, OLD.payload, OLD.key, OLD.headers, OLD.tags, OLD.max_attempts,
           OLD.timeout, OLD.missed, OLD.missed_max, OLD.jitter, OLD.enabled, OLD.source))
    EXECUTE FUNCTION job.note_cron();

-- --- Ticks -----------------------------------------------------------------------------------------------------------------

-- A UUIDv7 that follows from the entry and the tick, so one tick has one job. Its time is the tick's, but for one that is made up for
-- late: job.result is partitioned by the id, and a new job must not lie in a partition that is about to go.
CREATE FUNCTION job.tick_id(name text, tick timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_byte(set_byte(overlay(h.bytes PLACING substring(int8send((extract(epoch FROM
                       CASE WHEN tick > clock_timestamp() - interval '1 hour' THEN tick ELSE clock_timestamp() END) * 1000)::bigint)
                       FROM 3) FROM 1 FOR 6),
                   6, (get_byte(h.bytes, 6) & 15) | 112), 8, (get_byte(h.bytes, 8) & 63) | 128), 'hex')::uuid
    FROM (SELECT decode(md5(name || '/' || extract(epoch FROM tick)::text), 'hex') AS bytes) h
$$;

-- The headers of an entry's job; tick is null when somebody runs it by hand.
CREATE FUNCTION job.cron_headers(entry job.cron, tick timestamptz) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
    SELECT entry.headers || jsonb_strip_nulls(jsonb_build_object(
        'cron-name', entry.name,
        'cron-tick', to_char(tick AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'ce_source', '/cron/' || entry.name,
        'ce_time', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'content-type', 'application/json',
        'ce_maxattempts', entry.max_attempts::text,
        'ce_timeoutms', ceil(extract(epoch FROM entry.timeout) * 1000)::bigint::text,
        'ce_tags', nullif(array_to_string(entry.tags, ','), '')))
$$;

-- Enqueues the jobs of these ticks (of each entry in their order), which the caller has worked out from rows that it holds locked, and moves
-- the entries on.
CREATE FUNCTION job.tick(names text[], dealt timestamptz[], nexts timestamptz[], outs_from timestamptz[], outs_until timestamptz[],
                         tick_names text[], ticks timestamptz[])
RETURNS void LANGUAGE sql AS $$
    WITH made AS MATERIALIZED (
        SELECT t.name, t.tick, t.place, job.tick_id(t.name, t.tick) AS id
        FROM unnest(tick_names, ticks) WITH ORDINALITY AS t (name, tick, place)
    ), latest AS (
        SELECT DISTINCT ON (m.name) m.name, m.tick, m.id FROM made m ORDER BY m.name, m.place DESC
    ), moved AS (
        UPDATE job.cron c
        SET since = w.dealt, next_at = w.next, error = NULL, last_at = coalesce(l.tick, c.last_at), last_id = coalesce(l.id, c.last_id),
            left_out_from = coalesce(w.out_from, c.left_out_from), left_out_until = coalesce(w.out_until, c.left_out_until)
        FROM unnest(names, dealt, nexts, outs_from, outs_until) AS w (name, dealt, next, out_from, out_until)
             LEFT JOIN latest l USING (name)
        WHERE c.name = w.name
    )
    INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload)
    SELECT m.id,
           -- What is late is due now, in order. The jitter comes from the id, which is random enough.
           greatest(m.tick, clock_timestamp() + m.place * interval '1 microsecond')
               + c.jitter * ((get_byte(uuid_send(m.id), 15) * 65536 + get_byte(uuid_send(m.id), 14) * 256
                              + get_byte(uuid_send(m.id), 13)) / 16777216.0),
           1, 1, c.queue, c.type, 'cron', convert_to(c.key, 'UTF8'), job.cron_headers(c, m.tick),
           convert_to(c.payload::text, 'UTF8')
    FROM made m JOIN job.cron c ON c.name = m.name
    ORDER BY m.place
    ON CONFLICT DO NOTHING
$$;

-- Enqueues an entry's job now, whether it is enabled or not. Returns its id; null when there is no such entry.
CREATE FUNCTION job.run_cron(entry text) RETURNS uuid LANGUAGE sql AS $$
    WITH made AS (
        INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload)
        SELECT job.new_id(), clock_timestamp(), 1, 1, c.queue, c.type, 'cron', convert_to(c.key, 'UTF8'),
               job.cron_headers(c, NULL), convert_to(c.payload::text, 'UTF8')
        FROM job.cron c WHERE c.name = entry
        RETURNING id, queue
    ), noted AS (
        INSERT INTO job.audit (actor, action, queue, job, detail)
        SELECT job.actor(), 'cron run', m.queue, m.id, jsonb_build_object('name', entry) FROM made m
    )
    SELECT id FROM made
$$;
COMMENT ON TABLE job.audit IS 'who replayed, purged, cancelled, paused, resumed, and what was done to job.cron, when';
