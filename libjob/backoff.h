/* SPDX-License-Identifier: Apache-2.0 */
/* How long a failed job waits before its next try: values in, a value out. */
#pragma once

#include <stdint.h>

enum backoff_kind {
    BACKOFF_POLYNOMIAL,  /* base + factor · n⁴ seconds */
    BACKOFF_EXPONENTIAL, /* base · factor^(n − 1) */
    BACKOFF_CONSTANT,    /* base */
};

struct backoff {
    int kind; /* enum backoff_kind */
    int64_t base_us;
    double factor;  /* 0: 1 for polynomial, 2 for exponential */
    int64_t max_us; /* applied before jitter */
    int jitter;     /* percent, up and down */
};

/* min(n⁴ + 2 s, 6 h) ± 10 % */
extern const struct backoff backoff_default;

/*
 * @attempt: the try that failed, 1-based; less counts as 1
 * @random:  64 random bits
 *
 * Return: µs, never negative, at most max_us and its jitter.
 */
int64_t backoff_delay_us(const struct backoff *policy, int attempt, uint64_t random);
