/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/top_gather.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "libjob/names.h"
#include "store/queues.h"
#include "store/top.h"
#include "store/workers.h"

#define SLOW_MAX 100
#define FAILURES_MAX 500
#define FAILURES_BACK_US (300 * USEC_PER_SEC)
#define END_US (300 * USEC_PER_MSEC) /* for the threads to end */
#define SHARE 4                      /* Kafka rests at least so many times as long as it worked */

struct gather {
    struct invocation *owner; /* whose servers and configuration are in `in` as long as this is there */
    struct invocation in;
    const char **declared;
    int fd;
    pthread_t store_thread, kafka_thread;
    bool has_store_thread, has_kafka_thread;

    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t changed;
    bool stopping;
    int n_running;
    int64_t interval_us;
    int n_store_looks, n_kafka_looks;
    struct picture_store store, store_before;
    struct picture_logs logs, logs_before;
    struct picture_errors errors;
};

static void tell(struct gather *g)
{
    eventfd_write(g->fd, 1);
}

static struct timespec at(int64_t mono_us)
{
    return (struct timespec){ .tv_sec = mono_us / USEC_PER_SEC, .tv_nsec = mono_us % USEC_PER_SEC * 1000 };
}

/* Until the next look is due, at @least_us at the earliest. Return: false when there will be none. */
static bool rest(struct gather *g, int64_t begun_us, int64_t least_us)
{
    pthread_mutex_lock(&g->lock);
    for (;;) {
        int64_t due_us = begun_us + g->interval_us;
        due_us = due_us > least_us ? due_us : least_us;
        if (g->stopping || (g->interval_us && clock_mono_us() >= due_us))
            break;
        struct timespec until = at(due_us);
        if (g->interval_us)
            pthread_cond_timedwait(&g->changed, &g->lock, &until);
        else
            pthread_cond_wait(&g->changed, &g->lock);
    }
    bool goes_on = !g->stopping;
    pthread_mutex_unlock(&g->lock);
    return goes_on;
}

