-- SPDX-License-Identifier: Apache-2.0
-- Dead letters that died of the same are one group, counted while they come and go; and a letter can be changed before it is replayed.

-- --- Groups ------------------------------------------------------------------------------------------------------------

-- An error without what differs from one time to the next (docs/dead-letters.md has the rules). Pure. Of a text with many numbers the
-- beginning says what it is: no more than 500 characters are read.
CREATE FUNCTION job.error_pattern(error text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT left(btrim(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
        left(error, 500),
        -- what is quoted; without its end, when that was cut off
        '(?<![[:alnum:]])("(\\.|[^"\\])*("|$)|''[^''\n]*''(?![[:alnum:]])|`[^`\n]*`)', '"?"', 'g'),
        '[^[:space:]@<>(),;:"]+@[A-Za-z0-9.-]+', '?@?', 'g'),
        '(/var)?/tmp/[^[:space:]:,;)"]+', '/tmp/?', 'g'),
        -- UUIDs; hexadecimal and other long tokens that have digits, as ids have
        '(?<![A-Za-z0-9])([0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}|0x[0-9A-Fa-f]+'
        || '|(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])([0-9A-Fa-f]{8,}|[A-Za-z0-9]{16,}))(?![A-Za-z0-9])', '#', 'g'),
        -- numbers, but for those that are names: of a status, a signal
        '(\m(?:status|code|signal|errno|exit|http(?:/[0-9.]+)?)[ :=]{1,2}[0-9]{1,3}(?![0-9.,:]*[0-9])|\msqlstate[ :=]{1,2}[0-9a-z]{5})|[0-9]+(?:[.,:][0-9]+)*',
        '\1#', 'gi'),
        '([0-9a-z]{1,5})#(?<=(?:status|code|signal|errno|exit|sqlstate|http(?:/[0-9.]+)?)[ :=]{1,2}[0-9a-z]{1,5}#)', '\1', 'gi'),
        '[[:space:]]+', ' ', 'g')), 300)
$$;

