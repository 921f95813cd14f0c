/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dead/dead_named.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/dialog.h"
#include "cli/print/present.h"
#include "cli/print/progress.h"
#include "store/dead.h"

#define BATCH 1000

const struct dead_change dead_change_replay = {
    .kind = "dead replay", .done = "replayed", .only_replayable = true, .apply = dead_replay
};
const struct dead_change dead_change_purge = {
    .kind = "dead purge", .done = "purged", .destroys = true, .apply = dead_purge
};

const struct output_column dead_changed_columns[DEAD_CHANGED_COLUMNS] = {
    { "id", CELL_ID },
    { "action", CELL_TEXT },
};

void dead_changed_add(struct output *out, const struct dead_change *change, const struct uuid *id,
                      bool dry_run)
{
    char action[32];
    snprintf(action, sizeof(action), "%s%s", dry_run ? "would be " : "", change->done);
    output_add(out, (const struct cell[]){ cell_id(id), cell_text(action) });
}

int dead_change_confirm(const struct invocation *in, const struct dead_change *change, int64_t n,
                        struct err *reterr)
{
    char question[128], count[PROGRESS_COUNT_SIZE];
    bool must_ask = change->destroys || (in->arguments.n_words == 0 && dialog_is_possible());
    if (!must_ask || n == 0 || arguments_has(&in->arguments, "dry-run"))
        return STATUS_DONE;
    snprintf(question, sizeof(question),
             change->destroys ? "Throw away %s dead letter%s with payload and headers?"
                              : "Run %s dead job%s again?",
             progress_count(n, count), n == 1 ? "" : "s");
    return dialog_confirm(in, question, reterr);
}

struct changing {
    struct invocation *in;
    const struct dead_change *change;
    bool dry_run;
    struct output *out;
    size_t n_done;
};

/* What of @ids could be changed; the same rows for what would be, and for what was: an id first. */
static int apply(struct changing *c, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr)
{
    int r = c->dry_run ? dead_list_these(c->in->db, ids, n, ret, reterr)
                       : c->change->apply(c->in->db, ids, n, ret, reterr);
    return invocation_judge_store(c->in, r, reterr);
}

static void print(struct changing *c, const struct rows *rows)
{
    struct uuid id;
    for (size_t i = 0; i < rows_count(rows); i++) {
        if (c->dry_run && c->change->only_replayable && !rows_bool(rows, i, 2))
            continue;
        rows_uuid(rows, i, 0, &id);
        dead_changed_add(c->out, c->change, &id, c->dry_run);
        c->n_done++;
    }
}

/* Says what is wrong with each id. Return: the worst status. */
static int check(const struct changing *c, const struct uuid *ids, size_t n, struct err *reterr)
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
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int checked = check(c, ids, n, reterr);
    if (checked == STATUS_AWAY || checked == STATUS_USAGE)
        return checked;
    *worst = *worst ? *worst : checked;
    int r = apply(c, ids, n, &rows, reterr);
    if (r == STATUS_DONE)
        print(c, rows);
    return r;
}

static int change_all(struct changing *c, struct err *reterr)
{
    size_t n = c->in->arguments.n_words;
    struct uuid ids[BATCH];
    int worst = STATUS_DONE;
    int r = dead_change_confirm(c->in, c->change, (int64_t)n, reterr);
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

int dead_named_run(struct invocation *in, const struct dead_change *change, struct err *reterr)
{
    struct changing c = { .in = in, .change = change, .dry_run = arguments_has(&in->arguments, "dry-run") };
    _cleanup_(output_free_cleanup) struct output *out = NULL;
    int r = present_begin(in, dead_changed_columns, DEAD_CHANGED_COLUMNS, &out, reterr);
    if (r)
        return r;
    c.out = out;
    r = change_all(&c, reterr);
    int written = output_end(out, r ? NULL : reterr);
    if (r == STATUS_DONE)
        dialog_say("%s%s: %zu", c.dry_run ? "would be " : "", change->done, c.n_done);
    return r ? r : written;
}
