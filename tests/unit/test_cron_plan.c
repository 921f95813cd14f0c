/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cron_plan.h"

#include <string.h>

#include "base/clock.h"
#include "tests/support/suite.h"

#define S USEC_PER_SEC
#define START (INT64_C(1767225600) * S) /* 2026-01-01 00:00:00 UTC */

static struct schedule schedule;
static struct cron_plan plan;

/* Ticks each minute; dealt with up to @since_s after START, and it is @now_s after it. */
static void make(enum cron_missed missed, size_t max, int64_t since_s, int64_t now_s)
{
    memset(&plan, 0x55, sizeof(plan));
    cron_plan_make(&plan, &schedule, missed, max, START + since_s * S, START + now_s * S);
}

static void check_out(int64_t from_s, int64_t until_s)
{
    ck_assert_int_eq(plan.out_from_us, START + from_s * S);
    ck_assert_int_eq(plan.out_until_us, START + until_s * S);
}

static void setup(const char *expression)
{
    ck_assert_int_eq(schedule_init(&schedule, expression, "UTC", START, NULL), 0);
}

static const enum cron_missed all_policies[] = { CRON_MISSED_SKIP, CRON_MISSED_LAST, CRON_MISSED_ALL };

START_TEST(nothing_is_due_before_the_tick)
{
    setup("* * * * *");
    for (size_t i = 0; i < 3; i++) {
        make(all_policies[i], 100, 0, 59);
        ck_assert_uint_eq(plan.n_ticks, 0);
        ck_assert_int_eq(plan.since_us, START);
        ck_assert_int_eq(plan.next_us, START + 60 * S);
        ck_assert_int_eq(plan.out_from_us, CRON_NEVER);
    }
    schedule_done(&schedule);
}
END_TEST

START_TEST(one_tick_is_run_by_every_policy)
{
    setup("* * * * *");
    for (size_t i = 0; i < 3; i++) {
        for (int64_t late = 0; late < 60; late += 59) {
            make(all_policies[i], 100, 0, 60 + late);
            ck_assert_uint_eq(plan.n_ticks, 1);
            ck_assert_int_eq(plan.ticks[0], START + 60 * S);
            ck_assert_int_eq(plan.since_us, START + 60 * S);
            ck_assert_int_eq(plan.next_us, START + 120 * S);
            ck_assert_int_eq(plan.out_from_us, CRON_NEVER);
            ck_assert_int_eq(plan.out_until_us, CRON_NEVER);
        }
    }
    schedule_done(&schedule);
}
END_TEST

START_TEST(skip_runs_the_last_one_only_if_it_is_hardly_late)
{
    setup("*/5 * * * *");
    make(CRON_MISSED_SKIP, 100, 0, 660);
    ck_assert_uint_eq(plan.n_ticks, 1);
    ck_assert_int_eq(plan.ticks[0], START + 600 * S);
    check_out(300, 300);
    make(CRON_MISSED_SKIP, 100, 0, 661);
    ck_assert_uint_eq(plan.n_ticks, 0);
    check_out(300, 600);
    ck_assert_int_eq(plan.since_us, START + 600 * S);
    ck_assert_int_eq(plan.next_us, START + 900 * S);
    schedule_done(&schedule);
}
END_TEST

START_TEST(last_runs_one_however_late)
{
    setup("0 * * * *");
    make(CRON_MISSED_LAST, 100, 0, 86400 * 365 - 1);
    ck_assert_uint_eq(plan.n_ticks, 1);
    ck_assert_int_eq(plan.ticks[0], START + (86400 * 365 - 3600) * S);
    check_out(3600, 86400 * 365 - 7200);
    schedule_done(&schedule);
}
END_TEST

