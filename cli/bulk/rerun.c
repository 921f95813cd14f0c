/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bulk/rerun.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/timefmt.h"
#include "libjob/envelope.h"

#define SPAN_MIN_US USEC_PER_SEC
#define SPAN_MAX_US (24 * 3600 * USEC_PER_SEC)

/* As rerun_list() has them. */
enum {
    LIST_ID,
    LIST_FINISHED_AT,
    LIST_QUEUE,
    LIST_TYPE,
    LIST_STATE,
    LIST_TOPIC,
    LIST_PARTITION,
    LIST_OFFSET,
    LIST_RESULT
};

void rerun_page_done(struct rerun_page *page)
{
    for (size_t i = 0; i < page->n; i++)
        buf_done(&page->items[i].memory);
    free(page->items);
    rows_free(page->rows);
    *page = (struct rerun_page){ 0 };
}

/* --- From a message to a new job --- */

/* What was about the old job alone. */
static const char *const left_behind[] = { "ce_expires", "ce_uniquekey", "ce_uniquettlms", "ce_debounce",
                                           "ce_keyseq",  "ce_crashes",   "ce_reply" };

static void make_id(const struct rerun *r, const struct uuid *old, struct uuid *ret)
{
    uint64_t a = hash_fnv1a(hash_fnv1a(HASH_START, &r->run, sizeof(r->run)), old->bytes, sizeof(old->bytes));
    uint64_t b = hash_fnv1a(hash_fnv1a(HASH_START, old->bytes, sizeof(old->bytes)), &r->run, sizeof(r->run));
    uuid_from_hash(r->begun_us / 1000, hash_mix(a), hash_mix(b), ret);
}

/* Attributes of a structured message lie in its value: a header of the same name counts more. */
static char *make_headers(const struct message *m, const struct envelope *e)
{
    _cleanup_buf_ struct buf text = { 0 };
    char id[UUID_TEXT_SIZE], time[RFC3339_SIZE];
    int64_t now_us = clock_wall_us();
    envelope_headers_to_json(m->headers, m->n_headers, true, &text);
    json_t *headers = text.failed ? NULL : json_loadb(text.data, text.size, 0, NULL);
    if (!headers)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(left_behind); i++)
        json_object_del(headers, left_behind[i]);
    if (e->owned && e->expires_us)
        json_object_set_new(headers, HEADER_EXPIRES, json_string("9999-12-31T00:00:00Z"));
    json_object_set_new(headers, HEADER_PARENT, json_string(uuid_format(&e->id, id)));
    json_object_set_new(headers, HEADER_TIME, json_string(rfc3339_format(now_us, 3, time)));
    char *json = json_dumps(headers, JSON_COMPACT);
    json_decref(headers);
    return json;
}

static const char *find_lane(const struct rerun *r, const struct message *m, const struct envelope *e)
{
    static const char *const ends[LANE_COUNT] = { [LANE_HIGH] = ".high", [LANE_LOW] = ".low" };
    const char *prefix = r->in->config->prefix;
    return ends[name_queue_of_topic(prefix, m->topic).data ? name_lane_of_topic(prefix, m->topic) : e->lane];
}

/* Key, payload and headers, one behind the other. */
static void make_job(const struct rerun *r, struct rerun_item *item, const struct message *m,
                     const struct envelope *e)
{
    _cleanup_free_ char *headers = make_headers(m, e);
    struct buf *b = &item->memory;
    item->fate = RERUN_AGAIN;
    buf_append_string(b, headers ? headers : "");
    buf_append_char(b, 0);
    size_t key_at = b->size;
    buf_append(b, m->key.data, m->key.size);
    size_t payload_at = b->size;
    buf_append(b, m->value.data, m->value.size);
    b->failed = b->failed || !headers;
    if (b->failed)
        return;
    make_id(r, &item->id, &item->job.id);
    item->job.lane = find_lane(r, m, e);
    item->job.headers_json = b->data;
    item->job.key = (struct span){ m->key.data ? b->data + key_at : NULL, m->key.size };
    item->job.payload = (struct span){ m->value.data ? b->data + payload_at : NULL, m->value.size };
}

