/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/topic_table.h"

#include <string.h>

#include "base/hash.h"

#define PROBES_MAX 8

/* Slots are filled once and never emptied, so a slot that is empty ends the search. */
static rd_kafka_topic_t *fill_slot(struct topic_table *t, size_t slot, rd_kafka_t *rk, const char *name)
{
    rd_kafka_topic_t *there = NULL, *made = rd_kafka_topic_new(rk, name, NULL);
    if (!made || atomic_compare_exchange_strong(&t->slots[slot], &there, made))
        return made;
    rd_kafka_topic_destroy(made); /* another thread was faster, perhaps with another topic */
    return there;
}

rd_kafka_topic_t *topic_table_get(struct topic_table *t, rd_kafka_t *rk, const char *name, bool *ret_owned)
{
    size_t start = hash_fnv1a(HASH_START, name, strlen(name));
    *ret_owned = false;
    for (size_t probe = 0; probe < PROBES_MAX; probe++) {
        size_t slot = (start + probe) % TOPIC_TABLE_SIZE;
        rd_kafka_topic_t *there = atomic_load_explicit(&t->slots[slot], memory_order_acquire);
        if (!there)
            there = fill_slot(t, slot, rk, name);
        if (!there || strcmp(rd_kafka_topic_name(there), name) == 0)
            return there;
    }
    *ret_owned = true;
    return rd_kafka_topic_new(rk, name, NULL);
}

void topic_table_done(struct topic_table *t)
{
    for (size_t i = 0; i < TOPIC_TABLE_SIZE; i++)
        if (t->slots[i])
            rd_kafka_topic_destroy(t->slots[i]);
}
