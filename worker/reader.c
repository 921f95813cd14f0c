/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "libjob/envelope.h"
#include "worker/keys.h"
#include "worker/sounding.h"

/* It must be leased before it starts. */
static void claim(struct reader *r, struct job *job)
{
    ready_admit(r->ready, job->partition->lane, job);
    ready_hold(job);
    r->owner.claim(job, r->owner.userdata);
}

/* --- Dangerous jobs ---------------------------------------------------------------------------------------------------- */

static bool is_dangerous(const struct job *job)
{
    int last = job_max_crashes(job) - 1; /* one more is too many */
    int limit = last < READER_DANGEROUS_CRASHES ? last : READER_DANGEROUS_CRASHES;
    return job->envelope.crashes > 0 && job->envelope.crashes >= limit;
}

static void keep_dangerous(struct reader *r, struct job *job)
{
    list_append(&r->dangerous, &job->link);
    job->partition->n_dangerous++;
}

static void take_dangerous(struct job *job)
{
    list_remove(&job->link);
    job->partition->n_dangerous--;
}

static struct job *find_dangerous(struct reader *r)
{
    list_for_each(link, &r->dangerous)
    {
        if (!ready_is_paused(job_of(link)->partition->lane))
            return job_of(link);
    }
    return NULL;
}

static void claim_dangerous(struct reader *r)
{
    struct job *job = r->n_dangerous_alive ? NULL : find_dangerous(r);
    if (!job)
        return;
    take_dangerous(job);
    job->alive = &r->n_dangerous_alive;
    r->n_dangerous_alive++;
    claim(r, job);
}

void reader_drop_dangerous(struct reader *r, const struct partition *p)
{
    list_for_each_safe(link, &r->dangerous)
    {
        struct job *job = job_of(link);
        if (p && job->partition != p)
            continue;
        job->partition->n_open--;
        take_dangerous(job);
        job_free(job);
    }
}

/* --- From record to job ------------------------------------------------------------------------------------------------ */

static bool needs_claim(const struct partition *p, const struct job *job)
{
    return job->envelope.relayed || job->envelope.claim || job->message->offset < p->probation_end ||
           job_runs_at_most_once(job);
}

static void finish_unread(struct reader *r, struct job *job)
{
    /* Not under the id that it claims to have: that may be a healthy job's. */
    envelope_derive_id(job->message->topic, job->message->partition, job->message->offset,
                       job->message->timestamp_ms, &job->envelope.id);
    r->owner.finished(job, r->owner.userdata);
}

static void bury(struct reader *r, struct partition *p, struct job *job)
{
    p->condemned = false;
    log_error("intake: %s[%" PRId32 "]: the record at offset %" PRId64
              " was alone in flight when a worker died, after "
              "others had died before; it is a dead letter now, unread",
              p->topic, p->id, job->message->offset);
    job->envelope.attempt = job->envelope.delivery = 1;
    job_finish(job, OUTCOME_CONDEMNED, "workers died taking this record up; it was not read");
    finish_unread(r, job);
}

/* Nothing keeps it from its start any more but room. */
static void begin(struct reader *r, struct partition *p, struct job *job)
{
    if (!reader_renew(r, job)) { /* while it waited for its turn */
        job_finish(job, OUTCOME_UNKNOWN_TYPE, NULL);
        r->owner.finished(job, r->owner.userdata);
    } else if (is_dangerous(job)) {
        keep_dangerous(r, job);
    } else if (needs_claim(p, job)) {
        claim(r, job);
    } else {
        ready_admit(r->ready, p->lane, job);
        ready_add(r->ready, job);
    }
}

static bool has_room(const struct reader *r)
{
    return r->owner.has_room(r->owner.userdata);
}

/* --- Turns -------------------------------------------------------------------------------------------------------------- */

/* Also in one that stands: its jobs are in no log any more. */
static bool can_begin(const struct reader *r, const struct partition *p)
{
    return (p->state == PARTITION_OPEN || p->state == PARTITION_OUTSIDE) && !p->closing &&
           p->n_dangerous < READER_DANGEROUS_JOBS && ready_lane_has_room(p->lane) && has_room(r);
}

static void let_go(struct reader *r, struct partition *p)
{
    struct job *job;
    while (can_begin(r, p) && (job = keys_next(p->keys)))
        begin(r, p, job);
}

static void park(struct reader *r, struct job *job)
{
    keys_park(job);
    job_finish(job, OUTCOME_THROTTLED, NULL);
    r->owner.finished(job, r->owner.userdata);
}

/* What holds up the older half of a window. */
static void park_oldest(struct reader *r, struct partition *p)
{
    struct job *job;
    while (has_room(r) && (job = keys_first_waiting(p->keys, p->window.base + p->window.capacity / 2)))
        park(r, job);
}

/* Its place: where it was first, if that is known. */
static int64_t place_of(const struct job *job)
{
    int64_t place = job->envelope.key_seq - 1;
    return job->envelope.relayed && place >= 0 && place < job->message->offset ? place : job->message->offset;
}

