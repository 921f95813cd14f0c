/* SPDX-License-Identifier: Apache-2.0 */
#include "base64.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* -1: no character of base64. */
static int value_of(char c)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? strchr(alphabet, c) : NULL;
    return found ? (int)(found - alphabet) : -1;
}

/* Four characters, the last @n_padding of them "=". */
static bool decode_group(const char *group, size_t n_padding, char out[3])
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < 4 - n_padding ? value_of(group[i]) : 0;
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
    }
    for (size_t i = 0; i < 3; i++)
        out[i] = (char)(bits >> (16 - 8 * i) & 0xff);
    return (n_padding < 1 || out[2] == 0) && (n_padding < 2 || out[1] == 0);
}

bool base64_decode(const char *text, size_t size, char **ret, size_t *ret_size)
{
    if (size % 4 != 0)
        return false;
    size_t n_padding = size > 0 && text[size - 1] == '=' ? 1 + (text[size - 2] == '=') : 0;
    char *bytes = malloc(size / 4 * 3 + 1);
    for (size_t i = 0; bytes && i < size; i += 4) {
        if (!decode_group(text + i, i + 4 == size ? n_padding : 0, bytes + i / 4 * 3)) {
            free(bytes);
            return false;
        }
    }
    if (!bytes)
        return false;
    *ret = bytes;
    *ret_size = size / 4 * 3 - n_padding;
    return true;
}
