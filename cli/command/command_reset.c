/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl topic reset and trim: where logs begin, for workers and for what is deleted. */
#include "cli/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/dialog.h"
#include "cli/queue/logs.h"
#include "cli/print/present.h"

static struct cell cell_known(int64_t number)
{
    return number < 0 ? cell_null() : cell_int(number);
}

/* --- reset --- */

static const struct output_column reset_columns[] = {
    { "topic", CELL_TEXT },
    { "partition", CELL_INT },
    { "next_offset", CELL_INT },
    { "log_start", CELL_INT },
    { "log_end", CELL_INT },
    { "action", CELL_TEXT },
    { "why", CELL_TEXT, OUTPUT_CUTTABLE },
};

static const char *say_action(const struct log_row *row, bool dry_run)
{
    if (row->place.trouble && strcmp(row->place.trouble, "reset") == 0)
        return "reset before"; /* and its worker has not taken it up yet */
    if (!row->is_there)
        return "missing";
    if (!log_row_stands(row))
        return "kept";
    return dry_run ? "would be reset" : "reset";
}

static const char *say_why(const struct log_row *row)
{
    if (row->log.why[0])
        return row->log.why;
    if (row->is_there && row->log.verdict == TOPIC_LOST)
        return "Kafka has dropped records; a worker names them and goes on by itself";
    return log_row_stands(row) ? "its worker found another log" : NULL;
}

static int reset_row(struct invocation *in, const struct log_row *row, bool dry_run, struct output *o,
                     struct err *reterr)
{
    bool done;
    const struct trim_place *p = &row->place;
    int r = STATUS_DONE;
    if (row->is_there && log_row_stands(row) && !dry_run)
        r = invocation_judge_store(
            in, trim_reset(in->db, p->topic, p->partition, row->log.start, &done, reterr), reterr);
    struct cell cells[] = {
        cell_text(p->topic),
        cell_int(p->partition),
        cell_int(p->next_offset),
        row->is_there ? cell_int(row->log.start) : cell_null(),
        row->is_there ? cell_int(row->log.end) : cell_null(),
        cell_text(say_action(row, dry_run)),
        cell_text(say_why(row)),
    };
    if (r == STATUS_DONE)
        output_add(o, cells);
    return r;
}

static int reset_all(struct invocation *in, const struct logs *logs, bool dry_run, struct err *reterr)
{
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    int r = present_begin(in, reset_columns, ARRAY_SIZE(reset_columns), &o, reterr);
    if (r)
        return r;
    for (size_t i = 0; i < logs->n && r == STATUS_DONE; i++)
        r = reset_row(in, &logs->list[i], dry_run, o, reterr);
    int written = output_end(o, r ? NULL : reterr);
    return r ? r : written;
}

static int confirm_reset(struct invocation *in, size_t n, struct err *reterr)
{
    char question[200];
    snprintf(
        question, sizeof(question),
        "Let the workers begin anew in %zu partition%s? Jobs of the old log that had not run by then are gone.",
        n, n == 1 ? "" : "s");
    return dialog_confirm(in, question, reterr);
}

int command_topic_reset(struct invocation *in, struct err *reterr)
{
    _cleanup_(logs_done) struct logs logs = { 0 };
    size_t n_standing = 0, n_missing = 0;
    bool dry_run = arguments_has(&in->arguments, "dry-run");
    int r = logs_read(in, in->arguments.words, in->arguments.n_words, &logs, reterr);
    if (r)
        return r;
    if (logs.n == 0)
        return err_set(reterr, STATUS_NOT_FOUND, "no worker has ever read a topic or queue of that name");
    for (size_t i = 0; i < logs.n; i++) {
        n_standing += logs.list[i].is_there && log_row_stands(&logs.list[i]);
        n_missing += !logs.list[i].is_there;
    }
    r = n_standing && !dry_run ? confirm_reset(in, n_standing, reterr) : STATUS_DONE;
    if (r == STATUS_DONE)
        r = reset_all(in, &logs, dry_run, reterr);
    if (r == STATUS_DONE && n_missing)
        return err_set(
            reterr, STATUS_FAILED,
            "Kafka does not have %zu of these partitions; run `jobctl topic apply` first, then this again",
            n_missing);
    return r;
}

/* --- trim --- */

static const struct output_column trim_columns[] = {
    { "topic", CELL_TEXT },    { "partition", CELL_INT }, { "next_offset", CELL_INT },
    { "log_start", CELL_INT }, { "log_end", CELL_INT },   { "trim_to", CELL_INT },
    { "trouble", CELL_TEXT },
};

static int list_trim(struct invocation *in, struct err *reterr)
{
    _cleanup_(logs_done) struct logs logs = { 0 };
    int r = logs_read(in, NULL, 0, &logs, reterr);
    if (r)
        return r;
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    r = present_begin(in, trim_columns, ARRAY_SIZE(trim_columns), &o, reterr);
    if (r)
        return r;
    for (size_t i = 0; i < logs.n; i++) {
        const struct log_row *row = &logs.list[i];
        struct cell cells[] = {
            cell_text(row->place.topic),
            cell_int(row->place.partition),
            cell_int(row->place.next_offset),
            cell_known(row->is_there ? row->log.start : -1),
            cell_known(row->is_there ? row->log.end : -1),
            cell_known(row->place.trim_to),
            cell_text(row->place.trouble    ? row->place.trouble
                      : log_row_stands(row) ? "recreated"
                                            : NULL),
        };
        output_add(o, cells);
    }
    return output_end(o, reterr);
}

static int confirm_trim(struct invocation *in, struct err *reterr)
{
    bool needed;
    int r = dialog_confirm(
        in,
        "Has this PostgreSQL all that the one before had, or do you accept what it lacks? Records that it "
        "holds to be done are deleted from Kafka again.",
        reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_store(in, trim_confirm(in->db, &needed, reterr), reterr);
    if (r == STATUS_DONE)
        dialog_say(
            needed ? "confirmed; records go when they have been done for broker.trim_after, counted from now"
                   : "there was nothing to confirm");
    return r;
}

int command_topic_trim(struct invocation *in, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = invocation_connect(in, reterr);
    if (r)
        return r;
    if (arguments_has(&in->arguments, "confirm"))
        return confirm_trim(in, reterr);
    r = list_trim(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_store(in, trim_sum_up(in->db, &rows, reterr), reterr);
    if (r == STATUS_DONE && !rows_bool(rows, 0, 2))
        return err_set(
            reterr, STATUS_FAILED,
            "nothing is deleted: PostgreSQL has another history than before (a failover, or a restored backup). When you "
            "have found it whole: jobctl topic trim --confirm");
    return r;
}
