/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/valve.h"

#include "tests/support/suite.h"

#define RATE 1000
#define BURST ((size_t)(RATE * VALVE_BURST_US / USEC_PER_SEC))
#define START_US (INT64_C(7) * 3600 * USEC_PER_SEC)

static struct valve valve;
static int64_t now_us;

static void start(void)
{
    now_us = START_US;
    valve_init(&valve, now_us);
}

static void break_down(size_t n)
{
    for (size_t i = 0; i < n; i++)
        valve_charge(&valve, RATE, now_us);
}

static void pass(int64_t us)
{
    now_us += us;
    valve_look(&valve, RATE, now_us);
}

static size_t allowance(void)
{
    return valve_allowance(&valve, RATE);
}

START_TEST(burst_of_failures_holds_nothing_back)
{
    start();
    break_down(BURST - 1);
    ck_assert_uint_eq(allowance(), VALVE_UNLIMITED);
    ck_assert_int_eq(valve_look_at_us(&valve, RATE, 5), INT64_MAX);
    break_down(1);
    ck_assert_uint_eq(allowance(), 0);
}
END_TEST

START_TEST(fewer_failures_than_the_rate_never_narrow_it)
{
    start();
    for (int i = 0; i < 100000; i++) {
        pass(USEC_PER_SEC / RATE);
        break_down(1);
        ck_assert_uint_eq(allowance(), VALVE_UNLIMITED);
    }
}
END_TEST

START_TEST(narrow_valve_lets_run_what_it_could_pay_for)
{
    start();
    break_down(BURST);
    pass(50 * USEC_PER_MSEC);
    ck_assert_uint_eq(allowance(), 50);
    break_down(20);
    ck_assert_uint_eq(allowance(), 30);
    pass(USEC_PER_SEC);
    ck_assert_uint_eq(allowance(), 1030);
}
END_TEST

START_TEST(debt_is_paid_before_anything_starts_and_has_a_bound)
{
    start();
    break_down(BURST + 500);
    pass(499 * USEC_PER_MSEC);
    ck_assert_uint_eq(allowance(), 0);
    pass(2 * USEC_PER_MSEC);
    ck_assert_uint_eq(allowance(), 1);
    break_down(100 * BURST);
    pass(VALVE_BURST_US);
    ck_assert_uint_eq(allowance(), 0);
    pass(USEC_PER_SEC / RATE);
    ck_assert_uint_eq(allowance(), 1);
}
END_TEST

START_TEST(it_is_open_again_when_next_to_nothing_has_failed_for_long)
{
    start();
    break_down(BURST);
    pass(VALVE_BURST_US - 1);
    ck_assert_uint_eq(allowance(), BURST - 1);
    break_down(1);
    pass(USEC_PER_SEC / RATE);
    ck_assert_uint_ne(allowance(), VALVE_UNLIMITED);
    pass(1);
    ck_assert_uint_eq(allowance(), VALVE_UNLIMITED);
    break_down(1);
    ck_assert_uint_eq(allowance(), VALVE_UNLIMITED);
}
END_TEST

/* All that run fail at once, and as many start again as may. */
START_TEST(rate_holds_while_everything_fails)
{
    start();
    break_down(BURST);
    size_t failed = 0;
    for (int i = 0; i < 60 * 50; i++) {
        pass(20 * USEC_PER_MSEC);
        failed += allowance();
        break_down(allowance());
    }
    ck_assert_uint_eq(failed, 60 * RATE);
    ck_assert(valve.narrow);
}
END_TEST

START_TEST(it_says_when_another_look_is_worth_it)
{
    start();
    break_down(BURST + 1);
    ck_assert_int_eq(valve_look_at_us(&valve, RATE, 0), now_us + 2 * USEC_PER_SEC / RATE);
    ck_assert_int_eq(valve_look_at_us(&valve, RATE, 9), now_us + 11 * USEC_PER_SEC / RATE);
    int64_t full_us = now_us + VALVE_BURST_US + USEC_PER_SEC / RATE;
    ck_assert_int_eq(valve_look_at_us(&valve, RATE, BURST + 5), full_us);
    pass(USEC_PER_SEC);
    ck_assert_int_eq(valve_look_at_us(&valve, RATE, 0), full_us);
    pass(full_us - now_us);
    ck_assert_uint_eq(allowance(), VALVE_UNLIMITED);
}
END_TEST

START_TEST(rate_may_change_and_zero_is_no_valve)
{
    start();
    break_down(BURST);
    pass(USEC_PER_SEC);
    ck_assert_uint_eq(valve_allowance(&valve, 7), 7);
    ck_assert_uint_eq(valve_allowance(&valve, 1000000), 1000000);
    ck_assert_uint_eq(valve_allowance(&valve, 0), VALVE_UNLIMITED);
    valve_look(&valve, 0, now_us);
    ck_assert(!valve.narrow);
    for (size_t i = 0; i < 2 * BURST; i++)
        valve_charge(&valve, 0, now_us);
    ck_assert_uint_eq(allowance(), VALVE_UNLIMITED);
}
END_TEST

START_TEST(clock_that_stands_or_leaps_does_no_harm)
{
    start();
    break_down(BURST);
    pass(-5 * USEC_PER_SEC);
    ck_assert_uint_eq(allowance(), 0);
    pass(5 * USEC_PER_SEC);
    ck_assert_uint_eq(allowance(), 0);
    pass(INT64_MAX / 2);
    ck_assert_uint_eq(allowance(), VALVE_UNLIMITED);
}
END_TEST

SUITE_MAIN("valve", burst_of_failures_holds_nothing_back, fewer_failures_than_the_rate_never_narrow_it,
           narrow_valve_lets_run_what_it_could_pay_for, debt_is_paid_before_anything_starts_and_has_a_bound,
           it_is_open_again_when_next_to_nothing_has_failed_for_long, rate_holds_while_everything_fails,
           it_says_when_another_look_is_worth_it, rate_may_change_and_zero_is_no_valve,
           clock_that_stands_or_leaps_does_no_harm)
