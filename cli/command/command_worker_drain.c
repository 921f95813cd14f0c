/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl worker drain: a worker takes no more jobs, and stays; or takes them again. */
#include "cli/commands.h"

#include <string.h>

#include "base/clock.h"
#include "base/timefmt.h"
#include "cli/dialog.h"
#include "cli/queue/fleet.h"
#include "cli/print/present.h"
#include "store/workers.h"

#define LOOK_EVERY_US (100 * USEC_PER_MSEC)

static const struct output_column columns[] = { { "worker", CELL_TEXT }, { "action", CELL_TEXT } };

struct drain {
    struct invocation *in;
    const char *worker;
    int64_t leases, partitions; /* of the last look */
    bool lost;
};

static int print(const struct drain *d, const char *action, struct err *reterr)
{
    const struct cell cells[] = { cell_text(d->worker), cell_text(action) };
    return present_one(d->in, columns, ARRAY_SIZE(columns), cells, reterr);
}

enum look { LOOK_NOT_YET = 1000, LOOK_DRAINED, LOOK_UNDONE, LOOK_GONE };

/* Return: an enum look; an enum status that is not STATUS_DONE. */
static int look(struct drain *d, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = workers_list(d->in->db, &(struct workers_filter){ .word = d->worker }, &rows, reterr);
    if (r)
        return invocation_judge_store(d->in, r, reterr);
    if (rows_count(rows) == 0 || strcmp(rows_text(rows, 0, FLEET_ID), d->worker) != 0)
        return LOOK_GONE;
    const char *state = rows_text(rows, 0, FLEET_STATE);
    d->lost |= strcmp(state, "lost") == 0;
    d->leases = rows_bigint(rows, 0, FLEET_LEASES);
    d->partitions = rows_bigint(rows, 0, FLEET_PARTITIONS);
    if (d->lost)
        return LOOK_GONE;
    if (rows_is_null(rows, 0, FLEET_DRAIN_AT))
        return LOOK_UNDONE;
    return strcmp(state, "drained") == 0 ? LOOK_DRAINED : LOOK_NOT_YET;
}

static int say_timed_out(const struct drain *d, int64_t timeout_us, struct err *reterr)
{
    char duration[32];
    return err_set(
        reterr, STATUS_TIMED_OUT,
        "the worker takes no more jobs, but was not done within %s: it holds %lld leases and %lld "
        "partitions; `jobctl worker show %s` lists them, `jobctl worker drain --undo %s` lets it go on",
        duration_format(timeout_us, duration), (long long)d->leases, (long long)d->partitions, d->worker,
        d->worker);
}

static int judge_gone(const struct drain *d, struct err *reterr)
{
    if (d->lost)
        return err_set(reterr, STATUS_FAILED,
                       "the worker was declared dead while it drained; what it held runs again elsewhere");
    dialog_say("the worker has gone meanwhile: somebody has stopped it");
    return print(d, "gone", reterr);
}

static void say_what_it_waits_for(const struct drain *d)
{
    if (dialog_is_possible())
        dialog_say(
            "it takes no more jobs; waiting for %lld leases and %lld partitions (Ctrl-C ends the waiting only)",
            (long long)d->leases, (long long)d->partitions);
}

static int await_drained(struct drain *d, struct err *reterr)
{
    bool said = false;
    int64_t timeout_us = arguments_get_duration(&d->in->arguments, "timeout");
    int64_t deadline_us = timeout_us < 0 ? INT64_MAX : clock_mono_us() + timeout_us;
    for (;;) {
        int r = look(d, reterr);
        if (r == LOOK_DRAINED)
            return print(d, "drained", reterr);
        if (r == LOOK_UNDONE)
            return err_set(reterr, STATUS_FAILED, "somebody has undone it: the worker takes jobs again");
        if (r == LOOK_GONE)
            return judge_gone(d, reterr);
        if (r != LOOK_NOT_YET)
            return r;
        if (clock_mono_us() >= deadline_us)
            return say_timed_out(d, timeout_us, reterr);
        if (!said)
            say_what_it_waits_for(d);
        said = true;
        db_wait(d->in->db, -1, LOOK_EVERY_US, NULL, 0);
    }
}

static int check_options(const struct arguments *a, struct err *reterr)
{
    bool undo = arguments_has(a, "undo"), no_wait = arguments_has(a, "no-wait");
    if (arguments_has(a, "timeout") && (undo || no_wait))
        return err_set(reterr, STATUS_USAGE, "--timeout is for waiting, which --%s does not do",
                       undo ? "undo" : "no-wait");
    return STATUS_DONE;
}

static int set_drained(struct drain *d, bool drained, enum workers_change *ret, struct err *reterr)
{
    int r = invocation_judge_store(d->in, workers_set_drained(d->in->db, d->worker, drained, ret, reterr),
                                   reterr);
    if (r == STATUS_DONE && *ret == WORKERS_GONE)
        return err_set(reterr, STATUS_FAILED,
                       "the worker was declared dead: brokers give what it held to others");
    return r;
}

int command_worker_drain(struct invocation *in, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *worker = NULL;
    bool undo = arguments_has(&in->arguments, "undo");
    enum workers_change change = WORKERS_CHANGED;
    int r = check_options(&in->arguments, reterr);
    if (r == STATUS_DONE)
        r = fleet_find(in, in->arguments.words[0], &worker, reterr);
    if (r)
        return r;
    struct drain d = { .in = in, .worker = rows_text(worker, 0, FLEET_ID) };
    r = set_drained(&d, !undo, &change, reterr);
    if (r)
        return r;
    if (undo)
        return print(&d, change == WORKERS_CHANGED ? "undone" : "was not drained", reterr);
    if (arguments_has(&in->arguments, "no-wait"))
        return print(&d, change == WORKERS_CHANGED ? "draining" : "was draining", reterr);
    return await_drained(&d, reterr);
}
