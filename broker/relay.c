/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "broker/duty.h"
#include "broker/sender.h"
#include "broker/settle.h"
#include "broker/shares.h"
#include "broker/survey.h"
#include "broker/topics.h"
#include "store/relay.h"
#include "stream/admin.h"

#define IDLE_TIMEOUT_US (10 * USEC_PER_SEC) /* of the transaction that holds the rows */
#define SEND_TIMEOUT_US (7 * USEC_PER_SEC)  /* more than message.timeout.ms, less than the idle time-out */
#define ADMIN_TIMEOUT_US (2 * USEC_PER_SEC)
#define SLEEP_US (10 * USEC_PER_SEC)
#define QUIET_US (30 * USEC_PER_SEC)      /* a sleep in which no relay is awake; job.wake_relay() knows it */
#define FLAG_MARGIN_US (2 * USEC_PER_SEC) /* enqueuers go on notifying while the flag is renewed */
#define CONTENDED_US (20 * USEC_PER_MSEC) /* rows are due, but another relay has them */
#define LOW_MARGIN_US (5 * USEC_PER_SEC)  /* transactions that commit rows with an earlier run_at */
#define SWEEP_SHARE 20                    /* sweeps take at most a twentieth of the time */
#define FIND_US                                                                                              \
    (50 * USEC_PER_MSEC)     /* between two looks for queues that are not known, while there is steady work */
#define VAIN_US USEC_PER_SEC /* without a flag, when those who wake us only feed queues that are held back */
#define STEADY_LOOKS 2
#define VAIN_LOOKS 3

struct relay {
    struct duty duty;
    struct admin *admin;
    struct sender *sender;
    struct topics topics;
    bool kafka_is_there;   /* as far as we know */
    bool topics_are_done;  /* since Kafka was away last */
    bool said_unconfirmed; /* that Kafka does not acknowledge */
    struct shares shares;
    struct relay_turn *turns; /* of the last look */
    size_t n_turns;
    int64_t expired_low_us; /* PostgreSQL's clock: jobs that expired before it are not looked for */
    int64_t next_sweep_us;  /* monotonic, as the rest */
    int64_t next_find_us;
    int64_t swept_at_us; /* when the last sweep ended */
    int64_t sweep_cost_us;
    bool must_look;           /* something may be due */
    int64_t flagged_until_us; /* enqueuers notify until then, and FLAG_MARGIN_US more; 0: they do not */
    int64_t unflagged_until_us;
    bool is_quiet;          /* since the flag was set before, it was up and nobody woke us */
    unsigned n_early_looks; /* since the flag was set up */
    unsigned n_full_looks;  /* in a row that found something */
    unsigned n_vain_looks;  /* in a row that were asked for and found nothing */
};

/* --- Being able to work --- */

static void start_afresh(struct relay *r)
{
    r->expired_low_us = INT64_MIN;
    r->next_sweep_us = r->next_find_us = 0;
    r->sweep_cost_us = 0;
    r->must_look = true;
    r->flagged_until_us = r->unflagged_until_us = 0;
    r->n_early_looks = r->n_full_looks = r->n_vain_looks = 0;
}

static void lost(struct relay *r, int failed, const struct err *err)
{
    duty_lost(&r->duty, failed, err);
    duty_retry(&r->duty);
}

static bool connect_database(struct relay *r)
{
    bool is_new;
    struct err err = { 0 };
    if (duty_connect(&r->duty, &is_new)) {
        duty_retry(&r->duty);
        return false;
    }
    if (!is_new)
        return true;
    start_afresh(r);
    int failed = relay_listen(r->duty.db, &err);
    if (failed)
        lost(r, failed, &err);
    return failed == 0;
}

/* Topics are made when Kafka is met for the first time and whenever it has been away. */
static bool connect_kafka(struct relay *r)
{
    struct err err = { 0 };
    if (r->kafka_is_there)
        return true;
    int failed = admin_probe(r->admin, &err);
    if (failed == 0 && !r->topics_are_done)
        failed = topics_apply(&r->topics, r->admin, &err);
    r->topics_are_done = failed == 0;
    if (failed) {
        duty_enter(&r->duty, DUTY_WITHOUT_KAFKA, *err.text ? err.text : strerror(-failed));
        duty_retry(&r->duty);
        return false;
    }
    sender_forget_topics(r->sender);
    r->must_look = true;
    duty_enter(&r->duty, DUTY_READY, NULL);
    r->kafka_is_there = true;
    return true;
}

