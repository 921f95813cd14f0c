/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl cron list, remove, enable, disable, run: entries by their names. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "cli/dialog.h"
#include "cli/print/present.h"
#include "store/cron.h"

static const struct output_column columns[CRON_COLUMNS] = {
    { "name", CELL_TEXT },
    { "expression", CELL_TEXT },
    { "zone", CELL_TEXT },
    { "queue", CELL_TEXT },
    { "type", CELL_TEXT },
    { "enabled", CELL_BOOL },
    { "next_at", CELL_TIME },
    { "last_at", CELL_TIME },
    { "last_id", CELL_ID, OUTPUT_NOT_IN_TABLE },
    { "missed", CELL_TEXT },
    { "missed_max", CELL_INT, OUTPUT_NOT_IN_TABLE },
    { "jitter", CELL_TEXT, OUTPUT_NOT_IN_TABLE },
    { "source", CELL_TEXT },
    { "key", CELL_TEXT, OUTPUT_NOT_IN_TABLE },
    { "payload", CELL_JSON, OUTPUT_NOT_IN_TABLE },
    { "headers", CELL_JSON, OUTPUT_NOT_IN_TABLE },
    { "tags", CELL_JSON, OUTPUT_NOT_IN_TABLE },
    { "max_attempts", CELL_INT, OUTPUT_NOT_IN_TABLE },
    { "timeout", CELL_TEXT, OUTPUT_NOT_IN_TABLE },
    { "left_out_from", CELL_TIME, OUTPUT_NOT_IN_TABLE },
    { "left_out_until", CELL_TIME, OUTPUT_NOT_IN_TABLE },
    { "anchor", CELL_TIME, OUTPUT_NOT_IN_TABLE },
    { "since", CELL_TIME, OUTPUT_NOT_IN_TABLE },
    { "error", CELL_TEXT, OUTPUT_CUTTABLE },
};

int command_cron_list(struct invocation *in, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    const char *name = in->arguments.n_words ? in->arguments.words[0] : NULL;
    int r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_store(in, cron_list(in->db, name, &rows, reterr), reterr);
    if (r)
        return r;
    if (name && rows_count(rows) == 0)
        return err_set(reterr, STATUS_NOT_FOUND, "there is no cron entry \"%s\"", name);
    return present_rows(in, columns, ARRAY_SIZE(columns), rows, reterr);
}

/* --- What is done to entries that are named ------------------------------------------------------------------------------ */

/* Prints what was done to which; says which were not there. */
static int report(struct invocation *in, const char *action, const struct rows *rows, struct err *reterr)
{
    static const struct output_column done_columns[] = { { "name", CELL_TEXT }, { "action", CELL_TEXT } };
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    size_t n_missing = 0;
    int r = present_begin(in, done_columns, ARRAY_SIZE(done_columns), &o, reterr);
    if (r)
        return r;
    for (size_t i = 0; i < rows_count(rows); i++)
        output_add(o, (struct cell[]){ cell_span(CELL_TEXT, rows_span(rows, i, 0)), cell_text(action) });
    r = output_end(o, reterr);
    for (size_t w = 0; w < in->arguments.n_words; w++) {
        bool is_there = false;
        for (size_t i = 0; i < rows_count(rows) && !is_there; i++)
            is_there = span_equals(rows_span(rows, i, 0), in->arguments.words[w]);
        if (!is_there)
            dialog_say("there is no cron entry \"%s\"", in->arguments.words[w]);
        n_missing += !is_there;
    }
    if (r == STATUS_DONE && n_missing)
        return err_set(reterr, STATUS_NOT_FOUND, "not found: %zu of %zu", n_missing, in->arguments.n_words);
    return r;
}

static int set_enabled(struct invocation *in, bool enabled, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_store(
            in, cron_enable(in->db, in->arguments.words, in->arguments.n_words, enabled, &rows, reterr),
            reterr);
    return r ? r : report(in, enabled ? "enabled" : "disabled", rows, reterr);
}

int command_cron_enable(struct invocation *in, struct err *reterr)
{
    return set_enabled(in, true, reterr);
}

int command_cron_disable(struct invocation *in, struct err *reterr)
{
    return set_enabled(in, false, reterr);
}

/* Brokers would bring it back when they start. */
static int check_not_declared(struct invocation *in, struct err *reterr)
{
    for (size_t i = 0; i < in->arguments.n_words; i++) {
        _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
        const char *name = in->arguments.words[i];
        int r = cron_list(in->db, name, &rows, reterr);
        if (r)
            return invocation_judge_store(in, r, reterr);
        bool is_declared = false;
        for (size_t k = 0; k < in->config->n_cron && !is_declared; k++)
            is_declared = strcmp(in->config->cron[k].name, name) == 0;
        if (is_declared && rows_count(rows) && span_equals(rows_span(rows, 0, CRON_SOURCE), "config"))
            return err_set(
                reterr, STATUS_FAILED,
                "%s is in %s, and brokers would bring it back: take it out there and reload them, or disable it",
                name, invocation_config_path(in));
    }
    return STATUS_DONE;
}

int command_cron_remove(struct invocation *in, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    char question[256];
    snprintf(question, sizeof(question), "Remove %zu cron %s%s%.128s?", in->arguments.n_words,
             in->arguments.n_words == 1 ? "entry" : "entries", in->arguments.n_words == 1 ? ", " : "",
             in->arguments.n_words == 1 ? in->arguments.words[0] : "");
    int r = dialog_confirm(in, question, reterr);
    if (r == STATUS_DONE)
        r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = check_not_declared(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_store(
            in, cron_remove(in->db, in->arguments.words, in->arguments.n_words, &rows, reterr), reterr);
    return r ? r : report(in, "removed", rows, reterr);
}

int command_cron_run(struct invocation *in, struct err *reterr)
{
    static const struct output_column id_columns[] = { { "id", CELL_ID } };
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    struct uuid id;
    int r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_store(in, cron_run_now(in->db, in->arguments.words[0], &rows, reterr), reterr);
    if (r)
        return r;
    if (rows_is_null(rows, 0, 0))
        return err_set(reterr, STATUS_NOT_FOUND, "there is no cron entry \"%s\"", in->arguments.words[0]);
    if (in->format_given && in->style.format != OUTPUT_JSON && in->style.format != OUTPUT_JSONL)
        return present_rows(in, id_columns, ARRAY_SIZE(id_columns), rows, reterr);
    rows_uuid(rows, 0, 0, &id);
    return present_id(in, &id, reterr);
}
