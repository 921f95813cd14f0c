/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl job why: why a job is where it is. */
#include "cli/commands.h"

#include <string.h>

#include "base/buf.h"
#include "cli/dialog.h"
#include "cli/print/present.h"
#include "cli/print/printable.h"
#include "cli/why/why_facts.h"

/* --- For people: the sentence, what it rests on, what would change it --- */

static void append_evidence(struct buf *text, const struct invocation *in, const struct why_verdict *v,
                            int64_t now_us)
{
    size_t widest = 0;
    for (size_t i = 0; i < v->n_evidence; i++)
        widest = strlen(v->evidence[i].name) > widest ? strlen(v->evidence[i].name) : widest;
    for (size_t i = 0; i < v->n_evidence; i++) {
        const struct cell *cell = &v->evidence[i].cell;
        buf_append_format(text, "  %-*s  ", (int)widest, v->evidence[i].name);
        if (cell->kind == CELL_TIME)
            moment_append(text, cell->number, in->style.times, now_us);
        else
            cell_append_plain(text, cell);
        buf_append_char(text, '\n');
    }
}

static int print_text(struct invocation *in, const struct why_verdict *v, int64_t now_us, struct err *reterr)
{
    _cleanup_buf_ struct buf text = { 0 };
    printable_append(&text, (struct span){ v->because.data, v->because.size });
    buf_append_char(&text, '\n');
    append_evidence(&text, in, v, now_us);
    buf_append_string(&text, "→ ");
    printable_append(&text, (struct span){ v->next.data, v->next.size });
    buf_append_char(&text, '\n');
    if (text.failed || fputs(text.data, in->to) < 0)
        return err_set(reterr, STATUS_FAILED, "the output could not be written");
    return STATUS_DONE;
}

/* --- For programs --- */

static const struct output_column columns[] = {
    { "id", CELL_ID },        { "state", CELL_TEXT },    { "cause", CELL_TEXT },
    { "because", CELL_TEXT }, { "evidence", CELL_JSON }, { "next", CELL_TEXT },
};

static void append_json(struct buf *json, const struct why_verdict *v)
{
    struct output_column names[WHY_MAX_ITEMS];
    struct cell cells[WHY_MAX_ITEMS];
    for (size_t i = 0; i < v->n_evidence; i++) {
        names[i] = (struct output_column){ .name = v->evidence[i].name, .kind = v->evidence[i].cell.kind };
        cells[i] = v->evidence[i].cell;
    }
    output_append_object(json, names, v->n_evidence, cells);
}

static int print(struct invocation *in, const struct uuid *id, const struct why_verdict *v,
                 struct err *reterr)
{
    _cleanup_buf_ struct buf evidence = { 0 };
    append_json(&evidence, v);
    if (v->failed || evidence.failed)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    const struct cell cells[] = {
        cell_id(id),
        cell_text(v->state),
        cell_text(v->cause),
        cell_span(CELL_TEXT, (struct span){ v->because.data, v->because.size }),
        cell_json(evidence.data),
        cell_span(CELL_TEXT, (struct span){ v->next.data, v->next.size }),
    };
    return present_one(in, columns, ARRAY_SIZE(columns), cells, reterr);
}

/* What could not be asked is said, whatever came out. */
static void say_what_is_not_known(const struct why_facts *f)
{
    if (f->store_error)
        dialog_say("%s (what PostgreSQL has of the job is not known)", f->store_error);
    if (f->kafka_error)
        dialog_say("%s (what Kafka has of the job is not known)", f->kafka_error);
}

/* Who does not know the job says so by the status, too. */
static int judge_status(const struct why_facts *f)
{
    switch (f->place) {
    case WHY_NOWHERE:
        return f->kafka_error ? STATUS_AWAY : STATUS_NOT_FOUND;
    case WHY_PASSED:
        return STATUS_NOT_FOUND;
    default:
        return STATUS_DONE;
    }
}

int command_job_why(struct invocation *in, struct err *reterr)
{
    struct why_inquiry q = { 0 };
    struct why_verdict v = { 0 };
    struct uuid id;
    const char *text = in->arguments.words[0];
    uuid_parse(text, strlen(text), &id);
    int r = why_inquire(in, &id, &q, reterr);
    if (r)
        goto done;
    why_judge(&q.facts, &v);
    say_what_is_not_known(&q.facts);
    bool as_text = in->style.format == OUTPUT_TABLE && !in->style.columns;
    r = as_text ? print_text(in, &v, q.facts.now_us, reterr) : print(in, &id, &v, reterr);
    if (r == STATUS_DONE)
        r = judge_status(&q.facts);
done:
    why_verdict_done(&v);
    why_inquiry_done(&q);
    return r;
}
