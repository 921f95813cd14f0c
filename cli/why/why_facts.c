/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/why/why_facts.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/queue/places.h"
#include "cli/why/why_others.h"
#include "libjob/names.h"
#include "store/why.h"

/* A row that is due within this time is about to be sent, and Kafka matters. */
#define SOON_US (31 * USEC_PER_SEC)

static int64_t take_time(const struct rows *rows, int column)
{
    return rows_is_null(rows, 0, column) ? 0 : rows_time_us(rows, 0, column);
}

static int64_t take_number(const struct rows *rows, int column)
{
    return rows_is_null(rows, 0, column) ? -1 : rows_bigint(rows, 0, column);
}

static int32_t take_int(const struct rows *rows, int column, int32_t otherwise)
{
    return rows_is_null(rows, 0, column) ? otherwise : rows_int(rows, 0, column);
}

/* --- The job --- */

static enum why_place place_of(const char *word)
{
    static const struct {
        const char *word;
        enum why_place place;
    } places[] = {
        { "ended", WHY_ENDED }, { "leased", WHY_LEASED }, { "pending", WHY_PENDING }, { "tried", WHY_SENT }
    };
    for (size_t i = 0; word && i < ARRAY_SIZE(places); i++)
        if (strcmp(places[i].word, word) == 0)
            return places[i].place;
    return WHY_NOWHERE;
}

static void take_job(struct why_inquiry *q)
{
    const struct rows *j = q->job;
    struct why_facts *f = &q->facts;
    f->now_us = take_time(j, WHY_JOB_NOW);
    f->place = place_of(rows_text(j, 0, WHY_JOB_PLACE));
    f->state = rows_text(j, 0, WHY_JOB_STATE);
    f->queue = rows_text(j, 0, WHY_JOB_QUEUE);
    f->type = rows_text(j, 0, WHY_JOB_TYPE);
    f->reason = rows_text(j, 0, WHY_JOB_REASON);
    f->error = rows_text(j, 0, WHY_JOB_ERROR);
    f->attempt = take_int(j, WHY_JOB_ATTEMPT, 0);
    f->delivery = take_int(j, WHY_JOB_DELIVERY, 0);
    f->worker = rows_text(j, 0, WHY_JOB_WORKER);
    f->topic = rows_text(j, 0, WHY_JOB_TOPIC);
    f->partition = take_int(j, WHY_JOB_PARTITION, -1);
    f->offset = take_number(j, WHY_JOB_OFFSET);
    f->enqueued_us = take_time(j, WHY_JOB_ENQUEUED_AT);
    f->started_us = take_time(j, WHY_JOB_STARTED_AT);
    f->finished_us = take_time(j, WHY_JOB_FINISHED_AT);
    f->run_at_us = take_time(j, WHY_JOB_RUN_AT);
    f->expires_us = take_time(j, WHY_JOB_EXPIRES_AT);
    f->progress = rows_text(j, 0, WHY_JOB_PROGRESS);
    f->original.id = rows_text(j, 0, WHY_JOB_DUPLICATE_OF);
    f->has_letter = rows_bool(j, 0, WHY_JOB_LETTER);
    f->beat_us = take_time(j, WHY_JOB_BEAT_AT);
    f->lost_us = take_time(j, WHY_JOB_LOST_AT);
}

static void take_history(struct why_inquiry *q)
{
    const struct rows *j = q->job;
    struct why_facts *f = &q->facts;
    f->n_tries = take_number(j, WHY_JOB_TRIES);
    f->last.outcome = rows_text(j, 0, WHY_JOB_TRY_OUTCOME);
    f->last.error = rows_text(j, 0, WHY_JOB_TRY_ERROR);
    f->last.attempt = take_int(j, WHY_JOB_TRY_ATTEMPT, 0);
    f->last.delivery = take_int(j, WHY_JOB_TRY_DELIVERY, 0);
    f->last.finished_us = take_time(j, WHY_JOB_TRY_FINISHED_AT);
    f->parked_since_us = take_time(j, WHY_JOB_PARKED_SINCE);
    f->cancel_us = take_time(j, WHY_JOB_CANCEL_AT);
    f->cancel_actor = rows_text(j, 0, WHY_JOB_CANCEL_ACTOR);
}

/* PostgreSQL's part; that it is away is a fact. Return: an enum status. */
static int ask_store(struct invocation *in, struct why_inquiry *q, struct err *reterr)
{
    struct err err = { 0 };
    struct rows *rows = NULL;
    int r = invocation_connect(in, &err);
    if (r == STATUS_DONE)
        r = invocation_judge_store(in, why_find_job(in->db, &q->id, &rows, &err), &err);
    if (r == STATUS_AWAY) {
        q->store_err = err;
        q->facts.store_error = q->store_err.text;
        return STATUS_DONE;
    }
    if (r) {
        *reterr = err;
        return r;
    }
    rows_free(q->job);
    q->job = rows;
    take_job(q);
    take_history(q);
    return STATUS_DONE;
}

/* --- Kafka --- */

