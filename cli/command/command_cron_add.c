/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl cron add: an entry is checked here as a broker would, so nothing that cannot tick gets into job.cron. */
#include "cli/commands.h"

#include <string.h>

#include "base/clock.h"
#include "base/json_scan.h"
#include "cli/dialog.h"
#include "cli/line/order.h"
#include "cli/print/present.h"
#include "libjob/schedule.h"
#include "store/cron.h"

#define MISSED_MAX_DEFAULT 100

static const char *get(const struct arguments *a, const char *option, const char *otherwise)
{
    const char *text = arguments_get(a, option);
    return text ? text : otherwise;
}

static int check_words(const struct arguments *a, struct err *reterr)
{
    if (!name_is_cron(span_from_string(a->words[0])))
        return err_set(reterr, STATUS_USAGE, "NAME: \"%s\" is no name: [A-Za-z0-9][A-Za-z0-9_.-]{0,127}",
                       a->words[0]);
    if (!name_is_type(span_from_string(a->words[2])))
        return err_set(reterr, STATUS_USAGE, "TYPE: \"%s\" is no job type: [A-Za-z][A-Za-z0-9_.-]{0,127}",
                       a->words[2]);
    return STATUS_DONE;
}

static int check_schedule(const struct arguments *a, struct err *reterr)
{
    struct schedule schedule;
    int r = schedule_init(&schedule, a->words[1], get(a, "tz", "UTC"), 0, reterr);
    schedule_done(&schedule);
    switch (r) {
    case 0:
        return STATUS_DONE;
    case SCHEDULE_BAD_EXPRESSION:
        return err_prefix(reterr, STATUS_USAGE, "EXPRESSION");
    case SCHEDULE_BAD_ZONE:
        return err_prefix(reterr, STATUS_USAGE, "--tz");
    case SCHEDULE_NO_DATABASE:
        dialog_say("--tz is not checked: %s", reterr->text);
        return STATUS_DONE;
    default:
        return err_set(reterr, STATUS_FAILED, "out of memory");
    }
}

static int check_payload(const struct order *o, struct err *reterr)
{
    if (o->has_payload && json_scan(o->payload.data, o->payload.size, NULL) == JSON_VALID)
        return err_set(
            reterr, STATUS_USAGE,
            "--payload: it may not have \\u0000 or half a surrogate pair, which PostgreSQL cannot keep");
    return STATUS_DONE;
}

static int check_jitter(const struct arguments *a, struct err *reterr)
{
    if (arguments_get_duration(a, "jitter") > INT64_C(86400) * USEC_PER_SEC)
        return err_set(reterr, STATUS_USAGE, "--jitter: expected at most 24h, found \"%s\"",
                       arguments_get(a, "jitter"));
    return STATUS_DONE;
}

/* What the table's rules refuse was said wrongly here. */
static int judge(struct invocation *in, int r, struct err *reterr)
{
    const char *sqlstate = r == STORE_REFUSED ? db_refusal(in->db)->sqlstate : "";
    int status = invocation_judge_store(in, r, reterr);
    bool is_usage =
        strncmp(sqlstate, "22", 2) == 0 || strcmp(sqlstate, "23514") == 0 || strcmp(sqlstate, "54000") == 0;
    return is_usage ? STATUS_USAGE : status;
}

/* The entry as it stands there, with its first tick: a broker may not have looked at it yet. */
static int print_entry(struct invocation *in, const char *name, struct err *reterr)
{
    static const struct output_column columns[] = { { "name", CELL_TEXT },   { "expression", CELL_TEXT },
                                                    { "zone", CELL_TEXT },   { "queue", CELL_TEXT },
                                                    { "type", CELL_TEXT },   { "enabled", CELL_BOOL },
                                                    { "next_at", CELL_TIME } };
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    struct cell cells[ARRAY_SIZE(columns)];
    struct schedule schedule;
    int r = cron_list(in->db, name, &rows, reterr);
    if (r || rows_count(rows) == 0)
        return invocation_judge_store(in, r, reterr);
    present_fill(columns, ARRAY_SIZE(columns), rows, 0, cells);
    r = schedule_init(&schedule, rows_text(rows, 0, CRON_EXPRESSION), rows_text(rows, 0, CRON_ZONE),
                      rows_time_us(rows, 0, CRON_ANCHOR), NULL);
    int64_t next_us = r ? CRON_NEVER : schedule_next(&schedule, rows_time_us(rows, 0, CRON_SINCE));
    if (next_us != CRON_NEVER)
        cells[6] = (struct cell){ .kind = CELL_TIME, .number = next_us };
    schedule_done(&schedule);
    return present_one(in, columns, ARRAY_SIZE(columns), cells, reterr);
}

static int add(struct invocation *in, const struct order *o, struct err *reterr)
{
    const struct arguments *a = &in->arguments;
    _cleanup_buf_ struct buf headers = { 0 };
    bool done;
    order_append_headers(o, &headers);
    const struct cron_entry entry = {
        .name = a->words[0],
        .expression = a->words[1],
        .zone = get(a, "tz", "UTC"),
        .queue = o->queue,
        .type = o->type,
        .payload = o->has_payload ? o->payload.data : NULL,
        .key = o->key,
        .headers = headers.data,
        .tags = o->tags.size ? o->tags.data : NULL,
        .missed = get(a, "missed", "last"),
        .missed_max = (int)arguments_get_count(a, "missed-max", MISSED_MAX_DEFAULT),
        .max_attempts = o->max_attempts,
        .timeout_us = o->timeout_ms * USEC_PER_MSEC,
        .jitter_us = arguments_has(a, "jitter") ? arguments_get_duration(a, "jitter") : 0,
    };
    int r = invocation_connect(in, reterr);
    if (r == STATUS_DONE)
        r = judge(in, cron_add(in->db, &entry, arguments_has(a, "replace"), &done, reterr), reterr);
    if (r)
        return r;
    if (!done && arguments_has(a, "replace"))
        return err_set(reterr, STATUS_FAILED, "%s is the configuration's: change it there", entry.name);
    if (!done)
        return err_set(reterr, STATUS_FAILED, "there is a cron entry \"%s\" already; --replace changes it",
                       entry.name);
    return print_entry(in, entry.name, reterr);
}

int command_cron_add(struct invocation *in, struct err *reterr)
{
    struct order order = { 0 };
    int r = check_words(&in->arguments, reterr);
    if (r == STATUS_DONE)
        r = check_schedule(&in->arguments, reterr);
    if (r == STATUS_DONE)
        r = check_jitter(&in->arguments, reterr);
    if (r == STATUS_DONE)
        r = order_read(&order, in, in->arguments.words[2], reterr);
    if (r == STATUS_DONE)
        r = check_payload(&order, reterr);
    if (r == STATUS_DONE) {
        dialog_remark_type(in, order.type);
        dialog_remark_queue(in, order.queue);
        r = add(in, &order, reterr);
    }
    order_done(&order);
    return r;
}
