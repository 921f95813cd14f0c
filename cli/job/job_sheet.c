/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job/job_sheet.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/print/document.h"
#include "cli/print/present.h"
#include "libjob/json_text.h"
#include "libjob/names.h"
#include "store/jobs.h"

/* Rows of each relation that are looked at for children, and how many of them are listed. */
#define CHILDREN_READ 10000
#define CHILDREN_MAX 100

static const struct output_column sheet_columns[] = {
    [SHEET_ID] = { "id", CELL_ID },
    [SHEET_STATE] = { "state", CELL_TEXT },
    [SHEET_QUEUE] = { "queue", CELL_TEXT },
    [SHEET_TYPE] = { "type", CELL_TEXT },
    [SHEET_REASON] = { "reason", CELL_TEXT },
    [SHEET_ATTEMPT] = { "attempt", CELL_INT },
    [SHEET_DELIVERY] = { "delivery", CELL_INT },
    [SHEET_RUN_AT] = { "run_at", CELL_TIME },
    [SHEET_ENQUEUED_AT] = { "enqueued_at", CELL_TIME },
    [SHEET_STARTED_AT] = { "started_at", CELL_TIME },
    [SHEET_FINISHED_AT] = { "finished_at", CELL_TIME },
    [SHEET_WORKER] = { "worker", CELL_TEXT },
    [SHEET_CPU_MS] = { "cpu_ms", CELL_INT },
    [SHEET_PEAK_KIB] = { "peak_kib", CELL_INT },
    [SHEET_TRACE_ID] = { "trace_id", CELL_TEXT },
    [SHEET_TOPIC] = { "topic", CELL_TEXT },
    [SHEET_PARTITION] = { "partition", CELL_INT },
    [SHEET_OFFSET] = { "offset", CELL_INT },
    [SHEET_PARENT] = { "parent", CELL_ID },
    [SHEET_ERROR] = { "error", CELL_TEXT },
    [SHEET_RESULT] = { "result", CELL_JSON },
    [SHEET_PROGRESS] = { "progress", CELL_JSON },
    [SHEET_HEADERS] = { "headers", CELL_JSON },
    [SHEET_KEY] = { "key", CELL_BYTES },
    [SHEET_PAYLOAD] = { "payload", CELL_PAYLOAD },
    [SHEET_PLACE] = { "place", CELL_TEXT },
    [SHEET_TAGS] = { "tags", CELL_JSON },
    [SHEET_UNIQUE_KEY] = { "unique_key", CELL_TEXT },
    [SHEET_UNIQUE_UNTIL] = { "unique_until", CELL_TIME },
    [SHEET_DIED_AT] = { "died_at", CELL_TIME },
    [SHEET_AHEAD] = { "ahead", CELL_INT },
    [SHEET_PAYLOAD_FROM] = { "payload_from", CELL_TEXT },
    [SHEET_TRACE_URL] = { "trace_url", CELL_TEXT },
    [SHEET_ATTEMPTS] = { "attempts", CELL_JSON, OUTPUT_NOT_IN_TABLE },
    [SHEET_TIMELINE] = { "timeline", CELL_JSON, OUTPUT_NOT_IN_TABLE },
    [SHEET_CHILDREN] = { "children", CELL_JSON, OUTPUT_NOT_IN_TABLE },
    [SHEET_CHILDREN_UNTIL] = { "children_until", CELL_TIME, OUTPUT_NOT_IN_TABLE },
};

/* As jobs_list_attempts(), jobs_list_timeline() and jobs_list_children() have them. */
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
static const struct output_column timeline_columns[] = {
    { "at", CELL_TIME },
    { "event", CELL_TEXT },
    { "delivery", CELL_INT },
    { "attempt", CELL_INT },
    { "worker", CELL_TEXT, OUTPUT_CUTTABLE },
    { "actor", CELL_TEXT, OUTPUT_CUTTABLE },
    { "detail", CELL_TEXT, OUTPUT_CUTTABLE },
};
static const struct output_column child_columns[] = {
    { "id", CELL_ID },
    { "state", CELL_TEXT },
    { "queue", CELL_TEXT },
    { "type", CELL_TEXT },
};
#define CHILD_EDGE 4

