/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/valve.h"

#define NSEC_PER_USEC INT64_C(1000)
#define NSEC_PER_SEC INT64_C(1000000000)
#define BURST_NS (VALVE_BURST_US * NSEC_PER_USEC)

static int64_t price_ns(int rate)
{
    return NSEC_PER_SEC / rate;
}

void valve_init(struct valve *v, int64_t now_us)
{
    *v = (struct valve){ .credit_ns = BURST_NS, .at_us = now_us };
}

/* Whatever the clock says: saved is no more than the burst, and nothing is saved backwards. */
static void save(struct valve *v, int64_t now_us)
{
    int64_t passed_us = now_us - v->at_us, missing_ns = BURST_NS - v->credit_ns;
    if (passed_us <= 0)
        return;
    v->at_us = now_us;
    v->credit_ns =
        passed_us >= missing_ns / NSEC_PER_USEC ? BURST_NS : v->credit_ns + passed_us * NSEC_PER_USEC;
}

void valve_look(struct valve *v, int rate, int64_t now_us)
{
    save(v, now_us);
    if (rate == 0 || v->credit_ns == BURST_NS)
        v->narrow = false;
}

void valve_charge(struct valve *v, int rate, int64_t now_us)
{
    valve_look(v, rate, now_us);
    if (rate == 0)
        return;
    v->credit_ns -= price_ns(rate);
    if (v->credit_ns < -BURST_NS)
        v->credit_ns = -BURST_NS;
    if (v->credit_ns < price_ns(rate))
        v->narrow = true;
}

size_t valve_allowance(const struct valve *v, int rate)
{
    if (!v->narrow || rate == 0)
        return VALVE_UNLIMITED;
    return v->credit_ns > 0 ? (size_t)(v->credit_ns / price_ns(rate)) : 0;
}

/* Saving one more than @n_running, or everything, whichever is less. */
int64_t valve_look_at_us(const struct valve *v, int rate, size_t n_running)
{
    int64_t wanted_ns = BURST_NS;
    if (!v->narrow)
        return INT64_MAX;
    if (rate && n_running >= valve_allowance(v, rate) && n_running < (size_t)(BURST_NS / price_ns(rate)))
        wanted_ns = ((int64_t)n_running + 1) * price_ns(rate);
    return v->at_us + (wanted_ns - v->credit_ns + NSEC_PER_USEC - 1) / NSEC_PER_USEC;
}
