/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl dead replay, dead purge. */
#include "cli/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/dead_filter.h"
#include "cli/dialog.h"
#include "cli/present.h"
#include "store/dead.h"

#define BATCH 1000

/* --- Changing: the same steps for replay and purge --- */

struct change {
    const char *done;     /* "replayed" */
    bool only_replayable; /* malformed ones are left alone */
    bool
        destroys; /* is asked about always, and needs --yes where nobody can answer; else only --all is, where somebody can */
    int (*apply)(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr);
};

static const struct change replay = { .done = "replayed", .only_replayable = true, .apply = dead_replay };
static const struct change purge = { .done = "purged", .destroys = true, .apply = dead_purge };

static const struct output_column changed_columns[] = { { "id", CELL_ID }, { "action", CELL_TEXT } };

struct changing {
    struct invocation *in;
    const struct change *change;
    bool dry_run;
    struct output *out;
    size_t n_done;
};

/* One batch. @n: at most BATCH. Return: an enum status. */
static int apply_batch(struct changing *c, const struct uuid *ids, size_t n, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    char would[32];
    struct uuid id;
    snprintf(would, sizeof(would), "would be %s", c->change->done);
    int r = c->dry_run ? dead_list_these(c->in->db, ids, n, &rows, reterr)
                       : c->change->apply(c->in->db, ids, n, &rows, reterr);
    if (r)
        return invocation_judge_store(c->in, r, reterr);
    for (size_t i = 0; i < rows_count(rows); i++) {
        rows_uuid(rows, i, 0, &id);
        struct cell cells[] = { cell_id(&id), cell_text(c->dry_run ? would : c->change->done) };
        output_add(c->out, cells);
    }
    c->n_done += rows_count(rows);
    return STATUS_DONE;
}

/* Oldest first, until none that was there at the beginning is left. */
static int apply_filtered(struct changing *c, struct dead_filter filter, struct err *reterr)
{
    struct uuid ids[BATCH];
    const struct uuid *after = NULL;
    struct uuid last;
    filter.limit = BATCH;
    for (;;) {
        _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
        int r = dead_list_ids(c->in->db, &filter, c->change->only_replayable, after, &rows, reterr);
        size_t n = r ? 0 : rows_count(rows);
        if (r || n == 0)
            return invocation_judge_store(c->in, r, reterr);
        for (size_t i = 0; i < n; i++)
            rows_uuid(rows, i, 0, &ids[i]);
        last = ids[n - 1];
        after = &last;
        r = apply_batch(c, ids, n, reterr);
        if (r)
            return r;
    }
}

static int confirm(const struct changing *c, int64_t n, struct err *reterr)
{
    char question[128];
    bool must_ask = c->change->destroys || (c->in->arguments.n_words == 0 && dialog_is_possible());
    if (!must_ask || n == 0 || c->dry_run)
        return STATUS_DONE;
    snprintf(question, sizeof(question),
             c->change->destroys ? "Throw away %" PRId64 " dead letter%s with payload and headers?"
                                 : "Run %" PRId64 " dead job%s again?",
             n, n == 1 ? "" : "s");
    return dialog_confirm(c->in, question, reterr);
}

/* Says what --all leaves alone; nothing to do is no failure. */
static int change_filtered(struct changing *c, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    struct dead_filter filter;
    int r = dead_filter_read(c->in, &filter, reterr);
    if (r)
        return r;
    r = dead_count(c->in->db, &filter, &rows, reterr);
    if (r)
        return invocation_judge_store(c->in, r, reterr);
    int64_t total = rows_bigint(rows, 0, 0), malformed = rows_bigint(rows, 0, 1);
    if (total == 0)
        dialog_remark_queue(c->in, filter.queue);
    r = confirm(c, total, reterr);
    if (r == STATUS_DONE)
        r = apply_filtered(c, filter, reterr);
    if (r == STATUS_DONE && c->change->only_replayable && malformed > 0)
        dialog_say("malformed ones left where they are: %" PRId64
                   "; a message that cannot be read cannot run",
                   malformed);
    return r;
}

