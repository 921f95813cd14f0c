/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http_headers.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/timefmt.h"
#include "libjob/context.h"

/* Headers on their way; `whole` is false once memory was missing. */
struct headers {
    struct curl_slist *list;
    bool whole;
};

static void add_line(struct headers *h, const struct buf *line)
{
    struct curl_slist *longer = line->failed || !h->whole ? NULL : curl_slist_append(h->list, line->data);
    if (longer)
        h->list = longer;
    h->whole = longer != NULL;
}

/* What cannot stand in a header is left out: values come from whoever wrote the message. */
static bool is_printable(const char *value)
{
    for (; *value; value++)
        if ((unsigned char)*value < ' ' || *value == 0x7f)
            return false;
    return true;
}

static void add(struct headers *h, const char *name, const char *value)
{
    _cleanup_buf_ struct buf line = { 0 };
    if (!value || !*value || !is_printable(value))
        return;
    buf_append_format(&line, "%s: %s", name, value);
    add_line(h, &line);
}

/* Values of attributes are percent-encoded: blanks, quotes, the per cent sign, and what is not printable ASCII. */
static void add_attribute(struct headers *h, const char *name, const char *value)
{
    _cleanup_buf_ struct buf line = { 0 };
    buf_append_format(&line, "%s: ", name);
    for (const unsigned char *at = (const unsigned char *)value; *at; at++) {
        if (*at <= ' ' || *at >= 0x7f || *at == '"' || *at == '%')
            buf_append_format(&line, "%%%02X", *at);
        else
            buf_append_char(&line, (char)*at);
    }
    add_line(h, &line);
}

static void add_event(struct headers *h, const struct job_context *ctx)
{
    char source[128], time[RFC3339_SIZE];
    snprintf(source, sizeof(source), "/libjob/%s", ctx->queue);
    add(h, "content-type", job_context_content_type(ctx));
    add_attribute(h, "ce-specversion", "1.0");
    add_attribute(h, "ce-id", ctx->id);
    add_attribute(h, "ce-type", ctx->type);
    add_attribute(h, "ce-source", source);
    if (ctx->time_us)
        add_attribute(h, "ce-time", rfc3339_format(ctx->time_us, 6, time));
}

static void add_try(struct headers *h, const struct job_context *ctx)
{
    char attempt[16];
    snprintf(attempt, sizeof(attempt), "%d", ctx->attempt);
    add(h, "idempotency-key", ctx->id);
    add(h, "job-attempt", attempt);
    add(h, "job-fence", ctx->fence);
    add(h, "traceparent", ctx->traceparent);
    add(h, "tracestate", ctx->tracestate);
}

static void add_signature(struct headers *h, const struct job_context *ctx, const struct http_keys *keys,
                          int64_t now_us)
{
    _cleanup_buf_ struct buf signature = { 0 };
    const struct span body = { ctx->payload, ctx->payload_size };
    char time[24];
    if (keys->n == 0)
        return;
    snprintf(time, sizeof(time), "%" PRId64, now_us / USEC_PER_SEC);
    if (http_keys_sign(keys, ctx->id, now_us / USEC_PER_SEC, body, &signature) < 0)
        h->whole = false;
    add(h, "webhook-id", ctx->id);
    add(h, "webhook-timestamp", time);
    add(h, "webhook-signature", signature.data);
}

struct curl_slist *http_headers_make(const struct job_context *ctx, const struct http_keys *keys,
                                     int64_t now_us)
{
    struct headers h = { .list = curl_slist_append(NULL, "Expect:") }; /* curl's own is left out */
    h.whole = h.list != NULL;
    add_event(&h, ctx);
    add_try(&h, ctx);
    add_signature(&h, ctx, keys, now_us);
    if (h.whole)
        return h.list;
    curl_slist_free_all(h.list);
    return NULL;
}
