/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/noise.h"

#include <sys/random.h>

#include "base/clock.h"
#include "base/hash.h"

/* SplitMix64 (Steele, Lea, Flood 2014), started from the kernel's random pool. */
uint64_t noise_bits(void)
{
    static uint64_t state;
    if (state == 0 && getrandom(&state, sizeof(state), 0) != sizeof(state))
        state = (uint64_t)clock_mono_us();
    state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_mix(state);
}
