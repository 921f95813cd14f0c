/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdint.h>

size_t text_width(const char *text)
{
    unsigned char c = (unsigned char)text[0];
    return c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
}

/* The character at @c; UINT32_MAX when it is malformed. */
static uint32_t decode(const unsigned char *c, size_t width)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (width == 1)
        return c[0] < 0x80 ? c[0] : UINT32_MAX;
    uint32_t code = c[0] & (0x7fu >> width);
    for (size_t i = 1; i < width; i++) {
        if ((c[i] & 0xc0) != 0x80) /* the final NUL, too, ends here */
            return UINT32_MAX;
        code = code << 6 | (c[i] & 0x3f);
    }
    bool wrong =
        c[0] > 0xf4 || code < smallest[width] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff);
    return wrong ? UINT32_MAX : code;
}

/* Overrides and isolates would show "gnp.exe" where "exe.png" lies. */
static bool turns_direction(uint32_t code)
{
    return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

bool text_is_line(const char *text)
{
    while (*text) {
        size_t width = text_width(text);
        uint32_t code = decode((const unsigned char *)text, width);
        if (code == UINT32_MAX || code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x2028 ||
            code == 0x2029 || turns_direction(code))
            return false;
        text += width;
    }
    return true;
}

size_t text_cut(const char *text, size_t size, size_t max)
{
    if (size <= max)
        return size;
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}
