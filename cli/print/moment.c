/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/moment.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/timefmt.h"

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define YEAR (365 * DAY)

void moment_append_span(struct buf *b, int64_t seconds)
{
    if (seconds < MINUTE)
        buf_append_format(b, "%" PRId64 "s", seconds);
    else if (seconds < 10 * MINUTE)
        buf_append_format(b, "%" PRId64 "m%02" PRId64 "s", seconds / MINUTE, seconds % MINUTE);
    else if (seconds < HOUR)
        buf_append_format(b, "%" PRId64 "m", seconds / MINUTE);
    else if (seconds < 10 * HOUR)
        buf_append_format(b, "%" PRId64 "h%02" PRId64 "m", seconds / HOUR, seconds % HOUR / MINUTE);
    else if (seconds < 2 * DAY)
        buf_append_format(b, "%" PRId64 "h", seconds / HOUR);
    else
        buf_append_format(b, "%" PRId64 "d", seconds / DAY);
}

static void append_utc(struct buf *b, int64_t us)
{
    char text[RFC3339_SIZE];
    rfc3339_format(us, 0, text);
    text[strcspn(text, "T")] = ' ';
    buf_append_string(b, text);
}

static void append_relative(struct buf *b, int64_t us, int64_t now_us)
{
    int64_t ahead = us / USEC_PER_SEC - now_us / USEC_PER_SEC;
    if (ahead >= YEAR || ahead <= -YEAR) {
        append_utc(b, us);
        return;
    }
    if (ahead == 0) {
        buf_append_string(b, "now");
        return;
    }
    buf_append_string(b, ahead > 0 ? "in " : "");
    moment_append_span(b, ahead > 0 ? ahead : -ahead);
    buf_append_string(b, ahead > 0 ? "" : " ago");
}

/* strftime() has the offset without its colon. */
static void append_local(struct buf *b, int64_t us)
{
    char text[48];
    time_t seconds = (time_t)(us / USEC_PER_SEC - (us % USEC_PER_SEC < 0));
    struct tm broken;
    size_t n = localtime_r(&seconds, &broken) ? strftime(text, sizeof(text), "%F %T%z", &broken) : 0;
    if (n < 2) {
        append_utc(b, us);
        return;
    }
    buf_append(b, text, n - 2);
    buf_append_format(b, ":%s", text + n - 2);
}

void moment_append(struct buf *b, int64_t us, enum moment_form form, int64_t now_us)
{
    char text[RFC3339_SIZE];
    if (us == INT64_MAX || us == INT64_MIN)
        buf_append_string(b, us > 0 ? "infinity" : "-infinity");
    else if (form == MOMENT_RELATIVE)
        append_relative(b, us, now_us);
    else if (form == MOMENT_LOCAL)
        append_local(b, us);
    else if (form == MOMENT_UTC)
        append_utc(b, us);
    else
        buf_append_string(b, rfc3339_format(us, 3, text));
}
