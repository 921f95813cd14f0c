-- SPDX-License-Identifier: Apache-2.0
-- How long ended jobs are kept. Long times cost nothing: whole days are dropped. Shorter ones, of a queue or a state, are kept by
-- small deletes, each of which goes on where the last one ended. What died is never dropped: job.dead is not touched.

-- Where the deletes of one rule stand: everything that ended before `until` has been looked at.
CREATE TABLE job.cleaned (
    rule  text PRIMARY KEY,
    until timestamptz NOT NULL
);
COMMENT ON TABLE job.cleaned IS 'how far the deletes of each rule of retention have come';

-- Ended jobs lie about in the order of their ends, so a few bytes per hundred pages find a span of time.
CREATE INDEX result_finished_at ON job.result USING brin (finished_at) WITH (pages_per_range = 32);
CREATE INDEX attempt_finished_at ON job.attempt USING brin (finished_at) WITH (pages_per_range = 32);

CREATE INDEX unique_id ON job.unique (id);

-- The day of a partition, by its name; null: it is the default one, or somebody else's.
CREATE FUNCTION job.day_of_partition(parent text, part text) RETURNS date LANGUAGE sql IMMUTABLE AS $$
    SELECT to_date(substring(part FROM '^' || parent || '_(\d{8})$'), 'YYYYMMDD')
$$;

CREATE FUNCTION job.is_partition_old(parent text, part text, keep interval) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    young boolean;
BEGIN
    IF (job.day_of_partition(parent, part) + 1)::timestamp AT TIME ZONE 'UTC' > clock_timestamp() - keep THEN
        RETURN false;
    END IF;
    -- A job may end long after the day of its id.
    EXECUTE format('SELECT EXISTS (SELECT FROM job.%I WHERE finished_at > clock_timestamp() - $1)', part) INTO young USING keep;
    RETURN NOT young;
END $$;

-- Drops one partition of `parent` in which nothing ended within `keep`; null: there is none, or its lock is not to be had at once.
-- Whoever writes results waits for it no longer than lock_timeout allows this to wait, a moment.
CREATE FUNCTION job.drop_old_partition(parent text, keep interval) RETURNS text LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
DECLARE
    part text;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('job.drop_old_partition', 0)) THEN
        RETURN NULL;
    END IF;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = ('job.' || parent)::regclass AND job.day_of_partition(parent, c.relname::text) IS NOT NULL
        ORDER BY c.relname
    LOOP
        CONTINUE WHEN NOT job.is_partition_old(parent, part, keep);
        -- They are told by results that a job has ended.
        PERFORM job.forget_unique(), job.forget_holds(), job.forget_cancels();
        EXECUTE format('DROP TABLE job.%I', part);
        RETURN part;
    END LOOP;
    RETURN NULL;
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END $$;

