/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done in one partition, from the cursor's next_offset on.
 *
 * Model: every offset below `base` is done. Of those from base to `high` (one past the newest that was read) a bit each says
 * whether it is done; window_advance() moves base over done ones. `capacity` bounds high − base, so the bitmap has a
 * bound and one job that never ends stops its own partition only.
 *
 * Gaps in offsets (transaction markers, compaction) are done as soon as a record behind them has been read, or the end of the log.
 *
 * The stored form, job.cursor.done: empty when no bit is set; else one byte of version (1), four bytes of CRC-32C in network
 * order over next_offset (eight bytes, network order) and the bits, then the bits: bit i of byte j is offset
 * next_offset + 8·j + i; no zero bytes at the end. A form that does not read back as written counts as empty: jobs are
 * run again, never skipped.
 *
 * Pure: no I/O, no clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

/* The longest stored form has so many bits, whatever the capacity of who reads it. */
#define WINDOW_MAX 15000

struct window {
    int64_t base;
    int64_t high;
    int64_t capacity;
    uint8_t *bits; /* ring: offset o is bit o % ring_bits */
    int64_t ring_bits;
};

/* Return: 0; -ENOMEM. */
int window_init(struct window *w, int64_t base, int64_t capacity);
void window_done(struct window *w);

/* Reads the stored form. Return: 0; 1 when it is damaged, of another version or too long (then nothing is marked). */
int window_decode(struct window *w, struct span done);

/* Where the cursor is: everything before it is done. */
int64_t window_next(const struct window *w);
/* Appends the stored form of what is done and sets *@ret_next to the next_offset that belongs to it. */
void window_encode(const struct window *w, int64_t *ret_next, struct buf *done);

/* A record at @offset was read, or the log ends there: everything skipped since the last one is a gap. Only within
 * window_has_room(). Return: how many offsets of gap were marked. */
int64_t window_see(struct window *w, int64_t offset);
/* As above for the end of the log: @offset itself has not been read. */
int64_t window_see_end(struct window *w, int64_t offset);

bool window_has_room(const struct window *w, int64_t offset);
/* More than half of its capacity is between base and high. */
bool window_is_crowded(const struct window *w);
bool window_is_done(const struct window *w, int64_t offset);
void window_mark(struct window *w, int64_t offset);
void window_unmark(struct window *w, int64_t offset);

/* Moves base over what is done. Only when that is recorded. */
void window_advance(struct window *w);