START_TEST(all_runs_the_last_ones_in_order)
{
    setup("* * * * *");
    make(CRON_MISSED_ALL, 100, 0, 300);
    ck_assert_uint_eq(plan.n_ticks, 5);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(plan.ticks[i], START + (i + 1) * 60 * S);
    ck_assert_int_eq(plan.out_from_us, CRON_NEVER);
    make(CRON_MISSED_ALL, 2, 0, 300);
    ck_assert_uint_eq(plan.n_ticks, 2);
    ck_assert_int_eq(plan.ticks[0], START + 240 * S);
    ck_assert_int_eq(plan.ticks[1], START + 300 * S);
    check_out(60, 180);
    make(CRON_MISSED_ALL, SIZE_MAX, 0, 86400 * 30);
    ck_assert_uint_eq(plan.n_ticks, CRON_TICKS_MAX);
    ck_assert_int_eq(plan.ticks[CRON_TICKS_MAX - 1], START + 86400 * 30 * S);
    ck_assert_int_eq(plan.ticks[0], START + (86400 * 30 - (CRON_TICKS_MAX - 1) * 60) * S);
    schedule_done(&schedule);
}
END_TEST

START_TEST(clock_that_is_set_back_repeats_nothing)
{
    setup("* * * * *");
    make(CRON_MISSED_ALL, 100, 600, 300);
    ck_assert_uint_eq(plan.n_ticks, 0);
    ck_assert_int_eq(plan.since_us, START + 600 * S);
    ck_assert_int_eq(plan.next_us, START + 660 * S);
    make(CRON_MISSED_ALL, 100, 86400, 300);
    ck_assert_uint_eq(plan.n_ticks, 0);
    ck_assert_int_eq(plan.since_us, START + 300 * S);
    ck_assert_int_eq(plan.next_us, START + 360 * S);
    ck_assert_int_eq(cron_plan_since_us(INT64_MAX, START), START);
    ck_assert_int_eq(cron_plan_since_us(INT64_MIN, START), INT64_MIN);
    schedule_done(&schedule);
}
END_TEST

/* A row may have any `since`, also -infinity. */
START_TEST(since_without_bounds_is_bearable)
{
    setup("* * * * *");
    cron_plan_make(&plan, &schedule, CRON_MISSED_LAST, 100, INT64_MIN, START + 30 * S);
    ck_assert_uint_eq(plan.n_ticks, 1);
    ck_assert_int_eq(plan.ticks[0], START);
    schedule_done(&schedule);
    setup("@every 90s");
    cron_plan_make(&plan, &schedule, CRON_MISSED_ALL, 100, INT64_MIN, START + 200 * S);
    ck_assert_uint_eq(plan.n_ticks, 2);
    ck_assert_int_eq(plan.ticks[1], START + 180 * S);
    schedule_done(&schedule);
}
END_TEST

/* Walking with the clock, in steps of any size, meets every tick once, whatever the policy leaves out. */
START_TEST(every_tick_is_run_or_left_out_once)
{
    unsigned seed = 11;
    setup("*/7 3-20 * * *");
    for (size_t i = 0; i < 3; i++) {
        int64_t since = START, now = START, seen = START;
        for (int step = 0; step < 2000; step++) {
            now += (int64_t)(rand_r(&seed) % (step % 10 ? 600 : 90000)) * S;
            cron_plan_make(&plan, &schedule, all_policies[i], 3, since, now);
            if (plan.out_from_us != CRON_NEVER) {
                ck_assert_int_eq(plan.out_from_us, schedule_next(&schedule, seen));
                ck_assert_int_ge(plan.out_until_us, plan.out_from_us);
                seen = plan.out_until_us;
            }
            for (size_t k = 0; k < plan.n_ticks; k++) {
                ck_assert_int_eq(plan.ticks[k], schedule_next(&schedule, seen));
                seen = plan.ticks[k];
            }
            ck_assert_int_eq(plan.since_us, seen);
            ck_assert_int_eq(plan.next_us, schedule_next(&schedule, seen));
            ck_assert_int_gt(plan.next_us, now);
            since = plan.since_us;
        }
    }
    schedule_done(&schedule);
}
END_TEST

SUITE_MAIN("cron_plan", nothing_is_due_before_the_tick, one_tick_is_run_by_every_policy,
           skip_runs_the_last_one_only_if_it_is_hardly_late, last_runs_one_however_late,
           all_runs_the_last_ones_in_order, clock_that_is_set_back_repeats_nothing,
           since_without_bounds_is_bearable, every_tick_is_run_or_left_out_once)
