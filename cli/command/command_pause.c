/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl queue pause, resume, drain. */
#include "cli/commands.h"

#include "base/clock.h"
#include "base/timefmt.h"
#include "cli/dialog.h"
#include "cli/print/present.h"
#include "store/queues.h"

#define LOOK_EVERY_US (100 * USEC_PER_MSEC)

static const struct output_column columns[] = { { "queue", CELL_TEXT }, { "action", CELL_TEXT } };

static int print(struct invocation *in, const char *action, struct err *reterr)
{
    const struct cell cells[] = { cell_text(in->arguments.words[0]), cell_text(action) };
    return present_one(in, columns, ARRAY_SIZE(columns), cells, reterr);
}

/* Return: an enum status; *ret_changed: it was not so before. */
static int set_paused(struct invocation *in, bool paused, bool *ret_changed, struct err *reterr)
{
    const char *queue = in->arguments.words[0];
    int r = invocation_connect(in, reterr);
    if (r)
        return r;
    dialog_remark_queue(in, queue);
    return invocation_judge_store(in, queues_set_paused(in->db, queue, paused, ret_changed, reterr), reterr);
}

int command_queue_pause(struct invocation *in, struct err *reterr)
{
    bool changed = false;
    int r = set_paused(in, true, &changed, reterr);
    return r ? r : print(in, changed ? "paused" : "was paused", reterr);
}

int command_queue_resume(struct invocation *in, struct err *reterr)
{
    bool changed = false;
    int r = set_paused(in, false, &changed, reterr);
    return r ? r : print(in, changed ? "resumed" : "was not paused", reterr);
}

static int await_quiet(struct invocation *in, int64_t timeout_us, struct err *reterr)
{
    char duration[32];
    int64_t n_leases = 0, n_workers = 0, deadline_us = clock_mono_us() + timeout_us;
    for (;;) {
        int r = queues_count_busy(in->db, in->arguments.words[0], &n_leases, &n_workers, reterr);
        if (r)
            return invocation_judge_store(in, r, reterr);
        if (n_leases == 0 && n_workers == 0)
            return STATUS_DONE;
        if (timeout_us >= 0 && clock_mono_us() >= deadline_us)
            return err_set(
                reterr, STATUS_TIMED_OUT,
                "the queue is paused, but did not come to rest within %s: workers that still run jobs of it: %lld; "
                "jobs with a lease: %lld. `jobctl queue resume %s` lets it go on",
                duration_format(timeout_us, duration), (long long)n_workers, (long long)n_leases,
                in->arguments.words[0]);
        db_wait(in->db, -1, LOOK_EVERY_US, NULL, 0);
    }
}

int command_queue_drain(struct invocation *in, struct err *reterr)
{
    bool changed = false;
    int r = set_paused(in, true, &changed, reterr);
    if (r == STATUS_DONE)
        r = await_quiet(in, arguments_get_duration(&in->arguments, "timeout"), reterr);
    return r ? r : print(in, "drained", reterr);
}
