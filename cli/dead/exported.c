/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dead/exported.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_scan.h"
#include "base/suggest.h"
#include "base/timefmt.h"
#include "cli/dead/dead_filter.h"
#include "libjob/base64.h"
#include "libjob/names.h"

#define TEXT_MAX 1000000 /* characters of an error */

struct member {
    const char *name;
    bool needed;
    int (*read)(struct exported *e, const struct member *m, const json_t *value, struct err *reterr);
};

static int refuse(const struct member *m, const char *expected, struct err *reterr)
{
    return err_set(reterr, EXPORTED_INVALID, "%s: expected %s", m->name, expected);
}

/* Text without NUL; NULL when it is none. */
static const char *text_of(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static int read_id(struct exported *e, const struct member *m, const json_t *value, struct err *reterr)
{
    const char *text = text_of(value);
    if (!text || uuid_parse(text, strlen(text), &e->record.id) || uuid_is_null(&e->record.id))
        return refuse(m, "a UUID like \"0190a6c2-7d3e-7f00-8000-000000000000\"", reterr);
    return 0;
}

/* Of malformed letters it may be any that a topic's name had. */
static int read_queue(struct exported *e, const struct member *m, const json_t *value, struct err *reterr)
{
    const char *text = text_of(value);
    if (!text || !text[0] || strlen(text) > NAME_TOPIC_MAX)
        return refuse(m, "the name of a queue", reterr);
    e->record.queue = text;
    return 0;
}

static int read_type(struct exported *e, const struct member *m, const json_t *value, struct err *reterr)
{
    const char *text = text_of(value);
    if (!json_is_null(value) && !(text && name_is_type(span_from_string(text))))
        return refuse(m, "a job type ([A-Za-z][A-Za-z0-9_.-]{0,127}), or null", reterr);
    e->record.type = text;
    return 0;
}

static int read_reason(struct exported *e, const struct member *m, const json_t *value, struct err *reterr)
{
    const char *text = text_of(value);
    for (size_t i = 0; text && dead_reasons[i]; i++)
        if (strcmp(text, dead_reasons[i]) == 0) {
            e->record.reason = text;
            return 0;
        }
    return refuse(m, "exhausted, failed, crashed, malformed or unknown_type", reterr);
}

static int read_count(struct exported *e, const struct member *m, const json_t *value, struct err *reterr)
{
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 0 || n > NAME_COUNT_MAX)
        return refuse(m, "a whole number from 0 to 1000000000", reterr);
    *(strcmp(m->name, "delivery") == 0 ? &e->record.delivery : &e->record.attempt) = (int)n;
    return 0;
}

static int read_place(struct exported *e, const struct member *m, const json_t *value, struct err *reterr)
{
    json_int_t n = json_integer_value(value);
    bool is_offset = strcmp(m->name, "offset") == 0;
    if (json_is_null(value))
        return 0;
    if (!json_is_integer(value) || n < -1 || (!is_offset && n > INT32_MAX))
        return refuse(m, "a whole number, or null", reterr);
    if (is_offset)
        e->record.offset = n;
    else
        e->record.partition = (int)n;
    *(is_offset ? &e->record.has_offset : &e->record.has_partition) = true;
    return 0;
}

static int read_text(struct exported *e, const struct member *m, const json_t *value, struct err *reterr)
{
    const char *text = text_of(value);
    if (!json_is_null(value) && (!text || strlen(text) > TEXT_MAX))
        return refuse(m, "a string of at most 1000000 bytes without NUL, or null", reterr);
    *(strcmp(m->name, "topic") == 0 ? &e->record.topic : &e->record.error) = text;
    return 0;
}

static int read_time(struct exported *e, const struct member *m, const json_t *value, struct err *reterr)
{
    const char *text = text_of(value);
    int64_t us = 0;
    bool needed = m->needed && strcmp(m->name, "died_at") == 0;
    if (json_is_null(value) && !needed)
        return 0;
    if (!text || rfc3339_parse(text, strlen(text), &us) || us == 0)
        return refuse(m,
                      needed ? "a time as RFC 3339 has it, like \"2030-01-31T18:00:00Z\""
                             : "a time as RFC 3339 has it, like \"2030-01-31T18:00:00Z\", or null",
                      reterr);
    *(needed                                ? &e->record.died_us
      : strcmp(m->name, "enqueued_at") == 0 ? &e->record.enqueued_us
                                            : &e->record.edited_us) = us;
    return 0;
}

/* Text, or {"base64": …}. */
static int read_bytes(struct exported *e, const struct member *m, const json_t *value, struct err *reterr)
{
    bool is_key = strcmp(m->name, "key") == 0;
    struct buf *to = is_key ? &e->key : &e->payload;
    const json_t *coded = json_object_get(value, "base64"), *text = json_is_string(coded) ? coded : value;
    if (json_is_null(value))
        return 0;
    if (!json_is_string(text) || (coded && json_object_size(value) != 1))
        return refuse(m, "a string, {\"base64\": \"…\"}, or null", reterr);
    buf_append(to, json_string_value(text), json_string_length(text));
    if (to->failed)
        return -ENOMEM;
    if (coded && base64_decode(to->data, to->size, to->data, &to->size))
        return refuse(m, "base64 in {\"base64\": \"…\"}", reterr);
    *(is_key ? &e->record.key : &e->record.payload) = (struct span){ to->data, to->size };
    return 0;
}

