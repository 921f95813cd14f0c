/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dead/letter.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_scan.h"
#include "base/suggest.h"
#include "base/timefmt.h"
#include "base/utf8.h"
#include "cli/dead/letter_members.h"
#include "libjob/envelope.h"
#include "libjob/names.h"

/* --- What it holds --- */

static int copy_bytes(struct buf *to, bool *ret_has, struct span from)
{
    buf_reset(to);
    *ret_has = from.data != NULL;
    if (from.data)
        buf_append(to, from.data, from.size);
    return to->failed ? -ENOMEM : 0;
}

int letter_init(struct letter *l, const struct uuid *id, const char *queue, const char *type, struct span key,
                const char *headers_json, struct span payload)
{
    *l = (struct letter){ .id = *id };
    l->queue = strdup(queue);
    l->type = type ? strdup(type) : NULL;
    l->headers = json_loads(headers_json, 0, NULL);
    bool failed = !l->queue || (type && !l->type) || !json_is_object(l->headers) ||
                  copy_bytes(&l->key, &l->has_key, key) || copy_bytes(&l->payload, &l->has_payload, payload);
    return failed ? -ENOMEM : 0;
}

static struct span span_of(const struct buf *b, bool has)
{
    return has ? (struct span){ b->data ? b->data : "", b->size } : (struct span){ 0 };
}

int letter_copy(struct letter *to, const struct letter *from)
{
    _cleanup_free_ char *headers = letter_headers(from);
    *to = (struct letter){ 0 };
    if (!headers)
        return -ENOMEM;
    return letter_init(to, &from->id, from->queue, from->type, span_of(&from->key, from->has_key), headers,
                       span_of(&from->payload, from->has_payload));
}

void letter_done(struct letter *l)
{
    free(l->queue);
    free(l->type);
    buf_done(&l->key);
    buf_done(&l->payload);
    json_decref(l->headers);
    *l = (struct letter){ 0 };
}

char *letter_headers(const struct letter *l)
{
    return json_dumps(l->headers, JSON_COMPACT);
}

