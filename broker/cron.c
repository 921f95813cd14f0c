/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cron.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/timefmt.h"
#include "broker/cron_plan.h"
#include "broker/duty.h"
#include "store/cron.h"

#define BATCH 200                         /* entries in one transaction */
#define PAGE 500                          /* entries that are examined at once */
#define CONTENDED_US (50 * USEC_PER_MSEC) /* entries are due, but another broker has them */
#define LOOK_US (60 * USEC_PER_SEC)       /* while there are entries */
#define IDLE_US (INT64_C(3600) * USEC_PER_SEC)
#define EXAMINE_US (INT64_C(3600) * USEC_PER_SEC)

struct cron_duty {
    struct duty duty;
    bool is_declared; /* what the configuration has stands in job.cron */
    int64_t next_examine_us;
    struct cron_plan *plans; /* BATCH of them */
};

/* --- What the configuration has ------------------------------------------------------------------------------------------ */

static void fill_entry(const struct job_config *config, const struct config_cron *c, struct cron_entry *ret)
{
    *ret = (struct cron_entry){
        .name = c->name,
        .expression = c->expression,
        .zone = c->zone,
        .queue = config_cron_queue(config, c),
        .type = c->type,
        .payload = c->payload,
        .key = c->key,
        .missed = config_missed_names[c->missed],
        .missed_max = c->missed_max,
        .max_attempts = c->max_attempts,
        .timeout_us = c->timeout_us,
        .jitter_us = c->jitter_us,
    };
}

