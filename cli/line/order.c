/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/line/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_scan.h"
#include "cli/line/payload.h"
#include "cli/job/wait.h"
#include "libjob/names.h"
#include "libjob/json_text.h"

#define QUEUE_DEFAULT "default"

static const char *find_queue(const struct invocation *in, const char *type)
{
    const char *queue = arguments_get(&in->arguments, "queue");
    if (queue)
        return queue;
    const struct config_handler *handler = config_find_handler(in->config, span_from_string(type));
    return handler && handler->queue ? handler->queue : QUEUE_DEFAULT;
}

static int read_tags(struct order *o, const struct arguments *a, struct err *reterr)
{
    const char *tag;
    for (size_t at = 0; (tag = arguments_next(a, "tag", &at));) {
        if (!tag[0] || strchr(tag, ','))
            return err_set(reterr, STATUS_USAGE, "--tag: a tag is not empty and has no comma, found \"%s\"",
                           tag);
        buf_append_string(&o->tags, o->tags.size ? "," : "");
        buf_append_string(&o->tags, tag);
    }
    return o->tags.failed ? err_set(reterr, STATUS_FAILED, "out of memory") : STATUS_DONE;
}

static int read_headers(struct order *o, const struct arguments *a, struct err *reterr)
{
    const char *pair;
    size_t n = 0;
    for (size_t at = 0; arguments_next(a, "header", &at);)
        n++;
    o->headers = calloc(n + 1, sizeof(*o->headers));
    o->header_names = calloc(n + 1, sizeof(*o->header_names));
    if (!o->headers || !o->header_names)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    for (size_t at = 0; (pair = arguments_next(a, "header", &at)); o->n_headers++) {
        char *name = strndup(pair, strcspn(pair, "="));
        if (!name)
            return err_set(reterr, STATUS_FAILED, "out of memory");
        o->header_names[o->n_headers] = name;
        o->headers[o->n_headers] = (struct job_header){ name, strchr(pair, '=') + 1 };
    }
    return STATUS_DONE;
}

/* A duration that must be whole milliseconds, at least one. Return: an enum status. */
static int read_limit(const struct arguments *a, const char *option, int64_t *ret_ms, struct err *reterr)
{
    int64_t us = arguments_get_duration(a, option);
    if (us >= 0 && us < USEC_PER_MSEC)
        return err_set(reterr, STATUS_USAGE, "--%s: expected at least 1ms", option);
    *ret_ms = us < 0 ? 0 : us / USEC_PER_MSEC;
    return STATUS_DONE;
}

static int read_moment(struct order *o, const struct arguments *a, struct err *reterr)
{
    int64_t delay_us = arguments_get_duration(a, "in");
    o->run_at_us = arguments_has(a, "at") ? arguments_get_time(a, "at") : 0;
    o->later = delay_us >= 0 || o->run_at_us || o->unique_key;
    o->delay_us = delay_us > 0 ? delay_us : 0;
    if (delay_us >= 0 && o->run_at_us)
        return err_set(reterr, STATUS_USAGE, "--in and --at exclude each other");
    if (o->expires_ms && o->expires_ms * USEC_PER_MSEC <= o->delay_us)
        return err_set(reterr, STATUS_USAGE,
                       "--expires counts from now: with this --in the job would expire before it is due");
    if (o->later && o->has_payload && json_scan(o->payload.data, o->payload.size, NULL) == JSON_VALID)
        return err_set(
            reterr, STATUS_USAGE,
            "--payload: with --in, --at or --unique it may not have \\u0000 or half a surrogate pair, which PostgreSQL cannot keep");
    return STATUS_DONE;
}

static int read_unique(struct order *o, const struct arguments *a, struct err *reterr)
{
    o->unique_key = arguments_get(a, "unique");
    if (o->unique_key && (!*o->unique_key || strlen(o->unique_key) > NAME_UNIQUE_MAX))
        return err_set(reterr, STATUS_USAGE, "--unique: empty, or longer than %d bytes", NAME_UNIQUE_MAX);
    if (!o->unique_key && arguments_has(a, "unique-for"))
        return err_set(reterr, STATUS_USAGE, "--unique-for has a meaning with --unique only");
    int r = read_limit(a, "unique-for", &o->unique_for_ms, reterr);
    if (r == STATUS_DONE && o->unique_for_ms > NAME_DELAY_MAX_MS)
        return err_set(reterr, STATUS_USAGE, "--unique-for: at most 10 years");
    return r;
}

