/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/structured.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/json_scan.h"
#include "base/utf8.h"
#include "libjob/attributes.h"
#include "libjob/base64.h"
#include "libjob/names.h"

#define MEMBER_NAME_MAX 128

/* Decoded strings are never longer than their JSON text: one block of the text's size has room for all of them. */
struct reader {
    struct envelope *e;
    char *room;
    unsigned seen;
    struct span data, data_base64; /* JSON texts of the values */
};

/* The text was found valid before, so none of the walkers below can run over its end. */
static const char *skip_space(const char *at)
{
    while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')
        at++;
    return at;
}

static const char *skip_string(const char *at)
{
    for (at++; *at != '"'; at++)
        if (*at == '\\')
            at++;
    return at + 1;
}

static const char *skip_container(const char *at)
{
    int depth = 0;
    do {
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
    } while (depth > 0);
    return at;
}

static const char *skip_value(const char *at)
{
    if (*at == '"')
        return skip_string(at);
    if (*at == '{' || *at == '[')
        return skip_container(at);
    while (*at != ',' && *at != '}' && *at != ' ' && *at != '\t' && *at != '\n' && *at != '\r')
        at++;
    return at;
}

/* Decodes a JSON string into the room, which advances. Return: as structured_read(). */
static int take_string(struct reader *r, struct span json, struct span *ret)
{
    json_t *string = json_loadb(json.data, json.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (!string)
        return ENVELOPE_MALFORMED; /* half a surrogate pair: valid JSON, but no text */
    size_t size = json_string_length(string);
    memcpy(r->room, json_string_value(string), size);
    json_decref(string);
    *ret = (struct span){ r->room, size };
    r->room += size;
    return 0;
}

/* An attribute is a string, or a number whose text is taken as it is. */
static int take_scalar(struct reader *r, struct span json, struct span *ret)
{
    if (json.data[0] == '"')
        return take_string(r, json, ret);
    if (json.data[0] == '{' || json.data[0] == '[')
        return ENVELOPE_MALFORMED;
    *ret = json;
    return 0;
}

static int read_attribute(struct reader *r, const struct attribute *a, const char *name, struct span json,
                          struct err *reterr)
{
    struct span value;
    if (r->seen & attribute_bit(a))
        return err_set(reterr, ENVELOPE_MALFORMED, "ce_%s: occurs twice", name);
    r->seen |= attribute_bit(a);
    if (take_scalar(r, json, &value))
        return err_set(reterr, ENVELOPE_MALFORMED, "ce_%s: not a string", name);
    return attribute_read(a, value, r->e, reterr);
}

static int read_content_type(struct reader *r, struct span json, struct err *reterr)
{
    struct span value;
    if (take_scalar(r, json, &value) || !utf8_is_text(value.data, value.size))
        return err_set(reterr, ENVELOPE_MALFORMED, "datacontenttype: not a string");
    r->e->content_type = value;
    return 0;
}

static int read_member(struct reader *r, const char *name, struct span json, struct err *reterr)
{
    if (strcmp(name, "data") == 0)
        r->data = json;
    if (span_equals(json, "null"))
        return 0; /* an attribute that is null is absent; data is kept above */
    if (strcmp(name, "data_base64") == 0)
        r->data_base64 = json;
    else if (strcmp(name, "datacontenttype") == 0)
        return read_content_type(r, json, reterr);
    const struct attribute *a = attribute_find(name);
    return a ? read_attribute(r, a, name, json, reterr) : 0;
}

/* Names of attributes need no escapes; a longer or escaped name is somebody's extension. */
static void copy_name(struct span quoted, char *name)
{
    size_t size = quoted.size - 2;
    if (size >= MEMBER_NAME_MAX || memchr(quoted.data, '\\', quoted.size))
        size = 0;
    memcpy(name, quoted.data + 1, size);
    name[size] = 0;
}

static int read_members(struct reader *r, const char *at, struct err *reterr)
{
    int failed = 0;
    char name[MEMBER_NAME_MAX];
    at = skip_space(at + 1);
    while (*at != '}') {
        const char *start = at;
        at = skip_string(at);
        copy_name((struct span){ start, (size_t)(at - start) }, name);
        start = at = skip_space(skip_space(at) + 1);
        at = skip_value(at);
        /* After a bad member the others are still read: a dead letter should know its id and type. */
        if (read_member(r, name, (struct span){ start, (size_t)(at - start) }, failed ? NULL : reterr))
            failed = ENVELOPE_MALFORMED;
        at = skip_space(at);
        if (*at == ',')
            at = skip_space(at + 1);
    }
    return failed;
}

static int read_base64(struct reader *r, struct err *reterr)
{
    struct span text;
    if (r->data_base64.data[0] != '"' || take_string(r, r->data_base64, &text))
        return err_set(reterr, ENVELOPE_MALFORMED, "data_base64: not a string");
    if (base64_decode(text.data, text.size, (char *)(uintptr_t)text.data, &text.size))
        return err_set(reterr, ENVELOPE_MALFORMED, "data_base64: not base64");
    r->e->payload = text;
    return 0;
}

/* JSON stays as it is; under any other content type a string stands for its characters. */
static int read_data(struct reader *r, struct err *reterr)
{
    r->e->payload = r->data;
    if (name_is_json_content_type(r->e->content_type) || r->data.data[0] != '"')
        return 0;
    if (take_string(r, r->data, &r->e->payload))
        return err_set(reterr, ENVELOPE_MALFORMED, "data: not UTF-8 text");
    return 0;
}

static int read_payload(struct reader *r, struct err *reterr)
{
    if (r->data.data && r->data_base64.data)
        return err_set(reterr, ENVELOPE_MALFORMED, "data and data_base64 exclude each other");
    if (r->data_base64.data)
        return read_base64(r, reterr);
    if (r->data.data)
        return read_data(r, reterr);
    r->e->payload = (struct span){ 0 };
    return 0;
}

bool structured_is_content_type(struct span content_type)
{
    static const char name[] = "application/cloudevents+json";
    size_t size = sizeof(name) - 1;
    return content_type.size >= size && strncasecmp(content_type.data, name, size) == 0 &&
           (content_type.size == size || content_type.data[size] == ';' || content_type.data[size] == ' ');
}

int structured_read(struct span text, struct envelope *e, struct err *reterr)
{
    size_t at;
    if (text.size == 0 || json_scan(text.data, text.size, &at) == JSON_INVALID)
        return err_set(reterr, ENVELOPE_MALFORMED, "value: not JSON at byte %zu", text.size ? at : 0);
    const char *start = skip_space(text.data);
    if (*start != '{')
        return err_set(reterr, ENVELOPE_MALFORMED, "value: not a JSON object");
    e->owned = malloc(text.size);
    if (!e->owned)
        return -ENOMEM;
    struct reader r = { .e = e, .room = e->owned };
    e->content_type = (struct span){ 0 };
    int failed = read_members(&r, start, reterr);
    return failed ? failed : read_payload(&r, reterr);
}