/* --- Those that were named --- */

/* Says what is wrong with each id. Return: the worst status. */
static int check_named(const struct changing *c, const struct uuid *ids, size_t n, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    char text[UUID_TEXT_SIZE];
    int worst = STATUS_DONE;
    int r = dead_list_these(c->in->db, ids, n, &rows, reterr);
    if (r)
        return invocation_judge_store(c->in, r, reterr);
    for (size_t i = 0; i < n; i++) {
        bool is_there = false, can_replay = false;
        struct uuid id;
        for (size_t row = 0; row < rows_count(rows) && !is_there; row++) {
            rows_uuid(rows, row, 0, &id);
            is_there = uuid_equal(&id, &ids[i]);
            can_replay = is_there && rows_bool(rows, row, 2);
        }
        if (!is_there) {
            dialog_say("no dead letter has the id %s", uuid_format(&ids[i], text));
            worst = STATUS_NOT_FOUND;
        } else if (c->change->only_replayable && !can_replay) {
            dialog_say(
                "%s is malformed: a message that cannot be read cannot run; `jobctl dead edit %s` can make it right",
                uuid_format(&ids[i], text), text);
            worst = worst ? worst : STATUS_FAILED;
        }
    }
    return worst;
}

static int change_batch(struct changing *c, const struct uuid *ids, size_t n, int *worst, struct err *reterr)
{
    int checked = check_named(c, ids, n, reterr);
    if (checked == STATUS_AWAY || checked == STATUS_USAGE)
        return checked;
    *worst = *worst ? *worst : checked;
    return apply_batch(c, ids, n, reterr);
}

static int change_named(struct changing *c, struct err *reterr)
{
    size_t n = c->in->arguments.n_words;
    struct uuid ids[BATCH];
    int worst = STATUS_DONE;
    int r = confirm(c, (int64_t)n, reterr);
    for (size_t from = 0; r == STATUS_DONE && from < n; from += BATCH) {
        size_t count = n - from < BATCH ? n - from : BATCH;
        for (size_t i = 0; i < count; i++) {
            const char *text = c->in->arguments.words[from + i];
            uuid_parse(text, strlen(text), &ids[i]);
        }
        r = change_batch(c, ids, count, &worst, reterr);
    }
    return r ? r : worst;
}

/* --- Which of the two --- */

static int check_selection(const struct arguments *a, struct err *reterr)
{
    bool filtered = dead_filter_is_given(a);
    bool all = arguments_has(a, "all");
    if (a->n_words > 0 && (filtered || all))
        return err_set(reterr, STATUS_USAGE, "name ids, or say --all with or without filters, not both");
    if (a->n_words == 0 && !all)
        return err_set(
            reterr, STATUS_USAGE,
            "which? Name ids, or say --all%s (--queue, --type, --reason, --group and others narrow it)",
            filtered ? " besides the filters" : "");
    return STATUS_DONE;
}

static int run_change(struct invocation *in, const struct change *change, struct err *reterr)
{
    struct changing c = { .in = in, .change = change, .dry_run = arguments_has(&in->arguments, "dry-run") };
    int r = check_selection(&in->arguments, reterr);
    if (r == STATUS_DONE)
        r = invocation_connect(in, reterr);
    if (r)
        return r;
    _cleanup_(output_free_cleanup) struct output *out = NULL;
    r = present_begin(in, changed_columns, ARRAY_SIZE(changed_columns), &out, reterr);
    if (r)
        return r;
    c.out = out;
    r = in->arguments.n_words ? change_named(&c, reterr) : change_filtered(&c, reterr);
    int written = output_end(out, r ? NULL : reterr);
    if (r == STATUS_DONE)
        dialog_say("%s%s: %zu", c.dry_run ? "would be " : "", change->done, c.n_done);
    return r ? r : written;
}

int command_dead_replay(struct invocation *in, struct err *reterr)
{
    return run_change(in, &replay, reterr);
}

int command_dead_purge(struct invocation *in, struct err *reterr)
{
    return run_change(in, &purge, reterr);
}
