/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/queue/places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/queues.h"

/* As queues_list_places() has them. */
enum { TOPIC, PARTITION, NEXT_OFFSET, N_BEYOND, OWNER, BEAT_AT, UPDATED_AT, TROUBLE, CRASH_COUNT };

static void name_topics(const struct invocation *in, const char *queue, struct places *p)
{
    for (enum name_lane lane = 0; lane < LANE_COUNT; lane++)
        name_topic_of_lane(in->config->prefix, queue, lane, p->topics[lane]);
}

/* The place, made when it is new. NULL without memory. */
static struct place *get(struct places *p, enum name_lane lane, int32_t partition)
{
    size_t at = 0;
    while (at < p->n &&
           (p->list[at].lane < lane || (p->list[at].lane == lane && p->list[at].partition < partition)))
        at++;
    if (at < p->n && p->list[at].lane == lane && p->list[at].partition == partition)
        return &p->list[at];
    struct place *list = reallocarray(p->list, p->n + 1, sizeof(*list));
    if (!list)
        return NULL;
    p->list = list;
    memmove(&list[at + 1], &list[at], (p->n - at) * sizeof(*list));
    list[at] = (struct place){
        .lane = lane, .topic = p->topics[lane], .partition = partition, .start = -1, .end = -1
    };
    p->n++;
    return &list[at];
}

/* --- Kafka's part --- */

static int read_topic(struct invocation *in, struct places *p, enum name_lane lane, int32_t n_partitions,
                      struct err *reterr)
{
    _cleanup_free_ struct admin_range *ranges = calloc((size_t)n_partitions + 1, sizeof(*ranges));
    if (!ranges)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    int r = admin_read_ranges(in->admin, p->topics[lane], n_partitions, ranges, reterr);
    if (r)
        return invocation_judge_kafka(in, r, reterr);
    p->there[lane] = true;
    p->n_partitions[lane] = n_partitions;
    for (int32_t i = 0; i < n_partitions; i++) {
        struct place *place = get(p, lane, i);
        if (!place)
            return err_set(reterr, STATUS_FAILED, "out of memory");
        place->start = ranges[i].start;
        place->end = ranges[i].end;
    }
    return STATUS_DONE;
}

int places_read_kafka(struct invocation *in, const char *queue, struct places *p, struct err *reterr)
{
    _cleanup_(admin_topics_done) struct admin_topics topics = { 0 };
    name_topics(in, queue, p);
    int r = invocation_prepare_kafka(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_kafka(in, admin_list_topics(in->admin, p->topics[LANE_NORMAL], &topics, reterr),
                                   reterr);
    for (size_t i = 0; r == STATUS_DONE && i < topics.n; i++)
        for (enum name_lane lane = 0; r == STATUS_DONE && lane < LANE_COUNT; lane++)
            if (strcmp(topics.topics[i].name, p->topics[lane]) == 0)
                r = read_topic(in, p, lane, topics.topics[i].n_partitions, reterr);
    return r;
}

/* --- PostgreSQL's part --- */

static int take_cursor(const struct invocation *in, struct places *p, size_t row)
{
    const struct rows *c = p->cursors;
    enum name_lane lane = name_lane_of_topic(in->config->prefix, rows_text(c, row, TOPIC));
    struct place *place = get(p, lane, rows_int(c, row, PARTITION));
    if (!place)
        return STATUS_FAILED;
    place->has_cursor = true;
    place->next_offset = rows_bigint(c, row, NEXT_OFFSET);
    place->n_beyond = rows_bigint(c, row, N_BEYOND);
    place->owner = rows_text(c, row, OWNER);
    place->beat_us = rows_is_null(c, row, BEAT_AT) ? 0 : rows_time_us(c, row, BEAT_AT);
    place->updated_us = rows_time_us(c, row, UPDATED_AT);
    place->trouble = rows_text(c, row, TROUBLE);
    place->crash_count = rows_int(c, row, CRASH_COUNT);
    return STATUS_DONE;
}

int places_read_store(struct invocation *in, const char *queue, struct places *p, struct err *reterr)
{
    const char *topics[LANE_COUNT];
    name_topics(in, queue, p);
    for (enum name_lane lane = 0; lane < LANE_COUNT; lane++)
        topics[lane] = p->topics[lane];
    int r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = invocation_judge_store(in, queues_list_places(in->db, topics, LANE_COUNT, &p->cursors, reterr),
                                   reterr);
    for (size_t i = 0; r == STATUS_DONE && i < rows_count(p->cursors); i++)
        if (take_cursor(in, p, i))
            return err_set(reterr, STATUS_FAILED, "out of memory");
    return r;
}

void places_done(struct places *p)
{
    rows_free(p->cursors);
    free(p->list);
}

/* --- What it comes to --- */

bool places_has_topic(const struct places *p, const char *topic)
{
    for (enum name_lane lane = 0; lane < LANE_COUNT; lane++)
        if (p->there[lane] && strcmp(p->topics[lane], topic) == 0)
            return true;
    return false;
}

int64_t place_lag(const struct place *place)
{
    if (place->end < 0)
        return -1;
    int64_t from = place->has_cursor && place->next_offset > place->start ? place->next_offset : place->start;
    return place->end > from ? place->end - from : 0;
}

int64_t places_sum_backlog(const struct places *p)
{
    int64_t sum = 0;
    for (size_t i = 0; i < p->n; i++) {
        int64_t lag = place_lag(&p->list[i]);
        sum += lag > p->list[i].n_beyond ? lag - p->list[i].n_beyond : 0;
    }
    return sum;
}
