/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl job run-now. */
#include "cli/commands.h"

#include <string.h>

#include "cli/dialog.h"
#include "cli/print/present.h"
#include "store/rerun.h"

static const struct output_column columns[] = { { "id", CELL_ID }, { "action", CELL_TEXT } };

/* Says why one cannot run now. Return: an enum status. */
static int judge(const struct uuid *id, const char *action)
{
    char text[UUID_TEXT_SIZE];
    uuid_format(id, text);
    if (!action) {
        dialog_say(
            "%s: it waits for no time: it is queued in Kafka, or was never enqueued; `jobctl job show %s` looks for it",
            text, text);
        return STATUS_NOT_FOUND;
    }
    if (strcmp(action, "due") == 0 || strcmp(action, "was due") == 0)
        return STATUS_DONE;
    if (strcmp(action, "running") == 0)
        dialog_say("%s: a worker has it already", text);
    else if (strcmp(action, "dead") == 0)
        dialog_say("%s: it is dead; `jobctl dead replay %s` runs it again", text, text);
    else
        dialog_say("%s: it has ended (%s) and waits for nothing", text, action);
    return STATUS_FAILED;
}

static void say_paused(const struct rows *rows, size_t row)
{
    if (rows_bool(rows, row, 3))
        dialog_say("queue %s is paused: nothing of it starts until `jobctl queue resume %s`",
                   rows_text(rows, row, 2), rows_text(rows, row, 2));
}

/* Return: the first status that is not done. */
static int print(struct invocation *in, const struct rows *rows, struct err *reterr)
{
    _cleanup_(output_free_cleanup) struct output *out = NULL;
    int worst = STATUS_DONE;
    int r = present_begin(in, columns, ARRAY_SIZE(columns), &out, reterr);
    if (r)
        return r;
    for (size_t i = 0; i < rows_count(rows); i++) {
        struct uuid id;
        const char *action = rows_text(rows, i, 1);
        rows_uuid(rows, i, 0, &id);
        int judged = judge(&id, action);
        worst = worst ? worst : judged;
        if (judged == STATUS_DONE)
            say_paused(rows, i);
        output_add(out, (const struct cell[]){ cell_id(&id), cell_text(judged ? "refused" : action) });
    }
    r = output_end(out, reterr);
    return r ? r : worst;
}

int command_job_run_now(struct invocation *in, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    size_t n = in->arguments.n_words;
    _cleanup_free_ struct uuid *ids = calloc(n + 1, sizeof(*ids));
    if (!ids)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    for (size_t i = 0; i < n; i++)
        uuid_parse(in->arguments.words[i], strlen(in->arguments.words[i]), &ids[i]);
    int r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_store(in, rerun_make_due(in->db, ids, n, &rows, reterr), reterr);
    return r ? r : print(in, rows, reterr);
}
