/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl dead list, dead groups. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/dead/dead_filter.h"
#include "cli/dead/dead_walk.h"
#include "cli/dialog.h"
#include "cli/line/again.h"
#include "cli/print/present.h"

/* As dead_page_list() has them. */
static const struct output_column columns[] = {
    { "id", CELL_ID },
    { "queue", CELL_TEXT },
    { "type", CELL_TEXT },
    { "reason", CELL_TEXT },
    { "delivery", CELL_INT },
    { "attempt", CELL_INT },
    { "error", CELL_TEXT, OUTPUT_CUTTABLE },
    { "enqueued_at", CELL_TIME },
    { "died_at", CELL_TIME },
    { "topic", CELL_TEXT, OUTPUT_CUTTABLE },
    { "partition", CELL_INT },
    { "offset", CELL_INT },
    { "group", CELL_TEXT },
    { "edited_at", CELL_TIME },
};

static int print(void *userdata, const struct rows *rows, size_t row, struct err *reterr)
{
    struct cell cells[ARRAY_SIZE(columns)];
    (void)reterr;
    present_fill(columns, ARRAY_SIZE(columns), rows, row, cells);
    output_add(userdata, cells);
    return STATUS_DONE;
}

/* The same command line, going on behind @last. */
static void say_next(const struct invocation *in, const struct uuid *last)
{
    _cleanup_buf_ struct buf line = { 0 };
    if (!isatty(STDERR_FILENO) || !in->style.terminal)
        return;
    again_append(&line, &in->arguments, last);
    if (!line.failed)
        dialog_say("there are more: %s", line.data);
}

int command_dead_list(struct invocation *in, struct err *reterr)
{
    _cleanup_(output_free_cleanup) struct output *out = NULL;
    const char *after = arguments_get(&in->arguments, "after");
    struct uuid from;
    struct err ignored;
    struct dead_walk walk = { .in = in, .read = dead_page_list, .take = print };
    int r = dead_filter_read(in, &walk.page.filter, reterr);
    if (r == STATUS_DONE)
        r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = present_begin(in, columns, ARRAY_SIZE(columns), &out, reterr);
    if (r)
        return r;
    if (after && uuid_parse(after, strlen(after), &from) == 0)
        walk.page.after = &from;
    walk.at_most = walk.page.filter.limit;
    walk.userdata = out;
    r = dead_walk_run(&walk, reterr);
    int written = output_end(out, r ? &ignored : reterr);
    if (r == STATUS_DONE && walk.n_taken == 0)
        dead_filter_remark(in, &walk.page.filter);
    if (r == STATUS_DONE && walk.has_more)
        say_next(in, &walk.last);
    return r ? r : written;
}

/* As dead_list_groups() has them. */
static const struct output_column group_columns[] = {
    { "group", CELL_TEXT },     { "queue", CELL_TEXT }, { "type", CELL_TEXT },
    { "reason", CELL_TEXT },    { "count", CELL_INT },  { "first_seen", CELL_TIME },
    { "last_seen", CELL_TIME }, { "sample", CELL_ID },  { "error", CELL_TEXT, OUTPUT_CUTTABLE },
};

int command_dead_groups(struct invocation *in, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    struct dead_filter filter;
    int r = dead_filter_read(in, &filter, reterr);
    if (r == STATUS_DONE)
        r = invocation_connect(in, reterr);
    if (r)
        return r;
    r = dead_list_groups(in->db, &filter, &rows, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    if (rows_count(rows) == 0)
        dead_filter_remark(in, &filter);
    return present_rows(in, group_columns, ARRAY_SIZE(group_columns), rows, reterr);
}
