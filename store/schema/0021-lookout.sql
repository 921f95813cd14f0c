-- SPDX-License-Identifier: Apache-2.0
-- Idle silence: brokers that have nothing to do rest, and are woken.

-- --- Rescue: while nobody holds a lease, nobody need be watched; the first lease wakes the brokers ---

-- Do brokers rest? Taking leases reads it, so that a commit notifies only brokers that rest.
CREATE TABLE job.lookout (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    rests    boolean NOT NULL DEFAULT false
) WITH (fillfactor = 10);
INSERT INTO job.lookout DEFAULT VALUES;

-- By the primary key: claims run with enable_seqscan = off, and a scan that is forbidden costs so much that PostgreSQL would compile it.
CREATE FUNCTION job.wake_lookout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM job.lookout o WHERE o.only_row AND o.rests) THEN
        PERFORM pg_notify('job_lease', '');
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER lease_wakes_lookout AFTER INSERT ON job.lease FOR EACH STATEMENT EXECUTE FUNCTION job.wake_lookout();

-- --- Relay ---

-- Runs when the enqueuer's transaction commits, as the enqueuer; so it may read with its owner's rights, and by its owner's path.
-- A transaction that looks at one moment for all its time cannot see whether the relay has gone to sleep since, and one that took long
-- commits what a relay that is awake has passed already: these tell it in any case. 35 s are more than a relay sleeps.
-- PostgreSQL refuses to prepare a transaction that has notified: a job of a prepared one is found when the relay looks by itself. (With
-- the extended protocol and without BEGIN there is no current query any more when a statement is committed.)
CREATE OR REPLACE FUNCTION job.wake_relay() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (CASE WHEN NEW.run_at < clock_timestamp() - interval '1 second' THEN true
             WHEN current_setting('transaction_isolation') = 'read committed'
             THEN EXISTS (SELECT FROM job.relay r WHERE r.asleep AND NEW.run_at < r.wake_at)
             ELSE NEW.run_at < clock_timestamp() + interval '35 seconds' END)
       AND (current_query() ~* '(^|;)\s*prepare\s+transaction\M') IS NOT TRUE
    THEN
        PERFORM pg_notify('job_relay', '');
    END IF;
    RETURN NULL;
END $$;
