/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many tries of one queue may fail: a bucket that fills with time, and that failures empty.
 *
 *     OPEN ──used up──▶ NARROW ──full again──▶ OPEN
 *
 * A failed try costs the time in which one may fail, 1/rate; what is saved is VALVE_BURST_US at most. An open valve holds nothing
 * back. A narrow one lets as many jobs run at once as it could pay for if all of them failed; those that succeed cost nothing,
 * so it widens by itself when what has made them fail is over, at once as far as it has saved and by `rate` more each second.
 * It is narrow until it has saved all that it may: until next to nothing has failed for that long.
 *
 * What was running when it became narrow may fail, too, and is debt, until whose end nothing starts. Debt is bounded by the same
 * time, so a narrow valve is never shut for longer than that.
 *
 * Pure: no I/O, no clock; times are monotonic, in µs. @rate: failed tries per second; 0: no valve. It may change from call to call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

#define VALVE_BURST_US (10 * USEC_PER_SEC)
#define VALVE_UNLIMITED SIZE_MAX

struct valve {
    int64_t credit_ns; /* saved; negative: debt */
    int64_t at_us;     /* so much it was then */
    bool narrow;
};

/* It is open, and has saved all that it may. */
void valve_init(struct valve *v, int64_t now_us);
/* A try has failed. */
void valve_charge(struct valve *v, int rate, int64_t now_us);
/* Time has passed; it may be open again. */
void valve_look(struct valve *v, int rate, int64_t now_us);
/* As of the last call of these: so many jobs may run at once; VALVE_UNLIMITED. */
size_t valve_allowance(const struct valve *v, int rate);
/* When another look can tell something else, if @n_running jobs run; INT64_MAX: only a failure can change anything. */
int64_t valve_look_at_us(const struct valve *v, int rate, size_t n_running);
