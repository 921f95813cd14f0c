/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cron_plan.h"

/* The last @max ticks after @since_us and not after @until_us. Return: how many. */
static size_t find_last(const struct schedule *s, size_t max, int64_t since_us, int64_t until_us,
                        int64_t *ticks)
{
    size_t n = 0;
    for (int64_t t = until_us; n < max && t > since_us; n++) {
        t = schedule_last(s, since_us, t);
        if (t == CRON_NEVER)
            break;
        ticks[n] = t--;
    }
    for (size_t i = 0; i < n / 2; i++) {
        int64_t swapped = ticks[i];
        ticks[i] = ticks[n - 1 - i];
        ticks[n - 1 - i] = swapped;
    }
    return n;
}

int64_t cron_plan_since_us(int64_t since_us, int64_t now_us)
{
    return since_us > now_us && since_us - now_us > CRON_FUTURE_US ? now_us : since_us;
}

void cron_plan_make(struct cron_plan *ret, const struct schedule *s, enum cron_missed missed,
                    size_t max_ticks, int64_t since_us, int64_t now_us)
{
    since_us = cron_plan_since_us(since_us, now_us);
    int64_t first = schedule_next(s, since_us);
    ret->n_ticks = 0;
    ret->since_us = since_us;
    ret->next_us = first;
    ret->out_from_us = ret->out_until_us = CRON_NEVER;
    if (first > now_us)
        return;
    if (missed != CRON_MISSED_ALL)
        max_ticks = 1;
    ret->n_ticks =
        find_last(s, max_ticks < CRON_TICKS_MAX ? max_ticks : CRON_TICKS_MAX, since_us, now_us, ret->ticks);
    int64_t last = ret->ticks[ret->n_ticks - 1];
    ret->since_us = last;
    ret->next_us = schedule_next(s, last);
    if (missed == CRON_MISSED_SKIP && now_us - last > CRON_LATE_US)
        ret->n_ticks = 0;
    if (ret->n_ticks && ret->ticks[0] == first)
        return;
    ret->out_from_us = first;
    ret->out_until_us = ret->n_ticks ? schedule_last(s, since_us, ret->ticks[0] - 1) : last;
}
