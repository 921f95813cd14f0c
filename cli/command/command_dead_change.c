/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl dead replay, dead purge. */
#include "cli/commands.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/timefmt.h"
#include "cli/bulk/bulk_run.h"
#include "cli/dead/dead_filter.h"
#include "cli/dead/dead_named.h"
#include "cli/dialog.h"
#include "cli/print/present.h"
#include "cli/print/printable.h"
#include "cli/print/progress.h"
#include "store/bulk.h"

#define LOOK_MIN 1000
#define LOOK_MAX 20000

struct changing {
    struct invocation *in;
    const struct dead_change *change;
    bool dry_run;
    struct dead_filter wanted;
    char *filter; /* the same as JSON */
    struct bulk_count count;
    struct output *out; /* a row per letter; NULL: only a summary */
    int to_look;
};

/* --- Which --- */

static void put_text(json_t *filter, const char *name, const char *text)
{
    if (text)
        json_object_set_new(filter, name, json_string(text));
}

static void put_time(json_t *filter, const char *name, int64_t us)
{
    char text[RFC3339_SIZE];
    if (us)
        json_object_set_new(filter, name, json_string(rfc3339_format(us, 6, text)));
}

/* As store/bulk.h has it. */
static char *make_filter(const struct dead_filter *f)
{
    json_t *filter = json_object();
    put_text(filter, "queue", f->queue);
    put_text(filter, "type", f->type);
    put_text(filter, "reason", f->reason);
    put_text(filter, "group", f->group);
    put_text(filter, "error", f->error);
    put_text(filter, "key", f->key);
    put_text(filter, "worker", f->worker);
    put_time(filter, "since", f->since_us);
    put_time(filter, "until", f->until_us);
    char *json = json_dumps(filter, JSON_COMPACT);
    json_decref(filter);
    return json;
}

static int check_selection(const struct arguments *a, struct err *reterr)
{
    bool filtered = dead_filter_is_given(a), all = arguments_has(a, "all"),
         resumes = arguments_has(a, "resume");
    if (resumes &&
        (a->n_words > 0 || filtered || all || arguments_has(a, "new") || arguments_has(a, "dry-run")))
        return err_set(reterr, STATUS_USAGE,
                       "--resume goes on with what the run was begun for: only --rate goes with it");
    if (resumes)
        return STATUS_DONE;
    if (a->n_words > 0 && (filtered || all))
        return err_set(reterr, STATUS_USAGE, "name ids, or say --all with or without filters, not both");
    if (a->n_words > 0 && arguments_has(a, "rate"))
        return err_set(reterr, STATUS_USAGE, "--rate is for --all; what is named is done at once");
    if (a->n_words == 0 && !all)
        return err_set(
            reterr, STATUS_USAGE,
            "which? Name ids, or say --all%s (--queue, --type, --reason, --group and others narrow it)",
            filtered ? " besides the filters" : "");
    return STATUS_DONE;
}

/* --- How many, and which for example --- */

static int count_letters(struct changing *c, struct err *reterr)
{
    bool more = true;
    int r = 0;
    while (r == 0 && more)
        r = bulk_count_dead(c->in->db, c->filter, c->change->only_replayable, LOOK_MAX, &c->count, &more,
                            reterr);
    return invocation_judge_store(c->in, r, reterr);
}

static int64_t count_wanted(const struct changing *c)
{
    return c->count.total - (c->change->only_replayable ? c->count.n_malformed : 0);
}

static void say_letter(const struct rows *rows, size_t row)
{
    struct uuid id;
    char text[UUID_TEXT_SIZE];
    const char *type = rows_text(rows, row, 2), *error = rows_text(rows, row, 4);
    rows_uuid(rows, row, 0, &id);
    dialog_say("  %s %s/%s %s%s%.100s", uuid_format(&id, text), rows_text(rows, row, 1), type ? type : "?",
               rows_text(rows, row, 3), error ? ": " : "", error ? error : "");
}

/* To whoever is about to answer, or only wants to know. */
static int show_samples(const struct changing *c, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    char count[PROGRESS_COUNT_SIZE];
    bool asks = !arguments_has(&c->in->arguments, "yes") && (c->change->destroys || dialog_is_possible());
    if (c->count.n_first == 0 || !(c->dry_run || asks))
        return STATUS_DONE;
    int r = bulk_list_dead(c->in->db, c->count.first, c->count.n_first, &rows, reterr);
    if (r)
        return invocation_judge_store(c->in, r, reterr);
    dialog_say("%s dead letter%s%s", progress_count(count_wanted(c), count), count_wanted(c) == 1 ? "" : "s",
               (size_t)count_wanted(c) > rows_count(rows) ? ", such as" : ":");
    for (size_t i = 0; i < rows_count(rows); i++)
        say_letter(rows, i);
    return STATUS_DONE;
}

/* --- Doing it --- */

