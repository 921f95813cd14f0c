/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "store/record.h"
#include "worker/outcome.h"

#define MAX_BATCH_CURSORS 4096
#define RECONNECT_MIN_US 50000
#define RECONNECT_MAX_US (5 * USEC_PER_SEC)
#define CONNECT_TIMEOUT_US (5 * USEC_PER_SEC)
#define GAP_DELAY_US USEC_PER_SEC
#define BEAT_IDLE_US (10 * USEC_PER_SEC)

enum request_kind {
    REQUEST_NONE,
    REQUEST_REGISTER,
    REQUEST_TAKE_OVER,
    REQUEST_BATCH,
    REQUEST_READ_BACK,
    REQUEST_UNREGISTER
};

struct recorder {
    sd_event *event;
    const struct job_config *config;
    struct recorder_owner owner;
    struct session *session;
    sd_event_source *io, *timer;
    int watched_fd;
    char worker_id[160];
    char host[64];
    unsigned generation; /* of the worker's id: declared dead, a worker goes on under the next */
    bool registered, unregistering, unregistered;

    /* connection */
    bool away_logged;
    int64_t retry_us;      /* pause before the next attempt */
    int64_t connect_at_us; /* 0: not waiting */
    int64_t connect_limit_us;

    /* what waits */
    struct list finished, claims;
    size_t n_finished, n_claims;
    struct list *take_over; /* partitions to be taken over; NULL: none */
    struct list *release;   /* partitions to be given back; NULL: none */
    struct list *owned;     /* all partitions of this worker */
    bool gap_noted;
    int64_t gap_at_us;
    int64_t beat_at_us; /* when the next beat of its own is due */
    size_t n_leases;    /* jobs that hold a lease, in this process */

    /* the request under way */
    enum request_kind request;
    struct record_batch *batch;
    struct list batch_jobs; /* finished ones and claims of the batch, in this order */
    size_t n_batch_jobs;
    struct partition *batch_partitions[MAX_BATCH_CURSORS];
    size_t n_batch_partitions;
    int64_t batch_seq;
    bool batch_releases;
    bool must_read_back; /* the batch's fate is not known */

    /* after a refusal */
    size_t limit;         /* jobs in the next batch */
    size_t suspects;      /* jobs from the refused batch that have not been recorded since */
    int64_t repeat_at_us; /* no batch before this; 0: at once */
    int64_t repeat_pause_us;

    int64_t seq;
    int64_t clock_offset_us; /* PostgreSQL's clock less our monotonic one */
    struct outcome_texts texts;
};

static void on_ready(void *userdata);
static void on_lost(const char *why, void *userdata);
static void finish_batch(struct recorder *r, bool committed, const struct rows *claimed);

/* --- Names, clocks, timers ----------------------------------------------------------------------------------------------- */

/* host/pid/random: unique for ever, and it tells a person where to look. */
static void make_id(struct recorder *r)
{
    uint32_t noise = 0;
    if (getrandom(&noise, sizeof(noise), 0) != sizeof(noise))
        noise = (uint32_t)clock_mono_us();
    snprintf(r->worker_id, sizeof(r->worker_id), "%s/%d/%06x", r->host, getpid(),
             (noise + r->generation) & 0xffffff);
}

static uint64_t random_bits(void)
{
    static uint64_t state;
    if (state == 0 && getrandom(&state, sizeof(state), 0) != sizeof(state))
        state = (uint64_t)clock_mono_us();
    state += UINT64_C(0x9e3779b97f4a7c15); /* SplitMix64: jitter needs spread, not secrecy */
    return hash_mix(state);
}

static void learn_clock(struct recorder *r, int64_t server_time_us)
{
    r->clock_offset_us = server_time_us - clock_mono_us();
}

static void set_earliest(int64_t *earliest_us, int64_t time_us)
{
    if (time_us && (*earliest_us == 0 || time_us < *earliest_us))
        *earliest_us = time_us;
}

/* One timer for everything that this file waits for. */
static void set_timer(struct recorder *r)
{
    int64_t at_us = 0;
    set_earliest(&at_us, r->connect_at_us);
    set_earliest(&at_us, r->connect_limit_us);
    if (r->registered) {
        set_earliest(&at_us, r->beat_at_us);
        set_earliest(&at_us, r->gap_noted ? r->gap_at_us : 0);
        set_earliest(&at_us, r->repeat_at_us);
    }
    if (at_us == 0) {
        sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
        return;
    }
    sd_event_source_set_time(r->timer, (uint64_t)at_us);
    sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata);

