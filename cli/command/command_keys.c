/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl queue keys: the keys of a queue whose later jobs wait, and what they wait for. */
#include "cli/commands.h"

#include "cli/dialog.h"
#include "cli/print/present.h"
#include "libjob/names.h"
#include "store/queues.h"

/* As queues_list_keys() has them. */
static const struct output_column columns[] = {
    { "key", CELL_BYTES },     { "job", CELL_ID },
    { "state", CELL_TEXT },    { "type", CELL_TEXT },
    { "attempt", CELL_INT },   { "run_at", CELL_TIME },
    { "since", CELL_TIME },    { "jobs", CELL_INT },
    { "partition", CELL_INT }, { "topic", CELL_TEXT, OUTPUT_CUTTABLE },
};

int command_queue_keys(struct invocation *in, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    char names[LANE_COUNT][NAME_TOPIC_MAX + 1];
    const char *topics[LANE_COUNT], *queue = in->arguments.words[0];
    for (enum name_lane lane = 0; lane < LANE_COUNT; lane++)
        topics[lane] = name_topic_of_lane(in->config->prefix, queue, lane, names[lane]);
    int r = invocation_connect(in, reterr);
    if (r)
        return r;
    r = queues_list_keys(in->db, topics, LANE_COUNT, (int)arguments_get_count(&in->arguments, "limit", 50),
                         &rows, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    if (rows_count(rows) == 0)
        dialog_remark_queue(in, queue);
    return present_rows(in, columns, ARRAY_SIZE(columns), rows, reterr);
}
