/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums and hashes that must stay the same for ever, because they are stored. Not for secrets. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* FNV-1a, 64 bit (Fowler, Noll, Vo; draft-eastlake-fnv). Start with HASH_START, or go on from a previous value. */
uint64_t hash_fnv1a(uint64_t state, const void *data, size_t size);

/* The finaliser of SplitMix64 (Steele, Lea, Flood 2014): spreads every input bit over the whole word. */
uint64_t hash_mix(uint64_t value);

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4). Start with 0, or go on from a previous value. */
uint32_t hash_crc32c(uint32_t crc, const void *data, size_t size);
