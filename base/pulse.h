/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a thread that blocks shows that it is alive: before each step it says by when it will be heard of again.
 *
 * Steps are the calls of store/ and stream/ and the pauses between them; each has a bound of its own, so a thread that is
 * late hangs in something that has lost its bound. Written by one thread, read by any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define PULSE_STEP_US (60 * USEC_PER_SEC) /* more than any step takes: a statement has 30 s */
#define PULSE_WAIT_US                                                                                        \
    (10 * USEC_PER_SEC) /* beyond its time, for a pause to end: somebody else may have the CPU */

struct pulse {
    _Atomic int64_t due_us; /* monotonic; 0: nobody's, or its thread has ended */
};

/* All take NULL, for those whom nobody watches. */
static inline void pulse_step(struct pulse *p)
{
    if (p)
        atomic_store(&p->due_us, clock_mono_us() + PULSE_STEP_US);
}

static inline void pulse_wait(struct pulse *p, int64_t us)
{
    if (p)
        atomic_store(&p->due_us, clock_mono_us() + us + PULSE_WAIT_US);
}

static inline void pulse_end(struct pulse *p)
{
    if (p)
        atomic_store(&p->due_us, 0);
}

static inline bool pulse_is_late(struct pulse *p, int64_t now_us)
{
    int64_t due_us = atomic_load(&p->due_us);
    return due_us != 0 && now_us > due_us;
}
