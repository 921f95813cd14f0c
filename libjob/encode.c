/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/json_scan.h"
#include "base/utf8.h"
#include "libjob/error.h"

#define EXPIRES_MAX_MS (INT64_C(100) * 365 * 24 * 60 * 60 * 1000)

/* --- checks --- */

static int check_names(const struct job_spec *spec, const char *queue)
{
    if (!name_is_queue(span_from_string(queue)))
        return error_set(JOB_E_INVALID_QUEUE, "queue \"%.*s\"", NAME_QUEUE_MAX + 1, queue);
    if (!name_is_type(span_from_string(spec->type)))
        return error_set(JOB_E_INVALID_TYPE, "type \"%.*s\"", NAME_TYPE_MAX + 1,
                         spec->type ? spec->type : "");
    return 0;
}

static int check_text(const char *what, const char *text)
{
    if (text && (!text[0] || !utf8_is_text(text, strlen(text))))
        return error_set(JOB_E_INVALID_OPTION, "%s: empty or not UTF-8", what);
    return 0;
}

static int check_texts(const struct job_spec *spec)
{
    int r = check_text("content_type", spec->content_type);
    if (r == 0)
        r = check_text("tags", spec->tags);
    if (r == 0)
        r = check_text("traceparent", spec->traceparent);
    if (r == 0)
        r = check_text("tracestate", spec->tracestate);
    return r;
}

static int check_numbers(const struct job_spec *spec)
{
    if (spec->max_attempts < 0 || spec->max_attempts > NAME_ATTEMPTS_MAX)
        return error_set(JOB_E_INVALID_OPTION, "max_attempts: %d is not in 0 … %d", spec->max_attempts,
                         NAME_ATTEMPTS_MAX);
    if (spec->timeout_ms < 0 || spec->timeout_ms > NAME_TIMEOUT_MAX_MS)
        return error_set(JOB_E_INVALID_OPTION, "timeout_ms: %" PRId64 " is not in 0 … %" PRId64,
                         spec->timeout_ms, NAME_TIMEOUT_MAX_MS);
    if (spec->expires_ms < 0 || spec->expires_ms > EXPIRES_MAX_MS)
        return error_set(JOB_E_INVALID_OPTION, "expires_ms: %" PRId64 " is not in 0 … %" PRId64,
                         spec->expires_ms, EXPIRES_MAX_MS);
    if (spec->priority < JOB_PRIORITY_LOW || spec->priority > JOB_PRIORITY_HIGH)
        return error_set(JOB_E_INVALID_OPTION, "priority: %d is not in %d … %d", spec->priority,
                         JOB_PRIORITY_LOW, JOB_PRIORITY_HIGH);
    if (spec->delay_ms < 0 || spec->delay_ms > NAME_DELAY_MAX_MS)
        return error_set(JOB_E_INVALID_OPTION, "delay_ms: %" PRId64 " is not in 0 … %" PRId64, spec->delay_ms,
                         NAME_DELAY_MAX_MS);
    if (spec->unique_for_ms < 0 || spec->unique_for_ms > NAME_DELAY_MAX_MS)
        return error_set(JOB_E_INVALID_OPTION, "unique_for_ms: %" PRId64 " is not in 0 … %" PRId64,
                         spec->unique_for_ms, NAME_DELAY_MAX_MS);
    for (size_t i = 0; i < ARRAY_SIZE(spec->reserved); i++)
        if (spec->reserved[i])
            return error_set(JOB_E_INVALID_OPTION, "reserved: not zero");
    return 0;
}

/* What only makes sense together, and times. */
static int check_later(const struct job_spec *spec, int64_t now_us)
{
    int64_t now_ms = now_us / USEC_PER_MSEC;
    int r = check_text("unique_key", spec->unique_key);
    if (r)
        return r;
    if (spec->unique_key && strlen(spec->unique_key) > NAME_UNIQUE_MAX)
        return error_set(JOB_E_INVALID_OPTION, "unique_key: longer than %d bytes", NAME_UNIQUE_MAX);
    if (!spec->unique_key && (spec->unique_for_ms || spec->debounce))
        return error_set(JOB_E_INVALID_OPTION, "%s: needs a unique_key",
                         spec->debounce ? "debounce" : "unique_for_ms");
    if (spec->delay_ms && spec->run_at_ms)
        return error_set(JOB_E_INVALID_OPTION, "run_at_ms: not together with delay_ms");
    if (spec->run_at_ms < 0 || spec->run_at_ms - now_ms > NAME_DELAY_MAX_MS)
        return error_set(JOB_E_INVALID_OPTION,
                         "run_at_ms: %" PRId64 " is before 1970 or more than 10 years away", spec->run_at_ms);
    int64_t delay_ms = spec->run_at_ms ? spec->run_at_ms - now_ms : spec->delay_ms;
    if (spec->expires_ms && delay_ms >= spec->expires_ms)
        return error_set(JOB_E_INVALID_OPTION, "expires_ms: the job could never start");
    return 0;
}

