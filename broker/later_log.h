/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the log of the topic <prefix>.later is the one that a cursor belongs to, asked at each take-over of a partition.
 *
 * Another log stands until it is reset, as with workers (worker/sounding.h). What Kafka has dropped is written down, and the cursor moves over
 * it: between two batches of the later duty everything before the cursor is done and nothing behind it is.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "store/db.h"
#include "store/later.h"
#include "stream/admin.h"

enum later_log_result {
    LATER_LOG_STANDS = 1,   /* another log: not to be read */
    LATER_LOG_AWAY = 2,     /* Kafka does not answer */
    LATER_LOG_UNSTORED = 3, /* PostgreSQL did not take what was to be written down */
};

/*
 * @cursor: just taken over; may move. @say: write into the log that it stands. Blocks for questions to both servers.
 * Return: 0: read on; an enum later_log_result, with @reterr unless it stands; negative errno.
 */
int later_log_check(struct db *db, struct admin *admin, struct later_cursor *cursor, bool say,
                    struct err *reterr);
