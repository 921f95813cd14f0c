/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/capture.h"

#include <string.h>

#include "base/utf8.h"

static void put_line(struct capture *c, capture_line_fn put, void *userdata)
{
    put(c->line, c->line_size, userdata);
    c->line_size = 0;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Up to the end of the line, of the data, or of the room. Return: how much of @data that was. */
static size_t take_part(struct capture *c, const char *data, size_t size, capture_line_fn put, void *userdata)
{
    size_t n = smaller(size, sizeof(c->line) - c->line_size);
    const char *end = memchr(data, '\n', n);
    if (end)
        n = (size_t)(end - data);
    memcpy(c->line + c->line_size, data, n);
    c->line_size += n;
    if (end || c->line_size == sizeof(c->line))
        put_line(c, put, userdata);
    return end ? n + 1 : n;
}

static void take_tail(struct capture *c, const char *data, size_t size)
{
    size_t n = smaller(size, sizeof(c->tail)), old = smaller(c->tail_size, sizeof(c->tail) - n);
    memmove(c->tail, c->tail + c->tail_size - old, old);
    memcpy(c->tail + old, data + size - n, n);
    c->tail_size = old + n;
}

void capture_take(struct capture *c, const char *data, size_t size, capture_line_fn put, void *userdata)
{
    size_t kept = smaller(size, CAPTURE_MAX - c->n_kept);
    for (size_t at = 0; at < kept;)
        at += take_part(c, data + at, kept - at, put, userdata);
    c->n_kept += kept;
    c->n_dropped += size - kept;
    take_tail(c, data, size);
}

uint64_t capture_end(struct capture *c, capture_line_fn put, void *userdata)
{
    uint64_t n_dropped = c->n_dropped;
    if (c->line_size)
        put_line(c, put, userdata);
    c->n_kept = c->tail_size = 0;
    c->n_dropped = 0;
    return n_dropped;
}

/* A line whose beginning is gone is left out, unless it is all there is. */
void capture_append_tail(const struct capture *c, struct buf *text)
{
    const char *start = c->tail, *end = c->tail + c->tail_size;
    while (end > start && end[-1] == '\n')
        end--;
    const char *cut = c->tail_size == sizeof(c->tail) ? memchr(start, '\n', (size_t)(end - start)) : NULL;
    if (cut)
        start = cut + 1;
    utf8_append_clean(text, start, (size_t)(end - start), 3 * sizeof(c->tail));
}
