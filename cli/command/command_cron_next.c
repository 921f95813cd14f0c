/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl cron next: when an entry, or any expression, will tick. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/dialog.h"
#include "cli/print/present.h"
#include "libjob/schedule.h"
#include "store/cron.h"

#define COUNT_DEFAULT 5
#define ZONE_DEFAULT "UTC"
#define LOCAL_SIZE 48

static const struct output_column columns[] = { { "tick", CELL_TIME }, { "local", CELL_TEXT } };

/* A name has no blanks and no @. */
static bool is_expression(const char *text)
{
    return text[0] == '@' || strpbrk(text, " \t") || text[0] == 0;
}

/* "2026-03-29 03:00:00 +02:00 Sun" */
static void format_local(const struct zone *zone, int64_t tick_us, char text[LOCAL_SIZE])
{
    struct zone_span span;
    struct tm tm;
    zone_find(zone, tick_us / USEC_PER_SEC, &span);
    time_t local = (time_t)(tick_us / USEC_PER_SEC + span.offset_s);
    int minutes = abs(span.offset_s) / 60;
    gmtime_r(&local, &tm);
    size_t n = strftime(text, LOCAL_SIZE, "%Y-%m-%d %H:%M:%S", &tm);
    n += (size_t)snprintf(text + n, LOCAL_SIZE - n, " %c%02d:%02d", span.offset_s < 0 ? '-' : '+',
                          minutes / 60, minutes % 60);
    strftime(text + n, LOCAL_SIZE - n, " %a", &tm);
}

static int print_ticks(const struct invocation *in, const struct schedule *s, int64_t from_us,
                       struct err *reterr)
{
    long n = arguments_get_count(&in->arguments, "limit", COUNT_DEFAULT);
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    int r = present_begin(in, columns, ARRAY_SIZE(columns), &o, reterr);
    if (r)
        return r;
    for (int64_t t = schedule_next(s, from_us); n > 0 && t != CRON_NEVER; t = schedule_next(s, t), n--) {
        char local[LOCAL_SIZE];
        format_local(s->zone, t, local);
        struct cell cells[] = { { .kind = CELL_TIME, .number = t }, cell_text(local) };
        output_add(o, cells);
    }
    return output_end(o, reterr);
}

static int from_text(struct invocation *in, struct schedule *ret, int64_t *ret_from_us, struct err *reterr)
{
    const char *zone = arguments_get(&in->arguments, "tz");
    *ret_from_us = clock_wall_us();
    int r = schedule_init(ret, in->arguments.words[0], zone ? zone : ZONE_DEFAULT, *ret_from_us, reterr);
    return r == 0 ? STATUS_DONE
           : r > 0
               ? err_prefix(reterr, STATUS_USAGE, "%s", r == SCHEDULE_BAD_EXPRESSION ? "EXPRESSION" : "--tz")
               : err_set(reterr, STATUS_FAILED, "out of memory");
}

static int from_entry(struct invocation *in, struct schedule *ret, int64_t *ret_from_us, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    const char *name = in->arguments.words[0];
    int r = invocation_connect(in, reterr);
    if (r)
        return r;
    r = cron_list(in->db, name, &rows, reterr);
    if (r == 0)
        r = cron_read_clock(in->db, ret_from_us, reterr);
    if (r)
        return invocation_judge_store(in, r, reterr);
    if (rows_count(rows) == 0)
        return err_set(
            reterr, STATUS_NOT_FOUND,
            "there is no cron entry \"%s\"; an expression is given as one argument, like '0 3 * * *'", name);
    if (!rows_bool(rows, 0, CRON_ENABLED))
        dialog_say("%s is disabled: these would be its ticks", name);
    r = schedule_init(ret, rows_text(rows, 0, CRON_EXPRESSION), rows_text(rows, 0, CRON_ZONE),
                      rows_time_us(rows, 0, CRON_ANCHOR), reterr);
    return r == 0  ? STATUS_DONE
           : r > 0 ? err_prefix(reterr, STATUS_FAILED, "%s", name)
                   : err_set(reterr, STATUS_FAILED, "out of memory");
}

int command_cron_next(struct invocation *in, struct err *reterr)
{
    struct schedule schedule = { 0 };
    int64_t from_us = 0;
    bool has_text = is_expression(in->arguments.words[0]);
    if (!has_text && arguments_has(&in->arguments, "tz"))
        return err_set(reterr, STATUS_USAGE, "--tz is for expressions; an entry has its own zone");
    int r =
        has_text ? from_text(in, &schedule, &from_us, reterr) : from_entry(in, &schedule, &from_us, reterr);
    if (arguments_has(&in->arguments, "from"))
        from_us = arguments_get_time(&in->arguments, "from") - 1;
    if (r == STATUS_DONE)
        r = print_ticks(in, &schedule, from_us, reterr);
    schedule_done(&schedule);
    return r;
}
