-- SPDX-License-Identifier: Apache-2.0
-- Queues of which too many tries fail.

ALTER TABLE job.worker ADD COLUMN narrow jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN job.worker.narrow IS
    'queues of which too many tries fail in it, each with how many may per second: so few of their jobs start there that it holds';
