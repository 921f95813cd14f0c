/* SPDX-License-Identifier: Apache-2.0 */
/* Durations and times as people and RFC 3339 write them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RFC3339_SIZE 32

/*
 * Reads "250ms", "1.5s", "15m", "2h30m", "7d"; units us ms s m h d w. A bare number other than 0 is refused, because
 * nobody can tell its unit.
 *
 * Return: 0; 1 when it is no duration or past 292,000 years.
 */
int duration_parse(const char *text, int64_t *ret_us);

/* The shortest exact text that duration_parse() reads back; @text has 32 bytes. Return: @text. */
char *duration_format(int64_t us, char *text);

/* Reads an RFC 3339 date-time of @size bytes into microseconds since 1970. Return: 0; 1 when it is none. */
int rfc3339_parse(const char *text, size_t size, int64_t *ret_us);

/* UTC with @digits (0, 3 or 6) digits of fraction into @text (RFC3339_SIZE bytes). Return: @text. */
char *rfc3339_format(int64_t us, int digits, char *text);
