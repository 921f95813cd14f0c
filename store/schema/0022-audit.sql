-- SPDX-License-Identifier: Apache-2.0
-- Whatever way somebody replays, cancels, purges or grants, it is written down, and once.

ALTER FUNCTION job.replay(uuid[]) RENAME TO revive;
COMMENT ON FUNCTION job.revive(uuid[]) IS 'what job.replay() does, without writing down who did it';

-- Dead jobs wait again, with their tries counted anew. Returns the ids of those that were there and can be understood.
CREATE FUNCTION job.replay(ids uuid[]) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
DECLARE
    replayed uuid[] := ARRAY(SELECT job.revive(ids));
BEGIN
    PERFORM job.note_action('replay', replayed);
    RETURN QUERY SELECT unnest(replayed);
END $$;

ALTER FUNCTION job.cancel_jobs(uuid[]) RENAME TO ask_to_cancel;
COMMENT ON FUNCTION job.ask_to_cancel(uuid[]) IS 'what job.cancel_jobs() does, without writing down who did it';

-- Jobs end as "cancelled", at once where they wait. Returns for each what happens: cancelled, ended (before), stopping, noted.
CREATE FUNCTION job.cancel_jobs(ids uuid[]) RETURNS TABLE (job uuid, action text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM job.note_action('cancel', ARRAY(SELECT DISTINCT unnest(ids)));
    RETURN QUERY SELECT a.job, a.action FROM job.ask_to_cancel(ids) AS a;
END $$;

-- No dead job goes silently: it waits again, or somebody has purged it.
CREATE FUNCTION job.note_purge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM job.note_action('purge', ARRAY(SELECT g.id FROM gone g WHERE NOT EXISTS (SELECT FROM job.pending p WHERE p.id = g.id)));
    RETURN NULL;
END $$;
CREATE TRIGGER dead_purge_is_noted AFTER DELETE ON job.dead REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION job.note_purge();

CREATE FUNCTION job.note_truncation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job.audit (actor, action, detail)
    VALUES (job.actor(), 'purge', jsonb_build_object('jobs', (SELECT count(*) FROM job.dead)));
    RETURN NULL;
END $$;
CREATE TRIGGER dead_truncation_is_noted BEFORE TRUNCATE ON job.dead FOR EACH STATEMENT EXECUTE FUNCTION job.note_truncation();

CREATE OR REPLACE FUNCTION job.grant_right(role_name text, right_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT job.functions_of_right(right_name) LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA job TO %I', role_name);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', f, role_name);
    END LOOP;
    INSERT INTO job.audit (actor, action, detail)
    VALUES (job.actor(), 'grant', jsonb_build_object('role', role_name, 'right', right_name));
END $$;

CREATE OR REPLACE FUNCTION job.revoke_right(role_name text, right_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT job.functions_of_right(right_name) LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM %I', f, role_name);
    END LOOP;
    INSERT INTO job.audit (actor, action, detail)
    VALUES (job.actor(), 'revoke', jsonb_build_object('role', role_name, 'right', right_name));
END $$;

COMMENT ON TABLE job.audit IS 'who replayed, purged, cancelled, paused, resumed, granted, what was done to job.cron and who hears of deaths, when';
