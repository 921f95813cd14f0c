/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule at the end of a zone's file, for the years that the file does not list: "CET-1CEST,M3.5.0,M10.5.0/3".
 *
 * POSIX (IEEE Std 1003.1, Base Definitions 8.3, TZ) with the wider hours of RFC 8536, section 3.3.1. Pure.
 */
#pragma once

#include "base/zone.h"

enum zone_day_kind {
    ZONE_DAY_OF_WEEK, /* Mm.w.d */
    ZONE_DAY_JULIAN,  /* Jn: 1 to 365, 29 February is not counted */
    ZONE_DAY_COUNTED, /* n: 0 to 365 */
};

struct zone_day {
    enum zone_day_kind kind;
    int month, week, weekday; /* OF_WEEK; week 5 is the last */
    int day;                  /* JULIAN, COUNTED */
    int time_s;               /* since that day's midnight, may be negative or past its end */
};

struct zone_rule {
    int standard_s, summer_s; /* offsets; equal when there is one only */
    bool changes;
    struct zone_day start, end; /* of summer time */
};

/* Return: 0; 1 when it is no such rule. */
int zone_rule_parse(struct zone_rule *ret, const char *text, size_t size);

void zone_rule_find(const struct zone_rule *rule, int64_t t, struct zone_span *ret);
