/* SPDX-License-Identifier: Apache-2.0 */
/* Where logs begin and end, and looking through them for one message. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "stream/admin_session.h"
#include "stream/consume_message.h"

DEFINE_CLEANUP(rd_kafka_topic_partition_list_t *, rd_kafka_topic_partition_list_destroy)
#define _cleanup_list_ _cleanup_(rd_kafka_topic_partition_list_destroy_cleanup)

#define TIME_START INT64_C(-2) /* ListOffsets' own names for the two ends */
#define TIME_END INT64_C(-1)

static rd_kafka_resp_err_t ask_offsets(struct admin_session *s, rd_kafka_topic_partition_list_t *list,
                                       int64_t time_ms)
{
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = time_ms;
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(s->rk, list, admin_session_left_ms(s));
    for (int i = 0; i < list->cnt && code == 0; i++)
        code = list->elems[i].err;
    return code;
}

/*
 * The offsets of a time, for all partitions of @list in one round. Elements whose partition has nothing at or after the
 * time get RD_KAFKA_OFFSET_END.
 */
static int look_up(struct admin_session *s, rd_kafka_topic_partition_list_t *list, int64_t time_ms,
                   struct err *reterr)
{
    rd_kafka_resp_err_t code = ask_offsets(s, list, time_ms);
    while (admin_session_may_repeat(s, code))
        code = ask_offsets(s, list, time_ms);
    return admin_session_judge(s, code, NULL, list->cnt > 0 ? list->elems[0].topic : "offsets", reterr);
}

int admin_read_ranges(struct admin *a, const char *topic, int32_t n_partitions, struct admin_range *ret,
                      struct err *reterr)
{
    _cleanup_admin_session_ struct admin_session s = { 0 };
    _cleanup_list_ rd_kafka_topic_partition_list_t *starts = rd_kafka_topic_partition_list_new(n_partitions);
    rd_kafka_topic_partition_list_add_range(starts, topic, 0, n_partitions - 1);
    _cleanup_list_ rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_copy(starts);
    int r = admin_session_open(&s, a, NULL, 0, admin_timeout_us(a), reterr);
    if (r == 0)
        r = look_up(&s, starts, TIME_START, reterr);
    if (r == 0)
        r = look_up(&s, ends, TIME_END, reterr);
    if (r)
        return r;
    for (int i = 0; i < n_partitions; i++)
        ret[starts->elems[i].partition].start = starts->elems[i].offset;
    for (int i = 0; i < n_partitions; i++)
        ret[ends->elems[i].partition].end = ends->elems[i].offset;
    return 0;
}

/* --- Looking for one message --- */

struct search {
    struct admin_session session;
    const char *const *topics;
    size_t n_topics;
    admin_match_fn match;
    void *userdata;
    rd_kafka_topic_partition_list_t *places; /* where reading starts */
    rd_kafka_topic_partition_list_t *ends;   /* where it ends, the same partitions */
    int n_open;                              /* partitions of `ends` that are not read to their end */
    struct admin_found found;
};

static void search_done(struct search *q)
{
    rd_kafka_topic_partition_list_destroy_cleanup(&q->places);
    rd_kafka_topic_partition_list_destroy_cleanup(&q->ends);
    admin_session_close(&q->session);
}

static int list_partitions(struct search *q, struct err *reterr)
{
    for (size_t i = 0; i < q->n_topics; i++) {
        const struct rd_kafka_metadata *found;
        int r = admin_session_topic(&q->session, q->topics[i], &found, reterr);
        if (r == ADMIN_NO_TOPIC)
            continue;
        if (r)
            return r;
        if (found->topics[0].partition_cnt > 0)
            rd_kafka_topic_partition_list_add_range(q->places, q->topics[i], 0,
                                                    found->topics[0].partition_cnt - 1);
        rd_kafka_metadata_destroy(found);
    }
    return 0;
}

/* Keeps the partitions that have something to read. */
static void drop_empty(struct search *q)
{
    for (int i = q->ends->cnt - 1; i >= 0; i--) {
        const rd_kafka_topic_partition_t *end = &q->ends->elems[i];
        const rd_kafka_topic_partition_t *place =
            rd_kafka_topic_partition_list_find(q->places, end->topic, end->partition);
        if (place->offset >= 0 && place->offset < end->offset)
            continue;
        rd_kafka_topic_partition_list_del(q->places, end->topic, end->partition);
        rd_kafka_topic_partition_list_del_by_idx(q->ends, i);
    }
    q->n_open = q->ends->cnt;
}

