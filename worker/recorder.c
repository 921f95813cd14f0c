/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/recorder_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "worker/noise.h"

#define CLOCK_STEP_US USEC_PER_SEC /* no answer takes that long: PostgreSQL's clock was set back */
#define GAP_DELAY_US USEC_PER_SEC
#define BEAT_IDLE_US (10 * USEC_PER_SEC)
#define RECONNECT_MAX_US (5 * USEC_PER_SEC)

struct session *recorder_session(struct recorder *r)
{
    return link_session(r->link);
}

bool recorder_answered(struct recorder *r, const struct session_reply *reply)
{
    r->request = REQUEST_NONE;
    if (reply->outcome == STORE_REFUSED)
        session_abort(recorder_session(r), reply->refusal.text);
    return reply->outcome == STORE_OK;
}

/* --- Names, clocks, timers ----------------------------------------------------------------------------------------------- */

/* host/pid/random: unique for ever, and it tells a person where to look. */
static void make_id(struct recorder *r)
{
    snprintf(r->worker_id, sizeof(r->worker_id), "%s/%d/%06x", r->host, getpid(),
             (unsigned)(noise_bits() & 0xffffff));
}

/*
 * The answer's way here makes an estimate too small, never too large: so the largest is the best, unless PostgreSQL's clock
 * was set. Too small a one would let a job start before it was enqueued.
 */
void recorder_learn_clock(struct recorder *r, int64_t server_time_us)
{
    int64_t offset_us = server_time_us - clock_mono_us();
    if (offset_us > r->clock_offset_us || r->clock_offset_us - offset_us > CLOCK_STEP_US)
        r->clock_offset_us = offset_us;
}

static void set_earliest(int64_t *earliest_us, int64_t time_us)
{
    if (time_us && time_us < *earliest_us)
        *earliest_us = time_us;
}

