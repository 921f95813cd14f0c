/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobctl enqueue.
 *
 * A job for now goes straight to Kafka, and its id is printed when Kafka has it for good. A job for later goes through
 * PostgreSQL alone, so it can be enqueued while Kafka is away.
 */
#include "cli/commands.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/dialog.h"
#include "cli/line/order.h"
#include "cli/print/present.h"
#include "cli/job/wait.h"
#include "libjob/encode.h"
#include "libjob/names.h"
#include "store/outbox.h"

#define CHUNK 2000
#define DELIVERY_TIMEOUT_MS 10000
#define FLUSH_TIMEOUT_MS 30000

/* Where the ids of what was enqueued go. */
struct ids {
    struct uuid *ids; /* when somebody waits for the jobs */
    size_t n;
    struct output *list; /* as a table or CSV, when that was asked for; NULL: one JSON object a line */
};

static const struct output_column id_columns[] = { { "id", CELL_ID } };

/* Ctrl-C ends between two chunks, so that whatever Kafka has got is told. */
static volatile sig_atomic_t interrupted;

static void note_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static int report_ids(struct invocation *in, const struct order *o, const struct uuid *ids, size_t n,
                      struct ids *kept, struct err *reterr)
{
    int r = STATUS_DONE;
    if (o->wait) {
        memcpy(kept->ids + kept->n, ids, n * sizeof(*ids));
        kept->n += n;
        return STATUS_DONE;
    }
    for (size_t i = 0; i < n && r == STATUS_DONE; i++)
        if (kept->list)
            output_add(kept->list, (struct cell[]){ cell_id(&ids[i]) });
        else
            r = present_id(in, &ids[i], reterr);
    fflush(in->to);
    return r;
}

/* --- Straight to Kafka --- */

/* The fates of a chunk of jobs; written by the client's delivery thread, read after job_flush(). */
struct fate {
    struct {
        struct uuid id;
        bool answered;
        int error;
    } jobs[CHUNK];
    struct uuid delivered[CHUNK]; /* in the order of enqueueing */
};

static void note_delivery(const struct job_id *id, int error, void *cookie, void *userdata)
{
    struct fate *fate = userdata;
    size_t i = (size_t)(uintptr_t)cookie;
    memcpy(fate->jobs[i].id.bytes, id->bytes, sizeof(id->bytes));
    fate->jobs[i].error = error;
    fate->jobs[i].answered = true;
}

/* Gathers those that Kafka has. @ret_failed: index of the first that it has not; n when there is none. */
static size_t gather_delivered(struct fate *fate, size_t n, size_t *ret_failed)
{
    size_t n_delivered = 0;
    *ret_failed = n;
    for (size_t i = n; i-- > 0;)
        if (fate->jobs[i].answered && fate->jobs[i].error)
            *ret_failed = i;
    for (size_t i = 0; i < n; i++)
        if (fate->jobs[i].answered && !fate->jobs[i].error)
            fate->delivered[n_delivered++] = fate->jobs[i].id;
    return n_delivered;
}

static int open_client(const struct invocation *in, struct fate *fate, struct job_client **ret,
                       struct err *reterr)
{
    const struct config_kafka *kafka = &in->config->kafka;
    _cleanup_free_ struct job_property *properties = calloc(kafka->n_properties + 1, sizeof(*properties));
    if (!properties)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    for (size_t i = 0; i < kafka->n_properties; i++)
        properties[i] = (struct job_property){ kafka->properties[i].name, kafka->properties[i].value };
    struct job_client_options options = {
        .brokers = kafka->brokers,
        .prefix = in->config->prefix,
        .source = "/jobctl",
        .delivered = note_delivery,
        .userdata = fate,
        .delivery_timeout_ms = DELIVERY_TIMEOUT_MS,
        .properties = properties,
        .n_properties = kafka->n_properties,
    };
    int r = job_client_open(ret, &options);
    if (r)
        return err_set(reterr, r == JOB_E_INVALID_CONFIG ? STATUS_USAGE : STATUS_FAILED, "%s: %s",
                       job_strerror(r), job_client_error(NULL));
    return STATUS_DONE;
}

