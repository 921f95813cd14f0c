/* SPDX-License-Identifier: Apache-2.0 */
/* The letter as a document and back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_scan.h"
#include "base/timefmt.h"
#include "base/utf8.h"
#include "cli/print/layout.h"
#include "cli/dead/letter.h"
#include "cli/dead/letter_members.h"
#include "libjob/base64.h"
#include "libjob/json_text.h"

DEFINE_CLEANUP(json_t *, json_decref)

/* --- Writing --- */

static void begin_member(struct buf *b, const char *name)
{
    buf_append_string(b, b->size && b->data[b->size - 1] == '{' ? "\n  " : ",\n  ");
    json_append_string(b, name, strlen(name));
    buf_append_string(b, ": ");
}

static void append_text(struct buf *b, const char *text)
{
    if (text)
        json_append_string(b, text, strlen(text));
    else
        buf_append_string(b, "null");
}

/* A header's value, if it is text: what is none stays among the headers. */
static const char *find_text(const struct letter *l, const struct letter_member *m)
{
    return json_string_value(json_object_get(l->headers, m->header));
}

static bool is_number(const char *text)
{
    size_t size = strlen(text);
    return size >= 1 && size <= 15 && text[0] != '0' && strspn(text, "0123456789") == size;
}

static void append_timeout(struct buf *b, const char *ms)
{
    char text[32];
    if (ms && is_number(ms))
        append_text(b, duration_format((int64_t)strtoll(ms, NULL, 10) * USEC_PER_MSEC, text));
    else
        append_text(b, ms);
}

static void append_tags(struct buf *b, const char *tags)
{
    buf_append_char(b, '[');
    for (const char *at = tags; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        buf_append_string(b, at == tags ? "" : ", ");
        json_append_string(b, at, strcspn(at, ","));
    }
    buf_append_char(b, ']');
}

static void append_option(struct buf *b, const struct letter *l, const struct letter_member *m)
{
    const char *text = find_text(l, m);
    begin_member(b, m->name);
    if (strcmp(m->name, "timeout") == 0)
        append_timeout(b, text);
    else if (strcmp(m->name, "tags") == 0)
        append_tags(b, text);
    else if (strcmp(m->name, "max_attempts") == 0 && text && is_number(text))
        buf_append_string(b, text);
    else
        append_text(b, text);
}

static void append_key(struct buf *b, const struct letter *l)
{
    begin_member(b, "key");
    json_append_bytes(b, l->has_key ? (struct span){ l->key.data ? l->key.data : "", l->key.size }
                                    : (struct span){ 0 });
}

static void append_headers(struct buf *b, const struct letter *l)
{
    const char *name;
    json_t *value;
    _cleanup_(json_decref_cleanup) json_t *rest = json_copy(l->headers);
    json_object_foreach(l->headers, name, value)
    {
        if (letter_member_of_header(name) && json_is_string(value))
            json_object_del(rest, name);
    }
    _cleanup_free_ char *text = json_dumps(rest, JSON_COMPACT);
    begin_member(b, "headers");
    if (text)
        layout_spread(b, span_from_string(text), 2);
    else
        b->failed = true;
}

static void append_payload(struct buf *b, const struct letter *l)
{
    struct span payload = { l->payload.data ? l->payload.data : "", l->payload.size };
    if (!l->has_payload)
        return;
    if (!utf8_is_text(payload.data, payload.size)) {
        begin_member(b, "payload_base64");
        buf_append_char(b, '"');
        base64_append(b, payload.data, payload.size);
        buf_append_char(b, '"');
    } else if (!letter_says_json(l) || payload.size == 0) {
        begin_member(b, "payload_text");
        json_append_string(b, payload.data, payload.size);
    } else {
        begin_member(b, "payload");
        if (json_scan(payload.data, payload.size, NULL) == JSON_INVALID)
            buf_append(b, payload.data, payload.size);
        else
            layout_spread(b, payload, 2);
    }
}

