/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648), read strictly: padded, nothing else in it, no bits left over. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* @ret: on the heap, of @ret_size bytes; set on success. Return: false: @text is none, or there is no memory. */
bool base64_decode(const char *text, size_t size, char **ret, size_t *ret_size);
