/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl dead export: dead letters as JSON lines, each with all that it takes to put it back bit for bit. */
#include "cli/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/dead/dead_filter.h"
#include "cli/dead/dead_walk.h"
#include "cli/dialog.h"
#include "cli/print/output.h"
#include "libjob/json_text.h"

struct exporting {
    FILE *to;
    struct buf line;
};

/* What PostgreSQL has made a JSON object of, and the bytes, for which it has no form. */
static int print(void *userdata, const struct rows *rows, size_t row, struct err *reterr)
{
    struct exporting *e = userdata;
    struct span letter = rows_span(rows, row, 1);
    buf_reset(&e->line);
    buf_append(&e->line, letter.data, letter.size - 1);
    buf_append_string(&e->line, ", \"key\" : ");
    json_append_bytes(&e->line, rows_span(rows, row, 2));
    buf_append_string(&e->line, ", \"payload\" : ");
    json_append_bytes(&e->line, rows_span(rows, row, 3));
    buf_append_string(&e->line, "}\n");
    if (e->line.failed)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    if (fwrite(e->line.data, 1, e->line.size, e->to) != e->line.size)
        return err_set(reterr, STATUS_FAILED, "the output could not be written");
    return STATUS_DONE;
}

static int check_style(const struct invocation *in, struct err *reterr)
{
    if ((in->format_given && in->style.format != OUTPUT_JSONL) || in->style.columns || in->style.sort)
        return err_set(reterr, STATUS_USAGE,
                       "dead export writes whole letters as JSON lines: no other format, columns or order");
    return STATUS_DONE;
}

static int say_end(const struct dead_walk *w, int r, struct err *reterr)
{
    char last[UUID_TEXT_SIZE];
    struct err why = *reterr;
    if (r && w->n_taken > 0)
        return err_set(reterr, r, "%.600s; %" PRId64 " were exported, --after %s goes on", why.text,
                       w->n_taken, uuid_format(&w->last, last));
    if (r == STATUS_DONE)
        dialog_say("exported: %" PRId64, w->n_taken);
    return r;
}

int command_dead_export(struct invocation *in, struct err *reterr)
{
    const char *after = arguments_get(&in->arguments, "after");
    struct uuid from;
    struct exporting e = { .to = in->to };
    struct dead_walk walk = { .in = in, .read = dead_page_export, .take = print, .userdata = &e };
    int r = check_style(in, reterr);
    if (r == STATUS_DONE)
        r = dead_filter_read(in, &walk.page.filter, reterr);
    if (r == STATUS_DONE)
        r = invocation_connect(in, reterr);
    if (r)
        return r;
    if (after && uuid_parse(after, strlen(after), &from) == 0)
        walk.page.after = &from;
    walk.page.oldest_first = true;
    walk.at_most = arguments_get_count(&in->arguments, "limit", -1);
    r = dead_walk_run(&walk, reterr);
    buf_done(&e.line);
    if (fflush(in->to) != 0 && r == STATUS_DONE)
        return err_set(reterr, STATUS_FAILED, "the output could not be written");
    if (r == STATUS_DONE && walk.n_taken == 0)
        dead_filter_remark(in, &walk.page.filter);
    return say_end(&walk, r, reterr);
}