/* A careful partition reads on only when nothing is open, so nothing may wait in it. */
static void line_up(struct reader *r, struct partition *p, struct job *job)
{
    bool may_wait = keys_has_room(p->keys) && !p->careful;
    job->key_seq = place_of(job);
    if (keys_enter(p->keys, job) < 0) {
        r->owner.fatal("out of memory", r->owner.userdata);
        return;
    }
    let_go(r, p);
    if (!may_wait && job->key && job->turn == JOB_WAITING)
        park(r, job);
}

static bool is_in_order(const struct job *job)
{
    return job->type->handler->order != CONFIG_KEYS_NONE && job->envelope.key.size > 0;
}

static void route(struct reader *r, struct partition *p, struct job *job)
{
    struct err why = { 0 };
    if (p->condemned) {
        bury(r, p, job);
        return;
    }
    if (envelope_decode(job->message, &job->envelope, &why)) {
        job_finish(job, OUTCOME_MALFORMED, "%s", why.text);
        finish_unread(r, job);
        return;
    }
    job_set_type(job, job_types_get(r->types, job->envelope.type));
    job->epoch = p->epoch;
    if (!job->type->handler) {
        job_finish(job, OUTCOME_UNKNOWN_TYPE, NULL);
        r->owner.finished(job, r->owner.userdata);
    } else if (is_in_order(job)) {
        line_up(r, p, job);
    } else {
        begin(r, p, job);
    }
}

static void note_gap(struct reader *r, struct partition *p, int64_t gap)
{
    if (gap == 0)
        return;
    p->gap += gap;
    r->owner.gap(r->owner.userdata);
}

/* As far as the window has room; the rest when it has moved on. */
static void fill_gap(struct reader *r, struct partition *p)
{
    if (p->state == PARTITION_OPEN && p->gap_to > p->window.high)
        note_gap(r, p, window_see_end(&p->window, p->gap_to));
}

/* The first thing read of a new cursor tells where its log starts. */
static void note_log_start(struct reader *r, struct partition *p, int64_t offset)
{
    if (p->log_start >= 0)
        return;
    p->log_start = offset;
    p->log_start_dirty = true;
    r->owner.gap(r->owner.userdata);
}

/* Return: false when the window has no room for it now. */
static bool accept(struct reader *r, struct partition *p, struct message *m)
{
    note_log_start(r, p, m->offset);
    note_gap(r, p, window_see_end(&p->window, m->offset));
    if (!window_has_room(&p->window, m->offset))
        return false;
    if (m->offset >= p->read_to)
        p->read_to = m->offset + 1;
    window_see(&p->window, m->offset);
    if (window_is_done(&p->window, m->offset)) {
        message_free(m);
        return true;
    }
    struct job *job = job_new(m);
    if (!job) {
        r->owner.fatal("out of memory", r->owner.userdata);
        return true;
    }
    job->partition = p;
    p->n_open++;
    route(r, p, job);
    return true;
}

/* --- Is it the log that it was? ------------------------------------------------------------------------------------------ */

static void write_note(struct reader *r, struct partition *p, const struct partition_note *note)
{
    free(p->note);
    p->note = malloc(sizeof(*p->note));
    if (!p->note) {
        r->owner.fatal("out of memory", r->owner.userdata);
        return;
    }
    *p->note = *note;
    r->owner.note(p, r->owner.userdata);
}

static void stand_outside(struct reader *r, struct partition *p, const struct sounding *s,
                          const struct err *why)
{
    struct partition_note note = { .recreated = true,
                                   .from = p->sounding ? s->offset : -1,
                                   .to = s->is_end ? s->offset : s->log_end };
    p->state = PARTITION_OUTSIDE;
    p->stood = true;
    log_error("intake: %s[%" PRId32
              "]: the topic was deleted and made again, or its log was cut: %s. This partition "
              "stands until somebody says: jobctl topic reset %s",
              p->topic, p->id, why->text, p->topic);
    snprintf(note.text, sizeof(note.text), "%.900s", why->text);
    write_note(r, p, &note);
}

static void lose(struct reader *r, struct partition *p, int64_t log_start)
{
    struct partition_note note;
    sounding_list_lost(p, log_start, &note);
    if (!note.jobs) { /* all that Kafka has dropped was done */
        p->read_to = log_start;
        return;
    }
    p->condemned = false; /* that one is gone */
    p->state = PARTITION_LOSING;
    log_error("intake: %s[%" PRId32 "]: Kafka has dropped %" PRId64
              " records that nobody had run, offsets %s; its log "
              "begins at %" PRId64 " now. Was the topic's retention changed?",
              p->topic, p->id, note.jobs, note.text, log_start);
    write_note(r, p, &note);
}

/* Return: true when what was met can be taken. @m: the record; NULL: the end. */
static bool belongs(struct reader *r, struct partition *p, struct message *m, int64_t end)
{
    struct err why = { 0 };
    if (m && !sounding_is_wanted(p))
        return true;
    const struct sounding s = { .is_end = !m,
                                .offset = m ? m->offset : end,
                                .timestamp_ms = m ? m->timestamp_ms : -1,
                                .log_end = feed_log_end(p->feed) };
    switch (sounding_judge(p, &s, &why)) {
    case SOUNDING_FITS:
        return true;
    case SOUNDING_LOST:
        lose(r, p, s.offset);
        p->held = m;
        return p->state == PARTITION_OPEN;
    default:
        stand_outside(r, p, &s, &why);
        message_free(m);
        return false;
    }
}

