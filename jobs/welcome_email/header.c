/* SPDX-License-Identifier: Apache-2.0 */
#include "header.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#define PLAIN_MAX 60 /* characters; with the header's name below the 78 that RFC 5322 recommends */
#define LINE_MAX_BYTES 76
#define PARAMETER_MAX 60 /* characters of one part of a parameter's value */
#define ENCODED_MAX 54   /* characters in one encoded word; with its frame and the header's name below 76 */

/* Bytes of the UTF-8 character at @c; 0 when it is malformed or must not stand in a header. */
static size_t character_width(const unsigned char *c)
{
    if (c[0] < 0x80)
        return c[0] >= 0x20 && c[0] != 0x7f;
    size_t width = c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;
    uint32_t code = c[0] & (0x7fu >> width);
    for (size_t i = 1; i < width; i++) {
        if ((c[i] & 0xc0) != 0x80) /* the final NUL, too, ends here */
            return 0;
        code = code << 6 | (c[i] & 0x3f);
    }
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (c[0] < 0xc2 || code < smallest[width] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return code <= 0x9f || code == 0x2028 || code == 0x2029 ? 0 : width;
}

bool header_is_text(const char *text)
{
    while (*text) {
        size_t width = character_width((const unsigned char *)text);
        if (width == 0)
            return false;
        text += width;
    }
    return true;
}

bool header_is_token(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!text[i] || !strchr(LETTERS DIGITS "!#$&^_.+-", text[i]))
            return false;
    return size > 0;
}

static bool must_be_encoded(const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] >= 0x80)
            return true;
    return size > PLAIN_MAX || strstr(text, "=?") || text[0] == ' ' || (size > 0 && text[size - 1] == ' ');
}

static bool is_letter_or_digit(char c)
{
    return c && strchr(LETTERS DIGITS, c);
}

/* Encoding "Q" of RFC 2047 as in a phrase, the strictest: all but letters, digits and space becomes =XX. */
static void write_encoded(FILE *out, const char *text)
{
    static const char start[] = "=?UTF-8?Q?", end[] = "?=";
    size_t used = 0;
    fputs(start, out);
    while (*text) {
        size_t width = character_width((const unsigned char *)text);
        bool plain = is_letter_or_digit(*text) || *text == ' ';
        size_t cost = plain ? 1 : 3 * width;
        if (used + cost > ENCODED_MAX) { /* a word may not end inside a character */
            fprintf(out, "%s\r\n %s", end, start);
            used = 0;
        }
        if (plain)
            fputc(*text == ' ' ? '_' : *text, out);
        else
            for (size_t i = 0; i < width; i++)
                fprintf(out, "=%02X", (unsigned char)text[i]);
        used += cost;
        text += width;
    }
    fputs(end, out);
}

void header_write_text(FILE *out, const char *text)
{
    if (must_be_encoded(text))
        write_encoded(out, text);
    else
        fputs(text, out);
}

static void write_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

void header_write_mailbox(FILE *out, const char *name, const char *address)
{
    if (!*name) {
        fputs(address, out);
    } else if (must_be_encoded(name)) {
        write_encoded(out, name);
        fprintf(out, "\r\n <%s>", address);
    } else {
        if (name[strspn(name, LETTERS DIGITS " ")])
            write_quoted(out, name);
        else
            fputs(name, out);
        fprintf(out, " <%s>", address);
    }
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

/* Breaks the line at blanks between words, where there are any. */
static void write_folded(FILE *out, size_t used, const char *text)
{
    while (*text) {
        size_t blanks = strspn(text, " "), word = strcspn(text + blanks, " ");
        bool breaks = blanks > 0 && word > 0 && used > 0 && used + blanks + word > LINE_MAX_BYTES;
        fprintf(out, "%s%.*s", breaks ? "\r\n" : "", (int)(blanks + word), text);
        used = (breaks ? 0 : used) + blanks + word;
        text += blanks + word;
    }
}

void header_write_value(FILE *out, const char *name, const char *value)
{
    fprintf(out, "%s: ", name);
    if (is_ascii(value))
        write_folded(out, strlen(name) + 2, value);
    else
        write_encoded(out, value);
    fputs("\r\n", out);
}

/* RFC 2231: percent-encoded UTF-8, in numbered parts when it is long. */
static void write_extended(FILE *out, const char *name, const char *value)
{
    bool one_part = 3 * strlen(value) <= PARAMETER_MAX;
    for (size_t part = 0; *value || part == 0; part++) {
        if (one_part)
            fprintf(out, ";\r\n %s*=UTF-8''", name);
        else
            fprintf(out, ";\r\n %s*%zu*=%s", name, part, part == 0 ? "UTF-8''" : "");
        for (size_t used = 0; *value && used + 3 <= PARAMETER_MAX; value++) {
            bool plain = is_letter_or_digit(*value) || *value == '.' || *value == '-' || *value == '_';
            fprintf(out, plain ? "%c" : "%%%02X", (unsigned char)*value);
            used += plain ? 1 : 3;
        }
    }
}

void header_write_parameter(FILE *out, const char *name, const char *value)
{
    if (!is_ascii(value) || strlen(value) > PARAMETER_MAX) {
        write_extended(out, name, value);
        return;
    }
    fprintf(out, ";\r\n %s=", name);
    write_quoted(out, value);
}

void header_write_date(FILE *out, int64_t unix_s)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t when = (time_t)unix_s;
    struct tm tm;
    gmtime_r(&when, &tm);
    fprintf(out, "%.3s, %02d %.3s %d %02d:%02d:%02d +0000", days + (ptrdiff_t)tm.tm_wday * 3, tm.tm_mday,
            months + (ptrdiff_t)tm.tm_mon * 3, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