static void set_timer(struct recorder *r)
{
    int64_t at_us = r->beat_at_us;
    set_earliest(&at_us, r->gap_noted ? r->gap_at_us : 0);
    set_earliest(&at_us, r->repeat_at_us);
    set_earliest(&at_us, recorder_look_at_us(r));
    sd_event_source_set_time(r->timer, (uint64_t)at_us);
    sd_event_source_set_enabled(r->timer,
                                r->registered && link_is_ready(r->link) ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

void recorder_set_deadline(struct recorder *r, int64_t from_us)
{
    r->lease_deadline_us = from_us + config_lease_stop_us(r->config);
}

static void set_deadline_timer(struct recorder *r)
{
    bool wanted = r->n_leases && r->lease_deadline_us;
    if (wanted)
        sd_event_source_set_time(r->deadline_timer, (uint64_t)r->lease_deadline_us);
    sd_event_source_set_enabled(r->deadline_timer, wanted ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct recorder *r = userdata;
    (void)source;
    (void)usec;
    log_error(
        "record: no beat was answered for %lld ms: stopping %zu leased jobs, which may soon run elsewhere",
        (long long)(config_lease_stop_us(r->config) / USEC_PER_MSEC), r->n_leases);
    r->lease_deadline_us = 0;
    r->owner.leases_unsure(r->owner.userdata);
    return 0;
}

static void look_again(void *userdata)
{
    struct recorder *r = userdata;
    recorder_pump(r);
    r->owner.progress(r->owner.userdata);
}

/* What the connection listens to. */
static const char *const channels[] = {
    "job_cancel", "job_key", "job_queue", "job_topic", "job_worker", NULL
};

static void on_notified(const char *channel, const char *payload, void *userdata)
{
    struct recorder *r = userdata;
    r->owner.notified(channel, payload, r->owner.userdata);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    look_again(userdata);
    return 0;
}

/* --- Registering --------------------------------------------------------------------------------------------------------- */

void recorder_plan_beat(struct recorder *r)
{
    r->beat_at_us = clock_mono_us() + (r->n_leases ? r->config->worker.beat_us : BEAT_IDLE_US);
    if (r->config->worker.beat_us > BEAT_IDLE_US)
        r->beat_at_us = clock_mono_us() + r->config->worker.beat_us;
}

static void on_refused(void *userdata)
{
    struct recorder *r = userdata;
    if (r->lease_deadline_us)
        recorder_set_deadline(r, clock_mono_us());
    set_deadline_timer(r);
}

static void on_registered(const struct session_reply *reply, void *userdata)
{
    struct recorder *r = userdata;
    if (!recorder_answered(r, reply))
        return;
    if (rows_count(reply->rows[0]) ==
        0) { /* an answer was lost, and a broker has declared that name dead since */
        make_id(r);
        return;
    }
    r->registered = true;
    recorder_learn_clock(r, rows_time_us(reply->rows[0], 0, 0));
    recorder_set_deadline(r, r->beat_sent_us);
    recorder_plan_beat(r);
    log_info("record: registered as %s", r->worker_id);
}

static void send_register(struct recorder *r)
{
    struct span queues[256];
    size_t n = 0;
    for (; n < r->config->worker.n_queues && n < ARRAY_SIZE(queues); n++)
        queues[n] = span_from_string(r->config->worker.queues[n].name);
    r->request = REQUEST_REGISTER;
    r->beat_sent_us = clock_mono_us();
    const struct record_worker worker = { .id = r->worker_id,
                                          .host = r->host,
                                          .pid = getpid(),
                                          .queues = queues,
                                          .n_queues = n,
                                          .phase = r->phase,
                                          .drain_by = r->drain_by };
    record_register(recorder_session(r), &worker, on_registered, r);
}

/*
 * A broker has declared this worker dead: its leases went to others, so what holds one is stopped and dropped. What it holds by
 * its cursors is not touched by that.
 */
void recorder_declared_dead(struct recorder *r)
{
    log_warning("record: %s was declared dead; %zu leased jobs are others' now; going on under a new name",
                r->worker_id, r->n_leases);
    r->registered = false;
    backlog_drop_leased(&r->finished);
    r->n_leases = 0;
    r->owner.leases_lost(r->owner.userdata);
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
    if (!r->registered && r->request != REQUEST_REGISTER)
        r->unregistered = true;
    recorder_pump(r);
}

bool recorder_is_unregistered(const struct recorder *r)
{
    return r->unregistered;
}

/* Without a row the worker was declared dead: what was wanted of it is wanted of its next name. */
static void take_drain(struct recorder *r, const struct rows *rows)
{
    if (rows_count(rows) == 0)
        return;
    const char *by = rows_text(rows, 0, 0);
    char *copy = by ? strdup(by) : NULL;
    if (by && !copy)
        return;
    free(r->drain_by);
    r->drain_by = copy;
    if (by) /* whoever waits for the end may have asked again */
        r->beat_at_us = 0;
}

static void on_wishes(const struct session_reply *reply, void *userdata)
{
    struct recorder *r = userdata;
    if (!recorder_answered(r, reply))
        return;
    if (r->wishes_known) /* nobody has asked for them anew meanwhile */
        r->wishes_doubtful = false;
    take_drain(r, reply->rows[2]);
    r->owner.wishes(reply->rows[0], reply->rows[1], r->owner.userdata);
}

static void send_wishes(struct recorder *r)
{
    r->request = REQUEST_WISHES;
    r->wishes_known = true;
    record_list_wishes(recorder_session(r), r->worker_id, on_wishes, r);
}

void recorder_read_wishes(struct recorder *r)
{
    r->wishes_known = false;
    r->wishes_doubtful = true;
}

bool recorder_knows_wishes(const struct recorder *r)
{
    return !r->wishes_doubtful;
}

/* @none: what is told while there is no text. */
static void set_text(struct recorder *r, char **at, const char *none, const char *text)
{
    char *copy = strcmp(*at ? *at : none, text) == 0 ? NULL : strdup(text);
    if (!copy)
        return;
    free(*at);
    *at = copy;
    r->beat_at_us = 0;
}

void recorder_set_quiet(struct recorder *r, const char *queues)
{
    set_text(r, &r->quiet, "", queues);
}

void recorder_set_narrow(struct recorder *r, const char *queues)
{
    set_text(r, &r->narrow, "{}", queues);
}

void recorder_set_phase(struct recorder *r, const char *phase)
{
    if (strcmp(r->phase, phase) == 0)
        return;
    r->phase = phase;
    r->beat_at_us = 0;
}

const char *recorder_drain_by(const struct recorder *r)
{
    return r->drain_by;
}

const char *recorder_worker_id(const struct recorder *r)
{
    return r->worker_id;
}

/* --- Take-over ----------------------------------------------------------------------------------------------------------- */

static int64_t bigint_or_none(const struct rows *rows, size_t i, int column)
{
    return rows_is_null(rows, i, column) ? -1 : rows_bigint(rows, i, column);
}

static void take_row(struct recorder *r, const struct rows *rows, size_t i)
{
    struct partition *p =
        partition_find(r->take_over, rows_text(rows, i, TAKE_TOPIC), rows_int(rows, i, TAKE_PARTITION));
    if (!p || p->state != PARTITION_TAKING)
        return;
    p->epoch = rows_bigint(rows, i, TAKE_EPOCH);
    p->seq = rows_bigint(rows, i, TAKE_SEQ);
    p->log_start = bigint_or_none(rows, i, TAKE_LOG_START);
    if (p->seq > r->seq)
        r->seq = p->seq;
    const struct recorder_cursor cursor = {
        .next_offset = rows_bigint(rows, i, TAKE_NEXT),
        .done = rows_span(rows, i, TAKE_DONE),
        .unclean = rows_bool(rows, i, TAKE_UNCLEAN),
        .crash_count = rows_int(rows, i, TAKE_CRASHES),
        .suspect = bigint_or_none(rows, i, TAKE_SUSPECT),
        .trouble = !rows_is_null(rows, i, TAKE_TROUBLE),
    };
    p->checked_offset = bigint_or_none(rows, i, TAKE_CHECKED_OFFSET);
    p->checked_ms = bigint_or_none(rows, i, TAKE_CHECKED_MS);
    r->owner.taken(p, &cursor, r->owner.userdata);
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

static void on_taken(const struct session_reply *reply, void *userdata)
{
    struct recorder *r = userdata;
    if (!recorder_answered(r, reply) || !r->take_over)
        return;
    for (size_t i = 0; i < rows_count(reply->rows[0]); i++)
        take_row(r, reply->rows[0], i);
    recorder_take_all_heads(r, reply->rows[1]);
    struct record_place left;
    if (list_places(r->take_over, PARTITION_TAKING, &left, 1) > 0)
        return; /* the list has changed since, or was too long for one request: once more */
    r->take_over = NULL;
    r->owner.taken_all(r->owner.userdata);
}

static void send_take_over(struct recorder *r)
{
    struct record_place *places = calloc(BATCH_MAX_PARTITIONS, sizeof(*places));
    if (!places)
        return;
    size_t n = list_places(r->take_over, PARTITION_TAKING, places, BATCH_MAX_PARTITIONS);
    r->request = REQUEST_TAKE_OVER;
    record_take_over(recorder_session(r), places, n, r->worker_id, KEYS_KNOWN + 1, on_taken, r);
    free(places);
}

void recorder_take_over(struct recorder *r, struct list *partitions)
{
    r->take_over = partitions;
    recorder_pump(r);
}

/* --- Notes about logs ---------------------------------------------------------------------------------------------------- */

static struct partition *find_note(const struct recorder *r, bool sent)
{
    list_for_each(link, r->owned)
    {
        struct partition *p = list_entry(link, struct partition, link);
        if (p->note && p->note->sent == sent)
            return p;
    }
    return NULL;
}

/* The partition may have gone meanwhile; whoever has it then sees for himself. */
static void on_written(const struct session_reply *reply, void *userdata)
{
    struct recorder *r = userdata;
    struct partition *p = find_note(r, true);
    bool written = recorder_answered(r, reply);
    if (!p)
        return;
    p->note->sent = false;
    if (written)
        r->owner.noted(p, r->owner.userdata);
}

/* Return: false when there is none. */
static bool send_note(struct recorder *r)
{
    struct partition *p = r->owned ? find_note(r, false) : NULL;
    r->has_notes = p != NULL;
    if (!p)
        return false;
    const struct record_log_note note = {
        .place = { p->topic, p->id },
        .epoch = p->epoch,
        .recreated = p->note->recreated,
        .from = p->note->from,
        .to = p->note->to,
        .jobs = p->note->jobs,
        .ranges = p->note->text,
    };
    p->note->sent = true;
    r->request = REQUEST_NOTE;
    record_note_log(recorder_session(r), &note, on_written, r);
    return true;
}

void recorder_write_notes(struct recorder *r)
{
    r->has_notes = true;
}

/* --- Leases --------------------------------------------------------------------------------------------------------------- */

void recorder_hold_lease(struct recorder *r, struct job *job)
{
    job->lease = LEASE_HELD;
    r->n_leases++;
    recorder_want_progress(r, job);
}

void recorder_want_handover(struct recorder *r, struct job *job)
{
    job->lease = LEASE_WANTED;
    list_append(&r->handovers, &job->lease_link);
    r->n_handovers++;
}

/* --- What to send next --------------------------------------------------------------------------------------------------- */

static bool batch_is_due(struct recorder *r)
{
    int64_t now_us = clock_mono_us();
    if (now_us < r->repeat_at_us)
        return false;
    r->repeat_at_us = 0;
    return r->finished.n || r->claims.n || r->n_handovers || recorder_has_progress(r) ||
           (r->gap_noted && now_us >= r->gap_at_us) || settle_release_is_ready(r) || now_us >= r->beat_at_us;
}

static void send_unregister(struct recorder *r)
{
    r->request = REQUEST_UNREGISTER;
    record_unregister(recorder_session(r), r->worker_id, on_unregistered, r);
}

static void send_next(struct recorder *r)
{
    if (r->must_read_back)
        settle_send_read_back(r);
    if (r->request != REQUEST_NONE)
        return;
    if (!r->registered && !r->unregistering)
        send_register(r);
    else if (r->registered && recorder_send_hook(r))
        return;
    else if (!r->wishes_known)
        send_wishes(r);
    else if (r->take_over)
        send_take_over(r);
    else if (r->has_notes && send_note(r))
        return;
    else if (r->registered && recorder_wants_look(r) && (!r->looked || !batch_is_due(r)))
        recorder_send_look(r);
    else if (r->registered && batch_is_due(r))
        settle_send_batch(r);
    else if (r->registered && r->unregistering)
        send_unregister(r);
}

void recorder_pump(struct recorder *r)
{
    r->wishes_known &= link_is_connected(r->link);
    if (r->request == REQUEST_NONE && link_is_ready(r->link))
        send_next(r);
    link_watch(r->link);
    set_timer(r);
    set_deadline_timer(r);
}

/* --- From outside -------------------------------------------------------------------------------------------------------- */

int64_t recorder_server_now_us(const struct recorder *r)
{
    return clock_mono_us() + r->clock_offset_us;
}

/* A hand-over that nobody has asked for yet is not needed any more; one that was asked for before may have been granted. */
static void cancel_handover(struct recorder *r, struct job *job)
{
    list_remove(&job->lease_link);
    r->n_handovers--;
    if (job->partition) {
        job->lease = LEASE_NONE;
        job->token = 0;
    } else {
        recorder_hold_lease(r, job);
    }
}

void recorder_add_finished(struct recorder *r, struct job *job)
{
    job->finished = true;
    list_remove(&job->progress_link);
    if (job->lease == LEASE_WANTED)
        cancel_handover(r, job);
    backlog_append(&r->finished, job);
}

/* Positive, and never "none". */
static int64_t new_token(void)
{
    return (int64_t)(noise_bits() >> 1) | 1;
}

void recorder_add_claim(struct recorder *r, struct job *job)
{
    job->token = new_token();
    job->lease = LEASE_WANTED;
    backlog_append(&r->claims, job);
}

void recorder_add_handover(struct recorder *r, struct job *job)
{
    if (job->lease != LEASE_NONE || job->lease_refused || job->finished)
        return;
    job->token = new_token();
    recorder_want_handover(r, job);
}

void recorder_drop_claims(struct recorder *r, struct partition *p)
{
    p->n_open -= backlog_drop(&r->claims, p);
}

bool recorder_is_away(const struct recorder *r)
{
    return !r->registered || !link_is_connected(r->link);
}

size_t recorder_n_leases(const struct recorder *r)
{
    return r->n_leases;
}

void recorder_dump(const struct recorder *r)
{
    log_info(
        "state: record: %s, %s; waiting: %zu finished, %zu claims, %zu hand-overs; under way: %zu rows; %zu leases held%s",
        r->worker_id, recorder_is_away(r) ? "PostgreSQL is away" : "connected", r->finished.n, r->claims.n,
        r->n_handovers, batch_n_rows(&r->batch), r->n_leases,
        r->must_read_back ? "; the last batch's fate is not known" : "");
}

bool recorder_has_room(const struct recorder *r)
{
    return recorder_n_waiting(r) < RECORDER_MAX_JOBS &&
           r->finished.size_bytes + r->claims.size_bytes + r->batch.size_bytes < RECORDER_MAX_BYTES;
}

size_t recorder_n_waiting(const struct recorder *r)
{
    return r->finished.n + r->claims.n + r->batch.n_jobs;
}

void recorder_set_partitions(struct recorder *r, struct list *partitions, struct keys_room *keys)
{
    r->keys = keys;
    r->owned = partitions;
}

void recorder_release(struct recorder *r, struct list *partitions)
{
    r->release = partitions;
    recorder_pump(r);
}

void recorder_forget_requests(struct recorder *r)
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

void recorder_write_cursors(struct recorder *r)
{
    r->gap_noted = true;
    r->gap_at_us = clock_mono_us();
}

static void drop_handovers(struct recorder *r, const struct partition *p)
{
    list_for_each_safe(link, &r->handovers)
    {
        struct job *job = job_of_lease(link);
        if (job->partition != p)
            continue;
        list_remove(link);
        r->n_handovers--;
        job->lease = LEASE_NONE;
        job->token = 0;
    }
}

void recorder_drop_partition(struct recorder *r, struct partition *p)
{
    drop_handovers(r, p);
    backlog_drop(&r->finished, p);
    backlog_drop(&r->claims, p);
    batch_drop_partition(&r->batch, p);
    p->n_open = 0;
}

/* A refused attempt moves the deadline of leases, so attempts must come faster than that. */
static int64_t longest_pause(const struct job_config *config)
{
    int64_t pause_us = config_lease_stop_us(config) / 2;
    return pause_us < RECONNECT_MAX_US ? pause_us : RECONNECT_MAX_US;
}

void recorder_start(struct recorder *r)
{
    link_start(r->link);
}

int recorder_new(struct recorder **ret, sd_event *event, const struct job_config *config,
                 const struct recorder_owner *owner)
{
    _cleanup_(recorder_free_cleanup) struct recorder *r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    const struct link_owner link_owner = {
        .moved = look_again, .notified = on_notified, .refused = on_refused, .userdata = r
    };
    r->config = config;
    r->owner = *owner;
    r->limit = BATCH_MAX_JOBS;
    r->phase = "running";
    backlog_init(&r->finished);
    backlog_init(&r->claims);
    list_init(&r->handovers);
    recorder_progress_init(r);
    if (gethostname(r->host, sizeof(r->host) - 1) < 0)
        strcpy(r->host, "localhost");
    make_id(r);
    int error = batch_init(&r->batch);
    if (error == 0)
        error = link_new(&r->link, event, config->database.url, "jobworkerd", record_statements,
                         record_n_statements, channels, longest_pause(config), &link_owner);
    if (error == 0)
        error = sd_event_add_time(event, &r->timer, CLOCK_MONOTONIC, 0, 1000, on_timer, r);
    if (error >= 0)
        error = sd_event_add_time(event, &r->deadline_timer, CLOCK_MONOTONIC, 0, 1000, on_deadline, r);
    if (error < 0)
        return error;
    sd_event_source_set_enabled(r->deadline_timer, SD_EVENT_OFF);
    sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
    *ret = steal(r);
    return 0;
}

struct recorder *recorder_free(struct recorder *r)
{
    if (!r)
        return NULL;
    sd_event_source_disable_unref(r->timer);
    sd_event_source_disable_unref(r->deadline_timer);
    recorder_progress_done(r);
    free(r->quiet);
    free(r->narrow);
    free(r->drain_by);
    backlog_done(&r->finished);
    backlog_done(&r->claims);
    batch_done(&r->batch);
    link_free(r->link);
    free(r);
    return NULL;
}