/* --- One batch --- */

/* Kafka is asked whether it is there before rows are locked again. */
static void note_unconfirmed(struct relay *r, const struct relay_batch *batch, const char *why)
{
    size_t n = 0;
    for (size_t i = 0; i < relay_batch_count(batch); i++)
        n += sender_get_fate(r->sender, i) == SENDER_UNKNOWN;
    if (!r->said_unconfirmed)
        log_warning("relay: Kafka did not acknowledge %zu of %zu jobs: %s; they are sent again", n,
                    relay_batch_count(batch), why);
    r->said_unconfirmed = true;
    r->kafka_is_there = false;
    duty_retry(&r->duty);
}

static void note_confirmed(struct relay *r)
{
    if (r->said_unconfirmed)
        log_info("relay: Kafka acknowledges again");
    r->said_unconfirmed = false;
    duty_succeeded(&r->duty);
}

static int note_row(struct relay *r, const struct relay_row *row, size_t i)
{
    enum sender_fate fate = sender_get_fate(r->sender, i);
    struct sender_place place = sender_get_place(r->sender, i);
    shares_note_row(&r->shares, row,
                    fate == SENDER_DELIVERED ? SHARE_SENT
                    : fate == SENDER_REFUSED ? SHARE_REFUSED
                                             : SHARE_OTHER);
    return fate == SENDER_DELIVERED ? backlog_note_sent(&r->shares.all[row->share]->backlog, place.lane,
                                                        place.partition, place.offset)
                                    : 0;
}

static int note_rows(struct relay *r, const struct relay_batch *batch, struct err *reterr)
{
    int failed = 0;
    for (size_t i = 0; i < relay_batch_count(batch) && failed == 0; i++) {
        struct relay_row row;
        relay_batch_get(batch, i, &row);
        failed = note_row(r, &row, i);
        if (row.run_at_us > INT64_MIN + LOW_MARGIN_US && row.run_at_us - LOW_MARGIN_US > r->expired_low_us)
            r->expired_low_us = row.run_at_us - LOW_MARGIN_US;
    }
    return failed ? err_set(reterr, failed, "out of memory") : 0;
}

/* Sends what was taken and ends the transaction. */
static int move(struct relay *r, const struct relay_batch *batch, struct err *reterr)
{
    struct err why = { 0 };
    int sent = sender_send(r->sender, batch, SEND_TIMEOUT_US, &why);
    if (sent < 0)
        return err_set(reterr, sent, "%s", why.text);
    int failed = settle_batch(r->duty.db, r->sender, batch, reterr);
    if (failed)
        return failed;
    if (sent == SENDER_INCOMPLETE) {
        note_unconfirmed(r, batch, why.text);
        return 0;
    }
    failed = note_rows(r, batch, reterr);
    shares_end_batch(&r->shares, LOW_MARGIN_US, clock_mono_us());
    note_confirmed(r);
    return failed;
}

/* --- Looking --- */

static void note_sweep(struct relay *r, int64_t began_us)
{
    r->swept_at_us = clock_mono_us();
    r->sweep_cost_us = r->swept_at_us - began_us;
    r->next_sweep_us = r->swept_at_us + SLEEP_US;
}

/* As soon as its cost allows. */
static void order_sweep(struct relay *r)
{
    int64_t at_us = r->swept_at_us + SWEEP_SHARE * r->sweep_cost_us;
    if (at_us < r->next_sweep_us)
        r->next_sweep_us = at_us;
}

/* The turns of a look need to know which queues there are, and which are to be held back. */
static int find_queues(struct relay *r, bool all, struct err *reterr)
{
    int64_t began_us = clock_mono_us();
    if (!all && began_us < r->next_find_us)
        return survey_backlogs(&r->shares, r->duty.db, r->duty.config->prefix, reterr);
    int failed = survey_queues(&r->shares, r->duty.db, reterr);
    if (failed)
        return failed;
    int64_t now_us = clock_mono_us(), pause_us = SWEEP_SHARE * (now_us - began_us);
    r->next_find_us = now_us + (pause_us > FIND_US ? pause_us : FIND_US);
    struct relay_turn *turns = reallocarray(r->turns, r->shares.n + 1, sizeof(*turns));
    if (!turns)
        return err_set(reterr, -ENOMEM, "out of memory");
    r->turns = turns;
    return survey_backlogs(&r->shares, r->duty.db, r->duty.config->prefix, reterr);
}

