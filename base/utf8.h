/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as PostgreSQL accepts it: RFC 3629, and without NUL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* True when @data is well-formed UTF-8 without a NUL byte. */
bool utf8_is_text(const char *data, size_t size);

/* Offset of the first byte that is no text; @size when there is none. */
size_t utf8_find_bad(const char *data, size_t size);

/*
 * Appends at most @max bytes of @data, each byte that is not part of well-formed UTF-8, and each NUL, replaced by
 * U+FFFD; cut between characters.
 */
void utf8_append_clean(struct buf *b, const char *data, size_t size, size_t max);
