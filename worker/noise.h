/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers for jitter and names: spread, not secrecy. One thread. */
#pragma once

#include <stdint.h>

uint64_t noise_bits(void);
