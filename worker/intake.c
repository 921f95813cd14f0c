/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/intake.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "libjob/names.h"
#include "stream/consumer.h"
#include "worker/keys.h"
#include "worker/pool.h"

#define COMMIT_PAUSE_US USEC_PER_SEC      /* between two offset commits to Kafka */
#define PROVE_PAUSE_US (USEC_PER_SEC / 2) /* before Kafka is asked again whether we are a member */
#define RETAKE_PAUSE_US USEC_PER_SEC      /* before a fenced partition is taken over again */
#define LOST_LIMIT_US USEC_PER_SEC        /* how long jobs of a lost partition may run on without a lease */
#define STAND_PAUSE_US (5 * USEC_PER_SEC) /* before a partition that stands is looked at again */
#define CONTENTION_US (60 * USEC_PER_SEC)
#define PREFETCH_MESSAGES 4000 /* eight busy partitions stay within 64 MiB: docs/performance.md */
#define PREFETCH_BYTES (2 << 20)

/* The answer that Kafka waits for. */
enum rebalance { REBALANCE_NONE, REBALANCE_ASSIGN, REBALANCE_REVOKE };

struct intake {
    sd_event *event;
    const struct job_config *config;
    struct intake_owner owner;
    struct consumer *consumer;
    sd_event_source *io, *commit_timer, *prove_timer, *revoke_timer, *retake_timer;
    struct reader reader;
    struct ready *ready;
    struct keys_room keys;

    struct list partitions;
    size_t n_partitions;
    enum rebalance pending;
    int64_t revoked_us;     /* when Kafka asked for the answer that is pending */
    uintptr_t generation;   /* of the assignment: answers to older commits mean nothing */
    bool joined, wants_out; /* the group */
    bool stopping, released, heard, away_logged, unconfirmed_logged;
};

static struct partition *partition_at(struct list *link)
{
    return list_entry(link, struct partition, link);
}

/* --- Jobs that have not started -------------------------------------------------------------------------------------------- */

static bool is_in_log(const struct job *job, const void *partition)
{
    return job->partition && (!partition || job->partition == partition);
}

static void drop_waiting(struct partition *p)
{
    struct job *job;
    while (p->keys && (job = keys_first_waiting(p->keys, INT64_MAX))) {
        p->n_open--;
        job_free(job);
    }
}

/* Those of @p (NULL: of all partitions) that hold no lease: they stay in the log. */
static void drop_ready(struct intake *in, const struct partition *p)
{
    struct list dropped;
    list_init(&dropped);
    reader_drop_dangerous(&in->reader, p);
    list_for_each(link, &in->partitions) if (!p || partition_at(link) == p) drop_waiting(partition_at(link));
    ready_take_matching(in->ready, is_in_log, p, &dropped);
    list_for_each_safe(link, &dropped)
    {
        job_of(link)->partition->n_open--;
        job_free(job_of(link));
    }
}

/* --- Take-over --------------------------------------------------------------------------------------------------------- */

