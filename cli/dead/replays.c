/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dead/replays.h"

#include "cli/print/present.h"
#include "store/bulk.h"

/* As bulk_list_replays() has them. */
static const struct output_column columns[] = {
    { "delivery", CELL_INT },     { "attempt", CELL_INT },
    { "reason", CELL_TEXT },      { "error", CELL_TEXT, OUTPUT_CUTTABLE },
    { "died_at", CELL_TIME },     { "replayed_at", CELL_TIME },
    { "replayed_by", CELL_TEXT }, { "run", CELL_INT },
};

int replays_find(struct invocation *in, const struct uuid *id, struct rows **ret, struct err *reterr)
{
    return invocation_judge_store(in, bulk_list_replays(in->db, id, ret, reterr), reterr);
}

void replays_append(struct buf *json, const struct rows *replays)
{
    struct cell cells[ARRAY_SIZE(columns)];
    buf_append_char(json, '[');
    for (size_t i = 0; i < rows_count(replays); i++) {
        present_fill(columns, ARRAY_SIZE(columns), replays, i, cells);
        buf_append_string(json, i ? ", " : "");
        output_append_object(json, columns, ARRAY_SIZE(columns), cells);
    }
    buf_append_char(json, ']');
}

int replays_print(struct invocation *in, const struct rows *replays, struct err *reterr)
{
    if (in->style.format != OUTPUT_TABLE || in->style.columns || rows_count(replays) == 0)
        return STATUS_DONE;
    fprintf(in->to, "\nWhat it had died of before it was replayed\n");
    return present_rows(in, columns, ARRAY_SIZE(columns), replays, reterr);
}
