/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "libjob/deliver.h"
#include "libjob/error.h"
#include "libjob/names.h"
#include "libjob/results.h"
#include "store/db.h"

#define DEFAULT_BROKERS "127.0.0.1:9092"
#define DEFAULT_DELIVERY_TIMEOUT_MS 120000
#define DEFAULT_LINGER_MS 5
#define DEFAULT_BUFFER_JOBS 100000
#define DEFAULT_BUFFER_BYTES ((size_t)64 * 1024 * 1024)
#define TIMEOUT_MAX_MS (INT64_C(24) * 60 * 60 * 1000)
#define BUFFER_JOBS_MAX 10000000

void deadline_set(struct timespec *ret, int64_t timeout_ms)
{
    clock_gettime(CLOCK_MONOTONIC, ret);
    ret->tv_sec += timeout_ms / 1000;
    ret->tv_nsec += timeout_ms % 1000 * 1000000;
    if (ret->tv_nsec >= 1000000000) {
        ret->tv_sec++;
        ret->tv_nsec -= 1000000000;
    }
}

/* --- options --- */

static int check_url(const char *url)
{
    struct err why = { 0 };
    return db_check_url(url, &why) ? error_set(JOB_E_INVALID_CONFIG, "database_url: %s", why.text) : 0;
}

static int check_options(const struct job_client_options *o)
{
    if (o->prefix && !name_is_prefix(span_from_string(o->prefix)))
        return error_set(JOB_E_INVALID_CONFIG, "prefix \"%.100s\": not the start of a Kafka topic's name",
                         o->prefix);
    if (o->source &&
        (!o->source[0] || strlen(o->source) > 1024 || !utf8_is_text(o->source, strlen(o->source))))
        return error_set(JOB_E_INVALID_CONFIG, "source: empty, longer than 1024 bytes, or not UTF-8");
    if (o->delivery_timeout_ms < 0 || o->delivery_timeout_ms > TIMEOUT_MAX_MS)
        return error_set(JOB_E_INVALID_CONFIG, "delivery_timeout_ms: %" PRId64 " is not in 0 … %" PRId64,
                         o->delivery_timeout_ms, TIMEOUT_MAX_MS);
    if (o->linger_ms < -1 || o->linger_ms > 900000)
        return error_set(JOB_E_INVALID_CONFIG, "linger_ms: %" PRId64 " is not in -1 … 900000", o->linger_ms);
    if (o->buffer_jobs > BUFFER_JOBS_MAX)
        return error_set(JOB_E_INVALID_CONFIG, "buffer_jobs: %zu is more than %d", o->buffer_jobs,
                         BUFFER_JOBS_MAX);
    if (o->database_url && check_url(o->database_url))
        return JOB_E_INVALID_CONFIG;
    for (size_t i = 0; i < o->n_properties; i++)
        if (!o->properties[i].name || !o->properties[i].value)
            return error_set(JOB_E_INVALID_CONFIG, "property %zu: without name or value", i);
    for (size_t i = 0; i < ARRAY_SIZE(o->reserved); i++)
        if (o->reserved[i])
            return error_set(JOB_E_INVALID_CONFIG, "reserved: not zero");
    return 0;
}

static const char *choose_brokers(const struct job_client_options *o)
{
    const char *brokers = o->brokers ? o->brokers : getenv("JOB_KAFKA");
    return brokers && brokers[0] ? brokers : DEFAULT_BROKERS;
}

static int copy_options(struct job_client *c, const struct job_client_options *o)
{
    c->delivered = o->delivered;
    c->userdata = o->userdata;
    c->delivery_timeout_us =
        (o->delivery_timeout_ms ? o->delivery_timeout_ms : DEFAULT_DELIVERY_TIMEOUT_MS) * USEC_PER_MSEC;
    c->prefix = strdup(o->prefix ? o->prefix : "job");
    if (o->source)
        c->source = strdup(o->source);
    else if (asprintf(&c->source, "/%s", program_invocation_short_name) < 0)
        c->source = NULL;
    const char *url = o->database_url ? o->database_url : getenv("JOB_DATABASE_URL");
    if (url && *url && !(c->database_url = strdup(url)))
        return -ENOMEM;
    return c->prefix && c->source ? 0 : -ENOMEM;
}

/* --- life --- */

static void locks_init(struct job_client *c)
{
    pthread_rwlockattr_t writer_first;
    pthread_condattr_t monotonic;
    pthread_rwlockattr_init(&writer_first);
    pthread_rwlockattr_setkind_np(&writer_first, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&c->lock, &writer_first);
    pthread_rwlockattr_destroy(&writer_first);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&c->mutex, NULL);
    pthread_mutex_init(&c->flush_mutex, NULL);
}