static void set_timer(sd_event_source *timer, int64_t pause_us)
{
    sd_event_source_set_time_relative(timer, (uint64_t)pause_us);
    sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

/* Where reading goes on, or begins. */
static int64_t position_of(const struct partition *p)
{
    if (p->sounding || p->log_start < 0)
        return CONSUMER_LOG_START;
    if (p->state == PARTITION_LOSING && p->note)
        return p->note->to + 1;
    return p->unverified ? p->start : p->read_to;
}

static struct consumer_place *list_places(struct intake *in, bool (*want)(const struct partition *),
                                          bool positions, size_t *ret_n)
{
    size_t n = 0;
    list_for_each(link, &in->partitions) n++;
    struct consumer_place *places = calloc(n + 1, sizeof(*places));
    n = 0;
    list_for_each(link, &in->partitions)
    {
        const struct partition *p = partition_at(link);
        if (!places || !want(p))
            continue;
        places[n++] = (struct consumer_place){ p->topic, p->id, positions ? position_of(p) : p->window.base };
    }
    *ret_n = n;
    return places;
}

static bool is_any(const struct partition *p)
{
    (void)p;
    return true;
}

/* Librdkafka turns no partition round that it has given up because its position is not in the log: all are assigned anew. */
static bool assign_anew(struct intake *in, struct err *reterr)
{
    size_t n;
    _cleanup_free_ struct consumer_place *places = list_places(in, is_any, true, &n);
    list_for_each(link, &in->partitions) partition_at(link)->held = message_free(partition_at(link)->held);
    return places && consumer_assign(in->consumer, places, n, reterr) == 0;
}

/* What was read before and dropped is read once more, or the log is read from its start on. One that is given back is read no more. */
static void read_again(struct intake *in, struct partition *p)
{
    struct err err = { 0 };
    p->held = message_free(p->held);
    if (p->closing || in->pending != REBALANCE_NONE)
        return;
    if (consumer_seek(in->consumer, p->topic, p->id, position_of(p), &err) == 0)
        return;
    log_debug("intake: %s[%" PRId32 "]: %s; assigning all partitions anew", p->topic, p->id, err.text);
    if (!assign_anew(in, &err))
        in->owner.reader.fatal(*err.text ? err.text : "out of memory", in->owner.reader.userdata);
}

static void open_window(struct intake *in, struct partition *p, const struct recorder_cursor *cursor)
{
    window_done(&p->window);
    keys_free(p->keys);
    p->keys = keys_new(&in->keys);
    if (!p->keys || window_init(&p->window, cursor->next_offset, in->config->worker.window) < 0) {
        in->owner.reader.fatal("out of memory", in->owner.reader.userdata);
        return;
    }
    if (window_decode(&p->window, cursor->done) != 0)
        log_error("intake: %s[%" PRId32 "]: the cursor's bitmap is damaged; jobs from offset %" PRId64
                  " on run again",
                  p->topic, p->id, cursor->next_offset);
}

/* What the last owner's death tells of the records that it had taken up. */
static void judge_crashes(struct intake *in, struct partition *p, const struct recorder_cursor *cursor)
{
    p->probation_end = cursor->unclean ? cursor->next_offset + in->config->worker.window : 0;
    p->careful = cursor->unclean && cursor->crash_count >= INTAKE_CAREFUL_CRASHES;
    p->condemned = p->careful && cursor->suspect == cursor->next_offset;
    p->suspect = p->suspect_recorded = -1;
    if (p->careful)
        log_warning("intake: %s[%" PRId32 "]: %d workers in a row died and recorded nothing; its records are "
                    "taken up one at a time from offset %" PRId64 " on",
                    p->topic, p->id, cursor->crash_count, cursor->next_offset);
}

/* One record early, where that is known: it tells whether this is the log that the cursor belongs to. */
static void place_reader(struct partition *p, const struct recorder_cursor *cursor)
{
    bool known = p->checked_offset >= 0 && p->checked_offset < cursor->next_offset;
    p->start = p->log_start < 0 ? CONSUMER_LOG_START : known ? p->checked_offset : cursor->next_offset;
    p->read_to = p->gap_to = p->log_start < 0 ? 0 : cursor->next_offset;
    p->unverified = known && p->log_start >= 0;
    p->sounding = false;
}

/* Until jobctl topic reset: it is looked at now and then, and when PostgreSQL says that something has changed. */
static void stand(struct intake *in, struct partition *p, const struct recorder_cursor *cursor)
{
    p->state = PARTITION_OUTSIDE;
    set_timer(in->retake_timer, STAND_PAUSE_US);
    if (!p->stood)
        log_error("intake: %s[%" PRId32 "]: its log is not the one that offset %" PRId64
                  " belongs to; it stands until "
                  "somebody says: jobctl topic reset %s",
                  p->topic, p->id, cursor->next_offset, p->topic);
    p->stood = true;
}

void intake_taken(struct intake *in, struct partition *p, const struct recorder_cursor *cursor)
{
    place_reader(p, cursor);
    if (cursor->trouble) {
        open_window(in, p, cursor);
        stand(in, p, cursor);
        return;
    }
    if (p->feed)
        in->generation++; /* a commit that was sent before proves nothing of this take-over */
    open_window(in, p, cursor);
    if (p->feed)
        read_again(in, p);
    judge_crashes(in, p, cursor);
    p->stood = false;
    p->state = PARTITION_PROVING;
    log_info("intake: took over %s[%" PRId32 "] at offset %" PRId64 ", epoch %" PRId64 "%s", p->topic, p->id,
             cursor->next_offset, p->epoch,
             cursor->unclean ? "; its last owner did not release it, or it was reset" : "");
}

static bool is_proving(const struct partition *p)
{
    return p->state == PARTITION_PROVING;
}

/* Step two. The answer comes as CONSUMER_COMMITTED with this generation. */
static void prove(struct intake *in)
{
    size_t n;
    _cleanup_free_ struct consumer_place *places = list_places(in, is_proving, false, &n);
    if (n && places)
        consumer_commit(in->consumer, places, n, (void *)in->generation);
}

static int on_prove(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    prove(userdata);
    return 0;
}

static void answer_assign(struct intake *in)
{
    size_t n;
    struct err err = { 0 };
    _cleanup_free_ struct consumer_place *places = list_places(in, is_any, true, &n);
    in->pending = REBALANCE_NONE;
    /* Feeds first: a record that came between the two would go to nobody, and look like a gap. */
    list_for_each(link, &in->partitions)
    {
        struct partition *p = partition_at(link);
        if (feed_new(&p->feed, in->consumer, p->topic, p->id) < 0)
            in->owner.reader.fatal("a partition's queue could not be opened", in->owner.reader.userdata);
    }
    if (!places || consumer_assign(in->consumer, places, n, &err) < 0)
        in->owner.reader.fatal(places ? err.text : "out of memory", in->owner.reader.userdata);
}

void intake_taken_all(struct intake *in)
{
    if (in->pending == REBALANCE_ASSIGN)
        answer_assign(in);
    prove(in);
}

/* Step three. */
static void on_committed(struct intake *in, const struct consumer_event *event)
{
    if ((uintptr_t)event->cookie != in->generation)
        return;
    if (event->error) {
        if (!in->unconfirmed_logged)
            log_warning("intake: Kafka does not confirm the assignment yet: %s", event->error);
        in->unconfirmed_logged = true;
        set_timer(in->prove_timer, PROVE_PAUSE_US);
        return;
    }
    in->unconfirmed_logged = false;
    list_for_each(link, &in->partitions) if (partition_at(link)->state == PARTITION_PROVING)
        partition_at(link)
            ->state = PARTITION_OPEN;
}

static void on_assign(struct intake *in, const struct consumer_event *event)
{
    in->generation++;
    in->pending = REBALANCE_ASSIGN;
    log_info("intake: %zu partitions assigned", event->n_places);
    for (size_t i = 0; i < event->n_places && !in->stopping && in->joined; i++) {
        struct partition *p = partition_new(event->places[i].topic, event->places[i].partition);
        if (!p) {
            in->owner.reader.fatal("out of memory", in->owner.reader.userdata);
            return;
        }
        p->lane = ready_find_lane(in->ready, p->topic);
        list_append(&in->partitions, &p->link);
        in->n_partitions++;
    }
    if (list_is_empty(&in->partitions)) /* nothing for us, or we are leaving */
        answer_assign(in);
    else
        in->owner.take_over(&in->partitions, in->owner.reader.userdata);
}

/* What a partition that stands has read of the old log is recorded first: it is nowhere else. */
static bool can_be_retaken(const struct partition *p)
{
    return !p->closing && (p->state == PARTITION_FENCED ||
                           (p->state == PARTITION_OUTSIDE && p->n_open == 0 && !p->in_batch && !p->note));
}

static int on_retake(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct intake *in = userdata;
    bool any = false, waits = false;
    (void)source;
    (void)usec;
    list_for_each(link, &in->partitions)
    {
        struct partition *p = partition_at(link);
        if (can_be_retaken(p)) {
            p->state = PARTITION_TAKING;
            any = true;
        }
        waits |= p->state == PARTITION_OUTSIDE;
    }
    if (waits)
        set_timer(in->retake_timer, RETAKE_PAUSE_US);
    if (any)
        in->owner.take_over(&in->partitions, in->owner.reader.userdata);
    return 0;
}

/* --- The log ------------------------------------------------------------------------------------------------------------- */

void intake_outside(struct intake *in, struct partition *p)
{
    log_info("intake: %s[%" PRId32 "]: offset %" PRId64 " is not in the log; looking where that begins",
             p->topic, p->id, p->read_to);
    p->unverified = p->checked_offset >= 0;
    p->sounding = true;
    read_again(in, p);
}

void intake_noted(struct intake *in, struct partition *p)
{
    if (p->note->recreated)
        set_timer(in->retake_timer, STAND_PAUSE_US);
    else
        reader_noted(&in->reader, p);
    free(p->note);
    p->note = NULL;
}

/* A broker or a person says that something is the matter with it: what its cursor says is read anew. */
void intake_topic_changed(struct intake *in, const char *topic, int32_t id)
{
    struct partition *p = partition_find(&in->partitions, topic, id);
    if (!p || (p->state != PARTITION_OPEN && p->state != PARTITION_OUTSIDE))
        return;
    p->state = PARTITION_OUTSIDE;
    set_timer(in->retake_timer, 0); /* not here: this may come in the middle of a request */
}

/* A rebalance can fence a partition once. When it happens again and again, somebody else believes that it is theirs, too. */
static void watch_contention(const struct intake *in, struct partition *p)
{
    int64_t now_us = clock_mono_us();
    int64_t *oldest_us = &p->fenced_us[p->n_fenced++ % PARTITION_FENCED_MAX];
    if (*oldest_us && now_us - *oldest_us < CONTENTION_US) {
        log_error("intake: %s[%" PRId32
                  "] was taken over by others more than %d times within a minute: does another "
                  "deployment share the topics and the database, or the consumer group \"%s\"?",
                  p->topic, p->id, PARTITION_FENCED_MAX, in->config->worker.group);
        memset(p->fenced_us, 0, sizeof(p->fenced_us));
        return;
    }
    *oldest_us = now_us;
}

/* Somebody else raised the epoch: nothing of this partition is ours to write any more. */
void intake_fenced(struct intake *in, struct partition *p)
{
    log_warning("intake: %s[%" PRId32
                "] was taken over by another worker; its unrecorded jobs are dropped here",
                p->topic, p->id);
    watch_contention(in, p);
    p->state = PARTITION_FENCED;
    p->gap = p->gap_to = 0;
    free(p->note);
    p->note = NULL;
    drop_ready(in, p);
    in->owner.drop(p, in->owner.reader.userdata);
    if (!p->closing)
        set_timer(in->retake_timer, RETAKE_PAUSE_US);
}

/* --- Revocation --------------------------------------------------------------------------------------------------------- */

static void free_partitions(struct intake *in)
{
    list_for_each_safe(link, &in->partitions) partition_free(partition_at(link));
    in->n_partitions = 0;
}

static void answer_revoke(struct intake *in)
{
    in->pending = REBALANCE_NONE;
    log_info("intake: %zu partitions given back after %.1f ms", in->n_partitions,
             (double)(clock_mono_us() - in->revoked_us) / USEC_PER_MSEC);
    sd_event_source_set_enabled(in->revoke_timer, SD_EVENT_OFF);
    free_partitions(in);
    consumer_unassign(in->consumer);
}

static void close_all(struct intake *in)
{
    in->generation++;
    drop_ready(in, NULL);
    list_for_each(link, &in->partitions) partition_at(link)->closing = true;
}

/* What has no lease must not go on: others may start it now. */
static void give_up(struct intake *in)
{
    in->owner.forget(in->owner.reader.userdata);
    in->released = in->stopping;
    list_for_each(link, &in->partitions) in->owner.drop(partition_at(link), in->owner.reader.userdata);
    answer_revoke(in);
}

static int on_revoke_limit(sd_event_source *source, uint64_t usec, void *userdata)
{
    (void)source;
    (void)usec;
    log_error(
        "intake: jobs of revoked or lost partitions could not be handed over in time; they run again elsewhere");
    give_up(userdata);
    return 0;
}

static void on_revoke(struct intake *in, const struct consumer_event *event)
{
    log_info("intake: %zu partitions %s", event->n_places, event->kind == CONSUMER_LOST ? "lost" : "revoked");
    in->pending = REBALANCE_REVOKE;
    in->revoked_us = clock_mono_us();
    close_all(in);
    if (list_is_empty(&in->partitions)) {
        answer_revoke(in);
    } else {
        set_timer(in->revoke_timer, event->kind == CONSUMER_LOST ? LOST_LIMIT_US : INTAKE_REVOKE_LIMIT_US);
        in->owner.hand_over(&in->partitions, in->owner.reader.userdata);
        in->owner.release(&in->partitions, in->owner.reader.userdata);
    }
}

void intake_released(struct intake *in)
{
    if (in->pending == REBALANCE_REVOKE)
        answer_revoke(in);
    in->released = in->stopping;
}

/* --- Kafka's display of the position ------------------------------------------------------------------------------------- */

static bool is_behind(const struct partition *p)
{
    return p->state == PARTITION_OPEN && !p->closing && p->committed != p->window.base;
}

static int on_commit_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct intake *in = userdata;
    size_t n;
    (void)source;
    (void)usec;
    _cleanup_free_ struct consumer_place *places = list_places(in, is_behind, false, &n);
    if (!n || !places)
        return 0;
    consumer_commit(in->consumer, places, n, NULL);
    list_for_each(link, &in->partitions) partition_at(link)->committed = partition_at(link)->window.base;
    return 0;
}