/* --- Reading --------------------------------------------------------------------------------------------------------------- */

static size_t count_children(const struct sheet *s)
{
    return rows_is_null(s->children, 0, 0) ? 0 : rows_count(s->children);
}

/* Up to where children would have been seen; null: all that PostgreSQL knows of. */
static struct cell find_children_until(const struct sheet *s)
{
    struct uuid edge, last;
    size_t n = count_children(s);
    rows_uuid(s->children, 0, CHILD_EDGE, &edge);
    if (n == CHILDREN_MAX) {
        rows_uuid(s->children, n - 1, 0, &last);
        edge = last;
    }
    if (uuid_is_null(&edge) || uuid_time_ms(&edge) < 0)
        return cell_null();
    return (struct cell){ .kind = CELL_TIME, .number = uuid_time_ms(&edge) * USEC_PER_MSEC };
}

int sheet_read(struct sheet *s, struct invocation *in, const struct uuid *id, struct err *reterr)
{
    int r = jobs_find(in->db, id, &s->job, reterr);
    if (r == 0 && rows_count(s->job) == 0)
        return SHEET_NOT_KNOWN;
    if (r == 0)
        r = jobs_list_attempts(in->db, id, &s->attempts, reterr);
    if (r == 0)
        r = jobs_list_timeline(in->db, id, &s->timeline, reterr);
    if (r == 0)
        r = jobs_list_children(in->db, id, CHILDREN_READ, CHILDREN_MAX, &s->children, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    present_fill(sheet_columns, SHEET_N_FOUND, s->job, 0, s->cells);
    s->cells[SHEET_CHILDREN_UNTIL] = find_children_until(s);
    if (s->cells[SHEET_PAYLOAD].kind != CELL_NULL)
        s->cells[SHEET_PAYLOAD_FROM] = cell_text("postgresql");
    return STATUS_DONE;
}

void sheet_done(struct sheet *s)
{
    rows_free(s->job);
    rows_free(s->attempts);
    rows_free(s->timeline);
    rows_free(s->children);
    lookup_done(&s->message);
    buf_done(&s->tags);
    buf_done(&s->unique_key);
    buf_done(&s->trace_id);
    buf_done(&s->trace_url);
}

/* --- What a message has --------------------------------------------------------------------------------------------------------- */

static void lay(struct sheet *s, enum sheet_member member, struct cell cell)
{
    if (s->cells[member].kind == CELL_NULL)
        s->cells[member] = cell;
}

static struct cell cell_of(enum cell_kind kind, const struct buf *b)
{
    return b->size ? cell_span(kind, (struct span){ b->data, b->size }) : cell_null();
}

static void append_tags(struct buf *json, const char *tags)
{
    buf_append_char(json, '[');
    for (size_t size; *tags; tags += size + (tags[size] == ',')) {
        size = strcspn(tags, ",");
        buf_append_string(json, json->size > 1 ? ", " : "");
        json_append_string(json, tags, size);
    }
    buf_append_char(json, ']');
}

static void lay_headers(struct sheet *s)
{
    json_t *headers = s->message.headers.data ? json_loads(s->message.headers.data, 0, NULL) : NULL;
    const char *tags = json_string_value(json_object_get(headers, "ce_tags")),
               *unique = json_string_value(json_object_get(headers, "ce_uniquekey")),
               *parent = json_string_value(json_object_get(headers, "traceparent"));
    if (tags && *tags)
        append_tags(&s->tags, tags);
    if (unique)
        buf_append_string(&s->unique_key, unique);
    if (parent && strlen(parent) >= 35)
        buf_append(&s->trace_id, parent + 3, 32);
    json_decref(headers);
    lay(s, SHEET_TAGS, cell_of(CELL_JSON, &s->tags));
    lay(s, SHEET_UNIQUE_KEY, cell_of(CELL_TEXT, &s->unique_key));
    lay(s, SHEET_TRACE_ID, cell_of(CELL_TEXT, &s->trace_id));
    lay(s, SHEET_HEADERS, cell_of(CELL_JSON, &s->message.headers));
}

static struct cell cell_copied(enum cell_kind kind, const struct buf *b, bool there)
{
    return there ? cell_span(kind, (struct span){ b->data ? b->data : "", b->size }) : cell_null();
}

static void lay_place(struct sheet *s, const struct invocation *in)
{
    const struct lookup *l = &s->message;
    s->cells[SHEET_QUEUE] = cell_span(CELL_TEXT, name_queue_of_topic(in->config->prefix, l->topic));
    s->cells[SHEET_TOPIC] = cell_text(l->topic);
    s->cells[SHEET_PARTITION] = cell_int(l->partition);
    s->cells[SHEET_OFFSET] = cell_int(l->offset);
    s->cells[SHEET_ATTEMPT] = cell_int(l->attempt);
    s->cells[SHEET_DELIVERY] = cell_int(l->delivery);
    snprintf(s->place, sizeof(s->place), "%s, partition %d, offset %" PRId64, l->topic, l->partition,
             l->offset);
    s->cells[SHEET_PLACE] = cell_text(s->place);
    s->cells[SHEET_AHEAD] = cell_int(l->ahead);
}

void sheet_take_message(struct sheet *s, const struct invocation *in, bool queued)
{
    const struct lookup *l = &s->message;
    if (queued)
        lay_place(s, in);
    lay(s, SHEET_ID, cell_id(&l->id));
    lay(s, SHEET_TYPE, cell_copied(CELL_TEXT, &l->type, l->type.size > 0));
    lay(s, SHEET_ENQUEUED_AT, (struct cell){ .kind = CELL_TIME, .number = l->enqueued_us });
    lay(s, SHEET_PARENT, uuid_is_null(&l->parent) ? cell_null() : cell_id(&l->parent));
    lay(s, SHEET_KEY, cell_copied(CELL_BYTES, &l->key, l->has_key));
    lay_headers(s);
    if (l->has_payload && s->cells[SHEET_PAYLOAD].kind == CELL_NULL) {
        s->cells[SHEET_PAYLOAD] = cell_copied(CELL_PAYLOAD, &l->payload, true);
        s->cells[SHEET_PAYLOAD_FROM] = cell_text("kafka");
    }
}

/* --- Printing -------------------------------------------------------------------------------------------------------------------- */

static void append_rows(struct buf *json, const struct output_column *columns, size_t n_columns,
                        const struct rows *rows, size_t n)
{
    struct cell cells[PRESENT_MAX_COLUMNS];
    buf_append_char(json, '[');
    for (size_t i = 0; i < n; i++) {
        present_fill(columns, n_columns, rows, i, cells);
        buf_append_string(json, i ? ", " : "");
        output_append_object(json, columns, n_columns, cells);
    }
    buf_append_char(json, ']');
}

/* "{trace_id}" in the configured URL becomes the trace's id. */
static void fill_trace_url(struct sheet *s, const struct invocation *in)
{
    const char *url = in->config->jobctl.trace_url, *place;
    const struct cell *id = &s->cells[SHEET_TRACE_ID];
    if (!url || id->kind == CELL_NULL)
        return;
    for (; (place = strstr(url, CONFIG_TRACE_PLACE)); url = place + strlen(CONFIG_TRACE_PLACE)) {
        buf_append(&s->trace_url, url, (size_t)(place - url));
        buf_append(&s->trace_url, id->bytes.data, id->bytes.size);
    }
    buf_append_string(&s->trace_url, url);
    s->cells[SHEET_TRACE_URL] = cell_of(CELL_TEXT, &s->trace_url);
}

static int print_section(struct invocation *in, const char *title, const struct output_column *columns,
                         size_t n_columns, const struct rows *rows, size_t n, struct err *reterr)
{
    struct cell cells[PRESENT_MAX_COLUMNS];
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    if (n == 0)
        return STATUS_DONE;
    fprintf(in->to, "\n%s\n", title);
    int r = present_begin(in, columns, n_columns, &o, reterr);
    for (size_t i = 0; r == STATUS_DONE && i < n; i++) {
        present_fill(columns, n_columns, rows, i, cells);
        output_add(o, cells);
    }
    return r ? r : output_end(o, reterr);
}

static int print_documents(const struct sheet *s, struct invocation *in, struct err *reterr)
{
    static const struct {
        enum sheet_member member;
        const char *title;
    } documents[] = { { SHEET_PAYLOAD, "\npayload" }, { SHEET_RESULT, "\nresult" } };
    _cleanup_buf_ struct buf text = { 0 };
    bool whole = arguments_has(&in->arguments, "full");
    for (size_t i = 0; i < ARRAY_SIZE(documents); i++)
        if (s->cells[documents[i].member].kind != CELL_NULL)
            document_append(&text, documents[i].title, s->cells[documents[i].member].bytes, whole);
    if (text.failed || (text.size && fputs(text.data, in->to) < 0))
        return err_set(reterr, STATUS_FAILED, "the output could not be written");
    return STATUS_DONE;
}

static int print_sections(const struct sheet *s, struct invocation *in, struct err *reterr)
{
    int r = STATUS_DONE;
    if (s->attempts)
        r = print_section(in, "attempts", attempt_columns, ARRAY_SIZE(attempt_columns), s->attempts,
                          rows_count(s->attempts), reterr);
    if (r == STATUS_DONE && s->timeline)
        r = print_section(in, "timeline", timeline_columns, ARRAY_SIZE(timeline_columns), s->timeline,
                          rows_count(s->timeline), reterr);
    if (r == STATUS_DONE && s->children)
        r = print_section(in, "children", child_columns, ARRAY_SIZE(child_columns), s->children,
                          count_children(s), reterr);
    return r;
}

static int fill_json(struct sheet *s, struct buf *attempts, struct buf *timeline, struct buf *children,
                     struct err *reterr)
{
    append_rows(attempts, attempt_columns, ARRAY_SIZE(attempt_columns), s->attempts,
                s->attempts ? rows_count(s->attempts) : 0);
    append_rows(timeline, timeline_columns, ARRAY_SIZE(timeline_columns), s->timeline,
                s->timeline ? rows_count(s->timeline) : 0);
    append_rows(children, child_columns, ARRAY_SIZE(child_columns), s->children,
                s->children ? count_children(s) : 0);
    if (attempts->failed || timeline->failed || children->failed)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    s->cells[SHEET_ATTEMPTS] = cell_json(attempts->data);
    s->cells[SHEET_TIMELINE] = cell_json(timeline->data);
    s->cells[SHEET_CHILDREN] = cell_json(children->data);
    return STATUS_DONE;
}

int sheet_print(struct sheet *s, struct invocation *in, struct err *reterr)
{
    _cleanup_buf_ struct buf attempts = { 0 }, timeline = { 0 }, children = { 0 };
    struct output_column columns[SHEET_N];
    bool with_sections = in->style.format == OUTPUT_TABLE && !in->style.columns,
         with_documents = with_sections && in->style.terminal;
    fill_trace_url(s, in);
    int r = fill_json(s, &attempts, &timeline, &children, reterr);
    memcpy(columns, sheet_columns, sizeof(columns));
    if (with_documents) /* they follow below, laid out */
        columns[SHEET_PAYLOAD].hints = columns[SHEET_RESULT].hints = OUTPUT_NOT_IN_TABLE;
    if (r == STATUS_DONE)
        r = present_one(in, columns, SHEET_N, s->cells, reterr);
    if (r == STATUS_DONE && with_documents)
        r = print_documents(s, in, reterr);
    return r || !with_sections ? r : print_sections(s, in, reterr);
}