/* The session's descriptor and what it waits for change with its state. */
static void watch_session(struct recorder *r)
{
    int fd = session_fd(r->session);
    if (fd != r->watched_fd) {
        r->io = sd_event_source_disable_unref(r->io);
        r->watched_fd = -1;
        if (fd >= 0 && sd_event_add_io(r->event, &r->io, fd, session_events(r->session), on_io, r) >= 0)
            r->watched_fd = fd;
    } else if (r->io) {
        sd_event_source_set_io_events(r->io, session_events(r->session));
    }
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct recorder *r = userdata;
    (void)source;
    (void)fd;
    (void)events;
    session_process(r->session);
    recorder_pump(r);
    r->owner.progress(r->owner.userdata);
    return 0;
}

/* --- Connection ---------------------------------------------------------------------------------------------------------- */

static void connect_now(struct recorder *r)
{
    r->connect_at_us = 0;
    r->connect_limit_us = clock_mono_us() + CONNECT_TIMEOUT_US;
    /* The old socket's number may come back as the new one's: forget it before. */
    r->io = sd_event_source_disable_unref(r->io);
    r->watched_fd = -1;
    session_connect(r->session);
    watch_session(r);
}

static void on_ready(void *userdata)
{
    struct recorder *r = userdata;
    if (r->away_logged)
        log_info("record: PostgreSQL is back");
    r->away_logged = false;
    r->retry_us = RECONNECT_MIN_US;
    r->connect_limit_us = 0;
}

static void on_lost(const char *why, void *userdata)
{
    struct recorder *r = userdata;
    if (!r->away_logged)
        log_warning("record: %s; waiting for it, %zu jobs are to be recorded", why, recorder_n_waiting(r));
    r->away_logged = true;
    r->io = sd_event_source_disable_unref(r->io);
    r->watched_fd = -1;
    r->connect_limit_us = 0;
    /* Full jitter, so that a fleet does not come back in step. */
    r->connect_at_us = clock_mono_us() + 1000 + (int64_t)(random_bits() % (uint64_t)r->retry_us);
    r->retry_us = r->retry_us * 2 < RECONNECT_MAX_US ? r->retry_us * 2 : RECONNECT_MAX_US;
    set_timer(r);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct recorder *r = userdata;
    int64_t now_us = clock_mono_us();
    (void)source;
    (void)usec;
    if (r->connect_limit_us && now_us >= r->connect_limit_us)
        session_abort(r->session, "PostgreSQL: no answer to a connection attempt for 5 s");
    else if (r->connect_at_us && now_us >= r->connect_at_us)
        connect_now(r);
    recorder_pump(r);
    r->owner.progress(r->owner.userdata);
    return 0;
}

/* --- Registering --------------------------------------------------------------------------------------------------------- */

static void plan_beat(struct recorder *r)
{
    r->beat_at_us = clock_mono_us() + (r->n_leases ? r->config->worker.beat_us : BEAT_IDLE_US);
    if (r->config->worker.beat_us > BEAT_IDLE_US)
        r->beat_at_us = clock_mono_us() + r->config->worker.beat_us;
}

static void on_registered(const struct session_reply *reply, void *userdata)
{
    struct recorder *r = userdata;
    r->request = REQUEST_NONE;
    if (reply->outcome == STORE_REFUSED)
        session_abort(r->session, reply->refusal.text);
    if (reply->outcome != STORE_OK)
        return;
    r->registered = true;
    learn_clock(r, rows_time_us(reply->rows[0], 0, 0));
    plan_beat(r);
    log_info("record: registered as %s", r->worker_id);
}

static void send_register(struct recorder *r)
{
    struct span queues[256];
    size_t n = 0;
    for (; n < r->config->worker.n_queues && n < ARRAY_SIZE(queues); n++)
        queues[n] = span_from_string(r->config->worker.queues[n].name);
    r->request = REQUEST_REGISTER;
    record_register(r->session, r->worker_id, r->host, getpid(), queues, n, on_registered, r);
}