void intake_advanced(struct intake *in, struct partition *p)
{
    if (is_behind(p) && sd_event_source_get_enabled(in->commit_timer, NULL) == 0)
        set_timer(in->commit_timer, COMMIT_PAUSE_US);
}

/* --- Events -------------------------------------------------------------------------------------------------------------- */

static void log_away(struct intake *in, const char *why)
{
    if (!in->away_logged)
        log_warning("intake: Kafka is away: %s", why);
    in->away_logged = true;
}

static void log_back(struct intake *in)
{
    if (in->away_logged)
        log_info("intake: Kafka is back");
    in->away_logged = false;
    in->heard = true;
}

static void handle(struct intake *in, const struct consumer_event *event)
{
    switch (event->kind) {
    case CONSUMER_ASSIGN:
        log_back(in);
        on_assign(in, event);
        break;
    case CONSUMER_REVOKE:
    case CONSUMER_LOST:
        on_revoke(in, event);
        break;
    case CONSUMER_COMMITTED:
        if (!event->error)
            log_back(in);
        on_committed(in, event);
        break;
    case CONSUMER_AWAY:
        log_away(in, event->error);
        break;
    case CONSUMER_FATAL:
        in->owner.reader.fatal(event->error, in->owner.reader.userdata);
        break;
    }
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct intake *in = userdata;
    struct consumer_event event;
    (void)source;
    (void)fd;
    (void)events;
    consumer_clear(in->consumer);
    while (consumer_next_event(in->consumer, &event))
        handle(in, &event);
    return 0;
}

