/* SPDX-License-Identifier: Apache-2.0 */
/* Headers as JSON and back: what waits in PostgreSQL loses nothing of what came through Kafka. */
#include <errno.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "libjob/attributes.h"
#include "libjob/base64.h"
#include "libjob/envelope.h"
#include "libjob/json_text.h"
#include "libjob/names.h"

DEFINE_CLEANUP(json_t *, json_decref)

/* --- to JSON --- */

/* The index of the next header of the same name from @from on; @n when there is none. */
static size_t find_same(const struct message_header *headers, size_t from, size_t n, const char *name)
{
    while (from < n && strcmp(headers[from].name, name) != 0)
        from++;
    return from;
}

static void append_values(struct buf *json, const struct message_header *headers, size_t i, size_t n)
{
    const char *name = headers[i].name;
    size_t next = find_same(headers, i + 1, n, name);
    if (next == n) {
        json_append_bytes(json, headers[i].value);
        return;
    }
    buf_append_char(json, '[');
    json_append_bytes(json, headers[i].value);
    for (; next < n; next = find_same(headers, next + 1, n, name)) {
        buf_append_char(json, ',');
        json_append_bytes(json, headers[next].value);
    }
    buf_append_char(json, ']');
}

static void append_name(struct buf *json, const char *name)
{
    struct buf clean = { 0 };
    size_t size = strlen(name);
    if (utf8_is_text(name, size)) {
        json_append_string(json, name, size);
        return;
    }
    utf8_append_clean(&clean, name, size, 3 * size); /* malformed, and on its way to the dead letters */
    json_append_string(json, clean.data ? clean.data : "", clean.size);
    buf_done(&clean);
}

/* Has job.pending a column for it, so that the relay writes it anew? */
static bool has_column(const char *name)
{
    const struct attribute *a = strncmp(name, "ce_", 3) == 0 ? attribute_find(name + 3) : NULL;
    return a && attribute_has_column(a);
}

void envelope_headers_to_json(const struct message_header *headers, size_t n, bool skip_job, struct buf *json)
{
    bool first = true;
    if (n > MESSAGE_MAX_HEADERS)
        n = MESSAGE_MAX_HEADERS;
    buf_append_char(json, '{');
    for (size_t i = 0; i < n; i++) {
        if (find_same(headers, 0, i, headers[i].name) < i || (skip_job && has_column(headers[i].name)))
            continue;
        if (!first)
            buf_append_char(json, ',');
        first = false;
        append_name(json, headers[i].name);
        buf_append_char(json, ':');
        append_values(json, headers, i, n);
    }
    buf_append_char(json, '}');
}

/* --- and back --- */

struct builder {
    struct buf *storage; /* has all the room it needs from the start, so that pointers into it hold */
    struct message_header *headers;
    size_t n;
    struct err *reterr;
};

static struct span store(struct builder *b, const void *data, size_t size)
{
    struct span stored = { b->storage->data + b->storage->size, size };
    buf_append(b->storage, data, size);
    buf_append_char(b->storage, 0);
    return stored;
}

static int add_header(struct builder *b, const char *name, struct span value)
{
    if (b->n == MESSAGE_MAX_HEADERS)
        return err_set(b->reterr, ENVELOPE_MALFORMED, "more than %d headers", MESSAGE_MAX_HEADERS);
    b->headers[b->n++] = (struct message_header){ name, value };
    return 0;
}

static int add_number(struct builder *b, const char *name, int value)
{
    char text[16];
    int size = snprintf(text, sizeof(text), "%d", value);
    return add_header(b, name, store(b, text, (size_t)size));
}

static int add_base64(struct builder *b, const char *name, const json_t *text)
{
    struct span value = store(b, json_string_value(text), json_string_length(text));
    if (base64_decode(value.data, value.size, (char *)(uintptr_t)value.data, &value.size))
        return err_set(b->reterr, ENVELOPE_MALFORMED, "headers: \"%s\" is not base64", name);
    return add_header(b, name, value);
}

static int add_json(struct builder *b, const char *name, const json_t *value)
{
    const json_t *base64 = json_object_get(value, "base64");
    if (json_is_string(base64))
        return add_base64(b, name, base64);
    if (json_is_null(value))
        return add_header(b, name, (struct span){ 0 });
    if (!json_is_string(value))
        return err_set(b->reterr, ENVELOPE_MALFORMED, "headers: \"%s\" is neither string, null nor base64",
                       name);
    return add_header(b, name, store(b, json_string_value(value), json_string_length(value)));
}

static int add_member(struct builder *b, const char *key, const json_t *value)
{
    const char *name = store(b, key, strlen(key)).data;
    if (!json_is_array(value))
        return add_json(b, name, value);
    for (size_t i = 0; i < json_array_size(value); i++) {
        int r = add_json(b, name, json_array_get(value, i));
        if (r)
            return r;
    }
    return 0;
}

static int add_object(struct builder *b, json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        int r = has_column(key) ? 0 : add_member(b, key, value);
        if (r)
            return r;
    }
    return 0;
}

static void add_job(struct builder *b, const struct envelope_relay *r)
{
    char id[UUID_TEXT_SIZE];
    add_header(b, HEADER_SPECVERSION, span_from_string("1.0"));
    add_header(b, HEADER_ID, store(b, uuid_format(&r->id, id), UUID_TEXT_SIZE - 1));
    add_header(b, HEADER_TYPE, store(b, r->type, strlen(r->type)));
    if (r->attempt != 1)
        add_number(b, HEADER_ATTEMPT, r->attempt);
    add_number(b, HEADER_DELIVERY, r->delivery);
}

int envelope_relay_headers(const struct envelope_relay *r, struct buf *storage, struct message_header *ret,
                           size_t *ret_n, struct err *reterr)
{
    json_error_t error;
    _cleanup_(json_decref_cleanup) json_t *object =
        json_loads(r->headers_json, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(object))
        return err_set(reterr, ENVELOPE_MALFORMED, "headers: %s", object ? "not a JSON object" : error.text);
    if (!buf_reserve(storage, 2 * strlen(r->headers_json) + strlen(r->type) + 128))
        return -ENOMEM;
    struct builder b = { .storage = storage, .headers = ret, .reterr = reterr };
    add_job(&b, r);
    int failed = add_object(&b, object);
    if (failed)
        return failed;
    *ret_n = b.n;
    return 0;
}
