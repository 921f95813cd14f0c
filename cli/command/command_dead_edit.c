/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobctl dead edit: a dead letter is changed so that it can succeed when it is replayed.
 *
 * The text that a person has typed is never lost: until the letter is stored it lies in a file, which is named whenever this ends otherwise.
 * Whoever replays, purges or edits the same letter meanwhile wins; PostgreSQL compares the version that was looked at.
 */
#include "cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/timefmt.h"
#include "cli/dialog.h"
#include "cli/print/difference.h"
#include "cli/editor.h"
#include "cli/dead/letter.h"
#include "cli/line/payload.h"
#include "cli/print/present.h"
#include "cli/print/printable.h"
#include "libjob/names.h"
#include "store/dead.h"

/* Headers, escapes and base64 make a document larger than what it says. */
#define DOCUMENT_MAX (64 * 1024 * 1024)

/* Columns of dead_find(). */
enum {
    QUEUE = 1,
    TYPE = 2,
    REASON = 3,
    ATTEMPT = 5,
    ERROR = 6,
    DIED_AT = 8,
    HEADERS = 14,
    KEY,
    PAYLOAD,
    PARENT,
    VERSION
};

struct editing {
    struct invocation *in;
    struct rows *rows; /* the letter as it was looked at */
    struct letter was, now;
    char path[EDITOR_PATH_MAX]; /* "": there is no file */
};

static int out_of_memory(struct err *reterr)
{
    return err_set(reterr, STATUS_FAILED, "out of memory");
}

static int judge(int r, struct err *reterr)
{
    return r < 0 ? out_of_memory(reterr) : r ? STATUS_USAGE : STATUS_DONE;
}

static int look(struct editing *e, struct err *reterr)
{
    const char *text = e->in->arguments.words[0];
    struct uuid id;
    uuid_parse(text, strlen(text), &id);
    int r = invocation_connect(e->in, reterr);
    if (r)
        return r;
    r = dead_find(e->in->db, &id, &e->rows, reterr);
    if (r)
        return invocation_judge_store(e->in, r, reterr);
    if (rows_count(e->rows) == 0)
        return err_set(reterr, STATUS_NOT_FOUND,
                       "no dead letter has the id %s; `jobctl job show %s` tells what became of it", text,
                       text);
    r = letter_init(&e->was, &id, rows_text(e->rows, 0, QUEUE), rows_text(e->rows, 0, TYPE),
                    rows_span(e->rows, 0, KEY), rows_text(e->rows, 0, HEADERS),
                    rows_span(e->rows, 0, PAYLOAD));
    return r ? out_of_memory(reterr) : STATUS_DONE;
}

/* --- Without an editor --- */

static int set_payload(struct editing *e, struct err *reterr)
{
    _cleanup_buf_ struct buf payload = { 0 };
    const char *argument = arguments_get(&e->in->arguments, "payload");
    if (!argument)
        return STATUS_DONE;
    int r = letter_says_json(&e->now) ? payload_read(argument, &payload, reterr)
                                      : payload_read_raw(argument, &payload, reterr);
    if (r)
        return r;
    r = letter_set_payload(&e->now, (struct span){ payload.data ? payload.data : "", payload.size });
    return judge(r, reterr);
}

static int change_by_options(struct editing *e, struct err *reterr)
{
    char name[100];
    const char *pair;
    int r = letter_copy(&e->now, &e->was);
    if (r)
        return out_of_memory(reterr);
    for (size_t at = 0; (pair = arguments_next(&e->in->arguments, "set", &at));) {
        size_t size = strcspn(pair, "=");
        snprintf(name, sizeof(name), "%.*s", (int)(size < 99 ? size : 99), pair);
        struct err why = { 0 };
        if ((r = letter_set(&e->now, name, pair + size + 1, &why)))
            return r < 0 ? out_of_memory(reterr) : err_set(reterr, STATUS_USAGE, "--set: %.900s", why.text);
    }
    r = set_payload(e, reterr);
    if (r)
        return r;
    struct err why = { 0 };
    r = letter_check(&e->now, NULL, &why);
    return r > 0 ? err_set(reterr, STATUS_USAGE, "so it could not run: %.900s", why.text) : judge(r, reterr);
}

/* --- The document --- */

