/* SPDX-License-Identifier: Apache-2.0 */
/* The proleptic Gregorian calendar in whole days, 1970-01-01 being day 0. Years 1 to 9999. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CIVIL_DAY_S INT64_C(86400)
#define CIVIL_YEAR_MIN 1
#define CIVIL_YEAR_MAX 9999
#define CIVIL_MIN_S (INT64_C(-719162) * CIVIL_DAY_S) /* 0001-01-01 00:00:00 */
#define CIVIL_MAX_S (INT64_C(2932897) * CIVIL_DAY_S) /* 10000-01-01 00:00:00, the first that is too late */

struct civil {
    int year, month, day; /* from 1 */
};

static inline bool civil_is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static inline int civil_days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return days[month - 1] + (month == 2 && civil_is_leap(year));
}

/* Of 1 January. */
static inline int64_t civil_year_start(int year)
{
    int64_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400 - 719162;
}

static inline int64_t civil_to_days(struct civil date)
{
    int64_t days = civil_year_start(date.year) + date.day - 1;
    for (int month = 1; month < date.month; month++)
        days += civil_days_in_month(date.year, month);
    return days;
}

static inline struct civil civil_from_days(int64_t days)
{
    struct civil date = { (int)((days + 719162) * 400 / 146097) + 1, 1, 1 };
    while (civil_year_start(date.year) > days)
        date.year--;
    while (civil_year_start(date.year + 1) <= days)
        date.year++;
    int64_t left = days - civil_year_start(date.year);
    for (; left >= civil_days_in_month(date.year, date.month); date.month++)
        left -= civil_days_in_month(date.year, date.month);
    date.day += (int)left;
    return date;
}

/* 0 is Sunday. */
static inline int civil_weekday(int64_t days)
{
    return (int)(((days + 4) % 7 + 7) % 7);
}

/* Rounds down, also below 0. */
static inline int64_t civil_floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}
