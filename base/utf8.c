/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"

/* Length of the well-formed, non-NUL sequence at @s (RFC 3629, section 4); 0 when there is none. */
static size_t sequence_length(const unsigned char *s, size_t size)
{
    if (s[0] < 0x80)
        return s[0] != 0;
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || size < length)
        return 0;
    unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

/* Eight bytes of ASCII without NUL? (No high bit in any byte, and no byte that borrows when one is taken off it.) */
static bool is_plain_word(const unsigned char *s)
{
    uint64_t word;
    memcpy(&word, s, sizeof(word));
    return ((word | (word - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080)) == 0;
}

size_t utf8_find_bad(const char *data, size_t size)
{
    const unsigned char *s = (const unsigned char *)data;
    for (size_t i = 0; i < size;) {
        if (size - i >= 8 && is_plain_word(s + i)) {
            i += 8;
            continue;
        }
        size_t n = sequence_length(s + i, size - i);
        if (n == 0)
            return i;
        i += n;
    }
    return size;
}

bool utf8_is_text(const char *data, size_t size)
{
    return utf8_find_bad(data, size) == size;
}

void utf8_append_clean(struct buf *b, const char *data, size_t size, size_t max)
{
    const unsigned char *s = (const unsigned char *)data;
    size_t end = b->size + max;
    for (size_t i = 0; i < size;) {
        size_t n = sequence_length(s + i, size - i);
        if (b->size + (n ? n : 3) > end)
            return;
        if (n)
            buf_append(b, s + i, n);
        else
            buf_append(b, "\xef\xbf\xbd", 3);
        i += n ? n : 1;
    }
}