/* What the person sees above the letter. Lines of job data begin with "# " and end where they end. */
static void append_head(struct buf *b, const struct editing *e)
{
    char id[UUID_TEXT_SIZE], died_at[RFC3339_SIZE];
    const char *error = rows_text(e->rows, 0, ERROR);
    buf_append_format(b, "# Dead letter %s: %s after attempt %d, died %s\n", uuid_format(&e->was.id, id),
                      rows_text(e->rows, 0, REASON), (int)rows_int(e->rows, 0, ATTEMPT),
                      rfc3339_format(rows_time_us(e->rows, 0, DIED_AT), 0, died_at));
    if (error) {
        size_t size = strlen(error);
        buf_append_string(b, "# ");
        printable_append(b, (struct span){ error, size < 1000 ? size : 1000 });
        buf_append_char(b, '\n');
    }
    buf_append_string(
        b,
        "#\n"
        "# Change what is wrong, save, and leave the editor; nothing is stored before you have seen the difference and said yes.\n"
        "# An unchanged file, or an empty one, changes nothing. What is taken away, or null, is not said: then the handler's own limits\n"
        "# hold. A payload that is no JSON is payload_text or payload_base64. Lines that begin with # do not count.\n");
}

static int parse_file(struct editing *e, const char *path, struct err *reterr)
{
    _cleanup_buf_ struct buf text = { 0 };
    letter_done(&e->now);
    int r = editor_read_file(path, DOCUMENT_MAX, &text, reterr);
    if (r)
        return r;
    r = letter_parse(&e->now, &e->was, (struct span){ text.data ? text.data : "", text.size }, reterr);
    if (r == LETTER_EMPTY) {
        letter_done(&e->now);
        return letter_copy(&e->now, &e->was) ? out_of_memory(reterr) : STATUS_DONE;
    }
    return judge(r, reterr);
}

static bool wants_again(const struct err *why)
{
    char answer[16];
    dialog_say("%s", why->text);
    if (!dialog_is_possible())
        return false;
    fprintf(stderr, "Edit it again? [Y/n] ");
    if (!fgets(answer, sizeof(answer), stdin))
        return false;
    return answer[0] != 'n' && answer[0] != 'N';
}

static bool has_editor(void)
{
    const char *visual = getenv("VISUAL"), *editor = getenv("EDITOR");
    return dialog_is_possible() || (visual && visual[0]) || (editor && editor[0]);
}

static int change_in_editor(struct editing *e, struct err *reterr)
{
    _cleanup_buf_ struct buf text = { 0 };
    char name[64], id[UUID_TEXT_SIZE];
    struct err why = { 0 };
    if (!has_editor())
        return err_set(
            reterr, STATUS_USAGE,
            "there is no terminal for an editor: use --payload, --set NAME=VALUE or --file, or set $EDITOR");
    append_head(&text, e);
    letter_append(&text, &e->was);
    if (text.failed)
        return out_of_memory(reterr);
    snprintf(name, sizeof(name), "jobctl-dead-%s", uuid_format(&e->was.id, id));
    int r = editor_make_file(name, &text, e->path, reterr);
    if (r) {
        e->path[0] = 0;
        return r;
    }
    do {
        r = editor_run(e->path, reterr);
        if (r)
            return r;
        r = parse_file(e, e->path, &why);
    } while (r == STATUS_USAGE && wants_again(&why));
    return r == STATUS_USAGE ? err_set(reterr, r, "nothing was changed")
           : r               ? err_set(reterr, r, "%s", why.text)
                             : STATUS_DONE;
}

static int change(struct editing *e, struct err *reterr)
{
    const struct arguments *a = &e->in->arguments;
    const char *file = arguments_get(a, "file");
    bool by_options = arguments_has(a, "payload") || arguments_has(a, "set");
    if (file && by_options)
        return err_set(reterr, STATUS_USAGE,
                       "--file is the whole letter: --payload and --set have no place beside it");
    return file         ? parse_file(e, file, reterr)
           : by_options ? change_by_options(e, reterr)
                        : change_in_editor(e, reterr);
}

/* --- Storing it --- */