static bool is_meant(const struct rerun *r, const struct rerun_item *item, const struct message *m,
                     const struct envelope *e)
{
    _cleanup_buf_ struct buf headers = { 0 };
    json_t *values[3] = { 0 };
    if (r->choice->where.n == 0)
        return true;
    if (where_asks(&r->choice->where, WHERE_PAYLOAD))
        values[WHERE_PAYLOAD] = where_read_json(e->payload.data, e->payload.size);
    if (where_asks(&r->choice->where, WHERE_RESULT) && item->result)
        values[WHERE_RESULT] = where_read_json(item->result, strlen(item->result));
    if (where_asks(&r->choice->where, WHERE_HEADERS)) {
        envelope_headers_to_json(m->headers, m->n_headers, false, &headers);
        values[WHERE_HEADERS] = where_read_json(headers.data, headers.failed ? 0 : headers.size);
    }
    bool meant = where_matches(&r->choice->where, values);
    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        json_decref(values[i]);
    return meant;
}

static void judge(const struct rerun *r, struct rerun_item *item, const struct message *m)
{
    struct envelope e = { 0 };
    struct err err = { 0 };
    int decoded = envelope_decode(m, &e, &err);
    if (decoded)
        snprintf(item->why, sizeof(item->why), "its message cannot be read: %.150s", err.text);
    else if (!uuid_equal(&e.id, &item->id))
        snprintf(item->why, sizeof(item->why), "another message lies at its place: the topic was made anew");
    else if (!is_meant(r, item, m, &e))
        item->fate = RERUN_OTHER;
    else
        make_job(r, item, m, &e);
    envelope_done(&e);
}

/* --- Reading the messages --- */

/* What is wanted of one topic. */
struct fetch {
    const struct rerun *r;
    struct rerun_item **items; /* by place */
    size_t n;
    size_t bytes, n_taken; /* of all topics of a page */
    bool failed;
};

static bool take(size_t want, const struct message *m, void *userdata)
{
    struct fetch *f = userdata;
    struct rerun_item *item = f->items[want];
    judge(f->r, item, m);
    f->bytes += item->memory.size;
    f->n_taken++;
    f->failed = item->memory.failed;
    return !f->failed && (f->bytes <= RERUN_PAGE_BYTES || f->n_taken == 1);
}