static int refuse_queue(const struct invocation *in, const struct order *o, struct err *reterr)
{
    char topic[NAME_TOPIC_MAX + 1];
    name_topic_of_lane(in->config->prefix, o->queue, encode_lane(o->priority), topic);
    dialog_remark_queue(in, o->queue);
    return err_set(
        reterr, STATUS_NOT_FOUND,
        "the queue \"%s\" has no topic %s in Kafka: declare it%s under queues in %s and run `jobctl topic apply`",
        o->queue, topic, o->priority ? " with lanes" : "", invocation_config_path(in));
}

static int refuse_silence(const struct invocation *in, const struct uuid *id, struct err *reterr)
{
    char text[UUID_TEXT_SIZE] = "ID";
    if (id)
        uuid_format(id, text);
    err_set(
        reterr, ADMIN_AWAY,
        "Kafka at %s has not answered within %d s, so the job may be there or not (repeating it with --id %s is safe)",
        in->config->kafka.brokers, DELIVERY_TIMEOUT_MS / 1000, text);
    return invocation_judge_kafka(in, ADMIN_AWAY, reterr);
}

/* From what libjob says to an enum status. @detail: "" when there is none. @failed: NULL when not known. */
static int judge_enqueue(const struct invocation *in, const struct order *o, int r, const char *detail,
                         const struct uuid *failed, struct err *reterr)
{
    switch (r) {
    case 0:
        return STATUS_DONE;
    case JOB_E_TIMED_OUT:
    case JOB_E_CLOSED:
        return refuse_silence(in, failed, reterr);
    case JOB_E_UNKNOWN_QUEUE:
        return refuse_queue(in, o, reterr);
    case JOB_E_REFUSED:
        return err_set(reterr, STATUS_FAILED, "%s", job_strerror(r));
    default:
        return err_set(reterr, r < 0 ? STATUS_FAILED : STATUS_USAGE, "%s%s%s", job_strerror(r),
                       detail[0] ? ": " : "", detail);
    }
}

static struct job_spec make_spec(const struct order *o)
{
    return (struct job_spec){
        .type = o->type,
        .queue = o->queue,
        .payload = o->has_payload ? o->payload.data : NULL,
        .payload_size = o->payload.size,
        .key = o->key,
        .id = o->has_id ? &o->id : NULL,
        .max_attempts = o->max_attempts,
        .timeout_ms = o->timeout_ms,
        .expires_ms = o->expires_ms,
        .tags = o->tags.size ? o->tags.data : NULL,
        .headers = o->headers,
        .n_headers = o->n_headers,
        .reply = o->wait,
        .priority = o->priority,
    };
}

/* Hands @n jobs to libjob, waiting while its buffer is full. Return: as job_enqueue(). */
static int hand_over(struct job_client *client, const struct order *o, size_t n)
{
    struct job_spec spec = make_spec(o);
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        spec.cookie = (void *)(uintptr_t)i;
        r = job_enqueue(client, &spec, NULL);
        if (r == JOB_E_FULL && (r = job_flush(client, FLUSH_TIMEOUT_MS)) == 0)
            r = job_enqueue(client, &spec, NULL);
    }
    return r;
}

/* Enqueues up to CHUNK jobs and waits for Kafka's answers. Return: an enum status; *ret_n ids are in fate->delivered. */
static int send_chunk(struct invocation *in, struct job_client *client, const struct order *o, size_t n,
                      struct fate *fate, size_t *ret_n, struct err *reterr)
{
    char detail[256];
    size_t failed;
    memset(fate, 0, sizeof(*fate));
    int r = hand_over(client, o, n);
    snprintf(detail, sizeof(detail), "%s", r ? job_client_error(client) : "");
    int flushed = job_flush(client, FLUSH_TIMEOUT_MS);
    *ret_n = gather_delivered(fate, n, &failed);
    if (r == 0)
        r = failed < n ? fate->jobs[failed].error : flushed;
    return judge_enqueue(in, o, r, detail, failed < n ? &fate->jobs[failed].id : NULL, reterr);
}

static int send_all(struct invocation *in, struct job_client *client, const struct order *o,
                    struct fate *fate, struct ids *kept, struct err *reterr)
{
    size_t n_done = 0, n_delivered;
    for (int left = o->count; left > 0; left -= CHUNK) {
        int r = send_chunk(in, client, o, (size_t)(left < CHUNK ? left : CHUNK), fate, &n_delivered, reterr);
        int reported = report_ids(in, o, fate->delivered, n_delivered, kept, r ? NULL : reterr);
        n_done += n_delivered;
        if (r && o->count > 1)
            return err_prefix(reterr, r, "%zu of %d jobs were enqueued", n_done, o->count);
        if (r || reported)
            return r ? r : reported;
        if (interrupted)
            return err_set(reterr, STATUS_INTERRUPTED, "interrupted: %zu of %d jobs were enqueued", n_done,
                           o->count);
    }
    return STATUS_DONE;
}

