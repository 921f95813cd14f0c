/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/later.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "broker/admission.h"
#include "broker/duty.h"
#include "broker/later_log.h"
#include "libjob/names.h"
#include "store/later.h"
#include "stream/consumer.h"

#define BATCH_MESSAGES 500
#define BATCH_BYTES (4u << 20)
#define PREFETCH_MESSAGES 2000
#define PREFETCH_BYTES (8u << 20)
#define SESSION_TIMEOUT_US (8 * USEC_PER_SEC)
#define HEARTBEAT_US (2 * USEC_PER_SEC)
#define POLL_LIMIT_US (300 * USEC_PER_SEC)
#define CLOSE_TIMEOUT_US (5 * USEC_PER_SEC)
#define PROVE_PAUSE_US (1 * USEC_PER_SEC)
#define IDLE_US (60 * USEC_PER_SEC) /* should nobody wake us */
#define STAND_US (5 * USEC_PER_SEC) /* before a partition that stands is looked at again */
#define LOOK_US                                                                                              \
    (60 * USEC_PER_SEC) /* between two looks whether another broker has found that one must stand */
#define ADMIN_TIMEOUT_US (5 * USEC_PER_SEC)

enum part_state {
    PART_ASSIGNED,  /* its cursor is not ours yet */
    PART_CONFIRMED, /* ours, and to be read */
    PART_OUTSIDE,   /* its log is not the one that the cursor belongs to: for people */
};

struct part {
    char topic[NAME_TOPIC_MAX + 1];
    struct later_cursor cursor;
    struct feed *feed;
    enum part_state state;
    bool stood;           /* that it stands has been said */
    struct message *held; /* read, and no room in the batch */
    size_t limit;         /* rows of a batch: fewer after PostgreSQL has refused one */
};

/* One message of the batch. */
struct item {
    struct message *message;
    struct admission admission;
};

struct later {
    struct duty duty;
    struct consumer *consumer;
    struct admin *admin;
    struct part *parts;
    size_t n_parts;
    bool assigned;        /* Kafka waits for the answer to an assignment */
    bool taken;           /* the cursors are ours, and Kafka has not confirmed it yet */
    uintptr_t generation; /* of the take-over, for commits */
    int64_t prove_us;     /* monotonic: when to ask Kafka again; 0: not asked yet */
    bool away_said, unconfirmed_said;
    bool broken;            /* the consumer is of no use any more */
    bool doubted;           /* the position of some partition was not in its log */
    int64_t look_us;        /* monotonic: when the logs are looked at again */
    struct item *items;     /* BATCH_MESSAGES */
    struct later_row *rows; /* BATCH_MESSAGES */
    size_t n_items,
        n_stored; /* of the batch; what is stored goes with the rest: rows point into their items */
    size_t bytes;
};

/* --- Partitions ---------------------------------------------------------------------------------------------------------- */

static void free_parts(struct later *l)
{
    for (size_t i = 0; i < l->n_parts; i++) {
        message_free(l->parts[i].held);
        feed_free(l->parts[i].feed);
    }
    free(l->parts);
    l->parts = NULL;
    l->n_parts = 0;
    l->taken = false;
}

static int make_parts(struct later *l, const struct consumer_event *event)
{
    free_parts(l);
    l->parts = calloc(event->n_places + 1, sizeof(*l->parts));
    if (!l->parts)
        return -ENOMEM;
    l->n_parts = event->n_places;
    for (size_t i = 0; i < l->n_parts; i++) {
        struct part *p = &l->parts[i];
        snprintf(p->topic, sizeof(p->topic), "%s", event->places[i].topic);
        p->cursor = (struct later_cursor){ .partition = event->places[i].partition };
        p->limit = BATCH_MESSAGES;
    }
    return 0;
}

static void join_anew(struct later *l, const char *why)
{
    log_error("later: %s; joining the group anew", why);
    l->broken = true;
}

/* --- Taking over --------------------------------------------------------------------------------------------------------- */

static void lost(struct later *l, int failed, const struct err *err)
{
    duty_lost(&l->duty, failed, err);
    duty_retry(&l->duty);
}

/* Nobody knows what was recorded, or somebody else has a cursor, or a log is in doubt: all are taken over again. */
static void start_afresh(struct later *l)
{
    l->taken = false;
    for (size_t i = 0; i < l->n_parts; i++) {
        struct part *p = &l->parts[i];
        p->held = message_free(p->held);
        p->state = PART_ASSIGNED;
    }
}

