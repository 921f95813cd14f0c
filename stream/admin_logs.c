/* SPDX-License-Identifier: Apache-2.0 */
/* What tells one log of a topic from another, and deleting records from its start. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "stream/admin_session.h"
#include "stream/consume_message.h"

DEFINE_CLEANUP(rd_kafka_topic_partition_list_t *, rd_kafka_topic_partition_list_destroy)
#define _cleanup_list_ _cleanup_(rd_kafka_topic_partition_list_destroy_cleanup)

/* --- Where they begin, end, and go on after a time --- */

/* ListOffsets' own names for the two ends */
enum { TIME_START = -2, TIME_END = -1 };

/* One question to Kafka; asked again while a partition has no leader. @times: one per element of @list; becomes the answers. */
static int ask(struct admin_session *s, const char *topic, rd_kafka_topic_partition_list_t *list,
               int64_t *times, struct err *reterr)
{
    rd_kafka_resp_err_t code;
    do {
        for (int i = 0; i < list->cnt; i++)
            list->elems[i].offset = times[i];
        code = rd_kafka_offsets_for_times(s->rk, list, admin_session_left_ms(s));
        for (int i = 0; i < list->cnt && code == 0; i++)
            code = list->elems[i].err;
    } while (admin_session_may_repeat(s, code));
    for (int i = 0; i < list->cnt && code == 0; i++)
        times[i] = list->elems[i].offset;
    return admin_session_judge(s, code, NULL, topic, reterr);
}

/* @times has room for all of @logs. @pick: what to ask of one; @put: the answer. */
static int ask_all(struct admin_session *s, const char *topic, struct admin_log *logs, size_t n,
                   int64_t *times, int64_t (*pick)(const struct admin_log *),
                   void (*put)(struct admin_log *, int64_t), struct err *reterr)
{
    _cleanup_list_ rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, topic, logs[i].partition);
    for (size_t i = 0; i < n; i++)
        times[i] = pick(&logs[i]);
    int r = ask(s, topic, list, times, reterr);
    for (size_t i = 0; i < n && r == 0; i++) { /* librdkafka may have put them into another order */
        for (size_t k = 0; k < n; k++)
            if (list->elems[k].partition == logs[i].partition)
                put(&logs[i], times[k]);
    }
    return r;
}

static int64_t pick_start(const struct admin_log *l)
{
    (void)l;
    return TIME_START;
}

static int64_t pick_end(const struct admin_log *l)
{
    (void)l;
    return TIME_END;
}

/* Where nothing is asked, any answer will do. */
static int64_t pick_after(const struct admin_log *l)
{
    return l->after_ms < 0 ? TIME_END : l->after_ms + 1;
}

static void put_start(struct admin_log *l, int64_t offset)
{
    l->start = offset;
}

static void put_end(struct admin_log *l, int64_t offset)
{
    l->end = offset;
}

static void put_after(struct admin_log *l, int64_t offset)
{
    l->first_after = l->after_ms < 0 ? -1 : offset;
}

int admin_read_logs(struct admin *a, const char *topic, struct admin_log *logs, size_t n, struct err *reterr)
{
    _cleanup_admin_session_ struct admin_session s = { 0 };
    _cleanup_free_ int64_t *times = calloc(n + 1, sizeof(*times));
    if (!times)
        return err_set(reterr, -ENOMEM, "out of memory");
    int r = admin_session_open(&s, a, NULL, 0, admin_timeout_us(a), reterr);
    if (r == 0)
        r = ask_all(&s, topic, logs, n, times, pick_start, put_start, reterr);
    if (r == 0)
        r = ask_all(&s, topic, logs, n, times, pick_after, put_after, reterr);
    if (r == 0)
        r = ask_all(&s, topic, logs, n, times, pick_end, put_end, reterr);
    return r;
}

/* --- One record --- */

/* Gives @rkm away. Return: 0; -ENOMEM. */
static int hand_out(rd_kafka_message_t *rkm, admin_record_fn take, void *userdata)
{
    struct message *m;
    int r = message_from_kafka(rkm, false, &m);
    if (r) {
        rd_kafka_message_destroy(rkm);
        return r;
    }
    take(m, userdata);
    message_free(m);
    return 0;
}

static int read_record(struct admin_session *s, rd_kafka_topic_partition_list_t *place, admin_record_fn take,
                       void *userdata, struct err *reterr)
{
    int64_t offset = place->elems[0].offset;
    rd_kafka_resp_err_t code = rd_kafka_assign(s->rk, place);
    while (code == 0 && clock_mono_us() < s->deadline_us) {
        rd_kafka_message_t *rkm = rd_kafka_consumer_poll(s->rk, admin_session_left_ms(s));
        if (!rkm)
            continue;
        bool is_end =
            rkm->err == RD_KAFKA_RESP_ERR__PARTITION_EOF || rkm->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET;
        bool is_beyond = !rkm->err && rkm->offset > offset;
        if (!rkm->err && rkm->offset == offset)
            return hand_out(rkm, take, userdata);
        rd_kafka_message_destroy(rkm);
        if (is_end || is_beyond)
            return err_set(reterr, ADMIN_NOT_FOUND, "%s: no such record", place->elems[0].topic);
    }
    return admin_session_judge(s, code ? code : RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, place->elems[0].topic,
                               reterr);
}

