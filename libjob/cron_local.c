/* SPDX-License-Identifier: Apache-2.0 */
/* The local times that a cron expression names, in order. */
#include "libjob/cron.h"

#include "base/civil.h"

/* Return: the first set bit from @from on; -1. */
static int next_bit(uint64_t bits, int from)
{
    bits = from < 64 ? bits >> from : 0;
    return bits ? from + __builtin_ctzll(bits) : -1;
}

/* The first time of day from @from on, in seconds since midnight; -1. */
static int find_time(const struct cron *c, int from)
{
    int hour = from / 3600, minute = from / 60 % 60, second = from % 60;
    for (int h = next_bit(c->hours, hour); h >= 0; h = next_bit(c->hours, h + 1)) {
        int m = next_bit(c->minutes, h > hour ? 0 : minute);
        for (; m >= 0; m = next_bit(c->minutes, m + 1)) {
            int s = next_bit(c->seconds, h > hour || m > minute ? 0 : second);
            if (s >= 0)
                return h * 3600 + m * 60 + s;
        }
    }
    return -1;
}

static bool has_day(const struct cron *c, struct civil date, int weekday)
{
    int last = civil_days_in_month(date.year, date.month);
    bool by_date = (c->days >> date.day & 1) || (c->last_days >> (last - date.day) & 1);
    bool by_weekday = (c->weekdays >> weekday & 1) || (c->nth[weekday] >> ((date.day + 6) / 7) & 1) ||
                      ((c->last_weekdays >> weekday & 1) && date.day + 7 > last);
    return c->either_day ? by_date || by_weekday : by_date && by_weekday;
}

/* Return: how many days on. */
static int step_day(const struct cron *c, struct civil *date)
{
    int in_month = civil_days_in_month(date->year, date->month);
    int step = c->months >> date->month & 1 ? 1 : in_month - date->day + 1;
    date->day += step;
    if (date->day <= in_month)
        return step;
    date->day = 1;
    if (++date->month > 12) {
        date->month = 1;
        date->year++;
    }
    return step;
}

int64_t cron_find_local(const struct cron *c, int64_t from, int64_t until)
{
    if (from < CIVIL_MIN_S)
        from = CIVIL_MIN_S;
    if (until > CIVIL_MAX_S)
        until = CIVIL_MAX_S;
    if (from >= until)
        return CRON_NEVER;
    int64_t day = civil_floor_div(from, CIVIL_DAY_S);
    int time = (int)(from - day * CIVIL_DAY_S);
    struct civil date = civil_from_days(day);
    for (; day * CIVIL_DAY_S < until; time = 0) {
        if ((c->months >> date.month & 1) && has_day(c, date, civil_weekday(day))) {
            int found = find_time(c, time);
            if (found >= 0)
                return day * CIVIL_DAY_S + found < until ? day * CIVIL_DAY_S + found : CRON_NEVER;
        }
        day += step_day(c, &date);
    }
    return CRON_NEVER;
}
