/* SPDX-License-Identifier: Apache-2.0 */
/* Every zone of the system's database against the C library, which reads the same files on its own. */
#define SUITE_TIMEOUT_S 240
#include "tests/support/suite.h"

#include "base/zone.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/civil.h"

#define DATABASE "/usr/share/zoneinfo"
#define YEAR_S INT64_C(31556952)
#define YEAR_2026_S INT64_C(1767225600)

static int64_t offset_of(const struct zone *zone, int64_t t)
{
    struct zone_span span;
    zone_find(zone, t, &span);
    if (t < span.from || t >= span.until) /* ck_assert is slow */
        ck_abort_msg("%jd is not within %jd and %jd", (intmax_t)t, (intmax_t)span.from, (intmax_t)span.until);
    return span.offset_s;
}

/* --- All zones ------------------------------------------------------------------------------------------------------------- */

static size_t n_zones;

static void check_instant(const struct zone *zone, const char *name, int64_t t)
{
    struct tm tm;
    time_t at = (time_t)t;
    if (!localtime_r(&at, &tm) || offset_of(zone, t) != tm.tm_gmtoff)
        ck_abort_msg("%s at %jd: %jd, not %ld", name, (intmax_t)t, (intmax_t)offset_of(zone, t),
                     tm.tm_gmtoff);
}

/* Both sides of every change, and the days between. */
static void check_zone(const char *name, int64_t from, int64_t until, int64_t step)
{
    _cleanup_(zone_free_cleanup) struct zone *zone = NULL;
    struct zone_span span;
    struct err err = { 0 };
    ck_assert_msg(zone_load(&zone, name, &err) == 0, "%s", err.text);
    setenv("TZ", name, 1);
    tzset();
    for (int64_t t = from; t < until; t = span.until < t + step ? span.until : t + step) {
        check_instant(zone, name, t);
        zone_find(zone, t, &span);
        if (span.from < from || span.from != t)
            continue;
        struct zone_span before;
        check_instant(zone, name, t - 1);
        zone_find(zone, t - 1, &before);
        ck_assert_int_eq(before.until, t);
        ck_assert_int_ne(before.offset_s, span.offset_s);
    }
}

static int visit(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    const char *name = path + strlen(DATABASE) + 1;
    (void)st;
    (void)ftw;
    if (flag != FTW_F || strchr(name, '.') || strncmp(name, "right/", 6) == 0 ||
        strncmp(name, "posix/", 6) == 0 || strcmp(name, "localtime") == 0 || strcmp(name, "posixrules") == 0)
        return 0;
    char magic[4] = "";
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    bool is_zone = fread(magic, 1, 4, file) == 4 && memcmp(magic, "TZif", 4) == 0;
    fclose(file);
    if (!is_zone)
        return 0;
    n_zones++;
    check_zone(name, -110 * YEAR_S, 130 * YEAR_S, 30 * 86400);
    return 0;
}

START_TEST(every_zone_is_as_the_c_library_has_it)
{
    ck_assert_int_eq(nftw(DATABASE, visit, 16, 0), 0);
    ck_assert_uint_ge(n_zones, 300);
}
END_TEST

