/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobctl job show: what PostgreSQL knows about a job, and what its message in Kafka has.
 *
 * A job that PostgreSQL does not know is looked for in its topics. Of a job that has ended only Kafka has the payload, as long as its record is
 * there. When one of the servers is away, what the other one knows is printed, and it is said what cannot be known.
 */
#include "cli/commands.h"

#include <inttypes.h>
#include <string.h>

#include "cli/job/absent.h"
#include "cli/dialog.h"
#include "cli/job/job_sheet.h"

static bool may_ask_kafka(const struct invocation *in)
{
    return !arguments_has(&in->arguments, "no-kafka");
}

/* --- What PostgreSQL knows --------------------------------------------------------------------------------------------------- */

static bool has(const struct sheet *s, enum sheet_member member)
{
    return s->cells[member].kind != CELL_NULL;
}

static bool is_in_state(const struct sheet *s, const char *state)
{
    return span_equals(s->cells[SHEET_STATE].bytes, state);
}

static void remark_payload(const struct sheet *s, int found, const struct err *err)
{
    int n = (int)s->cells[SHEET_TOPIC].bytes.size;
    const char *topic = s->cells[SHEET_TOPIC].bytes.data;
    if (found == LOOKUP_NOT_FOUND)
        dialog_say("the payload is gone: partition %" PRId64
                   " of %.*s does not have its record at offset %" PRId64 " any more",
                   s->cells[SHEET_PARTITION].number, n, topic, s->cells[SHEET_OFFSET].number);
    else
        dialog_say("the payload is not known: it is in Kafka only, at offset %" PRId64
                   " of partition %" PRId64 " of %.*s; %s",
                   s->cells[SHEET_OFFSET].number, s->cells[SHEET_PARTITION].number, n, topic, err->text);
}

/* An ended job has left its message where it came from. */
static void fetch_message(struct sheet *s, struct invocation *in, const struct uuid *id)
{
    struct err err = { 0 };
    if (!has(s, SHEET_FINISHED_AT) || has(s, SHEET_HEADERS) || !has(s, SHEET_TOPIC) ||
        !has(s, SHEET_PARTITION) || !has(s, SHEET_OFFSET))
        return;
    int r = lookup_read(in, id, s->cells[SHEET_TOPIC].bytes.data, (int32_t)s->cells[SHEET_PARTITION].number,
                        s->cells[SHEET_OFFSET].number, &s->message, &err);
    if (r == STATUS_DONE)
        sheet_take_message(s, in, false);
    else
        remark_payload(s, r, &err);
}

/* When its last try ended; 0: not known. */
static int64_t find_last_end_us(const struct sheet *s)
{
    size_t n = rows_count(s->attempts);
    return n > 0 ? rows_time_us(s->attempts, n - 1, 5) : 0;
}

/* Between two deliveries: only its tries are recorded, and its next message lies in some topic. */
static void find_next_message(struct sheet *s, struct invocation *in, const struct uuid *id)
{
    struct err err = { 0 };
    if (!is_in_state(s, "queued") || has(s, SHEET_QUEUE))
        return;
    const struct lookup_wish wish = {
        .since_us = find_last_end_us(s),
        .min_delivery = (int)s->cells[SHEET_DELIVERY].number + 1,
    };
    int r = lookup_find_wished(in, id, &wish, &s->message, &err);
    if (r == STATUS_DONE)
        sheet_take_message(s, in, true);
    else if (r == STATUS_AWAY)
        dialog_say("where it waits is not known: %s", err.text);
}

/* Return: an enum status; SHEET_NOT_KNOWN. */
static int show_known(struct invocation *in, const struct uuid *id, struct err *reterr)
{
    _cleanup_sheet_ struct sheet s = { 0 };
    int r = sheet_read(&s, in, id, reterr);
    if (r)
        return r;
    if (may_ask_kafka(in)) {
        fetch_message(&s, in, id);
        find_next_message(&s, in, id);
    }
    return sheet_print(&s, in, reterr);
}

/* --- What only Kafka has ------------------------------------------------------------------------------------------------------ */

static int print_queued(struct invocation *in, struct sheet *s, struct err *reterr)
{
    s->cells[SHEET_STATE] = cell_text("queued");
    sheet_take_message(s, in, true);
    return sheet_print(s, in, reterr);
}

/* Between the two looks at PostgreSQL a worker may have taken it from Kafka. */
static int show_unknown(struct invocation *in, const struct uuid *id, struct err *reterr)
{
    _cleanup_sheet_ struct sheet s = { 0 };
    if (!may_ask_kafka(in))
        return absent_say(
            id, "PostgreSQL does not know it; without --no-kafka it is looked for in its topics", reterr);
    int found = lookup_find(in, id, &s.message, reterr);
    int r = found == STATUS_AWAY ? SHEET_NOT_KNOWN : show_known(in, id, reterr);
    if (r != SHEET_NOT_KNOWN)
        return r;
    if (found)
        return absent_judge(id, found, reterr);
    return s.message.ahead < 0 ? absent_say_passed(id, reterr) : print_queued(in, &s, reterr);
}

/* Without PostgreSQL: what lies in Kafka may wait, run, or have ended. @reterr says why PostgreSQL is away. */
static int show_without_store(struct invocation *in, const struct uuid *id, struct err *reterr)
{
    _cleanup_sheet_ struct sheet s = { 0 };
    struct err err = { 0 };
    if (!may_ask_kafka(in) || lookup_find(in, id, &s.message, &err) != STATUS_DONE)
        return STATUS_AWAY;
    sheet_take_message(&s, in, true);
    s.cells[SHEET_AHEAD] = cell_null();
    dialog_say(
        "only PostgreSQL knows whether it still waits there, how many jobs are ahead, and what has become of it: %s",
        reterr->text);
    reterr->text[0] = 0;
    return sheet_print(&s, in, reterr);
}

int command_job_show(struct invocation *in, struct err *reterr)
{
    struct uuid id;
    uuid_parse(in->arguments.words[0], strlen(in->arguments.words[0]), &id);
    int r = invocation_connect(in, reterr);
    if (r == STATUS_AWAY)
        return show_without_store(in, &id, reterr);
    if (r)
        return r;
    r = show_known(in, &id, reterr);
    return r == SHEET_NOT_KNOWN ? show_unknown(in, &id, reterr) : r;
}