static bool same_bytes(const struct buf *a, bool has_a, const struct buf *b, bool has_b)
{
    return has_a == has_b && a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

bool letter_equal(const struct letter *a, const struct letter *b)
{
    return strcmp(a->queue, b->queue) == 0 && strcmp(a->type ? a->type : "", b->type ? b->type : "") == 0 &&
           same_bytes(&a->key, a->has_key, &b->key, b->has_key) &&
           same_bytes(&a->payload, a->has_payload, &b->payload, b->has_payload) &&
           json_equal(a->headers, b->headers) == 1;
}

bool letter_says_json(const struct letter *l)
{
    const char *type = json_string_value(json_object_get(l->headers, HEADER_CONTENT_TYPE));
    return name_is_json_content_type(span_from_string(type));
}

/* --- Changing it --- */

static int replace(char **text, const char *value)
{
    char *copy = value[0] ? strdup(value) : NULL;
    if (value[0] && !copy)
        return -ENOMEM;
    free(*text);
    *text = copy;
    return 0;
}

static int set_header(struct letter *l, const char *name, const char *value)
{
    if (!value[0]) {
        json_object_del(l->headers, name);
        return 0;
    }
    return json_object_set_new(l->headers, name, json_string(value)) ? -ENOMEM : 0;
}

static int set_timeout(struct letter *l, const char *value, struct err *reterr)
{
    int64_t us;
    char ms[24];
    if (!value[0])
        return set_header(l, HEADER_TIMEOUT, "");
    if (duration_parse(value, &us) || us < USEC_PER_MSEC || us / USEC_PER_MSEC > NAME_TIMEOUT_MAX_MS)
        return err_set(
            reterr, LETTER_INVALID,
            "timeout: expected a duration from 1ms to 30d like \"90s\" or \"15m\", found \"%.60s\"", value);
    snprintf(ms, sizeof(ms), "%" PRId64, us / USEC_PER_MSEC);
    return set_header(l, HEADER_TIMEOUT, ms);
}

static int set_queue(struct letter *l, const char *value, struct err *reterr)
{
    if (!name_is_queue(span_from_string(value)))
        return err_set(
            reterr, LETTER_INVALID,
            "queue: \"%.80s\" is no queue name: [a-z0-9][a-z0-9-]{0,62}, and not \"later\" or \"dead\"",
            value);
    return replace(&l->queue, value);
}

static int set_type(struct letter *l, const char *value, struct err *reterr)
{
    if (!name_is_type(span_from_string(value)))
        return err_set(reterr, LETTER_INVALID,
                       "type: \"%.140s\" is no job type: [A-Za-z][A-Za-z0-9_.-]{0,127}", value);
    return replace(&l->type, value);
}

static int set_own_header(struct letter *l, const char *name, const char *value, struct err *reterr)
{
    const struct letter_member *m = letter_member_of_header(name);
    if (!name[0])
        return err_set(reterr, LETTER_INVALID, "headers: a name is missing");
    if (m)
        return err_set(reterr, LETTER_INVALID, "headers: \"%.60s\" has an option of its own: %s", name,
                       m->name);
    if (letter_is_relays_header(name))
        return err_set(reterr, LETTER_INVALID, "headers: \"%.60s\" is written by whoever enqueues or relays",
                       name);
    return set_header(l, name, value);
}

int letter_set(struct letter *l, const char *name, const char *value, struct err *reterr)
{
    const struct letter_member *m = letter_member_find(name);
    if (!utf8_is_text(value, strlen(value)))
        return err_set(reterr, LETTER_INVALID, "%.60s: not UTF-8 text", name);
    if (strncmp(name, "headers.", 8) == 0)
        return set_own_header(l, name + 8, value, reterr);
    if (strcmp(name, "queue") == 0)
        return set_queue(l, value, reterr);
    if (strcmp(name, "type") == 0)
        return set_type(l, value, reterr);
    if (strcmp(name, "key") == 0)
        return copy_bytes(&l->key, &l->has_key, value[0] ? span_from_string(value) : (struct span){ 0 });
    if (strcmp(name, "timeout") == 0)
        return set_timeout(l, value, reterr);
    if (m && m->header)
        return set_header(l, m->header, value);
    return letter_refuse_name(name, reterr);
}

int letter_set_payload(struct letter *l, struct span payload)
{
    return copy_bytes(&l->payload, &l->has_payload, payload);
}

/* --- Judging it --- */

/* From "ce_timeoutms: …" to the member "timeout", also in the text. */
static const char *name_member(struct err *e)
{
    char header[80];
    struct err was = *e;
    snprintf(header, sizeof(header), "%.*s", (int)strcspn(was.text, ":"), was.text);
    const struct letter_member *m = letter_member_of_header(header);
    if (strcmp(header, HEADER_TYPE) == 0)
        m = letter_member_find("type");
    if (m) {
        err_set(e, 0, "%s%s", m->name, was.text + strlen(header));
        return m->name;
    }
    return strcmp(header, "payload") == 0 ? "payload" : "headers";
}

static int check_storable(const char *headers, struct err *reterr)
{
    if (json_scan(headers, strlen(headers), NULL) == JSON_STORABLE)
        return 0;
    return err_set(
        reterr, LETTER_INVALID,
        "headers: PostgreSQL cannot keep \\u0000, half a surrogate pair, or more than 256 levels of nesting");
}

static int decode(const struct letter *l, const char *headers_json, struct err *reterr)
{
    _cleanup_buf_ struct buf storage = { 0 };
    struct message_header headers[MESSAGE_MAX_HEADERS];
    struct envelope e;
    const struct envelope_relay relay = {
        .id = l->id, .type = l->type, .attempt = 1, .delivery = 2, .headers_json = headers_json
    };
    struct message m = {
        .topic = l->queue,
        .key = span_of(&l->key, l->has_key),
        .value = span_of(&l->payload, l->has_payload),
        .headers = headers,
    };
    int r = envelope_relay_headers(&relay, &storage, headers, &m.n_headers, reterr);
    if (r)
        return r < 0 ? r : LETTER_INVALID;
    r = envelope_decode(&m, &e, reterr);
    if (r >= 0)
        envelope_done(&e);
    return r > 0 ? LETTER_INVALID : r;
}

int letter_check(const struct letter *l, const char **ret_member, struct err *reterr)
{
    struct err why = { 0 };
    const char *member = "";
    _cleanup_free_ char *headers = letter_headers(l);
    int r = 0;
    if (!headers)
        return -ENOMEM;
    if (!name_is_queue(span_from_string(l->queue))) {
        member = "queue";
        r = err_set(
            &why, LETTER_INVALID,
            "queue: \"%.80s\" is no queue name: [a-z0-9][a-z0-9-]{0,62}, and not \"later\" or \"dead\"",
            l->queue);
    } else if (!l->type || !name_is_type(span_from_string(l->type))) {
        member = "type";
        r = err_set(&why, LETTER_INVALID, "type: \"%.140s\" is no job type: [A-Za-z][A-Za-z0-9_.-]{0,127}",
                    l->type ? l->type : "");
    } else if ((r = check_storable(headers, &why)) == LETTER_INVALID) {
        member = "headers";
    } else if ((r = decode(l, headers, &why)) == LETTER_INVALID) {
        member = name_member(&why);
    }
    if (ret_member)
        *ret_member = member;
    return r == LETTER_INVALID ? err_set(reterr, r, "%s", why.text) : r;
}
