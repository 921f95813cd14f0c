/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues whose tries fail so fast that their retries would flood PostgreSQL: each queue of a worker has a valve (worker/valve.h), and
 * one that is narrow starts only what its valve allows.
 *
 * What runs goes on, other queues go on. What had been sent ahead into executors when it became narrow comes back, and keeps its place
 * and its lease: to give leases back would be the flood. While a queue's valve is in debt nothing of it is read from Kafka, and no
 * more of its jobs are claimed than may run. Jobs expire and are cancelled when their turn comes, as in every queue.
 *
 * A failed try is one that ends as failed, for good or not, timeout, crashed or oom: each is a row of job.attempt, and one of job.pending
 * or job.dead with the whole message. What is not a handler's failure is not counted, whatever rows it costs: snoozed, interrupted,
 * parked, throttled; nor what a broker writes when a worker is lost.
 *
 * It is said in the log once when a valve becomes narrow and once when it is open again; in between the worker's beats tell it.
 */
#pragma once

#include <systemd/sd-event.h>

#include "base/buf.h"
#include "libjob/config.h"
#include "worker/pool.h"
#include "worker/ready.h"

struct storm;

/* All stay the caller's. The event loop's post source is to call storm_look(). */
int storm_new(struct storm **ret, sd_event *event, const struct job_config *config, struct ready *ready,
              struct pool *pool);
struct storm *storm_free(struct storm *s);
DEFINE_CLEANUP(struct storm *, storm_free)

/* @job has ended, and is about to be recorded. */
void storm_note(struct storm *s, const struct job *job);
/* What may start now, of each queue. Jobs may come back by the pool's `unstarted`. */
void storm_look(struct storm *s);

/* Appends a JSON object: the queues whose valves are narrow, each with its failed tries per second. */
void storm_list(const struct storm *s, struct buf *ret);
/* Into the log, for a person. */
void storm_dump(const struct storm *s);