static void note_kafka_away(struct why_inquiry *q, const struct err *err)
{
    q->kafka_err = *err;
    q->facts.kafka_error = q->kafka_err.text;
}

static const char *text_of(const struct buf *b)
{
    return b->size ? b->data : NULL;
}

/* Its message was found. */
static void take_found(struct invocation *in, struct why_inquiry *q)
{
    struct why_facts *f = &q->facts;
    struct span queue = name_queue_of_topic(in->config->prefix, q->found.topic);
    bool later = !queue.data;
    if (later)
        queue = (struct span){ q->found.queue.data, q->found.queue.size };
    snprintf(q->queue, sizeof(q->queue), "%.*s", (int)queue.size, queue.data ? queue.data : "");
    f->place = later ? WHY_LATER : WHY_QUEUED;
    f->state = later && q->found.run_at_us > f->now_us ? "scheduled" : "queued";
    f->queue = q->queue[0] ? q->queue : NULL;
    f->type = text_of(&q->found.type);
    f->topic = q->found.topic;
    f->partition = q->found.partition;
    f->offset = q->found.offset;
    f->attempt = q->found.attempt;
    f->delivery = q->found.delivery;
    f->enqueued_us = q->found.enqueued_us;
    f->run_at_us = later ? q->found.run_at_us : 0;
    f->expires_us = q->found.expires_us;
}

/* Looks for the message of a job that PostgreSQL does not have in its hands. Return: an enum status. */
static int ask_kafka(struct invocation *in, struct why_inquiry *q, struct err *reterr)
{
    struct why_facts *f = &q->facts;
    struct err err = { 0 };
    struct lookup_wish wish = { .later = true };
    if (f->place == WHY_SENT) {
        wish.since_us = f->last.finished_us;
        wish.min_delivery = f->last.delivery + 1;
    }
    int r = lookup_find_wished(in, &q->id, &wish, &q->found, &err);
    f->search_timed_out = r == LOOKUP_TIMED_OUT;
    if (r == STATUS_AWAY)
        note_kafka_away(q, &err);
    if (r == LOOKUP_NOT_FOUND || r == LOOKUP_TIMED_OUT || r == STATUS_AWAY)
        return STATUS_DONE;
    if (r)
        *reterr = err;
    return r;
}

/* --- The way --- */

static void take_road(struct why_inquiry *q)
{
    const struct rows *r = q->road;
    struct why_facts *f = &q->facts;
    f->now_us = take_time(r, WHY_ROAD_NOW);
    f->paused_us = take_time(r, WHY_ROAD_PAUSED_AT);
    f->paused_by = rows_text(r, 0, WHY_ROAD_PAUSED_BY);
    f->n_workers = take_number(r, WHY_ROAD_WORKERS);
    f->n_live = take_number(r, WHY_ROAD_LIVE);
    f->drained = rows_text(r, 0, WHY_ROAD_DRAINED);
    f->drained_us = take_time(r, WHY_ROAD_DRAINED_AT);
    f->drained_by = rows_text(r, 0, WHY_ROAD_DRAINED_BY);
    f->narrow_worker = rows_text(r, 0, WHY_ROAD_NARROW_WORKER);
    f->narrow_rate = rows_text(r, 0, WHY_ROAD_NARROW_RATE);
    f->n_relays = take_number(r, WHY_ROAD_RELAYS);
    f->n_laters = take_number(r, WHY_ROAD_LATERS);
    f->n_clocks = take_number(r, WHY_ROAD_CLOCKS);
    f->oldest_due_us = take_time(r, WHY_ROAD_OLDEST_DUE_AT);
}

/* Of a message that lies in a partition. */
static void take_partition(struct why_inquiry *q)
{
    const struct rows *r = q->road;
    struct why_facts *f = &q->facts;
    f->next_offset = take_number(r, WHY_ROAD_NEXT_OFFSET);
    f->ahead = f->next_offset < 0 ? q->found.ahead : take_number(r, WHY_ROAD_AHEAD);
    f->trouble = rows_text(r, 0, WHY_ROAD_TROUBLE);
    f->crash_count = take_int(r, WHY_ROAD_CRASH_COUNT, 0);
    f->owner = rows_text(r, 0, WHY_ROAD_OWNER);
    f->beat_us = take_time(r, WHY_ROAD_BEAT_AT);
    f->lost_us = take_time(r, WHY_ROAD_LOST_AT);
    f->n_leases = take_number(r, WHY_ROAD_LEASES);
}

/* Whoever reads its partition is done with it, if that is still the log that it lies in. */
static void judge_passed(struct why_inquiry *q)
{
    if (!rows_bool(q->road, 0, WHY_ROAD_DONE) || !rows_is_null(q->road, 0, WHY_ROAD_TROUBLE))
        return;
    q->facts.next_offset = take_number(q->road, WHY_ROAD_NEXT_OFFSET);
    q->facts.place = WHY_PASSED;
}

