/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/suite.h"

#include "libjob/cron.h"

#include <stdio.h>
#include <string.h>

#include "base/civil.h"
#include "base/timefmt.h"

static struct cron parse(const char *text)
{
    struct cron cron = { 0 };
    struct err err = { 0 };
    ck_assert_msg(cron_parse(&cron, text, &err) == 0, "%s: %s", text, err.text);
    return cron;
}

static int64_t local(const char *text)
{
    int64_t us;
    ck_assert_int_eq(rfc3339_parse(text, strlen(text), &us), 0);
    return us / 1000000;
}

/* What the expression names from 2026-01-01 (a Thursday) on begins with these times. */
static void check_times(const char *text, const char *const *times)
{
    struct cron cron = parse(text);
    int64_t from = local("2026-01-01T00:00:00Z");
    for (; *times; times++) {
        char found[RFC3339_SIZE];
        from = cron_find_local(&cron, from, INT64_MAX);
        rfc3339_format(from * 1000000, 0, found);
        found[strlen(found) - 1] = 0;
        ck_assert_msg(strcmp(found, *times) == 0, "%s: %s, not %s", text, found, *times);
        from++;
    }
}

#define TIMES(...) ((const char *const[]){ __VA_ARGS__, NULL })

START_TEST(expressions_name_these_times)
{
    static const struct {
        const char *text;
        const char *const times[5];
    } cases[] = {
        { "* * * * *", { "2026-01-01T00:00:00", "2026-01-01T00:01:00" } },
        { "*/15 * * * *",
          { "2026-01-01T00:00:00", "2026-01-01T00:15:00", "2026-01-01T00:30:00", "2026-01-01T00:45:00" } },
        { "5/20 * * * *",
          { "2026-01-01T00:05:00", "2026-01-01T00:25:00", "2026-01-01T00:45:00", "2026-01-01T01:05:00" } },
        { "10-20/5,59 3 * * *",
          { "2026-01-01T03:10:00", "2026-01-01T03:15:00", "2026-01-01T03:20:00", "2026-01-01T03:59:00" } },
        { "30 18 * * *", { "2026-01-01T18:30:00", "2026-01-02T18:30:00" } },
        { "*/20 30 18 * * *",
          { "2026-01-01T18:30:00", "2026-01-01T18:30:20", "2026-01-01T18:30:40", "2026-01-02T18:30:00" } },
        { "* * * * * *", { "2026-01-01T00:00:00", "2026-01-01T00:00:01" } },
        { "0 0 * * MON", { "2026-01-05T00:00:00", "2026-01-12T00:00:00" } },
        { "0 0 * * mon-WED",
          { "2026-01-05T00:00:00", "2026-01-06T00:00:00", "2026-01-07T00:00:00", "2026-01-12T00:00:00" } },
        { "0 0 * * 0", { "2026-01-04T00:00:00", "2026-01-11T00:00:00" } },
        { "0 0 * * 7", { "2026-01-04T00:00:00", "2026-01-11T00:00:00" } },
        { "0 0 * * 5-7",
          { "2026-01-02T00:00:00", "2026-01-03T00:00:00", "2026-01-04T00:00:00", "2026-01-09T00:00:00" } },
        { "0 0 * * sat-sun", { "2026-01-03T00:00:00", "2026-01-04T00:00:00", "2026-01-10T00:00:00" } },
        { "0 0 * * */3", { "2026-01-03T00:00:00", "2026-01-04T00:00:00", "2026-01-07T00:00:00" } },
        { "0 0 * * 1/2", { "2026-01-02T00:00:00", "2026-01-05T00:00:00", "2026-01-07T00:00:00" } },
        { "0 0 1 feb,Apr *", { "2026-02-01T00:00:00", "2026-04-01T00:00:00", "2027-02-01T00:00:00" } },
        { "0 0 1 */6 *", { "2026-01-01T00:00:00", "2026-07-01T00:00:00", "2027-01-01T00:00:00" } },
        { "0 0 L * *",
          { "2026-01-31T00:00:00", "2026-02-28T00:00:00", "2026-03-31T00:00:00", "2026-04-30T00:00:00" } },
        { "0 0 l-2,1 2 *", { "2026-02-01T00:00:00", "2026-02-26T00:00:00", "2027-02-01T00:00:00" } },
        { "0 0 L-30 * *", { "2026-01-01T00:00:00", "2026-03-01T00:00:00", "2026-05-01T00:00:00" } },
        { "0 0 L 2 *", { "2026-02-28T00:00:00", "2027-02-28T00:00:00", "2028-02-29T00:00:00" } },
        { "0 0 * * MON#2", { "2026-01-12T00:00:00", "2026-02-09T00:00:00" } },
        { "0 0 * * 4#5", { "2026-01-29T00:00:00", "2026-04-30T00:00:00", "2026-07-30T00:00:00" } },
        { "0 0 * * 1#1,5#3",
          { "2026-01-05T00:00:00", "2026-01-16T00:00:00", "2026-02-02T00:00:00", "2026-02-20T00:00:00" } },
        { "0 0 * * 7#1", { "2026-01-04T00:00:00", "2026-02-01T00:00:00" } },
        { "0 0 * * 5L", { "2026-01-30T00:00:00", "2026-02-27T00:00:00", "2026-03-27T00:00:00" } },
        { "0 0 * * friL", { "2026-01-30T00:00:00", "2026-02-27T00:00:00" } },
        { "0 0 29 2 *", { "2028-02-29T00:00:00", "2032-02-29T00:00:00" } },
        { "0 0 13 * 5",
          { "2026-01-02T00:00:00", "2026-01-09T00:00:00", "2026-01-13T00:00:00", "2026-01-16T00:00:00" } },
        { "0 0 */2 * 1", { "2026-01-05T00:00:00", "2026-01-19T00:00:00", "2026-02-09T00:00:00" } },
        { "0 0 ? * 1", { "2026-01-05T00:00:00", "2026-01-12T00:00:00" } },
        { "0 0 13 * ?", { "2026-01-13T00:00:00", "2026-02-13T00:00:00" } },
        { "  0\t12  *  *  * ", { "2026-01-01T12:00:00" } },
        { "@yearly", { "2026-01-01T00:00:00", "2027-01-01T00:00:00" } },
        { "@Annually", { "2026-01-01T00:00:00", "2027-01-01T00:00:00" } },
        { "@monthly", { "2026-01-01T00:00:00", "2026-02-01T00:00:00" } },
        { "@weekly", { "2026-01-04T00:00:00", "2026-01-11T00:00:00" } },
        { "@daily", { "2026-01-01T00:00:00", "2026-01-02T00:00:00" } },
        { "@midnight", { "2026-01-01T00:00:00", "2026-01-02T00:00:00" } },
        { "@HOURLY", { "2026-01-01T00:00:00", "2026-01-01T01:00:00" } },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_times(cases[i].text, cases[i].times);
}
END_TEST

/* 29 February on a Sunday: once in 28 years, and 40 around 2100. */
START_TEST(rare_days_are_found)
{
    check_times("0 0 29 2 ?", TIMES("2028-02-29T00:00:00"));
    struct cron cron = parse("0 0 */28 2 0");
    int64_t first = local("2026-01-01T00:00:00Z"), found;
    first = cron_find_local(&cron, first, INT64_MAX);
    ck_assert_int_eq(first, local("2026-02-01T00:00:00Z"));
    cron = parse("0 0 * 2 0#5");
    found = cron_find_local(&cron, first, INT64_MAX);
    ck_assert_int_eq(found, local("2032-02-29T00:00:00Z"));
    found = cron_find_local(&cron, local("2072-03-01T00:00:00Z"), INT64_MAX);
    ck_assert_int_eq(found, local("2088-02-29T00:00:00Z"));
    found = cron_find_local(&cron, found + 1, INT64_MAX);
    ck_assert_int_eq(found, local("2128-02-29T00:00:00Z"));
}
END_TEST

START_TEST(search_ends_with_the_years)
{
    struct cron cron = parse("0 0 1 1 *");
    ck_assert_int_eq(cron_find_local(&cron, local("9999-01-02T00:00:00Z"), INT64_MAX), CRON_NEVER);
    ck_assert_int_eq(cron_find_local(&cron, INT64_MIN, INT64_MAX), CIVIL_MIN_S);
    ck_assert_int_eq(cron_find_local(&cron, INT64_MAX, INT64_MAX), CRON_NEVER);
    ck_assert_int_eq(cron_find_local(&cron, 1, 2), CRON_NEVER);
    ck_assert_int_eq(cron_find_local(&cron, 2, 1), CRON_NEVER);
}
END_TEST

START_TEST(periods_are_durations)
{
    ck_assert_int_eq(parse("@every 90s").every_us, 90000000);
    ck_assert_int_eq(parse("@Every 1h30m").every_us, INT64_C(5400000000));
    ck_assert_int_eq(parse("@every   1.5s ").every_us, 1500000);
    ck_assert_int_eq(parse("* * * * *").every_us, 0);
}
END_TEST

START_TEST(rhythms_are_told_from_times)
{
    static const char *const rhythms[] = { "* * * * *",       "*/15 2 * * *", "0 */2 * * *",    "30 * * * *",
                                           "0-59/15 2 * * *", "5/15 2 * * *", "0 0-23 * * *",   "0 */5 * * *",
                                           "0,*/20 3 * * *",  "@hourly",      "0-45/15 2 * * *" };
    static const char *const times[] = { "30 2 * * *", "0,15,30,45 2 * * *", "0 9-17 * * *", "0 0-6/2 * * *",
                                         "@daily",     "30/40 2 * * *" };
    for (size_t i = 0; i < sizeof(rhythms) / sizeof(rhythms[0]); i++)
        ck_assert_msg(parse(rhythms[i]).is_rhythm, "%s", rhythms[i]);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        ck_assert_msg(!parse(times[i]).is_rhythm, "%s", times[i]);
}
END_TEST

START_TEST(errors_name_place_and_rule)
{
    static const struct {
        const char *text;
        int character;
        const char *rule;
    } cases[] = {
        { "", 1, "empty" },
        { "   ", 4, "empty" },
        { "*", 1, "expected 5 fields" },
        { "hourly", 1, "@hourly" },
        { "* * * *", 1, "found 4" },
        { "  * * * * * * *", 3, "found 7" },
        { "60 * * * *", 1, "minute from 0 to 59, found \"60\"" },
        { "99999999999999999999 * * * *", 1, "minute from 0 to 59" },
        { "-1 * * * *", 1, "found \"-1\"" },
        { "* 24 * * *", 3, "hour from 0 to 23" },
        { "0 0 0 * *", 5, "day of the month from 1 to 31" },
        { "0 0 32 * *", 5, "day of the month" },
        { "0 0 1 0 *", 7, "month from 1 to 12" },
        { "0 0 1 13 *", 7, "month from 1 to 12" },
        { "0 0 1 foo *", 7, "found \"foo\"" },
        { "0 0 1 january *", 10, "found \"uary\"" },
        { "0 0 * * 8", 9, "day of the week from 0 to 7" },
        { "0 0 * * monday", 12, "found \"day\"" },
        { "0 0 * * xyz", 9, "like mon" },
        { "60 0 0 * * *", 1, "second from 0 to 59" },
        { "0 61 0 * * *", 3, "minute" },
        { "1,,2 * * * *", 3, "missing" },
        { "1, * * * *", 3, "missing" },
        { ",1 * * * *", 1, "missing" },
        { "1;2 * * * *", 2, "expected \",\"" },
        { "*5 * * * *", 2, "expected \",\"" },
        { "5-1 * * * *", 1, "5-1 ends before it begins" },
        { "0 0 * * fri-mon", 9, "ends before it begins" },
        { "5- * * * *", 3, "missing" },
        { "1-70 * * * *", 3, "found \"70\"" },
        { "*/0 * * * *", 3, "step from 1 to 59" },
        { "*/ * * * *", 3, "step" },
        { "*/x * * * *", 3, "step" },
        { "*/90 * * * *", 3, "@every" },
        { "0 */24 * * *", 5, "a step of 24" },
        { "1/2/3 * * * *", 4, "expected \",\"" },
        { "? * * * *", 1, "found \"?\"" },
        { "0 0 ?,1 * *", 5, "found \"?\"" },
        { "0 0 L-0 * *", 6, "L-1 to L-30" },
        { "0 0 L-31 * *", 6, "L-1 to L-30" },
        { "0 0 LW * *", 6, "expected \",\"" },
        { "0 0 15W * *", 7, "expected \",\"" },
        { "0 L * * *", 3, "found \"L\"" },
        { "0 0 * * L", 9, "L needs a weekday" },
        { "0 0 * * 1#0", 10, "#1 to #5" },
        { "0 0 * * 1#6", 10, "#1 to #5" },
        { "0 0 * * 1-2#2", 12, "expected \",\"" },
        { "0 0 1#2 * *", 6, "expected \",\"" },
        { "0 0 31 2 *", 5, "never fire" },
        { "0 0 30 2 *", 5, "never fire" },
        { "0 0 31 4,6,9,11 *", 5, "never fire" },
        { "0 0 L-30 4 *", 5, "never fire" },
        { "0 0 0 30 FEB ?", 7, "never fire" },
        { "@", 1, "none of" },
        { "@dayly", 1, "did you mean \"@daily\"" },
        { "@reboot", 1, "none of" },
        { "@daily 5", 8, "nothing behind" },
        { "@every", 7, "one duration" },
        { "@every 90", 8, "duration" },
        { "@every 1s 2s", 8, "one duration" },
        { "@every 999ms", 8, "from 1s" },
        { "@every 3661d", 8, "3660d" },
        { "@every -5s", 8, "duration" },
        { "@every 99999999999999999999d", 8, "duration" },
        { "0 0 * * m\xc3\xb6n", 9, "day of the week" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cron cron = { .every_us = 7 };
        struct err err = { 0 };
        char place[32];
        ck_assert_msg(cron_parse(&cron, cases[i].text, &err) == CRON_INVALID, "%s", cases[i].text);
        snprintf(place, sizeof(place), "character %d: ", cases[i].character);
        ck_assert_msg(strncmp(err.text, place, strlen(place)) == 0, "%s: %s, not %s", cases[i].text, err.text,
                      place);
        ck_assert_msg(strstr(err.text, cases[i].rule), "%s: %s, without %s", cases[i].text, err.text,
                      cases[i].rule);
        ck_assert_int_eq(cron.every_us, 7); /* untouched */
    }
}
END_TEST

START_TEST(long_texts_are_refused)
{
    char text[2 * CRON_TEXT_MAX];
    struct cron cron;
    struct err err = { 0 };
    memset(text, ' ', sizeof(text));
    memcpy(text, "* * * * *", 9);
    text[CRON_TEXT_MAX] = 0;
    ck_assert_int_eq(cron_parse(&cron, text, &err), 0);
    text[CRON_TEXT_MAX] = ' ';
    text[CRON_TEXT_MAX + 1] = 0;
    ck_assert_int_eq(cron_parse(&cron, text, &err), CRON_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "512"));
}
END_TEST

/* Any bytes: no crash, and what is taken names a time. */
START_TEST(noise_does_no_harm)
{
    static const char letters[] = "0123456789*/,-#?L @everydailymonfb\t59";
    unsigned seed = 7;
    size_t taken = 0;
    for (int round = 0; round < 300000; round++) {
        char text[24];
        struct cron cron;
        size_t size = (size_t)rand_r(&seed) % 8;
        for (size_t i = 0; i < size; i++)
            text[i] = letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
        snprintf(text + size, sizeof(text) - size, "%s", round % 2 ? " * * * *" : " 1 * L *");
        if (cron_parse(&cron, text, NULL))
            continue;
        taken++;
        ck_assert(cron.every_us || cron_find_local(&cron, 0, INT64_MAX) != CRON_NEVER);
    }
    ck_assert_uint_ge(taken, 1000);
}
END_TEST

SUITE_MAIN("cron", expressions_name_these_times, rare_days_are_found, search_ends_with_the_years,
           periods_are_durations, rhythms_are_told_from_times, errors_name_place_and_rule,
           long_texts_are_refused, noise_does_no_harm)