/* Once in a thread's life; a reload makes another thread. What PostgreSQL refuses is said, and job.cron stays as it is. */
static int declare(struct cron_duty *c, struct err *reterr)
{
    const struct job_config *config = c->duty.config;
    _cleanup_(rows_free_cleanup) struct rows *taken = NULL;
    _cleanup_free_ struct cron_entry *entries = calloc(config->n_cron + 1, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    for (size_t i = 0; i < config->n_cron; i++)
        fill_entry(config, &config->cron[i], &entries[i]);
    int r = cron_declare(c->duty.db, entries, config->n_cron, &taken, reterr);
    if (r && r != STORE_REFUSED)
        return r;
    if (r)
        log_error("cron: the configuration's entries are not taken: %s", reterr->text);
    for (size_t i = 0; taken && i < rows_count(taken); i++)
        log_error(
            "cron: %s of the configuration is left out: job.cron has an entry of that name from elsewhere; "
            "jobctl cron remove it, or choose another name",
            rows_text(taken, i, 0));
    c->is_declared = true;
    return 0;
}

/* --- One entry that is due ------------------------------------------------------------------------------------------------- */

static enum cron_missed read_missed(const char *name)
{
    return strcmp(name, "skip") == 0  ? CRON_MISSED_SKIP
           : strcmp(name, "all") == 0 ? CRON_MISSED_ALL
                                      : CRON_MISSED_LAST;
}

static void say_ticks(const struct cron_plan *plan, const struct cron_due *due)
{
    char from[RFC3339_SIZE], until[RFC3339_SIZE];
    if (plan->out_from_us != CRON_NEVER)
        log_warning("cron: %s: ticks were missed; those from %s to %s are left out (missed = %s)", due->name,
                    rfc3339_format(plan->out_from_us, 0, from), rfc3339_format(plan->out_until_us, 0, until),
                    due->missed);
    if (plan->n_ticks > 1)
        log_info("cron: %s: made up for %zu ticks from %s to %s", due->name, plan->n_ticks,
                 rfc3339_format(plan->ticks[0], 0, from),
                 rfc3339_format(plan->ticks[plan->n_ticks - 1], 0, until));
    else if (plan->n_ticks)
        log_debug("cron: %s: tick %s", due->name, rfc3339_format(plan->ticks[0], 0, from));
    if (due->error)
        log_info("cron: %s is well again", due->name);
}

/* It costs itself. The same reason again is not said again. */
static int fail_entry(struct cron_duty *c, const struct cron_due *due, const char *why, struct err *reterr)
{
    if (!due->error || strcmp(due->error, why) != 0)
        log_error("cron: %s cannot tick: %s", due->name, why);
    return cron_fail(c->duty.db, due->name, why, reterr);
}

/* Return: 0 and whether it can tick; as db_query(). */
static int plan_entry(struct cron_duty *c, const struct cron_due *due, struct cron_plan *ret, bool *ret_ticks,
                      struct err *reterr)
{
    struct schedule schedule;
    struct err why = { 0 };
    int r = schedule_init(&schedule, due->expression, due->zone, due->anchor_us, &why);
    *ret_ticks = r == 0;
    if (r == 0)
        cron_plan_make(ret, &schedule, read_missed(due->missed), (size_t)due->missed_max, due->since_us,
                       due->now_us);
    schedule_done(&schedule);
    return r > 0 ? fail_entry(c, due, why.text, reterr) : r;
}

/* Return: as cron_move(). */
static int move(struct cron_duty *c, const struct cron_due *dues, const struct cron_plan *plans, size_t n,
                struct err *reterr)
{
    struct cron_move moves[BATCH] = { 0 };
    for (size_t i = 0; i < n; i++)
        moves[i] = (struct cron_move){
            .name = dues[i].name,
            .ticks = plans[i].ticks,
            .n_ticks = plans[i].n_ticks,
            .since_us = plans[i].since_us,
            .next_us = plans[i].next_us,
            .out_from_us = plans[i].out_from_us,
            .out_until_us = plans[i].out_until_us,
        };
    int r = cron_move(c->duty.db, moves, n, reterr);
    for (size_t i = 0; i < n && r == 0; i++)
        say_ticks(&plans[i], &dues[i]);
    return r;
}

/* @dues and @plans side by side. When PostgreSQL refuses them together, they go one by one, and whose fault it was fails. */
static int move_entries(struct cron_duty *c, const struct cron_due *dues, const struct cron_plan *plans,
                        size_t n, struct err *reterr)
{
    int r = move(c, dues, plans, n, reterr);
    if (r != STORE_REFUSED)
        return r;
    r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        struct err why = { 0 };
        r = move(c, &dues[i], &plans[i], 1, &why);
        r = r == STORE_REFUSED ? fail_entry(c, &dues[i], why.text, reterr)
            : r                ? err_set(reterr, r, "%s", why.text)
                               : 0;
    }
    return r;
}

static int tick_entries(struct cron_duty *c, const struct rows *rows, struct err *reterr)
{
    struct cron_due dues[BATCH];
    size_t n = 0;
    int r = 0;
    for (size_t i = 0; i < rows_count(rows) && r == 0; i++) {
        bool ticks;
        cron_get(rows, i, &dues[n]);
        r = plan_entry(c, &dues[n], &c->plans[n], &ticks, reterr);
        n += ticks;
    }
    return r || n == 0 ? r : move_entries(c, dues, c->plans, n, reterr);
}

/* All entries that are due and that no other broker has. @ret_n: how many there were. */
static int tick_batch(struct cron_duty *c, size_t *ret_n, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = cron_take(c->duty.db, BATCH, &rows, reterr);
    *ret_n = r ? 0 : rows_count(rows);
    if (*ret_n)
        r = tick_entries(c, rows, reterr);
    if (r == 0 && *ret_n)
        r = db_commit(c->duty.db, reterr);
    if (r)
        db_rollback(c->duty.db);
    return r;
}

/* --- Entries that are not due: is the next tick still the next one? ---------------------------------------------------------- */