static void client_free(struct job_client *c)
{
    producer_free(c->producer);
    tickets_done(&c->tickets);
    pthread_rwlock_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->mutex);
    pthread_mutex_destroy(&c->flush_mutex);
    free(c->prefix);
    free(c->source);
    free(c->database_url);
    free(c);
}
DEFINE_CLEANUP(struct job_client *, client_free)

static size_t buffer_jobs(const struct job_client_options *o)
{
    return o->buffer_jobs ? o->buffer_jobs : DEFAULT_BUFFER_JOBS;
}

static int start_producer(struct job_client *c, const struct job_client_options *o)
{
    int64_t linger_ms = o->linger_ms == -1 ? 0 : o->linger_ms == 0 ? DEFAULT_LINGER_MS : o->linger_ms;
    struct err error = { "" };
    const struct producer_config config = {
        .brokers = choose_brokers(o),
        .client_id = "libjob",
        .message_timeout_us = c->delivery_timeout_us,
        .linger_us = linger_ms * USEC_PER_MSEC,
        .buffer_messages = buffer_jobs(o),
        .buffer_bytes = o->buffer_bytes ? o->buffer_bytes : DEFAULT_BUFFER_BYTES,
        .silent = true,
        .properties = (const struct producer_property *)o->properties,
        .n_properties = o->n_properties,
    };
    int r = producer_new(&c->producer, &config, deliver_report, c, &error);
    if (r < 0)
        error_set(r, "%s", error.text);
    return r == -EINVAL ? JOB_E_INVALID_CONFIG : r;
}

_Static_assert(sizeof(struct job_property) == sizeof(struct producer_property), "the same two strings");

int job_client_open(struct job_client **ret, const struct job_client_options *options)
{
    static const struct job_client_options defaults;
    const struct job_client_options *o = options ? options : &defaults;
    int r = check_options(o);
    if (r)
        return r;
    _cleanup_(client_free_cleanup) struct job_client *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    locks_init(c);
    list_init(&c->held);
    r = copy_options(c, o);
    if (r == 0)
        r = tickets_init(&c->tickets, buffer_jobs(o));
    if (r == 0)
        r = start_producer(c, o);
    if (r == 0)
        r = deliver_start(c);
    if (r)
        return r;
    *ret = steal(c);
    return 0;
}

/* From here on nobody gets any. */
static struct results *take_results(struct job_client *c)
{
    pthread_mutex_lock(&c->mutex);
    atomic_store(&c->closing, true);
    struct results *results = steal(c->results);
    pthread_mutex_unlock(&c->mutex);
    return results;
}

int job_client_close(struct job_client *client, int64_t timeout_ms)
{
    if (!client)
        return 0;
    job_flush(client, timeout_ms);
    results_free(take_results(client));
    size_t n_closed = deliver_stop(client);
    client_free(client);
    return n_closed ? error_set(JOB_E_TIMED_OUT, "%zu jobs were closed without Kafka's answer", n_closed) : 0;
}

/* --- flush --- */

/* Waits under the mutex until nothing counts in n_waiting[@which]. Return: false when the time is over. */
static bool await_drained(struct job_client *c, unsigned which, const struct timespec *deadline)
{
    bool in_time = true;
    pthread_mutex_lock(&c->mutex);
    while (atomic_load(&c->n_waiting[which]) > 0 && in_time)
        in_time = pthread_cond_timedwait(&c->changed, &c->mutex, deadline) != ETIMEDOUT;
    bool drained = atomic_load(&c->n_waiting[which]) == 0;
    pthread_mutex_unlock(&c->mutex);
    return drained;
}

/* The counter that is not in use first, so that turning the epoch over starts it at zero. */
static bool drain_both(struct job_client *c, const struct timespec *deadline)
{
    unsigned current = atomic_load(&c->epoch) & 1;
    if (!await_drained(c, current ^ 1, deadline))
        return false;
    atomic_fetch_add(&c->epoch, 1);
    return await_drained(c, current, deadline);
}

int job_flush(struct job_client *client, int64_t timeout_ms)
{
    struct timespec deadline;
    deadline_set(&deadline, timeout_ms > 0 ? timeout_ms : 0);
    if (pthread_mutex_clocklock(&client->flush_mutex, CLOCK_MONOTONIC, &deadline))
        return error_set(JOB_E_TIMED_OUT, "another thread is still flushing");
    atomic_fetch_add(&client->n_flushing, 1);
    bool drained = drain_both(client, &deadline);
    atomic_fetch_sub(&client->n_flushing, 1);
    pthread_mutex_unlock(&client->flush_mutex);
    return drained
               ? 0
               : error_set(JOB_E_TIMED_OUT, "%zu jobs still wait for Kafka's answer", job_in_flight(client));
}

size_t job_in_flight(struct job_client *client)
{
    return atomic_load(&client->n_waiting[0]) + atomic_load(&client->n_waiting[1]);
}