static int64_t position_of(const struct part *p)
{
    return p->cursor.log_start < 0 ? CONSUMER_LOG_START : p->cursor.next_offset;
}

static struct consumer_place *list_places(const struct later *l, bool positions)
{
    struct consumer_place *places = calloc(l->n_parts + 1, sizeof(*places));
    for (size_t i = 0; places && i < l->n_parts; i++) {
        const struct part *p = &l->parts[i];
        places[i] = (struct consumer_place){ p->topic, p->cursor.partition,
                                             positions ? position_of(p) : p->cursor.next_offset };
    }
    return places;
}

static int take_cursors(struct later *l, struct err *reterr)
{
    _cleanup_free_ struct later_cursor *cursors = calloc(l->n_parts + 1, sizeof(*cursors));
    if (!cursors)
        return err_set(reterr, -ENOMEM, "out of memory");
    for (size_t i = 0; i < l->n_parts; i++) {
        cursors[i] = l->parts[i].cursor;
        cursors[i].topic = l->parts[i].topic;
    }
    int r = later_take_over(l->duty.db, cursors, l->n_parts, reterr);
    for (size_t i = 0; r == 0 && i < l->n_parts; i++)
        l->parts[i].cursor = cursors[i];
    return r;
}

/* Feeds first: a record that came between the two would go to nobody. */
static int answer_assignment(struct later *l, struct err *reterr)
{
    _cleanup_free_ struct consumer_place *places = list_places(l, true);
    if (!places)
        return err_set(reterr, -ENOMEM, "out of memory");
    for (size_t i = 0; i < l->n_parts; i++) {
        struct part *p = &l->parts[i];
        if (feed_new(&p->feed, l->consumer, p->topic, p->cursor.partition) < 0)
            return err_set(reterr, -ENOMEM, "a partition's queue could not be opened");
    }
    l->assigned = false;
    return consumer_assign(l->consumer, places, l->n_parts, reterr);
}

/* All of them, because librdkafka does not seek a partition that it has given up. */
static int read_again(struct later *l, struct err *reterr)
{
    _cleanup_free_ struct consumer_place *places = list_places(l, true);
    return places ? consumer_assign(l->consumer, places, l->n_parts, reterr)
                  : err_set(reterr, -ENOMEM, "out of memory");
}

static bool any_stands(const struct later *l)
{
    for (size_t i = 0; i < l->n_parts; i++)
        if (l->parts[i].state == PART_OUTSIDE)
            return true;
    return false;
}

/* Which of the logs are those that the cursors belong to. Return: as later_log_check(). */
static int check_logs(struct later *l, struct err *reterr)
{
    int r = 0;
    l->doubted = false;
    for (size_t i = 0; i < l->n_parts && r >= 0 && r != LATER_LOG_AWAY && r != LATER_LOG_UNSTORED; i++) {
        struct part *p = &l->parts[i];
        r = later_log_check(l->duty.db, l->admin, &p->cursor, !p->stood, reterr);
        p->stood = r == LATER_LOG_STANDS;
        p->state = p->stood ? PART_OUTSIDE : PART_ASSIGNED;
    }
    l->look_us = clock_mono_us() + (any_stands(l) ? STAND_US : LOOK_US);
    return r == LATER_LOG_STANDS ? 0 : r;
}

/* Kafka refuses the commit of whoever is no member any more. */
static void prove(struct later *l)
{
    _cleanup_free_ struct consumer_place *places = list_places(l, false);
    l->prove_us = clock_mono_us() + PROVE_PAUSE_US;
    if (places)
        consumer_commit(l->consumer, places, l->n_parts, (void *)l->generation);
}

static void take_over(struct later *l)
{
    bool is_new;
    struct err err = { 0 };
    if (duty_connect(&l->duty, &is_new)) {
        duty_retry(&l->duty);
        return;
    }
    int failed = take_cursors(l, &err);
    if (failed == 0)
        failed = check_logs(l, &err);
    if (failed == LATER_LOG_AWAY) {
        duty_enter(&l->duty, DUTY_WITHOUT_KAFKA, err.text);
        duty_retry(&l->duty);
        return;
    }
    if (failed) {
        lost(l, failed == LATER_LOG_UNSTORED ? STORE_AWAY : failed, &err);
        return;
    }
    l->generation++;
    failed = l->assigned ? answer_assignment(l, &err) : read_again(l, &err);
    if (failed) {
        join_anew(l, err.text);
        return;
    }
    l->taken = true;
    for (size_t i = 0; i < l->n_parts; i++)
        log_debug("later: took over %s[%" PRId32 "] at offset %" PRId64, l->parts[i].topic,
                  l->parts[i].cursor.partition, l->parts[i].cursor.next_offset);
    prove(l);
}

