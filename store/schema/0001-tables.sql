-- SPDX-License-Identifier: Apache-2.0
-- The state of every job that PostgreSQL knows, and the cursors into Kafka.

-- One row per ended job. Partitioned by the id itself: a UUIDv7 begins with its time, so a look-up by id touches one
-- partition and retention is DROP TABLE.
CREATE TABLE job.result (
    id          uuid PRIMARY KEY,
    "offset"    bigint,
    enqueued_at timestamptz,
    started_at  timestamptz,
    finished_at timestamptz NOT NULL,
    attempt     integer NOT NULL,
    delivery    integer NOT NULL,
    partition   integer,
    cpu_ms      integer,
    peak_kib    integer,
    queue       text NOT NULL,
    type        text,
    state       text NOT NULL,
    reason      text,
    worker      text,
    topic       text,
    trace_id    text,
    parent      uuid,
    error       text,
    result      jsonb
) PARTITION BY RANGE (id);
COMMENT ON TABLE job.result IS 'one row per ended job';
COMMENT ON COLUMN job.result.type IS 'null only for a malformed message that named none';

-- One row per delivery that ended without ending the job, and the last try of a dead job.
CREATE TABLE job.attempt (
    id          uuid NOT NULL,
    started_at  timestamptz,
    finished_at timestamptz NOT NULL,
    delivery    integer NOT NULL,
    attempt     integer NOT NULL,
    cpu_ms      integer,
    peak_kib    integer,
    outcome     text NOT NULL,
    worker      text,
    error       text,
    PRIMARY KEY (id, delivery)
) PARTITION BY RANGE (id);
COMMENT ON TABLE job.attempt IS 'one row per delivery that ended without ending the job, and the last try of a dead job';

CREATE TABLE job.result_default PARTITION OF job.result DEFAULT;
CREATE TABLE job.attempt_default PARTITION OF job.attempt DEFAULT;

