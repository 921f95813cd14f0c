/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timefmt.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"

static const struct unit {
    const char *name;
    int64_t us;
} units[] = {
    { "w", 7 * 86400 * USEC_PER_SEC },
    { "d", 86400 * USEC_PER_SEC },
    { "h", 3600 * USEC_PER_SEC },
    { "m", 60 * USEC_PER_SEC },
    { "s", USEC_PER_SEC },
    { "ms", USEC_PER_MSEC },
    { "us", 1 },
};

static const struct unit *unit_find(const char *name, size_t size)
{
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (strlen(units[i].name) == size && memcmp(units[i].name, name, size) == 0)
            return &units[i];
    return NULL;
}

/* Reads digits with an optional fraction: whole units, and millionths of one. */
static bool take_amount(const char **at, int64_t *whole, int64_t *millionths)
{
    int64_t value = 0, fraction = 0, place = 100000;
    const char *c = *at;
    if (*c < '0' || *c > '9')
        return false;
    for (; *c >= '0' && *c <= '9'; c++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *c - '0', &value))
            return false;
    if (*c == '.') {
        if (c[1] < '0' || c[1] > '9')
            return false;
        for (c++; *c >= '0' && *c <= '9'; c++, place /= 10)
            fraction += (*c - '0') * place;
    }
    *at = c;
    *whole = value;
    *millionths = fraction;
    return true;
}

int duration_parse(const char *text, int64_t *ret_us)
{
    int64_t total = 0;
    if (strcmp(text, "0") == 0) {
        *ret_us = 0;
        return 0;
    }
    for (const char *at = text; at == text || *at;) {
        int64_t whole, millionths, part;
        if (!take_amount(&at, &whole, &millionths))
            return 1;
        size_t n = strspn(at, "wdhmsu");
        if (n > 1 && unit_find(at, 2))
            n = 2;
        else if (n > 1)
            n = 1;
        const struct unit *unit = unit_find(at, n);
        if (!unit || __builtin_mul_overflow(whole, unit->us, &part) ||
            __builtin_add_overflow(total, part, &total) ||
            __builtin_add_overflow(total, (int64_t)((__int128)millionths * unit->us / 1000000), &total))
            return 1;
        at += n;
    }
    *ret_us = total;
    return 0;
}

char *duration_format(int64_t us, char *text)
{
    for (size_t i = 1; i < ARRAY_SIZE(units); i++) { /* from days: "14d" reads better than "2w" */
        if (us % units[i].us == 0 && us != 0) {
            snprintf(text, 32, "%" PRId64 "%s", us / units[i].us, units[i].name);
            return text;
        }
    }
    return strcpy(text, "0");
}

static bool take_number(const char **at, const char *end, int digits, int *ret)
{
    int value = 0;
    if (end - *at < digits)
        return false;
    for (int i = 0; i < digits; i++) {
        char c = *(*at)++;
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *ret = value;
    return true;
}

static bool take_char(const char **at, const char *end, const char *set)
{
    if (*at == end || !**at || !strchr(set, **at))
        return false;
    (*at)++;
    return true;
}

static bool take_fraction(const char **at, const char *end, int *ret_us)
{
    int us = 0, place = 100000;
    const char *start = *at;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++, place /= 10)
        us += (**at - '0') * place;
    *ret_us = us;
    return *at > start;
}

static bool take_zone(const char **at, const char *end, int *ret_seconds)
{
    int hours, minutes;
    *ret_seconds = 0;
    if (take_char(at, end, "Zz"))
        return true;
    bool west = *at < end && **at == '-';
    if (!take_char(at, end, "+-") || !take_number(at, end, 2, &hours) || !take_char(at, end, ":") ||
        !take_number(at, end, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_seconds = (hours * 60 + minutes) * (west ? -60 : 60);
    return true;
}

static bool day_exists(const struct tm *tm)
{
    struct tm normal = *tm;
    timegm(&normal);
    return normal.tm_mday == tm->tm_mday && normal.tm_mon == tm->tm_mon;
}

int rfc3339_parse(const char *text, size_t size, int64_t *ret_us)
{
    const char *at = text, *end = text + size;
    struct tm tm = { 0 };
    int year, month, fraction = 0, zone;

    if (!take_number(&at, end, 4, &year) || !take_char(&at, end, "-") || !take_number(&at, end, 2, &month) ||
        !take_char(&at, end, "-") || !take_number(&at, end, 2, &tm.tm_mday) || !take_char(&at, end, "Tt ") ||
        !take_number(&at, end, 2, &tm.tm_hour) || !take_char(&at, end, ":") ||
        !take_number(&at, end, 2, &tm.tm_min) || !take_char(&at, end, ":") ||
        !take_number(&at, end, 2, &tm.tm_sec))
        return 1;
    if (take_char(&at, end, ".") && !take_fraction(&at, end, &fraction))
        return 1;
    if (!take_zone(&at, end, &zone) || at != end)
        return 1;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60 ||
        !day_exists(&tm))
        return 1;
    *ret_us = ((int64_t)timegm(&tm) - zone) * USEC_PER_SEC + fraction;
    return 0;
}

char *rfc3339_format(int64_t us, int digits, char *text)
{
    int64_t fraction = us % USEC_PER_SEC;
    time_t seconds = (time_t)(us / USEC_PER_SEC);
    struct tm tm;
    if (fraction < 0) {
        fraction += USEC_PER_SEC;
        seconds--;
    }
    gmtime_r(&seconds, &tm);
    size_t n = strftime(text, RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    if (digits == 3)
        n += (size_t)snprintf(text + n, RFC3339_SIZE - n, ".%03d", (int)(fraction / 1000));
    else if (digits == 6)
        n += (size_t)snprintf(text + n, RFC3339_SIZE - n, ".%06d", (int)fraction);
    snprintf(text + n, RFC3339_SIZE - n, "Z");
    return text;
}
