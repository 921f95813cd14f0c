/* SPDX-License-Identifier: Apache-2.0 */
/* Reading messages of one topic whose offsets are known. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "stream/admin_session.h"
#include "stream/consume_message.h"

DEFINE_CLEANUP(rd_kafka_topic_partition_list_t *, rd_kafka_topic_partition_list_destroy)
#define _cleanup_list_ _cleanup_(rd_kafka_topic_partition_list_destroy_cleanup)

/* So many offsets are read through rather than passed over: to seek costs a request, and what was fetched ahead. */
#define READ_THROUGH 2000

/* One partition: what of it is wanted, and how far it has come. */
struct place {
    int32_t partition;
    size_t next, end; /* among the wants */
};

struct reading {
    struct admin_session session;
    const char *topic;
    struct admin_want *wants;
    struct place *places;
    size_t n_places, n_open;
    int64_t timeout_us;
    admin_take_fn take;
    void *userdata;
};

static void reading_done(struct reading *g)
{
    admin_session_close(&g->session);
    free(g->places);
}

static void list_places(struct reading *g, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && g->wants[i].partition == g->wants[i - 1].partition)
            g->places[g->n_places - 1].end = i + 1;
        else
            g->places[g->n_places++] = (struct place){ g->wants[i].partition, i, i + 1 };
    }
}

/* What the log has no more, or not yet, is not waited for. */
static int cut_place(struct reading *g, struct place *p, struct err *reterr)
{
    int64_t start, end;
    rd_kafka_resp_err_t code;
    do
        code = rd_kafka_query_watermark_offsets(g->session.rk, g->topic, p->partition, &start, &end,
                                                admin_session_left_ms(&g->session));
    while (admin_session_may_repeat(&g->session, code));
    if (code)
        return admin_session_judge(&g->session, code, NULL, g->topic, reterr);
    while (p->next < p->end && g->wants[p->next].offset < start)
        g->wants[p->next++].fate = ADMIN_TRIMMED;
    while (p->next < p->end && g->wants[p->end - 1].offset >= end)
        g->wants[--p->end].fate = ADMIN_BEYOND;
    g->n_open += p->next < p->end;
    return 0;
}

/* Of a topic that has fewer partitions than it had, or another name's. */
static int find_partitions(struct reading *g, int32_t *ret_n, struct err *reterr)
{
    const struct rd_kafka_metadata *metadata;
    int r = admin_session_topic(&g->session, g->topic, &metadata, reterr);
    if (r)
        return r;
    *ret_n = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    return 0;
}

static int cut(struct reading *g, struct err *reterr)
{
    int32_t n_partitions = 0;
    int r = find_partitions(g, &n_partitions, reterr);
    for (size_t i = 0; r == 0 && i < g->n_places; i++) {
        struct place *p = &g->places[i];
        if (p->partition >= 0 && p->partition < n_partitions)
            r = cut_place(g, p, reterr);
        else
            while (p->next < p->end)
                g->wants[p->next++].fate = ADMIN_BEYOND;
    }
    return r;
}

static int assign(struct reading *g, struct err *reterr)
{
    _cleanup_list_ rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)g->n_places);
    for (size_t i = 0; i < g->n_places; i++)
        if (g->places[i].next < g->places[i].end)
            rd_kafka_topic_partition_list_add(list, g->topic, g->places[i].partition)->offset =
                g->wants[g->places[i].next].offset;
    rd_kafka_resp_err_t code = rd_kafka_assign(g->session.rk, list);
    return code ? admin_session_judge(&g->session, code, NULL, "reading", reterr) : 0;
}

/* Its partition sends no more, or goes on from the next that is wanted. */
static void move(struct reading *g, const struct place *p, int64_t offset)
{
    _cleanup_list_ rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, g->topic, p->partition);
    if (p->next == p->end) {
        g->n_open--;
        rd_kafka_pause_partitions(g->session.rk, list);
    } else if (g->wants[p->next].offset - offset > READ_THROUGH) {
        at->offset = g->wants[p->next].offset;
        rd_kafka_error_destroy(
            rd_kafka_seek_partitions(g->session.rk, list, admin_session_left_ms(&g->session)));
    }
}

/* Nothing more comes from here. */
static void give_up(struct reading *g, struct place *p, enum admin_fate fate)
{
    if (p->next == p->end)
        return;
    while (p->next < p->end)
        g->wants[p->next++].fate = fate;
    g->n_open--;
}

static int take_message(struct reading *g, struct place *p, const struct message *m)
{
    size_t before = p->next;
    while (p->next < p->end && g->wants[p->next].offset < m->offset)
        g->wants[p->next++].fate = ADMIN_MISSING;
    while (p->next < p->end && g->wants[p->next].offset == m->offset) {
        g->wants[p->next].fate = ADMIN_READ;
        if (!g->take(p->next++, m, g->userdata))
            return ADMIN_STOPPED;
    }
    if (p->next > before)
        move(g, p, m->offset);
    return 0;
}

/* Takes @rkm over. Return: 0; ADMIN_STOPPED; -ENOMEM. */
static int take(struct reading *g, rd_kafka_message_t *rkm)
{
    struct message *m;
    struct place *p = g->places;
    while (p < g->places + g->n_places && p->partition != rkm->partition)
        p++;
    if (rkm->err || p == g->places + g->n_places) {
        if (rkm->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && p < g->places + g->n_places)
            give_up(g, p, ADMIN_MISSING);
        if (rkm->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET && p < g->places + g->n_places)
            give_up(g, p, ADMIN_TRIMMED); /* while we were reading */
        rd_kafka_message_destroy(rkm);
        return 0;
    }
    int r = message_from_kafka(rkm, false, &m);
    if (r) {
        rd_kafka_message_destroy(rkm);
        return r;
    }
    g->session.deadline_us = clock_mono_us() + g->timeout_us;
    r = take_message(g, p, m);
    message_free(m);
    return r;
}

static int read_all(struct reading *g, struct err *reterr)
{
    int r = 0;
    while (r == 0 && g->n_open > 0) {
        if (clock_mono_us() >= g->session.deadline_us)
            return admin_session_judge(&g->session, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, g->topic, reterr);
        rd_kafka_message_t *rkm = rd_kafka_consumer_poll(g->session.rk, admin_session_left_ms(&g->session));
        if (rkm)
            r = take(g, rkm);
    }
    return r;
}

int admin_read_messages(struct admin *a, const char *topic, struct admin_want *wants, size_t n,
                        admin_take_fn take_fn, void *userdata, struct err *reterr)
{
    /* A group's name is needed to be assigned partitions by hand; nothing ever joins or commits. */
    static const struct producer_property own[] = {
        { "group.id", "libjob-admin" },
        { "enable.partition.eof", "true" },
        { "auto.offset.reset", "error" },
        { "fetch.wait.max.ms", "20" },
    };
    _cleanup_(reading_done) struct reading g = {
        .topic = topic,
        .wants = wants,
        .places = calloc(n + 1, sizeof(*g.places)),
        .timeout_us = admin_timeout_us(a),
        .take = take_fn,
        .userdata = userdata,
    };
    if (!g.places)
        return err_set(reterr, -ENOMEM, "out of memory");
    list_places(&g, n);
    int r = admin_session_open(&g.session, a, own, ARRAY_SIZE(own), g.timeout_us, reterr);
    if (r == 0)
        r = cut(&g, reterr);
    if (r == 0 && g.n_open > 0)
        r = assign(&g, reterr);
    return r ? r : read_all(&g, reterr);
}
