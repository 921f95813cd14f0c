/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job/lookup.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "libjob/envelope.h"
#include "libjob/names.h"
#include "store/queues.h"

#define BUDGET_US (2 * USEC_PER_SEC)
/* Kafka's clock may be behind that of whoever made the id. */
#define CLOCK_SKEW_MS 60000

static void copy(struct lookup *l, const struct message *m, const struct envelope *e)
{
    size_t n_headers = m->n_headers < MESSAGE_MAX_HEADERS ? m->n_headers : MESSAGE_MAX_HEADERS;
    buf_append(&l->type, e->type.data, e->type.size);
    buf_append(&l->key, e->key.data, e->key.size);
    buf_append(&l->payload, e->payload.data, e->payload.size);
    buf_append(&l->queue, e->queue.data, e->queue.size);
    envelope_headers_to_json(m->headers, n_headers, true, &l->headers);
    l->has_key = e->key.data != NULL;
    l->has_payload = e->payload.data != NULL;
    l->parent = e->parent;
    l->enqueued_us = e->time_us;
    l->run_at_us = e->run_at_us;
    l->expires_us = e->expires_us;
    l->key_seq = e->key_seq;
    l->attempt = e->attempt;
    l->delivery = e->delivery;
    l->failed = l->type.failed || l->key.failed || l->payload.failed || l->headers.failed || l->queue.failed;
}

static bool is_it(const struct message *m, void *userdata)
{
    struct lookup *l = userdata;
    struct envelope e = { 0 };
    bool same =
        envelope_decode(m, &e, NULL) >= 0 && uuid_equal(&e.id, &l->id) && e.delivery >= l->min_delivery;
    if (same)
        copy(l, m, &e);
    envelope_done(&e);
    return same;
}

static int64_t start_time_ms(const struct uuid *id, int64_t since_us)
{
    int64_t now_ms = clock_wall_us() / 1000, from_ms = since_us ? since_us / 1000 : uuid_time_ms(id);
    return (from_ms < now_ms ? from_ms : now_ms) - CLOCK_SKEW_MS;
}

/* Reads all topics that belong to a queue, and that of what comes later if that is wished. @names: room for all. */
static int search(struct invocation *in, const struct admin_topics *topics, const struct lookup_wish *wish,
                  const char **names, struct lookup *l, struct err *reterr)
{
    size_t n = 0;
    struct admin_found found;
    char later[NAME_TOPIC_MAX + 1];
    int64_t begun_us = clock_mono_us();
    name_topic(in->config->prefix, NAME_LATER, later);
    for (size_t i = 0; i < topics->n; i++)
        if (name_queue_of_topic(in->config->prefix, topics->topics[i].name).data ||
            (wish->later && strcmp(topics->topics[i].name, later) == 0))
            names[n++] = topics->topics[i].name;
    if (n == 0)
        return LOOKUP_NOT_FOUND;
    int r = admin_find_message(in->admin, names, n, start_time_ms(&l->id, wish->since_us), is_it, l,
                               BUDGET_US, &found, reterr);
    if (r == ADMIN_NOT_FOUND)
        return clock_mono_us() - begun_us < BUDGET_US * 9 / 10 ? LOOKUP_NOT_FOUND : LOOKUP_TIMED_OUT;
    if (r)
        return invocation_judge_kafka(in, r, reterr);
    l->topic = strdup(names[found.topic]);
    l->partition = found.partition;
    l->offset = found.offset;
    return l->failed || !l->topic ? err_set(reterr, STATUS_FAILED, "out of memory") : STATUS_DONE;
}

/* Without a cursor nothing was done yet: all jobs since the log's start are ahead. */
static int64_t count_ahead(struct invocation *in, const struct lookup *l)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int32_t n = l->partition + 1;
    if (queues_find_cursor(in->db, l->topic, l->partition, &rows, NULL) == 0 && rows_count(rows) > 0)
        return l->offset - rows_bigint(rows, 0, 0);
    _cleanup_free_ struct admin_range *ranges = calloc((size_t)n, sizeof(*ranges));
    if (!ranges || admin_read_ranges(in->admin, l->topic, n, ranges, NULL) != 0)
        return l->offset;
    return l->offset - ranges[n - 1].start;
}

int lookup_find(struct invocation *in, const struct uuid *id, struct lookup *ret, struct err *reterr)
{
    return lookup_find_wished(in, id, &(struct lookup_wish){ 0 }, ret, reterr);
}

int lookup_find_wished(struct invocation *in, const struct uuid *id, const struct lookup_wish *wish,
                       struct lookup *ret, struct err *reterr)
{
    _cleanup_(admin_topics_done) struct admin_topics topics = { 0 };
    char prefix[NAME_TOPIC_MAX + 1];
    *ret = (struct lookup){ .id = *id, .min_delivery = wish->min_delivery };
    int r = invocation_prepare_kafka(in, reterr);
    if (r)
        return r;
    snprintf(prefix, sizeof(prefix), "%s.", in->config->prefix);
    r = admin_list_topics(in->admin, prefix, &topics, reterr);
    if (r)
        return invocation_judge_kafka(in, r, reterr);
    _cleanup_free_ const char **names = calloc(topics.n + 1, sizeof(*names));
    if (!names)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    r = search(in, &topics, wish, names, ret, reterr);
    if (r == STATUS_DONE)
        ret->ahead = count_ahead(in, ret);
    return r;
}

/* Without a topic it is not the one. */
static void take(const struct message *m, void *userdata)
{
    struct lookup *l = userdata;
    if (is_it(m, l))
        l->topic = strdup(m->topic);
}

int lookup_read(struct invocation *in, const struct uuid *id, const char *topic, int32_t partition,
                int64_t offset, struct lookup *ret, struct err *reterr)
{
    *ret = (struct lookup){ .id = *id, .partition = partition, .offset = offset };
    int r = invocation_prepare_kafka(in, reterr);
    if (r)
        return r;
    r = admin_read_record(in->admin, topic, partition, offset, take, ret, BUDGET_US, reterr);
    if (r == ADMIN_NOT_FOUND || r == ADMIN_NO_TOPIC)
        return LOOKUP_NOT_FOUND;
    if (r)
        return invocation_judge_kafka(in, r, reterr);
    if (ret->failed)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    return ret->topic ? STATUS_DONE : LOOKUP_NOT_FOUND;
}

void lookup_done(struct lookup *l)
{
    buf_done(&l->type);
    buf_done(&l->key);
    buf_done(&l->payload);
    buf_done(&l->queue);
    buf_done(&l->headers);
    free(l->topic);
    *l = (struct lookup){ 0 };
}
