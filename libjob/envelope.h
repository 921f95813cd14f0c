/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire format: a job as a CloudEvents 1.0 message in Kafka (binary content mode; structured mode is read too).
 *
 * envelope_decode() is the only judge of what is malformed; encode_job() writes what it accepts. The JSON form of
 * the headers is what waits in PostgreSQL (job.pending, job.lease, job.dead): nothing of a message is lost on the way
 * through it and back.
 *
 * What is stored and relayed is always the message as it came (m->value and the JSON of m->headers), never
 * envelope.payload, which is for the handler: in structured mode the value holds attributes that would be lost. A
 * relayed structured message has headers as well as attributes; where both name something, the header counts, because
 * the relay wrote it.
 *
 * The limit of 1 MiB is for key, value and headers without those that every relaying changes, so a job that was
 * accepted once is accepted again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "libjob/names.h"
#include "stream/message.h"

/* Spans point into the message (or, in structured mode, into `owned`). */
struct envelope {
    struct uuid id;
    bool id_given; /* the message carried it; otherwise it is derived from the record's place and time */
    struct span type;
    struct span source;
    struct span content_type; /* data NULL: not said, so JSON */
    struct span key;
    struct span payload;
    struct span tags;
    struct span traceparent, tracestate;
    struct uuid parent; /* null UUID: none */
    int64_t time_us;    /* when it was enqueued: ce_time, else the record's time stamp */
    int64_t expires_us; /* 0: never */
    int64_t timeout_us; /* 0: the handler's policy */
    int attempt;        /* 1 when not said */
    int max_attempts;   /* 0: the handler's policy */
    int delivery;       /* 1 when not said */
    int crashes;        /* how often it, or its worker, has died while it ran or waited to; 0 when not said */
    int64_t
        key_seq; /* of an ordered job that has left the log: its place in its key's order, plus 1; 0 when not said */
    int64_t run_at_us; /* not before that; 0: at once */
    struct span queue; /* where it goes from the topic of what comes later; data NULL when not said */
    enum name_lane lane;
    struct span unique_key; /* data NULL: none */
    int64_t unique_us;      /* how long its key is held; 0: until it has ended */
    bool debounce;          /* ce_debounce: 1 */
    bool relayed;           /* carries ce_delivery: written by the relay */
    bool claim;             /* ce_claim: 1 */
    bool reply;             /* ce_reply: 1 */
    char *owned;            /* structured mode: memory of the payload and attributes */
};

enum envelope_result { ENVELOPE_MALFORMED = 1 };

/* Most headers of a message that is no relay's: the relay and the order of keys add up to six. */
#define ENVELOPE_MAX_HEADERS (MESSAGE_MAX_HEADERS - 6)

/*
 * Reads a message. @ret is valid (envelope_done() it) for both 0 and ENVELOPE_MALFORMED; then id, key and payload are
 * set (payload: the raw value), type only if it was readable, and @reterr names the header and the rule it breaks.
 * Return: 0; ENVELOPE_MALFORMED; negative errno.
 */
int envelope_decode(const struct message *m, struct envelope *ret, struct err *reterr);
void envelope_done(struct envelope *e);

/* The second field of its W3C traceparent (00-<32 hex>-<16 hex>-<2 hex>); data NULL: it has none. */
struct span envelope_trace_id(const struct envelope *e);

/* The id of a message that carries none: UUIDv7 of the record's time stamp and a hash of its place. Pure. */
void envelope_derive_id(const char *topic, int32_t partition, int64_t offset, int64_t timestamp_ms,
                        struct uuid *ret);

/*
 * Appends the headers as one JSON object: name → string; {"base64": …} for bytes that are no text; null for a header
 * without value; an array of these when a name occurs more than once. @skip_job: leave out what has a column of its own
 * (ce_id ce_type ce_attempt ce_delivery ce_claim ce_specversion), or has been seen to (ce_queue ce_priority ce_runat ce_debounce).
 */
void envelope_headers_to_json(const struct message_header *headers, size_t n, bool skip_job,
                              struct buf *json);

/* A job on its way to Kafka again, as a row of job.pending has it. */
struct envelope_relay {
    struct uuid id;
    const char *type;
    int attempt, delivery;
    const char *headers_json;
};

/*
 * Builds the headers of a relayed message: ce_specversion, ce_id, ce_type, ce_attempt (when not 1), ce_delivery, then those
 * of headers_json. The names and values live in @storage and hold until it changes. @ret has room for
 * MESSAGE_MAX_HEADERS.
 * Return: 0 and *ret_n; ENVELOPE_MALFORMED with @reterr when the JSON is no such object or has too many; -ENOMEM.
 */
int envelope_relay_headers(const struct envelope_relay *r, struct buf *storage, struct message_header *ret,
                           size_t *ret_n, struct err *reterr);