static void end_thread(struct gather *g)
{
    pthread_mutex_lock(&g->lock);
    g->n_running--;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

/* --- PostgreSQL --- */

static int64_t find_now(const struct rows *counts)
{
    for (size_t i = 0; i < rows_count(counts); i++)
        if (strcmp(rows_text(counts, i, 0), "now") == 0)
            return rows_time_us(counts, i, 4);
    return clock_wall_us();
}

static int ask_store(struct gather *g, struct picture_store *s, struct err *reterr)
{
    struct db *db = g->in.db;
    int r = top_count(db, &s->counts, reterr);
    s->mono_us = clock_mono_us();
    if (r == 0)
        s->now_us = find_now(s->counts);
    if (r == 0)
        r = top_list_ends(db, &s->ends, reterr);
    if (r == 0)
        r = workers_list(db, &(struct workers_filter){ 0 }, &s->workers, reterr);
    if (r == 0)
        r = top_list_slow(db, SLOW_MAX, &s->slow, reterr);
    if (r == 0)
        r = queues_list_cursors(db, &s->cursors, reterr);
    int64_t since_us = g->errors.until_us ? g->errors.until_us : s->now_us - FAILURES_BACK_US;
    if (r == 0)
        r = top_list_failures(db, since_us, FAILURES_MAX, &s->failures, reterr);
    return r;
}

static int look_at_store(struct gather *g, struct picture_store *s, struct err *reterr)
{
    bool was_open = g->in.db && db_is_connected(g->in.db);
    int r = was_open ? STATUS_DONE : invocation_connect(&g->in, reterr);
    if (r)
        return r;
    r = was_open ? 0 : top_prepare(g->in.db, reterr);
    if (r == 0)
        r = ask_store(g, s, reterr);
    return invocation_judge_store(&g->in, r, reterr);
}

static void take_store(struct gather *g, struct picture_store *s, int r, const struct err *err)
{
    pthread_mutex_lock(&g->lock);
    g->n_store_looks++;
    if (r == STATUS_DONE) {
        picture_store_done(&g->store_before);
        g->store_before = g->store;
        g->store = *s;
        *s = (struct picture_store){ 0 };
        picture_add_failures(&g->errors, g->store.failures);
    } else {
        snprintf(g->store.away, sizeof(g->store.away), "%.199s", err->text);
    }
    pthread_mutex_unlock(&g->lock);
    tell(g);
}

static void *run_store(void *userdata)
{
    struct gather *g = userdata;
    int64_t begun_us;
    do {
        struct picture_store s = { 0 };
        struct err err = { 0 };
        begun_us = clock_mono_us();
        int r = look_at_store(g, &s, &err);
        take_store(g, &s, r, &err);
        picture_store_done(&s);
    } while (rest(g, begun_us, 0));
    end_thread(g);
    return NULL;
}

/* --- Kafka --- */

static int add_topic(struct gather *g, struct picture_logs *l, const struct admin_topic *topic,
                     struct err *reterr)
{
    struct span queue = name_queue_of_topic(g->in.config->prefix, topic->name);
    size_t n = (size_t)topic->n_partitions;
    if (!queue.data)
        return STATUS_DONE;
    _cleanup_free_ struct admin_range *ranges = calloc(n + 1, sizeof(*ranges));
    struct picture_place *places = reallocarray(l->places, l->n_places + n + 1, sizeof(*places));
    if (!places || !ranges)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    l->places = places;
    int r = admin_read_ranges(g->in.admin, topic->name, topic->n_partitions, ranges, reterr);
    if (r)
        return invocation_judge_kafka(&g->in, r, reterr);
    for (size_t i = 0; i < n; i++) {
        struct picture_place *p = &places[l->n_places++];
        *p =
            (struct picture_place){ .partition = (int32_t)i, .start = ranges[i].start, .end = ranges[i].end };
        snprintf(p->topic, sizeof(p->topic), "%s", topic->name);
        snprintf(p->queue, sizeof(p->queue), "%.*s", (int)queue.size, queue.data);
    }
    return STATUS_DONE;
}

static int look_at_kafka(struct gather *g, struct picture_logs *l, struct err *reterr)
{
    _cleanup_(admin_topics_done) struct admin_topics topics = { 0 };
    char prefix[NAME_TOPIC_MAX + 2];
    int r = invocation_prepare_kafka(&g->in, reterr);
    if (r)
        return r;
    snprintf(prefix, sizeof(prefix), "%s.", g->in.config->prefix);
    r = admin_list_topics(g->in.admin, prefix, &topics, reterr);
    if (r)
        return invocation_judge_kafka(&g->in, r, reterr);
    for (size_t i = 0; i < topics.n && r == STATUS_DONE; i++) {
        r = add_topic(g, l, &topics.topics[i], reterr);
        if (r == STATUS_NOT_FOUND) /* it has been deleted just now */
            r = STATUS_DONE;
    }
    l->mono_us = clock_mono_us();
    return r;
}

static void take_logs(struct gather *g, struct picture_logs *l, int r, const struct err *err)
{
    pthread_mutex_lock(&g->lock);
    g->n_kafka_looks++;
    if (r == STATUS_DONE) {
        picture_logs_done(&g->logs_before);
        g->logs_before = g->logs;
        g->logs = *l;
        *l = (struct picture_logs){ 0 };
    } else {
        snprintf(g->logs.away, sizeof(g->logs.away), "%.199s", err->text);
    }
    pthread_mutex_unlock(&g->lock);
    tell(g);
}

static void *run_kafka(void *userdata)
{
    struct gather *g = userdata;
    int64_t begun_us, ended_us;
    do {
        struct picture_logs l = { 0 };
        struct err err = { 0 };
        begun_us = clock_mono_us();
        int r = look_at_kafka(g, &l, &err);
        take_logs(g, &l, r, &err);
        picture_logs_done(&l);
        ended_us = clock_mono_us();
    } while (rest(g, begun_us, ended_us + SHARE * (ended_us - begun_us)));
    end_thread(g);
    return NULL;
}

/* --- From outside --- */

int gather_fd(const struct gather *g)
{
    return g->fd;
}

void gather_clear(struct gather *g)
{
    eventfd_t value;
    eventfd_read(g->fd, &value);
}

void gather_set_interval(struct gather *g, int64_t interval_us)
{
    pthread_mutex_lock(&g->lock);
    g->interval_us = interval_us;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

void gather_make(struct gather *g, struct picture *ret)
{
    pthread_mutex_lock(&g->lock);
    const struct picture_input input = { .store = &g->store,
                                         .store_before = &g->store_before,
                                         .logs = &g->logs,
                                         .logs_before = &g->logs_before,
                                         .errors = &g->errors,
                                         .declared = g->declared,
                                         .n_declared = g->in.config->n_queues };
    picture_make(ret, &input);
    pthread_mutex_unlock(&g->lock);
}

int gather_n_looks(struct gather *g)
{
    pthread_mutex_lock(&g->lock);
    int n = g->n_store_looks < g->n_kafka_looks ? g->n_store_looks : g->n_kafka_looks;
    pthread_mutex_unlock(&g->lock);
    return n;
}

static void free_all(struct gather *g)
{
    picture_store_done(&g->store);
    picture_store_done(&g->store_before);
    picture_logs_done(&g->logs);
    picture_logs_done(&g->logs_before);
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->changed);
    if (g->fd >= 0)
        close(g->fd);
    free(g->declared);
    free(g);
}

/* What hangs keeps what it works with: the process ends without it. */
static void give_back(struct gather *g, bool ended)
{
    g->owner->db = ended ? g->in.db : NULL;
    g->owner->admin = ended ? g->in.admin : NULL;
    g->owner->config = ended ? g->in.config : NULL;
}

void gather_stop(struct gather *g)
{
    struct timespec until = at(clock_mono_us() + END_US);
    int r = 0;
    pthread_mutex_lock(&g->lock);
    g->stopping = true;
    pthread_cond_broadcast(&g->changed);
    while (g->n_running > 0 && r == 0)
        r = pthread_cond_timedwait(&g->changed, &g->lock, &until);
    bool ended = g->n_running == 0;
    pthread_mutex_unlock(&g->lock);
    give_back(g, ended);
    if (!ended)
        return;
    if (g->has_store_thread)
        pthread_join(g->store_thread, NULL);
    if (g->has_kafka_thread)
        pthread_join(g->kafka_thread, NULL);
    free_all(g);
}

/* They hear no signals: those are for the thread that has the terminal. */
static bool start_threads(struct gather *g)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    g->n_running = 2;
    g->has_store_thread = pthread_create(&g->store_thread, NULL, run_store, g) == 0;
    g->has_kafka_thread = pthread_create(&g->kafka_thread, NULL, run_kafka, g) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_lock(&g->lock);
    g->n_running -= !g->has_store_thread + !g->has_kafka_thread;
    pthread_mutex_unlock(&g->lock);
    return g->has_store_thread && g->has_kafka_thread;
}

int gather_start(struct gather **ret, struct invocation *in, int64_t interval_us, struct err *reterr)
{
    pthread_condattr_t attributes;
    struct gather *g = calloc(1, sizeof(*g));
    const char **declared = calloc(in->config->n_queues + 1, sizeof(*declared));
    if (!g || !declared) {
        free(g);
        free(declared);
        return err_set(reterr, STATUS_FAILED, "out of memory");
    }
    for (size_t i = 0; i < in->config->n_queues; i++)
        declared[i] = in->config->queues[i].name;
    *g = (struct gather){ .owner = in, .in = *in, .declared = declared, .interval_us = interval_us };
    g->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&g->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (g->fd < 0 || !start_threads(g)) {
        gather_stop(g);
        return err_set(reterr, STATUS_FAILED, "threads could not be started");
    }
    *ret = g;
    return STATUS_DONE;
}