static int check_id(const struct uuid *id, int64_t now_us)
{
    int64_t time_ms = uuid_time_ms(id), ahead_ms = time_ms - now_us / USEC_PER_MSEC;
    if (time_ms < 0)
        return error_set(JOB_E_INVALID_ID, "id: not a version 7 UUID");
    if (ahead_ms > JOB_MAX_ID_AHEAD_MS)
        return error_set(JOB_E_INVALID_ID, "id: %" PRId64 " ms in the future", ahead_ms);
    return 0;
}

/* In any case of letters, so that nobody mistakes "CE_Type" for a job's own attribute. */
static bool is_reserved(const char *name)
{
    static const char *const reserved[] = { HEADER_CONTENT_TYPE, HEADER_TRACEPARENT, HEADER_TRACESTATE };
    if (strncasecmp(name, "ce_", 3) == 0)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(reserved); i++)
        if (strcasecmp(name, reserved[i]) == 0)
            return true;
    return false;
}

static int check_header(const struct job_header *h)
{
    if (!h->name || !h->name[0] || !utf8_is_text(h->name, strlen(h->name)))
        return error_set(JOB_E_INVALID_HEADER, "header name: empty or not UTF-8");
    if (is_reserved(h->name))
        return error_set(JOB_E_INVALID_HEADER, "header \"%.100s\": reserved", h->name);
    if (h->value && !utf8_is_text(h->value, strlen(h->value)))
        return error_set(JOB_E_INVALID_HEADER, "header \"%.100s\": value is not UTF-8", h->name);
    return 0;
}

static int check_headers(const struct job_spec *spec)
{
    int r = 0;
    if (spec->n_headers > ENCODE_MAX_HEADERS)
        return error_set(JOB_E_INVALID_HEADER, "%zu headers, %d are allowed", spec->n_headers,
                         ENCODE_MAX_HEADERS);
    for (size_t i = 0; i < spec->n_headers && r == 0; i++)
        r = check_header(&spec->headers[i]);
    return r;
}

static int check_size(const struct message *m)
{
    size_t size = m->key.size + m->value.size;
    for (size_t i = 0; i < m->n_headers; i++)
        size += strlen(m->headers[i].name) + m->headers[i].value.size;
    if (size > JOB_MAX_MESSAGE_SIZE)
        return error_set(JOB_E_TOO_LARGE, "%zu bytes of payload, key and headers, %d are allowed", size,
                         JOB_MAX_MESSAGE_SIZE);
    return 0;
}

static int check_payload(const struct job_spec *spec, struct span payload)
{
    size_t at;
    if (payload.size == 0 || !name_is_json_content_type(span_from_string(spec->content_type)))
        return 0;
    if (json_scan(payload.data, payload.size, &at) == JSON_INVALID)
        return error_set(JOB_E_INVALID_JSON, "payload: not JSON at byte %zu", at);
    return 0;
}

/* --- headers --- */

static void put(struct encoding *e, const char *name, const char *value, size_t size)
{
    e->headers[e->message.n_headers++] = (struct message_header){ name, { value, size } };
}

static void put_string(struct encoding *e, const char *name, const char *value)
{
    if (value)
        put(e, name, value, strlen(value));
}

static void put_number(struct encoding *e, const char *name, int64_t value, char *text, size_t room)
{
    if (value > 0)
        put(e, name, text, (size_t)snprintf(text, room, "%" PRId64, value));
}

/* Most jobs of a thread are enqueued within the same second as the one before: only the fraction is new. */
static size_t format_now(int64_t now_us, char *text)
{
    static _Thread_local struct {
        int64_t second;
        size_t size;
        char text[RFC3339_SIZE];
    } last = { .second = -1 };
    int64_t second = now_us / USEC_PER_SEC;
    int fraction = (int)(now_us % USEC_PER_SEC);
    if (second != last.second) {
        rfc3339_format(second * USEC_PER_SEC, 6, last.text);
        last.size = strlen(last.text);
        last.second = second;
    }
    memcpy(text, last.text, last.size + 1);
    for (size_t i = last.size - 2; fraction > 0; i--, fraction /= 10)
        text[i] = (char)('0' + fraction % 10);
    return last.size;
}

static void put_identity(struct encoding *e, const struct job_spec *spec, const char *source, int64_t now_us)
{
    put(e, HEADER_SPECVERSION, "1.0", 3);
    put(e, HEADER_ID, uuid_format(&e->id, e->id_text), UUID_TEXT_SIZE - 1);
    put_string(e, HEADER_TYPE, spec->type);
    put_string(e, HEADER_SOURCE, source);
    put(e, HEADER_TIME, e->time_text, format_now(now_us, e->time_text));
    put_string(e, HEADER_CONTENT_TYPE, spec->content_type ? spec->content_type : "application/json");
}

