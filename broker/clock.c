/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/clock.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "broker/clean.h"
#include "broker/duty.h"
#include "broker/observe.h"
#include "store/jobs.h"
#include "store/partition.h"
#include "store/rescue.h"

#define PARTITIONS_US (INT64_C(3600) * USEC_PER_SEC)
#define PARTITIONS_AGAIN_US (60 * USEC_PER_SEC)
#define FORGET_US (INT64_C(600) * USEC_PER_SEC)
#define REST_US (60 * USEC_PER_SEC)
#define AWAKE_US                                                                                             \
    (30 * USEC_PER_SEC) /* between two rests at least: leases that come and go would notify each time */
#define STEP_PAUSE_US (10 * USEC_PER_MSEC) /* between two steps of cleaning, or of a rescue, for others */

struct clock {
    struct duty duty;
    struct observe *observe;
    struct clean clean;
    bool cleans;   /* there is more to clean at once */
    bool rescues;  /* there is more to rescue at once */
    size_t n_lost; /* workers that were declared dead and have something left */
    int64_t awake_until_us;
    unsigned n_rests; /* looks in a row that found nobody to be watched */
    int64_t next_partitions_us, next_forget_us;
};

/* --- Partitions --- */

/* A refusal (a lock that was not to be had) can wait a minute: they are made days ahead. */
static int make_partitions(struct clock *c, struct err *reterr)
{
    int made = 0;
    if (clock_mono_us() < c->next_partitions_us)
        return 0;
    int r = partition_create(c->duty.db, c->duty.config->broker.partitions_ahead, &made, reterr);
    c->next_partitions_us = clock_mono_us() + (r ? PARTITIONS_AGAIN_US : PARTITIONS_US);
    if (made > 0)
        log_info("clock: %d partitions made", made);
    if (r == STORE_REFUSED)
        log_error("clock: partitions: %s", reterr->text);
    return r == STORE_REFUSED ? 0 : r;
}

/* --- What has done its work: cancellations, holds of keys, unique keys --- */

static int forget(struct clock *c, struct err *reterr)
{
    if (clock_mono_us() < c->next_forget_us)
        return 0;
    c->next_forget_us = clock_mono_us() + FORGET_US;
    int r = jobs_forget(c->duty.db, reterr);
    if (r == STORE_REFUSED)
        log_error("clock: forgetting: %s", reterr->text);
    return r == STORE_REFUSED ? 0 : r;
}

/* --- What is kept no longer --- */

/* A refusal (a lock that was not to be had) can wait. */
static int clean(struct clock *c, struct err *reterr)
{
    c->cleans = false;
    int r = clean_step(&c->clean, c->duty.db, &c->cleans, reterr);
    if (r == STORE_REFUSED) {
        log_error("clock: cleaning: %s", reterr->text);
        c->cleans = false;
    }
    return r == STORE_REFUSED ? 0 : r;
}

/* --- Rescue --- */

/* Of those that live as far as anybody knows. */
static int observe_beats(struct clock *c, const struct rows *workers, int64_t asked_us)
{
    size_t n = 0;
    _cleanup_free_ struct observe_beat *beats = calloc(rows_count(workers) + 1, sizeof(*beats));
    if (!beats) {
        observe_reset(c->observe);
        return -ENOMEM;
    }
    for (size_t i = 0; i < rows_count(workers); i++) {
        struct rescue_worker worker;
        rescue_get_worker(workers, i, &worker);
        if (!worker.lost)
            beats[n++] = (struct observe_beat){ worker.id, worker.beat_at_us, worker.idle };
    }
    return observe_answer(c->observe, asked_us, clock_mono_us(), beats, n);
}

/* A refusal can wait for the next look. */
static int bear_refusal(int r, const char *worker, const struct err *err)
{
    if (r == STORE_REFUSED)
        log_error("clock: rescue of worker %s: %s", worker, err->text);
    return r == STORE_REFUSED ? 0 : r;
}

static int declare_lost(struct clock *c, const struct observe_beat *silent, struct err *reterr)
{
    bool declared = false;
    int r = rescue_declare_lost(c->duty.db, silent->worker, silent->beat_at_us, &declared, reterr);
    if (declared) {
        log_warning("clock: worker %s is declared dead", silent->worker);
        c->n_lost++;
        c->rescues = true;
    }
    return bear_refusal(r, silent->worker, reterr);
}

/* A part of what it has left. */
static int rescue_from(struct clock *c, const char *lost, struct err *reterr)
{
    struct rescue_part part = { .n_total = -1 };
    int r = rescue_jobs(c->duty.db, lost, &part, reterr);
    if (part.n_total >= 0)
        log_warning("clock: worker %s is gone, %d jobs rescued", lost, part.n_total);
    else
        c->n_lost++;
    c->rescues |= part.n_jobs > 0 && part.n_total < 0;
    return bear_refusal(r, lost, reterr);
}

