/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_scan.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

struct scanner {
    const unsigned char *at, *end;
    bool storable;
    bool ascii; /* no byte above 0x7f so far: nothing to check as UTF-8 */
};

static void skip_space(struct scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

static bool take(struct scanner *s, unsigned char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool take_word(struct scanner *s, const char *word)
{
    for (; *word; word++)
        if (!take(s, (unsigned char)*word))
            return false;
    return true;
}

static bool take_digits(struct scanner *s)
{
    const unsigned char *start = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > start;
}

static bool take_number(struct scanner *s)
{
    take(s, '-');
    if (!take(s, '0') && !take_digits(s))
        return false;
    if (take(s, '.') && !take_digits(s))
        return false;
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+'))
            take(s, '-');
        return take_digits(s);
    }
    return true;
}

static bool take_hex4(struct scanner *s, unsigned *ret)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        if (s->at == s->end)
            return false;
        unsigned c = *s->at, digit;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (c | 0x20) - 'a' + 10;
        else
            return false;
        value = value << 4 | digit;
    }
    *ret = value;
    return true;
}

/* After a high surrogate: is its other half there? */
static bool take_low_surrogate(struct scanner *s)
{
    unsigned unit;
    const unsigned char *before = s->at;
    if (take_word(s, "\\u") && take_hex4(s, &unit) && unit >= 0xdc00 && unit <= 0xdfff)
        return true;
    s->at = before;
    return false;
}

static bool take_escape(struct scanner *s)
{
    unsigned unit;
    if (s->at == s->end)
        return false;
    unsigned char c = *s->at++;
    if (c != 'u')
        return memchr("\"\\/bfnrt", c, 8) != NULL;
    if (!take_hex4(s, &unit))
        return false;
    if (unit == 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        s->storable = false;
    if (unit >= 0xd800 && unit <= 0xdbff && !take_low_surrogate(s))
        s->storable = false;
    return true;
}

static bool take_string(struct scanner *s)
{
    if (!take(s, '"'))
        return false;
    while (s->at < s->end) {
        unsigned char c = *s->at;
        if (c < 0x20)
            return false;
        s->at++;
        if (c == '"')
            return true;
        if (c == '\\' && !take_escape(s))
            return false;
        if (c >= 0x80)
            s->ascii = false;
    }
    return false;
}

static bool take_scalar(struct scanner *s)
{
    if (s->at == s->end)
        return false;
    switch (*s->at) {
    case '"':
        return take_string(s);
    case 't':
        return take_word(s, "true");
    case 'f':
        return take_word(s, "false");
    case 'n':
        return take_word(s, "null");
    default:
        return take_number(s);
    }
}

static bool take_name(struct scanner *s)
{
    skip_space(s);
    if (!take_string(s))
        return false;
    skip_space(s);
    return take(s, ':');
}

/* `open` is the stack of containers: '{' or '['. Each turn of the loop takes one value and what closes after it. */
static bool take_document(struct scanner *s)
{
    unsigned char open[JSON_SCAN_MAX_DEPTH];
    int depth = 0;

    for (;;) {
        skip_space(s);
        if (s->at < s->end && (*s->at == '{' || *s->at == '[')) {
            if (depth == JSON_SCAN_MAX_DEPTH)
                return false;
            unsigned char bracket = open[depth++] = *s->at++;
            skip_space(s);
            if (!take(s, bracket == '{' ? '}' : ']')) {
                if (bracket == '{' && !take_name(s))
                    return false;
                continue;
            }
            depth--;
        } else if (!take_scalar(s)) {
            return false;
        }
        for (;;) {
            skip_space(s);
            if (depth == 0)
                return s->at == s->end;
            bool object = open[depth - 1] == '{';
            if (take(s, ',')) {
                if (object && !take_name(s))
                    return false;
                break;
            }
            if (!take(s, object ? '}' : ']'))
                return false;
            depth--;
        }
    }
}

enum json_verdict json_scan(const char *text, size_t size, size_t *reterr_at)
{
    struct scanner s = {
        .at = (const unsigned char *)text,
        .end = (const unsigned char *)text + size,
        .storable = true,
        .ascii = true,
    };
    bool whole = take_document(&s);
    size_t at = whole ? size : (size_t)(s.at - (const unsigned char *)text);
    size_t bad = s.ascii ? size : utf8_find_bad(text, size);
    if (whole && bad == size)
        return s.storable ? JSON_STORABLE : JSON_VALID;
    if (reterr_at)
        *reterr_at = bad < at ? bad : at;
    return JSON_INVALID;
}
