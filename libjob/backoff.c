/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/backoff.h"

#include "base/clock.h"

#define HOUR (3600 * USEC_PER_SEC)

const struct backoff backoff_default = {
    .kind = BACKOFF_POLYNOMIAL,
    .base_us = 2 * USEC_PER_SEC,
    .factor = 1,
    .max_us = 6 * HOUR,
    .jitter = 10,
};

/* By squaring; ends up at infinity instead of overflowing. */
static double power(double base, unsigned exponent)
{
    double result = 1;
    for (; exponent; exponent >>= 1, base *= base)
        if (exponent & 1)
            result *= base;
    return result;
}

static double uncapped_us(const struct backoff *policy, unsigned attempt)
{
    double base = (double)policy->base_us;
    switch ((enum backoff_kind)policy->kind) {
    case BACKOFF_POLYNOMIAL: {
        double factor = policy->factor > 0 ? policy->factor : 1;
        return base + factor * power(attempt, 4) * (double)USEC_PER_SEC;
    }
    case BACKOFF_EXPONENTIAL: {
        double factor = policy->factor > 0 ? policy->factor : 2;
        return base > 0 ? base * power(factor, attempt - 1) : 0; /* 0 times infinity is no number */
    }
    case BACKOFF_CONSTANT:
        break;
    }
    return base;
}

/* Evenly from -width to +width. */
static int64_t spread(int64_t width, uint64_t random)
{
    unsigned __int128 steps = 2 * (unsigned __int128)width + 1;
    return (int64_t)(steps * random >> 64) - width;
}

int64_t backoff_delay_us(const struct backoff *policy, int attempt, uint64_t random)
{
    double us = uncapped_us(policy, attempt > 1 ? (unsigned)attempt : 1);
    int64_t delay_us = us < (double)policy->max_us ? (int64_t)us : policy->max_us;
    return delay_us + spread((int64_t)((__int128)delay_us * policy->jitter / 100), random);
}