static int examine_entry(struct cron_duty *c, const struct cron_due *due, struct err *reterr)
{
    struct schedule schedule;
    int64_t since_us = cron_plan_since_us(due->since_us, due->now_us), next_us = due->next_us;
    int r = schedule_init(&schedule, due->expression, due->zone, due->anchor_us, NULL);
    if (r == 0)
        next_us = schedule_next(&schedule, since_us);
    schedule_done(&schedule);
    if (r)
        return r < 0 ? r : 0; /* it will say so when it is due */
    if (next_us == due->next_us && since_us == due->since_us)
        return 0;
    log_info(
        "cron: %s: the next tick is another one than was thought; has the zone database changed, or a clock been set?",
        due->name);
    return cron_correct(c->duty.db, due, since_us, next_us, reterr);
}

/* @after: the name to go on behind; becomes the last one. @ret_n: how many there were. */
static int examine_page(struct cron_duty *c, char after[NAME_CRON_MAX + 1], size_t *ret_n, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    struct cron_due due = { .name = "" };
    int r = cron_list_ahead(c->duty.db, after, PAGE, &rows, reterr);
    *ret_n = r ? 0 : rows_count(rows);
    for (size_t i = 0; i < *ret_n && r == 0; i++) {
        cron_get(rows, i, &due);
        r = examine_entry(c, &due, reterr);
    }
    snprintf(after, NAME_CRON_MAX + 1, "%s", due.name);
    return r;
}

/* The zone database may have changed, or PostgreSQL's clock have been set. */
static int examine(struct cron_duty *c, struct err *reterr)
{
    char after[NAME_CRON_MAX + 1] = "";
    size_t n = PAGE;
    int r = 0;
    while (r == 0 && n == PAGE)
        r = examine_page(c, after, &n, reterr);
    if (r == 0)
        c->next_examine_us = clock_mono_us() + EXAMINE_US;
    return r;
}

/* --- The thread ---------------------------------------------------------------------------------------------------------------- */

static int sleep_for(struct cron_duty *c, int64_t us, struct err *reterr)
{
    duty_enter(&c->duty, DUTY_READY, NULL);
    duty_succeeded(&c->duty);
    if (db_wait(c->duty.db, c->duty.stop_fd, us, NULL, 0) == DB_AWAY)
        return err_set(reterr, STORE_AWAY, "the connection to PostgreSQL was lost");
    return 0;
}

static int turn(struct cron_duty *c, struct err *reterr)
{
    int64_t wait_us;
    size_t n;
    int r = cron_wait_us(c->duty.db, &wait_us, reterr);
    if (r)
        return r;
    if (wait_us > 0) {
        int64_t longest_us = wait_us == INT64_MAX ? IDLE_US : LOOK_US;
        return sleep_for(c, wait_us < longest_us ? wait_us : longest_us, reterr);
    }
    r = tick_batch(c, &n, reterr);
    return r == 0 && n == 0 ? sleep_for(c, CONTENDED_US, reterr) : r;
}

static int begin(struct cron_duty *c, struct err *reterr)
{
    int r = cron_listen(c->duty.db, reterr);
    c->next_examine_us = 0;
    return r == 0 && !c->is_declared ? declare(c, reterr) : r;
}

static void work(struct cron_duty *c)
{
    while (!duty_is_stopping(&c->duty)) {
        bool is_new;
        struct err err = { 0 };
        if (duty_connect(&c->duty, &is_new)) {
            duty_retry(&c->duty);
            continue;
        }
        int r = is_new ? begin(c, &err) : 0;
        if (r == 0 && clock_mono_us() >= c->next_examine_us)
            r = examine(c, &err);
        if (r == 0)
            r = turn(c, &err);
        if (r) {
            duty_lost(&c->duty, r, &err);
            duty_retry(&c->duty);
        }
    }
}

int cron_run(const struct job_config *config, int stop_fd, struct pulse *pulse)
{
    struct cron_duty c = { .plans = calloc(BATCH, sizeof(*c.plans)) };
    int r = c.plans ? duty_init(&c.duty, "cron", config, stop_fd, pulse, 0) : -ENOMEM;
    if (r == 0)
        work(&c);
    else
        log_error("cron: %s", strerror(-r));
    duty_done(&c.duty);
    free(c.plans);
    return r;
}