void letter_append(struct buf *b, const struct letter *l)
{
    buf_append_char(b, '{');
    begin_member(b, "queue");
    append_text(b, l->queue);
    begin_member(b, "type");
    append_text(b, l->type);
    append_key(b, l);
    for (const struct letter_member *m = letter_member_next(NULL); m; m = letter_member_next(m))
        if (m->header)
            append_option(b, l, m);
    append_headers(b, l);
    append_payload(b, l);
    buf_append_string(b, "\n}\n");
}

/* --- Reading --- */

struct reader {
    struct span document;
    struct letter *letter;
    const struct letter *was;
    unsigned seen; /* a bit per member */
    int lines[16]; /* where each one stands */
    struct err *reterr;
};

static int line_of(struct span document, size_t at)
{
    int line = 1;
    for (size_t i = 0; i < at && i < document.size; i++)
        line += document.data[i] == '\n';
    return line;
}

static unsigned index_of(const struct letter_member *m)
{
    return (unsigned)(m - letter_member_next(NULL));
}

/* Puts the line of a member in front of what is wrong with it. Return: LETTER_INVALID, or what is worse. */
static int place(struct reader *r, const char *member, int failed)
{
    const struct letter_member *m = letter_member_find(member);
    int line = m ? r->lines[index_of(m)] : 0;
    if (failed == LETTER_INVALID && line)
        err_prefix(r->reterr, failed, "line %d", line);
    return failed;
}

static int refuse(struct reader *r, const char *member, const char *expected)
{
    return err_set(r->reterr, LETTER_INVALID, "%s: expected %s", member, expected);
}

static int read_text(struct reader *r, const char *member, const json_t *value)
{
    const char *text = json_string_value(value);
    if (json_is_null(value))
        return strcmp(member, "queue") && strcmp(member, "type") ? letter_set(r->letter, member, "", NULL)
                                                                 : refuse(r, member, "a string");
    if (!text || strlen(text) != json_string_length(value))
        return refuse(r, member, "a string without NUL, or null");
    if (!text[0] && strcmp(member, "queue") && strcmp(member, "type"))
        return refuse(r, member, "null for nothing, not \"\"");
    return letter_set(r->letter, member, text, r->reterr);
}

static int read_bytes(const json_t *value, struct buf *to)
{
    const json_t *coded = json_object_get(value, "base64");
    size_t size = json_string_length(coded);
    if (!json_is_string(coded) || json_object_size(value) != 1)
        return LETTER_INVALID;
    buf_reset(to);
    buf_append(to, json_string_value(coded), size);
    if (to->failed)
        return -ENOMEM;
    return base64_decode(to->data, to->size, to->data, &to->size) ? LETTER_INVALID : 0;
}

static int read_key(struct reader *r, const char *member, const json_t *value)
{
    if (!json_is_object(value))
        return read_text(r, member, value);
    r->letter->has_key = true;
    int failed = read_bytes(value, &r->letter->key);
    return failed > 0 ? refuse(r, member, "a string, null, or {\"base64\": \"…\"}") : failed;
}

static int read_count(struct reader *r, const char *member, const json_t *value)
{
    char text[32];
    if (!json_is_integer(value))
        return read_text(r, member, value);
    snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
    return letter_set(r->letter, member, text, r->reterr);
}

static int read_tags(struct reader *r, const char *member, const json_t *value)
{
    _cleanup_buf_ struct buf tags = { 0 };
    size_t i;
    json_t *tag;
    if (!json_is_array(value))
        return read_text(r, member, value);
    json_array_foreach(value, i, tag)
    {
        const char *text = json_string_value(tag);
        if (!text || !text[0] || strchr(text, ',') || strlen(text) != json_string_length(tag))
            return refuse(r, member, "strings that are not empty and have no comma");
        buf_append_string(&tags, i ? "," : "");
        buf_append_string(&tags, text);
    }
    return letter_set(r->letter, member, tags.size ? tags.data : "", r->reterr);
}