static int enqueue_now(struct invocation *in, const struct order *o, struct ids *kept, struct err *reterr)
{
    _cleanup_free_ struct fate *fate = calloc(1, sizeof(*fate));
    struct job_client *client;
    if (!fate)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    int r = open_client(in, fate, &client, reterr);
    if (r)
        return r;
    void (*before)(int) = o->count > 1 ? signal(SIGINT, note_interrupt) : SIG_ERR;
    r = send_all(in, client, o, fate, kept, reterr);
    if (before != SIG_ERR)
        signal(SIGINT, before); /* waiting for the jobs ends at once */
    job_client_close(client, 0);
    return r;
}

/* --- Through PostgreSQL --- */

/* What the SQL function refuses was said wrongly here. */
static int judge_outbox(struct invocation *in, int r, struct err *reterr)
{
    const char *sqlstate = r == STORE_REFUSED ? db_refusal(in->db)->sqlstate : "";
    int status = invocation_judge_store(in, r, reterr);
    return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "JB1", 3) == 0 ? STATUS_USAGE : status;
}

static int enqueue_later(struct invocation *in, const struct order *o, struct ids *kept, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    _cleanup_buf_ struct buf headers = { 0 };
    struct uuid id;
    memcpy(id.bytes, o->id.bytes, sizeof(id.bytes));
    order_append_headers(o, &headers);
    struct outbox_job job = {
        .queue = o->queue,
        .type = o->type,
        .payload = o->has_payload ? o->payload.data : NULL,
        .key = o->key,
        .run_at_us = o->run_at_us,
        .delay_us = o->delay_us,
        .max_attempts = o->max_attempts,
        .timeout_ms = o->timeout_ms,
        .expires_ms = o->expires_ms,
        .tags = o->tags.size ? o->tags.data : NULL,
        .headers = headers.data,
        .id = o->has_id ? &id : NULL,
        .reply = o->wait,
        .priority = arguments_get(&in->arguments, "priority"),
        .unique_key = o->unique_key,
        .unique_for_ms = o->unique_for_ms,
    };
    int r = invocation_connect(in, reterr);
    if (r)
        return r;
    dialog_remark_queue(in, o->queue);
    r = outbox_enqueue(in->db, &job, o->count, &rows, reterr);
    if (r)
        return judge_outbox(in, r, reterr);
    for (size_t i = 0; r == 0 && i < rows_count(rows); i++) {
        rows_uuid(rows, i, 0, &id);
        r = report_ids(in, o, &id, 1, kept, reterr);
    }
    return r;
}

/* --- Either --- */

static int enqueue(struct invocation *in, const struct order *o, struct err *reterr)
{
    struct ids kept = { 0 };
    _cleanup_free_ struct uuid *ids = kept.ids = calloc((size_t)o->count, sizeof(*ids));
    if (!ids)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    int r = o->wait ? wait_prepare(in, reterr) : STATUS_DONE;
    if (r)
        return r;
    dialog_remark_type(in, o->type);
    if (in->format_given && !o->wait && in->style.format != OUTPUT_JSON && in->style.format != OUTPUT_JSONL)
        r = present_begin(in, id_columns, ARRAY_SIZE(id_columns), &kept.list, reterr);
    if (r)
        return r;
    r = o->later ? enqueue_later(in, o, &kept, reterr) : enqueue_now(in, o, &kept, reterr);
    int written = kept.list ? output_end(kept.list, r ? NULL : reterr) : STATUS_DONE;
    output_free(kept.list);
    if (r || !o->wait)
        return r ? r : written;
    return wait_for_jobs(in, kept.ids, kept.n, o->wait_timeout_us, o->queue, reterr);
}

int command_enqueue(struct invocation *in, struct err *reterr)
{
    struct order order;
    int r = order_read(&order, in, in->arguments.words[0], reterr);
    if (r == STATUS_DONE)
        r = enqueue(in, &order, reterr);
    order_done(&order);
    return r;
}
