-- SPDX-License-Identifier: Apache-2.0
-- Workers that people have drained: they take no jobs any more, and stay.

ALTER TABLE job.worker
    ADD COLUMN phase text NOT NULL DEFAULT 'running',
    ADD COLUMN drain_at timestamptz,
    ADD COLUMN drain_by text;
COMMENT ON COLUMN job.worker.phase IS 'what it said last: running, draining, drained (owns no partition, runs nothing) or stopping';
COMMENT ON COLUMN job.worker.drain_at IS 'since when somebody wants it to take no jobs; null: nobody does';

-- From now on this worker takes no jobs: its partitions go to others, what runs there goes on to its end. False when somebody wanted
-- that already, null when there is no such worker or it was declared dead.
CREATE FUNCTION job.drain_worker(worker text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    was timestamptz;
BEGIN
    SELECT w.drain_at INTO was FROM job.worker w WHERE w.id = worker AND w.lost_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- Also when it is so already: who asks again may wait for an answer.
    PERFORM pg_notify('job_worker', worker);
    IF was IS NOT NULL THEN
        RETURN false;
    END IF;
    UPDATE job.worker w
    SET drain_at = clock_timestamp(), drain_by = job.actor(), phase = CASE w.phase WHEN 'drained' THEN 'draining' ELSE w.phase END
    WHERE w.id = worker;
    INSERT INTO job.audit (actor, action, detail) VALUES (job.actor(), 'drain', jsonb_build_object('worker', worker));
    RETURN true;
END $$;

-- It takes jobs again. False when nobody wanted it drained, null as above.
CREATE FUNCTION job.undrain_worker(worker text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    was timestamptz;
BEGIN
    SELECT w.drain_at INTO was FROM job.worker w WHERE w.id = worker AND w.lost_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM pg_notify('job_worker', worker);
    IF was IS NULL THEN
        RETURN false;
    END IF;
    UPDATE job.worker w SET drain_at = NULL, drain_by = NULL WHERE w.id = worker;
    INSERT INTO job.audit (actor, action, detail) VALUES (job.actor(), 'undrain', jsonb_build_object('worker', worker));
    RETURN true;
END $$;

COMMENT ON TABLE job.audit IS
    'who replayed, purged, cancelled, paused, resumed, drained, granted, what was done to job.cron and who hears of deaths, when';
