/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 with padding (RFC 4648, section 4): how bytes that are no text travel inside JSON. */
#pragma once

#include <stddef.h>

struct buf;

void base64_append(struct buf *b, const void *data, size_t size);

/*
 * Reads @size characters into @to, which has room for size / 4 * 3 bytes; may be the text's own place.
 * Return: 0 and *ret_size; 1 when it is no base64.
 */
int base64_decode(const char *text, size_t size, char *to, size_t *ret_size);