int admin_read_record(struct admin *a, const char *topic, int32_t partition, int64_t offset,
                      admin_record_fn take, void *userdata, int64_t budget_us, struct err *reterr)
{
    static const struct producer_property own[] = {
        { "group.id",
          "libjob-admin" }, /* needed to be assigned partitions by hand; nothing joins or commits */
        { "enable.partition.eof", "true" },
        { "auto.offset.reset", "error" },
        { "fetch.wait.max.ms", "20" },
    };
    _cleanup_admin_session_ struct admin_session s = { 0 };
    _cleanup_list_ rd_kafka_topic_partition_list_t *place = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(place, topic, partition)->offset = offset;
    int r = admin_session_open(&s, a, own, ARRAY_SIZE(own), budget_us, reterr);
    return r ? r : read_record(&s, place, take, userdata, reterr);
}

static void take_time(const struct message *m, void *userdata)
{
    *(int64_t *)userdata = m->timestamp_ms;
}

int admin_read_time(struct admin *a, const char *topic, int32_t partition, int64_t offset, int64_t *ret_ms,
                    struct err *reterr)
{
    return admin_read_record(a, topic, partition, offset, take_time, ret_ms, admin_timeout_us(a), reterr);
}

/* --- Deleting --- */

/* Everything that an answer may be about stays until the end. */
struct deletion {
    struct admin_session session;
    rd_kafka_DeleteRecords_t *wanted;
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
};

static void deletion_done(struct deletion *d)
{
    if (d->event)
        rd_kafka_event_destroy(d->event);
    if (d->queue)
        rd_kafka_queue_destroy(d->queue);
    if (d->options)
        rd_kafka_AdminOptions_destroy(d->options);
    if (d->wanted)
        rd_kafka_DeleteRecords_destroy(d->wanted);
    admin_session_close(&d->session);
}

static int send_deletion(struct deletion *d, const char *topic, const struct admin_cut *cuts, size_t n,
                         struct err *reterr)
{
    char text[256];
    int left_ms = admin_session_left_ms(&d->session);
    _cleanup_list_ rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, topic, cuts[i].partition)->offset = cuts[i].before;
    d->wanted = rd_kafka_DeleteRecords_new(list);
    d->queue = rd_kafka_queue_new(d->session.rk);
    d->options = rd_kafka_AdminOptions_new(d->session.rk, RD_KAFKA_ADMIN_OP_DELETERECORDS);
    if (rd_kafka_AdminOptions_set_request_timeout(d->options, left_ms, text, sizeof(text)) ||
        rd_kafka_AdminOptions_set_operation_timeout(d->options, left_ms / 2, text, sizeof(text)))
        return err_set(reterr, -EINVAL, "kafka: %s", text);
    rd_kafka_DeleteRecords(d->session.rk, &d->wanted, 1, d->options, d->queue);
    return 0;
}

/* Each partition has its own verdict; the first that is none of success is told. */
static int take_starts(struct deletion *d, const char *topic, struct admin_cut *cuts, size_t n,
                       struct err *reterr)
{
    rd_kafka_resp_err_t failed = 0;
    const rd_kafka_topic_partition_list_t *list =
        rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(d->event));
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];
        for (size_t k = 0; k < n && at->err == 0; k++)
            if (cuts[k].partition == at->partition)
                cuts[k].start = at->offset;
        failed = failed ? failed : at->err;
    }
    return admin_session_judge(&d->session, failed, NULL, topic, reterr);
}

int admin_delete_records(struct admin *a, const char *topic, struct admin_cut *cuts, size_t n,
                         struct err *reterr)
{
    _cleanup_(deletion_done) struct deletion d = { 0 };
    for (size_t i = 0; i < n; i++)
        cuts[i].start = -1;
    int r = admin_session_open(&d.session, a, NULL, 0, admin_timeout_us(a), reterr);
    if (r == 0)
        r = send_deletion(&d, topic, cuts, n, reterr);
    if (r)
        return r;
    d.event = rd_kafka_queue_poll(d.queue, admin_session_left_ms(&d.session) + 500);
    if (!d.event)
        return admin_session_judge(&d.session, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, topic, reterr);
    r = admin_session_judge(&d.session, rd_kafka_event_error(d.event), rd_kafka_event_error_string(d.event),
                            topic, reterr);
    return r ? r : take_starts(&d, topic, cuts, n, reterr);
}
