/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where clocks are moved: cases by hand, and the same ticks minute by minute by brute force, with the C library as the authority on
 * local times.
 */
#define SUITE_TIMEOUT_S 240
#include "tests/support/suite.h"

#include "libjob/schedule.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/timefmt.h"

#define HOUR_S 3600
#define DAY_S INT64_C(86400)

static int64_t instant(const char *text)
{
    int64_t us;
    ck_assert_msg(rfc3339_parse(text, strlen(text), &us) == 0, "%s", text);
    return us;
}

static struct schedule make(const char *expression, const char *zone)
{
    struct schedule s;
    struct err err = { 0 };
    ck_assert_msg(schedule_init(&s, expression, zone, 0, &err) == 0, "%s", err.text);
    return s;
}

/* The ticks after the first time are the others, each as RFC 3339 with its offset. */
static void check_ticks(const char *expression, const char *zone, const char *const *times)
{
    struct schedule s = make(expression, zone);
    int64_t at = instant(times[0]);
    for (times++; *times; times++) {
        char found[RFC3339_SIZE];
        at = schedule_next(&s, at);
        ck_assert_msg(at == instant(*times), "%s in %s: %s, not %s", expression, zone,
                      rfc3339_format(at, 0, found), *times);
    }
    schedule_done(&s);
}

#define TICKS(expression, zone, ...) check_ticks(expression, zone, (const char *const[]){ __VA_ARGS__, NULL })

/* --- Clocks put forward: Berlin, 29 March 2026, 02:00 → 03:00; Lord Howe, 4 October 2026, 02:00 → 02:30 --------------------------- */

START_TEST(time_that_is_left_out_runs_right_after_the_gap)
{
    TICKS("30 2 * * *", "Europe/Berlin", "2026-03-28T01:00:00+01:00", "2026-03-28T02:30:00+01:00",
          "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00");
    TICKS("0 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00",
          "2026-03-30T02:00:00+02:00");
    TICKS("15,30,45 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00",
          "2026-03-30T02:15:00+02:00");
    TICKS("0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00",
          "2026-03-30T02:00:00+02:00");
    TICKS("15 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00",
          "2026-03-29T03:15:00+02:00", "2026-03-30T02:15:00+02:00");
    TICKS("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", "2026-10-04T02:30:00+11:00",
          "2026-10-05T02:15:00+11:00");
    TICKS("15 30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00",
          "2026-03-30T02:30:15+02:00");
}
END_TEST

