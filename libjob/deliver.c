/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/deliver.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "libjob/names.h"

#define POLL_US (1 * USEC_PER_SEC) /* every event ends it early */
#define RENEW_AGAIN_US (100 * USEC_PER_MSEC)
#define AWAIT_RENEWAL_MS 5000

/* --- tickets --- */

void deliver_admit(struct job_client *c, struct ticket *t)
{
    t->epoch = atomic_load(&c->epoch) & 1;
    atomic_fetch_add(&c->n_waiting[t->epoch], 1);
}

/* Whoever sets n_flushing looks at the counters afterwards, so one of the two sides sees the other. */
static void announce(struct job_client *c)
{
    if (atomic_load(&c->n_flushing) == 0)
        return;
    pthread_mutex_lock(&c->mutex);
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->mutex);
}

static void give_back(struct job_client *c, struct ticket *t)
{
    unsigned epoch = t->epoch;
    tickets_give(&c->tickets, t);
    atomic_fetch_sub(&c->n_waiting[epoch], 1);
}

void deliver_dismiss(struct job_client *c, struct ticket *t)
{
    give_back(c, t);
    announce(c);
}

static void wake_waiter(struct job_client *c, struct ticket *t, int error, const char *why)
{
    pthread_mutex_lock(&c->mutex);
    if (t->waiter) {
        t->waiter->error = error;
        snprintf(t->waiter->why, sizeof(t->waiter->why), "%s", why ? why : "");
        t->waiter->done = true;
        pthread_cond_signal(&t->waiter->answered);
    }
    pthread_mutex_unlock(&c->mutex);
}

static void finish(struct job_client *c, struct ticket *t, int error, const char *why)
{
    struct job_id id;
    memcpy(&id, &t->id, sizeof(id));
    c->n_closed += error == JOB_E_CLOSED;
    if (t->waits)
        wake_waiter(c, t, error, why);
    else if (c->delivered)
        c->delivered(&id, error, t->cookie, c->userdata);
    give_back(c, t);
}

/* --- keeping what the lost producer may or may not have written --- */

static size_t text_size(const struct message *m)
{
    size_t size = strlen(m->topic) + 1 + m->key.size + m->value.size;
    for (size_t i = 0; i < m->n_headers; i++)
        size += strlen(m->headers[i].name) + 1 + m->headers[i].value.size;
    return size;
}

static const char *put(char **at, const void *data, size_t size)
{
    char *start = *at;
    if (size)
        memcpy(start, data, size);
    *at += size;
    return start;
}

static struct span put_span(char **at, struct span s)
{
    return s.data ? (struct span){ put(at, s.data, s.size), s.size } : s;
}

/* Copies @m into one block and adds ce_claim: the first copy may be in the log already. NULL: out of memory. */
static struct message *keep(const struct message *m)
{
    size_t n = m->n_headers;
    struct message *kept = malloc(sizeof(*kept) + (n + 1) * sizeof(*m->headers) + text_size(m));
    if (!kept)
        return NULL;
    struct message_header *headers = (struct message_header *)(kept + 1);
    char *at = (char *)(headers + n + 1);
    bool claimed = false;
    *kept = (struct message){ .topic = put(&at, m->topic, strlen(m->topic) + 1), .partition = -1 };
    kept->key = put_span(&at, m->key);
    kept->value = put_span(&at, m->value);
    for (size_t i = 0; i < n; i++) {
        headers[i].name = put(&at, m->headers[i].name, strlen(m->headers[i].name) + 1);
        headers[i].value = put_span(&at, m->headers[i].value);
        claimed |= strcmp(headers[i].name, HEADER_CLAIM) == 0;
    }
    if (!claimed)
        headers[n++] = (struct message_header){ HEADER_CLAIM, { "1", 1 } };
    kept->headers = headers;
    kept->n_headers = n;
    return kept;
}

static int error_of_report(const struct producer_report *report)
{
    if (report->outcome == PRODUCER_DELIVERED)
        return 0;
    if (report->outcome == PRODUCER_UNKNOWN)
        return JOB_E_TIMED_OUT;
    return report->cause == PRODUCER_CAUSE_NO_TOPIC ? JOB_E_UNKNOWN_QUEUE : JOB_E_REFUSED;
}

