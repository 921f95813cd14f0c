/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timefmt.h"

#include "tests/support/suite.h"

START_TEST(durations_read_as_people_write_them)
{
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        { "0", 0 },
        { "250ms", 250000 },
        { "1.5s", 1500000 },
        { "15m", 900000000 },
        { "2h30m", 9000000000 },
        { "7d", 604800000000 },
        { "1w", 604800000000 },
        { "10us", 10 },
        { "0.5ms", 500 },
        { "1m1ms", 60001000 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t us = -1;
        ck_assert_msg(duration_parse(cases[i].text, &us) == 0, "%s", cases[i].text);
        ck_assert_int_eq(us, cases[i].us);
    }
}
END_TEST

START_TEST(durations_without_unit_or_sense_are_refused)
{
    static const char *const broken[] = {
        "", "5", "m", "-1s", "1x", "1 s", "1.s", "s1", "99999999999999999999s", "1sm"
    };
    int64_t us;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        ck_assert_msg(duration_parse(broken[i], &us) == 1, "%s", broken[i]);
}
END_TEST

START_TEST(formatted_durations_read_back)
{
    static const int64_t values[] = { 0,        1,          999,         1000,         1500000,
                                      60000000, 3600000000, 86400000000, 1209600000000 };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[32];
        int64_t us = -1;
        ck_assert_int_eq(duration_parse(duration_format(values[i], text), &us), 0);
        ck_assert_int_eq(us, values[i]);
    }
}
END_TEST

START_TEST(rfc3339_reads_zones_and_fractions)
{
    int64_t us;
    ck_assert_int_eq(rfc3339_parse("2026-11-24T10:00:00Z", 20, &us), 0);
    ck_assert_int_eq(us, 1795514400000000);
    ck_assert_int_eq(rfc3339_parse("2026-11-24T11:00:00.25+01:00", 28, &us), 0);
    ck_assert_int_eq(us, 1795514400250000);
    ck_assert_int_eq(rfc3339_parse("1969-12-31t23:59:59.999999z", 27, &us), 0);
    ck_assert_int_eq(us, -1);
}
END_TEST

START_TEST(dates_that_do_not_exist_are_refused)
{
    static const char *const broken[] = {
        "2026-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00Zx",
        "2026-01-01",
        "2025-02-29T00:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:00.Z",
        "x",
    };
    int64_t us;
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        ck_assert_msg(rfc3339_parse(broken[i], strlen(broken[i]), &us) == 1, "%s", broken[i]);
}
END_TEST

START_TEST(rfc3339_is_written_in_utc)
{
    char text[RFC3339_SIZE];
    ck_assert_str_eq(rfc3339_format(1795514400250000, 3, text), "2026-11-24T10:00:00.250Z");
    ck_assert_str_eq(rfc3339_format(-1, 6, text), "1969-12-31T23:59:59.999999Z");
    ck_assert_str_eq(rfc3339_format(0, 0, text), "1970-01-01T00:00:00Z");
}
END_TEST

SUITE_MAIN("timefmt", durations_read_as_people_write_them, durations_without_unit_or_sense_are_refused,
           formatted_durations_read_back, rfc3339_reads_zones_and_fractions,
           dates_that_do_not_exist_are_refused, rfc3339_is_written_in_utc)
