/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/window.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define DONE_VERSION 1
#define DONE_HEADER_SIZE 5

int window_init(struct window *w, int64_t base, int64_t capacity)
{
    int64_t ring_bits = ((capacity > WINDOW_MAX ? capacity : WINDOW_MAX) + 7) / 8 * 8;
    *w = (struct window){ .base = base, .high = base, .capacity = capacity, .ring_bits = ring_bits };
    w->bits = calloc((size_t)ring_bits / 8, 1);
    return w->bits ? 0 : -ENOMEM;
}

void window_done(struct window *w)
{
    free(w->bits);
    w->bits = NULL;
}

static void put_bit(struct window *w, int64_t offset, bool value)
{
    int64_t bit = offset % w->ring_bits;
    uint8_t mask = (uint8_t)(1 << bit % 8);
    if (value)
        w->bits[bit / 8] |= mask;
    else
        w->bits[bit / 8] &= (uint8_t)~mask;
}

static bool get_bit(const struct window *w, int64_t offset)
{
    int64_t bit = offset % w->ring_bits;
    return w->bits[bit / 8] >> bit % 8 & 1;
}

bool window_has_room(const struct window *w, int64_t offset)
{
    return offset - w->base < w->capacity;
}

bool window_is_crowded(const struct window *w)
{
    return w->high - w->base > w->capacity / 2;
}

bool window_is_done(const struct window *w, int64_t offset)
{
    return offset < w->base || (offset < w->high && get_bit(w, offset));
}

void window_mark(struct window *w, int64_t offset)
{
    put_bit(w, offset, true);
}

void window_unmark(struct window *w, int64_t offset)
{
    put_bit(w, offset, false);
}

int64_t window_see_end(struct window *w, int64_t offset)
{
    int64_t gap = 0;
    if (w->high == w->base &&
        offset > w->base) { /* nothing is open: no bits are needed, however long the gap */
        gap = offset - w->base;
        w->base = w->high = offset;
        return gap;
    }
    for (; w->high < offset && window_has_room(w, w->high); w->high++, gap++)
        window_mark(w, w->high);
    return gap;
}

int64_t window_see(struct window *w, int64_t offset)
{
    int64_t gap = window_see_end(w, offset);
    if (w->high == offset) {
        window_unmark(w, offset);
        w->high = offset + 1;
    }
    return gap;
}

void window_advance(struct window *w)
{
    while (w->base < w->high && get_bit(w, w->base)) {
        put_bit(w, w->base, false);
        w->base++;
    }
}

static uint32_t checksum(int64_t next, const void *bits, size_t size)
{
    uint64_t be = htobe64((uint64_t)next);
    return hash_crc32c(hash_crc32c(0, &be, sizeof(be)), bits, size);
}

int64_t window_next(const struct window *w)
{
    int64_t next = w->base;
    while (next < w->high && get_bit(w, next))
        next++;
    return next;
}

void window_encode(const struct window *w, int64_t *ret_next, struct buf *done)
{
    uint8_t bits[16384 / 8 + 1] = { 0 };
    int64_t next = window_next(w), last = -1;
    for (int64_t o = next; o < w->high; o++) {
        if (!get_bit(w, o))
            continue;
        last = o - next;
        bits[last / 8] |= (uint8_t)(1 << last % 8);
    }
    *ret_next = next;
    if (last < 0)
        return;
    size_t size = (size_t)last / 8 + 1;
    buf_append_char(done, DONE_VERSION);
    buf_append_be32(done, checksum(next, bits, size));
    buf_append(done, bits, size);
}

static bool done_is_intact(const struct window *w, struct span done)
{
    uint32_t crc;
    if (done.size <= DONE_HEADER_SIZE || done.data[0] != DONE_VERSION)
        return false;
    size_t size = done.size - DONE_HEADER_SIZE;
    memcpy(&crc, done.data + 1, sizeof(crc));
    return (int64_t)size * 8 <= w->ring_bits &&
           be32toh(crc) == checksum(w->base, done.data + DONE_HEADER_SIZE, size);
}

int window_decode(struct window *w, struct span done)
{
    if (done.size == 0)
        return 0;
    if (!done_is_intact(w, done))
        return 1;
    const uint8_t *bits = (const uint8_t *)done.data + DONE_HEADER_SIZE;
    int64_t count = (int64_t)(done.size - DONE_HEADER_SIZE) * 8;
    for (int64_t i = 0; i < count; i++) {
        if (bits[i / 8] >> i % 8 & 1) {
            window_mark(w, w->base + i);
            w->high = w->base + i + 1;
        }
    }
    return 0;
}
