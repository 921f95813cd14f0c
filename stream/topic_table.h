/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The topics that one producing handle has used, so that sending does not look a name up under librdkafka's lock.
 *
 * Creating librdkafka's topic object ahead also asks for the topic's leader at once; producing by name waits for a timer
 * that runs once a second (librdkafka #5032, mended in 2.10.1).
 */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>

#define TOPIC_TABLE_SIZE 256 /* a power of two; more topics than this work, but are looked up each time */

struct topic_table {
    _Atomic(rd_kafka_topic_t *) slots[TOPIC_TABLE_SIZE];
};

/*
 * Any thread. @ret_owned: true when the table had no place for it, then the caller gives it back with
 * rd_kafka_topic_destroy(). Return: the topic; NULL when @name is none.
 */
rd_kafka_topic_t *topic_table_get(struct topic_table *t, rd_kafka_t *rk, const char *name, bool *ret_owned);

/* When nobody uses it any more, before the handle is destroyed. */
void topic_table_done(struct topic_table *t);
