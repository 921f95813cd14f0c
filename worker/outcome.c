/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/outcome.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_scan.h"
#include "base/utf8.h"
#include "libjob/backoff.h"
#include "libjob/json_text.h"
#include "libjob/names.h"
#include "worker/keys.h"

#define ERROR_MAX 4096
#define THROTTLED_US (600 * USEC_PER_SEC) /* should nobody let it come back earlier (job.look_at_keys()) */

void outcome_texts_done(struct outcome_texts *texts)
{
    buf_done(&texts->headers);
    buf_done(&texts->result);
    buf_done(&texts->error);
    buf_done(&texts->unknown);
}

void outcome_put_result(struct buf *json, const char *data, size_t size)
{
    if (json_scan(data, size, NULL) == JSON_STORABLE)
        buf_append(json, data, size);
    else
        json_append_bytes(json, (struct span){ data, size });
}

static int64_t server_time(const struct outcome_context *context, int64_t mono_us)
{
    return mono_us ? mono_us + context->clock_offset_us : 0;
}

/* What every row has. */
static void fill_common(const struct job *job, const struct outcome_context *context, struct record_row *ret)
{
    const struct envelope *envelope = &job->envelope;
    *ret = (struct record_row){
        .id = envelope->id,
        .parent = envelope->parent,
        .queue = name_queue_of_topic(context->config->prefix, job->message->topic),
        .type = envelope->type,
        .topic = job->message->topic,
        .partition = job->message->partition,
        .offset = job->message->offset,
        .token = job->token,
        .attempt = envelope->attempt,
        .delivery = envelope->delivery,
        .enqueued_us = job->refused[0] ? 0 : envelope->time_us,
        .started_us = server_time(context, job->started_us),
        .finished_us = server_time(context, job->finished_us ? job->finished_us : context->now_us),
        .cpu_ms = job->cpu_us < 0 ? -1 : (int32_t)(job->cpu_us / 1000),
        .peak_kib = (int32_t)job->peak_kib,
        .delay_us = -1,
        .max_crashes = job->type && job->type->handler ? job_max_crashes(job) : 1,
    };
    if (!job->refused[0])
        ret->trace_id = envelope_trace_id(envelope);
}

/* Those of the message; an ordered job has its place in them if it is not to be passed meanwhile. @place: room for that. */
static size_t collect_headers(const struct job *job, struct message_header *headers, char *place, size_t size)
{
    const struct message *m = job->message;
    size_t n = 0;
    for (size_t i = 0; i < m->n_headers && n < MESSAGE_MAX_HEADERS; i++)
        if (!job_is_ordered(job) || strcmp(m->headers[i].name, "ce_keyseq") != 0)
            headers[n++] = m->headers[i];
    if (!job_is_ordered(job) || !(job->outcome == OUTCOME_NONE || job_holds_key(job)))
        return n;
    snprintf(place, size, "%lld", (long long)job->key_seq + 1);
    headers[n++] = (struct message_header){ "ce_keyseq", span_from_string(place) };
    return n;
}

/* What lets the job run again. */
static void fill_message(const struct job *job, struct outcome_texts *texts, struct record_row *ret)
{
    struct message_header headers[MESSAGE_MAX_HEADERS + 1];
    char place[24];
    size_t n = collect_headers(job, headers, place, sizeof(place));
    buf_reset(&texts->headers);
    if (job->refused[0] || job->outcome == OUTCOME_CONDEMNED)
        buf_append_string(&texts->headers, "{}");
    else
        envelope_headers_to_json(headers, n, job->outcome != OUTCOME_MALFORMED, &texts->headers);
    ret->headers_json = (struct span){ texts->headers.data, texts->headers.size };
    ret->key = job->envelope.key;
    ret->payload =
        job->message->value; /* not the envelope's: in structured mode the attributes are in there */
}

static void fill_error(const struct job *job, struct outcome_texts *texts, struct record_row *ret)
{
    buf_reset(&texts->error);
    if (job->refused[0])
        buf_append_format(&texts->error, "result refused: %s", job->refused);
    else if (job->error)
        utf8_append_clean(&texts->error, job->error, strlen(job->error), ERROR_MAX);
    else
        return;
    ret->error = (struct span){ texts->error.data, texts->error.size };
}

static void fill_result(const struct job *job, struct outcome_texts *texts, struct record_row *ret)
{
    if (!job->result || job->refused[0])
        return;
    buf_reset(&texts->result);
    outcome_put_result(&texts->result, job->result, job->result_size);
    ret->result = (struct span){ texts->result.data, texts->result.size };
}

