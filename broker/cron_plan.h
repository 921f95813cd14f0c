/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be done about an entry whose ticks have come: which become jobs, which are left out, and when the next one is. Pure.
 *
 * Usually one tick has come, a moment ago. After an outage it may be any number; of these
 *     skip  makes up for none: the last one becomes a job only if it came within CRON_LATE_US, so a broker's restart costs nothing
 *     last  the last one becomes a job, however late
 *     all   the last `missed_max` become jobs, the first one first
 */
#pragma once

#include "libjob/schedule.h"

#define CRON_TICKS_MAX 1000
#define CRON_LATE_US (INT64_C(60) * 1000000)
#define CRON_FUTURE_US (INT64_C(3600) * 1000000)

enum cron_missed { CRON_MISSED_SKIP, CRON_MISSED_LAST, CRON_MISSED_ALL };

struct cron_plan {
    int64_t ticks[CRON_TICKS_MAX]; /* ascending, in µs since 1970 as all here */
    size_t n_ticks;
    int64_t since_us;                  /* every tick up to here has been dealt with */
    int64_t next_us;                   /* CRON_NEVER: there is none */
    int64_t out_from_us, out_until_us; /* the first and the last tick that are left out; CRON_NEVER: none */
};

/* @max_ticks: of "all", at most CRON_TICKS_MAX. */
void cron_plan_make(struct cron_plan *ret, const struct schedule *schedule, enum cron_missed missed,
                    size_t max_ticks, int64_t since_us, int64_t now_us);

/* One that lies in the future was written by a clock that went wrong; then ticks count from now. */
int64_t cron_plan_since_us(int64_t since_us, int64_t now_us);