static int compare_places(const void *a, const void *b)
{
    const struct rerun_item *x = *(struct rerun_item *const *)a, *y = *(struct rerun_item *const *)b;
    int order = strcmp(x->topic, y->topic);
    if (order == 0)
        order = (x->partition > y->partition) - (x->partition < y->partition);
    return order ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

static void tell_gone(struct rerun_item *item, enum admin_fate fate)
{
    static const char *const words[] = {
        [ADMIN_TRIMMED] = "its message was deleted from Kafka",
        [ADMIN_BEYOND] = "the log does not reach its place: the topic was made anew",
        [ADMIN_MISSING] = "no message lies at its place in Kafka",
    };
    if (fate != ADMIN_READ)
        snprintf(item->why, sizeof(item->why), "%s (%.120s[%" PRId32 "] at %" PRId64 ")", words[fate],
                 item->topic, item->partition, item->offset);
}

/* Return: an enum status; TOO_LARGE. */
enum { TOO_LARGE = 4000 };
static int fetch_topic(struct fetch *f, struct err *reterr)
{
    const char *topic = f->items[0]->topic;
    _cleanup_free_ struct admin_want *wants = calloc(f->n, sizeof(*wants));
    if (!wants)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    for (size_t i = 0; i < f->n; i++)
        wants[i] = (struct admin_want){ .partition = f->items[i]->partition, .offset = f->items[i]->offset };
    int r = admin_read_messages(f->r->in->admin, topic, wants, f->n, take, f, reterr);
    if (f->failed)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    if (r == ADMIN_STOPPED)
        return TOO_LARGE;
    for (size_t i = 0; r == ADMIN_NO_TOPIC && i < f->n; i++)
        snprintf(f->items[i]->why, sizeof(f->items[i]->why), "Kafka has no topic %.150s", topic);
    if (r == ADMIN_NO_TOPIC)
        return STATUS_DONE;
    for (size_t i = 0; r == 0 && i < f->n; i++)
        tell_gone(f->items[i], wants[i].fate);
    return invocation_judge_kafka(f->r->in, r, reterr);
}

static int fetch_all(struct fetch *f, struct rerun_item **items, size_t n, struct err *reterr)
{
    int r = STATUS_DONE;
    qsort(items, n, sizeof(*items), compare_places);
    for (size_t from = 0; r == STATUS_DONE && from < n; from += f->n) {
        f->items = &items[from];
        f->n = 1;
        while (from + f->n < n && strcmp(items[from + f->n]->topic, items[from]->topic) == 0)
            f->n++;
        r = fetch_topic(f, reterr);
    }
    return r;
}

static int fetch(const struct rerun *r, struct rerun_page *page, struct err *reterr)
{
    struct fetch f = { .r = r };
    _cleanup_free_ struct rerun_item **items = calloc(page->n + 1, sizeof(struct rerun_item *));
    size_t n = 0;
    if (!items)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    for (size_t i = 0; i < page->n; i++)
        if (page->items[i].topic)
            items[n++] = &page->items[i];
    return fetch_all(&f, items, n, reterr);
}

/* --- Pages --- */

static void fill(struct rerun_item *item, const struct rows *rows, size_t row)
{
    rows_uuid(rows, row, LIST_ID, &item->id);
    item->fate = RERUN_GONE;
    item->result = rows_text(rows, row, LIST_RESULT);
    item->job.queue = rows_text(rows, row, LIST_QUEUE);
    item->job.type = rows_text(rows, row, LIST_TYPE);
    if (rows_is_null(rows, row, LIST_TOPIC) || rows_is_null(rows, row, LIST_PARTITION) ||
        rows_is_null(rows, row, LIST_OFFSET) || !item->job.type) {
        snprintf(item->why, sizeof(item->why), "it ended before its message lay in Kafka");
        return;
    }
    item->topic = rows_text(rows, row, LIST_TOPIC);
    item->partition = rows_int(rows, row, LIST_PARTITION);
    item->offset = rows_bigint(rows, row, LIST_OFFSET);
}

/* The next rows, and where they end: the last of them, or the end of the span that was looked at. */
static int list(struct rerun *r, int at_most, struct rerun_page *page, struct err *reterr)
{
    size_t n = 0;
    while (n == 0 && r->at.us < r->choice->to_us) {
        int64_t end_us =
            r->at.us + r->at.span_us < r->choice->to_us ? r->at.us + r->at.span_us : r->choice->to_us;
        rows_free(page->rows);
        page->rows = NULL;
        int status = rerun_list(r->in->db, &r->choice->filter, r->at.us, &r->at.id, end_us, at_most,
                                &page->rows, reterr);
        if (status)
            return invocation_judge_store(r->in, status, reterr);
        n = rows_count(page->rows);
        if (n == (size_t)at_most) {
            r->at.us = rows_time_us(page->rows, n - 1, LIST_FINISHED_AT);
            rows_uuid(page->rows, n - 1, LIST_ID, &r->at.id);
            r->at.span_us = r->at.span_us / 2 > SPAN_MIN_US ? r->at.span_us / 2 : SPAN_MIN_US;
        } else {
            r->at.us = end_us;
            r->at.id = (struct uuid){ 0 };
            r->at.span_us = r->at.span_us * 2 < SPAN_MAX_US ? r->at.span_us * 2 : SPAN_MAX_US;
        }
    }
    page->is_last = r->at.us >= r->choice->to_us;
    return STATUS_DONE;
}

static int read_page(struct rerun *r, int at_most, struct rerun_page *page, struct err *reterr)
{
    int status = list(r, at_most, page, reterr);
    if (status)
        return status;
    page->n = page->rows ? rows_count(page->rows) : 0;
    page->items = calloc(page->n + 1, sizeof(*page->items));
    if (!page->items)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    for (size_t i = 0; i < page->n; i++)
        fill(&page->items[i], page->rows, i);
    return fetch(r, page, reterr);
}

int rerun_read(struct rerun *r, int at_most, struct rerun_page *ret, struct err *reterr)
{
    struct rerun_position before = r->at;
    int status;
    *ret = (struct rerun_page){ 0 };
    if (r->at.span_us == 0)
        r->at.span_us = before.span_us = SPAN_MIN_US;
    while ((status = read_page(r, at_most, ret, reterr)) == TOO_LARGE) {
        r->at = before;
        at_most = at_most > 1 ? at_most / 2 : 1;
        rerun_page_done(ret);
    }
    return status;
}
