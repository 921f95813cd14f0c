/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/schedule.h"

#include "base/civil.h"
#include "base/clock.h"

#define FIRST_US (CIVIL_MIN_S * USEC_PER_SEC)
#define END_S                                                                                                \
    (CIVIL_MAX_S - 2 * CIVIL_DAY_S) /* whatever the zone, its local time has a year of four digits */

int schedule_init(struct schedule *ret, const char *expression, const char *zone, int64_t anchor_us,
                  struct err *reterr)
{
    *ret = (struct schedule){ .anchor_us = anchor_us };
    if (cron_parse(&ret->cron, expression, reterr))
        return SCHEDULE_BAD_EXPRESSION;
    int r = zone_load(&ret->zone, zone, reterr);
    return r == ZONE_UNKNOWN ? SCHEDULE_BAD_ZONE : r == ZONE_NO_DATABASE ? SCHEDULE_NO_DATABASE : r;
}

void schedule_done(struct schedule *s)
{
    s->zone = zone_free(s->zone);
}

/* --- Where clocks are moved ------------------------------------------------------------------------------------------------ */

/* Has a local time been left out at the begin of @span that must be made up for? */
static bool owes_tick(const struct schedule *s, const struct zone_span *before, const struct zone_span *span)
{
    int64_t gap = span->from + before->offset_s, gap_end = span->from + span->offset_s;
    int64_t lost = cron_find_local(&s->cron, gap, gap_end);
    if (lost == CRON_NEVER || !s->cron.is_rhythm)
        return lost != CRON_NEVER;
    int64_t would_be = lost - before->offset_s; /* if the clocks had been left alone */
    return cron_find_local(&s->cron, gap_end, would_be + span->offset_s + 1) == CRON_NEVER;
}

/* The first tick from @t on inside @span; CRON_NEVER. In seconds. */
static int64_t find_in_span(const struct schedule *s, const struct zone_span *span, int64_t t)
{
    int64_t local = t + span->offset_s;
    int64_t until = span->until == INT64_MAX ? INT64_MAX : span->until + span->offset_s;
    if (span->from > CIVIL_MIN_S) {
        struct zone_span before;
        zone_find(s->zone, span->from - 1, &before);
        int64_t old_clock = span->from + before.offset_s; /* what it would have shown */
        if (t == span->from && before.offset_s < span->offset_s && owes_tick(s, &before, span))
            return t;
        if (before.offset_s > span->offset_s && !s->cron.is_rhythm && local < old_clock)
            local = old_clock;
    }
    int64_t found = cron_find_local(&s->cron, local, until);
    return found == CRON_NEVER ? CRON_NEVER : found - span->offset_s;
}

/* --- Walking --------------------------------------------------------------------------------------------------------------- */

static int64_t next_of_period(const struct schedule *s, int64_t after_us)
{
    int64_t period = s->cron.every_us, n = 1, tick;
    if (after_us >= s->anchor_us) {
        int64_t past;
        if (__builtin_sub_overflow(after_us, s->anchor_us, &past))
            return CRON_NEVER;
        n = past / period + 1;
    }
    if (__builtin_mul_overflow(n, period, &tick) || __builtin_add_overflow(tick, s->anchor_us, &tick))
        return CRON_NEVER;
    return tick < END_S * USEC_PER_SEC ? tick : CRON_NEVER;
}

int64_t schedule_next(const struct schedule *s, int64_t after_us)
{
    struct zone_span span;
    if (s->cron.every_us)
        return next_of_period(s, after_us);
    int64_t t = after_us < FIRST_US ? CIVIL_MIN_S : civil_floor_div(after_us, USEC_PER_SEC) + 1;
    for (; t < END_S; t = span.until) {
        zone_find(s->zone, t, &span);
        int64_t found = find_in_span(s, &span, t);
        if (found != CRON_NEVER)
            return found < END_S ? found * USEC_PER_SEC : CRON_NEVER;
    }
    return CRON_NEVER;
}

/* Halves the time in which the last tick must be: is there one in the second half? */
int64_t schedule_last(const struct schedule *s, int64_t after_us, int64_t until_us)
{
    int64_t low = schedule_next(s, after_us), high = until_us;
    if (low > until_us)
        return CRON_NEVER;
    while (low < high) {
        int64_t middle = low + (high - low) / 2, found = schedule_next(s, middle);
        if (found <= until_us)
            low = found;
        else
            high = middle;
    }
    return low;
}
