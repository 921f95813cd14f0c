/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version 7 UUIDs (RFC 9562, section 5.7): 48 bits of milliseconds, then 12 bits that count within the millisecond
 * (section 6.2, method 1), then 62 random bits. Within one process they only grow, also when the clock steps back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT_SIZE 37 /* 36 characters and NUL */

struct uuid {
    uint8_t bytes[16];
};

/* Thread-safe; does not block once the kernel's random pool is up. Safe in a forked child. */
void uuid_new(struct uuid *ret);

/* The UUIDv7 that anyone computes from the same time and the same 128 bits of hash. */
void uuid_from_hash(int64_t time_ms, uint64_t hash_a, uint64_t hash_b, struct uuid *ret);

/* Lower-case text with hyphens into @text (UUID_TEXT_SIZE bytes). Return: @text. */
char *uuid_format(const struct uuid *id, char *text);

/* Reads exactly 36 characters, either case. Return: 0; 1 when it is no UUID. */
int uuid_parse(const char *text, size_t size, struct uuid *ret);

/* Milliseconds since 1970 in a version 7 UUID; -1 for other versions. */
int64_t uuid_time_ms(const struct uuid *id);

bool uuid_is_null(const struct uuid *id);
bool uuid_equal(const struct uuid *a, const struct uuid *b);
/* As memcmp(); of UUIDv7 the earlier one comes first. */
int uuid_compare(const struct uuid *a, const struct uuid *b);