/* Values of any form that job.dead can have; only names are judged here. */
static int read_headers(struct reader *r, const char *member, const json_t *value)
{
    const char *name;
    json_t *header;
    if (!json_is_object(value))
        return refuse(r, member, "an object like {\"name\": \"value\"}");
    json_object_foreach((json_t *)(uintptr_t)value, name, header)
    {
        if (letter_member_of_header(name) && json_is_string(header))
            return err_set(r->reterr, LETTER_INVALID, "headers: \"%.60s\" has a member of its own: %s", name,
                           letter_member_of_header(name)->name);
        if (!name[0] || letter_is_relays_header(name))
            return err_set(r->reterr, LETTER_INVALID,
                           "headers: \"%.60s\" is written by whoever enqueues or relays", name);
        if (json_object_set(r->letter->headers, name, header))
            return -ENOMEM;
    }
    return 0;
}

static int read_payload_text(struct reader *r, const char *member, const json_t *value)
{
    if (!json_is_string(value))
        return refuse(r, member, "a string");
    return letter_set_payload(r->letter,
                              (struct span){ json_string_value(value), json_string_length(value) });
}

static int read_payload_base64(struct reader *r, const char *member, const json_t *value)
{
    _cleanup_(json_decref_cleanup) json_t *wrapped = json_object();
    if (json_object_set(wrapped, "base64", (json_t *)(uintptr_t)value))
        return -ENOMEM;
    r->letter->has_payload = true;
    int failed = read_bytes(wrapped, &r->letter->payload);
    return failed > 0 ? refuse(r, member, "a string of base64") : failed;
}

/* A payload that still is what was written keeps its bytes. */
static int read_payload(struct reader *r, struct span text)
{
    _cleanup_buf_ struct buf before = { 0 }, now = { 0 };
    const struct buf *was = &r->was->payload;
    if (r->was->has_payload && was->size && json_scan(was->data, was->size, NULL) != JSON_INVALID)
        layout_compact(&before, (struct span){ was->data, was->size });
    layout_compact(&now, text);
    if (before.failed || now.failed)
        return -ENOMEM;
    bool same = before.size == now.size && memcmp(before.data, now.data, now.size) == 0;
    return letter_set_payload(r->letter, same ? (struct span){ was->data, was->size }
                                              : (struct span){ now.data, now.size });
}