START_TEST(times_beside_a_gap_are_not_touched)
{
    TICKS("59 1 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T01:59:00+01:00",
          "2026-03-30T01:59:00+02:00");
    TICKS("0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00",
          "2026-03-30T03:00:00+02:00");
    TICKS("30 2 * * 1", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-30T02:30:00+02:00");
}
END_TEST

START_TEST(day_that_is_left_out_is_made_up_for)
{
    TICKS("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00-10:00", "2011-12-31T00:00:00+14:00",
          "2012-12-30T12:00:00+14:00");
    TICKS("0 * * * *", "Pacific/Apia", "2011-12-29T22:30:00-10:00", "2011-12-29T23:00:00-10:00",
          "2011-12-31T00:00:00+14:00", "2011-12-31T01:00:00+14:00");
}
END_TEST

/* --- Clocks put back: Berlin, 25 October 2026, 03:00 → 02:00; Lord Howe, 5 April 2026, 02:00 → 01:30 ------------------------------- */

START_TEST(time_that_comes_twice_runs_once)
{
    TICKS("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", "2026-10-25T02:30:00+02:00",
          "2026-10-26T02:30:00+01:00");
    TICKS("0 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", "2026-10-25T02:00:00+02:00",
          "2026-10-26T02:00:00+01:00");
    TICKS("0 3 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", "2026-10-25T03:00:00+01:00",
          "2026-10-26T03:00:00+01:00");
    TICKS("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00+11:00", "2026-04-05T01:45:00+11:00",
          "2026-04-06T01:45:00+10:30");
    TICKS("30 0 * * *", "America/Havana", "2026-10-31T12:00:00-04:00", "2026-11-01T00:30:00-04:00",
          "2026-11-02T00:30:00-05:00");
}
END_TEST

/* Asked in the middle of the second pass, it does not run again either. */
START_TEST(answer_does_not_depend_on_when_it_is_asked)
{
    TICKS("30 2 * * *", "Europe/Berlin", "2026-10-25T02:29:59+01:00", "2026-10-26T02:30:00+01:00");
    TICKS("30 2 * * *", "Europe/Berlin", "2026-10-25T02:45:00+02:00", "2026-10-26T02:30:00+01:00");
    TICKS("30 2 * * *", "Europe/Berlin", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00");
    TICKS("30 2 * * *", "Europe/Berlin", "2026-03-29T01:59:59.999999+01:00", "2026-03-29T03:00:00+02:00");
}
END_TEST

/* --- Rhythms ----------------------------------------------------------------------------------------------------------------------- */

START_TEST(every_quarter_goes_by_the_time_that_passes)
{
    static const char *const zones[] = { "Europe/Berlin",     "America/New_York", "Australia/Lord_Howe",
                                         "America/Havana",    "Antarctica/Troll", "Asia/Beirut",
                                         "Africa/Casablanca", "Asia/Kathmandu" };
    for (size_t i = 0; i < ARRAY_SIZE(zones); i++) {
        struct schedule s = make("*/15 * * * *", zones[i]);
        int64_t at = instant("2026-01-01T00:00:00Z");
        while (at < instant("2028-01-01T00:00:00Z")) {
            int64_t next = schedule_next(&s, at);
            ck_assert_int_eq(next - at, 900 * USEC_PER_SEC);
            at = next;
        }
        schedule_done(&s);
    }
}
END_TEST

START_TEST(hourly_is_hourly)
{
    TICKS("30 * * * *", "Europe/Berlin", "2026-03-29T01:00:00+01:00", "2026-03-29T01:30:00+01:00",
          "2026-03-29T03:30:00+02:00");
    TICKS("30 * * * *", "Europe/Berlin", "2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00",
          "2026-10-25T02:30:00+01:00", "2026-10-25T03:30:00+01:00");
    TICKS("5-59/15 * * * *", "Europe/Berlin", "2026-03-29T01:40:00+01:00", "2026-03-29T01:50:00+01:00",
          "2026-03-29T03:05:00+02:00");
}
END_TEST

START_TEST(steps_are_never_further_apart)
{
    TICKS("0 */2 * * *", "Europe/Berlin", "2026-03-28T23:00:00+01:00", "2026-03-29T00:00:00+01:00",
          "2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00");
    TICKS("0 */2 * * *", "Europe/Berlin", "2026-10-25T00:00:00+02:00", "2026-10-25T02:00:00+02:00",
          "2026-10-25T02:00:00+01:00", "2026-10-25T04:00:00+01:00");
    TICKS("*/20 * * * *", "Australia/Lord_Howe", "2026-10-04T01:40:00+10:30", "2026-10-04T02:30:00+11:00",
          "2026-10-04T02:40:00+11:00", "2026-10-04T03:00:00+11:00");
    TICKS("*/15 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00",
          "2026-03-30T02:00:00+02:00");
    TICKS("*/30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", "2026-10-25T02:00:00+02:00",
          "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00",
          "2026-10-26T02:00:00+01:00");
    TICKS("*/20 * * * * *", "Europe/Berlin", "2026-10-25T02:59:40+02:00", "2026-10-25T02:00:00+01:00",
          "2026-10-25T02:00:20+01:00");
}
END_TEST

/* --- Periods ------------------------------------------------------------------------------------------------------------------------- */

START_TEST(periods_count_from_the_anchor)
{
    struct schedule s;
    int64_t anchor = instant("2026-03-29T00:59:59.123456Z");
    ck_assert_int_eq(schedule_init(&s, "@every 90s", "Europe/Berlin", anchor, NULL), 0);
    ck_assert_int_eq(schedule_next(&s, anchor - 1000), anchor + 90 * USEC_PER_SEC);
    ck_assert_int_eq(schedule_next(&s, anchor), anchor + 90 * USEC_PER_SEC);
    ck_assert_int_eq(schedule_next(&s, anchor + 90 * USEC_PER_SEC - 1), anchor + 90 * USEC_PER_SEC);
    ck_assert_int_eq(schedule_next(&s, anchor + 90 * USEC_PER_SEC), anchor + 180 * USEC_PER_SEC);
    ck_assert_int_eq(schedule_next(&s, anchor + 90000001 * USEC_PER_SEC), anchor + 90000090 * USEC_PER_SEC);
    ck_assert_int_eq(schedule_next(&s, INT64_MIN), anchor + 90 * USEC_PER_SEC);
    ck_assert_int_eq(schedule_next(&s, INT64_MAX), CRON_NEVER);
    ck_assert_int_eq(schedule_last(&s, anchor, anchor + 1000 * USEC_PER_SEC), anchor + 990 * USEC_PER_SEC);
    schedule_done(&s);
}
END_TEST

/* --- Walking back ---------------------------------------------------------------------------------------------------------------------- */

START_TEST(last_tick_is_the_one_that_walking_ends_at)
{
    static const char *const expressions[] = { "*/7 * * * *",      "30 2 * * *", "0 0 L * *",
                                               "* * * * * *",      "0 0 1 1 *",  "@every 100s",
                                               "*/20 1-3 * * 1-5", "0 0 29 2 *" };
    unsigned seed = 3;
    for (size_t i = 0; i < ARRAY_SIZE(expressions); i++) {
        struct schedule s = make(expressions[i], "Europe/Berlin");
        for (int round = 0; round < 50; round++) {
            int64_t from = instant("2026-03-28T00:00:00Z") + rand_r(&seed) % (3 * DAY_S) * USEC_PER_SEC;
            int64_t until = from + rand_r(&seed) % (6 * HOUR_S) * USEC_PER_SEC + rand_r(&seed) % 1000000;
            int64_t last = CRON_NEVER;
            for (int64_t t = schedule_next(&s, from); t <= until; t = schedule_next(&s, t))
                last = t;
            ck_assert_int_eq(schedule_last(&s, from, until), last);
        }
        ck_assert_int_eq(schedule_last(&s, 5, 5), CRON_NEVER);
        ck_assert_int_eq(schedule_last(&s, 6, 5), CRON_NEVER);
        schedule_done(&s);
    }
}
END_TEST

/* A year of seconds costs as little as a day of them. */
START_TEST(long_outages_cost_nothing)
{
    struct schedule s = make("* * * * * *", "America/New_York");
    int64_t began = clock_mono_us();
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(
            schedule_last(&s, instant("2020-01-01T00:00:00Z"), instant("2026-01-01T00:00:00.5Z")),
            instant("2026-01-01T00:00:00Z"));
    ck_assert_int_lt(clock_mono_us() - began, 5 * USEC_PER_SEC);
    schedule_done(&s);
}
END_TEST

START_TEST(end_of_all_years_is_no_tick)
{
    struct schedule s = make("0 0 1 1 *", "Europe/Berlin");
    ck_assert_int_eq(schedule_next(&s, instant("9999-01-02T00:00:00Z")), CRON_NEVER);
    ck_assert_int_eq(schedule_next(&s, INT64_MAX), CRON_NEVER);
    ck_assert_int_ne(schedule_next(&s, INT64_MIN), CRON_NEVER);
    ck_assert_int_eq(schedule_next(&s, instant("9998-01-02T00:00:00Z")), instant("9998-12-31T23:00:00Z"));
    schedule_done(&s);
}
END_TEST

START_TEST(refusals_say_which)
{
    struct schedule s;
    struct err err = { 0 };
    ck_assert_int_eq(schedule_init(&s, "61 * * * *", "UTC", 0, &err), SCHEDULE_BAD_EXPRESSION);
    schedule_done(&s);
    ck_assert_int_eq(schedule_init(&s, "* * * * *", "Europe/Berln", 0, &err), SCHEDULE_BAD_ZONE);
    schedule_done(&s);
    setenv("TZDIR", "/nowhere", 1);
    ck_assert_int_eq(schedule_init(&s, "* * * * *", "Europe/Berlin", 0, &err), SCHEDULE_NO_DATABASE);
    schedule_done(&s);
}
END_TEST

/* --- Brute force: every minute around every change of every zone ----------------------------------------------------------------------- */

static bool is_always(const struct tm *tm)
{
    return tm != NULL;
}
static bool is_quarter(const struct tm *tm)
{
    return tm->tm_min % 15 == 0;
}
static bool is_third(const struct tm *tm)
{
    return tm->tm_min % 20 == 0;
}
static bool is_half_past(const struct tm *tm)
{
    return tm->tm_min == 30;
}
static bool is_second_hour(const struct tm *tm)
{
    return tm->tm_min == 0 && tm->tm_hour % 2 == 0;
}
static bool is_quarter_of_2(const struct tm *tm)
{
    return tm->tm_min % 15 == 0 && tm->tm_hour == 2;
}
static bool is_0230(const struct tm *tm)
{
    return tm->tm_min == 30 && tm->tm_hour == 2;
}
static bool is_0015(const struct tm *tm)
{
    return tm->tm_min == 15 && tm->tm_hour == 0;
}
static bool is_early(const struct tm *tm)
{
    return (tm->tm_min == 10 || tm->tm_min == 40) && tm->tm_hour <= 3;
}
static bool is_midnight(const struct tm *tm)
{
    return tm->tm_min == 0 && tm->tm_hour == 0;
}
static bool is_sunday_night(const struct tm *tm)
{
    return tm->tm_min == 59 && tm->tm_hour == 1 && tm->tm_wday == 0;
}
static bool is_last_day(const struct tm *tm)
{
    struct tm tomorrow = { .tm_year = tm->tm_year, .tm_mon = tm->tm_mon, .tm_mday = tm->tm_mday + 1 };
    timegm(&tomorrow);
    return tomorrow.tm_mday == 1 && tm->tm_min == 5 && tm->tm_hour == 2;
}

static const struct brute {
    const char *expression;
    bool (*matches)(const struct tm *tm);
    bool is_rhythm;
} brutes[] = {
    { "* * * * *", is_always, true },           { "*/15 * * * *", is_quarter, true },
    { "*/20 * * * *", is_third, true },         { "30 * * * *", is_half_past, true },
    { "0 */2 * * *", is_second_hour, true },    { "*/15 2 * * *", is_quarter_of_2, true },
    { "30 2 * * *", is_0230, false },           { "15 0 * * *", is_0015, false },
    { "10,40 0-3 * * *", is_early, false },     { "@daily", is_midnight, false },
    { "59 1 * * SUN", is_sunday_night, false }, { "5 2 L * *", is_last_day, false },
};

enum { WINDOW_MINUTES = 60 * 60 };

/* One minute of real time after the other. */
struct minute {
    int64_t t;
    int64_t local; /* as if UTC */
    struct tm tm;
    bool is_repeated; /* the local time has been there before */
};
static struct minute minutes[WINDOW_MINUTES];

static void read_clock(int64_t from)
{
    int64_t highest = INT64_MIN;
    for (int i = 0; i < WINDOW_MINUTES; i++) {
        struct minute *m = &minutes[i];
        time_t at = (time_t)(from + i * 60);
        *m = (struct minute){ .t = at };
        localtime_r(&at, &m->tm);
        m->local = at + m->tm.tm_gmtoff;
        for (int k = i - 1; k >= 0 && m->local <= highest && !m->is_repeated; k--)
            m->is_repeated = minutes[k].local == m->local;
        highest = m->local > highest ? m->local : highest;
    }
}

/* The first local minute that lies between two neighbours and matches; -1. */
static int64_t find_lost(const struct brute *b, const struct minute *before, const struct minute *m)
{
    for (int64_t local = before->local + 60; local < m->local; local += 60) {
        time_t at = (time_t)local;
        struct tm tm;
        gmtime_r(&at, &tm);
        if (b->matches(&tm))
            return local;
    }
    return -1;
}

static bool is_due(const struct brute *b, int i)
{
    const struct minute *m = &minutes[i];
    if (b->matches(&m->tm) && (b->is_rhythm || !m->is_repeated))
        return true;
    int64_t lost = m->local - m[-1].local > 60 ? find_lost(b, &m[-1], m) : -1;
    if (lost < 0 || !b->is_rhythm)
        return lost >= 0;
    int64_t late = lost - m[-1].local - 60; /* seconds after the gap, had there been none */
    for (int k = i; k < WINDOW_MINUTES && minutes[k].t - m->t <= late; k++)
        if (b->matches(&minutes[k].tm))
            return false;
    return true;
}

static size_t n_ticks;

/* Two days in, so that what comes twice is known, and up to some hours before the end of what was read. */
static void check_window(const char *zone, int64_t change)
{
    read_clock(change - change % 60 - 30 * HOUR_S);
    for (size_t n = 0; n < ARRAY_SIZE(brutes); n++) {
        const struct brute *b = &brutes[n];
        struct schedule s = make(b->expression, zone);
        int first = 27 * 60, end = WINDOW_MINUTES - 26 * 60;
        int64_t next = schedule_next(&s, minutes[first].t * USEC_PER_SEC - 1);
        for (int i = first; i < end; i++) {
            bool is_tick = next == minutes[i].t * USEC_PER_SEC;
            if (is_due(b, i) != is_tick) /* ck_assert is slow */
                ck_abort_msg("%s in %s at %jd: %s", b->expression, zone, (intmax_t)minutes[i].t,
                             is_tick ? "a tick too many" : "a tick is missing");
            n_ticks += is_tick;
            if (is_tick)
                next = schedule_next(&s, next);
        }
        schedule_done(&s);
    }
}

static long offset_at(int64_t t)
{
    time_t at = (time_t)t;
    struct tm tm;
    localtime_r(&at, &tm);
    return tm.tm_gmtoff;
}

/* The first change after @t within a year and a half, by the C library; 0. */
static int64_t find_change(int64_t t)
{
    for (int day = 0; day < 550; day++, t += DAY_S) {
        int64_t low = t, high = t + DAY_S;
        if (offset_at(low) == offset_at(high))
            continue;
        while (high - low > 1)
            *(offset_at(low + (high - low) / 2) == offset_at(low) ? &low : &high) = low + (high - low) / 2;
        return high;
    }
    return 0;
}

static void check_zone(const char *zone, int64_t from, int n_changes)
{
    setenv("TZ", zone, 1);
    tzset();
    for (int n = 0; n < n_changes && (from = find_change(from)); n++)
        check_window(zone, from);
}

static size_t check_folder(const char *inside)
{
    char path[300];
    size_t n = 0;
    snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", inside);
    DIR *folder = opendir(path);
    ck_assert_ptr_nonnull(folder);
    /* cppcheck-suppress readdirCalled */
    for (struct dirent *e; (e = readdir(folder));) {
        char name[200];
        struct zone *zone = NULL;
        snprintf(name, sizeof(name), "%.60s%s%.100s", inside, *inside ? "/" : "", e->d_name);
        if (e->d_name[0] == '.' || strcmp(name, "right") == 0 || strcmp(name, "posix") == 0)
            continue;
        if (e->d_type == DT_DIR) {
            n += check_folder(name);
        } else if (zone_load(&zone, name, NULL) == 0) {
            zone_free(zone);
            check_zone(name, time(NULL), 2);
            n++;
        }
    }
    closedir(folder);
    return n;
}

START_TEST(next_two_changes_of_every_zone_are_as_by_brute_force)
{
    ck_assert_uint_ge(check_folder(""), 300);
    ck_assert_uint_ge(n_ticks, 100000);
}
END_TEST

START_TEST(changes_of_the_past_are_as_by_brute_force)
{
    static const struct {
        const char *zone;
        const char *from;
        int n;
    } odd[] = {
        { "Pacific/Apia", "2010-09-01T00:00:00Z", 6 },
        { "Australia/Lord_Howe", "1981-01-01T00:00:00Z", 20 },
        { "Antarctica/Troll", "2005-01-01T00:00:00Z", 12 },
        { "Asia/Pyongyang", "2015-08-01T00:00:00Z", 2 },
        { "Africa/Casablanca", "2018-01-01T00:00:00Z", 12 },
        { "America/Caracas", "2007-12-01T00:00:00Z", 1 },
        { "Europe/Dublin", "1995-01-01T00:00:00Z", 6 },
        { "America/Sao_Paulo", "2014-01-01T00:00:00Z", 8 },
        { "Asia/Kathmandu", "1985-12-01T00:00:00Z", 1 },
        { "America/Havana", "2026-01-01T00:00:00Z", 2 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
        check_zone(odd[i].zone, instant(odd[i].from) / USEC_PER_SEC, odd[i].n);
    ck_assert_uint_ge(n_ticks, 10000);
}
END_TEST

SUITE_MAIN("schedule", time_that_is_left_out_runs_right_after_the_gap, times_beside_a_gap_are_not_touched,
           day_that_is_left_out_is_made_up_for, time_that_comes_twice_runs_once,
           answer_does_not_depend_on_when_it_is_asked, every_quarter_goes_by_the_time_that_passes,
           hourly_is_hourly, steps_are_never_further_apart, periods_count_from_the_anchor,
           last_tick_is_the_one_that_walking_ends_at, long_outages_cost_nothing, end_of_all_years_is_no_tick,
           refusals_say_which, next_two_changes_of_every_zone_are_as_by_brute_force,
           changes_of_the_past_are_as_by_brute_force)