/* --- Start and end -------------------------------------------------------------------------------------------------------- */

static int subscribe(struct intake *in, struct err *reterr);

/* Joins or leaves the group. Librdkafka takes neither in the middle of a rebalance. */
static void adjust_membership(struct intake *in)
{
    struct err err = { 0 };
    if (in->pending != REBALANCE_NONE || in->stopping || in->joined != in->wants_out)
        return;
    if (in->wants_out) {
        consumer_unsubscribe(in->consumer);
        in->joined = false;
    } else if (list_is_empty(&in->partitions) && subscribe(in, &err) < 0) {
        in->owner.reader.fatal(*err.text ? err.text : "out of memory", in->owner.reader.userdata);
    }
}

void intake_set_out(struct intake *in, bool out)
{
    in->wants_out = out;
    adjust_membership(in);
}

bool intake_is_out(const struct intake *in)
{
    return !in->joined && in->pending == REBALANCE_NONE && list_is_empty(&in->partitions);
}

void intake_pump(struct intake *in)
{
    adjust_membership(in);
    if (!in->stopping && !in->wants_out)
        reader_pump(&in->reader, &in->partitions);
}

size_t intake_n_partitions(const struct intake *in)
{
    return in->n_partitions;
}

bool intake_is_away(struct intake *in)
{
    if (!in->heard)
        in->heard = consumer_was_answered(in->consumer);
    return !in->heard || in->away_logged;
}