static int read_member(struct reader *r, const struct letter_member *m, struct span text)
{
    static const struct {
        const char *name;
        int (*read)(struct reader *r, const char *member, const json_t *value);
    } readers[] = {
        { "key", read_key },
        { "max_attempts", read_count },
        { "tags", read_tags },
        { "headers", read_headers },
        { "payload_text", read_payload_text },
        { "payload_base64", read_payload_base64 },
    };
    if (strcmp(m->name, "payload") == 0)
        return read_payload(r, text);
    json_error_t error;
    _cleanup_(json_decref_cleanup) json_t *value =
        json_loadb(text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    if (!value)
        return err_set(r->reterr, LETTER_INVALID, "%s: %.200s", m->name, error.text);
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
        if (strcmp(readers[i].name, m->name) == 0)
            return readers[i].read(r, m->name, value);
    return read_text(r, m->name, value);
}

static const struct letter_member *find_member(struct span name)
{
    for (const struct letter_member *m = letter_member_next(NULL); m; m = letter_member_next(m))
        if (span_equals(name, m->name))
            return m;
    return NULL;
}

static int take_member(struct reader *r, size_t at, struct span name, struct span text)
{
    const struct letter_member *m = find_member(name);
    char unknown[64];
    int line = line_of(r->document, at);
    if (!m) {
        snprintf(unknown, sizeof(unknown), "%.*s", (int)(name.size < 60 ? name.size : 60), name.data);
        return err_prefix(r->reterr, letter_refuse_name(unknown, r->reterr), "line %d", line);
    }
    unsigned bit = 1u << index_of(m), payloads = 7u << index_of(letter_member_find("payload"));
    if ((r->seen & bit) || ((bit & payloads) && (r->seen & payloads)))
        return err_set(r->reterr, LETTER_INVALID, "line %d: %s: %s", line, m->name,
                       r->seen & bit ? "is there twice" : "there is another payload already");
    r->seen |= bit;
    r->lines[index_of(m)] = line;
    return place(r, m->name, read_member(r, m, text));
}

/* The document is valid JSON. */
static int read_members(struct reader *r)
{
    struct span d = r->document;
    size_t at = layout_skip(d, 0);
    if (at == d.size || d.data[at] != '{')
        return err_set(r->reterr, LETTER_INVALID, "line %d: expected an object like {\"queue\": \"mail\"}",
                       line_of(d, at));
    for (at = layout_skip(d, at + 1); at < d.size && d.data[at] != '}'; at = layout_skip(d, at)) {
        size_t name_at = at;
        struct span name = { d.data + at + 1, layout_token(d, at) - 2 };
        at = layout_skip(d, at + name.size + 2); /* the colon */
        at = layout_skip(d, at + 1);
        struct span text = { d.data + at, layout_value(d, at) };
        int failed = take_member(r, name_at, name, text);
        if (failed)
            return failed;
        at = layout_skip(d, at + text.size);
        at += at < d.size && d.data[at] == ',';
    }
    return 0;
}

/* Lines that begin with # become empty, so that the others keep their numbers. */
static void blank_comments(struct buf *text)
{
    for (size_t i = 0; i < text->size;) {
        size_t at = i, end;
        while (at < text->size && (text->data[at] == ' ' || text->data[at] == '\t'))
            at++;
        for (end = at; end < text->size && text->data[end] != '\n';)
            end++;
        if (at < text->size && text->data[at] == '#')
            memset(text->data + at, ' ', end - at);
        i = end + 1;
    }
}

static int refuse_json(struct span document, size_t at, struct err *reterr)
{
    int line = line_of(document, at);
    if (at >= document.size)
        return err_set(reterr, LETTER_INVALID, "line %d: not JSON: it ends too early", line);
    size_t size = strcspn(document.data + at, "\n");
    return err_set(reterr, LETTER_INVALID, "line %d: not JSON: \"%.*s\" cannot stand here", line,
                   (int)(size < 30 ? size : 30), document.data + at);
}

/* By which of its names the payload stands there. */
static const char *find_payload(const struct reader *r)
{
    static const char *const names[] = { "payload", "payload_text", "payload_base64" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (r->lines[index_of(letter_member_find(names[i]))])
            return names[i];
    return "";
}

static int check(struct reader *r)
{
    const char *member = "";
    unsigned needed = 3u; /* queue, type */
    if ((r->seen & needed) != needed)
        return err_set(r->reterr, LETTER_INVALID, "%s is missing", r->seen & 1u ? "type" : "queue");
    int failed = letter_check(r->letter, &member, r->reterr);
    if (strcmp(member, "payload") == 0)
        member = find_payload(r);
    return place(r, member, failed);
}

int letter_parse(struct letter *ret, const struct letter *was, struct span document, struct err *reterr)
{
    _cleanup_buf_ struct buf text = { 0 };
    size_t at = 0;
    buf_append(&text, document.data, document.size);
    if (text.failed)
        return -ENOMEM;
    blank_comments(&text);
    struct reader r = {
        .document = { text.data ? text.data : "", text.size }, .letter = ret, .was = was, .reterr = reterr
    };
    /* What a document does not name is taken away. */
    int failed =
        letter_init(ret, &was->id, was->queue, was->type, (struct span){ 0 }, "{}", (struct span){ 0 });
    if (failed)
        return failed;
    if (layout_skip(r.document, 0) == r.document.size)
        return LETTER_EMPTY;
    if (json_scan(r.document.data, r.document.size, &at) == JSON_INVALID)
        return refuse_json(r.document, at, reterr);
    failed = read_members(&r);
    return failed ? failed : check(&r);
}
