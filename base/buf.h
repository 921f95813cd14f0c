/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte buffer that grows up to a maximum.
 *
 * Appending past the maximum or past memory sets `failed` and drops the bytes; callers append freely and check
 * once at the end. `data` is always NUL-terminated after an append, the NUL not counted in `size`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;
    size_t size;
    size_t capacity;
    size_t max; /* 0: 1 GiB */
    bool failed;
};

void buf_done(struct buf *b);
void buf_reset(struct buf *b);
void buf_append(struct buf *b, const void *data, size_t size);
void buf_append_string(struct buf *b, const char *string);
void buf_append_char(struct buf *b, char c);
void buf_append_format(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_append_be16(struct buf *b, uint16_t value);
void buf_append_be32(struct buf *b, uint32_t value);
void buf_append_be64(struct buf *b, uint64_t value);

/* Room for @size more bytes at data + size; NULL when that fails. The caller advances size itself. */
void *buf_reserve(struct buf *b, size_t size);

/* Drops the first @size bytes. */
void buf_consume(struct buf *b, size_t size);

#define _cleanup_buf_ _cleanup_(buf_done)
