/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of struct job_client: what the enqueueing threads and the delivery thread share.
 *
 * Model: an enqueueing thread checks and encodes a job on its stack and hands it to the producer with a ticket. The
 * ticket comes back exactly once, in the delivery thread, and ends there: with a callback, or by waking the thread
 * that waits for it.
 *
 * Locks: `lock` is held shared around every use of the producer by an enqueueing thread and exclusively while the
 * delivery thread replaces the producer's handle. `mutex` guards what threads wait for. No callback runs under either.
 *
 * When the producer is lost (fatal error), nobody knows which of its messages are in the log. Each is kept, gets
 * ce_claim so that a worker runs it only once, and is sent again through the next handle while its delivery time lasts.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/list.h"
#include "libjob/include/job.h"
#include "libjob/tickets.h"
#include "stream/producer.h"

/* A thread in job_enqueue_wait(); lives on its stack. */
struct waiter {
    pthread_cond_t answered;
    int error;
    char why[128]; /* Kafka's words; "" when it had none */
    bool done;
};

struct results;

struct job_client {
    char *prefix, *source;
    char *database_url; /* NULL: not said */
    job_delivered_fn delivered;
    void *userdata;
    int64_t delivery_timeout_us;
    struct producer *producer;
    struct tickets tickets;
    pthread_t thread;
    atomic_bool closing;

    pthread_rwlock_t lock;
    unsigned generation; /* of the producer's handle; written under both locks, read under either */

    /*
     * job_flush() must not wait for jobs enqueued after it was called: tickets count in n_waiting[epoch], a flush turns
     * the epoch over and waits for the other counter to drain.
     */
    atomic_size_t n_waiting[2];
    atomic_uint epoch;
    atomic_uint n_flushing;
    pthread_mutex_t flush_mutex; /* one flush turns the epoch at a time */

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a counter drained, or generation grew */

    struct results *results; /* NULL until somebody waits; set under `mutex`, freed by the client's end */

    /* the delivery thread's own */
    struct list held; /* tickets to be sent again or to be reported outside of the lock */
    bool renewing;
    size_t n_closed;
};

/* The monotonic time @timeout_ms from now, for pthread_cond_timedwait(). */
void deadline_set(struct timespec *ret, int64_t timeout_ms);
