-- SPDX-License-Identifier: Apache-2.0
-- What happens to jobs, as functions: each is one step that is right under any number of callers.

-- --- Partitions by id ------------------------------------------------------------------------------------------------

-- The smallest id that a UUIDv7 of this moment, or later, can have.
CREATE FUNCTION job.first_id_after(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- The smallest id of a day (UTC).
CREATE FUNCTION job.first_id_of(day date) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT job.first_id_after(day::timestamp AT TIME ZONE 'UTC')
$$;

-- Makes one day's partition beside the table and attaches it; rows of the day that already lie in the default partition
-- move along. False when it was there.
CREATE FUNCTION job.create_partition(parent text, day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    part text := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
    low uuid := job.first_id_of(day);
    high uuid := job.first_id_of(day + 1);
BEGIN
    IF to_regclass('job.' || part) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE job.%I (LIKE job.%I INCLUDING ALL)', part, parent);
    EXECUTE format('ALTER TABLE job.%I ADD CONSTRAINT bounds CHECK (id >= %L AND id < %L)', part, low, high);
    EXECUTE format('LOCK TABLE job.%I IN ACCESS EXCLUSIVE MODE', parent || '_default');
    EXECUTE format('WITH moved AS (DELETE FROM job.%I WHERE id >= %L AND id < %L RETURNING *) '
                   'INSERT INTO job.%I SELECT * FROM moved', parent || '_default', low, high, part);
    EXECUTE format('ALTER TABLE job.%I ATTACH PARTITION job.%I FOR VALUES FROM (%L) TO (%L)',
                   parent, part, low, high);
    EXECUTE format('ALTER TABLE job.%I DROP CONSTRAINT bounds', part);
    RETURN true;
END $$;

-- Partitions from yesterday (UTC) to `ahead` days from now. Any number of brokers may call it. Returns how many it made.
CREATE FUNCTION job.create_partitions(ahead integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    made integer := 0;
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('job.create_partitions', 0));
    FOR n IN -1 .. ahead LOOP
        made := made + job.create_partition('result', today + n)::integer;
        made := made + job.create_partition('attempt', today + n)::integer;
    END LOOP;
    RETURN made;
END $$;

-- --- The cursor ------------------------------------------------------------------------------------------------------

-- Take-over, step one: raises the epochs and reads the cursors, in one statement. Waits for a transaction of the
-- previous owner that is still open.
CREATE FUNCTION job.take_over(topics text[], partitions integer[], new_owner text)
RETURNS SETOF job.cursor LANGUAGE sql AS $$
    INSERT INTO job.cursor AS c (topic, partition, epoch, owner)
    SELECT w.topic, w.partition, 1, new_owner
    FROM unnest(topics, partitions) AS w (topic, partition)
    ORDER BY w.topic, w.partition
    ON CONFLICT (topic, partition) DO UPDATE
        SET epoch = c.epoch + 1, owner = excluded.owner, unclean = coalesce(c.owner <> excluded.owner, false),
            crash_count = c.crash_count + coalesce(c.owner <> excluded.owner, false)::integer,
            updated_at = clock_timestamp()
    RETURNING c.*
$$;

-- Moves the cursors of one batch, or raises JB001 when one of them is no longer ours at the state that we last wrote.
CREATE FUNCTION job.fence(topics text[], partitions integer[], epochs bigint[], seqs bigint[], next_offsets bigint[],
                          bitmaps bytea[], log_starts bigint[], released boolean[], new_seq bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moved integer;
BEGIN
    UPDATE job.cursor c
    SET batch_seq = new_seq, next_offset = w.next_offset, done = w.done, crash_count = 0,
        log_start = coalesce(c.log_start, w.log_start), owner = CASE WHEN w.released THEN NULL ELSE c.owner END,
        updated_at = clock_timestamp()
    FROM unnest(topics, partitions, epochs, seqs, next_offsets, bitmaps, log_starts, released)
         AS w (topic, partition, epoch, seq, next_offset, done, log_start, released)
    WHERE c.topic = w.topic AND c.partition = w.partition AND c.epoch = w.epoch AND c.batch_seq = w.seq;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(topics) THEN
        RAISE EXCEPTION 'fenced: % of % cursors are still ours', moved, cardinality(topics) USING ERRCODE = 'JB001';
    END IF;
END $$;

-- The functions on leases and tries look rows up by id in partitioned tables. A cached plan that was made while some partition
-- was empty would read that partition from end to end for each id, once it is full: so they never may.

-- --- Leases ----------------------------------------------------------------------------------------------------------

-- Takes leases before the jobs start. Returns the tokens of those that are ours now, in order; the other jobs are taken or
-- have ended already.
-- Repeating it after an unknown COMMIT returns the same.
CREATE FUNCTION job.claim(holder text, ids uuid[], tokens bigint[], deliveries integer[], attempts integer[],
                          queues text[], types text[], topics text[], partitions integer[], offsets bigint[],
                          enqueued timestamptz[], crash_limits integer[], keys bytea[], headers_json text[], payloads bytea[])
RETURNS SETOF bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    INSERT INTO job.lease (id, token, delivery, attempt, queue, type, topic, partition, "offset", enqueued_at,
                           max_crashes, worker, key, headers, payload)
    SELECT c.id, c.token, c.delivery, c.attempt, c.queue, c.type, c.topic, c.partition, c.ofs, c.enqueued,
           c.crash_limit, holder, c.key, c.headers::jsonb, c.payload
    FROM unnest(ids, tokens, deliveries, attempts, queues, types, topics, partitions, offsets, enqueued, crash_limits,
                keys, headers_json, payloads)
         AS c (id, token, delivery, attempt, queue, type, topic, partition, ofs, enqueued, crash_limit, key, headers, payload)
    WHERE NOT EXISTS (SELECT FROM job.result r WHERE r.id = c.id)
      AND NOT EXISTS (SELECT FROM job.attempt a WHERE a.id = c.id AND a.delivery = c.delivery)
    ORDER BY c.id
    ON CONFLICT (id) DO NOTHING;
    RETURN QUERY SELECT l.token FROM job.lease l JOIN unnest(ids, tokens) AS c (id, token) USING (id, token)
                 ORDER BY l.token;
END $$;

-- --- Tries that did not end the job, and those that ended it for good ---------------------------------------------------

-- Writes the attempt row and either the pending row or the dead letter of each job.
--   outcome  of the try; null: there was none (malformed message)
--   verdict  dead.reason when the caller knows that the job is dead; null: crash and unknown-type budgets decide here
--   delay_us until the next try; negative: as the outcome has it (crashed 1, 2, 4, 8 s; parked 10 s … 5 min; else none)
--   token    of the lease that it ends; null: it was none. Without that lease the row is dropped.
-- A job that has ended, or whose delivery has been written before, is left as it is.
CREATE FUNCTION job.defer(holder text, parked_grace interval, ids uuid[], tokens bigint[], deliveries integer[], attempts integer[],
                          queues text[], types text[], topics text[], partitions integer[], offsets bigint[],
                          enqueued timestamptz[], crash_limits integer[], keys bytea[], headers_json text[], payloads bytea[],
                          outcomes text[], verdicts text[], delays_us bigint[], errors text[], started timestamptz[],
                          finished timestamptz[], cpu integer[], peak integer[], traces text[], parents uuid[])
RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    WITH input AS MATERIALIZED (
        SELECT * FROM unnest(ids, tokens, deliveries, attempts, queues, types, topics, partitions, offsets, enqueued,
                             crash_limits, keys, headers_json, payloads, outcomes, verdicts, delays_us, errors, started,
                             finished, cpu, peak, traces, parents)
            AS i (id, token, delivery, attempt, queue, type, topic, partition, ofs, enqueued, crash_limit, key, headers,
                  payload, outcome, verdict, delay_us, error, started, finished, cpu, peak, trace, parent)
    ), released AS (
        DELETE FROM job.lease l USING input i WHERE l.id = i.id AND l.token = i.token RETURNING l.id
    ), own AS MATERIALIZED (
        SELECT DISTINCT ON (i.id) i.* FROM input i
        WHERE (i.token IS NULL OR i.id IN (SELECT id FROM released))
          AND NOT EXISTS (SELECT FROM job.result r WHERE r.id = i.id)
    ), history AS (
        SELECT a.id, count(*) FILTER (WHERE a.outcome IN ('crashed', 'oom', 'lost')) AS crashes,
               count(*) FILTER (WHERE a.outcome = 'parked') AS parks,
               min(a.finished_at) FILTER (WHERE a.outcome = 'parked' AND a.delivery > coalesce(
                   (SELECT max(b.delivery) FROM job.attempt b WHERE b.id = a.id AND b.outcome <> 'parked'), 0)) AS parked_since
        FROM job.attempt a
        WHERE a.id IN (SELECT id FROM own WHERE outcome IN ('crashed', 'oom', 'lost', 'parked'))
        GROUP BY a.id
    ), tried AS (
        INSERT INTO job.attempt (id, delivery, attempt, outcome, error, started_at, finished_at, worker, cpu_ms, peak_kib)
        SELECT o.id, o.delivery, o.attempt, o.outcome, o.error, o.started, o.finished, holder, o.cpu, o.peak
        FROM own o WHERE o.outcome IS NOT NULL
        ORDER BY o.id
        ON CONFLICT DO NOTHING
        RETURNING id
    ), judged AS MATERIALIZED (
        SELECT o.*,
               coalesce(o.verdict,
                        CASE WHEN o.outcome IN ('crashed', 'oom', 'lost') AND coalesce(h.crashes, 0) + 1 >= o.crash_limit
                             THEN 'crashed'
                             WHEN o.outcome = 'parked' AND h.parked_since <= clock_timestamp() - parked_grace
                             THEN 'unknown_type' END) AS fate,
               CASE WHEN o.delay_us >= 0 THEN o.delay_us * interval '1 microsecond'
                    WHEN o.outcome IN ('crashed', 'oom') THEN interval '1 second' * 2 ^ least(coalesce(h.crashes, 0), 3)
                    WHEN o.outcome = 'parked'
                    THEN least(interval '10 seconds' * 2 ^ least(coalesce(h.parks, 0), 5), interval '5 minutes')
                    ELSE interval '0' END AS wait
        FROM own o LEFT JOIN history h USING (id)
        WHERE o.outcome IS NULL OR o.id IN (SELECT id FROM tried)
    ), ended AS (
        INSERT INTO job.result (id, queue, type, state, reason, attempt, delivery, error, enqueued_at, started_at,
                                finished_at, worker, cpu_ms, peak_kib, trace_id, topic, partition, "offset", parent)
        SELECT j.id, j.queue, j.type, 'dead', j.fate, j.attempt, j.delivery, j.error, j.enqueued, j.started,
               j.finished, holder, j.cpu, j.peak, j.trace, j.topic, j.partition, j.ofs, j.parent
        FROM judged j WHERE j.fate IS NOT NULL
        ORDER BY j.id
        ON CONFLICT DO NOTHING
        RETURNING id
    ), buried AS (
        INSERT INTO job.dead (id, died_at, queue, type, reason, delivery, attempt, error, enqueued_at, topic, partition,
                              "offset", key, headers, payload)
        SELECT j.id, j.finished, j.queue, j.type, j.fate, j.delivery, j.attempt, j.error, j.enqueued, j.topic, j.partition,
               j.ofs, j.key, j.headers::jsonb, j.payload
        FROM judged j WHERE j.id IN (SELECT id FROM ended)
        ORDER BY j.id
        ON CONFLICT DO NOTHING
    )
    INSERT INTO job.pending AS p (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload, topic, partition)
    SELECT j.id, clock_timestamp() + j.wait, j.delivery + 1,
           j.attempt + (j.outcome IN ('failed', 'timeout'))::integer, j.queue, j.type,
           CASE j.outcome WHEN 'lost' THEN 'rescue' WHEN 'snoozed' THEN 'snooze' WHEN 'parked' THEN 'parked'
                          WHEN 'throttled' THEN 'throttled' WHEN 'interrupted' THEN 'interrupted' ELSE 'retry' END,
           j.key, j.headers::jsonb, j.payload, j.topic, j.partition
    FROM judged j WHERE j.fate IS NULL
    ORDER BY j.id
    -- The relay may still hold the row whose message this was: wait for its DELETE. DO NOTHING would not, and lose the job.
    ON CONFLICT (id) DO UPDATE
        SET run_at = excluded.run_at, delivery = excluded.delivery, attempt = excluded.attempt, queue = excluded.queue,
            type = excluded.type, reason = excluded.reason, key = excluded.key, headers = excluded.headers,
            payload = excluded.payload, topic = excluded.topic, partition = excluded.partition
        WHERE p.delivery < excluded.delivery;
END $$;

-- Declares a worker dead, if its beat still is the one that the caller has watched for too long: writes `lost` attempts,
-- moves its leases to job.pending (or to job.dead when the crash budget is spent) and deletes its row.
-- Returns how many jobs it rescued; null when the worker has beaten since or is gone.
CREATE FUNCTION job.rescue(lost_worker text, seen_beat timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    rescued integer;
BEGIN
    PERFORM FROM job.worker w WHERE w.id = lost_worker AND w.beat_at = seen_beat FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT count(*) INTO rescued FROM job.lease l WHERE l.worker = lost_worker;
    IF rescued > 0 THEN
        PERFORM job.defer(lost_worker, interval '0', array_agg(l.id), array_agg(l.token), array_agg(l.delivery),
                          array_agg(l.attempt), array_agg(l.queue), array_agg(l.type), array_agg(l.topic),
                          array_agg(l.partition), array_agg(l."offset"), array_agg(l.enqueued_at),
                          array_agg(l.max_crashes), array_agg(l.key), array_agg(l.headers::text), array_agg(l.payload),
                          array_agg('lost'::text), array_agg(NULL::text), array_agg(-1::bigint),
                          array_agg('the worker stopped beating while it held this job'::text),
                          array_agg(l.started_at), array_agg(clock_timestamp()), array_agg(NULL::integer),
                          array_agg(NULL::integer), array_agg(split_part(l.headers ->> 'traceparent', '-', 2)),
                          array_agg((l.headers ->> 'ce_parent')::uuid))
        FROM (SELECT * FROM job.lease WHERE worker = lost_worker ORDER BY id) l;
    END IF;
    DELETE FROM job.worker WHERE id = lost_worker;
    RETURN rescued;
END $$;

-- --- People ----------------------------------------------------------------------------------------------------------

-- Runs dead jobs again: same id, next delivery, attempt 1. A malformed message is nothing that could run. Returns the
-- ids that wait now.
CREATE FUNCTION job.replay(ids uuid[]) RETURNS SETOF uuid LANGUAGE sql SET enable_seqscan = off AS $$
    WITH risen AS (
        DELETE FROM job.dead d WHERE d.id = ANY (ids) AND d.reason <> 'malformed' RETURNING d.*
    ), forgotten AS (
        DELETE FROM job.result r USING risen WHERE r.id = risen.id AND r.state = 'dead'
    )
    INSERT INTO job.pending AS p (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload, topic, partition)
    SELECT r.id, clock_timestamp(),
           greatest(r.delivery, (SELECT max(a.delivery) FROM job.attempt a WHERE a.id = r.id)) + 1,
           1, r.queue, r.type, 'replay', r.key, r.headers, r.payload, r.topic, r.partition
    FROM risen r
    ORDER BY r.id
    -- As in job.defer(): the relay may still hold the row of the last delivery.
    ON CONFLICT (id) DO UPDATE
        SET run_at = excluded.run_at, delivery = excluded.delivery, attempt = excluded.attempt, queue = excluded.queue,
            type = excluded.type, reason = excluded.reason, key = excluded.key, headers = excluded.headers,
            payload = excluded.payload, topic = excluded.topic, partition = excluded.partition
        WHERE p.delivery < excluded.delivery
    RETURNING p.id
$$;

-- A new id (RFC 9562, version 7), from the database's clock.
CREATE FUNCTION job.new_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_byte(overlay(uuid_send(gen_random_uuid())
                                   PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                                   FROM 1 FOR 6),
                           6, (get_byte(uuid_send(gen_random_uuid()), 6) & 15) | 112), 'hex')::uuid
$$;

-- Enqueues a job in the caller's transaction: it exists if and only if that commits.
CREATE FUNCTION job.enqueue(queue text, type text, payload jsonb DEFAULT NULL, key text DEFAULT NULL,
                            run_at timestamptz DEFAULT NULL, max_attempts integer DEFAULT NULL,
                            timeout interval DEFAULT NULL, tags text[] DEFAULT NULL, headers jsonb DEFAULT NULL,
                            id uuid DEFAULT NULL)
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    job_id uuid := coalesce(id, job.new_id());
    all_headers jsonb;
BEGIN
    IF queue IS NULL OR queue !~ '^[a-z0-9][a-z0-9-]{0,62}$' OR queue IN ('later', 'dead') THEN
        RAISE EXCEPTION 'queue % is no queue name: [a-z0-9][a-z0-9-]{0,62}, not "later" or "dead"', quote_nullable(queue)
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF type IS NULL OR type !~ '^[A-Za-z][A-Za-z0-9_.-]{0,127}$' THEN
        RAISE EXCEPTION 'type % is no job type: [A-Za-z][A-Za-z0-9_.-]{0,127}', quote_nullable(type)
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF octet_length(payload::text) + coalesce(octet_length(headers::text), 0) > 1048576 - 1024 THEN
        RAISE EXCEPTION 'payload has % bytes, more than 1 MiB less headers', octet_length(payload::text)
            USING ERRCODE = 'program_limit_exceeded';
    ELSIF max_attempts NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'max_attempts % is not within 1 and 1000', max_attempts USING ERRCODE = 'invalid_parameter_value';
    ELSIF timeout NOT BETWEEN interval '1 millisecond' AND interval '30 days' THEN
        RAISE EXCEPTION 'timeout % is not within 1 ms and 30 days', timeout USING ERRCODE = 'invalid_parameter_value';
    ELSIF jsonb_typeof(headers) <> 'object' THEN
        RAISE EXCEPTION 'headers must be a JSON object of strings' USING ERRCODE = 'invalid_parameter_value';
    ELSIF EXISTS (SELECT FROM jsonb_each(headers) h (name, value)
                  WHERE h.name ~ '^(ce_|content-type$)' OR h.name = '' OR jsonb_typeof(h.value) <> 'string') THEN
        RAISE EXCEPTION 'headers must be strings, and content-type and names beginning with ce_ are reserved'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF (SELECT count(*) FROM jsonb_object_keys(headers)) > 40 OR octet_length(headers::text) > 65536 THEN
        RAISE EXCEPTION 'headers are more than 40, or more than 64 KiB' USING ERRCODE = 'program_limit_exceeded';
    ELSIF id IS NOT NULL AND (substr(id::text, 15, 1) <> '7' OR id >= job.first_id_after(clock_timestamp() + interval '1 hour')) THEN
        RAISE EXCEPTION 'id % is no UUID of version 7, or more than an hour in the future', id
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    all_headers := coalesce(headers, '{}') || jsonb_strip_nulls(jsonb_build_object(
        'ce_source', '/postgresql/' || current_database(),
        'ce_time', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'content-type', 'application/json',
        'ce_maxattempts', max_attempts::text,
        'ce_timeoutms', ceil(extract(epoch FROM timeout) * 1000)::bigint::text,
        'ce_tags', array_to_string(tags, ',')));
    INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, key, headers, payload)
    VALUES (job_id, coalesce(run_at, clock_timestamp()), 1, 1, queue, type,
            CASE WHEN run_at > clock_timestamp() THEN 'delay' ELSE 'outbox' END,
            convert_to(key, 'UTF8'), all_headers, convert_to(payload::text, 'UTF8'));
    RETURN job_id;
END $$;

-- --- Waking the relay ------------------------------------------------------------------------------------------------

-- A NOTIFY in every commit would serialise them; so only a sleeping relay is told, and only of rows due before it wakes.
CREATE FUNCTION job.wake_relay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM job.relay r WHERE r.asleep AND NEW.run_at < r.wake_at) THEN
        PERFORM pg_notify('job_relay', '');
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER pending_wakes_relay AFTER INSERT OR UPDATE OF run_at ON job.pending
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION job.wake_relay();

SELECT job.create_partitions(3);
