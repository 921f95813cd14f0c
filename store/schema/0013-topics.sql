-- SPDX-License-Identifier: Apache-2.0
-- Does a topic's log still belong to its cursor? And which of its records are not needed any more?

ALTER TABLE job.cursor
    ADD COLUMN checked_offset bigint,
    ADD COLUMN trouble text,
    ADD COLUMN reset_to bigint;
COMMENT ON COLUMN job.cursor.log_start IS 'the log began here when somebody looked last; null: nothing was read yet';
COMMENT ON COLUMN job.cursor.checked_ts IS 'time stamp (ms) of the record at checked_offset; null: not known';
COMMENT ON COLUMN job.cursor.checked_offset IS 'a record below next_offset that was read; null: none is known';
COMMENT ON COLUMN job.cursor.trouble IS 'recreated: the log is another one than next_offset belongs to; the partition stands';
COMMENT ON COLUMN job.cursor.reset_to IS 'where the next take-over begins, as if nothing of this log had been read';

-- As before; a cursor that was reset begins at the offset that was named. What was recorded of jobs from there on is not
-- known, so they are taken up as after a crash: each is claimed first.
CREATE OR REPLACE FUNCTION job.take_over(topics text[], partitions integer[], new_owner text)
RETURNS SETOF job.cursor LANGUAGE sql AS $$
    INSERT INTO job.cursor AS c (topic, partition, epoch, owner)
    SELECT w.topic, w.partition, 1, new_owner
    FROM unnest(topics, partitions) AS w (topic, partition)
    ORDER BY w.topic, w.partition
    ON CONFLICT (topic, partition) DO UPDATE
        SET epoch = c.epoch + 1, owner = excluded.owner,
            unclean = c.reset_to IS NOT NULL OR coalesce(c.owner <> excluded.owner, false),
            crash_count = c.crash_count + coalesce(c.owner <> excluded.owner, false)::integer,
            next_offset = coalesce(c.reset_to, c.next_offset),
            done = CASE WHEN c.reset_to IS NULL THEN c.done ELSE '' END,
            suspect = CASE WHEN c.reset_to IS NULL THEN c.suspect END,
            log_start = CASE WHEN c.reset_to IS NULL THEN c.log_start END,
            checked_offset = CASE WHEN c.reset_to IS NULL THEN c.checked_offset END,
            checked_ts = CASE WHEN c.reset_to IS NULL THEN c.checked_ts END,
            trouble = CASE WHEN c.reset_to IS NULL THEN c.trouble END,
            reset_to = NULL, updated_at = clock_timestamp()
    RETURNING c.*
$$;