static int show_difference(const struct editing *e, struct err *reterr)
{
    _cleanup_buf_ struct buf before = { 0 }, after = { 0 }, text = { 0 };
    letter_append(&before, &e->was);
    letter_append(&after, &e->now);
    difference_append(&text, (struct span){ before.data, before.size },
                      (struct span){ after.data, after.size }, output_wants_colours(stderr));
    if (before.failed || after.failed || text.failed)
        return out_of_memory(reterr);
    fputs(text.size ? text.data : "(only space between the payload's tokens)\n", stderr);
    return STATUS_DONE;
}

static int ask(const struct editing *e, struct err *reterr)
{
    bool asks = dialog_is_possible() && !arguments_has(&e->in->arguments, "yes");
    return asks ? dialog_confirm(e->in, "Change the dead letter so?", reterr) : STATUS_DONE;
}

static int judge_stored(const struct editing *e, const char *outcome, struct err *reterr)
{
    char id[UUID_TEXT_SIZE];
    uuid_format(&e->was.id, id);
    if (strcmp(outcome, "gone") == 0)
        return err_set(reterr, STATUS_NOT_FOUND,
                       "%s is no dead letter any more: somebody has replayed or purged it", id);
    if (strcmp(outcome, "changed") == 0)
        return err_set(
            reterr, STATUS_FAILED,
            "somebody has changed %s meanwhile: look at it with `jobctl dead show %s`, then edit it again",
            id, id);
    return STATUS_DONE;
}

static int store(struct editing *e, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    _cleanup_free_ char *headers = letter_headers(&e->now);
    if (!headers)
        return out_of_memory(reterr);
    const struct dead_correction change = {
        .id = e->was.id,
        .version = rows_text(e->rows, 0, VERSION),
        .queue = e->now.queue,
        .type = e->now.type,
        .key = e->now.has_key ? (struct span){ e->now.key.data ? e->now.key.data : "", e->now.key.size }
                              : (struct span){ 0 },
        .headers = headers,
        .payload = e->now.has_payload
                       ? (struct span){ e->now.payload.data ? e->now.payload.data : "", e->now.payload.size }
                       : (struct span){ 0 },
    };
    int r = dead_edit(e->in->db, &change, &rows, reterr);
    if (r)
        return invocation_judge_store(e->in, r, reterr);
    return judge_stored(e, rows_text(rows, 0, 0), reterr);
}

static int print(const struct editing *e, const char *action, struct err *reterr)
{
    static const struct output_column columns[] = { { "id", CELL_ID }, { "action", CELL_TEXT } };
    _cleanup_(output_free_cleanup) struct output *out = NULL;
    int r = present_begin(e->in, columns, ARRAY_SIZE(columns), &out, reterr);
    if (r)
        return r;
    output_add(out, (struct cell[]){ cell_id(&e->was.id), cell_text(action) });
    return output_end(out, reterr);
}

static int finish(struct editing *e, struct err *reterr)
{
    char id[UUID_TEXT_SIZE];
    if (letter_equal(&e->was, &e->now))
        return print(e, "unchanged", reterr);
    int r = show_difference(e, reterr);
    if (r)
        return r;
    if (arguments_has(&e->in->arguments, "dry-run"))
        return print(e, "would be edited", reterr);
    dialog_remark_queue(e->in, strcmp(e->was.queue, e->now.queue) ? e->now.queue : NULL);
    dialog_remark_type(e->in, e->was.type && strcmp(e->was.type, e->now.type) == 0 ? NULL : e->now.type);
    r = ask(e, reterr);
    if (r == STATUS_DONE)
        r = store(e, reterr);
    if (r == STATUS_DONE)
        r = print(e, "edited", reterr);
    if (r == STATUS_DONE)
        dialog_say("`jobctl dead replay %s` runs it", uuid_format(&e->was.id, id));
    return r;
}

int command_dead_edit(struct invocation *in, struct err *reterr)
{
    struct editing e = { .in = in };
    int r = look(&e, reterr);
    if (r == STATUS_DONE)
        r = change(&e, reterr);
    if (r == STATUS_DONE)
        r = finish(&e, reterr);
    if (e.path[0] && r == STATUS_DONE)
        unlink(e.path);
    else if (e.path[0])
        dialog_say("your text is in %s; `jobctl dead edit %s --file %s` takes it from there", e.path,
                   in->arguments.words[0], e.path);
    letter_done(&e.was);
    letter_done(&e.now);
    rows_free(e.rows);
    return r;
}
