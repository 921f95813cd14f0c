/* SPDX-License-Identifier: Apache-2.0 */
#include "base/zone_rule.h"

#include "base/civil.h"

#define HOUR_S 3600
#define OFFSET_HOURS_MAX 24
#define TIME_HOURS_MAX 167

/* --- Reading ----------------------------------------------------------------------------------------------------------- */

struct reader {
    const char *at, *end;
};

static bool take(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take_name(struct reader *r)
{
    const char *start = r->at;
    if (take(r, '<')) {
        while (r->at < r->end && *r->at != '>')
            r->at++;
        return r->at - start > 1 && take(r, '>');
    }
    while (r->at < r->end && is_letter(*r->at))
        r->at++;
    return r->at - start >= 3;
}

static bool take_number(struct reader *r, int min, int max, int *ret)
{
    int value = 0;
    const char *start = r->at;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9' && value <= max; r->at++)
        value = value * 10 + (*r->at - '0');
    *ret = value;
    return r->at > start && value >= min && value <= max;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct reader *r, int hours_max, int *ret_s)
{
    int hours, minutes = 0, seconds = 0;
    bool negative = take(r, '-');
    if (!negative)
        take(r, '+');
    if (!take_number(r, 0, hours_max, &hours))
        return false;
    if (take(r, ':')) {
        if (!take_number(r, 0, 59, &minutes))
            return false;
        if (take(r, ':') && !take_number(r, 0, 59, &seconds))
            return false;
    }
    *ret_s = (hours * HOUR_S + minutes * 60 + seconds) * (negative ? -1 : 1);
    return true;
}

static bool take_day(struct reader *r, struct zone_day *ret)
{
    *ret = (struct zone_day){ .time_s = 2 * HOUR_S };
    if (take(r, 'M')) {
        ret->kind = ZONE_DAY_OF_WEEK;
        if (!take_number(r, 1, 12, &ret->month) || !take(r, '.') || !take_number(r, 1, 5, &ret->week) ||
            !take(r, '.') || !take_number(r, 0, 6, &ret->weekday))
            return false;
    } else {
        ret->kind = take(r, 'J') ? ZONE_DAY_JULIAN : ZONE_DAY_COUNTED;
        if (!take_number(r, ret->kind == ZONE_DAY_JULIAN, 365, &ret->day))
            return false;
    }
    return !take(r, '/') || take_time(r, TIME_HOURS_MAX, &ret->time_s);
}

int zone_rule_parse(struct zone_rule *ret, const char *text, size_t size)
{
    struct reader r = { text, text + size };
    int west_s;
    *ret = (struct zone_rule){ 0 };
    if (!take_name(&r) || !take_time(&r, OFFSET_HOURS_MAX, &west_s))
        return 1;
    ret->standard_s = ret->summer_s = -west_s;
    if (r.at == r.end)
        return 0;
    if (!take_name(&r))
        return 1;
    ret->changes = true;
    ret->summer_s += HOUR_S;
    if (r.at < r.end && *r.at != ',') {
        if (!take_time(&r, OFFSET_HOURS_MAX, &west_s))
            return 1;
        ret->summer_s = -west_s;
    }
    if (!take(&r, ',') || !take_day(&r, &ret->start) || !take(&r, ',') || !take_day(&r, &ret->end))
        return 1;
    return r.at != r.end;
}

/* --- Finding ----------------------------------------------------------------------------------------------------------- */

static int64_t find_day(const struct zone_day *day, int year)
{
    if (day->kind == ZONE_DAY_COUNTED)
        return civil_year_start(year) + day->day;
    if (day->kind == ZONE_DAY_JULIAN)
        return civil_year_start(year) + day->day - 1 + (day->day >= 60 && civil_is_leap(year));
    int64_t first = civil_to_days((struct civil){ year, day->month, 1 });
    int in_month = (day->weekday - civil_weekday(first) + 7) % 7 + (day->week - 1) * 7;
    if (in_month >= civil_days_in_month(year, day->month))
        in_month -= 7;
    return first + in_month;
}

struct change {
    int64_t at;
    int offset_s; /* from then on */
};

/* Where summer time ends and begins again in one instant, it goes on. */
static void insert(struct change *changes, int n, struct change added, bool begins)
{
    for (; n > 0 && (changes[n - 1].at > added.at || (changes[n - 1].at == added.at && !begins)); n--)
        changes[n] = changes[n - 1];
    changes[n] = added;
}

void zone_rule_find(const struct zone_rule *rule, int64_t t, struct zone_span *ret)
{
    struct change changes
        [8]; /* one year more than it seems to need: summer time without end, too, ends with the list */
    int n = 0;
    *ret = (struct zone_span){ INT64_MIN, INT64_MAX, rule->standard_s };
    if (!rule->changes || t < CIVIL_MIN_S + 400 * CIVIL_DAY_S || t >= CIVIL_MAX_S - 400 * CIVIL_DAY_S)
        return;
    int year = civil_from_days(civil_floor_div(t, CIVIL_DAY_S)).year;
    for (int y = year - 1; y <= year + 2; y++) {
        int64_t start = find_day(&rule->start, y) * CIVIL_DAY_S + rule->start.time_s - rule->standard_s;
        int64_t end = find_day(&rule->end, y) * CIVIL_DAY_S + rule->end.time_s - rule->summer_s;
        insert(changes, n++, (struct change){ start, rule->summer_s }, true);
        insert(changes, n++, (struct change){ end, rule->standard_s }, false);
    }
    for (int i = 0; i < n; i++) {
        bool is_undone = i + 1 < n && changes[i + 1].at == changes[i].at;
        bool is_none = ret->from != INT64_MIN && changes[i].offset_s == ret->offset_s;
        if (is_undone || is_none)
            continue;
        if (changes[i].at > t) {
            ret->until = changes[i].at;
            return;
        }
        ret->from = changes[i].at;
        ret->offset_s = changes[i].offset_s;
    }
}
