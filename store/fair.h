/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who of several lines goes first, when a batch takes so many bytes.
 *
 * The lines share it by bytes: first come those that have least of their own line in front of them; between equals, the first
 * line. (Fair queueing by virtual start times, as in P. Goyal, H. Vin, H. Cheng: "Start-time Fair Queuing", 1996, for one batch.)
 * Each counts FAIR_EXTRA bytes more than it has, so that small ones share by number.
 *
 * Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FAIR_EXTRA 256

struct fair_item {
    int32_t line;
    int64_t size_bytes;
    int64_t place; /* set: what is in front of it in its line */
};

/*
 * @items:     line after line, each line's in its order
 * @ret_order: room for @n; their numbers, in the order in which they go
 *
 * The first one goes however large it is; the batch ends where @max_bytes were reached. Return: how many go, at most @max.
 */
size_t fair_choose(struct fair_item *items, size_t n, size_t max, int64_t max_bytes, uint32_t *ret_order);
