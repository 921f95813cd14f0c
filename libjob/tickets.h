/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ticket for each job that may wait for Kafka's answer, made at once: their number is the buffer's bound.
 *
 * Not malloc(): memory that one thread takes and another gives back costs a fifth of the CPU of a whole enqueue
 * (measured with glibc 2.36). Pages are touched when they are first needed.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/uuid.h"

struct message;
struct waiter;

/* One accepted job until its delivery is reported. */
struct ticket {
    struct uuid id;
    void *cookie;
    int64_t deadline_us;        /* monotonic; after this it is not sent again */
    unsigned epoch;             /* which counter of job_client.n_waiting it is in */
    bool waits;                 /* job_enqueue_wait(): no callback */
    struct waiter *waiter;      /* guarded by the client's mutex; NULL when that thread has given up */
    struct list held;           /* in job_client.held */
    struct message *kept;       /* to be sent again; one block */
    int error;                  /* held without `kept`: what to report */
    _Atomic uint32_t next_free; /* number of the ticket below it in the stack */
};

struct tickets {
    struct ticket *all;
    size_t n;
    atomic_size_t n_touched; /* tickets before this one have been in use */
    _Atomic uint64_t free; /* a stack: low half the number (index + 1) of the top, high half counts changes */
};

/* Return: 0; -ENOMEM. */
int tickets_init(struct tickets *t, size_t n);
void tickets_done(struct tickets *t);

/* Any thread, without a lock. Its members are as the last user left them. Return: NULL when all are in use. */
struct ticket *tickets_take(struct tickets *t);
void tickets_give(struct tickets *t, struct ticket *ticket);
