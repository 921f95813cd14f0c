/* SPDX-License-Identifier: Apache-2.0 */
/* Times as a table has them: relative, local or UTC. Pure, but for the host's time zone. */
#pragma once

#include <stdint.h>

struct buf;

enum moment_form {
    MOMENT_EXACT,    /* "2026-01-31T18:00:00.000Z" */
    MOMENT_RELATIVE, /* "3m20s ago", "in 2h"; a date when it is a year away */
    MOMENT_LOCAL,    /* "2026-01-31 19:00:00+01:00", by the host's time zone */
    MOMENT_UTC,      /* "2026-01-31 18:00:00Z" */
};

/* @us, @now_us: µs since 1970; PostgreSQL's infinities are INT64_MAX and INT64_MIN. */
void moment_append(struct buf *b, int64_t us, enum moment_form form, int64_t now_us);

/* Two units while the first one is small: "3m20s", "42m", "3h20m", "30h", "12d". @seconds: not negative. */
void moment_append_span(struct buf *b, int64_t seconds);
