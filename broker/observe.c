/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/observe.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define SILENT_US (15 * USEC_PER_SEC) /* more than the beat of a worker without a lease */
#define INTERVAL_MAX_US (1 * USEC_PER_SEC)

struct seen {
    struct observe_beat beat; /* owns the name */
    int64_t since_us;         /* when the first answer with this beat arrived */
    unsigned n_answers;
    bool lost;
};

struct observe {
    int64_t timeout_us, gap_us;
    bool has_leases;
    int64_t watch_until_us; /* somebody without a lease was silent */
    int64_t last_asked_us;  /* -1: nothing was asked since the start or a reset */
    struct seen *workers;
    size_t n;
};

int observe_new(struct observe **ret, int64_t timeout_us)
{
    struct observe *o = calloc(1, sizeof(*o));
    if (!o)
        return -ENOMEM;
    o->timeout_us = timeout_us;
    o->gap_us = timeout_us / 10 * 3;
    o->last_asked_us = -1;
    *ret = o;
    return 0;
}

static void free_workers(struct seen *workers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((char *)(uintptr_t)workers[i].beat.worker);
    free(workers);
}

struct observe *observe_free(struct observe *o)
{
    if (!o)
        return NULL;
    free_workers(o->workers, o->n);
    free(o);
    return NULL;
}

int64_t observe_interval_us(const struct observe *o)
{
    return o->timeout_us / 10 < INTERVAL_MAX_US ? o->timeout_us / 10 : INTERVAL_MAX_US;
}

void observe_reset(struct observe *o)
{
    free_workers(o->workers, o->n);
    o->workers = NULL;
    o->n = 0;
    o->last_asked_us = -1;
}

static const struct seen *find(const struct observe *o, const char *worker)
{
    for (size_t i = 0; i < o->n; i++)
        if (strcmp(o->workers[i].beat.worker, worker) == 0)
            return &o->workers[i];
    return NULL;
}

static int64_t patience_us(const struct observe *o, const struct observe_beat *beat)
{
    return beat->idle && o->timeout_us < OBSERVE_IDLE_US ? OBSERVE_IDLE_US : o->timeout_us;
}

/* What is known of one worker after an answer. */
static int judge(const struct observe *o, const struct observe_beat *beat, int64_t asked_us,
                 int64_t answered_us, struct seen *ret)
{
    const struct seen *known = find(o, beat->worker);
    bool silent = known && known->beat.beat_at_us == beat->beat_at_us;
    *ret = (struct seen){
        .beat = { strdup(beat->worker), beat->beat_at_us, beat->idle },
        .since_us = silent ? known->since_us : answered_us,
        .n_answers = silent ? known->n_answers + 1 : 1,
    };
    ret->lost = ret->n_answers >= OBSERVE_MIN_ANSWERS && asked_us - ret->since_us >= patience_us(o, beat);
    return ret->beat.worker ? 0 : -ENOMEM;
}

/* Also across a gap: that proves no loss, but is a reason to watch. */
static void look_for_silence(struct observe *o, int64_t asked_us, const struct observe_beat *beats, size_t n)
{
    o->has_leases = false;
    for (size_t i = 0; i < n; i++) {
        const struct seen *known = find(o, beats[i].worker);
        o->has_leases |= !beats[i].idle;
        if (known && known->beat.beat_at_us == beats[i].beat_at_us && asked_us - known->since_us >= SILENT_US)
            o->watch_until_us = asked_us + patience_us(o, &beats[i]) + SILENT_US;
    }
}

bool observe_is_calm(const struct observe *o)
{
    return !o->has_leases && o->last_asked_us >= o->watch_until_us;
}

int observe_answer(struct observe *o, int64_t asked_us, int64_t answered_us, const struct observe_beat *beats,
                   size_t n)
{
    look_for_silence(o, asked_us, beats, n);
    if (o->last_asked_us >= 0 && answered_us - o->last_asked_us > o->gap_us)
        observe_reset(o);
    struct seen *workers = calloc(n + 1, sizeof(*workers));
    int r = workers ? 0 : -ENOMEM;
    size_t done = 0;
    for (; done < n && r == 0; done++)
        r = judge(o, &beats[done], asked_us, answered_us, &workers[done]);
    if (r) {
        free_workers(workers, workers ? done : 0);
        observe_reset(o);
        return r;
    }
    free_workers(o->workers, o->n);
    o->workers = workers;
    o->n = n;
    o->last_asked_us = asked_us;
    return 0;
}

const struct observe_beat *observe_get_lost(const struct observe *o, size_t i)
{
    for (size_t at = 0; at < o->n; at++)
        if (o->workers[at].lost && i-- == 0)
            return &o->workers[at].beat;
    return NULL;
}