/* Headers are most of what a message costs: only those that say something are written. */
static void put_options(struct encoding *e, const struct job_spec *spec, int64_t now_us)
{
    struct uuid parent;
    put_number(e, HEADER_MAX_ATTEMPTS, spec->max_attempts, e->max_attempts_text,
               sizeof(e->max_attempts_text));
    put_number(e, HEADER_TIMEOUT, spec->timeout_ms, e->timeout_text, sizeof(e->timeout_text));
    if (spec->expires_ms)
        put_string(e, HEADER_EXPIRES,
                   rfc3339_format(now_us + spec->expires_ms * USEC_PER_MSEC, 3, e->expires_text));
    if (spec->id)
        put(e, HEADER_CLAIM, "1", 1);
    if (spec->reply)
        put(e, HEADER_REPLY, "1", 1);
    put_string(e, HEADER_TAGS, spec->tags);
    if (spec->parent) {
        memcpy(&parent, spec->parent, sizeof(parent));
        put(e, HEADER_PARENT, uuid_format(&parent, e->parent_text), UUID_TEXT_SIZE - 1);
    }
    put_string(e, HEADER_TRACEPARENT, spec->traceparent);
    put_string(e, HEADER_TRACESTATE, spec->tracestate);
}

/* Why it takes the way through the broker, which knows what to do with it. */
static void put_later(struct encoding *e, const struct job_spec *spec, const char *queue, int64_t run_at_us)
{
    put_string(e, HEADER_QUEUE, queue);
    if (spec->priority != JOB_PRIORITY_NORMAL)
        put_string(e, HEADER_PRIORITY, spec->priority > JOB_PRIORITY_NORMAL ? "high" : "low");
    if (run_at_us)
        put_string(e, HEADER_RUN_AT, rfc3339_format(run_at_us, 6, e->run_at_text));
    put_string(e, HEADER_UNIQUE_KEY, spec->unique_key);
    put_number(e, HEADER_UNIQUE_TTL, spec->unique_for_ms, e->unique_text, sizeof(e->unique_text));
    if (spec->debounce)
        put(e, HEADER_DEBOUNCE, "1", 1);
}

static void put_callers(struct encoding *e, const struct job_spec *spec)
{
    for (size_t i = 0; i < spec->n_headers; i++)
        put(e, spec->headers[i].name, spec->headers[i].value,
            spec->headers[i].value ? strlen(spec->headers[i].value) : 0);
}

/* --- the message --- */

enum name_lane encode_lane(int priority)
{
    if (priority == JOB_PRIORITY_NORMAL)
        return LANE_NORMAL;
    return priority > JOB_PRIORITY_NORMAL ? LANE_HIGH : LANE_LOW;
}

static struct span sized(const void *data, size_t size)
{
    return (struct span){ data, data && size == 0 ? strlen(data) : size };
}

static int choose_id(const struct job_spec *spec, int64_t now_us, struct uuid *ret)
{
    if (!spec->id) {
        uuid_new(ret);
        return 0;
    }
    memcpy(ret, spec->id, sizeof(*ret));
    return check_id(ret, now_us);
}

/* Return: 0: at once. */
static int64_t choose_run_at(const struct job_spec *spec, int64_t now_us)
{
    int64_t at_us =
        spec->run_at_ms ? spec->run_at_ms * USEC_PER_MSEC : now_us + spec->delay_ms * USEC_PER_MSEC;
    return at_us > now_us ? at_us : 0;
}

static char *choose_topic(const char *prefix, const struct job_spec *spec, const char *queue, bool later,
                          char *topic)
{
    return later ? name_topic(prefix, NAME_LATER, topic)
                 : name_topic_of_lane(prefix, queue, encode_lane(spec->priority), topic);
}

static int check_spec(const struct job_spec *spec, const char *queue, int64_t now_us)
{
    int r = check_names(spec, queue);
    if (r == 0)
        r = check_numbers(spec);
    if (r == 0)
        r = check_texts(spec);
    if (r == 0)
        r = check_headers(spec);
    if (r == 0)
        r = check_later(spec, now_us);
    return r;
}

int encode_job(const char *prefix, const char *source, const struct job_spec *spec, struct encoding *e)
{
    const char *queue = spec->queue ? spec->queue : "default";
    int64_t now_us = clock_wall_us();
    int r = check_spec(spec, queue, now_us);
    if (r == 0)
        r = choose_id(spec, now_us, &e->id);
    if (r)
        return r;
    int64_t run_at_us = choose_run_at(spec, now_us);
    bool later = run_at_us || spec->unique_key;
    e->message = (struct message){
        .topic = choose_topic(prefix, spec, queue, later, e->topic),
        .partition = -1,
        .key = sized(spec->key, spec->key_size),
        .value = sized(spec->payload, spec->payload_size),
        .headers = e->headers,
    };
    if (!spec->payload)
        e->message.value = (struct span){ 0 };
    if (e->message.key.size == 0)
        e->message.key = (struct span){ 0 };
    put_identity(e, spec, source, now_us);
    put_options(e, spec, now_us);
    if (later)
        put_later(e, spec, queue, run_at_us);
    put_callers(e, spec);
    r = check_size(&e->message);
    return r ? r : check_payload(spec, e->message.value);
}
