/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/suite.h"

#include "cli/job/seen.h"

static struct seen_row row(uint32_t xid)
{
    struct seen_row r = { .xid = xid, .delivery = -1, .finished_us = (int64_t)xid };
    uuid_new(&r.id);
    return r;
}

START_TEST(what_was_added_is_there_and_nothing_else)
{
    struct seen s = { 0 };
    struct seen_row known[5000], other = row(1);
    ck_assert(!seen_has(&s, &other.id, -1));
    for (size_t i = 0; i < 5000; i++) {
        known[i] = row(1);
        ck_assert_int_eq(seen_add(&s, &known[i]), 0);
        ck_assert_int_eq(seen_add(&s, &known[i]), 0);
    }
    ck_assert_uint_eq(s.n, 5000);
    for (size_t i = 0; i < 5000; i++)
        ck_assert(seen_has(&s, &known[i].id, -1));
    ck_assert(!seen_has(&s, &other.id, -1));
    seen_done(&s);
}
END_TEST

START_TEST(tries_of_a_job_are_not_its_end)
{
    struct seen s = { 0 };
    struct seen_row r = row(1);
    r.delivery = 2;
    ck_assert_int_eq(seen_add(&s, &r), 0);
    ck_assert(seen_has(&s, &r.id, 2));
    ck_assert(!seen_has(&s, &r.id, 1));
    ck_assert(!seen_has(&s, &r.id, -1));
    seen_done(&s);
}
END_TEST

START_TEST(what_lies_before_the_horizon_is_forgotten)
{
    struct seen s = { 0 };
    struct seen_row rows[1000];
    for (uint32_t i = 0; i < 1000; i++) {
        rows[i] = row(i);
        ck_assert_int_eq(seen_add(&s, &rows[i]), 0);
    }
    seen_forget(&s, 400, INT64_MIN);
    for (uint32_t i = 0; i < 1000; i++)
        ck_assert_int_eq(seen_has(&s, &rows[i].id, -1), i >= 400);
    seen_forget(&s, 0, 700);
    for (uint32_t i = 0; i < 1000; i++)
        ck_assert_int_eq(seen_has(&s, &rows[i].id, -1), i >= 700);
    seen_done(&s);
}
END_TEST

START_TEST(transactions_are_numbered_in_a_circle)
{
    ck_assert(seen_is_before(5, 6));
    ck_assert(!seen_is_before(6, 6));
    ck_assert(seen_is_before(UINT32_MAX, 3));
    ck_assert(!seen_is_before(3, UINT32_MAX));
}
END_TEST

START_TEST(there_is_a_bound)
{
    struct seen s = { 0 };
    struct seen_row r = row(1);
    for (uint32_t i = 0; i < SEEN_MAX; i++) {
        r.delivery = (int32_t)i;
        ck_assert_int_eq(seen_add(&s, &r), 0);
    }
    r.delivery = -1;
    ck_assert_int_eq(seen_add(&s, &r), 1);
    seen_done(&s);
}
END_TEST

SUITE_MAIN("seen", what_was_added_is_there_and_nothing_else, tries_of_a_job_are_not_its_end,
           what_lies_before_the_horizon_is_forgotten, transactions_are_numbered_in_a_circle, there_is_a_bound)
