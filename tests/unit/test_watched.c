/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/watched.h"

#include <stdlib.h>

#include "tests/support/suite.h"

static struct watched watched = { .name = "relay" };

START_TEST(thread_that_has_said_nothing_is_not_late)
{
    ck_assert(watched_look(&watched, INT64_MAX));
}
END_TEST

START_TEST(step_may_take_a_minute)
{
    int64_t before_us = clock_mono_us();
    pulse_step(&watched.pulse);
    ck_assert(watched_look(&watched, before_us + PULSE_STEP_US));
    ck_assert(!watched_look(&watched, clock_mono_us() + PULSE_STEP_US + 1));
    ck_assert(watched.is_late);
}
END_TEST

START_TEST(pause_ends_soon_after_its_time)
{
    int64_t before_us = clock_mono_us(), hour_us = 3600 * USEC_PER_SEC;
    pulse_wait(&watched.pulse, hour_us);
    ck_assert(watched_look(&watched, before_us + hour_us + PULSE_WAIT_US));
    ck_assert(!watched_look(&watched, clock_mono_us() + hour_us + PULSE_WAIT_US + 1));
}
END_TEST

START_TEST(thread_that_goes_on_is_alive_again)
{
    pulse_step(&watched.pulse);
    ck_assert(!watched_look(&watched, INT64_MAX));
    ck_assert(!watched_look(&watched, INT64_MAX));
    pulse_step(&watched.pulse);
    ck_assert(watched_look(&watched, clock_mono_us()));
    ck_assert(!watched.is_late);
}
END_TEST

START_TEST(thread_that_has_ended_is_not_late)
{
    pulse_step(&watched.pulse);
    pulse_end(&watched.pulse);
    ck_assert(watched_look(&watched, INT64_MAX));
}
END_TEST

START_TEST(interval_is_a_quarter_of_what_the_service_manager_bears)
{
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    ck_assert_int_eq(watched_interval_us(), 10 * USEC_PER_SEC);
    setenv("WATCHDOG_USEC", "2000000", 1);
    ck_assert_int_eq(watched_interval_us(), USEC_PER_SEC / 2);
    setenv("WATCHDOG_USEC", "3600000000", 1);
    ck_assert_int_eq(watched_interval_us(), 10 * USEC_PER_SEC);
    setenv("WATCHDOG_USEC", "nonsense", 1);
    ck_assert_int_eq(watched_interval_us(), 10 * USEC_PER_SEC);
}
END_TEST

SUITE_MAIN("watched", thread_that_has_said_nothing_is_not_late, step_may_take_a_minute,
           pause_ends_soon_after_its_time, thread_that_goes_on_is_alive_again,
           thread_that_has_ended_is_not_late, interval_is_a_quarter_of_what_the_service_manager_bears)
