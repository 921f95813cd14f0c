/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl dead hook: who hears of the jobs that die. */
#include "cli/commands.h"

#include "cli/dialog.h"
#include "cli/print/present.h"
#include "store/dead.h"

/* As dead_find_hook() has them. */
static const struct output_column columns[] = {
    { "queue", CELL_TEXT },
    { "workers", CELL_INT },
    { "waiting", CELL_INT },
};

static int show(struct invocation *in, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    struct cell cells[ARRAY_SIZE(columns)];
    int r = dead_find_hook(in->db, &rows, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    if (rows_is_null(rows, 0, 0))
        dialog_say("nobody hears of the jobs that die; a worker with a handler for job.dead changes that");
    present_fill(columns, ARRAY_SIZE(columns), rows, 0, cells);
    return present_one(in, columns, ARRAY_SIZE(columns), cells, reterr);
}

static int take_off(struct invocation *in, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = dead_remove_hook(in->db, &rows, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    if (!rows_is_null(rows, 0, 0))
        dialog_say("the queue %s hears no more of the jobs that die", rows_text(rows, 0, 0));
    if (config_dead_hook(in->config))
        dialog_say("%s has a handler for job.dead: a worker that starts or reloads with it is told again",
                   invocation_config_path(in));
    return show(in, reterr);
}

int command_dead_hook(struct invocation *in, struct err *reterr)
{
    int r = invocation_connect(in, reterr);
    if (r)
        return r;
    return arguments_has(&in->arguments, "off") ? take_off(in, reterr) : show(in, reterr);
}