static bool is_confirmed(const struct later *l)
{
    for (size_t i = 0; i < l->n_parts; i++)
        if (l->parts[i].state == PART_ASSIGNED)
            return false;
    return true;
}

/* --- Events -------------------------------------------------------------------------------------------------------------- */

static void on_assign(struct later *l, const struct consumer_event *event)
{
    log_info("later: %zu partitions assigned", event->n_places);
    l->away_said = false;
    l->assigned = true;
    if (make_parts(l, event) < 0)
        join_anew(l, "out of memory");
}

static void on_revoke(struct later *l)
{
    free_parts(l);
    l->assigned = false;
    consumer_unassign(l->consumer);
}

static void on_committed(struct later *l, const struct consumer_event *event)
{
    if (!l->taken || (uintptr_t)event->cookie != l->generation)
        return;
    if (event->error) {
        if (!l->unconfirmed_said)
            log_warning("later: Kafka does not confirm the assignment yet: %s", event->error);
        l->unconfirmed_said = true;
        return;
    }
    l->unconfirmed_said = false;
    for (size_t i = 0; i < l->n_parts; i++)
        if (l->parts[i].state == PART_ASSIGNED)
            l->parts[i].state = PART_CONFIRMED;
    duty_enter(&l->duty, DUTY_READY, NULL);
}

static void take_event(struct later *l, const struct consumer_event *event)
{
    switch (event->kind) {
    case CONSUMER_ASSIGN:
        on_assign(l, event);
        break;
    case CONSUMER_REVOKE:
    case CONSUMER_LOST:
        on_revoke(l);
        break;
    case CONSUMER_COMMITTED:
        on_committed(l, event);
        break;
    case CONSUMER_AWAY:
        if (!l->away_said)
            log_info("later: Kafka cannot be reached: %s", event->error); /* the relay says more */
        l->away_said = true;
        break;
    case CONSUMER_FATAL:
        join_anew(l, event->error);
        break;
    }
}

static void take_events(struct later *l)
{
    struct consumer_event event;
    consumer_clear(l->consumer);
    while (!l->broken && consumer_next_event(l->consumer, &event))
        take_event(l, &event);
}

/* --- One batch ----------------------------------------------------------------------------------------------------------- */

static void forget_items(struct later *l)
{
    for (size_t i = 0; i < l->n_items; i++) {
        admission_done(&l->items[i].admission);
        message_free(l->items[i].message);
    }
    l->n_items = l->n_stored = l->bytes = 0;
}

static bool has_room(const struct later *l, const struct message *m)
{
    return l->n_items == 0 ||
           (l->n_items < BATCH_MESSAGES && l->bytes + m->key.size + m->value.size <= BATCH_BYTES);
}

/* Return: 0; -ENOMEM. */
static int add_item(struct later *l, struct message *m)
{
    struct item *item = &l->items[l->n_items];
    item->message = m;
    l->bytes += m->key.size + m->value.size;
    l->n_items++;
    return admission_read(&item->admission, l->duty.config->prefix, m);
}

/* What there is now. Return: 0; -ENOMEM. */
static int fill_batch(struct later *l, struct part *p)
{
    for (;;) {
        int64_t offset;
        struct message *m = steal(p->held);
        int r = m ? 0 : feed_next(p->feed, false, &m, &offset);
        l->doubted |= r == FEED_OUTSIDE;
        if (r == FEED_END)
            continue;
        if (r)
            return r < 0 ? r : 0;
        if (!has_room(l, m)) {
            p->held = m;
            return 0;
        }
        if (p->cursor.log_start < 0)
            p->cursor.log_start = m->offset;
        r = add_item(l, m);
        if (r)
            return r;
    }
}

/* The next may succeed: a deadlock, a lock or statement that took too long, a server that stops. */
static bool is_passing(const struct store_refusal *refusal)
{
    static const char *const classes[] = { "40", "53", "55", "57", "58" };
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
        if (strncmp(refusal->sqlstate, classes[i], 2) == 0)
            return true;
    return false;
}