void reader_noted(struct reader *r, struct partition *p)
{
    if (p->state != PARTITION_LOSING)
        return;
    p->state = PARTITION_OPEN;
    note_gap(r, p, sounding_pass_lost(p, p->note->to + 1));
    fill_gap(r, p);
}

/* The search is over: everything that was there when the workers died has been taken up. */
static void end_search(struct reader *r, struct partition *p)
{
    if (!p->careful)
        return;
    p->careful = p->condemned = false;
    p->suspect = -1;
    log_info("intake: %s[%" PRId32 "]: its records are taken up together again", p->topic, p->id);
    r->owner.take_up(r->owner.userdata);
}

static bool take_held(struct reader *r, struct partition *p)
{
    struct message *m = steal(p->held);
    if (!accept(r, p, m))
        p->held = m;
    return !p->held;
}

static bool take_end(struct reader *r, struct partition *p, int64_t offset)
{
    if (!belongs(r, p, NULL, offset))
        return false;
    note_log_start(r, p, offset);
    p->gap_to = p->read_to = offset;
    fill_gap(r, p);
    end_search(r, p);
    return true;
}

/* Return: true when there may be more. */
static bool read_one(struct reader *r, struct partition *p)
{
    struct message *m = NULL;
    int64_t offset = -1;
    if (p->held)
        return take_held(r, p);
    switch (feed_next(p->feed, p->condemned, &m, &offset)) {
    case 0:
        if (!belongs(r, p, m, -1))
            return false;
        p->held = m;
        return take_held(r, p);
    case FEED_END:
        return take_end(r, p, offset);
    case FEED_OUTSIDE:
        r->owner.outside(p, r->owner.userdata);
        return true;
    case FEED_EMPTY:
        return false;
    default:
        r->owner.fatal("out of memory", r->owner.userdata);
        return false;
    }
}

/* One record at a time, and only when the cursor says that it is taken up. Return: false when it is not yet so far. */
static bool may_take_up(struct reader *r, struct partition *p)
{
    if (!p->careful)
        return true;
    if (p->n_open)
        return false;
    if (p->window.base >= p->probation_end) {
        end_search(r, p);
        return true;
    }
    if (p->condemned || p->suspect_recorded == p->window.base)
        return true;
    p->suspect = p->window.base;
    r->owner.take_up(r->owner.userdata);
    return false;
}

static bool is_readable(struct reader *r, struct partition *p)
{
    return p->state == PARTITION_OPEN && !p->closing && p->feed && p->n_dangerous < READER_DANGEROUS_JOBS &&
           ready_lane_has_room(p->lane) && keys_wants_more(p->keys) && may_take_up(r, p);
}

/* Its window is more than half full: what holds it up leaves the log. */
static void make_way(struct reader *r, struct partition *p)
{
    r->owner.crowded(p, r->owner.userdata);
    park_oldest(r, p);
}

/* In turns of some records, so that no partition waits for another. */
void reader_pump(struct reader *r, struct list *partitions)
{
    const int turn = 64;
    bool more = true;
    claim_dangerous(r);
    list_for_each(link, partitions) let_go(r, list_entry(link, struct partition, link));
    while (more && has_room(r)) {
        more = false;
        list_for_each(link, partitions)
        {
            struct partition *p = list_entry(link, struct partition, link);
            fill_gap(r, p);
            for (int i = 0; i < turn && is_readable(r, p) && has_room(r); i++) {
                if (!read_one(r, p))
                    break;
                more |= i == turn - 1;
            }
            if (window_is_crowded(&p->window))
                make_way(r, p);
        }
    }
}

/* --- Another configuration ----------------------------------------------------------------------------------------------- */

void reader_reload(struct reader *r, struct job_types *types, struct job_config *old)
{
    job_types_retire(r->types, old);
    r->types = types;
}

bool reader_renew(struct reader *r, struct job *job)
{
    if (job->type->types != r->types)
        job_set_type(job, job_types_get(r->types, job->envelope.type));
    return job->type->handler;
}

void reader_claim(struct reader *r, struct job *job)
{
    ready_uncount(job);
    ready_hold(job);
    r->owner.claim(job, r->owner.userdata);
}

/* --- Life ---------------------------------------------------------------------------------------------------------------- */

int reader_init(struct reader *r, const struct job_config *config, struct ready *ready,
                const struct reader_owner *owner)
{
    r->owner = *owner;
    list_init(&r->dangerous);
    r->ready = ready;
    r->types = job_types_new(config);
    return r->types ? 0 : -ENOMEM;
}

void reader_done(struct reader *r)
{
    list_for_each_safe(link, &r->dangerous)
    {
        job_free(job_of(link));
    }
    r->types = job_types_free(r->types);
}
