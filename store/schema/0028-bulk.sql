-- SPDX-License-Identifier: Apache-2.0
-- What is done to many jobs at once is done in parts, and can be gone on with wherever it was broken off: each part changes its jobs
-- and moves the run's position in one transaction, under the lock of the run's row.

CREATE TABLE job.bulk (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('dead replay', 'dead purge', 'job replay')),
    filter      jsonb NOT NULL,
    actor       text NOT NULL DEFAULT job.actor(),
    owner       text NOT NULL,
    begun_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    moved_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    state       text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'interrupted', 'done', 'abandoned')),
    total       bigint NOT NULL,
    done        bigint NOT NULL DEFAULT 0,
    gone        bigint NOT NULL DEFAULT 0,
    after_at    timestamptz,
    after_id    uuid
);
COMMENT ON TABLE job.bulk IS 'runs over many jobs: how far each has come';
COMMENT ON COLUMN job.bulk.owner IS 'the process that is at it; who takes it over puts in another name, and the former one stops';
COMMENT ON COLUMN job.bulk.state IS 'running (also when its process was killed) interrupted done; abandoned: another one was begun instead';
COMMENT ON COLUMN job.bulk.total IS 'how many there were when it began';
COMMENT ON COLUMN job.bulk.gone IS 'jobs that could not be run again because Kafka has their messages no more';
COMMENT ON COLUMN job.bulk.after_id IS 'up to and with this one (and after_at) all have been looked at';

-- A dead letter that was replayed, as it was: the job's row in job.result goes when it waits again.
CREATE TABLE job.replayed (
    id          uuid NOT NULL,
    delivery    integer NOT NULL,
    attempt     integer NOT NULL,
    died_at     timestamptz NOT NULL,
    replayed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    run         bigint,
    reason      text NOT NULL,
    replayed_by text NOT NULL DEFAULT job.actor(),
    error       text,
    PRIMARY KEY (id, delivery)
);
CREATE INDEX replayed_at ON job.replayed (replayed_at);
COMMENT ON TABLE job.replayed IS 'when and of what a job had died before it was replayed, and who did it';
COMMENT ON COLUMN job.replayed.run IS 'of job.bulk; null: it was named by itself';

-- The run that this transaction is a part of.
CREATE FUNCTION job.current_run() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('job.run', true), '')::bigint
$$;

-- As before, with the run.
CREATE OR REPLACE FUNCTION job.note_action(action text, ids uuid[]) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(cardinality(ids), 0) > 0 THEN
        INSERT INTO job.audit (actor, action, job, detail)
        VALUES (job.actor(), action, CASE WHEN cardinality(ids) = 1 THEN ids[1] END,
                jsonb_strip_nulls(jsonb_build_object('jobs', cardinality(ids), 'ids', to_jsonb(ids[1:1000]), 'run', job.current_run())));
    END IF;
    RETURN coalesce(cardinality(ids), 0);
END $$;

-- As before: no dead job goes silently. It waits again, and what it had died of is kept; or somebody has purged it.
CREATE OR REPLACE FUNCTION job.note_purge() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    purged uuid[] := ARRAY(SELECT g.id FROM gone g WHERE NOT EXISTS (SELECT FROM job.pending p WHERE p.id = g.id));
BEGIN
    INSERT INTO job.replayed (id, delivery, attempt, died_at, reason, error, run)
    SELECT g.id, g.delivery, g.attempt, g.died_at, g.reason, g.error, job.current_run() FROM gone g
    WHERE EXISTS (SELECT FROM job.pending p WHERE p.id = g.id)
    ORDER BY g.id
    ON CONFLICT DO NOTHING;
    DELETE FROM job.dead_edit e WHERE e.job = ANY (purged);
    PERFORM job.note_action('purge', purged);
    RETURN NULL;
END $$;

-- --- Runs ------------------------------------------------------------------------------------------------------------

CREATE FUNCTION job.bulk_begin(run_kind text, run_filter jsonb, n bigint, who text) RETURNS job.bulk LANGUAGE plpgsql AS $$
DECLARE
    b job.bulk;
BEGIN
    UPDATE job.bulk x SET state = 'abandoned', finished_at = clock_timestamp()
    WHERE x.kind = run_kind AND x.filter = run_filter AND x.state IN ('running', 'interrupted');
    INSERT INTO job.bulk (kind, filter, total, owner) VALUES (run_kind, run_filter, n, who) RETURNING * INTO b;
    INSERT INTO job.audit (actor, action, queue, detail)
    VALUES (job.actor(), run_kind, run_filter ->> 'queue', jsonb_build_object('run', b.id, 'filter', run_filter, 'jobs', n));
    RETURN b;