/* One row at a time until it is found; that one becomes a dead letter. Return: 0: go on; else as db_query(). */
static int narrow_down(struct later *l, struct part *p, size_t n, struct err *reterr)
{
    const struct store_refusal *refusal = db_refusal(l->duty.db);
    const struct item *first = &l->items[l->n_stored];
    struct admission *a = &l->items[l->n_stored].admission;
    if (is_passing(refusal) || (n == 1 && a->fault.text[0]))
        return err_set(reterr, STORE_REFUSED, "%s[%" PRId32 "] from offset %" PRId64 " on: %s", p->topic,
                       p->cursor.partition, first->message->offset, refusal->text);
    if (n == 1) {
        char why[128];
        snprintf(why, sizeof(why), "PostgreSQL refuses it: %s", refusal->sqlstate);
        log_warning("later: %s[%" PRId32 "] offset %" PRId64 " is a dead letter: %s: %s", p->topic,
                    p->cursor.partition, first->message->offset, why, refusal->text);
        admission_refuse(a, why);
    }
    p->limit = (n + 1) / 2;
    return 0;
}

static bool is_fenced(const struct later *l, int failed)
{
    return failed == STORE_REFUSED && strcmp(db_refusal(l->duty.db)->sqlstate, "JB001") == 0;
}

/* Return: 0: what is not stored yet stays in the batch; else as db_query(). */
static int store_some(struct later *l, struct part *p, struct err *reterr)
{
    const struct item *items = &l->items[l->n_stored];
    size_t left = l->n_items - l->n_stored, n = left < p->limit ? left : p->limit;
    const struct message *last = items[n - 1].message;
    for (size_t i = 0; i < n; i++)
        l->rows[i] = items[i].admission.row;
    if (last->timestamp_ms >= 0) {
        p->cursor.checked_offset = last->offset;
        p->cursor.checked_ms = last->timestamp_ms;
    }
    int r = later_store(l->duty.db, &p->cursor, l->rows, n, last->offset + 1, reterr);
    if (r == STORE_REFUSED && !is_fenced(l, r))
        return narrow_down(l, p, n, reterr);
    if (r)
        return r;
    for (size_t i = 0; i < n; i++)
        if (items[i].admission.fault.text[0])
            log_warning("later: %s[%" PRId32 "] offset %" PRId64 " is malformed: %s", p->topic,
                        p->cursor.partition, items[i].message->offset, items[i].admission.fault.text);
    l->n_stored += n;
    p->limit = BATCH_MESSAGES;
    duty_succeeded(&l->duty);
    return 0;
}

/* Reads and stores what there is of one partition. Return: as db_query(); *ret_any: there was something. */
static int pump_part(struct later *l, struct part *p, bool *ret_any, struct err *reterr)
{
    int r = fill_batch(l, p);
    if (r < 0)
        err_set(reterr, r, "out of memory");
    *ret_any |= l->n_items > 0;
    while (l->n_stored < l->n_items && r == 0)
        r = store_some(l, p, reterr);
    forget_items(l);
    return r;
}

/* Return: false when there was nothing. */
static bool pump(struct later *l)
{
    bool any = false;
    struct err err = { 0 };
    int r = 0;
    for (size_t i = 0; i < l->n_parts && r == 0; i++)
        if (l->parts[i].state == PART_CONFIRMED)
            r = pump_part(l, &l->parts[i], &any, &err);
    if (r == 0)
        return any;
    if (is_fenced(l, r))
        log_warning("later: another broker has taken over; taking over anew");
    else
        duty_lost(&l->duty, r, &err);
    start_afresh(l);
    duty_retry(&l->duty);
    return true;
}

/* --- The thread ---------------------------------------------------------------------------------------------------------- */

static void wait_for_work(struct later *l)
{
    struct pollfd pfds[] = { { .fd = consumer_fd(l->consumer), .events = POLLIN },
                             { .fd = l->duty.stop_fd, .events = POLLIN } };
    int64_t us = l->taken && !is_confirmed(l) ? PROVE_PAUSE_US : any_stands(l) ? STAND_US : IDLE_US;
    pulse_wait(l->duty.pulse, us);
    poll(pfds, ARRAY_SIZE(pfds), (int)(us / USEC_PER_MSEC));
    pulse_step(l->duty.pulse);
}