static int ask_road(struct invocation *in, struct why_inquiry *q, struct err *reterr)
{
    struct why_facts *f = &q->facts;
    bool in_log = f->place == WHY_QUEUED || f->place == WHY_LATER;
    struct why_road road = {
        .queue = f->queue, .topic = in_log ? f->topic : NULL, .partition = f->partition, .offset = f->offset
    };
    int r = invocation_judge_store(in, why_find_road(in->db, &road, &q->road, reterr), reterr);
    if (r)
        return r;
    take_road(q);
    if (f->place == WHY_QUEUED)
        take_partition(q);
    if (in_log)
        judge_passed(q);
    return STATUS_DONE;
}

/* Where a row of job.pending has to go: is there the topic, and room in it? */
static int ask_topic(struct invocation *in, struct why_inquiry *q, struct err *reterr)
{
    _cleanup_(places_done) struct places places = { 0 };
    struct why_facts *f = &q->facts;
    struct err err = { 0 };
    if (!f->topic || !name_queue_of_topic(in->config->prefix, f->topic).data)
        f->topic = name_topic(in->config->prefix, f->queue, q->topic);
    int r = places_read_kafka(in, f->queue, &places, &err);
    if (r == STATUS_DONE && in->config->broker.relay_backlog > 0)
        r = places_read_store(in, f->queue, &places, &err);
    if (r == STATUS_AWAY) {
        note_kafka_away(q, &err);
        return STATUS_DONE;
    }
    if (r) {
        *reterr = err;
        return r;
    }
    f->topic_missing = !places_has_topic(&places, f->topic);
    f->backlog = in->config->broker.relay_backlog > 0 ? places_sum_backlog(&places) : -1;
    return STATUS_DONE;
}

/* --- All of it --- */

static void take_config(const struct invocation *in, struct why_facts *f)
{
    const struct job_config *c = in->config;
    const struct config_handler *h = f->type ? config_find_handler(c, span_from_string(f->type)) : NULL;
    f->backlog_max = c->broker.relay_backlog;
    f->beat_every_us = c->worker.beat_us;
    f->lease_timeout_us = c->broker.lease_timeout_us;
    f->handover_after_us = c->worker.handover_after_us;
    f->parked_grace_us = c->worker.unknown_type_grace_us;
    f->executors_max = c->worker.executors_max;
    f->has_handler = h || !f->type || c->n_handlers == 0;
    f->unrecorded = h && h->record == CONFIG_RECORD_FAILURES;
}

/* Between the two looks at PostgreSQL a worker may have taken it from Kafka. Return: an enum status. */
static int search(struct invocation *in, struct why_inquiry *q, struct err *reterr)
{
    int r = ask_kafka(in, q, reterr);
    if (r == STATUS_DONE && !q->facts.store_error)
        r = ask_store(in, q, reterr);
    bool still_away = q->facts.place == WHY_NOWHERE || q->facts.place == WHY_SENT;
    if (r == STATUS_DONE && still_away && q->found.topic)
        take_found(in, q);
    return r;
}

static int say_both_away(const struct why_inquiry *q, struct err *reterr)
{
    if (!q->facts.kafka_error)
        return err_set(reterr, STATUS_AWAY,
                       "%.700s; it is not found in Kafka, so PostgreSQL alone could tell",
                       q->facts.store_error);
    return err_set(reterr, STATUS_AWAY, "%.480s; %.480s", q->facts.store_error, q->facts.kafka_error);
}

int why_inquire(struct invocation *in, const struct uuid *id, struct why_inquiry *ret, struct err *reterr)
{
    *ret = (struct why_inquiry){ .id = *id };
    struct why_facts *f = &ret->facts;
    *f = (struct why_facts){ .now_us = clock_wall_us(),
                             .id = uuid_format(id, ret->id_text),
                             .partition = -1,
                             .offset = -1,
                             .next_offset = -1,
                             .ahead = -1,
                             .backlog = -1,
                             .n_workers = -1,
                             .n_live = -1,
                             .n_relays = -1,
                             .n_laters = -1,
                             .n_clocks = -1,
                             .n_leases = -1,
                             .n_tries = -1 };
    int r = ask_store(in, ret, reterr);
    if (r == STATUS_DONE && (f->place == WHY_NOWHERE || f->place == WHY_SENT))
        r = search(in, ret, reterr);
    if (r)
        return r;
    if (f->store_error && f->place == WHY_NOWHERE)
        return say_both_away(ret, reterr);
    if (!f->store_error && f->queue && f->place != WHY_ENDED)
        r = ask_road(in, ret, reterr);
    if (r == STATUS_DONE && !f->store_error)
        r = why_ask_others(in, ret, reterr);
    if (r == STATUS_DONE && f->place == WHY_PENDING && f->run_at_us <= f->now_us + SOON_US)
        r = ask_topic(in, ret, reterr);
    take_config(in, f);
    return r;
}

void why_inquiry_done(struct why_inquiry *q)
{
    rows_free(q->job);
    rows_free(q->road);
    rows_free(q->before);
    rows_free(q->states);
    lookup_done(&q->found);
}