END $$;

-- From now on it is ours; null: it is none that could be gone on with.
CREATE FUNCTION job.bulk_resume(run bigint, run_kind text, who text) RETURNS job.bulk LANGUAGE sql AS $$
    UPDATE job.bulk x SET owner = who, state = 'running', moved_at = clock_timestamp()
    WHERE x.id = run AND x.kind = run_kind AND x.state IN ('running', 'interrupted')
    RETURNING x.*
$$;

-- Does a dead letter belong to what `filter` says?
CREATE FUNCTION job.dead_matches(d job.dead, filter jsonb) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT (filter ->> 'queue' IS NULL OR d.queue = filter ->> 'queue')
       AND (filter ->> 'type' IS NULL OR d.type = filter ->> 'type')
       AND (filter ->> 'reason' IS NULL OR d.reason = filter ->> 'reason')
       AND (filter ->> 'group' IS NULL OR d.group_name = filter ->> 'group')
       AND (filter ->> 'error' IS NULL OR strpos(lower(d.error), lower(filter ->> 'error')) > 0)
       AND (filter ->> 'key' IS NULL OR d.key = convert_to(filter ->> 'key', 'UTF8'))
       AND (filter ->> 'worker' IS NULL OR EXISTS (SELECT FROM job.result r WHERE r.id = d.id AND r.worker = filter ->> 'worker'))
       AND (filter ->> 'since' IS NULL OR d.died_at >= (filter ->> 'since')::timestamptz)
       AND (filter ->> 'until' IS NULL OR d.died_at < (filter ->> 'until')::timestamptz)
$$;

-- One part of a run over dead letters: looks at some, and replays or purges those that belong to it, at most so many and of 4 MiB of
-- payload, but at least one. Letters of jobs that died after the run began are left alone, so that none is replayed twice by one run.
--   looked  letters, in the order of their ids; 0: there are no more, and the run is done
--   ids     what it happened to
--   done    in all
--   taken   somebody else has taken the run over: nothing was done
CREATE FUNCTION job.bulk_dead(run bigint, who text, to_look integer, at_most integer,
                              OUT looked integer, OUT ids uuid[], OUT done bigint, OUT taken boolean)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    b job.bulk;
    wanted uuid[];
    last uuid;
BEGIN
    SELECT * INTO b FROM job.bulk x WHERE x.id = run FOR UPDATE;
    taken := b.owner IS DISTINCT FROM who OR b.state <> 'running';
    done := b.done;
    ids := '{}';
    IF taken THEN
        RETURN;
    END IF;
    WITH page AS MATERIALIZED (
        SELECT d.id, coalesce(octet_length(d.payload), 0) AS size,
               (d.died_at <= b.begun_at AND job.dead_matches(d, b.filter)
                AND (b.kind <> 'dead replay' OR job.can_replay(d))) IS TRUE AS fits
        FROM job.dead d WHERE d.id > coalesce(b.after_id, '00000000-0000-0000-0000-000000000000') ORDER BY d.id LIMIT to_look
    ), summed AS (
        SELECT p.id, p.fits, count(*) FILTER (WHERE p.fits) OVER w AS n, sum(p.size) FILTER (WHERE p.fits) OVER w AS bytes
        FROM page p WINDOW w AS (ORDER BY p.id)
    ), part AS (
        SELECT s.id, s.fits FROM summed s WHERE s.n <= 1 OR (s.n <= at_most AND s.bytes <= 4194304)
    )
    SELECT count(*), array_agg(p.id ORDER BY p.id) FILTER (WHERE p.fits), (SELECT q.id FROM part q ORDER BY q.id DESC LIMIT 1)
    INTO looked, wanted, last FROM part p;
    PERFORM set_config('job.run', run::text, true);
    IF wanted IS NULL THEN
        NULL;
    ELSIF b.kind = 'dead replay' THEN
        ids := ARRAY(SELECT job.replay(wanted));
    ELSE
        WITH gone AS (DELETE FROM job.dead d WHERE d.id = ANY (wanted) RETURNING d.id)
        SELECT coalesce(array_agg(g.id ORDER BY g.id), '{}') INTO ids FROM gone g;
    END IF;
    PERFORM set_config('job.run', '', true);
    done := done + cardinality(ids);
    UPDATE job.bulk x
    SET done = bulk_dead.done, after_id = coalesce(last, x.after_id), moved_at = clock_timestamp(),
        state = CASE WHEN looked = 0 THEN 'done' ELSE x.state END, finished_at = CASE WHEN looked = 0 THEN clock_timestamp() END
    WHERE x.id = run;
