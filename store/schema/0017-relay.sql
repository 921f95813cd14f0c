-- SPDX-License-Identifier: Apache-2.0
-- The relay looks at each queue on its own: what waits in one is not in the way of another's.

CREATE INDEX pending_queue ON job.pending (queue, run_at, id);
DROP INDEX job.pending_run_at;

-- Jobs that have been in Kafka and that later jobs of their keys there may wait for: these go although their queue is held back.
CREATE INDEX pending_ordered ON job.pending (queue, run_at, id) WHERE headers ? 'ce_keyseq';

-- The queues that have rows, each found by one step in the index.
CREATE FUNCTION job.pending_queues() RETURNS SETOF text LANGUAGE sql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
    WITH RECURSIVE q (queue) AS (
        (SELECT p.queue FROM job.pending p ORDER BY p.queue LIMIT 1)
        UNION ALL
        SELECT (SELECT p.queue FROM job.pending p WHERE p.queue > q.queue ORDER BY p.queue LIMIT 1) FROM q WHERE q.queue IS NOT NULL
    )
    SELECT q.queue FROM q WHERE q.queue IS NOT NULL
$$;
