/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may stand in a mail header (RFC 5322, RFC 2047, RFC 2231).
 *
 * The checks come first and refuse; the writers trust them. A text that passed cannot end its header line,
 * because a line end is a control character.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* UTF-8 without control characters, C1 and Unicode's line separators included. */
bool header_is_text(const char *text);

/* At least one character of those that a header's name, a media type or a Content-ID is made of here. */
bool header_is_token(const char *text, size_t size);

/* As it is when that is short ASCII, else as encoded words; folded by CRLF and a space. */
void header_write_text(FILE *out, const char *text);

/* "Name <address>", the name quoted or encoded where needed; only the address when @name is empty. */
void header_write_mailbox(FILE *out, const char *name, const char *address);

/* A line of its own: ASCII as it is, folded at blanks, since other programs read it; else encoded words. */
void header_write_value(FILE *out, const char *name, const char *value);

/* "; name=…": quoted, or as RFC 2231 has it when it is long or not ASCII; on a line of its own. */
void header_write_parameter(FILE *out, const char *name, const char *value);

/* "Thu, 01 Jan 1970 00:00:00 +0000", in English whatever the locale. */
void header_write_date(FILE *out, int64_t unix_s);
