/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "broker/duty.h"
#include "broker/sender.h"
#include "broker/topics.h"
#include "store/relay.h"
#include "stream/admin.h"

#define IDLE_TIMEOUT_US (10 * USEC_PER_SEC) /* of the transaction that holds the rows */
#define SEND_TIMEOUT_US (7 * USEC_PER_SEC)  /* more than message.timeout.ms, less than the idle time-out */
#define ADMIN_TIMEOUT_US (2 * USEC_PER_SEC)
#define SLEEP_US (10 * USEC_PER_SEC)
#define FLAG_MARGIN_US (2 * USEC_PER_SEC) /* enqueuers go on notifying while the flag is renewed */
#define CONTENDED_US (20 * USEC_PER_MSEC) /* rows are due, but another relay has them */
#define LOW_MARGIN_US (5 * USEC_PER_SEC)  /* transactions that commit rows with an earlier run_at */
#define SWEEP_SHARE 20                    /* sweeps take at most a twentieth of the time */
#define POSTPONE_US (30 * USEC_PER_SEC)
#define STEADY_LOOKS 2

struct relay {
    struct duty duty;
    struct admin *admin;
    struct sender *sender;
    struct topics topics;
    bool kafka_is_there;   /* as far as we know */
    bool topics_are_done;  /* since Kafka was away last */
    bool said_unconfirmed; /* that Kafka does not acknowledge */
    int64_t low_us;        /* PostgreSQL's clock: where a look begins */
    int64_t next_sweep_us; /* monotonic, as the rest */
    int64_t swept_at_us;   /* when the last sweep ended */
    int64_t sweep_cost_us;
    int64_t flagged_until_us; /* enqueuers notify until then, and FLAG_MARGIN_US more; 0: they do not */
    unsigned n_early_looks;   /* since the flag was set up */
    unsigned n_full_looks;    /* in a row that found something */
    struct uuid *ids;         /* relay_batch elements */
};

/* --- Being able to work --- */

static void start_afresh(struct relay *r)
{
    r->low_us = INT64_MIN;
    r->next_sweep_us = 0;
    r->sweep_cost_us = 0;
    r->flagged_until_us = 0;
    r->n_early_looks = 0;
    r->n_full_looks = 0;
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
    duty_enter(&r->duty, DUTY_READY, NULL);
    r->kafka_is_there = true;
    return true;
}

/* --- One batch --- */

static size_t list_ids(struct relay *r, const struct rows *rows, enum sender_fate fate)
{
    size_t n = 0;
    for (size_t i = 0; i < rows_count(rows); i++)
        if (sender_get_fate(r->sender, i) == fate)
            rows_uuid(rows, i, 0, &r->ids[n++]);
    return n;
}

/* One that PostgreSQL does not let us bury either waits, so that the head of the line is free. */
static int bury_row(struct relay *r, const struct rows *rows, size_t i, struct err *reterr)
{
    struct err why = { 0 };
    struct relay_row row;
    char id[UUID_TEXT_SIZE];
    relay_get(rows, i, &row);
    int failed = relay_bury(r->duty.db, &row.id, sender_get_error(r->sender, i), &why);
    if (failed == 0) {
        log_warning("relay: job %s is malformed: %s", uuid_format(&row.id, id),
                    sender_get_error(r->sender, i));
        return 0;
    }
    if (failed != STORE_REFUSED)
        return err_set(reterr, failed, "%s", why.text);
    log_error("relay: job %s is malformed and cannot be buried: %s", uuid_format(&row.id, id), why.text);
    return relay_postpone(r->duty.db, &row.id, 1, POSTPONE_US, reterr);
}

static int settle(struct relay *r, const struct rows *rows, struct err *reterr)
{
    int failed = relay_delete(r->duty.db, r->ids, list_ids(r, rows, SENDER_DELIVERED), reterr);
    if (failed == 0)
        failed = relay_postpone(r->duty.db, r->ids, list_ids(r, rows, SENDER_REFUSED), POSTPONE_US, reterr);
    for (size_t i = 0; i < rows_count(rows) && failed == 0; i++)
        if (sender_get_fate(r->sender, i) == SENDER_HOPELESS)
            failed = bury_row(r, rows, i, reterr);
    return failed ? failed : relay_commit(r->duty.db, reterr);
}

