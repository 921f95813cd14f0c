/* SPDX-License-Identifier: Apache-2.0 */
/* Enqueueing: check and encode on the stack, hand over to the producer, perhaps wait for the answer. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "libjob/client.h"
#include "libjob/deliver.h"
#include "libjob/encode.h"
#include "libjob/error.h"

static int error_of_send(int result)
{
    switch (result) {
    case PRODUCER_FULL:
    case PRODUCER_FATAL: /* no new producer could be made yet; nothing was accepted */
        return error_set(JOB_E_FULL, "too many jobs wait for Kafka's answer");
    case PRODUCER_TOO_LARGE:
        return error_set(JOB_E_TOO_LARGE, "larger than the Kafka property message.max.bytes");
    case PRODUCER_NO_TOPIC:
        return error_set(JOB_E_UNKNOWN_QUEUE, "Kafka has no such topic");
    case PRODUCER_DENIED:
        return error_set(JOB_E_REFUSED, "Kafka does not let this client write to the topic");
    default:
        return result;
    }
}

static int send_once(struct job_client *c, const struct message *m, struct ticket *t,
                     unsigned *ret_generation)
{
    pthread_rwlock_rdlock(&c->lock);
    *ret_generation = c->generation;
    int r = producer_send(c->producer, m, t);
    pthread_rwlock_unlock(&c->lock);
    return r;
}

/* After success the ticket is the delivery thread's. */
static int send_ticket(struct job_client *c, const struct message *m, struct ticket *t)
{
    unsigned generation;
    int r;
    if (atomic_load_explicit(&c->closing, memory_order_relaxed))
        return error_set(JOB_E_CLOSED, "the client is being closed");
    do
        r = send_once(c, m, t, &generation);
    while (r == PRODUCER_FATAL && deliver_await_renewal(c, generation));
    return r ? error_of_send(r) : 0;
}

static struct ticket *ticket_fill(struct job_client *c, const struct uuid *id, void *cookie,
                                  struct waiter *waiter)
{
    struct ticket *t = tickets_take(&c->tickets);
    if (!t)
        return NULL;
    t->id = *id;
    t->cookie = cookie;
    t->deadline_us = clock_mono_us() + c->delivery_timeout_us;
    t->waits = waiter != NULL;
    t->waiter = waiter;
    t->kept = NULL;
    deliver_admit(c, t);
    return t;
}

/* @ret_ticket: for whoever waits; valid under the client's mutex as long as the waiter is not done. */
static int enqueue(struct job_client *c, const struct job_spec *spec, struct job_id *ret_id,
                   struct waiter *waiter, struct ticket **ret_ticket)
{
    struct encoding e;
    int r = encode_job(c->prefix, c->source, spec, &e);
    if (r)
        return r;
    struct ticket *t = ticket_fill(c, &e.id, spec->cookie, waiter);
    if (!t)
        return error_of_send(PRODUCER_FULL);
    r = send_ticket(c, &e.message, t);
    if (r) {
        deliver_dismiss(c, t);
        return r;
    }
    if (ret_id)
        memcpy(ret_id, &e.id, sizeof(*ret_id));
    *ret_ticket = t;
    return 0;
}

int job_enqueue(struct job_client *client, const struct job_spec *spec, struct job_id *ret_id)
{
    struct ticket *t;
    return enqueue(client, spec, ret_id, NULL, &t);
}

int job_enqueue_many(struct job_client *client, const struct job_spec *specs, size_t n,
                     struct job_id *ret_ids, size_t *ret_accepted)
{
    size_t i = 0;
    int r = 0;
    for (; i < n; i++) {
        r = job_enqueue(client, &specs[i], ret_ids ? &ret_ids[i] : NULL);
        if (r)
            break;
    }
    if (ret_accepted)
        *ret_accepted = i;
    return r;
}

static void waiter_init(struct waiter *w)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    *w = (struct waiter){ 0 };
    pthread_cond_init(&w->answered, &attributes);
    pthread_condattr_destroy(&attributes);
}

static int await_answer(struct job_client *c, struct waiter *w, struct ticket *t,
                        const struct timespec *deadline)
{
    pthread_mutex_lock(&c->mutex);
    while (!w->done && pthread_cond_timedwait(&w->answered, &c->mutex, deadline) != ETIMEDOUT)
        ;
    if (!w->done) {
        t->waiter = NULL; /* the report, when it comes, finds nobody */
        w->error = JOB_E_TIMED_OUT;
    }
    pthread_mutex_unlock(&c->mutex);
    return w->error ? error_set(w->error, "%s", w->why[0] ? w->why : job_strerror(w->error)) : 0;
}

int job_enqueue_wait(struct job_client *client, const struct job_spec *spec, struct job_id *ret_id,
                     int64_t timeout_ms)
{
    struct waiter w;
    struct ticket *t;
    struct timespec deadline;
    deadline_set(&deadline, timeout_ms > 0 ? timeout_ms : client->delivery_timeout_us / USEC_PER_MSEC);
    waiter_init(&w);
    int r = enqueue(client, spec, ret_id, &w, &t);
    if (r == 0)
        r = await_answer(client, &w, t, &deadline);
    pthread_cond_destroy(&w.answered);
    return r;
}
