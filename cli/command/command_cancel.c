/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl job cancel. */
#include "cli/commands.h"

#include <string.h>

#include "cli/dialog.h"
#include "cli/print/present.h"
#include "store/jobs.h"

static const struct output_column columns[] = { { "id", CELL_ID }, { "action", CELL_TEXT } };

int command_job_cancel(struct invocation *in, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    size_t n = in->arguments.n_words, n_ended = 0;
    _cleanup_free_ struct uuid *ids = calloc(n + 1, sizeof(*ids));
    if (!ids)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    for (size_t i = 0; i < n; i++)
        uuid_parse(in->arguments.words[i], strlen(in->arguments.words[i]), &ids[i]);
    int r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_store(in, jobs_cancel(in->db, ids, n, &rows, reterr), reterr);
    if (r)
        return r;
    r = present_rows(in, columns, ARRAY_SIZE(columns), rows, reterr);
    for (size_t i = 0; i < rows_count(rows); i++)
        n_ended += strcmp(rows_text(rows, i, 1), "ended") == 0;
    if (r == STATUS_DONE && n_ended)
        return err_set(reterr, STATUS_FAILED, "had ended before: %zu of %zu", n_ended, n);
    return r;
}