/* Should another broker have found that a log is another one, it is not read on. */
static bool is_troubled(struct later *l)
{
    bool is_new, troubled = false;
    struct err err = { 0 };
    l->look_us = clock_mono_us() + LOOK_US;
    if (duty_connect(&l->duty, &is_new) == 0 &&
        later_has_trouble(l->duty.db, l->parts[0].topic, &troubled, &err))
        duty_lost(&l->duty, STORE_AWAY, &err);
    return troubled;
}

static bool must_retake(struct later *l)
{
    if (l->doubted) {
        duty_retry(&l->duty); /* should Kafka only seem to have another log */
        return true;
    }
    if (l->n_parts == 0 || clock_mono_us() < l->look_us)
        return false;
    return any_stands(l) || is_troubled(l);
}

static void turn(struct later *l)
{
    take_events(l);
    if (l->broken)
        return;
    if (l->n_parts && !l->taken) {
        take_over(l);
        return;
    }
    if (l->assigned && l->n_parts == 0) { /* nothing for us */
        struct err err = { 0 };
        l->assigned = false;
        consumer_assign(l->consumer, NULL, 0, &err);
    }
    if (l->taken && !is_confirmed(l) && clock_mono_us() >= l->prove_us)
        prove(l);
    bool any = pump(l);
    if (l->taken && must_retake(l))
        start_afresh(l);
    else if (!any)
        wait_for_work(l);
}

static int join(struct later *l, struct err *reterr)
{
    const struct config_kafka *kafka = &l->duty.config->kafka;
    char topic[NAME_TOPIC_MAX + 1];
    const char *topics[] = { name_topic(l->duty.config->prefix, NAME_LATER, topic) };
    _cleanup_free_ struct producer_property *properties = duty_list_properties(kafka);
    if (!properties)
        return err_set(reterr, -ENOMEM, "out of memory");
    const struct consumer_config config = {
        .brokers = kafka->brokers,
        .client_id = "jobbrokerd",
        .group = topic,
        .session_timeout_us = SESSION_TIMEOUT_US,
        .heartbeat_interval_us = HEARTBEAT_US,
        .max_poll_interval_us = POLL_LIMIT_US,
        .prefetch_messages = PREFETCH_MESSAGES,
        .prefetch_bytes = PREFETCH_BYTES,
        .properties = properties,
        .n_properties = kafka->n_properties,
    };
    int r = consumer_new(&l->consumer, &config, reterr);
    return r ? r : consumer_subscribe(l->consumer, topics, 1, reterr);
}

static void leave(struct later *l)
{
    free_parts(l);
    if (l->consumer && consumer_close(l->consumer, CLOSE_TIMEOUT_US))
        log_warning("later: leaving the consumer group takes too long");
    l->consumer = NULL;
}

/* Membership that Kafka has ended for good begins anew. Return: 0; negative when that is not possible. */
static int work(struct later *l, struct err *reterr)
{
    int r = 0;
    while (r == 0 && !duty_is_stopping(&l->duty)) {
        l->broken = false;
        r = join(l, reterr);
        while (r == 0 && !l->broken && !duty_is_stopping(&l->duty))
            turn(l);
        leave(l);
        if (l->broken)
            duty_retry(&l->duty);
    }
    return r;
}

static int init(struct later *l, const struct job_config *config, int stop_fd, struct pulse *pulse)
{
    struct err err = { 0 };
    int r = duty_init(&l->duty, "later", config, stop_fd, pulse, 0);
    if (r == 0)
        r = duty_new_admin(&l->duty, ADMIN_TIMEOUT_US, &l->admin, &err);
    l->items = calloc(BATCH_MESSAGES, sizeof(*l->items));
    l->rows = calloc(BATCH_MESSAGES, sizeof(*l->rows));
    return r == 0 && (!l->items || !l->rows) ? -ENOMEM : r;
}

int later_run(const struct job_config *config, int stop_fd, struct pulse *pulse)
{
    struct later l = { 0 };
    struct err err = { 0 };
    int r = init(&l, config, stop_fd, pulse);
    if (r == 0)
        r = work(&l, &err);
    if (r)
        log_error("later: %s", *err.text ? err.text : strerror(-r));
    admin_free(l.admin);
    duty_done(&l.duty);
    free(l.items);
    free(l.rows);
    return r;
}
