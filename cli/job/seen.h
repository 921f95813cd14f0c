/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a look has met already and the next one will meet again: rows that were written from its horizon on (store/tail.h).
 *
 * Transaction numbers are compared as PostgreSQL does, in a circle: of two the later one is ahead by less than 2³¹. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"

#define SEEN_MAX 1000000

struct seen_row {
    struct uuid id;
    int64_t finished_us;
    int32_t delivery; /* of a try; -1: the end */
    uint32_t xid;
};

struct seen {
    struct seen_row *rows;
    size_t n, room;
    uint32_t *places; /* a hash table of numbers of rows + 1 */
    size_t n_places;
};

void seen_done(struct seen *s);
bool seen_has(const struct seen *s, const struct uuid *id, int32_t delivery);
/* Return: 0; 1 when there are SEEN_MAX; -ENOMEM. */
int seen_add(struct seen *s, const struct seen_row *row);
/* Forgets what no look from @horizon on will meet, nor one at ends from @from_us on. */
void seen_forget(struct seen *s, uint32_t horizon, int64_t from_us);
bool seen_is_before(uint32_t xid, uint32_t horizon);