static int read_id(struct order *o, const struct arguments *a, struct err *reterr)
{
    const char *text = arguments_get(a, "id");
    struct uuid id;
    if (!text)
        return STATUS_DONE;
    uuid_parse(text, strlen(text), &id);
    if (uuid_time_ms(&id) < 0 || uuid_time_ms(&id) > clock_wall_us() / 1000 + JOB_MAX_ID_AHEAD_MS)
        return err_set(reterr, STATUS_USAGE,
                       "--id: \"%s\" is not a version 7 UUID, or more than an hour in the future", text);
    memcpy(o->id.bytes, id.bytes, sizeof(o->id.bytes));
    o->has_id = true;
    if (o->count > 1)
        return err_set(reterr, STATUS_USAGE, "--id names one job, --count asks for %d", o->count);
    return STATUS_DONE;
}

static int read_wait(struct order *o, const struct arguments *a, struct err *reterr)
{
    o->wait = arguments_has(a, "wait");
    o->wait_timeout_us = arguments_get_duration(a, "wait-timeout");
    if (o->wait_timeout_us >= 0 && !o->wait)
        return err_set(reterr, STATUS_USAGE, "--wait-timeout has a meaning with --wait only");
    if (o->wait && o->count > WAIT_MAX_JOBS)
        return err_set(reterr, STATUS_USAGE, "--wait: at most %d jobs can be waited for at once",
                       WAIT_MAX_JOBS);
    return STATUS_DONE;
}

static int read_priority(const struct arguments *a)
{
    const char *word = arguments_get(a, "priority");
    if (!word)
        return JOB_PRIORITY_NORMAL;
    return strcmp(word, "high") == 0 ? JOB_PRIORITY_HIGH : JOB_PRIORITY_LOW;
}

int order_read(struct order *ret, const struct invocation *in, const char *type, struct err *reterr)
{
    const struct arguments *a = &in->arguments;
    const char *payload = arguments_get(a, "payload");
    *ret = (struct order){
        .type = type,
        .queue = find_queue(in, type),
        .key = arguments_get(a, "key"),
        .has_payload = payload != NULL,
        .count = (int)arguments_get_count(a, "count", 1),
        .max_attempts = (int)arguments_get_count(a, "max-attempts", 0),
        .priority = read_priority(a),
    };
    int r = payload_read(payload, &ret->payload, reterr);
    if (r == STATUS_DONE)
        r = read_tags(ret, a, reterr);
    if (r == STATUS_DONE)
        r = read_headers(ret, a, reterr);
    if (r == STATUS_DONE)
        r = read_limit(a, "timeout", &ret->timeout_ms, reterr);
    if (r == STATUS_DONE)
        r = read_limit(a, "expires", &ret->expires_ms, reterr);
    if (r == STATUS_DONE)
        r = read_unique(ret, a, reterr);
    if (r == STATUS_DONE)
        r = read_moment(ret, a, reterr);
    if (r == STATUS_DONE)
        r = read_id(ret, a, reterr);
    return r ? r : read_wait(ret, a, reterr);
}

void order_append_headers(const struct order *o, struct buf *json)
{
    buf_append_char(json, '{');
    for (size_t i = 0; i < o->n_headers; i++) {
        buf_append_string(json, i ? ", " : "");
        json_append_string(json, o->headers[i].name, strlen(o->headers[i].name));
        buf_append_string(json, ": ");
        json_append_string(json, o->headers[i].value, strlen(o->headers[i].value));
    }
    buf_append_char(json, '}');
}

void order_done(struct order *o)
{
    for (size_t i = 0; i < o->n_headers; i++)
        free(o->header_names[i]);
    free(o->header_names);
    free(o->headers);
    buf_done(&o->payload);
    buf_done(&o->tags);
}