END $$;

-- One part of a run that runs ended jobs again: new jobs wait, and the run's position moves up to the job that ended last among those that
-- were looked at. Returns how many are done in all; null: somebody else has taken the run over, and nothing was done.
CREATE FUNCTION job.bulk_rerun(run bigint, who text, upto_at timestamptz, upto_id uuid, n_gone bigint, is_last boolean, ids uuid[],
                               queues text[], types text[], topics text[], keys bytea[], headers_json text[], payloads bytea[])
RETURNS bigint LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    b job.bulk;
BEGIN
    SELECT * INTO b FROM job.bulk x WHERE x.id = run FOR UPDATE;
    IF b.owner IS DISTINCT FROM who OR b.state <> 'running' THEN
        RETURN NULL;
    END IF;
    INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, topic, key, headers, payload)
    SELECT w.id, clock_timestamp(), 1, 1, w.queue, w.type, 'replay', w.topic, w.key, w.headers::jsonb, w.payload
    FROM unnest(ids, queues, types, topics, keys, headers_json, payloads) AS w (id, queue, type, topic, key, headers, payload)
    ORDER BY w.id;
    PERFORM set_config('job.run', run::text, true);
    PERFORM job.note_action('rerun', ids);
    PERFORM set_config('job.run', '', true);
    UPDATE job.bulk x
    SET done = x.done + cardinality(ids), gone = x.gone + n_gone, after_at = upto_at, after_id = upto_id, moved_at = clock_timestamp(),
        state = CASE WHEN is_last THEN 'done' ELSE x.state END, finished_at = CASE WHEN is_last THEN clock_timestamp() END
    WHERE x.id = run
    RETURNING x.done INTO b.done;
    RETURN b.done;
END $$;

-- What is told of runs and replays is told as long as that of tries. A run that nobody went on with goes, too. Returns how many rows went.
CREATE FUNCTION job.forget_bulk(keep interval, at_most integer) RETURNS bigint LANGUAGE sql SET enable_seqscan = off SET jit = off AS $$
    WITH runs AS (
        DELETE FROM job.bulk b WHERE b.moved_at < clock_timestamp() - keep RETURNING 1
    ), replays AS (
        DELETE FROM job.replayed r WHERE (r.id, r.delivery) IN (
            SELECT o.id, o.delivery FROM job.replayed o WHERE o.replayed_at < clock_timestamp() - keep ORDER BY o.replayed_at LIMIT at_most)
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM replays)
$$;

-- --- One job ---------------------------------------------------------------------------------------------------------

-- Jobs that wait for a time are due now. Returns what happens to each:
--   due      from now on
--   was due  before: it goes as soon as its queue lets it
--   running  a worker has it
--   its state, if it has ended
--   null     PostgreSQL does not know it, or only that it is on its way through Kafka
CREATE FUNCTION job.run_now(ids uuid[]) RETURNS TABLE (job uuid, action text, queue text) LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
DECLARE
    changed uuid[];
BEGIN
    WITH due AS (
        UPDATE job.pending p SET run_at = clock_timestamp() WHERE p.id = ANY (ids) AND p.run_at > clock_timestamp() RETURNING p.id
    )
    SELECT array_agg(d.id) INTO changed FROM due d;
    PERFORM job.note_action('run-now', changed);
    RETURN QUERY
        SELECT w.id, CASE WHEN w.id = ANY (changed) THEN 'due'
                          WHEN l.id IS NOT NULL THEN 'running'
                          WHEN p.id IS NOT NULL THEN 'was due'
                          ELSE r.state END,
               coalesce(p.queue, l.queue, r.queue)
        FROM unnest(ids) WITH ORDINALITY AS w (id, place)
        LEFT JOIN job.pending p ON p.id = w.id LEFT JOIN job.lease l ON l.id = w.id LEFT JOIN job.result r ON r.id = w.id
        ORDER BY w.place;
END $$;

COMMENT ON TABLE job.audit IS
    'who replayed, purged, ran again, made due, cancelled, paused, resumed, granted, what was done to job.cron and who hears of deaths, when';
