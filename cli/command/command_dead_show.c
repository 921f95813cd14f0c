/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl dead show: a dead letter with all that it has, its tries, and what it was before somebody changed it. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/print/present.h"
#include "cli/dead/replays.h"
#include "store/dead.h"
#include "store/jobs.h"

/* As dead_find() has them; then the lists. */
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
    { "headers", CELL_JSON },
    { "key", CELL_BYTES },
    { "payload", CELL_PAYLOAD },
    { "parent", CELL_ID },
    { "attempts", CELL_JSON, OUTPUT_NOT_IN_TABLE },
    { "edits", CELL_JSON, OUTPUT_NOT_IN_TABLE },
    { "replays", CELL_JSON, OUTPUT_NOT_IN_TABLE },
};
#define N_FOUND 18
enum { ATTEMPTS = N_FOUND, EDITS, REPLAYS };

/* As jobs_list_attempts() has them. */
static const struct output_column attempt_columns[] = {
    { "delivery", CELL_INT },    { "attempt", CELL_INT },
    { "outcome", CELL_TEXT },    { "error", CELL_TEXT, OUTPUT_CUTTABLE },
    { "started_at", CELL_TIME }, { "finished_at", CELL_TIME },
    { "worker", CELL_TEXT },     { "cpu_ms", CELL_INT },
    { "peak_kib", CELL_INT },
};

/* As dead_list_edits() has them. */
static const struct output_column edit_columns[] = {
    { "edited_at", CELL_TIME },
    { "edited_by", CELL_TEXT },
    { "died_at", CELL_TIME },
    { "delivery", CELL_INT },
    { "queue", CELL_TEXT },
    { "type", CELL_TEXT },
    { "key", CELL_BYTES },
    { "headers", CELL_JSON, OUTPUT_CUTTABLE },
    { "payload", CELL_PAYLOAD, OUTPUT_CUTTABLE },
};

struct letter_rows {
    struct rows *letter, *attempts, *edits, *replays;
};

static int find(struct invocation *in, const struct uuid *id, struct letter_rows *ret, struct err *reterr)
{
    char text[UUID_TEXT_SIZE];
    int r = dead_find(in->db, id, &ret->letter, reterr);
    if (r == 0 && rows_count(ret->letter) == 0)
        return err_set(reterr, STATUS_NOT_FOUND,
                       "no dead letter has the id %s; `jobctl job show %s` tells what became of it",
                       uuid_format(id, text), text);
    if (r == 0)
        r = jobs_list_attempts(in->db, id, &ret->attempts, reterr);
    if (r == 0)
        r = dead_list_edits(in->db, id, &ret->edits, reterr);
    r = invocation_judge_store(in, r, reterr);
    return r ? r : replays_find(in, id, &ret->replays, reterr);
}

static void append_list(struct buf *json, const struct output_column *list, size_t n, const struct rows *rows)
{
    struct cell cells[PRESENT_MAX_COLUMNS];
    buf_append_char(json, '[');
    for (size_t i = 0; i < rows_count(rows); i++) {
        present_fill(list, n, rows, i, cells);
        buf_append_string(json, i ? ", " : "");
        output_append_object(json, list, n, cells);
    }
    buf_append_char(json, ']');
}

/* Below the letter, as a table of its own. */
static int print_list(struct invocation *in, const char *title, const struct output_column *list, size_t n,
                      const struct rows *rows, struct err *reterr)
{
    if (in->style.format != OUTPUT_TABLE || in->style.columns || rows_count(rows) == 0)
        return STATUS_DONE;
    fprintf(in->to, "\n%s\n", title);
    return present_rows(in, list, n, rows, reterr);
}

static int print(struct invocation *in, const struct letter_rows *l, struct err *reterr)
{
    _cleanup_buf_ struct buf attempts = { 0 }, edits = { 0 }, replays = { 0 };
    struct cell cells[ARRAY_SIZE(columns)];
    present_fill(columns, N_FOUND, l->letter, 0, cells);
    append_list(&attempts, attempt_columns, ARRAY_SIZE(attempt_columns), l->attempts);
    append_list(&edits, edit_columns, ARRAY_SIZE(edit_columns), l->edits);
    replays_append(&replays, l->replays);
    if (attempts.failed || edits.failed || replays.failed)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    cells[ATTEMPTS] = cell_json(attempts.data);
    cells[EDITS] = cell_json(edits.data);
    cells[REPLAYS] = cell_json(replays.data);
    int r = present_one(in, columns, ARRAY_SIZE(columns), cells, reterr);
    if (r == STATUS_DONE)
        r = print_list(in, "Its tries", attempt_columns, ARRAY_SIZE(attempt_columns), l->attempts, reterr);
    if (r == STATUS_DONE)
        r = print_list(in, "What it was before it was changed", edit_columns, ARRAY_SIZE(edit_columns),
                       l->edits, reterr);
    return r ? r : replays_print(in, l->replays, reterr);
}

int command_dead_show(struct invocation *in, struct err *reterr)
{
    struct letter_rows l = { 0 };
    struct uuid id;
    uuid_parse(in->arguments.words[0], strlen(in->arguments.words[0]), &id);
    int r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = find(in, &id, &l, reterr);
    if (r == STATUS_DONE)
        r = print(in, &l, reterr);
    rows_free(l.letter);
    rows_free(l.attempts);
    rows_free(l.edits);
    rows_free(l.replays);
    return r;
}
