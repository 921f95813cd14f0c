/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/backoff.h"

#include <limits.h>

#include "base/clock.h"
#include "base/hash.h"
#include "tests/support/suite.h"

#define MIDDLE (UINT64_C(1) << 63) /* no jitter */
#define HOUR (3600 * USEC_PER_SEC)

static struct backoff policy_of(enum backoff_kind kind, int64_t base_us, double factor, int64_t max_us,
                                int jitter)
{
    return (struct backoff){
        .kind = (int)kind, .base_us = base_us, .factor = factor, .max_us = max_us, .jitter = jitter
    };
}

START_TEST(default_is_n_to_the_fourth_and_two_seconds)
{
    for (int n = 1; n <= 25; n++) {
        int64_t seconds = (int64_t)n * n * n * n + 2;
        int64_t expected_us = seconds > 21600 ? 6 * HOUR : seconds * USEC_PER_SEC;
        ck_assert_int_eq(backoff_delay_us(&backoff_default, n, MIDDLE), expected_us);
    }
    ck_assert_int_eq(backoff_delay_us(&backoff_default, 1, MIDDLE), 3 * USEC_PER_SEC);
    ck_assert_int_eq(backoff_delay_us(&backoff_default, 12, MIDDLE), 20738 * USEC_PER_SEC);
    ck_assert_int_eq(backoff_delay_us(&backoff_default, 13, MIDDLE), 6 * HOUR);
}
END_TEST

START_TEST(jitter_stays_within_its_percent_and_reaches_both_ends)
{
    for (int n = 1; n <= 25; n++) {
        int64_t middle = backoff_delay_us(&backoff_default, n, MIDDLE), width = middle / 10;
        ck_assert_int_eq(backoff_delay_us(&backoff_default, n, 0), middle - width);
        ck_assert_int_eq(backoff_delay_us(&backoff_default, n, UINT64_MAX), middle + width);
        for (uint64_t i = 0; i < 1000; i++) {
            int64_t delay = backoff_delay_us(&backoff_default, n, hash_mix(i));
            ck_assert_int_ge(delay, middle - width);
            ck_assert_int_le(delay, middle + width);
        }
    }
}
END_TEST

START_TEST(jitter_is_even)
{
    int64_t sum = 0, middle = 18 * USEC_PER_SEC;
    int below = 0;
    for (uint64_t i = 0; i < 10000; i++) {
        int64_t delay = backoff_delay_us(&backoff_default, 2, hash_mix(i + 1));
        sum += delay - middle;
        below += delay < middle;
    }
    ck_assert_int_lt(llabs(sum / 10000), middle / 10 / 20);
    ck_assert_int_gt(below, 4700);
    ck_assert_int_lt(below, 5300);
}
END_TEST

START_TEST(no_jitter_ignores_chance)
{
    struct backoff policy = policy_of(BACKOFF_CONSTANT, 5 * USEC_PER_SEC, 0, HOUR, 0);
    for (uint64_t i = 0; i < 100; i++)
        ck_assert_int_eq(backoff_delay_us(&policy, 3, hash_mix(i)), 5 * USEC_PER_SEC);
}
END_TEST

START_TEST(full_jitter_is_never_negative)
{
    struct backoff policy = policy_of(BACKOFF_CONSTANT, USEC_PER_SEC, 0, HOUR, 100);
    ck_assert_int_eq(backoff_delay_us(&policy, 1, 0), 0);
    ck_assert_int_eq(backoff_delay_us(&policy, 1, UINT64_MAX), 2 * USEC_PER_SEC);
}
END_TEST

START_TEST(exponential_multiplies)
{
    struct backoff policy = policy_of(BACKOFF_EXPONENTIAL, USEC_PER_SEC, 3, HOUR, 0);
    int64_t expected = USEC_PER_SEC;
    for (int n = 1; n <= 25; n++) {
        ck_assert_int_eq(backoff_delay_us(&policy, n, 0), expected);
        expected = expected * 3 > HOUR ? HOUR : expected * 3;
    }
}
END_TEST