START_TEST(far_years_follow_the_rule)
{
    static const char *const names[] = { "Europe/Berlin", "America/New_York",    "Australia/Lord_Howe",
                                         "Europe/Dublin", "America/Santiago",    "Asia/Jerusalem",
                                         "Asia/Tokyo",    "Pacific/Auckland",    "America/Havana",
                                         "Asia/Gaza",     "Africa/Casablanca",   "Antarctica/Troll",
                                         "Asia/Beirut",   "America/Scoresbysund" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        check_zone(names[i], 130 * YEAR_S, 3000 * YEAR_S, 40 * 86400);
}
END_TEST

/* --- Names ------------------------------------------------------------------------------------------------------------------ */

START_TEST(utc_needs_no_file)
{
    _cleanup_(zone_free_cleanup) struct zone *zone = NULL;
    setenv("TZDIR", "/nowhere", 1);
    ck_assert_int_eq(zone_load(&zone, "UTC", NULL), 0);
    ck_assert_int_eq(offset_of(zone, 0), 0);
    ck_assert_int_eq(offset_of(zone, INT64_MIN), 0);
    ck_assert_int_eq(offset_of(zone, INT64_MAX - 1), 0);
}
END_TEST

START_TEST(missing_database_is_named)
{
    struct zone *zone = NULL;
    struct err err = { 0 };
    setenv("TZDIR", "/nowhere", 1);
    ck_assert_int_eq(zone_load(&zone, "Europe/Berlin", &err), ZONE_NO_DATABASE);
    ck_assert_ptr_nonnull(strstr(err.text, "/nowhere"));
    ck_assert_ptr_nonnull(strstr(err.text, "tzdata"));
}
END_TEST

START_TEST(unknown_names_are_refused)
{
    static const char *const names[] = {
        "",
        "Nowhere/City",
        "/etc/passwd",
        "../zoneinfo/UTC",
        "Europe",
        "Europe/",
        "tzdata.zi",
        "zone.tab",
        "leapseconds",
        "right/UTC",
        "localtime",
        "Europe//Berlin",
        "CET-1CEST",
        "America/Argentina",
        "posixrules",
        "UTC ",
        " UTC",
        "+01:00",
        "M\xc3\xbcnchen",
        "Europe/Berlin/x",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct zone *zone = NULL;
        struct err err = { 0 };
        ck_assert_msg(zone_load(&zone, names[i], &err) == ZONE_UNKNOWN, "%s", names[i]);
        ck_assert_msg(strstr(err.text, "time zone"), "%s", err.text);
    }
}
END_TEST

START_TEST(near_misses_are_named)
{
    static const char *const names[][2] = {
        { "Europe/Berln", "Europe/Berlin" },
        { "europe/berlin", "Europe/Berlin" },
        { "America/NewYork", "America/New_York" },
        { "utc", "UTC" },
        { "America/Argentina/Ushuia", "America/Argentina/Ushuaia" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct zone *zone = NULL;
        struct err err = { 0 };
        ck_assert_int_eq(zone_load(&zone, names[i][0], &err), ZONE_UNKNOWN);
        ck_assert_msg(strstr(err.text, names[i][1]), "%s", err.text);
    }
}
END_TEST

/* --- Files ------------------------------------------------------------------------------------------------------------------- */

/* A file of version 2 with one type and no change, and this rule. */
static size_t make_file(uint8_t *to, int32_t offset_s, const char *rule)
{
    struct buf b = { 0 };
    for (int part = 0; part < 2; part++) {
        uint8_t reserved[15] = { 0 };
        buf_append(&b, "TZif2", 5);
        buf_append(&b, reserved, sizeof(reserved));
        for (int i = 0; i < 4; i++)
            buf_append_be32(&b, 0);
        buf_append_be32(&b, 1);
        buf_append_be32(&b, 4);
        buf_append_be32(&b, (uint32_t)offset_s);
        buf_append(&b, "\0\0ABC", 6);
    }
    buf_append_format(&b, "\n%s\n", rule);
    memcpy(to, b.data, b.size);
    size_t size = b.size;
    buf_done(&b);
    return size;
}

static struct zone *load_rule(const char *rule)
{
    uint8_t bytes[512];
    struct zone *zone = NULL;
    struct err err = { 0 };
    size_t size = make_file(bytes, 0, rule);
    ck_assert_msg(zone_load_bytes(&zone, bytes, size, &err) == 0, "%s: %s", rule, err.text);
    return zone;
}

START_TEST(rules_are_read_in_all_their_forms)
{
    static const struct {
        const char *rule;
        int january, july;
    } cases[] = {
        { "", 0, 0 },
        { "UTC0", 0, 0 },
        { "<-03>3", -10800, -10800 },
        { "<+0530>-5:30", 19800, 19800 },
        { "ABC-0:00:30", 30, 30 },
        { "EST5EDT,M3.2.0,M11.1.0", -18000, -14400 },
        { "IST-1GMT0,M10.5.0,M3.5.0/1", 0, 3600 },
        { "AAA-10BBB-10:30,M4.1.0/-1,M10.1.0/26:30:15", 36000, 37800 },
        { "AAA0BBB,J60,J300", 0, 3600 },
        { "AAA0BBB-2,59/0,299/167", 0, 7200 },
        { "XXX3EDT4,0/0,J365/23", -14400, -14400 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_(zone_free_cleanup) struct zone *zone = load_rule(cases[i].rule);
        ck_assert_msg(offset_of(zone, YEAR_2026_S + 14 * 86400) == cases[i].january, "%s", cases[i].rule);
        ck_assert_msg(offset_of(zone, YEAR_2026_S + 195 * 86400) == cases[i].july, "%s", cases[i].rule);
    }
}
END_TEST

START_TEST(summer_time_without_end_is_one_span)
{
    struct zone_span span;
    _cleanup_(zone_free_cleanup) struct zone *zone = load_rule("XXX3EDT4,0/0,J365/23");
    for (int64_t t = YEAR_2026_S - 400000; t < YEAR_2026_S + 400000; t += 3600) {
        zone_find(zone, t, &span);
        ck_assert_int_eq(span.offset_s, -14400);
        ck_assert_int_lt(span.from, YEAR_2026_S - 86400 * 300);
        ck_assert_int_gt(span.until, YEAR_2026_S + 86400 * 700);
    }
}
END_TEST

START_TEST(broken_rules_are_refused)
{
    static const char *const rules[] = {
        "A0",
        "ABC",
        "ABC25",
        "ABC0DEF",
        "ABC0DEF,M3.2.0",
        "ABC0DEF,,",
        "ABC0DEF,M13.1.0,M1.1.0",
        "ABC0DEF,M1.6.0,M1.1.0",
        "ABC0DEF,M1.1.7,M1.1.0",
        "ABC0DEF,J0,J1",
        "ABC0DEF,366,1",
        "<ABC0",
        "<>0",
        "ABC0DEF,M3.2.0,M11.1.0x",
        "ABC0:60",
        "ABC0DEF,M3.2.0/168,M11.1.0",
        "ABC99999999999999999999",
    };
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        uint8_t bytes[512];
        struct zone *zone = NULL;
        size_t size = make_file(bytes, 0, rules[i]);
        ck_assert_msg(zone_load_bytes(&zone, bytes, size, NULL) == ZONE_UNKNOWN, "%s", rules[i]);
    }
}
END_TEST

static struct buf read_berlin(void)
{
    struct buf bytes = { 0 };
    FILE *file = fopen(DATABASE "/Europe/Berlin", "re");
    ck_assert_ptr_nonnull(file);
    size_t n = fread(buf_reserve(&bytes, 65536), 1, 65536, file);
    bytes.size = n;
    fclose(file);
    return bytes;
}

START_TEST(cut_files_are_refused)
{
    _cleanup_buf_ struct buf bytes = read_berlin();
    for (size_t size = 0; size < bytes.size; size++) {
        struct zone *zone = NULL;
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, bytes.data, size);
        ck_assert_int_eq(zone_load_bytes(&zone, copy, size, NULL), ZONE_UNKNOWN);
        free(copy);
    }
}
END_TEST

/* Whatever stands there: no crash, and what is taken can be looked up. */
START_TEST(damaged_files_do_no_harm)
{
    _cleanup_buf_ struct buf bytes = read_berlin();
    unsigned seed = 1;
    for (int round = 0; round < 20000; round++) {
        struct zone *zone = NULL;
        uint8_t copy[16384];
        ck_assert_uint_le(bytes.size, sizeof(copy));
        memcpy(copy, bytes.data, bytes.size);
        for (int n = 0; n < 1 + round % 4; n++)
            copy[(size_t)rand_r(&seed) % bytes.size] = (uint8_t)rand_r(&seed);
        int r = zone_load_bytes(&zone, copy, bytes.size, NULL);
        ck_assert(r == 0 || r == ZONE_UNKNOWN);
        for (int64_t t = -100 * YEAR_S; r == 0 && t < 200 * YEAR_S; t += YEAR_S / 2)
            offset_of(zone, t);
        zone_free(zone);
    }
}
END_TEST

START_TEST(instants_without_bounds_have_a_span)
{
    static const int64_t instants[] = {
        INT64_MIN, CIVIL_MIN_S - 1, CIVIL_MIN_S, 0, CIVIL_MAX_S, INT64_MAX - 1
    };
    _cleanup_(zone_free_cleanup) struct zone *zone = NULL;
    ck_assert_int_eq(zone_load(&zone, "Europe/Berlin", NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(instants); i++)
        ck_assert_int_le(offset_of(zone, instants[i]), 7200);
}
END_TEST

START_TEST(calendar_goes_there_and_back)
{
    int64_t day = CIVIL_MIN_S / CIVIL_DAY_S;
    for (int year = CIVIL_YEAR_MIN; year <= CIVIL_YEAR_MAX; year++)
        for (int month = 1; month <= 12; month++)
            for (int d = 1; d <= civil_days_in_month(year, month); d++, day++) {
                struct civil date = civil_from_days(day);
                if (date.year != year || date.month != month || date.day != d || civil_to_days(date) != day)
                    ck_abort_msg("%d-%d-%d", year, month, d);
            }
    ck_assert_int_eq(day, CIVIL_MAX_S / CIVIL_DAY_S);
    ck_assert_int_eq(civil_weekday(0), 4);
    ck_assert_int_eq(civil_weekday(-1), 3);
    ck_assert_int_eq(civil_weekday(-7), 4);
}
END_TEST

SUITE_MAIN("zone", every_zone_is_as_the_c_library_has_it, far_years_follow_the_rule, utc_needs_no_file,
           missing_database_is_named, unknown_names_are_refused, near_misses_are_named,
           rules_are_read_in_all_their_forms, summer_time_without_end_is_one_span, broken_rules_are_refused,
           cut_files_are_refused, damaged_files_do_no_harm, instants_without_bounds_have_a_span,
           calendar_goes_there_and_back)
