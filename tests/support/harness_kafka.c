/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in the site's topics, and putting something there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "stream/producer.h"
#include "tests/support/harness_site.h"

#define RECORDS_MAX 50000
#define READ_S 20

char *site_topic(const struct site *s, const char *queue, char *text)
{
    snprintf(text, 250, "%s.%s", s->prefix, queue);
    return text;
}

void site_delete_topics(struct site *s)
{
    struct err err = { 0 };
    struct admin_topics topics = { 0 };
    if (admin_list_topics(s->admin, s->prefix, &topics, &err))
        return;
    for (size_t i = 0; i < topics.n; i++)
        admin_delete_topic(s->admin, topics.topics[i].name, &err);
    admin_topics_done(&topics);
}

/* --- Reading --- */

static char *copy(struct span from)
{
    char *text = from.data ? malloc(from.size + 1) : NULL;
    if (text) {
        memcpy(text, from.data, from.size);
        text[from.size] = 0;
    }
    return text;
}

static char *copy_headers(const struct message *m)
{
    struct buf b = { 0 };
    buf_append_string(&b, "");
    for (size_t i = 0; i < m->n_headers && i < MESSAGE_MAX_HEADERS; i++) {
        buf_append_format(&b, "%s=", m->headers[i].name);
        buf_append(&b, m->headers[i].value.data, m->headers[i].value.size);
        buf_append_char(&b, '\n');
    }
    return b.data;
}

static bool collect(const struct message *m, void *userdata)
{
    struct site_records *r = userdata;
    if (r->n == RECORDS_MAX)
        return true;
    r->records[r->n++] = (struct site_record){
        .partition = m->partition,
        .offset = m->offset,
        .timestamp_ms = m->timestamp_ms,
        .key = copy(m->key),
        .value = copy(m->value),
        .headers = copy_headers(m),
    };
    return false;
}

struct site_records *site_read_queue(struct site *s, const char *queue)
{
    char text[250];
    struct err err = { 0 };
    struct admin_found found;
    const char *topics[] = { site_topic(s, queue, text) };
    struct site_records *r = calloc(1, sizeof(*r));
    if (!r || !(r->records = calloc(RECORDS_MAX, sizeof(*r->records))))
        site_fail("out of memory");
    int failed = admin_find_message(s->admin, topics, 1, 0, collect, r, READ_S * USEC_PER_SEC, &found, &err);
    if (failed != ADMIN_NOT_FOUND)
        site_fail("reading %s: %s", text, failed ? err.text : "too many records");
    return r;
}

struct site_records *site_await_records(struct site *s, const char *queue, size_t n, double deadline_s)
{
    int64_t deadline_us = site_deadline(deadline_s);
    for (;;) {
        struct site_records *r = site_read_queue(s, queue);
        if (r->n >= n)
            return r;
        if (!site_nap(deadline_us))
            site_fail("%zu records in queue %s after %g s, not %zu", r->n, queue, deadline_s, n);
        site_records_free(r);
    }
}

struct site_records *site_records_free(struct site_records *r)
{
    for (size_t i = 0; r && i < r->n; i++) {
        free(r->records[i].key);
        free(r->records[i].value);
        free(r->records[i].headers);
    }
    if (r)
        free(r->records);
    free(r);
    return NULL;
}

const char *site_header(const struct site_record *r, const char *name)
{
    static _Thread_local char value[4096];
    size_t length = strlen(name);
    for (const char *at = r->headers; at && *at; at = strchr(at, '\n') + 1) {
        if (strncmp(at, name, length) != 0 || at[length] != '=')
            continue;
        snprintf(value, sizeof(value), "%.*s", (int)strcspn(at + length + 1, "\n"), at + length + 1);
        return value;
    }
    return NULL;
}

const struct site_record *site_find_record(const struct site_records *r, const char *id)
{
    for (size_t i = 0; i < r->n; i++) {
        const char *found = site_header(&r->records[i], "ce_id");
        if (found && strcmp(found, id) == 0)
            return &r->records[i];
    }
    return NULL;
}

/* --- Producing --- */

struct outcome {
    bool delivered;
    char error[256];
};

static void take_report(const struct producer_report *report, void *userdata)
{
    struct outcome *o = userdata;
    o->delivered = report->outcome == PRODUCER_DELIVERED;
    snprintf(o->error, sizeof(o->error), "%s", report->error ? report->error : "");
}

void site_produce(struct site *s, const char *queue, const struct message *m)
{
    char text[250];
    struct err err = { 0 };
    struct outcome outcome = { 0 };
    struct message sent = *m;
    _cleanup_(producer_free_cleanup) struct producer *p = NULL;
    const struct producer_config config = {
        .brokers = s->kafka,
        .client_id = "test",
        .message_timeout_us = 10 * USEC_PER_SEC,
        .buffer_messages = 10,
        .buffer_bytes = 16 * 1024 * 1024,
        .silent = true,
    };
    sent.topic = site_topic(s, queue, text);
    if (producer_new(&p, &config, take_report, &outcome, &err))
        site_fail("%s", err.text);
    int r = producer_send(p, &sent, NULL);
    if (r || producer_flush(p, 15 * USEC_PER_SEC) || !outcome.delivered)
        site_fail("producing to %s: %d %s", text, r, outcome.error);
}
