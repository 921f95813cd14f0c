/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl job show. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/absent.h"
#include "cli/lookup.h"
#include "cli/present.h"
#include "libjob/names.h"
#include "store/jobs.h"

/* As jobs_find() has them, and two more. */
static const struct output_column show_columns[] = {
    { "id", CELL_ID },           { "state", CELL_TEXT },       { "queue", CELL_TEXT },
    { "type", CELL_TEXT },       { "reason", CELL_TEXT },      { "attempt", CELL_INT },
    { "delivery", CELL_INT },    { "run_at", CELL_TIME },      { "enqueued_at", CELL_TIME },
    { "started_at", CELL_TIME }, { "finished_at", CELL_TIME }, { "worker", CELL_TEXT },
    { "cpu_ms", CELL_INT },      { "peak_kib", CELL_INT },     { "trace_id", CELL_TEXT },
    { "topic", CELL_TEXT },      { "partition", CELL_INT },    { "offset", CELL_INT },
    { "parent", CELL_ID },       { "error", CELL_TEXT },       { "result", CELL_JSON },
    { "progress", CELL_JSON },   { "headers", CELL_JSON },     { "key", CELL_BYTES },
    { "payload", CELL_PAYLOAD }, { "ahead", CELL_INT },        { "attempts", CELL_JSON, OUTPUT_NOT_IN_TABLE },
};
enum {
    SHOW_ID,
    SHOW_STATE,
    SHOW_QUEUE,
    SHOW_TYPE,
    SHOW_ATTEMPT = 5,
    SHOW_DELIVERY,
    SHOW_ENQUEUED_AT = 8,
    SHOW_TOPIC = 15,
    SHOW_PARTITION,
    SHOW_OFFSET,
    SHOW_PARENT,
    SHOW_HEADERS = 22,
    SHOW_KEY,
    SHOW_PAYLOAD,
    SHOW_AHEAD,
    SHOW_ATTEMPTS,
    SHOW_N,
};

/* As jobs_list_attempts() has them. */
static const struct output_column attempt_columns[] = {
    { "delivery", CELL_INT },
    { "attempt", CELL_INT },
    { "outcome", CELL_TEXT },
    { "error", CELL_TEXT, OUTPUT_CUTTABLE },
    { "started_at", CELL_TIME },
    { "finished_at", CELL_TIME },
    { "worker", CELL_TEXT, OUTPUT_CUTTABLE },
    { "cpu_ms", CELL_INT },
    { "peak_kib", CELL_INT },
};

static void append_attempts(struct buf *json, const struct rows *attempts)
{
    struct cell cells[ARRAY_SIZE(attempt_columns)];
    buf_append_char(json, '[');
    for (size_t i = 0; i < rows_count(attempts); i++) {
        present_fill(attempt_columns, ARRAY_SIZE(attempt_columns), attempts, i, cells);
        buf_append_string(json, i ? ", " : "");
        output_append_object(json, attempt_columns, ARRAY_SIZE(attempt_columns), cells);
    }
    buf_append_char(json, ']');
}

static int print_job(struct invocation *in, struct cell *cells, const struct rows *attempts,
                     struct err *reterr)
{
    _cleanup_buf_ struct buf json = { 0 };
    append_attempts(&json, attempts);
    if (json.failed)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    cells[SHOW_ATTEMPTS] = cell_json(json.data);
    int r = present_one(in, show_columns, ARRAY_SIZE(show_columns), cells, reterr);
    if (r || in->style.format != OUTPUT_TABLE || rows_count(attempts) == 0)
        return r;
    fputs("\n", in->to);
    return present_rows(in, attempt_columns, ARRAY_SIZE(attempt_columns), attempts, reterr);
}

enum { NOT_KNOWN = 2000 };

/* Return: an enum status; NOT_KNOWN. */
static int show_known(struct invocation *in, const struct uuid *id, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL, *attempts = NULL;
    struct cell cells[SHOW_N] = { 0 };
    int r = jobs_find(in->db, id, &rows, reterr);
    if (r == 0 && rows_count(rows) == 0)
        return NOT_KNOWN;
    if (r == 0)
        r = jobs_list_attempts(in->db, id, &attempts, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    present_fill(show_columns, SHOW_AHEAD, rows, 0, cells);
    return print_job(in, cells, attempts, reterr);
}

static struct cell cell_copied(enum cell_kind kind, const struct buf *b, bool there)
{
    return there ? cell_span(kind, (struct span){ b->data ? b->data : "", b->size }) : cell_null();
}

/* A job that lies in its topic and that no worker has recorded anything about. */
static int print_queued(struct invocation *in, const struct lookup *l, struct err *reterr)
{
    struct cell cells[SHOW_N] = {
        [SHOW_ID] = cell_id(&l->id),
        [SHOW_STATE] = cell_text("queued"),
        [SHOW_QUEUE] = cell_span(CELL_TEXT, name_queue_of_topic(in->config->prefix, l->topic)),
        [SHOW_TYPE] = cell_copied(CELL_TEXT, &l->type, l->type.size > 0),
        [SHOW_ATTEMPT] = cell_int(l->attempt),
        [SHOW_DELIVERY] = cell_int(l->delivery),
        [SHOW_ENQUEUED_AT] = { .kind = CELL_TIME, .number = l->enqueued_us },
        [SHOW_TOPIC] = cell_text(l->topic),
        [SHOW_PARTITION] = cell_int(l->partition),
        [SHOW_OFFSET] = cell_int(l->offset),
        [SHOW_PARENT] = uuid_is_null(&l->parent) ? cell_null() : cell_id(&l->parent),
        [SHOW_HEADERS] = cell_copied(CELL_JSON, &l->headers, true),
        [SHOW_KEY] = cell_copied(CELL_BYTES, &l->key, l->has_key),
        [SHOW_PAYLOAD] = cell_copied(CELL_PAYLOAD, &l->payload, l->has_payload),
        [SHOW_AHEAD] = cell_int(l->ahead),
        [SHOW_ATTEMPTS] = cell_json("[]"),
    };
    return present_one(in, show_columns, ARRAY_SIZE(show_columns), cells, reterr);
}

/* Between the two looks at PostgreSQL a worker may have taken it from Kafka. */
static int show_unknown(struct invocation *in, const struct uuid *id, struct err *reterr)
{
    struct lookup l = { 0 };
    int found = lookup_find(in, id, &l, reterr);
    int r = found == STATUS_AWAY ? NOT_KNOWN : show_known(in, id, reterr);
    if (r != NOT_KNOWN)
        goto done;
    if (found)
        r = absent_judge(id, found, reterr);
    else if (l.ahead < 0)
        r = absent_say_passed(id, reterr);
    else
        r = print_queued(in, &l, reterr);
done:
    lookup_done(&l);
    return r;
}

int command_job_show(struct invocation *in, struct err *reterr)
{
    struct uuid id;
    uuid_parse(in->arguments.words[0], strlen(in->arguments.words[0]), &id);
    int r = invocation_connect(in, reterr);
    if (r)
        return r;
    r = show_known(in, &id, reterr);
    return r == NOT_KNOWN ? show_unknown(in, &id, reterr) : r;
}