/* One look, and what it found is moved. Return: 0 and whether there was something; as db_query(), negative errno. */
static int look(struct relay *r, bool *ret_found, struct err *reterr)
{
    _cleanup_(relay_batch_free_cleanup) struct relay_batch *batch = NULL;
    int64_t n_expired;
    int64_t began_us = clock_mono_us();
    bool sweep = began_us >= r->next_sweep_us;
    int batch_max = r->duty.config->broker.relay_batch;
    int failed = find_queues(r, sweep, reterr);
    if (failed)
        return failed;
    r->n_turns = shares_plan(&r->shares, batch_max, sweep, began_us, r->turns);
    failed = relay_take(r->duty.db, r->turns, r->n_turns, batch_max, sweep ? INT64_MIN : r->expired_low_us,
                        &batch, &n_expired, reterr);
    if (failed)
        return failed;
    if (sweep)
        note_sweep(r, began_us);
    *ret_found = relay_batch_count(batch) || n_expired;
    if (relay_batch_count(batch) == 0)
        return relay_commit(r->duty.db, reterr);
    failed = move(r, batch, reterr);
    if (failed)
        db_rollback(r->duty.db);
    return failed;
}

/* --- Sleeping --- */

/* Whoever had read the flag before it was up, and had not committed yet, notifies nobody: so it is looked for soon, and once more. */
static int64_t next_early_look(struct relay *r)
{
    static const int64_t pauses_us[] = { 3 * USEC_PER_MSEC, 12 * USEC_PER_MSEC, 50 * USEC_PER_MSEC };
    return r->n_early_looks < ARRAY_SIZE(pauses_us) ? pauses_us[r->n_early_looks++] : INT64_MAX;
}

/* Sets the flag, which also tells what is next. Return: 0; as db_query(). */
static int set_flag(struct relay *r, int64_t *ret_due_us, struct err *reterr)
{
    bool was_up;
    int64_t now_us = clock_mono_us();
    _cleanup_free_ const char **held = calloc(r->shares.n + 1, sizeof(*held));
    if (!held)
        return err_set(reterr, -ENOMEM, "out of memory");
    size_t n_held = shares_list_held(&r->shares, held);
    int64_t sleep_us = r->is_quiet ? QUIET_US : SLEEP_US;
    int failed =
        relay_sleep(r->duty.db, sleep_us + FLAG_MARGIN_US, held, n_held, &was_up, ret_due_us, reterr);
    if (failed)
        return failed;
    r->flagged_until_us = now_us + sleep_us;
    r->is_quiet = was_up;
    if (!was_up)
        r->n_early_looks = 0;
    return 0;
}

/* How long to wait for a row to be due: 0 when one is that we have not looked for. */
static int find_due(struct relay *r, bool has_looked, int64_t *ret_due_us, struct err *reterr)
{
    int failed = clock_mono_us() < r->flagged_until_us
                     ? relay_wait_us(r->duty.db, r->turns, r->n_turns, r->expired_low_us, ret_due_us, reterr)
                     : set_flag(r, ret_due_us, reterr);
    if (failed || *ret_due_us > 0)
        return failed;
    order_sweep(r);
    if (has_looked)
        *ret_due_us = CONTENDED_US;
    return 0;
}

