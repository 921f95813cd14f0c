/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/base64.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

static const char digits[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode_group(const unsigned char *in, size_t size, char *out)
{
    uint32_t bits = (uint32_t)in[0] << 16;
    if (size > 1)
        bits |= (uint32_t)in[1] << 8;
    if (size > 2)
        bits |= in[2];
    out[0] = digits[bits >> 18];
    out[1] = digits[bits >> 12 & 63];
    out[2] = size > 1 ? digits[bits >> 6 & 63] : '=';
    out[3] = size > 2 ? digits[bits & 63] : '=';
}

void base64_append(struct buf *b, const void *data, size_t size)
{
    const unsigned char *in = data;
    size_t out_size = (size + 2) / 3 * 4;
    char *out = buf_reserve(b, out_size);
    if (!out)
        return;
    for (size_t i = 0; i < size; i += 3, out += 4)
        encode_group(in + i, size - i, out);
    *out = 0;
    b->size += out_size;
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static size_t padding(const char *text, size_t size)
{
    if (size == 0 || text[size - 1] != '=')
        return 0;
    return text[size - 2] == '=' ? 2 : 1;
}

int base64_decode(const char *text, size_t size, char *to, size_t *ret_size)
{
    if (size % 4 != 0)
        return 1;
    size_t digits_size = size - padding(text, size), n = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < digits_size; i++) {
        int value = digit_value(text[i]);
        if (value < 0)
            return 1;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0)
            to[n++] = (char)(bits >> (6 - i % 4 * 2));
    }
    *ret_size = n;
    return 0;
}