/* A broker has declared this worker dead: its leases went to others. What it holds by its cursors is not touched by that. */
static void declared_dead(struct recorder *r)
{
    log_warning("record: %s was declared dead; going on under a new name", r->worker_id);
    r->generation++;
    r->registered = false;
    make_id(r);
}

static void on_unregistered(const struct session_reply *reply, void *userdata)
{
    struct recorder *r = userdata;
    r->request = REQUEST_NONE;
    r->unregistered = reply->outcome != STORE_AWAY;
    r->registered = !r->unregistered;
}

void recorder_unregister(struct recorder *r)
{
    r->unregistering = true;
    recorder_pump(r);
}

bool recorder_is_unregistered(const struct recorder *r)
{
    return r->unregistered;
}

/* --- Take-over ----------------------------------------------------------------------------------------------------------- */

static struct partition *find_partition(struct list *partitions, const char *topic, int32_t id)
{
    list_for_each(link, partitions)
    {
        struct partition *p = list_entry(link, struct partition, link);
        if (p->id == id && strcmp(p->topic, topic) == 0)
            return p;
    }
    return NULL;
}

static void take_row(struct recorder *r, const struct rows *rows, size_t i)
{
    struct partition *p =
        find_partition(r->take_over, rows_text(rows, i, TAKE_TOPIC), rows_int(rows, i, TAKE_PARTITION));
    if (!p || p->state != PARTITION_TAKING)
        return;
    p->epoch = rows_bigint(rows, i, TAKE_EPOCH);
    p->seq = rows_bigint(rows, i, TAKE_SEQ);
    p->log_start = rows_is_null(rows, i, TAKE_LOG_START) ? -1 : rows_bigint(rows, i, TAKE_LOG_START);
    if (p->seq > r->seq)
        r->seq = p->seq;
    r->owner.taken(p, rows_bool(rows, i, TAKE_UNCLEAN), rows_span(rows, i, TAKE_DONE),
                   rows_bigint(rows, i, TAKE_NEXT), r->owner.userdata);
}

static void on_taken(const struct session_reply *reply, void *userdata)
{
    struct recorder *r = userdata;
    r->request = REQUEST_NONE;
    if (reply->outcome == STORE_REFUSED)
        session_abort(r->session, reply->refusal.text);
    if (reply->outcome != STORE_OK || !r->take_over)
        return;
    for (size_t i = 0; i < rows_count(reply->rows[0]); i++)
        take_row(r, reply->rows[0], i);
    r->take_over = NULL;
    r->owner.taken_all(r->owner.userdata);
}

static size_t list_places(struct list *partitions, enum partition_state state, struct record_place *places,
                          size_t max)
{
    size_t n = 0;
    list_for_each(link, partitions)
    {
        const struct partition *p = list_entry(link, struct partition, link);
        if (p->state == state && n < max)
            places[n++] = (struct record_place){ p->topic, p->id };
    }
    return n;
}

static void send_take_over(struct recorder *r)
{
    struct record_place *places = calloc(MAX_BATCH_CURSORS, sizeof(*places));
    if (!places)
        return;
    size_t n = list_places(r->take_over, PARTITION_TAKING, places, MAX_BATCH_CURSORS);
    r->request = REQUEST_TAKE_OVER;
    record_take_over(r->session, places, n, r->worker_id, on_taken, r);
    free(places);
}

void recorder_take_over(struct recorder *r, struct list *partitions)
{
    r->take_over = partitions;
    recorder_pump(r);
}

/* --- Building a batch ---------------------------------------------------------------------------------------------------- */

static void touch(struct recorder *r, struct partition *p)
{
    if (!p || p->in_batch || r->n_batch_partitions == MAX_BATCH_CURSORS)
        return;
    p->in_batch = true;
    r->batch_partitions[r->n_batch_partitions++] = p;
}

static void add_claim(struct recorder *r, const struct outcome_context *context, struct job *job)
{
    struct record_row row;
    outcome_fill_claim(job, context, &r->texts, &row);
    record_add_claim(r->batch, &row);
}

static void add_finished(struct recorder *r, const struct outcome_context *context, struct job *job)
{
    struct record_row row;
    if (outcome_fill(job, context, &r->texts, &row))
        record_add_deferral(r->batch, &row);
    else
        record_add_success(r->batch, &row);
    if (job->envelope.reply)
        record_add_waiter(r->batch, &row.id);
}

typedef void (*add_fn)(struct recorder *r, const struct outcome_context *context, struct job *job);

