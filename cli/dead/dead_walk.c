/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dead/dead_walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/timefmt.h"
#include "cli/dialog.h"
#include "cli/interrupt.h"

#define PAGE_MAX 1000
#define PATIENCE_US (2 * USEC_PER_SEC) /* between two remarks */

static void remark(const struct dead_walk *w, const struct uuid *at, int64_t *next_us)
{
    char time[RFC3339_SIZE];
    int64_t now_us = clock_mono_us();
    if (now_us < *next_us || !isatty(STDERR_FILENO))
        return;
    *next_us = now_us + PATIENCE_US;
    dialog_say("looked at %" PRId64 " dead letters so far, %s those enqueued %s", w->n_looked,
               w->page.oldest_first ? "up to" : "back to",
               rfc3339_format(uuid_time_ms(at) * USEC_PER_MSEC, 0, time));
}

static int take_page(struct dead_walk *w, const struct rows *rows, size_t n, struct err *reterr)
{
    for (size_t i = 0; i < n; i++) {
        int r = w->take(w->userdata, rows, i, reterr);
        if (r)
            return r;
        rows_uuid(rows, i, 0, &w->last);
        w->n_taken++;
    }
    return STATUS_DONE;
}

static int walk(struct dead_walk *w, struct err *reterr)
{
    struct uuid behind;
    int64_t remark_us = clock_mono_us() + PATIENCE_US;
    for (;;) {
        _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
        struct dead_edge edge;
        int64_t left = w->at_most < 0 ? PAGE_MAX : w->at_most - w->n_taken;
        w->page.filter.limit = left < PAGE_MAX ? (int)left : PAGE_MAX;
        int r = w->read(w->in->db, &w->page, &rows, &edge, reterr);
        if (r)
            return invocation_judge_store(w->in, r, reterr);
        w->n_looked += edge.n_looked;
        w->has_more = !edge.is_last;
        r = take_page(w, rows, edge.n_letters, reterr);
        if (r || edge.is_last || w->n_taken == w->at_most)
            return r;
        if (interrupt_has_come())
            return err_set(reterr, STATUS_INTERRUPTED, "interrupted: %" PRId64 " dead letters were looked at",
                           w->n_looked);
        behind = edge.id;
        w->page.after = &behind;
        remark(w, &behind, &remark_us);
    }
}

int dead_walk_run(struct dead_walk *w, struct err *reterr)
{
    interrupt_begin();
    int r = walk(w, reterr);
    interrupt_end();
    return r;
}
