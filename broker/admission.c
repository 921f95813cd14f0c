/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/admission.h"

#include <errno.h>

#include "base/clock.h"
#include "libjob/names.h"

static int check(const struct envelope *e, int64_t run_at_us, int64_t taken_us, struct err *reterr)
{
    if (!e->queue.data)
        return err_set(reterr, ENVELOPE_MALFORMED, "ce_queue: missing");
    if (!e->unique_key.data && (e->unique_us || e->debounce))
        return err_set(reterr, ENVELOPE_MALFORMED, "%s: needs ce_uniquekey",
                       e->debounce ? HEADER_DEBOUNCE : HEADER_UNIQUE_TTL);
    if (run_at_us - taken_us > NAME_DELAY_MAX_MS * USEC_PER_MSEC)
        return err_set(reterr, ENVELOPE_MALFORMED, "ce_runat: more than 10 years away");
    return 0;
}

/* When Kafka took the record; without a time stamp the message's own time has to do. */
static int64_t taken_at(const struct envelope *e, const struct message *m)
{
    return m->timestamp_ms > 0 ? m->timestamp_ms * USEC_PER_MSEC : e->time_us;
}

/* Return: 0: at once. */
static int64_t run_at(const struct envelope *e, const struct message *m)
{
    if (!e->run_at_us)
        return 0;
    int64_t at_us = taken_at(e, m) + (e->run_at_us - e->time_us);
    return at_us > 0 ? at_us : 0;
}

static void fill_fault(struct admission *a)
{
    a->row.fault = span_from_string(a->fault.text);
    if (!a->row.queue.data)
        a->row.queue = span_from_string(NAME_LATER);
}

static void fill(struct admission *a, const char *prefix, const struct message *m)
{
    const struct envelope *e = &a->envelope;
    char queue[NAME_QUEUE_MAX + 1];
    a->row = (struct later_row){
        .id = e->id,
        .queue = e->queue,
        .type = e->type,
        .run_at_us = run_at(e, m),
        .key = m->key,
        .headers_json = { a->headers.data, a->headers.size },
        .payload = m->value,
        .enqueued_us = e->time_us,
        .unique_key = e->unique_key,
        .unique_us = e->unique_us,
        .debounce = e->debounce,
        .reply = e->reply,
        .trace_id = envelope_trace_id(e),
        .parent = e->parent,
        .offset = m->offset,
    };
    if (a->fault.text[0] || e->lane == LANE_NORMAL)
        return;
    memcpy(queue, e->queue.data, e->queue.size);
    queue[e->queue.size] = 0;
    a->row.topic = span_from_string(name_topic_of_lane(prefix, queue, e->lane, a->topic));
}

int admission_read(struct admission *a, const char *prefix, const struct message *m)
{
    *a = (struct admission){ 0 };
    int r = envelope_decode(m, &a->envelope, &a->fault);
    if (r < 0)
        return r;
    if (r == 0)
        r = check(&a->envelope, run_at(&a->envelope, m), taken_at(&a->envelope, m), &a->fault);
    envelope_headers_to_json(m->headers, m->n_headers, r == 0, &a->headers);
    if (a->headers.failed)
        return -ENOMEM;
    fill(a, prefix, m);
    if (r)
        fill_fault(a);
    return 0;
}

void admission_refuse(struct admission *a, const char *why)
{
    err_set(&a->fault, ENVELOPE_MALFORMED, "%s", why);
    a->row.headers_json = span_from_string("{}");
    a->row.trace_id = (struct span){ 0 };
    fill_fault(a);
}

void admission_done(struct admission *a)
{
    envelope_done(&a->envelope);
    buf_done(&a->headers);
}