static const char *const state_names[] = {
    [PARTITION_TAKING] = "taking", [PARTITION_PROVING] = "proving", [PARTITION_OPEN] = "open",
    [PARTITION_LOSING] = "losing", [PARTITION_FENCED] = "fenced",   [PARTITION_OUTSIDE] = "outside",
};

void intake_dump(const struct intake *in)
{
    ready_dump(in->ready);
    log_info("state: intake: %zu partitions, %zu ordered jobs may start or run%s%s", in->n_partitions,
             in->keys.n_busy, in->pending == REBALANCE_ASSIGN ? "; being assigned" : "",
             in->pending == REBALANCE_REVOKE ? "; being revoked" : "");
    list_for_each(link, &in->partitions)
    {
        const struct partition *p = partition_at(link);
        log_info("state: partition %s[%" PRId32 "]: %s%s, epoch %" PRId64 ", next offset %" PRId64
                 ", read up to %" PRId64 ", %zu jobs open%s",
                 p->topic, p->id, state_names[p->state], p->closing ? ", closing" : "", p->epoch,
                 p->window.base, p->window.high, p->n_open, p->careful ? ", one at a time" : "");
    }
}

struct keys_room *intake_keys(struct intake *in)
{
    return &in->keys;
}

struct list *intake_partitions(struct intake *in)
{
    return &in->partitions;
}