/* Kafka is asked whether it is there before rows are locked again. */
static void note_unconfirmed(struct relay *r, const struct rows *rows, const char *why)
{
    size_t n = list_ids(r, rows, SENDER_UNKNOWN);
    if (!r->said_unconfirmed)
        log_warning("relay: Kafka did not acknowledge %zu of %zu jobs: %s; they are sent again", n,
                    rows_count(rows), why);
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

static void raise_low(struct relay *r, const struct rows *rows)
{
    struct relay_row last;
    relay_get(rows, rows_count(rows) - 1, &last);
    if (last.run_at_us > INT64_MIN + LOW_MARGIN_US && last.run_at_us - LOW_MARGIN_US > r->low_us)
        r->low_us = last.run_at_us - LOW_MARGIN_US;
}

/* Sends what was taken and ends the transaction. */
static int move(struct relay *r, const struct rows *rows, struct err *reterr)
{
    struct err why = { 0 };
    int sent = sender_send(r->sender, rows, SEND_TIMEOUT_US, &why);
    if (sent < 0)
        return err_set(reterr, sent, "%s", why.text);
    int failed = settle(r, rows, reterr);
    if (failed)
        return failed;
    if (sent == SENDER_INCOMPLETE) {
        note_unconfirmed(r, rows, why.text);
        return 0;
    }
    raise_low(r, rows);
    note_confirmed(r);
    return 0;
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

/* One look, and what it found is moved. Return: 0 and whether there was something; as db_query(), negative errno. */
static int look(struct relay *r, bool *ret_found, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int64_t n_expired;
    int64_t began_us = clock_mono_us();
    bool sweep = began_us >= r->next_sweep_us;
    int failed = relay_take(r->duty.db, r->duty.config->broker.relay_batch, sweep ? INT64_MIN : r->low_us,
                            &rows, &n_expired, reterr);
    if (failed)
        return failed;
    if (sweep)
        note_sweep(r, began_us);
    *ret_found = rows_count(rows) || n_expired;
    if (rows_count(rows) == 0)
        return relay_commit(r->duty.db, reterr);
    failed = move(r, rows, reterr);
    if (failed)
        db_rollback(r->duty.db);
    return failed;
}

/* --- Sleeping --- */

/* Whoever had read the flag before it was up, and had not committed yet, notifies nobody: so it is looked for soon, and once more. */
static int64_t next_early_look(struct relay *r, int64_t otherwise_us)
{
    static const int64_t pauses_us[] = { 3 * USEC_PER_MSEC, 12 * USEC_PER_MSEC, 50 * USEC_PER_MSEC };
    return r->n_early_looks < ARRAY_SIZE(pauses_us) ? pauses_us[r->n_early_looks++] : otherwise_us;
}

/* Sets the flag when it has run out. Return: 0 and how long to sleep at most; as db_query(). */
static int set_flag(struct relay *r, int64_t *ret_sleep_us, struct err *reterr)
{
    bool was_up;
    int64_t now_us = clock_mono_us();
    if (now_us < r->flagged_until_us) {
        *ret_sleep_us = next_early_look(r, r->flagged_until_us - now_us);
        return 0;
    }
    int failed = relay_sleep(r->duty.db, SLEEP_US + FLAG_MARGIN_US, &was_up, reterr);
    if (failed)
        return failed;
    r->flagged_until_us = now_us + SLEEP_US;
    if (!was_up)
        r->n_early_looks = 0;
    *ret_sleep_us = next_early_look(r, SLEEP_US);
    order_sweep(r);
    return 0;
}

static int sleep_until_due(struct relay *r, struct err *reterr)
{
    int64_t sleep_us, due_us;
    int failed = set_flag(r, &sleep_us, reterr);
    if (failed == 0)
        failed = relay_wait_us(r->duty.db, r->low_us, &due_us, reterr);
    if (failed)
        return failed;
    if (due_us == 0)
        due_us = CONTENDED_US;
    switch (db_wait(r->duty.db, r->duty.stop_fd, due_us < sleep_us ? due_us : sleep_us, NULL, 0)) {
    case DB_AWAY:
        return err_set(reterr, STORE_AWAY, "the connection to PostgreSQL was lost");
    case DB_NOTIFIED:
        order_sweep(r);
        return 0;
    default:
        return 0;
    }
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
    int failed = look(r, &found, reterr);
    if (failed)
        return failed;
    if (found) {
        hear_of_late_rows(r);
        return take_flag_down(r, reterr);
    }
    r->n_full_looks = 0;
    return sleep_until_due(r, reterr);
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

static int init(struct relay *r, const struct job_config *config, int stop_fd, struct err *reterr)
{
    int failed = duty_init(&r->duty, "relay", config, stop_fd, IDLE_TIMEOUT_US);
    if (failed == 0)
        failed = topics_init(&r->topics, config);
    if (failed == 0 && !(r->ids = calloc((size_t)config->broker.relay_batch, sizeof(*r->ids))))
        failed = -ENOMEM;
    return failed ? err_set(reterr, failed, "%s", strerror(-failed)) : open_kafka(r, reterr);
}

static void done(struct relay *r)
{
    sender_free(r->sender);
    admin_free(r->admin);
    topics_done(&r->topics);
    duty_done(&r->duty);
    free(r->ids);
}

int relay_run(const struct job_config *config, int stop_fd)
{
    struct relay r = { 0 };
    struct err err = { 0 };
    int failed = init(&r, config, stop_fd, &err);
    if (failed)
        log_error("relay: %s", err.text);
    else
        work(&r);
    done(&r);
    return failed;
}
