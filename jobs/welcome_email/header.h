/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may stand in a mail header (RFC 5322, RFC 2047).
 *
 * The checks come first and refuse; the writers trust them. A text that passed cannot end its header line,
 * because a line end is a control character.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define HEADER_ADDRESS_MAX 254 /* bytes; RFC 5321 leaves that much of a path of 256 */

/* UTF-8 without control characters, C1 and Unicode's line separators included. */
bool header_is_text(const char *text);

/* One addr-spec in ASCII: dot-atom@domain, nothing quoted, no comment. Return: NULL; else what is wrong. */
const char *header_check_address(const char *address);

/* As it is when that is short ASCII, else as encoded words; folded by CRLF and a space. */
void header_write_text(FILE *out, const char *text);

/* "Name <address>", the name quoted or encoded where needed; only the address when @name is empty. */
void header_write_mailbox(FILE *out, const char *name, const char *address);

/* "Thu, 01 Jan 1970 00:00:00 +0000", in English whatever the locale. */
void header_write_date(FILE *out, int64_t unix_s);
