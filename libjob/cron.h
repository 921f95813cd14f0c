/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cron expression as a value: which local times it names. Pure; knows neither time zones nor instants (libjob/schedule.h).
 *
 * Fields, with blanks between them: [second] minute hour day-of-month month day-of-week. A field is a list of
 *     *   n   n-m   * /n (without the blank)   n-m/k   n/k (from n to the field's end)
 * where months and weekdays may be names of three letters in any case, and 0 and 7 are both Sunday. Day-of-month may also have
 * L and L-n (the last day, and n days before it), day-of-week n#k (the k-th of the month) and nL (the last of the
 * month); ? means * in both. If neither day field begins with * or ?, a day of either is a match (Vixie cron's rule), else a day of both.
 *
 * Or one of @yearly @annually @monthly @weekly @daily @midnight @hourly, or "@every DURATION", which names no local times.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CRON_TEXT_MAX 512 /* bytes */
#define CRON_EVERY_MIN_US INT64_C(1000000)
#define CRON_EVERY_MAX_US (INT64_C(3660) * 86400 * 1000000)
#define CRON_NEVER INT64_MAX

struct cron {
    uint64_t seconds, minutes; /* bit n: at n */
    uint32_t hours, months;
    uint32_t days;      /* of the month: bits 1 to 31 */
    uint32_t last_days; /* bit n: n days before the last of the month */
    uint8_t weekdays;   /* bits 0 to 6, Sunday first */
    uint8_t last_weekdays;
    uint8_t nth[7];   /* of each weekday: bit k: its k-th in the month */
    bool either_day;  /* day-of-month or day-of-week; else both */
    bool is_rhythm;   /* minute or hour goes evenly through its whole field, like * and * /15 */
    int64_t every_us; /* @every; 0: the fields above count */
};

enum cron_outcome { CRON_INVALID = 1 };

/*
 * Return: 0; CRON_INVALID with "character N: …", also for one that names no day that ever comes.
 */
int cron_parse(struct cron *ret, const char *text, struct err *reterr);

/*
 * The first local time that is named, from @from on and before @until; local times in seconds, as if they were UTC. Not for @every.
 * Return: CRON_NEVER: there is none, or not before the year 10000.
 */
int64_t cron_find_local(const struct cron *cron, int64_t from, int64_t until);