static int64_t earlier(int64_t a_us, int64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

/* There is work: another relay may take the flag down, and die. */
static void be_alert(struct relay *r)
{
    r->is_quiet = false;
    r->flagged_until_us = earlier(r->flagged_until_us, clock_mono_us() + SLEEP_US);
}

/* Until a time, or somebody wakes us. */
static int wait_until(struct relay *r, int64_t until_us, struct err *reterr)
{
    int64_t wait_us = until_us - clock_mono_us();
    switch (db_wait(r->duty.db, r->duty.stop_fd, wait_us > 0 ? wait_us : 0, NULL, 0)) {
    case DB_AWAY:
        return err_set(reterr, STORE_AWAY, "the connection to PostgreSQL was lost");
    case DB_NOTIFIED:
        be_alert(r);
        r->must_look = true;
        r->n_vain_looks++;
        r->next_find_us = 0;
        order_sweep(r);
        return 0;
    default:
        return 0;
    }
}

/* Those who feed queues that are held back would wake us with every commit, for nothing: for a while we look by ourselves. */
static int stop_being_woken(struct relay *r, struct err *reterr)
{
    r->n_vain_looks = 0;
    r->flagged_until_us = 0;
    r->unflagged_until_us = clock_mono_us() + VAIN_US;
    return relay_wake(r->duty.db, reterr);
}

static int rest(struct relay *r, bool has_looked, struct err *reterr)
{
    int64_t due_us = 0, now_us = clock_mono_us(), held_us = shares_next_us(&r->shares);
    if (held_us < INT64_MAX && r->n_vain_looks >= VAIN_LOOKS && r->flagged_until_us)
        return stop_being_woken(r, reterr);
    if (now_us < r->unflagged_until_us) {
        r->must_look = true;
        return wait_until(r, now_us + CONTENDED_US, reterr);
    }
    int failed = find_due(r, has_looked, &due_us, reterr);
    if (failed)
        return failed;
    now_us = clock_mono_us();
    int64_t look_us = earlier(due_us < INT64_MAX - now_us ? now_us + due_us : INT64_MAX, held_us);
    int64_t early_us = next_early_look(r);
    if (early_us < INT64_MAX)
        look_us = earlier(look_us, now_us + early_us);
    failed = due_us > 0 ? wait_until(r, earlier(look_us, r->flagged_until_us), reterr) : 0;
    r->must_look |= clock_mono_us() >= look_us;
    if (early_us < INT64_MAX)
        r->next_find_us = 0;
    return failed;
}

/* Steady work: enqueuers need not notify any more. */
static int take_flag_down(struct relay *r, struct err *reterr)
{
    if (++r->n_full_looks < STEADY_LOOKS || r->flagged_until_us == 0)
        return 0;
    r->flagged_until_us = 0;
    return relay_wake(r->duty.db, reterr);
}

/* Somebody has committed rows that lie behind what is looked at, while there was no time to sleep. */
static void hear_of_late_rows(struct relay *r)
{
    if (db_wait(r->duty.db, -1, 0, NULL, 0) == DB_NOTIFIED)
        order_sweep(r);
}

/* --- The thread --- */

static int turn(struct relay *r, struct err *reterr)
{
    bool found = false;
    bool looks = r->must_look;
    r->must_look = false;
    int failed = looks ? look(r, &found, reterr) : 0;
    if (failed)
        return failed;
    if (!found) {
        r->n_full_looks = 0;
        return rest(r, looks, reterr);
    }
    r->must_look = true;
    r->n_vain_looks = 0;
    hear_of_late_rows(r);
    return take_flag_down(r, reterr);
}

static void work(struct relay *r)
{
    while (!duty_is_stopping(&r->duty)) {
        struct err err = { 0 };
        if (!connect_database(r) || !connect_kafka(r))
            continue;
        int failed = turn(r, &err);
        if (failed)
            lost(r, failed, &err);
    }
}

static int open_kafka(struct relay *r, struct err *reterr)
{
    int failed = duty_new_admin(&r->duty, ADMIN_TIMEOUT_US, &r->admin, reterr);
    return failed ? failed : sender_new(&r->sender, r->duty.config, r->admin, reterr);
}

static int init(struct relay *r, const struct job_config *config, int stop_fd, struct pulse *pulse,
                struct err *reterr)
{
    int failed = duty_init(&r->duty, "relay", config, stop_fd, pulse, IDLE_TIMEOUT_US);
    r->shares.backlog_max = config->broker.relay_backlog;
    if (failed == 0)
        failed = topics_init(&r->topics, config);
    return failed ? err_set(reterr, failed, "%s", strerror(-failed)) : open_kafka(r, reterr);
}

static void done(struct relay *r)
{
    sender_free(r->sender);
    admin_free(r->admin);
    topics_done(&r->topics);
    shares_done(&r->shares);
    duty_done(&r->duty);
    free(r->turns);
}

int relay_run(const struct job_config *config, int stop_fd, struct pulse *pulse)
{
    struct relay r = { 0 };
    struct err err = { 0 };
    int failed = init(&r, config, stop_fd, pulse, &err);
    if (failed)
        log_error("relay: %s", err.text);
    else
        work(&r);
    done(&r);
    return failed;
}
