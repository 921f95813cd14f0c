/* SPDX-License-Identifier: Apache-2.0 */
/* The public face of libjob/results.h: with a callback, or until there is an answer. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "libjob/client.h"
#include "libjob/error.h"
#include "libjob/results.h"

#define ANSWER_MS 10000                                        /* for questions without a time of their own */
#define TIMEOUT_MAX_MS (INT64_C(100) * 365 * 24 * 3600 * 1000) /* longer is for ever */

/* --- The client's part -------------------------------------------------------------------------------------------------------- */

/* The thread is started when somebody waits for the first time. */
static int find_results(struct job_client *c, struct results **ret)
{
    int r = 0;
    if (!c->database_url)
        return error_set(JOB_E_INVALID_CONFIG,
                         "database_url: neither it nor JOB_DATABASE_URL says where the results are");
    pthread_mutex_lock(&c->mutex);
    if (atomic_load(&c->closing))
        r = JOB_E_CLOSED;
    else if (!c->results)
        r = results_new(&c->results, c->database_url);
    *ret = c->results;
    pthread_mutex_unlock(&c->mutex);
    return r;
}

static int64_t deadline_us(int64_t now_us, int64_t timeout_ms)
{
    return timeout_ms < 0 || timeout_ms > TIMEOUT_MAX_MS ? INT64_MAX : now_us + timeout_ms * USEC_PER_MSEC;
}

static struct watch *watch_new(const struct job_id *id, enum watch_kind kind, int64_t timeout_ms,
                               watch_end_fn end)
{
    int64_t now_us = clock_mono_us();
    struct watch *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    memcpy(&w->id, id, sizeof(w->id));
    w->kind = kind;
    w->began_us = w->look_us = now_us;
    w->deadline_us = deadline_us(now_us, timeout_ms);
    w->end = end;
    return w;
}

/* Gives @w to the thread, or frees it. */
static int submit(struct results *results, struct watch *w)
{
    int r = results_watch(results, w);
    if (r)
        free(w);
    if (r == JOB_E_FULL)
        return error_set(r, "%d jobs are waited for already", JOB_MAX_WATCHES);
    return r;
}

/* --- With a callback ------------------------------------------------------------------------------------------------------------ */

/* A pointer to a function does not fit into one to an object, by the letter. */
struct watcher {
    job_ended_fn ended;
    void *cookie;
};

static void end_watch(struct watch *w, int error, struct job_result *result)
{
    struct watcher *watcher = w->callback;
    struct job_id id;
    memcpy(&id, &w->id, sizeof(id));
    watcher->ended(&id, error, result, watcher->cookie);
    free(watcher);
    free(w);
}

int job_result_watch(struct job_client *client, const struct job_id *id, int64_t timeout_ms,
                     job_ended_fn ended, void *cookie)
{
    struct results *results = NULL;
    int r = find_results(client, &results);
    if (r)
        return r;
    struct watcher *watcher = malloc(sizeof(*watcher));
    struct watch *w = !watcher          ? NULL
                      : timeout_ms == 0 ? watch_new(id, WATCH_END_ONCE, ANSWER_MS, end_watch)
                                        : watch_new(id, WATCH_END, timeout_ms, end_watch);
    if (!w) {
        free(watcher);
        return -ENOMEM;
    }
    *watcher = (struct watcher){ ended, cookie };
    w->callback = watcher;
    r = submit(results, w);
    if (r)
        free(watcher);
    return r;
}

/* --- Until there is an answer --------------------------------------------------------------------------------------------------- */

/* A thread that waits; on its stack. */
struct asker {
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool done;
    int error;
    char why[256];
    struct job_result *result;
};

static void end_asker(struct watch *w, int error, struct job_result *result)
{
    struct asker *a = w->callback;
    free(w);
    pthread_mutex_lock(&a->mutex);
    a->error = error;
    if (error)
        snprintf(a->why, sizeof(a->why), "%s", job_client_error(NULL));
    a->result = result;
    a->done = true;
    pthread_cond_signal(&a->answered);
    pthread_mutex_unlock(&a->mutex);
}

static void await(struct asker *a)
{
    pthread_mutex_lock(&a->mutex);
    while (!a->done)
        pthread_cond_wait(&a->answered, &a->mutex);
    pthread_mutex_unlock(&a->mutex);
}

static int take_answer(struct asker *a, struct job_result **ret)
{
    await(a);
    pthread_cond_destroy(&a->answered);
    pthread_mutex_destroy(&a->mutex);
    if (a->error)
        return error_set(a->error, "%s", a->why);
    *ret = a->result;
    return 0;
}

static int wait_for(struct job_client *c, const struct job_id *id, enum watch_kind kind, int64_t timeout_ms,
                    struct job_result **ret)
{
    struct asker a = { .mutex = PTHREAD_MUTEX_INITIALIZER, .answered = PTHREAD_COND_INITIALIZER };
    struct results *results = NULL;
    int r = find_results(c, &results);
    if (r)
        return r;
    if (results_is_own_thread(results))
        return error_set(-EDEADLK, "called from a callback, by which it would wait for itself");
    struct watch *w = watch_new(id, kind, timeout_ms, end_asker);
    if (!w)
        return -ENOMEM;
    w->callback = &a;
    r = submit(results, w);
    return r ? r : take_answer(&a, ret);
}

int job_result_wait(struct job_client *client, const struct job_id *id, int64_t timeout_ms,
                    struct job_result **ret)
{
    return timeout_ms == 0 ? wait_for(client, id, WATCH_END_ONCE, ANSWER_MS, ret)
                           : wait_for(client, id, WATCH_END, timeout_ms, ret);
}

int job_status(struct job_client *client, const struct job_id *id, int64_t timeout_ms,
               struct job_result **ret)
{
    return wait_for(client, id, WATCH_STATE, timeout_ms == 0 ? ANSWER_MS : timeout_ms, ret);
}