-- As before, and with the newest record below next_offset whose time stamp is known.
DROP FUNCTION job.fence(text[], integer[], bigint[], bigint[], bigint[], bytea[], bigint[], boolean[], boolean[], bigint[], bigint);
CREATE FUNCTION job.fence(topics text[], partitions integer[], epochs bigint[], seqs bigint[], next_offsets bigint[],
                          bitmaps bytea[], log_starts bigint[], released boolean[], careful boolean[], suspects bigint[],
                          new_seq bigint, checked_offsets bigint[] DEFAULT NULL, checked_times bigint[] DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moved integer;
BEGIN
    UPDATE job.cursor c
    SET batch_seq = new_seq, next_offset = w.next_offset, done = w.done,
        crash_count = CASE WHEN w.careful THEN c.crash_count ELSE 0 END, suspect = w.suspect,
        log_start = coalesce(c.log_start, w.log_start), owner = CASE WHEN w.released THEN NULL ELSE c.owner END,
        checked_offset = coalesce(w.checked_offset, c.checked_offset),
        checked_ts = CASE WHEN w.checked_offset IS NULL THEN c.checked_ts ELSE w.checked_ts END,
        updated_at = clock_timestamp()
    FROM unnest(topics, partitions, epochs, seqs, next_offsets, bitmaps, log_starts, released, careful, suspects,
                checked_offsets, checked_times)
         AS w (topic, partition, epoch, seq, next_offset, done, log_start, released, careful, suspect, checked_offset,
               checked_ts)
    WHERE c.topic = w.topic AND c.partition = w.partition AND c.epoch = w.epoch AND c.batch_seq = w.seq;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(topics) THEN
        RAISE EXCEPTION 'fenced: % of % cursors are still ours', moved, cardinality(topics) USING ERRCODE = 'JB001';
    END IF;
END $$;

-- The same for a cursor that was moved without it, in the same transaction.
CREATE FUNCTION job.note_checked(of_topic text, of_partition integer, of_epoch bigint, new_offset bigint, new_ts bigint)
RETURNS void LANGUAGE sql AS $$
    UPDATE job.cursor c SET checked_offset = new_offset, checked_ts = new_ts
    WHERE c.topic = of_topic AND c.partition = of_partition AND c.epoch = of_epoch AND new_offset IS NOT NULL
$$;

-- --- What people must hear of ----------------------------------------------------------------------------------------

-- Kafka has dropped the records from lost_from up to lost_to, which nobody had run; told by the owner of that epoch. `ranges`
-- names those of them that were not done ("7-9,12"). Two owners in a row may find the same end: then the first row is widened.
CREATE FUNCTION job.note_lost(of_topic text, of_partition integer, of_epoch bigint, lost_from bigint, lost_to bigint,
                              lost_jobs bigint, ranges text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    what jsonb := jsonb_build_object('from', lost_from, 'to', lost_to, 'jobs', lost_jobs, 'offsets', ranges);
BEGIN
    PERFORM FROM job.cursor c
    WHERE c.topic = of_topic AND c.partition = of_partition AND c.epoch = of_epoch FOR UPDATE;
    IF NOT FOUND THEN
        RETURN; -- another owner sees for itself
    END IF;
    UPDATE job.incident i
    SET detail = CASE WHEN (i.detail ->> 'jobs')::bigint < lost_jobs THEN what ELSE i.detail END
    WHERE i.kind = 'lost' AND i.topic = of_topic AND i.partition = of_partition AND (i.detail ->> 'to')::bigint = lost_to
      AND (i.detail ->> 'from')::bigint <= lost_to
      AND NOT EXISTS (SELECT FROM job.incident r WHERE r.kind = 'reset' AND r.topic = of_topic
                      AND r.partition = of_partition AND r.id > i.id);
    IF NOT FOUND THEN
        INSERT INTO job.incident (kind, topic, partition, detail) VALUES ('lost', of_topic, of_partition, what);
    END IF;
END $$;

-- The log is not the one that the cursor belongs to. Said once: until it is reset the partition stands. Wakes its owner. True when
-- it is news.
CREATE FUNCTION job.note_recreated(of_topic text, of_partition integer, log_start bigint, log_end bigint, why text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    was job.cursor;
BEGIN
    PERFORM pg_notify('job_topic', format('%s %s', of_topic, of_partition));
    SELECT * INTO was FROM job.cursor c WHERE c.topic = of_topic AND c.partition = of_partition FOR UPDATE;
    IF was.topic IS NULL OR was.trouble IS NOT NULL OR was.reset_to IS NOT NULL THEN
        RETURN false;
    END IF;
    UPDATE job.cursor c SET trouble = 'recreated' WHERE c.topic = of_topic AND c.partition = of_partition;
    INSERT INTO job.incident (kind, topic, partition, detail)
    VALUES ('recreated', of_topic, of_partition,
            jsonb_build_object('next_offset', was.next_offset, 'log_start', log_start, 'log_end', log_end, 'why', why));
    RETURN true;
END $$;

-- A person says: begin anew, at this offset. Takes effect with the next take-over, for which a worker that stands looks every
-- few seconds and when it is woken. What it has read of the old log it finishes before.
CREATE FUNCTION job.reset_cursor(of_topic text, of_partition integer, begin_at bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    was job.cursor;
BEGIN
    SELECT * INTO was FROM job.cursor c WHERE c.topic = of_topic AND c.partition = of_partition FOR UPDATE;
    IF was.topic IS NULL THEN
        RETURN false;
    END IF;
    UPDATE job.cursor c SET reset_to = begin_at, trouble = coalesce(c.trouble, 'recreated')
    WHERE c.topic = of_topic AND c.partition = of_partition;
    DELETE FROM job.trim_point p WHERE p.topic = of_topic AND p.partition = of_partition;
    INSERT INTO job.incident (kind, topic, partition, detail)
    VALUES ('reset', of_topic, of_partition,
            jsonb_build_object('from', was.next_offset, 'to', begin_at, 'by', job.actor()));
    INSERT INTO job.audit (actor, action, detail)
    VALUES (job.actor(), 'reset', jsonb_build_object('topic', of_topic, 'partition', of_partition, 'from', was.next_offset,
                                                     'to', begin_at));
    PERFORM pg_notify('job_topic', format('%s %s', of_topic, of_partition));
    RETURN true;
END $$;

-- --- Trimming --------------------------------------------------------------------------------------------------------

-- Where the cursors have been: a record below next_offset was done at seen_at at the latest.
CREATE TABLE job.trim_point (
    topic       text NOT NULL,
    partition   integer NOT NULL,
    seen_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition, seen_at)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE job.trim_point IS 'where job.cursor has been, for as long as trimming waits';

-- Which history of PostgreSQL this is: another one after a failover, a restored backup, a dump in another database. Then
-- the cursors may be older than what was trimmed by.
CREATE FUNCTION job.history() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('%s/%s/%s', (SELECT system_identifier FROM pg_control_system()),
                  (SELECT oid FROM pg_database WHERE datname = current_database()),
                  left(pg_walfile_name(pg_current_wal_lsn()), 8))
$$;

-- Is this the history by which records were trimmed until now? The first to ask says so.
CREATE FUNCTION job.trim_is_confirmed() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job.setting (name, value) VALUES ('trim_history', job.history()) ON CONFLICT DO NOTHING;
    RETURN (SELECT value = job.history() FROM job.setting WHERE name = 'trim_history');
END $$;

-- A person has looked at the database after a failover and found it whole. Trimming waits anew: nothing is known of before.
CREATE FUNCTION job.confirm_trim() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    was text;
BEGIN
    SELECT value INTO was FROM job.setting WHERE name = 'trim_history' FOR UPDATE;
    IF was = job.history() THEN
        RETURN false;
    END IF;
    INSERT INTO job.setting (name, value) VALUES ('trim_history', job.history())
    ON CONFLICT (name) DO UPDATE SET value = excluded.value;
    DELETE FROM job.trim_point;
    INSERT INTO job.incident (kind, detail)
    VALUES ('trim_confirmed', jsonb_build_object('from', was, 'to', job.history(), 'by', job.actor()));
    INSERT INTO job.audit (actor, action, detail)
    VALUES (job.actor(), 'confirm_trim', jsonb_build_object('from', was, 'to', job.history()));
    RETURN true;
END $$;

-- Remembers where the cursors are, at most 24 times while trimming waits, and forgets what is not needed for that any more.
-- Any number of brokers may call it.
CREATE FUNCTION job.note_trim_points(wait interval) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('job.note_trim_points', 0)) THEN
        RETURN; -- somebody else does
    END IF;
    INSERT INTO job.trim_point (topic, partition, next_offset)
    SELECT c.topic, c.partition, c.next_offset
    FROM job.cursor c LEFT JOIN LATERAL
         (SELECT t.seen_at, t.next_offset FROM job.trim_point t WHERE t.topic = c.topic AND t.partition = c.partition
          ORDER BY t.seen_at DESC LIMIT 1) p ON true
    WHERE c.trouble IS NULL AND c.reset_to IS NULL AND c.next_offset IS DISTINCT FROM p.next_offset
      AND (p.seen_at IS NULL OR p.seen_at <= clock_timestamp() - wait / 24);
    DELETE FROM job.trim_point t
    WHERE EXISTS (SELECT FROM job.trim_point n WHERE n.topic = t.topic AND n.partition = t.partition
                  AND n.seen_at > t.seen_at AND n.seen_at <= clock_timestamp() - wait);
END $$;

-- The cursors of topics whose name begins with `prefix`, and up to where their records can go (null: nothing): every offset at
-- which the cursor has been since `wait` ago is above.
CREATE FUNCTION job.trim_places(prefix text, wait interval)
RETURNS TABLE (topic text, partition integer, next_offset bigint, log_start bigint, checked_offset bigint, checked_ts bigint,
               trouble text, trim_to bigint) LANGUAGE sql AS $$
    SELECT c.topic, c.partition, c.next_offset, c.log_start, c.checked_offset, c.checked_ts,
           CASE WHEN c.reset_to IS NULL THEN c.trouble ELSE 'reset' END,
           (SELECT least(min(p.next_offset), c.next_offset) FROM job.trim_point p
            WHERE p.topic = c.topic AND p.partition = c.partition AND c.trouble IS NULL AND c.reset_to IS NULL
            HAVING min(p.seen_at) <= clock_timestamp() - wait)
    FROM job.cursor c
    WHERE starts_with(c.topic, prefix)
    ORDER BY c.topic, c.partition
$$;

-- The log begins at `start` now, because it was trimmed: whoever finds one that begins before has another log before him.
CREATE FUNCTION job.note_log_start(of_topic text, of_partition integer, start bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE job.cursor c SET log_start = start
    WHERE c.topic = of_topic AND c.partition = of_partition AND c.trouble IS NULL AND c.reset_to IS NULL
      AND c.log_start < start AND start <= c.next_offset
$$;
