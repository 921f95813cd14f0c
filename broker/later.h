/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The later duty: takes jobs from the topic <prefix>.later into job.pending, where they wait for their time; those with a unique key are
 * judged on the way.
 *
 * Any number of brokers share the topic's partitions as one consumer group. What was read is recorded with the cursor, in one transaction
 * that is fenced by the partition's epoch, so a message becomes a job exactly once, whoever dies. A partition goes through
 *
 *     assigned ──▶ taken over (PostgreSQL) ──▶ confirmed (Kafka) ──▶ read, batch after batch
 *                      ▲────────── fenced, or the connection was lost: nobody knows what was recorded ──┘
 *
 * Nothing is in flight between two batches: losing a batch costs reading it again. An idle duty asks nobody anything.
 */
#pragma once

#include "base/pulse.h"
#include "libjob/config.h"

/* Returns when the broker stops: 0; negative when it cannot start, said in the log. @stop_fd, @pulse: as in broker/duty.h. */
int later_run(const struct job_config *config, int stop_fd, struct pulse *pulse);