static int change_part(struct bulk_run *b, int at_most, bool *ret_more, void *userdata, struct err *reterr)
{
    struct changing *c = userdata;
    struct bulk_part part;
    struct uuid id;
    int r = bulk_change_dead(c->in->db, b->run, b->owner, c->to_look, at_most, &part, reterr);
    if (r)
        return invocation_judge_store(c->in, r, reterr);
    for (size_t i = 0; c->out && i < part.n; i++) {
        rows_uuid(part.rows, i, 0, &id);
        dead_changed_add(c->out, c->change, &id, false);
    }
    rows_free(part.rows);
    if (part.taken)
        return BULK_RUN_TAKEN;
    b->done = part.done;
    *ret_more = part.n_looked > 0;
    c->to_look = part.n > 0 ? LOOK_MIN : c->to_look * 2 < LOOK_MAX ? c->to_look * 2 : LOOK_MAX;
    return STATUS_DONE;
}

/* Lists instead of changing. */
static int list_letters(struct changing *c, struct err *reterr)
{
    struct uuid after = { 0 };
    size_t n = LOOK_MAX;
    while (n == LOOK_MAX) {
        _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
        int r = bulk_list_dead_ids(c->in->db, c->filter, c->change->only_replayable, &after, LOOK_MAX, &rows,
                                   reterr);
        if (r)
            return invocation_judge_store(c->in, r, reterr);
        n = rows_count(rows);
        for (size_t i = 0; i < n; i++) {
            rows_uuid(rows, i, 0, &after);
            if (rows_bool(rows, i, 1))
                dead_changed_add(c->out, c->change, &after, true);
        }
    }
    return STATUS_DONE;
}

static int begin(struct changing *c, struct bulk_run *b, struct err *reterr)
{
    c->filter = make_filter(&c->wanted);
    if (!c->filter)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    int r = c->dry_run ? STATUS_DONE : bulk_run_check_open(b, c->filter, reterr);
    if (r == STATUS_DONE)
        r = count_letters(c, reterr);
    if (r)
        return r;
    b->total = count_wanted(c);
    if (b->total == 0)
        dead_filter_remark(c->in, &c->wanted);
    r = show_samples(c, reterr);
    if (r == STATUS_DONE)
        r = dead_change_confirm(c->in, c->change, b->total, reterr);
    if (r == STATUS_DONE && !c->dry_run && b->total > 0)
        r = bulk_run_begin(b, c->filter, b->total, reterr);
    return r;
}

/* Says what --all leaves alone; nothing to do is no failure. */
static void conclude(const struct changing *c, const struct bulk_run *b)
{
    char count[PROGRESS_COUNT_SIZE];
    dialog_say("%s%s: %s", c->dry_run ? "would be " : "", c->change->done,
               progress_count(c->dry_run ? b->total : b->done, count));
    if (c->change->only_replayable && c->count.n_malformed > 0)
        dialog_say("malformed ones left where they are: %" PRId64
                   "; a message that cannot be read cannot run",
                   c->count.n_malformed);
}

static int change_all(struct changing *c, struct bulk_run *b, struct err *reterr)
{
    char action[32];
    _cleanup_(output_free_cleanup) struct output *out = NULL;
    bool resumes = arguments_has(&c->in->arguments, "resume"), each = c->in->style.format != OUTPUT_TABLE;
    int r =
        each ? present_begin(c->in, dead_changed_columns, DEAD_CHANGED_COLUMNS, &out, reterr) : STATUS_DONE;
    if (r == STATUS_DONE)
        r = resumes ? bulk_run_resume(b, reterr) : begin(c, b, reterr);
    if (r)
        return r;
    c->out = out;
    if (c->dry_run)
        r = out ? list_letters(c, reterr) : STATUS_DONE;
    else if (b->run)
        r = bulk_run_go(b, change_part, c, reterr);
    snprintf(action, sizeof(action), "%s%s", c->dry_run ? "would be " : "", c->change->done);
    int written =
        out ? output_end(out, r ? NULL : reterr) : bulk_run_summarise(b, action, false, r ? NULL : reterr);
    if (r == STATUS_DONE)
        conclude(c, b);
    return r ? r : written;
}

static int run(struct invocation *in, const struct dead_change *change, struct err *reterr)
{
    struct changing c = {
        .in = in, .change = change, .dry_run = arguments_has(&in->arguments, "dry-run"), .to_look = LOOK_MIN
    };
    _cleanup_(bulk_run_done) struct bulk_run b = { 0 };
    int r = check_selection(&in->arguments, reterr);
    if (r == STATUS_DONE)
        r = dead_filter_read(in, &c.wanted, reterr);
    if (r == STATUS_DONE)
        r = invocation_connect(in, reterr);
    if (r)
        return r;
    if (in->arguments.n_words > 0)
        return dead_named_run(in, change, reterr);
    bulk_run_init(&b, in, change->kind);
    r = change_all(&c, &b, reterr);
    free(c.filter);
    return r;
}

int command_dead_replay(struct invocation *in, struct err *reterr)
{
    return run(in, &dead_change_replay, reterr);
}

int command_dead_purge(struct invocation *in, struct err *reterr)
{
    return run(in, &dead_change_purge, reterr);
}
