/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread of the broker as its main thread sees it: alive, or late.
 *
 * While all are alive the service manager hears so (WATCHDOG=1), four times in the time that it bears with silence. One that
 * is late is named in the log, and the service manager hears nothing any more until it goes on; so the broker is killed and
 * started anew, which is what would be done by hand.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/pulse.h"

struct watched {
    const char *name;
    struct pulse pulse;
    bool is_late; /* and that has been said */
};

/* How often to look: as the service manager wants to hear, or else for the log. */
int64_t watched_interval_us(void);

/* Says it in the log when the answer is another one than the last time. Return: whether it is alive. */
bool watched_look(struct watched *w, int64_t now_us);
