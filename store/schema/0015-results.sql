-- SPDX-License-Identifier: Apache-2.0
-- Who may enqueue and who may wait, without seeing anything else; and what somebody who waits is told.

-- Those of the jobs that have ended. Whoever may execute it sees the ends of jobs whose ids it knows, and needs no right on a table.
CREATE FUNCTION job.results_of(ids uuid[])
RETURNS TABLE (id uuid, state text, queue text, type text, reason text, attempt integer, delivery integer, run_at timestamptz,
               enqueued_at timestamptz, started_at timestamptz, finished_at timestamptz, worker text, error text, result text,
               progress text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT r.id, r.state, r.queue, r.type, r.reason, r.attempt, r.delivery, NULL::timestamptz, r.enqueued_at, r.started_at,
                        r.finished_at, r.worker, r.error, r.result::text, NULL::text
                 FROM job.result r WHERE r.id = ANY (ids);
END $$;

-- Those of the jobs that PostgreSQL knows, as they stand now.
CREATE FUNCTION job.states_of(ids uuid[])
RETURNS TABLE (id uuid, state text, queue text, type text, reason text, attempt integer, delivery integer, run_at timestamptz,
               enqueued_at timestamptz, started_at timestamptz, finished_at timestamptz, worker text, error text, result text,
               progress text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT DISTINCT ON (s.id) s.id, s.state, coalesce(s.queue, p.queue), coalesce(s.type, p.type), s.reason, s.attempt,
                        s.delivery, s.run_at, coalesce(r.enqueued_at, l.enqueued_at, job.time_of(p.headers ->> 'ce_time')),
                        s.started_at, s.finished_at, s.worker, r.error, r.result::text, l.progress::text
                 FROM job.status s LEFT JOIN job.result r ON r.id = s.id LEFT JOIN job.lease l ON l.id = s.id
                 LEFT JOIN job.pending p ON p.id = s.id
                 WHERE s.id = ANY (ids)
                 ORDER BY s.id;
END $$;

REVOKE ALL ON FUNCTION job.results_of(uuid[]), job.states_of(uuid[]) FROM PUBLIC;

-- The functions that a right consists of. enqueue: put jobs into the queue, and nothing else. wait: see how jobs stand whose ids one knows.
CREATE FUNCTION job.functions_of_right(name text) RETURNS SETOF regprocedure LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF (name IN ('enqueue', 'wait')) IS NOT TRUE THEN
        RAISE EXCEPTION 'there is no right %: enqueue or wait', left(quote_nullable(name), 80) USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY SELECT p.oid::regprocedure FROM pg_catalog.pg_proc p
                 WHERE p.pronamespace = 'job'::regnamespace
                   AND p.proname = ANY (CASE name WHEN 'enqueue' THEN '{enqueue,enqueue_message}' ELSE '{results_of,states_of}' END::name[]);
END $$;

-- Gives a role a right, or takes it; USAGE on the schema stays. To be called by the owner of the schema.
CREATE FUNCTION job.grant_right(role_name text, right_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT job.functions_of_right(right_name) LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA job TO %I', role_name);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', f, role_name);
    END LOOP;
END $$;

CREATE FUNCTION job.revoke_right(role_name text, right_name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT job.functions_of_right(right_name) LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM %I', f, role_name);
    END LOOP;
END $$;

-- Whoever waits for a job hears of its death, whatever has buried it: the worker, a rescue, or the relay.
CREATE FUNCTION job.tell_of_death() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('job_result', d.id::text) FROM died d WHERE d.headers ? 'ce_reply';
    RETURN NULL;
END $$;
CREATE TRIGGER dead_is_told AFTER INSERT ON job.dead REFERENCING NEW TABLE AS died
    FOR EACH STATEMENT EXECUTE FUNCTION job.tell_of_death();
