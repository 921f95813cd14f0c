/* SPDX-License-Identifier: Apache-2.0 */
/* What PostgreSQL says of keys, from its answers to batches and take-overs, or when a doubtful one is asked for. */
#include "worker/recorder_inside.h"

#include <string.h>

#include "base/clock.h"

#define LOOK_PAUSE_US USEC_PER_SEC /* should nobody have told us */
#define LOOK_MAX_KEYS 1024

void recorder_take_heads(struct recorder *r, const struct rows *heads)
{
    struct partition *p = NULL;
    for (size_t i = 0; r->owned && i < rows_count(heads); i++) {
        const char *topic = rows_text(heads, i, HEAD_TOPIC);
        int32_t id = rows_int(heads, i, HEAD_PARTITION);
        struct keys_head head = { .seq = KEYS_NO_HEAD };
        if (!p || p->id != id || strcmp(p->topic, topic) != 0)
            p = partition_find(r->owned, topic, id);
        if (!p || !p->keys)
            continue;
        if (!rows_is_null(heads, i, HEAD_SEQ)) {
            head.seq = rows_bigint(heads, i, HEAD_SEQ);
            head.parked = rows_bool(heads, i, HEAD_PARKED);
            rows_uuid(heads, i, HEAD_ID, &head.id);
        }
        keys_set_head(p->keys, (uint64_t)rows_bigint(heads, i, HEAD_HASH), &head);
    }
}

void recorder_take_all_heads(struct recorder *r, const struct rows *heads)
{
    list_for_each(link, r->take_over)
    {
        struct partition *p = list_entry(link, struct partition, link);
        if (rows_count(heads) > KEYS_KNOWN && p->keys)
            keys_set_incomplete(p->keys);
    }
    recorder_take_heads(r, heads);
}

int64_t recorder_look_at_us(const struct recorder *r)
{
    return r->keys && r->keys->n_doubtful ? r->looked_at_us + LOOK_PAUSE_US : 0;
}

bool recorder_wants_look(const struct recorder *r)
{
    int64_t at_us = recorder_look_at_us(r);
    return at_us && (r->keys->is_urgent || clock_mono_us() >= at_us);
}

static void on_looked(const struct session_reply *reply, void *userdata)
{
    struct recorder *r = userdata;
    if (recorder_answered(r, reply))
        recorder_take_heads(r, reply->rows[0]);
}

/* Each partition's share of one request: the others come with the next. */
static size_t list_doubtful(struct recorder *r, struct record_look *looks)
{
    uint64_t hashes[LOOK_MAX_KEYS];
    size_t n = 0;
    list_for_each(link, r->owned)
    {
        const struct partition *p = list_entry(link, struct partition, link);
        size_t found = p->keys ? keys_list_doubtful(p->keys, hashes, LOOK_MAX_KEYS - n) : 0;
        for (size_t i = 0; i < found; i++)
            looks[n++] = (struct record_look){ { p->topic, p->id }, hashes[i] };
    }
    return n;
}

void recorder_send_look(struct recorder *r)
{
    struct record_look looks[LOOK_MAX_KEYS];
    size_t n = list_doubtful(r, looks);
    r->looked = true;
    r->looked_at_us = clock_mono_us();
    r->keys->is_urgent = n == LOOK_MAX_KEYS;
    r->request = REQUEST_LOOK;
    record_look_at_keys(recorder_session(r), looks, n, on_looked, r);
}
