/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/envelope.h"

#include <endian.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json_scan.h"
#include "base/utf8.h"
#include "libjob/attributes.h"
#include "libjob/names.h"
#include "libjob/structured.h"

/* One message on its way into an envelope; the first rule that is broken stays in reterr. */
struct decoder {
    const struct message *m;
    size_t n_headers; /* that can be read */
    struct envelope *e;
    struct err *reterr;
    int failed;
    unsigned seen;     /* attribute bits of the headers */
    size_t size_bytes; /* key, value and the caller's headers; not those that every relaying changes */
};

static struct err *decoder_err(struct decoder *d)
{
    return d->failed ? NULL : d->reterr;
}

static void decoder_fail(struct decoder *d, int result)
{
    if (result)
        d->failed = ENVELOPE_MALFORMED;
}

void envelope_derive_id(const char *topic, int32_t partition, int64_t offset, int64_t timestamp_ms,
                        struct uuid *ret)
{
    uint64_t place[2] = { htobe64((uint64_t)partition), htobe64((uint64_t)offset) };
    uint64_t a = hash_fnv1a(HASH_START, topic, strlen(topic) + 1);
    uint64_t b = hash_fnv1a(hash_mix(a), place, sizeof(place));
    a = hash_fnv1a(a, place, sizeof(place));
    uuid_from_hash(timestamp_ms > 0 ? timestamp_ms : 0, hash_mix(a), hash_mix(b), ret);
}

static void read_attribute_header(struct decoder *d, const struct attribute *a,
                                  const struct message_header *h)
{
    if (d->seen & attribute_bit(a))
        decoder_fail(d, err_set(decoder_err(d), ENVELOPE_MALFORMED, "%s: occurs twice", h->name));
    else
        decoder_fail(d, attribute_read(a, h->value, d->e, decoder_err(d)));
    d->seen |= attribute_bit(a);
}

/* A broken trace is no reason to refuse a job: it is left out. */
static void read_trace_header(const struct message_header *h, struct envelope *e)
{
    if (!h->value.data || !utf8_is_text(h->value.data, h->value.size))
        return;
    if (strcmp(h->name, HEADER_TRACEPARENT) == 0)
        e->traceparent = h->value;
    else if (strcmp(h->name, HEADER_TRACESTATE) == 0)
        e->tracestate = h->value;
}

static void read_header(struct decoder *d, const struct message_header *h)
{
    const struct attribute *a = strncmp(h->name, "ce_", 3) == 0 ? attribute_find(h->name + 3) : NULL;
    size_t name_size = strlen(h->name);
    if (!a || attribute_is_lasting(a))
        d->size_bytes += name_size + h->value.size;
    if (a)
        read_attribute_header(d, a, h);
    else if (h->name[0] == 't')
        read_trace_header(h, d->e);
    else if (!utf8_is_text(h->name, name_size))
        decoder_fail(d, err_set(decoder_err(d), ENVELOPE_MALFORMED, "header name is not UTF-8 text"));
}

static void read_headers(struct decoder *d)
{
    for (size_t i = 0; i < d->n_headers; i++)
        read_header(d, &d->m->headers[i]);
}

/* The last one counts, as in Kafka's own clients. */
static void find_content_type(struct decoder *d)
{
    for (size_t i = d->n_headers; i-- > 0;) {
        const struct message_header *h = &d->m->headers[i];
        if (h->name[0] != 'c' || strcmp(h->name, HEADER_CONTENT_TYPE) != 0)
            continue;
        if (h->value.data && !utf8_is_text(h->value.data, h->value.size))
            decoder_fail(d, err_set(decoder_err(d), ENVELOPE_MALFORMED, "content-type: not UTF-8 text"));
        else if (h->value.size > 0)
            d->e->content_type = h->value;
        return;
    }
}

/* A message must still fit when the relay has added what is its own to write. */
static void check_count(struct decoder *d)
{
    size_t limit = d->e->relayed ? MESSAGE_MAX_HEADERS : ENVELOPE_MAX_HEADERS;
    if (d->m->n_headers > limit)
        decoder_fail(d, err_set(decoder_err(d), ENVELOPE_MALFORMED, "more than %zu headers", limit));
}

static void check_payload(struct decoder *d)
{
    const struct envelope *e = d->e;
    size_t at;
    if (d->size_bytes > NAME_MESSAGE_MAX)
        decoder_fail(d, err_set(decoder_err(d), ENVELOPE_MALFORMED, "oversize: %zu bytes, %d are allowed",
                                d->size_bytes, NAME_MESSAGE_MAX));
    else if (e->payload.size > 0 && name_is_json_content_type(e->content_type) &&
             json_scan(e->payload.data, e->payload.size, &at) == JSON_INVALID)
        decoder_fail(d, err_set(decoder_err(d), ENVELOPE_MALFORMED, "payload: not JSON at byte %zu", at));
}

/* Attributes in the value come first: headers, where there are any, are younger (the relay wrote them). */
static int read_structured(struct decoder *d)
{
    struct envelope *e = d->e;
    int r = structured_read(d->m->value, e, decoder_err(d));
    if (r < 0)
        return r;
    decoder_fail(d, r);
    return 0;
}

static int read_message(struct decoder *d)
{
    d->n_headers = d->m->n_headers;
    if (d->n_headers > MESSAGE_MAX_HEADERS)
        d->n_headers = MESSAGE_MAX_HEADERS; /* of too many: its dead letter should still know id and type */
    find_content_type(d);
    if (structured_is_content_type(d->e->content_type)) {
        int r = read_structured(d);
        if (r < 0)
            return r;
    }
    read_headers(d);
    check_count(d);
    if (!d->e->type.data)
        decoder_fail(d, err_set(decoder_err(d), ENVELOPE_MALFORMED, "ce_type: missing"));
    check_payload(d);
    return 0;
}

int envelope_decode(const struct message *m, struct envelope *ret, struct err *reterr)
{
    struct envelope e = {
        .key = m->key,
        .payload = m->value,
        .time_us = m->timestamp_ms > 0 ? m->timestamp_ms * USEC_PER_MSEC : 0,
        .attempt = 1,
        .delivery = 1,
        .lane = LANE_NORMAL,
    };
    struct decoder d = { .m = m, .e = &e, .reterr = reterr, .size_bytes = m->key.size + m->value.size };
    int r = read_message(&d);
    if (r < 0) {
        envelope_done(&e);
        return r;
    }
    if (!e.id_given)
        envelope_derive_id(m->topic, m->partition, m->offset, m->timestamp_ms, &e.id);
    if (d.failed)
        e.payload = m->value;
    *ret = e;
    return d.failed;
}

struct span envelope_trace_id(const struct envelope *e)
{
    struct span traceparent = e->traceparent;
    if (traceparent.size < 36 || traceparent.data[2] != '-' || traceparent.data[35] != '-')
        return (struct span){ 0 };
    return (struct span){ traceparent.data + 3, 32 };
}

void envelope_done(struct envelope *e)
{
    free(e->owned);
    e->owned = NULL;
}