-- Everything that happens later waits here, in one place per job. The relay empties it, so dead rows must go fast.
CREATE TABLE job.pending (
    id        uuid PRIMARY KEY,
    run_at    timestamptz NOT NULL,
    delivery  integer NOT NULL,
    attempt   integer NOT NULL,
    partition integer,
    queue     text NOT NULL,
    type      text NOT NULL,
    reason    text NOT NULL,
    topic     text,
    key       bytea,
    headers   jsonb NOT NULL,
    payload   bytea
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX pending_run_at ON job.pending (run_at, id);
COMMENT ON COLUMN job.pending.reason IS 'delay outbox retry snooze cron rescue replay parked throttled interrupted';
COMMENT ON COLUMN job.pending.topic IS 'where the previous delivery came from, with its partition';

-- A live worker. Its leases go with it only through job.rescue().
CREATE TABLE job.worker (
    id         text PRIMARY KEY,
    host       text NOT NULL,
    pid        integer NOT NULL,
    queues     text[] NOT NULL,
    http       text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    beat_at    timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 20);

-- A job that a worker holds outside of its cursor: handed over, or claimed before its start.
CREATE TABLE job.lease (
    id          uuid PRIMARY KEY,
    token       bigint NOT NULL,
    "offset"    bigint,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    enqueued_at timestamptz,
    delivery    integer NOT NULL,
    attempt     integer NOT NULL,
    partition   integer,
    max_crashes integer NOT NULL,
    queue       text NOT NULL,
    type        text NOT NULL,
    topic       text,
    worker      text NOT NULL REFERENCES job.worker (id),
    key         bytea,
    headers     jsonb NOT NULL,
    payload     bytea,
    progress    jsonb
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX lease_worker ON job.lease (worker);
COMMENT ON COLUMN job.lease.token IS 'who may end it: only a transaction that names this number';

-- What cannot succeed, complete, until somebody replays or purges it.
CREATE TABLE job.dead (
    id          uuid PRIMARY KEY,
    died_at     timestamptz NOT NULL,
    "offset"    bigint,
    enqueued_at timestamptz,
    delivery    integer NOT NULL,
    attempt     integer NOT NULL,
    partition   integer,
    queue       text NOT NULL,
    type        text,
    reason      text NOT NULL,
    topic       text,
    error       text,
    key         bytea,
    headers     jsonb NOT NULL,
    payload     bytea
);
COMMENT ON COLUMN job.dead.reason IS 'exhausted failed crashed malformed unknown_type';

-- Where recording stands in each Kafka partition. Offsets below next_offset are done; `done` is a bitmap of those done
-- beyond it (worker/window.c). A batch may touch it only with the epoch of the last take-over.
CREATE TABLE job.cursor (
    topic       text NOT NULL,
    partition   integer NOT NULL,
    epoch       bigint NOT NULL,
    batch_seq   bigint NOT NULL DEFAULT 0,
    next_offset bigint NOT NULL DEFAULT 0,
    done        bytea NOT NULL DEFAULT '',
    owner       text,
    unclean     boolean NOT NULL DEFAULT false,
    crash_count integer NOT NULL DEFAULT 0,
    log_start   bigint,
    checked_ts  bigint,
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200,
        autovacuum_vacuum_cost_delay = 0);
ALTER TABLE job.cursor ALTER COLUMN done SET STORAGE EXTERNAL;
COMMENT ON COLUMN job.cursor.owner IS 'worker that took it over; null: released in good order';
COMMENT ON COLUMN job.cursor.unclean IS 'at the last take-over the previous owner had not released it';
COMMENT ON COLUMN job.cursor.log_start IS 'first offset of the log when the cursor began; null: nothing was read yet';
COMMENT ON COLUMN job.cursor.checked_ts IS 'time stamp (ms) of the record before next_offset; null: not known';

-- Are relays asleep, and until when at the latest? Enqueueing reads it, so that a commit notifies only a sleeping relay.
CREATE TABLE job.relay (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    asleep   boolean NOT NULL DEFAULT false,
    wake_at  timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
INSERT INTO job.relay DEFAULT VALUES;

-- What all daemons must agree on.
CREATE TABLE job.setting (
    name  text PRIMARY KEY,
    value text NOT NULL
);
INSERT INTO job.setting VALUES ('transport', 'kafka');

-- What people must hear of, to the offset.
CREATE TABLE job.incident (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind      text NOT NULL,
    topic     text,
    partition integer,
    detail    jsonb NOT NULL
);

-- One row per job that PostgreSQL knows. A job whose last delivery is on its way through Kafka is "queued".
CREATE VIEW job.status AS
    SELECT id, state, queue, type, attempt, delivery, NULL::timestamptz AS run_at, started_at, finished_at, worker, reason
    FROM job.result
    UNION ALL
    SELECT id, 'running', queue, type, attempt, delivery, NULL, started_at, NULL, worker, NULL
    FROM job.lease
    UNION ALL
    SELECT id,
           CASE WHEN reason IN ('retry', 'rescue') THEN 'retrying'
                WHEN run_at > now() THEN 'scheduled'
                ELSE 'queued' END,
           queue, type, attempt, delivery, run_at, NULL, NULL, NULL, reason
    FROM job.pending
    UNION ALL
    SELECT a.id, 'queued', NULL, NULL, a.attempt, a.delivery, NULL, NULL, NULL, NULL, a.outcome
    FROM (SELECT DISTINCT ON (id) id, attempt, delivery, outcome FROM job.attempt ORDER BY id, delivery DESC) a
    WHERE NOT EXISTS (SELECT FROM job.result r WHERE r.id = a.id)
      AND NOT EXISTS (SELECT FROM job.lease l WHERE l.id = a.id)
      AND NOT EXISTS (SELECT FROM job.pending p WHERE p.id = a.id);
COMMENT ON VIEW job.status IS 'one row per job that PostgreSQL knows';
