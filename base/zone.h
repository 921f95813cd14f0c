/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones of the system's database, as values: any number at once, in any thread.
 *
 * The C library has one time zone per process, that of TZ. This reads the files of the zone database itself (TZif,
 * RFC 8536) and the rule at their end for the years that they do not list. A zone is then a line of spans, each with one
 * offset from UTC; where two of them meet, clocks are moved.
 *
 * Files are read from $TZDIR, else from /usr/share/zoneinfo. "UTC" is there without any file. Nothing is cached: a zone that is
 * loaded anew follows a changed database.
 *
 * Not here: names of offsets ("CEST"), leap seconds (files that count them are refused), what users mean by a local time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

#define ZONE_NAME_MAX 64 /* bytes */

struct zone;

/* From an instant on and up to another, both in seconds since 1970; INT64_MIN and INT64_MAX: without end. */
struct zone_span {
    int64_t from, until;
    int offset_s; /* local time less UTC */
};

enum zone_outcome {
    ZONE_UNKNOWN = 1, /* no zone has this name here, or its file cannot be understood */
    ZONE_NO_DATABASE = 2,
};

/*
 * Reads the zone called @name, like "Europe/Berlin". Blocks as long as reading a small file does.
 * Return: 0; a zone_outcome with a sentence that says what to do; -ENOMEM.
 */
int zone_load(struct zone **ret, const char *name, struct err *reterr);

/* The same from the bytes of a file. Return: 0; ZONE_UNKNOWN; -ENOMEM. */
int zone_load_bytes(struct zone **ret, const void *data, size_t size, struct err *reterr);
struct zone *zone_free(struct zone *zone);
DEFINE_CLEANUP(struct zone *, zone_free)

/* The span that has @t in it. Neighbouring spans differ in their offsets. */
void zone_find(const struct zone *zone, int64_t t, struct zone_span *ret);