/* Nested lists and objects: PostgreSQL judges what is in them. */
static int dump(const json_t *value, char **ret, const struct member *m, struct err *reterr)
{
    *ret = json_dumps(value, JSON_COMPACT);
    if (!*ret)
        return -ENOMEM;
    if (json_scan(*ret, strlen(*ret), NULL) == JSON_STORABLE)
        return 0;
    return refuse(m, "text without \\u0000, which PostgreSQL cannot keep", reterr);
}

static bool is_header_value(const json_t *value)
{
    return json_is_string(value) || json_is_null(value) ||
           (json_object_size(value) == 1 && json_is_string(json_object_get(value, "base64")));
}

static bool is_header(const json_t *value)
{
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!is_header_value(json_array_get(value, i)))
            return false;
    return json_is_array(value) || is_header_value(value);
}

static int read_headers(struct exported *e, const struct member *m, const json_t *value, struct err *reterr)
{
    const char *name;
    json_t *header;
    if (!json_is_object(value))
        return refuse(m, "an object like {\"name\": \"value\"}", reterr);
    json_object_foreach((json_t *)(uintptr_t)value, name, header)
    {
        if (!is_header(header))
            return err_set(
                reterr, EXPORTED_INVALID,
                "headers: \"%.60s\": expected a string, null, {\"base64\": \"…\"}, or a list of these", name);
    }
    int r = dump(value, &e->headers, m, reterr);
    e->record.headers = e->headers;
    return r;
}

static int read_result(struct exported *e, const struct member *m, const json_t *value, struct err *reterr)
{
    if (json_is_null(value))
        return 0;
    if (!json_is_object(value))
        return refuse(m, "an object, or null", reterr);
    int r = dump(value, &e->result, m, reterr);
    e->record.result = e->result;
    return r;
}

static int read_list(struct exported *e, const struct member *m, const json_t *value, struct err *reterr)
{
    bool tries = strcmp(m->name, "attempts") == 0;
    if (!json_is_array(value))
        return refuse(m, "a list of objects", reterr);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_object(json_array_get(value, i)))
            return refuse(m, "a list of objects", reterr);
    int r = dump(value, tries ? &e->attempts : &e->edits, m, reterr);
    *(tries ? &e->record.attempts : &e->record.edits) = tries ? e->attempts : e->edits;
    return r;
}

static const struct member members[] = {
    { "id", true, read_id },           { "queue", true, read_queue },       { "type", true, read_type },
    { "reason", true, read_reason },   { "delivery", true, read_count },    { "attempt", true, read_count },
    { "error", false, read_text },     { "enqueued_at", false, read_time }, { "died_at", true, read_time },
    { "topic", false, read_text },     { "partition", false, read_place },  { "offset", false, read_place },
    { "edited_at", false, read_time }, { "headers", true, read_headers },   { "result", false, read_result },
    { "attempts", false, read_list },  { "edits", false, read_list },       { "key", false, read_bytes },
    { "payload", true, read_bytes },
};

static int refuse_unknown(const json_t *line, struct err *reterr)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)line, name, value)
    {
        bool known = false;
        struct suggest near = { .word = name };
        for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
            known |= strcmp(members[i].name, name) == 0;
            suggest_consider(&near, members[i].name);
        }
        if (!known && suggest_is_close(&near))
            return err_set(reterr, EXPORTED_INVALID, "there is no member \"%.60s\"; did you mean \"%s\"?",
                           name, near.nearest);
        if (!known)
            return err_set(reterr, EXPORTED_INVALID,
                           "there is no member \"%.60s\" in an exported dead letter", name);
    }
    return 0;
}

static int read_members(struct exported *e, struct err *reterr)
{
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        const struct member *m = &members[i];
        const json_t *value = json_object_get(e->line, m->name);
        if (!value && m->needed)
            return err_set(reterr, EXPORTED_INVALID, "%s: is missing", m->name);
        int r = value ? m->read(e, m, value, reterr) : 0;
        if (r)
            return r;
    }
    if (!e->record.type && strcmp(e->record.reason, "malformed") != 0)
        return err_set(reterr, EXPORTED_INVALID, "type: only a malformed letter can be without one");
    return refuse_unknown(e->line, reterr);
}

int exported_read(struct exported *ret, struct span line, struct err *reterr)
{
    json_error_t error;
    *ret = (struct exported){ .record = { .attempts = "[]", .edits = "[]" } };
    ret->line = json_loadb(line.data, line.size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    if (!ret->line)
        return err_set(reterr, EXPORTED_INVALID, "not JSON at character %d: %.200s", error.column,
                       error.text);
    if (!json_is_object(ret->line))
        return err_set(reterr, EXPORTED_INVALID, "not a JSON object");
    return read_members(ret, reterr);
}

void exported_done(struct exported *e)
{
    json_decref(e->line);
    free(e->headers);
    free(e->result);
    free(e->attempts);
    free(e->edits);
    buf_done(&e->key);
    buf_done(&e->payload);
    *e = (struct exported){ 0 };
}