/* Moves jobs from a waiting list into the batch, as far as it goes. */
static void fill_from(struct recorder *r, struct list *waiting, size_t *n_waiting, add_fn add)
{
    struct outcome_context context = { .config = r->config,
                                       .clock_offset_us = r->clock_offset_us,
                                       .now_us = clock_mono_us() };
    list_for_each_safe(link, waiting)
    {
        struct job *job = job_of(link);
        if (r->n_batch_jobs >= r->limit || record_batch_size_bytes(r->batch) > RECORDER_MAX_BYTES)
            return;
        context.random = random_bits();
        add(r, &context, job);
        if (job->partition) {
            touch(r, job->partition);
            window_mark(&job->partition->window, job->message->offset);
        }
        list_remove(link);
        list_append(&r->batch_jobs, link);
        (*n_waiting)--;
        r->n_batch_jobs++;
    }
}

static bool is_releasable(const struct partition *p)
{
    return p->closing && !p->released && p->state != PARTITION_TAKING && p->state != PARTITION_FENCED;
}

static bool release_is_ready(const struct recorder *r)
{
    if (!r->release)
        return false;
    list_for_each(link, r->release) if (list_entry(link, struct partition, link)->n_open) return false;
    return true;
}

/* Cursors without a job of the batch: given back, or moved over gaps. */
static void touch_idle_partitions(struct recorder *r, struct list *partitions, bool release)
{
    list_for_each(link, partitions)
    {
        struct partition *p = list_entry(link, struct partition, link);
        if (release ? is_releasable(p) : p->state == PARTITION_OPEN && (p->gap || p->log_start_dirty))
            touch(r, p);
    }
}

static void add_cursors(struct recorder *r)
{
    struct buf done = { 0 };
    for (size_t i = 0; i < r->n_batch_partitions; i++) {
        struct partition *p = r->batch_partitions[i];
        struct record_cursor cursor = {
            .topic = p->topic,
            .partition = p->id,
            .epoch = p->epoch,
            .seq = p->seq,
            .log_start = p->log_start,
            .released = r->batch_releases && is_releasable(p),
        };
        buf_reset(&done);
        window_encode(&p->window, &cursor.next_offset, &done);
        cursor.done = (struct span){ done.data, done.size };
        record_add_cursor(r->batch, &cursor);
    }
    buf_done(&done);
}

static void on_recorded(const struct record_reply *reply, void *userdata);

static void send_batch(struct recorder *r)
{
    record_batch_reset(r->batch);
    r->n_batch_partitions = 0;
    fill_from(r, &r->claims, &r->n_claims, add_claim);
    fill_from(r, &r->finished, &r->n_finished, add_finished);
    r->batch_releases = release_is_ready(r);
    if (r->batch_releases)
        touch_idle_partitions(r, r->release, true);
    if (r->gap_noted && r->owned)
        touch_idle_partitions(r, r->owned, false);
    r->gap_noted = false;
    add_cursors(r);
    r->batch_seq = ++r->seq;
    r->request = REQUEST_BATCH;
    record_send(r->batch, r->session, r->worker_id, r->batch_seq, r->config->worker.unknown_type_grace_us,
                on_recorded, r);
}

/* --- What became of a batch ---------------------------------------------------------------------------------------------- */

static void close_offset(struct job *job)
{
    if (job->partition)
        job->partition->n_open--;
    job->partition = NULL;
}

static bool is_claim(const struct job *job)
{
    return job->outcome == OUTCOME_NONE;
}

