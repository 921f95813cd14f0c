/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/printable.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/utf8.h"

/* Decodes the first character. Return: its bytes; 0 when it is not well-formed. */
static size_t take_character(struct span text, uint32_t *ret)
{
    unsigned char first = (unsigned char)text.data[0];
    size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (size > text.size || (first && !utf8_is_text(text.data, size)))
        return 0;
    uint32_t c = size == 1 ? first : first & (0x7fu >> size);
    for (size_t i = 1; i < size; i++)
        c = c << 6 | ((unsigned char)text.data[i] & 0x3f);
    *ret = c;
    return size;
}

static bool turns_direction(uint32_t c)
{
    return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

static bool is_invisible(uint32_t c)
{
    return turns_direction(c) || c == 0x2028 || c == 0x2029 || c == 0xfeff;
}

static void append_character(struct buf *b, uint32_t c, const char *bytes, size_t size)
{
    if (c == '\n')
        buf_append_string(b, "\\n");
    else if (c == '\t')
        buf_append_string(b, "\\t");
    else if (c == '\r')
        buf_append_string(b, "\\r");
    else if (c < 0x20 || (c >= 0x7f && c < 0xa0))
        buf_append_format(b, "\\x%02x", c);
    else if (is_invisible(c))
        buf_append_format(b, "\\u{%04x}", c);
    else
        buf_append(b, bytes, size);
}

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || is_invisible(c);
}

static void append_multiline(struct buf *b, uint32_t c, const char *bytes, size_t size)
{
    if (c == '\n' || c == '\t' || c == '\r')
        buf_append(b, bytes, size);
    else
        append_character(b, c, bytes, size);
}

static void append_json(struct buf *b, uint32_t c, const char *bytes, size_t size)
{
    if (c == '\n' || !is_control(c))
        buf_append(b, bytes, size);
    else
        buf_append_format(b, "\\u%04x", c);
}

typedef void append_fn(struct buf *b, uint32_t c, const char *bytes, size_t size);

static void append_each(struct buf *b, struct span text, append_fn *append)
{
    while (text.size > 0) {
        uint32_t c = 0;
        size_t size = take_character(text, &c);
        if (size == 0) {
            size = 1;
            buf_append_format(b, "\\x%02x", (unsigned char)text.data[0]);
        } else {
            append(b, c, text.data, size);
        }
        text.data += size;
        text.size -= size;
    }
}

void printable_append(struct buf *b, struct span text)
{
    append_each(b, text, append_character);
}

void printable_append_multiline(struct buf *b, struct span text)
{
    append_each(b, text, append_multiline);
}

void printable_append_json(struct buf *b, struct span json)
{
    append_each(b, json, append_json);
}
