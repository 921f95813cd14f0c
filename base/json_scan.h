/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over a JSON text (RFC 8259) that builds nothing.
 *
 * Every payload is checked at enqueue and again by the worker, because a message may come from any producer; a
 * parser that builds a tree costs about 80 times the memory of a hostile text and more time than sending the message
 * (docs/decisions/0004). No allocation, no recursion, depth bounded by JSON_SCAN_MAX_DEPTH.
 */
#pragma once

#include <stddef.h>

#define JSON_SCAN_MAX_DEPTH 256

enum json_verdict {
    JSON_STORABLE = 0, /* valid, and PostgreSQL's jsonb can hold its strings */
    JSON_VALID = 1,    /* valid, but holds \u0000 or half a surrogate pair, which jsonb refuses */
    JSON_INVALID = 2,
};

/*
 * @reterr_at: with JSON_INVALID the offset of the first byte that cannot stand there; may be NULL.
 * Invalid UTF-8, too, is JSON_INVALID.
 */
enum json_verdict json_scan(const char *text, size_t size, size_t *reterr_at);