/* From those that were declared dead, by whichever broker; not for so long that the observation of the others would have a gap. */
static int rescue_some(struct clock *c, const struct rows *workers, int64_t asked_us, struct err *reterr)
{
    int r = 0;
    c->n_lost = 0;
    c->rescues = false;
    for (size_t i = 0; i < rows_count(workers) && r == 0; i++) {
        struct rescue_worker worker;
        rescue_get_worker(workers, i, &worker);
        if (!worker.lost)
            continue;
        if (clock_mono_us() - asked_us < observe_interval_us(c->observe)) {
            r = rescue_from(c, worker.id, reterr);
        } else {
            c->n_lost++;
            c->rescues = true;
        }
    }
    return r;
}

static int rescue(struct clock *c, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *workers = NULL;
    int64_t asked_us = clock_mono_us();
    int r = rescue_list_workers(c->duty.db, &workers, reterr);
    if (r == 0)
        r = observe_beats(c, workers, asked_us);
    if (r == 0)
        r = rescue_some(c, workers, asked_us, reterr);
    for (size_t i = 0; r == 0; i++) {
        const struct observe_beat *silent = observe_get_lost(c->observe, i);
        if (!silent)
            break;
        r = declare_lost(c, silent, reterr);
    }
    return r;
}

/* --- Rest --- */

/*
 * While nobody is to be watched, the next lease wakes us. One that was taken by a transaction that had begun before we said so does
 * not: that is found by looking again soon, twice.
 */
static int64_t rest_us(const struct clock *c)
{
    int64_t us = c->n_rests == 1 ? USEC_PER_SEC : c->n_rests == 2 ? 10 * USEC_PER_SEC : REST_US;
    int64_t clean_us = c->clean.next_us - clock_mono_us();
    return clean_us < 0 ? 0 : clean_us < us ? clean_us : us;
}

/* After a look. Says it when we begin to rest, and when we begin to watch. Return: as db_query(). */
static int settle(struct clock *c, struct err *reterr)
{
    bool was_resting = c->n_rests > 0;
    bool rests = observe_is_calm(c->observe) && c->n_lost == 0 && clock_mono_us() >= c->awake_until_us;
    c->n_rests = rests ? c->n_rests + 1 : 0;
    if (was_resting == (c->n_rests > 0))
        return 0;
    return was_resting ? rescue_wake(c->duty.db, reterr) : rescue_rest(c->duty.db, reterr);
}

/* Until the next look. Only a rest is ended by news. */
static int pause_after_look(struct clock *c, struct err *reterr)
{
    bool has_more = c->cleans || c->rescues;
    if (has_more || c->n_rests == 0) {
        duty_pause(&c->duty, has_more ? STEP_PAUSE_US : observe_interval_us(c->observe));
        return 0;
    }
    int waited = db_wait(c->duty.db, c->duty.stop_fd, rest_us(c), NULL, 0);
    if (waited == DB_NOTIFIED)
        c->awake_until_us = clock_mono_us() + AWAKE_US;
    return waited == DB_AWAY ? err_set(reterr, STORE_AWAY, "the connection to PostgreSQL was lost") : 0;
}

/* A look sees what there is to be told of until then. */
static void forget_news(struct clock *c)
{
    while (db_wait(c->duty.db, -1, 0, NULL, 0) == DB_NOTIFIED)
        ;
}

/* --- The thread --- */

static int tick(struct clock *c, struct err *reterr)
{
    int r = make_partitions(c, reterr);
    if (r == 0)
        r = forget(c, reterr);
    if (r == 0)
        r = clean(c, reterr);
    if (r == 0 && c->duty.config->broker.rescue)
        r = rescue(c, reterr);
    return r;
}

/* After a failure nothing that was seen before counts: while we could not ask, workers could not beat either. */
static void fail(struct clock *c, int r, const struct err *err)
{
    observe_reset(c->observe);
    if (r)
        duty_lost(&c->duty, r, err);
    duty_retry(&c->duty);
}

static int begin(struct clock *c, struct err *reterr)
{
    observe_reset(c->observe);
    c->n_rests = 0;
    int r = rescue_listen(c->duty.db, reterr);
    return r ? r : rescue_wake(c->duty.db, reterr); /* a broker may have died while it rested */
}

static int turn(struct clock *c, struct err *reterr)
{
    forget_news(c);
    int r = tick(c, reterr);
    if (r == 0)
        r = settle(c, reterr);
    if (r)
        return r;
    duty_enter(&c->duty, DUTY_READY, NULL);
    duty_succeeded(&c->duty);
    return pause_after_look(c, reterr);
}

static void work(struct clock *c)
{
    while (!duty_is_stopping(&c->duty)) {
        bool is_new;
        struct err err = { 0 };
        if (duty_connect(&c->duty, &is_new)) {
            fail(c, 0, &err);
            continue;
        }
        int r = is_new ? begin(c, &err) : 0;
        if (r == 0)
            r = turn(c, &err);
        if (r)
            fail(c, r, &err);
    }
}

int clock_run(const struct job_config *config, int stop_fd, struct pulse *pulse)
{
    struct clock c = { 0 };
    int r = duty_init(&c.duty, "clock", config, stop_fd, pulse, 0);
    if (r == 0)
        r = observe_new(&c.observe, config->broker.lease_timeout_us);
    if (r == 0)
        r = clean_init(&c.clean, config);
    if (r == 0)
        work(&c);
    else
        log_error("clock: %s", strerror(-r));
    observe_free(c.observe);
    clean_done(&c.clean);
    duty_done(&c.duty);
    return r;
}
