/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a cron expression fires in a time zone: a set of instants, and how to walk along it.
 *
 * The set depends on the expression, the zone and, for @every, the anchor; never on when somebody looks. So whoever asks for
 * the next tick after an instant gets the same answer, on every host with the same zone database.
 *
 *   - An instant is in the set when its local time is one that the expression names (libjob/cron.h).
 *   - Clocks put forward: local times that are left out are made up for by one tick, at the first instant after the gap.
 *   - Clocks put back: of a local time that comes twice, the first one counts.
 *   - But an expression whose minute or hour goes evenly through its field (*, * /15, 5/10) goes by the time that passes: both
 *     passes of a repeated hour count, and a gap is made up for only if the next regular tick would come later than the one that was left out.
 *   - @every: anchor + n · period, n = 1, 2, …; no clock matters.
 *
 * Times are in µs since 1970; ticks of fields are whole seconds. Pure, but for reading the zone's file in schedule_init().
 */
#pragma once

#include "base/err.h"
#include "base/zone.h"
#include "libjob/cron.h"

struct schedule {
    struct cron cron;
    struct zone *zone; /* owned */
    int64_t anchor_us; /* @every only */
};

enum schedule_outcome {
    SCHEDULE_BAD_EXPRESSION = 1,
    SCHEDULE_BAD_ZONE = 2, /* no such zone in the database */
    SCHEDULE_NO_DATABASE = 3,
};

/* Return: 0; a schedule_outcome with a sentence; -ENOMEM. schedule_done() in every case. */
int schedule_init(struct schedule *ret, const char *expression, const char *zone, int64_t anchor_us,
                  struct err *reterr);
void schedule_done(struct schedule *s);

/* The first tick after @after_us; CRON_NEVER: none before the year 10000. */
int64_t schedule_next(const struct schedule *s, int64_t after_us);

/* The last tick after @after_us and not after @until_us; CRON_NEVER: none. Takes some 50 calls of schedule_next(), however many ticks there are. */
int64_t schedule_last(const struct schedule *s, int64_t after_us, int64_t until_us);
