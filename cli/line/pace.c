/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/line/pace.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define PER_HOUR 3600
#define HOUR_US (PER_HOUR * USEC_PER_SEC)

int64_t pace_parse(const char *text)
{
    static const struct {
        const char *end;
        int64_t per_hour;
    } units[] = { { "", PER_HOUR }, { "/s", PER_HOUR }, { "/m", 60 }, { "/min", 60 }, { "/h", 1 } };
    int64_t n = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits < 1 || digits > 9)
        return 0;
    for (size_t i = 0; i < digits; i++)
        n = n * 10 + (text[i] - '0');
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (strcmp(text + digits, units[i].end) == 0 &&
            n * units[i].per_hour <= (int64_t)PACE_PER_SECOND_MAX * PER_HOUR)
            return n * units[i].per_hour;
    return 0;
}

void pace_init(struct pace *p, int64_t per_hour, int64_t now_us)
{
    *p = (struct pace){ .per_hour = per_hour, .next_us = now_us };
}

int pace_part(const struct pace *p, int at_most)
{
    int64_t n = p->per_hour / PER_HOUR / 10;
    if (p->per_hour == 0 || n > at_most)
        return at_most;
    return n < 1 ? 1 : (int)n;
}

int64_t pace_wait_us(const struct pace *p, int64_t now_us)
{
    return p->per_hour && p->next_us > now_us ? p->next_us - now_us : 0;
}

void pace_took(struct pace *p, int64_t n, int64_t now_us)
{
    if (p->per_hour == 0)
        return;
    if (p->next_us < now_us - USEC_PER_SEC)
        p->next_us = now_us - USEC_PER_SEC;
    p->next_us += n * HOUR_US / p->per_hour;
}