static int error_of_send(int result)
{
    if (result == PRODUCER_NO_TOPIC)
        return JOB_E_UNKNOWN_QUEUE;
    return result < 0 ? JOB_E_TIMED_OUT : JOB_E_REFUSED;
}

static void hold(struct job_client *c, struct ticket *t, int error)
{
    t->error = error;
    list_append(&c->held, &t->held);
}

void deliver_report(const struct producer_report *report, void *userdata)
{
    struct job_client *c = userdata;
    struct ticket *t = report->cookie;
    bool lost = report->outcome == PRODUCER_UNKNOWN && report->cause == PRODUCER_CAUSE_LOST;

    if (lost && atomic_load(&c->closing)) {
        finish(c, t, JOB_E_CLOSED, NULL);
    } else if (lost && clock_mono_us() < t->deadline_us) {
        t->kept = keep(report->message);
        hold(c, t, JOB_E_TIMED_OUT);
    } else if (c->renewing) {
        hold(c, t, error_of_report(report));
    } else {
        finish(c, t, error_of_report(report), report->error);
    }
}

/* --- the thread --- */

/* Sends what was kept, in its old order, until the buffer is full or the producer is lost again. */
static void send_kept(struct job_client *c)
{
    list_for_each_safe(at, &c->held)
    {
        struct ticket *t = list_entry(at, struct ticket, held);
        if (!t->kept)
            continue;
        int r = producer_send(c->producer, t->kept, t);
        if (r == PRODUCER_FULL || r == PRODUCER_FATAL)
            return;
        free(t->kept);
        t->kept = NULL;
        if (r == 0)
            list_remove(&t->held); /* with the producer once more */
        else
            t->error = error_of_send(r);
    }
}

static void finish_held(struct job_client *c)
{
    list_for_each_safe(at, &c->held)
    {
        struct ticket *t = list_entry(at, struct ticket, held);
        if (t->kept)
            continue;
        list_remove(&t->held);
        finish(c, t, t->error, NULL);
    }
}

/*
 * The first purge runs without the lock, because its reports run callbacks, which may enqueue (and are told
 * JOB_E_FULL). What slips in behind it is reported under the lock and therefore held.
 */
static void renew(struct job_client *c)
{
    producer_purge(c->producer);
    pthread_rwlock_wrlock(&c->lock);
    c->renewing = true;
    if (producer_renew(c->producer, NULL) == 0) {
        pthread_mutex_lock(&c->mutex);
        c->generation++;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->mutex);
        send_kept(c); /* before anyone else, so that jobs of one key keep their order */
    }
    c->renewing = false;
    pthread_rwlock_unlock(&c->lock);
}

static void close_all(struct job_client *c)
{
    producer_purge(c->producer);
    list_for_each(at, &c->held)
    {
        struct ticket *t = list_entry(at, struct ticket, held);
        if (t->kept)
            t->error = JOB_E_CLOSED;
        free(t->kept);
        t->kept = NULL;
    }
    finish_held(c);
}

static void *deliver_main(void *arg)
{
    struct job_client *c = arg;
    while (!atomic_load(&c->closing)) {
        if (producer_is_fatal(c->producer))
            renew(c);
        producer_poll(c->producer, producer_is_fatal(c->producer) ? RENEW_AGAIN_US : POLL_US);
        send_kept(c);
        finish_held(c);
        announce(c);
    }
    close_all(c);
    announce(c);
    return NULL;
}

/* Signals are the application's, whose handlers must not run in our thread. */
int deliver_start(struct job_client *c)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&c->thread, NULL, deliver_main, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

size_t deliver_stop(struct job_client *c)
{
    atomic_store(&c->closing, true);
    pthread_rwlock_rdlock(&c->lock);
    producer_wake(c->producer);
    pthread_rwlock_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    return c->n_closed;
}

bool deliver_await_renewal(struct job_client *c, unsigned generation)
{
    struct timespec deadline;
    if (pthread_equal(pthread_self(), c->thread))
        return false; /* a callback: this thread itself would have to renew */
    deadline_set(&deadline, AWAIT_RENEWAL_MS);
    pthread_mutex_lock(&c->mutex);
    while (c->generation == generation &&
           pthread_cond_timedwait(&c->changed, &c->mutex, &deadline) != ETIMEDOUT)
        ;
    bool renewed = c->generation != generation;
    pthread_mutex_unlock(&c->mutex);
    return renewed;
}