CREATE FUNCTION job.fingerprint(error text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT left(encode(sha256(convert_to(job.error_pattern(coalesce(error, '')), 'UTF8')), 'hex'), 12)
$$;

-- The name of the group that a dead letter belongs to: short, and the same on every installation.
CREATE FUNCTION job.group_name(queue text, type text, reason text, error text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT left(encode(sha256(convert_to(queue || E'\n' || coalesce(type, '') || E'\n' || reason || E'\n' || job.fingerprint(error), 'UTF8')),
                       'hex'), 12)
$$;

ALTER TABLE job.dead
    ADD COLUMN group_name text GENERATED ALWAYS AS (job.group_name(queue, type, reason, error)) STORED,
    ADD COLUMN edited_at timestamptz;
CREATE INDEX dead_group ON job.dead (group_name, id);
COMMENT ON COLUMN job.dead.group_name IS 'of those that died of the same: queue, type, reason, and job.fingerprint(error)';
COMMENT ON COLUMN job.dead.edited_at IS 'when somebody last changed it (job.dead_edit has what it was); null: it is as it died';

-- How many there are of each group, and between when they have died. Whoever buries or takes away counts in a row that nobody else holds, so
-- none waits for another's commit: sum over `stripe`. Its n may be negative.
CREATE TABLE job.dead_count (
    group_name text NOT NULL,
    n          bigint NOT NULL,
    first_at   timestamptz,
    last_at    timestamptz,
    stripe     integer NOT NULL,
    queue      text NOT NULL,
    type       text,
    reason     text NOT NULL,
    PRIMARY KEY (group_name, stripe)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE job.dead_count IS 'how many dead letters each group has, and since and until when it got some; it goes when none is left';
CREATE SEQUENCE job.dead_stripe AS integer CYCLE;

-- Part of the triggers: what one statement does to one group.
CREATE FUNCTION job.count_dead(name text, more bigint, since timestamptz, until timestamptz, of_queue text, of_type text, of_reason text)
RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
    UPDATE job.dead_count c
    SET n = c.n + more, first_at = least(c.first_at, since), last_at = greatest(c.last_at, until)
    WHERE c.group_name = name
      AND c.stripe = (SELECT o.stripe FROM job.dead_count o WHERE o.group_name = name LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        INSERT INTO job.dead_count (group_name, n, first_at, last_at, stripe, queue, type, reason)
        VALUES (name, more, since, until, nextval('job.dead_stripe'), of_queue, of_type, of_reason);
    END IF;
END $$;

-- Rows that together are nothing go, if nobody counts in one of them just now: else whoever takes the next letters away does it.
CREATE FUNCTION job.forget_dead_group(name text) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    held integer[];
    total bigint;
BEGIN
    SELECT array_agg(s.stripe), sum(s.n) INTO held, total
    FROM (SELECT c.stripe, c.n FROM job.dead_count c WHERE c.group_name = name FOR UPDATE SKIP LOCKED) AS s;
    IF total = 0 THEN
        DELETE FROM job.dead_count c WHERE c.group_name = name AND c.stripe = ANY (held);
    END IF;
END $$;

CREATE FUNCTION job.count_buried() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM job.count_dead(g.group_name, g.n, g.since, g.until, g.queue, g.type, g.reason) FROM (
        SELECT b.group_name, count(*) AS n, min(b.died_at) AS since, max(b.died_at) AS until, min(b.queue) AS queue, min(b.type) AS type,
               min(b.reason) AS reason
        FROM buried b GROUP BY b.group_name ORDER BY b.group_name) AS g;
    RETURN NULL;
END $$;
CREATE TRIGGER count_buried AFTER INSERT ON job.dead REFERENCING NEW TABLE AS buried
    FOR EACH STATEMENT EXECUTE FUNCTION job.count_buried();

CREATE FUNCTION job.count_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM job.count_dead(g.group_name, g.n, g.since, g.until, g.queue, g.type, g.reason), job.forget_dead_group(g.group_name) FROM (
        SELECT o.group_name, -count(*) AS n, NULL::timestamptz AS since, NULL::timestamptz AS until, min(o.queue) AS queue,
               min(o.type) AS type, min(o.reason) AS reason
        FROM gone o GROUP BY o.group_name ORDER BY o.group_name) AS g;
    RETURN NULL;
END $$;
CREATE TRIGGER count_gone AFTER DELETE ON job.dead REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION job.count_gone();

CREATE FUNCTION job.count_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM job.count_dead(g.group_name, g.n, g.since, g.until, g.queue, g.type, g.reason), job.forget_dead_group(g.group_name) FROM (
        SELECT m.group_name, sum(m.n)::bigint AS n, min(m.died_at) FILTER (WHERE m.n > 0) AS since,
               max(m.died_at) FILTER (WHERE m.n > 0) AS until, min(m.queue) AS queue, min(m.type) AS type, min(m.reason) AS reason
        FROM (SELECT group_name, died_at, queue, type, reason, -1 AS n FROM was
              UNION ALL SELECT group_name, died_at, queue, type, reason, 1 FROM became) AS m
        GROUP BY m.group_name HAVING sum(m.n) <> 0 ORDER BY m.group_name) AS g;
    RETURN NULL;
END $$;
CREATE TRIGGER count_moved AFTER UPDATE ON job.dead REFERENCING OLD TABLE AS was NEW TABLE AS became
    FOR EACH STATEMENT EXECUTE FUNCTION job.count_moved();

CREATE FUNCTION job.count_none() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM job.dead_count;
    DELETE FROM job.dead_edit;
    RETURN NULL;
END $$;
CREATE TRIGGER count_none AFTER TRUNCATE ON job.dead FOR EACH STATEMENT EXECUTE FUNCTION job.count_none();

-- Counts anew what is there; nobody buries or replays meanwhile. For rows that came past the triggers.
CREATE FUNCTION job.recount_dead() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE job.dead IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM job.dead_count;
    INSERT INTO job.dead_count (group_name, n, first_at, last_at, stripe, queue, type, reason)
    SELECT d.group_name, count(*), min(d.died_at), max(d.died_at), nextval('job.dead_stripe'), min(d.queue), min(d.type), min(d.reason)
    FROM job.dead d GROUP BY d.group_name;
END $$;
SELECT job.recount_dead();

-- --- Changing a letter -------------------------------------------------------------------------------------------------

-- What a letter was before somebody changed it. It goes with the letter when that is purged.
CREATE TABLE job.dead_edit (
    n        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job      uuid NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    died_at  timestamptz NOT NULL,
    delivery integer NOT NULL,
    actor    text NOT NULL,
    queue    text NOT NULL,
    type     text,
    key      bytea,
    headers  jsonb NOT NULL,
    payload  bytea
);
CREATE INDEX dead_edit_job ON job.dead_edit (job);
COMMENT ON TABLE job.dead_edit IS 'what dead letters were before somebody changed them: who, when, and all that was there';
COMMENT ON COLUMN job.dead_edit.delivery IS 'of the letter, with died_at: a job may have died more than once';

-- Changes a letter, if it still is the one that was looked at (its xmin). Returns edited, changed (by somebody else), gone.
CREATE FUNCTION job.edit_dead(of_job uuid, version text, new_queue text, new_type text, new_key bytea, new_headers jsonb, new_payload bytea)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    d record;
BEGIN
    SELECT x.*, x.xmin::text AS version INTO d FROM job.dead x WHERE x.id = of_job FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'gone';
    ELSIF d.version <> edit_dead.version THEN
        RETURN 'changed';
    END IF;
    INSERT INTO job.dead_edit (job, died_at, delivery, actor, queue, type, key, headers, payload)
    VALUES (d.id, d.died_at, d.delivery, job.actor(), d.queue, d.type, d.key, d.headers, d.payload);
    UPDATE job.dead x
    SET queue = new_queue, type = new_type, key = new_key, headers = new_headers, payload = new_payload, edited_at = clock_timestamp()
    WHERE x.id = of_job;
    INSERT INTO job.audit (actor, action, queue, job, detail)
    VALUES (job.actor(), 'edit', new_queue, of_job, jsonb_build_object('changed', array_remove(ARRAY[
        CASE WHEN d.queue <> new_queue THEN 'queue' END, CASE WHEN d.type IS DISTINCT FROM new_type THEN 'type' END,
        CASE WHEN d.key IS DISTINCT FROM new_key THEN 'key' END, CASE WHEN d.headers <> new_headers THEN 'headers' END,
        CASE WHEN d.payload IS DISTINCT FROM new_payload THEN 'payload' END], NULL)));
    RETURN 'edited';
END $$;

-- A message that could not be read cannot run, until somebody has made it one that can.
CREATE FUNCTION job.can_replay(d job.dead) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT (d.reason <> 'malformed' OR d.edited_at IS NOT NULL) AND d.type IS NOT NULL
$$;

-- The key with which it died.
CREATE FUNCTION job.key_as_died(d job.dead) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT e.key FROM job.dead_edit e WHERE e.job = d.id AND e.died_at = d.died_at ORDER BY e.n LIMIT 1
$$;

-- As before, and what was malformed and then made right can run. With another key it has another partition: of its old topic only the
-- lane counts.
CREATE OR REPLACE FUNCTION job.revive(ids uuid[]) RETURNS SETOF uuid LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
    DELETE FROM job.cancel c USING job.dead d WHERE c.id = ANY (ids) AND d.id = c.id;
    DELETE FROM job.hold h USING job.dead d WHERE h.id = ANY (ids) AND d.id = h.id;
    PERFORM pg_notify('job_cancel', '');
    RETURN QUERY
    WITH risen AS (
        DELETE FROM job.dead d WHERE d.id = ANY (ids) AND job.can_replay(d) RETURNING d.*
    ), forgotten AS (
        DELETE FROM job.result r USING risen WHERE r.id = risen.id AND r.state = 'dead'
    )
    INSERT INTO job.pending AS p (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload, topic, partition)
    SELECT r.id, clock_timestamp(),
           greatest(r.delivery, (SELECT max(a.delivery) FROM job.attempt a WHERE a.id = r.id)) + 1,
           1, r.queue, r.type, 'replay', r.key, r.headers - '{ce_keyseq,ce_expires}'::text[], r.payload,
           CASE WHEN r.edited_at IS NOT NULL AND job.key_as_died(ROW(r.*)::job.dead) IS DISTINCT FROM r.key
                THEN coalesce(substring(r.topic FROM '\.(?:high|low)$'), '') ELSE r.topic END, r.partition
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

-- As before; and what a purged letter was before it was changed goes with it.
CREATE OR REPLACE FUNCTION job.note_purge() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    purged uuid[] := ARRAY(SELECT g.id FROM gone g WHERE NOT EXISTS (SELECT FROM job.pending p WHERE p.id = g.id));
BEGIN
    DELETE FROM job.dead_edit e WHERE e.job = ANY (purged);
    PERFORM job.note_action('purge', purged);
    RETURN NULL;
END $$;