/* By token, because one batch may hold several messages of one job. job.claim() returns them in order. */
static bool was_claimed(const struct rows *claimed, const struct job *job)
{
    size_t low = 0, high = rows_count(claimed);
    while (low < high) {
        size_t middle = (low + high) / 2;
        int64_t token = rows_bigint(claimed, middle, 0);
        if (token == job->token)
            return true;
        if (token < job->token)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* The offset is done. Without rows the answer was lost: ask again, which tells the same (job.claim()). */
static void settle_claim(struct recorder *r, struct job *job, const struct rows *claimed)
{
    close_offset(job);
    if (!claimed) {
        list_append(&r->claims, &job->link);
        r->n_claims++;
    } else if (was_claimed(claimed, job)) {
        r->n_leases++;
        r->owner.claimed(job, r->owner.userdata);
    } else {
        log_debug("intake: job is taken or has ended already");
        job_free(job);
    }
}

static void settle_job(struct recorder *r, struct job *job, const struct rows *claimed)
{
    list_remove(&job->link);
    if (is_claim(job)) {
        settle_claim(r, job, claimed);
        return;
    }
    if (job->token)
        r->n_leases--;
    close_offset(job);
    job_free(job);
}

static void advance_partitions(struct recorder *r)
{
    for (size_t i = 0; i < r->n_batch_partitions; i++) {
        struct partition *p = r->batch_partitions[i];
        bool released = r->batch_releases && is_releasable(p);
        p->in_batch = false;
        p->seq = r->batch_seq;
        p->gap = 0;
        p->log_start_dirty = false;
        p->released |= released;
        window_advance(&p->window);
        r->owner.advanced(p, r->owner.userdata);
    }
}

static void put_back(struct recorder *r, struct job *job)
{
    if (job->partition)
        window_unmark(&job->partition->window, job->message->offset);
    list_remove(&job->link);
    list_prepend(is_claim(job) ? &r->claims : &r->finished, &job->link);
    if (is_claim(job))
        r->n_claims++;
    else
        r->n_finished++;
}

static void put_all_back(struct recorder *r)
{
    for (struct list *link = r->batch_jobs.prev, *before = link->prev; link != &r->batch_jobs;
         link = before, before = link->prev)
        put_back(r, job_of(link));
    for (size_t i = 0; i < r->n_batch_partitions; i++)
        r->batch_partitions[i]->in_batch = false;
    r->n_batch_partitions = 0;
    r->n_batch_jobs = 0;
}

static void finish_release(struct recorder *r)
{
    r->release = NULL;
    r->batch_releases = false;
    r->owner.released(r->owner.userdata);
}

/* Committed, or certainly not. */
static void finish_batch(struct recorder *r, bool committed, const struct rows *claimed)
{
    bool releases = r->batch_releases;
    r->must_read_back = false;
    if (!committed) {
        put_all_back(r);
        r->gap_noted = true;
        r->gap_at_us = clock_mono_us();
        return;
    }
    r->repeat_pause_us = 0;
    r->suspects -= r->n_batch_jobs < r->suspects ? r->n_batch_jobs : r->suspects;
    r->limit = r->suspects ? r->suspects : RECORDER_MAX_JOBS;
    advance_partitions(r);
    list_for_each_safe(link, &r->batch_jobs) settle_job(r, job_of(link), claimed);
    r->n_batch_jobs = r->n_batch_partitions = 0;
    plan_beat(r);
    if (releases)
        finish_release(r);
}

/* Halves the batch until the refused row is alone; then that one gives way. */
static void narrow_down(struct recorder *r, const struct record_reply *reply)
{
    size_t n = r->n_batch_jobs;
    if (n == 1) {
        struct job *job = job_of(list_first(&r->batch_jobs));
        log_warning("record: PostgreSQL refused a row: %s (SQLSTATE %s)", reply->text, reply->sqlstate);
        if (job->refused[0])
            job->envelope.traceparent = (struct span){ 0 };
        memcpy(job->refused, reply->sqlstate, sizeof(job->refused));
    }
    finish_batch(r, false, NULL);
    if (r->suspects < n)
        r->suspects = n;
    r->limit = n > 1 ? n / 2 : 1;
}

static void repeat_later(struct recorder *r, const struct record_reply *reply)
{
    if (r->repeat_pause_us == 0 && reply->sqlstate[0] != '4')
        log_warning("record: PostgreSQL: %s (SQLSTATE %s); again soon", reply->text, reply->sqlstate);
    r->repeat_pause_us = r->repeat_pause_us ? 2 * r->repeat_pause_us : 10000;
    if (r->repeat_pause_us > RECONNECT_MAX_US)
        r->repeat_pause_us = RECONNECT_MAX_US;
    r->repeat_at_us = clock_mono_us() + r->repeat_pause_us;
    finish_batch(r, false, NULL);
}

static void on_recorded(const struct record_reply *reply, void *userdata)
{
    struct recorder *r = userdata;
    r->request = REQUEST_NONE;
    switch (reply->outcome) {
    case RECORD_DONE:
        if (reply->beaten)
            learn_clock(r, reply->server_time_us);
        finish_batch(r, true, reply->claimed);
        if (!reply->beaten)
            declared_dead(r);
        break;
    case RECORD_UNKNOWN:
    case RECORD_FENCED:
        r->must_read_back = true;
        break;
    case RECORD_ROW_REFUSED:
        narrow_down(r, reply);
        break;
    case RECORD_GONE:
        finish_batch(r, false, NULL);
        declared_dead(r);
        break;
    case RECORD_REPEAT:
        repeat_later(r, reply);
        break;
    }
}

/* --- Reading back -------------------------------------------------------------------------------------------------------- */

static struct partition *find_batch_partition(const struct recorder *r, const char *topic, int32_t id)
{
    for (size_t i = 0; i < r->n_batch_partitions; i++)
        if (r->batch_partitions[i]->id == id && strcmp(r->batch_partitions[i]->topic, topic) == 0)
            return r->batch_partitions[i];
    return NULL;
}

/* One transaction wrote all cursors of the batch or none, so one that is still ours tells for all. */
static void on_read_back(const struct session_reply *reply, void *userdata)
{
    struct recorder *r = userdata;
    struct partition *fenced[ARRAY_SIZE(r->batch_partitions)];
    size_t n_fenced = 0;
    bool committed = false;
    r->request = REQUEST_NONE;
    if (reply->outcome == STORE_REFUSED)
        session_abort(r->session, reply->refusal.text);
    if (reply->outcome != STORE_OK)
        return;
    for (size_t i = 0; i < r->n_batch_partitions; i++)
        r->batch_partitions[i]->found_epoch = -1;
    for (size_t i = 0; i < rows_count(reply->rows[0]); i++) {
        struct partition *p =
            find_batch_partition(r, rows_text(reply->rows[0], i, 0), rows_int(reply->rows[0], i, 1));
        if (!p)
            continue;
        p->found_epoch = rows_bigint(reply->rows[0], i, 2);
        if (p->found_epoch == p->epoch && rows_bigint(reply->rows[0], i, 3) == r->batch_seq)
            committed = true;
    }
    for (size_t i = 0; i < r->n_batch_partitions; i++)
        if (r->batch_partitions[i]->found_epoch != r->batch_partitions[i]->epoch)
            fenced[n_fenced++] = r->batch_partitions[i];
    finish_batch(r, committed, NULL);
    for (size_t i = 0; i < n_fenced; i++)
        r->owner.fenced(fenced[i], r->owner.userdata);
}

static void send_read_back(struct recorder *r)
{
    if (r->n_batch_partitions == 0) { /* leases only: repeating it is its own read-back */
        finish_batch(r, false, NULL);
        return;
    }
    struct record_place *places = calloc(r->n_batch_partitions, sizeof(*places));
    if (!places)
        return;
    for (size_t i = 0; i < r->n_batch_partitions; i++)
        places[i] = (struct record_place){ r->batch_partitions[i]->topic, r->batch_partitions[i]->id };
    r->request = REQUEST_READ_BACK;
    record_read_back(r->session, places, r->n_batch_partitions, on_read_back, r);
    free(places);
}

/* --- What to send next --------------------------------------------------------------------------------------------------- */

static bool gap_is_due(const struct recorder *r)
{
    return r->gap_noted && clock_mono_us() >= r->gap_at_us;
}

static bool batch_is_due(struct recorder *r)
{
    int64_t now_us = clock_mono_us();
    if (r->repeat_at_us && now_us < r->repeat_at_us)
        return false;
    r->repeat_at_us = 0;
    return r->n_finished || r->n_claims || gap_is_due(r) || release_is_ready(r) || now_us >= r->beat_at_us;
}

static void send_next(struct recorder *r)
{
    if (r->must_read_back)
        send_read_back(r);
    else if (!r->registered && !r->unregistering)
        send_register(r);
    else if (r->take_over)
        send_take_over(r);
    else if (r->registered && batch_is_due(r))
        send_batch(r);
    else if (r->registered && r->unregistering) {
        r->request = REQUEST_UNREGISTER;
        record_unregister(r->session, r->worker_id, on_unregistered, r);
    }
}

void recorder_pump(struct recorder *r)
{
    if (r->request == REQUEST_NONE && session_state(r->session) == SESSION_READY)
        send_next(r);
    watch_session(r);
    set_timer(r);
}

/* --- From outside -------------------------------------------------------------------------------------------------------- */

const char *recorder_worker_id(const struct recorder *r)
{
    return r->worker_id;
}

bool recorder_is_registered(const struct recorder *r)
{
    return r->registered;
}

void recorder_add_finished(struct recorder *r, struct job *job)
{
    list_append(&r->finished, &job->link);
    r->n_finished++;
}

void recorder_add_claim(struct recorder *r, struct job *job)
{
    if (getrandom(&job->token, sizeof(job->token), 0) != sizeof(job->token))
        job->token = (int64_t)random_bits();
    job->token = (job->token & INT64_MAX) | 1;
    list_append(&r->claims, &job->link);
    r->n_claims++;
}

size_t recorder_n_waiting(const struct recorder *r)
{
    return r->n_finished + r->n_claims + r->n_batch_jobs;
}

void recorder_set_partitions(struct recorder *r, struct list *partitions)
{
    r->owned = partitions;
}

void recorder_release(struct recorder *r, struct list *partitions)
{
    r->release = partitions;
    recorder_pump(r);
}

void recorder_forget_release(struct recorder *r)
{
    r->release = NULL;
    r->take_over = NULL;
}

void recorder_note_gap(struct recorder *r)
{
    if (r->gap_noted)
        return;
    r->gap_noted = true;
    r->gap_at_us = clock_mono_us() + GAP_DELAY_US;
}

static void drop_from(struct list *jobs, size_t *n, const struct partition *p)
{
    list_for_each_safe(link, jobs)
    {
        struct job *job = job_of(link);
        if (job->partition != p)
            continue;
        (*n)--;
        job_free(job);
    }
}

/* A claim that is under way may be granted: then the lease is ours, whoever has the partition, and the job has to run. */
static void detach_claims(struct list *jobs, const struct partition *p)
{
    list_for_each(link, jobs) if (job_of(link)->partition == p && is_claim(job_of(link))) job_of(link)
        ->partition = NULL;
}

void recorder_drop_partition(struct recorder *r, struct partition *p)
{
    drop_from(&r->finished, &r->n_finished, p);
    drop_from(&r->claims, &r->n_claims, p);
    detach_claims(&r->batch_jobs, p);
    drop_from(&r->batch_jobs, &r->n_batch_jobs, p);
    for (size_t i = 0; i < r->n_batch_partitions; i++)
        if (r->batch_partitions[i] == p)
            r->batch_partitions[i] = r->batch_partitions[--r->n_batch_partitions];
    p->in_batch = false;
    p->n_open = 0;
}

void recorder_start(struct recorder *r)
{
    connect_now(r);
    set_timer(r);
}

int recorder_new(struct recorder **ret, sd_event *event, const struct job_config *config,
                 const struct recorder_owner *owner)
{
    _cleanup_(recorder_free_cleanup) struct recorder *r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    const struct session_events_fns events = { .ready = on_ready, .lost = on_lost, .userdata = r };
    r->event = event;
    r->config = config;
    r->owner = *owner;
    r->watched_fd = -1;
    r->limit = RECORDER_MAX_JOBS;
    r->retry_us = RECONNECT_MIN_US;
    list_init(&r->finished);
    list_init(&r->claims);
    list_init(&r->batch_jobs);
    if (gethostname(r->host, sizeof(r->host) - 1) < 0)
        strcpy(r->host, "localhost");
    make_id(r);
    int error = record_batch_new(&r->batch);
    if (error == 0)
        error = session_new(&r->session, config->database.url, "jobworkerd", record_statements,
                            record_n_statements, &events);
    if (error == 0)
        error = sd_event_add_time(event, &r->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, r);
    if (error < 0)
        return error;
    sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
    *ret = steal(r);
    return 0;
}

static void free_jobs(struct list *jobs)
{
    list_for_each_safe(link, jobs) job_free(job_of(link));
}

struct recorder *recorder_free(struct recorder *r)
{
    if (!r)
        return NULL;
    sd_event_source_disable_unref(r->io);
    sd_event_source_disable_unref(r->timer);
    free_jobs(&r->finished);
    free_jobs(&r->claims);
    free_jobs(&r->batch_jobs);
    session_free(r->session);
    record_batch_free(r->batch);
    outcome_texts_done(&r->texts);
    free(r);
    return NULL;
}
