/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides which running jobs leave the log: their offset is done and a lease in PostgreSQL keeps them.
 *
 * A job is handed over
 *   - by age: it has run for handover_after, so that its partition's cursor does not wait for it;
 *   - at a revocation: Kafka is answered when nothing of the partition is open any more, and the job goes on here;
 *   - when its partition's window is half full: the oldest jobs are what holds it up.
 *
 * Crash story: none of its own. A hand-over is an entry of the recorder's batch (worker/recorder.h), and until that is
 * committed the job is in the log as before.
 *
 * Not here: short jobs. One that ends within handover_after costs nothing.
 */
#pragma once

#include <systemd/sd-event.h>

#include "worker/pool.h"
#include "worker/recorder.h"

struct handover;

int handover_new(struct handover **ret, sd_event *event, const struct job_config *config, struct pool *pool,
                 struct recorder *recorder);
/* handover_after may have changed. */
void handover_reload(struct handover *h);
struct handover *handover_free(struct handover *h);
DEFINE_CLEANUP(struct handover *, handover_free)

/* Call after jobs were dispatched: looks at them when the first may have grown old. */
void handover_watch(struct handover *h);

/* All that runs of @p. Return: how many were asked for. */
size_t handover_partition(struct handover *h, const struct partition *p);

/* What runs of @p from the older half of its window. */
void handover_oldest(struct handover *h, const struct partition *p);
