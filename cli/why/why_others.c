/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/why/why_others.h"

#include <string.h>

#include "base/hash.h"
#include "store/why.h"

#define BEFORE_MAX 64 /* as why_list_before() has it */

/* Only jobs of types with an order wait for others of their key; what is not configured here may have one. */
static bool is_perhaps_ordered(const struct invocation *in, const struct why_inquiry *q)
{
    const struct config_handler *h = config_find_handler(in->config, span_from_string(q->facts.type));
    return q->found.has_key && (!h || h->order != CONFIG_KEYS_NONE);
}

/* Its place in the order of its key. Return: false when it has none. */
static bool find_hold(const struct invocation *in, const struct why_inquiry *q, struct why_hold *ret)
{
    if (q->facts.place == WHY_PENDING && !rows_is_null(q->job, 0, WHY_JOB_HOLD_TOPIC)) {
        *ret = (struct why_hold){ .topic = rows_text(q->job, 0, WHY_JOB_HOLD_TOPIC),
                                  .partition = rows_int(q->job, 0, WHY_JOB_HOLD_PARTITION),
                                  .key_hash = rows_bigint(q->job, 0, WHY_JOB_HOLD_HASH),
                                  .seq = rows_bigint(q->job, 0, WHY_JOB_HOLD_SEQ) };
        return true;
    }
    if (q->facts.place != WHY_QUEUED || !is_perhaps_ordered(in, q))
        return false;
    uint64_t hash = hash_fnv1a(HASH_START, q->found.key.data, q->found.key.size);
    *ret = (struct why_hold){ .topic = q->facts.topic,
                              .partition = q->facts.partition,
                              .key_hash = (int64_t)hash,
                              .seq = q->found.key_seq > 0 ? q->found.key_seq - 1 : q->found.offset };
    return true;
}

/* The row of q->states that is of @id; -1: none. */
static int find_state(const struct why_inquiry *q, const struct uuid *id)
{
    struct uuid known;
    for (size_t i = 0; i < rows_count(q->states); i++) {
        rows_uuid(q->states, i, 0, &known);
        if (uuid_equal(&known, id))
            return (int)i;
    }
    return -1;
}

/* The first one that has not ended. What has, is forgotten before long. */
static void take_blocker(struct why_inquiry *q)
{
    for (size_t i = 0; i < rows_count(q->before); i++) {
        struct uuid id;
        rows_uuid(q->before, i, 0, &id);
        int row = find_state(q, &id);
        if (row >= 0 && rows_bool(q->states, (size_t)row, 2))
            continue;
        q->facts.blocker =
            (struct why_other){ .id = uuid_format(&id, q->blocker),
                                .state = row >= 0 ? rows_text(q->states, (size_t)row, 1) : NULL,
                                .since_us = rows_time_us(q->before, i, 1) };
        return;
    }
}

static int ask_blocker(struct invocation *in, struct why_inquiry *q, struct err *reterr)
{
    struct why_hold hold;
    struct uuid ids[BEFORE_MAX];
    if (!find_hold(in, q, &hold))
        return STATUS_DONE;
    int r = why_list_before(in->db, &hold, &q->before, reterr);
    size_t n = r ? 0 : rows_count(q->before);
    if (r || n == 0)
        return invocation_judge_store(in, r, reterr);
    for (size_t i = 0; i < n; i++)
        rows_uuid(q->before, i, 0, &ids[i]);
    r = why_list_states(in->db, ids, n, &q->states, reterr);
    if (r == 0)
        take_blocker(q);
    return invocation_judge_store(in, r, reterr);
}

/* What the first one of its unique key does. */
static int ask_original(struct invocation *in, struct why_inquiry *q, struct err *reterr)
{
    struct uuid id;
    const char *text = q->facts.original.id;
    if (!text || uuid_parse(text, strlen(text), &id))
        return STATUS_DONE;
    int r = why_list_states(in->db, &id, 1, &q->states, reterr);
    if (r == 0 && rows_count(q->states))
        q->facts.original.state = rows_text(q->states, 0, 1);
    return invocation_judge_store(in, r, reterr);
}

int why_ask_others(struct invocation *in, struct why_inquiry *q, struct err *reterr)
{
    return q->facts.place == WHY_ENDED ? ask_original(in, q, reterr) : ask_blocker(in, q, reterr);
}