static int find_places(struct search *q, int64_t from_time_ms, struct err *reterr)
{
    int r = list_partitions(q, reterr);
    if (r || q->places->cnt == 0)
        return r;
    rd_kafka_topic_partition_list_destroy(q->ends);
    q->ends = rd_kafka_topic_partition_list_copy(q->places);
    r = look_up(&q->session, q->ends, TIME_END, reterr);
    if (r == 0)
        r = look_up(&q->session, q->places, from_time_ms > 0 ? from_time_ms : TIME_START, reterr);
    if (r)
        return r;
    drop_empty(q);
    return 0;
}

/* One partition's end was reached: its element in `ends` is spent. */
static void close_place(struct search *q, const char *topic, int32_t partition, int64_t next_offset)
{
    rd_kafka_topic_partition_t *end = rd_kafka_topic_partition_list_find(q->ends, topic, partition);
    if (!end || end->opaque || next_offset < end->offset)
        return;
    end->opaque = q;
    q->n_open--;
}

static void take_found(struct search *q, const struct message *m)
{
    const rd_kafka_topic_partition_t *end =
        rd_kafka_topic_partition_list_find(q->ends, m->topic, m->partition);
    q->found = (struct admin_found){
        .partition = m->partition,
        .offset = m->offset,
        .timestamp_ms = m->timestamp_ms,
        .end = end && end->offset > m->offset ? end->offset : m->offset + 1,
    };
    while (strcmp(q->topics[q->found.topic], m->topic) != 0)
        q->found.topic++;
}

/* Return: 0 when it is the one; ADMIN_NOT_FOUND; -ENOMEM. Takes @rkm over. */
static int look_at(struct search *q, rd_kafka_message_t *rkm)
{
    struct message *m;
    if (rkm->err) {
        if (rkm->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            close_place(q, rd_kafka_topic_name(rkm->rkt), rkm->partition, INT64_MAX);
        rd_kafka_message_destroy(rkm);
        return ADMIN_NOT_FOUND;
    }
    int r = message_from_kafka(rkm, false, &m);
    if (r) {
        rd_kafka_message_destroy(rkm);
        return r;
    }
    bool matches = q->match(m, q->userdata);
    if (matches)
        take_found(q, m);
    else
        close_place(q, m->topic, m->partition, m->offset + 1);
    message_free(m);
    return matches ? 0 : ADMIN_NOT_FOUND;
}

static int read_places(struct search *q, struct err *reterr)
{
    rd_kafka_resp_err_t code = rd_kafka_assign(q->session.rk, q->places);
    if (code)
        return admin_session_judge(&q->session, code, NULL, "reading", reterr);
    int r = ADMIN_NOT_FOUND;
    while (r == ADMIN_NOT_FOUND && q->n_open > 0 && clock_mono_us() < q->session.deadline_us) {
        rd_kafka_message_t *rkm = rd_kafka_consumer_poll(q->session.rk, admin_session_left_ms(&q->session));
        if (rkm)
            r = look_at(q, rkm);
    }
    return r;
}

int admin_find_message(struct admin *a, const char *const *topics, size_t n_topics, int64_t from_time_ms,
                       admin_match_fn match, void *userdata, int64_t budget_us, struct admin_found *ret,
                       struct err *reterr)
{
    /* A group's name is needed to be assigned partitions by hand; nothing ever joins or commits. */
    static const struct producer_property own[] = {
        { "group.id", "libjob-admin" },
        { "enable.partition.eof", "true" },
        { "auto.offset.reset", "error" },
        { "fetch.wait.max.ms", "20" },
    };
    _cleanup_(search_done) struct search q = {
        .topics = topics,
        .n_topics = n_topics,
        .match = match,
        .userdata = userdata,
        .places = rd_kafka_topic_partition_list_new(8),
        .ends = rd_kafka_topic_partition_list_new(8),
    };
    int r = admin_session_open(&q.session, a, own, ARRAY_SIZE(own), budget_us, reterr);
    if (r == 0)
        r = find_places(&q, from_time_ms, reterr);
    if (r == 0)
        r = read_places(&q, reterr);
    if (r == 0)
        *ret = q.found;
    else if (r == ADMIN_NOT_FOUND)
        err_set(reterr, r, "not among what was looked at");
    return r;
}
