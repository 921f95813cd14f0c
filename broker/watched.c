/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/watched.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"

#define INTERVAL_US (10 * USEC_PER_SEC)
#define SHARE 4

int64_t watched_interval_us(void)
{
    uint64_t limit_us;
    if (sd_watchdog_enabled(0, &limit_us) <= 0 || limit_us / SHARE >= INTERVAL_US)
        return INTERVAL_US;
    return (int64_t)(limit_us / SHARE);
}

bool watched_look(struct watched *w, int64_t now_us)
{
    bool is_late = pulse_is_late(&w->pulse, now_us);
    if (is_late && !w->is_late)
        log_error(
            "%s hangs: it should have been heard of; the service manager does not hear of us until it goes on",
            w->name);
    else if (!is_late && w->is_late)
        log_warning("%s goes on", w->name);
    w->is_late = is_late;
    return !is_late;
}
