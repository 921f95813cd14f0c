-- SPDX-License-Identifier: Apache-2.0
-- Queues that people have paused, and who did what.

-- Who did what to jobs and queues, when. Kept until somebody deletes it.
CREATE TABLE job.audit (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor  text NOT NULL,
    action text NOT NULL,
    queue  text,
    job    uuid,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_at ON job.audit (at);
COMMENT ON TABLE job.audit IS 'who replayed, purged, cancelled, paused, resumed, when';
COMMENT ON COLUMN job.audit.actor IS 'as job.actor says (SET job.actor = ...; jobctl: user@host), else the session''s role';

-- Who is it? A setting of the session, for tools that speak for people; else the role.
CREATE FUNCTION job.actor() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('job.actor', true), ''), session_user::text)
$$;

-- What people want of a queue; one without a row is as the configuration says, and runs.
CREATE TABLE job.queue (
    name      text PRIMARY KEY,
    paused_at timestamptz,
    paused_by text,
    CONSTRAINT queue_name CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$' AND name NOT IN ('later', 'dead'))
);
COMMENT ON TABLE job.queue IS 'what people want of queues';
COMMENT ON COLUMN job.queue.paused_at IS 'since when nothing of it starts; null: it runs';

ALTER TABLE job.worker ADD COLUMN quiet text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN job.worker.quiet IS 'paused queues of which nothing runs in it any more';

-- From now on nothing of this queue starts, in any worker. False when it was paused already.
CREATE FUNCTION job.pause_queue(queue text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    changed boolean;
BEGIN
    INSERT INTO job.queue AS q (name, paused_at, paused_by) VALUES (queue, clock_timestamp(), job.actor())
    ON CONFLICT (name) DO UPDATE SET paused_at = excluded.paused_at, paused_by = excluded.paused_by WHERE q.paused_at IS NULL;
    changed := FOUND;
    IF changed THEN
        INSERT INTO job.audit (actor, action, queue) VALUES (job.actor(), 'pause', pause_queue.queue);
        PERFORM pg_notify('job_queue', pause_queue.queue);
    END IF;
    RETURN changed;
END $$;

-- It goes on. False when it was not paused.
CREATE FUNCTION job.resume_queue(queue text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    changed boolean;
BEGIN
    UPDATE job.queue q SET paused_at = NULL, paused_by = NULL WHERE q.name = queue AND q.paused_at IS NOT NULL;
    changed := FOUND;
    IF changed THEN
        INSERT INTO job.audit (actor, action, queue) VALUES (job.actor(), 'resume', resume_queue.queue);
        PERFORM pg_notify('job_queue', resume_queue.queue);
    END IF;
    RETURN changed;
END $$;

-- Says that somebody did something to jobs; one row for all of them, which names up to 1,000. Returns how many.
CREATE FUNCTION job.note_action(action text, ids uuid[]) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(cardinality(ids), 0) > 0 THEN
        INSERT INTO job.audit (actor, action, job, detail)
        VALUES (job.actor(), action, CASE WHEN cardinality(ids) = 1 THEN ids[1] END,
                jsonb_build_object('jobs', cardinality(ids), 'ids', to_jsonb(ids[1:1000])));
    END IF;
    RETURN coalesce(cardinality(ids), 0);
END $$;