START_TEST(factor_zero_is_the_default_of_the_kind)
{
    struct backoff doubling = policy_of(BACKOFF_EXPONENTIAL, USEC_PER_SEC, 0, HOUR, 0);
    struct backoff quartic = policy_of(BACKOFF_POLYNOMIAL, 0, 0, HOUR, 0);
    ck_assert_int_eq(backoff_delay_us(&doubling, 5, 0), 16 * USEC_PER_SEC);
    ck_assert_int_eq(backoff_delay_us(&quartic, 2, 0), 16 * USEC_PER_SEC);
}
END_TEST

START_TEST(fractions_of_a_factor_count)
{
    struct backoff half = policy_of(BACKOFF_POLYNOMIAL, 0, 0.5, HOUR, 0);
    struct backoff slow = policy_of(BACKOFF_EXPONENTIAL, USEC_PER_SEC, 1.5, HOUR, 0);
    ck_assert_int_eq(backoff_delay_us(&half, 3, 0), 40500 * USEC_PER_MSEC);
    ck_assert_int_eq(backoff_delay_us(&slow, 3, 0), 2250 * USEC_PER_MSEC);
}
END_TEST

START_TEST(base_zero_is_at_once)
{
    struct backoff constant = policy_of(BACKOFF_CONSTANT, 0, 0, HOUR, 10);
    struct backoff exponential = policy_of(BACKOFF_EXPONENTIAL, 0, 1000, HOUR, 10);
    ck_assert_int_eq(backoff_delay_us(&constant, 7, UINT64_MAX), 0);
    ck_assert_int_eq(backoff_delay_us(&exponential, INT_MAX, UINT64_MAX), 0);
}
END_TEST

START_TEST(huge_attempts_end_at_the_cap)
{
    static const int attempts[] = { 1000, 100000, INT_MAX };
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
        for (int kind = BACKOFF_POLYNOMIAL; kind <= BACKOFF_EXPONENTIAL; kind++) {
            struct backoff policy =
                policy_of((enum backoff_kind)kind, 365 * 24 * HOUR, 1000, 365 * 24 * HOUR, 100);
            ck_assert_int_eq(backoff_delay_us(&policy, attempts[i], UINT64_MAX), 2 * 365 * 24 * HOUR);
            ck_assert_int_eq(backoff_delay_us(&policy, attempts[i], 0), 0);
        }
}
END_TEST

START_TEST(attempts_below_one_count_as_one)
{
    static const int attempts[] = { 0, -1, INT_MIN };
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
        ck_assert_int_eq(backoff_delay_us(&backoff_default, attempts[i], MIDDLE), 3 * USEC_PER_SEC);
}
END_TEST

START_TEST(delay_never_shrinks_with_attempts)
{
    for (int kind = BACKOFF_POLYNOMIAL; kind <= BACKOFF_CONSTANT; kind++)
        for (double factor = 0; factor <= 4; factor += 1) {
            struct backoff policy = policy_of((enum backoff_kind)kind, 1234567, factor, 365 * 24 * HOUR, 0);
            for (int n = 1; n < 2000; n++)
                ck_assert_int_le(backoff_delay_us(&policy, n, 0), backoff_delay_us(&policy, n + 1, 0));
        }
}
END_TEST

SUITE_MAIN("backoff", default_is_n_to_the_fourth_and_two_seconds,
           jitter_stays_within_its_percent_and_reaches_both_ends, jitter_is_even, no_jitter_ignores_chance,
           full_jitter_is_never_negative, exponential_multiplies, factor_zero_is_the_default_of_the_kind,
           fractions_of_a_factor_count, base_zero_is_at_once, huge_attempts_end_at_the_cap,
           attempts_below_one_count_as_one, delay_never_shrinks_with_attempts)