static bool is_leased(const struct job *job, const void *unused)
{
    (void)unused;
    return job->token != 0;
}

void intake_stop(struct intake *in, struct list *leased)
{
    in->stopping = true;
    drop_ready(in, NULL);
    ready_take_matching(in->ready, is_leased, NULL, leased);
}

void intake_release_all(struct intake *in)
{
    close_all(in);
    if (list_is_empty(&in->partitions))
        in->released = true;
    else
        in->owner.release(&in->partitions, in->owner.reader.userdata);
}

bool intake_is_released(const struct intake *in)
{
    return in->released;
}

void intake_reload(struct intake *in, struct job_types *types, struct job_config *old)
{
    in->keys.n_enough = pool_max_running(in->config);
    reader_reload(&in->reader, types, old);
}

bool intake_renew(struct intake *in, struct job *job)
{
    return reader_renew(&in->reader, job);
}

void intake_claim(struct intake *in, struct job *job)
{
    reader_claim(&in->reader, job);
}

static int subscribe(struct intake *in, struct err *reterr)
{
    size_t n = 0, max = in->config->worker.n_queues * LANE_COUNT;
    _cleanup_free_ char(*topics)[NAME_TOPIC_MAX + 1] = calloc(max, sizeof(*topics));
    _cleanup_free_ const char **names = calloc(max, sizeof(*names));
    if (!topics || !names)
        return -ENOMEM;
    for (size_t i = 0; i < max; i++) {
        const char *queue = in->config->worker.queues[i / LANE_COUNT].name;
        enum name_lane lane = i % LANE_COUNT;
        if (config_has_lane(config_find_queue(in->config, span_from_string(queue)), lane)) {
            names[n] = name_topic_of_lane(in->config->prefix, queue, lane, topics[n]);
            n++;
        }
    }
    int r = consumer_subscribe(in->consumer, names, n, reterr);
    in->joined = r == 0;
    return r;
}