/* "unknown type "x"; this worker knows: a, b.*" */
static void fill_unknown(const struct job *job, const struct outcome_context *context,
                         struct outcome_texts *texts, struct record_row *ret)
{
    struct buf *text = &texts->unknown;
    buf_reset(text);
    buf_append_format(text, "unknown type \"%s\"; this worker knows:", job->type->name);
    for (size_t i = 0; i < context->config->n_handlers && text->size < ERROR_MAX - 256; i++)
        buf_append_format(text, "%s %s", i ? "," : "", context->config->handlers[i].type);
    if (context->config->n_handlers == 0)
        buf_append_string(text, " no type at all");
    ret->error = (struct span){ text->data, text->size };
}

static int64_t delay_of(const struct job *job, const struct outcome_context *context)
{
    if (job->retry_after_ms >= 0)
        return job->retry_after_ms * 1000;
    if (job->outcome == OUTCOME_SNOOZED)
        return 0;
    return backoff_delay_us(&job->type->handler->backoff, job->envelope.attempt, context->random);
}

static void fill_try(const struct job *job, const struct outcome_context *context,
                     struct outcome_texts *texts, struct record_row *ret)
{
    switch (job->outcome) {
    case OUTCOME_FAILED:
    case OUTCOME_TIMEOUT:
        ret->outcome = job->outcome == OUTCOME_FAILED ? "failed" : "timeout";
        ret->delay_us = delay_of(job, context);
        if (job->envelope.attempt >= job_max_attempts(job))
            ret->verdict = "exhausted";
        break;
    case OUTCOME_FAILED_FOR_GOOD:
        ret->outcome = ret->verdict = "failed";
        break;
    case OUTCOME_SNOOZED:
        ret->outcome = "snoozed";
        ret->delay_us = delay_of(job, context);
        break;
    case OUTCOME_CRASHED:
        ret->outcome = "crashed";
        break;
    case OUTCOME_OOM:
        ret->outcome = "oom";
        break;
    case OUTCOME_UNKNOWN_TYPE:
        ret->outcome = "parked";
        fill_unknown(job, context, texts, ret);
        break;
    case OUTCOME_INTERRUPTED:
        ret->outcome = "interrupted";
        if (job->started_us && job_runs_at_most_once(job))
            ret->verdict = "crashed";
        break;
    case OUTCOME_THROTTLED:
        ret->outcome = "throttled";
        ret->delay_us = THROTTLED_US;
        break;
    case OUTCOME_EXPIRED:
        ret->verdict = "expired";
        break;
    case OUTCOME_CANCELLED:
        ret->verdict = "cancelled";
        break;
    case OUTCOME_CONDEMNED:
        ret->verdict = "crashed";
        break;
    default:
        ret->verdict = "malformed";
        break;
    }
}

void outcome_fill_claim(const struct job *job, const struct outcome_context *context,
                        struct outcome_texts *texts, struct record_row *ret)
{
    fill_common(job, context, ret);
    fill_message(job, texts, ret);
    ret->fresh = job->envelope.claim && !job->envelope.relayed;
}

/* A first delivery that succeeds, or may be passed, never had a hold. */
bool outcome_fill_key(const struct job *job, struct record_key *ret)
{
    if (!job_is_ordered(job))
        return false;
    bool claimed = job->outcome == OUTCOME_NONE, succeeded = job->outcome == OUTCOME_SUCCEEDED;
    bool holds = claimed ? job_is_strict(job) : job_holds_key(job);
    if (!claimed && !job->token && (succeeded || !holds))
        return false;
    *ret = (struct record_key){
        .id = job->envelope.id,
        .topic = job->message->topic,
        .partition = job->message->partition,
        .seq = job->key_seq,
        .hash = keys_hash(job->envelope.key),
        .key = job->envelope.key,
        .holds = holds,
        .passes = !claimed && !holds && !succeeded,
    };
    return true;
}

/* Whatever PostgreSQL knows of already, by a lease or an earlier delivery, gets its end there, too. */
bool outcome_leaves_row(const struct job *job)
{
    return job->outcome != OUTCOME_SUCCEEDED || job->type->handler->record == CONFIG_RECORD_ALL ||
           job->token || job->envelope.reply || job->envelope.delivery > 1;
}

bool outcome_fill(const struct job *job, const struct outcome_context *context, struct outcome_texts *texts,
                  struct record_row *ret)
{
    fill_common(job, context, ret);
    fill_error(job, texts, ret);
    if (job->outcome == OUTCOME_SUCCEEDED) {
        fill_result(job, texts, ret);
        return false;
    }
    fill_message(job, texts, ret);
    fill_try(job, context, texts, ret);
    return true;
}
