/* SPDX-License-Identifier: Apache-2.0 */
/* Text that came from outside. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the first character of the well-formed UTF-8 @text; 1 for a stray byte. */
size_t text_width(const char *text);

/* True when @text is UTF-8 without control characters, line separators and marks that turn the direction of what follows. */
bool text_is_line(const char *text);

/* The largest size up to @max at which @text, of @size bytes, can be cut without cutting a character. */
size_t text_cut(const char *text, size_t size, size_t max);
