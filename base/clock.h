/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks: monotonic for timers and durations, wall for what people read. */
#pragma once

#include <stdint.h>
#include <time.h>

#define USEC_PER_MSEC INT64_C(1000)
#define USEC_PER_SEC INT64_C(1000000)

static inline int64_t clock_read_us(clockid_t which)
{
    struct timespec ts;
    clock_gettime(which, &ts);
    return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

/* Microseconds since some start; never steps; the same in every process of the machine. */
static inline int64_t clock_mono_us(void)
{
    return clock_read_us(CLOCK_MONOTONIC);
}

/* Microseconds since 1970; may step; never used for timers. */
static inline int64_t clock_wall_us(void)
{
    return clock_read_us(CLOCK_REALTIME);
}
