/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/suite.h"

#include "base/buf.h"
#include "cli/doctor/judge.h"
#include "store/inventory.h"
#include "store/migrate.h"

#define GIB (INT64_C(1024) * 1024 * 1024)

START_TEST(age_of_transactions_is_judged)
{
    ck_assert_int_eq(judge_wraparound(200000000), FINDING_OK);
    ck_assert_int_eq(judge_wraparound(600000000), FINDING_WARNING);
    ck_assert_int_eq(judge_wraparound(1500000000), FINDING_PROBLEM);
}
END_TEST

START_TEST(room_on_disk_is_judged)
{
    ck_assert_int_eq(judge_disk(50 * GIB, 100 * GIB), FINDING_OK);
    ck_assert_int_eq(judge_disk(9 * GIB, 100 * GIB), FINDING_WARNING);
    ck_assert_int_eq(judge_disk(GIB / 2, 2 * GIB), FINDING_WARNING);
    ck_assert_int_eq(judge_disk(1 * GIB, 100 * GIB), FINDING_PROBLEM);
    ck_assert_int_eq(judge_disk(GIB / 8, GIB / 4), FINDING_PROBLEM);
}
END_TEST

START_TEST(tables_are_judged_by_what_is_dead_and_by_what_they_take)
{
    ck_assert(!judge_dead_rows(0, 49999));
    ck_assert(judge_dead_rows(0, 50000));
    ck_assert(!judge_dead_rows(1000000, 900000));
    ck_assert(!judge_bloat(0, GIB / 32));
    ck_assert(judge_bloat(0, GIB / 16));
    ck_assert(!judge_bloat(1000000, 2 * GIB));
    ck_assert(!judge_growth(9, 0));
    ck_assert(!judge_growth(100, 50));
    ck_assert(judge_growth(111, 50));
}
END_TEST

START_TEST(objects_are_read_off_the_text_of_migrations)
{
    struct buf names = { 0 };
    inventory_read(
        &names,
        "CREATE TABLE job.a (\n    CREATE_ME text\n);\nCREATE UNIQUE INDEX IF NOT EXISTS i ON job.a (x);\n"
        "CREATE OR REPLACE FUNCTION job.f(n int) RETURNS void AS $$\n    CREATE TABLE job.b ();\n$$;\n"
        "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON job.a\nCREATE TABLE job.gone ();\nCREATE TABLE job.%I ();\n");
    inventory_read(&names,
                   "DROP TABLE IF EXISTS job.gone;\nDROP FUNCTION job.g(text);\nCREATE VIEW job.v AS\n");
    ck_assert_str_eq(names.data, "\ntable a\n\nindex i\n\nfunction f\n\ntrigger t\n\nview v\n");
    buf_done(&names);
}
END_TEST

SUITE_MAIN("judge", age_of_transactions_is_judged, room_on_disk_is_judged,
           tables_are_judged_by_what_is_dead_and_by_what_they_take,
           objects_are_read_off_the_text_of_migrations)