-- Where the deletes of a rule begin: on the oldest day that there is.
CREATE FUNCTION job.oldest_day(parent text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT coalesce(min(job.day_of_partition(parent, c.relname::text)), current_date)::timestamp AT TIME ZONE 'UTC'
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = ('job.' || parent)::regclass
$$;

-- Deletes results that one rule does not keep, at most so many: of one queue or of all but `other_queues`, in one state or in all (but not
-- dead as long as the letter is there). It goes on from where it was last, in small spans of time where there is something to do and larger ones where there is not. What is recorded late, after an outage of
-- PostgreSQL, may lie behind it: that goes with its day. Returns how many; `at_most` means that there are more.
CREATE FUNCTION job.delete_results(of_queue text, other_queues text[], in_state text, keep interval, at_most integer) RETURNS integer
LANGUAGE plpgsql SET jit = off AS $$
DECLARE
    rule_name text := coalesce(of_queue, '*') || '/' || coalesce(in_state, '*');
    since timestamptz;
    upto timestamptz;
    cut timestamptz := clock_timestamp() - keep;
    span interval := '1 minute';
    n_now integer;
    n integer := 0;
BEGIN
    INSERT INTO job.cleaned AS c (rule, until) VALUES (rule_name, job.oldest_day('result')) ON CONFLICT DO NOTHING;
    SELECT c.until INTO since FROM job.cleaned c WHERE c.rule = rule_name FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0; -- another broker is at it
    END IF;
    FOR step IN 1 .. 60 LOOP
        EXIT WHEN since >= cut;
        upto := least(cut, since + span);
        WITH old AS MATERIALIZED (
            SELECT r.id FROM job.result r
            WHERE r.finished_at >= since AND r.finished_at < upto AND (of_queue IS NULL OR r.queue = of_queue)
              AND r.queue <> ALL (other_queues) AND (in_state IS NULL OR r.state = in_state)
              AND NOT (r.state = 'dead' AND EXISTS (SELECT FROM job.dead d WHERE d.id = r.id))
            LIMIT at_most - n
        ), forgotten AS (
            DELETE FROM job.unique u USING old o WHERE u.id = o.id AND u.until IS NULL
        ), released AS (
            DELETE FROM job.hold h USING old o WHERE h.id = o.id
        ), gone AS (
            DELETE FROM job.result r USING old o WHERE r.id = o.id RETURNING 1
        )
        SELECT count(*) INTO n_now FROM gone;
        n := n + n_now;
        EXIT WHEN n = at_most;
        since := upto;
        span := CASE WHEN n_now = 0 THEN least(span * 2, interval '1 day') ELSE interval '1 minute' END;
    END LOOP;
    UPDATE job.cleaned c SET until = since WHERE c.rule = rule_name;
    RETURN n;
END $$;

-- The default partitions take what has no day of its own: ids of other making, jobs that waited for months. Those of the last days get
-- their partitions, a few at a time; the others go when their time is over. Returns how many rows went or moved.
CREATE FUNCTION job.empty_defaults(keep_results interval, keep_attempts interval, at_most integer) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
DECLARE
    days date[];
    made integer := 0;
    n integer;
    day date;
BEGIN
    DELETE FROM job.attempt_default a WHERE a.ctid = ANY (ARRAY(
        SELECT b.ctid FROM job.attempt_default b WHERE b.finished_at < clock_timestamp() - keep_attempts LIMIT at_most));
    GET DIAGNOSTICS n = ROW_COUNT;
    made := made + n;
    DELETE FROM job.result_default r WHERE r.ctid = ANY (ARRAY(
        SELECT b.ctid FROM job.result_default b WHERE b.finished_at < clock_timestamp() - keep_results LIMIT at_most));
    GET DIAGNOSTICS n = ROW_COUNT;
    made := made + n;
    SELECT array_agg(d.day) INTO days FROM (
        SELECT DISTINCT s.day::date FROM generate_series(current_date - 60, current_date + 1, interval '1 day') AS s (day)
        WHERE EXISTS (SELECT FROM job.result_default r WHERE r.id >= job.first_id_of(s.day::date) AND r.id < job.first_id_of(s.day::date + 1))
           OR EXISTS (SELECT FROM job.attempt_default a WHERE a.id >= job.first_id_of(s.day::date) AND a.id < job.first_id_of(s.day::date + 1))
        LIMIT 3) d;
    FOREACH day IN ARRAY coalesce(days, '{}') LOOP
        made := made + job.create_partition('result', day)::integer + job.create_partition('attempt', day)::integer;
    END LOOP;
    RETURN made;
EXCEPTION WHEN lock_not_available THEN
    RETURN made;
END $$;

-- --- Counters ----------------------------------------------------------------------------------------------------------

-- How many jobs ended, by the hour. `shard` keeps transactions that count at the same time out of each other's way: sum over it.
CREATE TABLE job.rollup (
    hour  timestamptz NOT NULL,
    n     bigint NOT NULL,
    shard integer NOT NULL,
    queue text NOT NULL,
    type  text NOT NULL,
    state text NOT NULL,
    PRIMARY KEY (hour, queue, type, state, shard)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE job.rollup IS 'how many jobs have ended, counted when they do; it stays when their rows go';

CREATE FUNCTION job.count_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job.rollup AS t (hour, queue, type, state, shard, n)
    SELECT date_trunc('hour', a.finished_at) AS hour, a.queue, coalesce(a.type, '') AS type, a.state, pg_backend_pid() % 64, count(*)
    FROM added a GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (hour, queue, type, state, shard) DO UPDATE SET n = t.n + excluded.n;
    RETURN NULL;
END $$;
CREATE TRIGGER count_ends AFTER INSERT ON job.result REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION job.count_ends();

-- A dead letter outlives its result.
CREATE OR REPLACE VIEW job.status AS
    SELECT id, state, queue, type, attempt, delivery, NULL::timestamptz AS run_at, started_at, finished_at, worker, reason
    FROM job.result
    UNION ALL
    SELECT d.id, 'dead', d.queue, d.type, d.attempt, d.delivery, NULL, NULL, d.died_at, NULL, d.reason
    FROM job.dead d
    WHERE NOT EXISTS (SELECT FROM job.result r WHERE r.id = d.id)
    UNION ALL
    SELECT l.id, 'running', l.queue, l.type, l.attempt, l.delivery, NULL, l.started_at, NULL, l.worker, NULL
    FROM job.lease l
    WHERE NOT EXISTS (SELECT FROM job.result r WHERE r.id = l.id)
    UNION ALL
    SELECT p.id,
           CASE WHEN p.reason IN ('retry', 'rescue') THEN 'retrying'
                WHEN p.run_at > now() AND p.reason = 'throttled' THEN 'waiting'
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
      AND NOT EXISTS (SELECT FROM job.pending p WHERE p.id = a.id)
      AND NOT EXISTS (SELECT FROM job.dead d WHERE d.id = a.id);
