/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues that people have paused (job.queue): of these nothing starts, nothing is read, and what runs goes on to its end.
 *
 * What had been sent ahead into executors comes back. A job that is leased before its start gives its lease back and waits in Kafka
 * again, so that a paused queue holds no leases. When nothing of a paused queue runs any more it is quiet, which the worker's beats tell:
 * that is how a drain knows its end.
 */
#pragma once

#include "base/buf.h"
#include "store/db.h"
#include "worker/pool.h"
#include "worker/ready.h"

/* These queues are paused from now on, and no others. @names: column 0. @ret_leased: jobs whose leases are to be given back. */
void pause_take(struct ready *ready, struct pool *pool, const struct rows *names, struct list *ret_leased);

/* Appends the quiet queues, with commas between them. */
void pause_list_quiet(const struct ready *ready, struct buf *ret);
