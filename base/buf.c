/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_DEFAULT_MAX ((size_t)1 << 30)

void buf_done(struct buf *b)
{
    free(b->data);
    *b = (struct buf){ .max = b->max };
}

void buf_reset(struct buf *b)
{
    b->size = 0;
    b->failed = false;
}

void *buf_reserve(struct buf *b, size_t size)
{
    size_t max = b->max ? b->max : BUF_DEFAULT_MAX;
    if (b->failed || size > max - b->size) {
        b->failed = true;
        return NULL;
    }
    size_t needed = b->size + size + 1;
    if (needed > b->capacity) {
        size_t capacity = b->capacity ? b->capacity : 256;
        while (capacity < needed)
            capacity *= 2;
        char *data = realloc(b->data, capacity);
        if (!data) {
            b->failed = true;
            return NULL;
        }
        b->data = data;
        b->capacity = capacity;
    }
    return b->data + b->size;
}

void buf_append(struct buf *b, const void *data, size_t size)
{
    char *at = buf_reserve(b, size);
    if (!at)
        return;
    if (size)
        memcpy(at, data, size);
    at[size] = 0;
    b->size += size;
}

void buf_append_string(struct buf *b, const char *string)
{
    buf_append(b, string, strlen(string));
}

void buf_append_char(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_append_format(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *at = n < 0 ? NULL : buf_reserve(b, (size_t)n);
    if (at) {
        vsnprintf(at, (size_t)n + 1, format, again);
        b->size += (size_t)n;
    }
    va_end(again);
}

void buf_append_be16(struct buf *b, uint16_t value)
{
    uint16_t be = htobe16(value);
    buf_append(b, &be, sizeof(be));
}

void buf_append_be32(struct buf *b, uint32_t value)
{
    uint32_t be = htobe32(value);
    buf_append(b, &be, sizeof(be));
}

void buf_append_be64(struct buf *b, uint64_t value)
{
    uint64_t be = htobe64(value);
    buf_append(b, &be, sizeof(be));
}

void buf_consume(struct buf *b, size_t size)
{
    if (size == 0)
        return;
    memmove(b->data, b->data + size, b->size - size);
    b->size -= size;
    b->data[b->size] = 0;
}