static int open_consumer(struct intake *in, struct err *reterr)
{
    const struct config_kafka *kafka = &in->config->kafka;
    _cleanup_free_ struct producer_property *properties =
        calloc(kafka->n_properties + 1, sizeof(*properties));
    if (!properties)
        return -ENOMEM;
    for (size_t i = 0; i < kafka->n_properties; i++)
        properties[i] = (struct producer_property){ kafka->properties[i].name, kafka->properties[i].value };
    const struct consumer_config config = {
        .brokers = kafka->brokers,
        .client_id = "jobworkerd",
        .group = in->config->worker.group,
        .session_timeout_us = in->config->worker.session_timeout_us,
        .heartbeat_interval_us = in->config->worker.heartbeat_interval_us,
        .max_poll_interval_us = INTAKE_POLL_LIMIT_US,
        .prefetch_messages = PREFETCH_MESSAGES,
        .prefetch_bytes = PREFETCH_BYTES,
        .properties = properties,
        .n_properties = kafka->n_properties,
    };
    return consumer_new(&in->consumer, &config, reterr);
}

static int add_sources(struct intake *in)
{
    const struct {
        sd_event_source **source;
        sd_event_time_handler_t handler;
    } timers[] = {
        { &in->commit_timer, on_commit_timer },
        { &in->prove_timer, on_prove },
        { &in->revoke_timer, on_revoke_limit },
        { &in->retake_timer, on_retake },
    };
    for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
        int r =
            sd_event_add_time(in->event, timers[i].source, CLOCK_MONOTONIC, 0, 1000, timers[i].handler, in);
        if (r < 0)
            return r;
        sd_event_source_set_enabled(*timers[i].source, SD_EVENT_OFF);
    }
    return sd_event_add_io(in->event, &in->io, consumer_fd(in->consumer), EPOLLIN, on_io, in);
}

static void free_all(struct intake *in)
{
    sd_event_source *sources[] = { in->io, in->commit_timer, in->prove_timer, in->revoke_timer,
                                   in->retake_timer };
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
        sd_event_source_disable_unref(sources[i]);
    reader_done(&in->reader);
    free(in);
}

int intake_close(struct intake *in, int64_t timeout_us)
{
    if (!in)
        return 0;
    in->io = sd_event_source_disable_unref(in->io);
    reader_done(&in->reader);
    free_partitions(in);
    if (consumer_close(in->consumer, timeout_us) != 0)
        return 1;
    free_all(in);
    return 0;
}

int intake_new(struct intake **ret, sd_event *event, const struct job_config *config, struct ready *ready,
               const struct intake_owner *owner, struct err *reterr)
{
    struct intake *in = calloc(1, sizeof(*in));
    if (!in)
        return -ENOMEM;
    in->event = event;
    in->config = config;
    in->owner = *owner;
    list_init(&in->partitions);
    in->ready = ready;
    in->keys.n_enough = pool_max_running(config);
    int r = reader_init(&in->reader, config, ready, &owner->reader);
    if (r == 0)
        r = open_consumer(in, reterr);
    if (r == 0)
        r = add_sources(in);
    if (r >= 0)
        r = subscribe(in, reterr);
    if (r < 0) {
        consumer_close(in->consumer, 0);
        free_all(in);
        return r;
    }
    *ret = in;
    return 0;
}
