/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor/finding.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/print/printable.h"
#include "cli/status.h"

static const char *const state_names[] = {
    [FINDING_OK] = "ok",
    [FINDING_UNKNOWN] = "unknown",
    [FINDING_WARNING] = "warning",
    [FINDING_PROBLEM] = "problem",
};

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

void findings_add(struct findings *f, enum finding_state state, const struct finding_text *text)
{
    struct finding *list = reallocarray(f->list, f->n + 1, sizeof(*list));
    if (!list) {
        f->failed = true;
        return;
    }
    f->list = list;
    struct finding *new = &list[f->n++];
    *new = (struct finding){ .state = state };
    copy(new->check, sizeof(new->check), text->check);
    copy(new->about, sizeof(new->about), text->about);
    copy(new->found, sizeof(new->found), text->found);
    copy(new->meaning, sizeof(new->meaning), text->meaning);
    copy(new->cure, sizeof(new->cure), text->cure);
    f->n_problems += state == FINDING_PROBLEM;
    f->n_warnings += state == FINDING_WARNING;
}

void findings_done(struct findings *f)
{
    free(f->list);
    *f = (struct findings){ 0 };
}

/* --- For people --- */

static const char *paint(enum finding_state state, bool colours)
{
    static const char *const codes[] = {
        [FINDING_OK] = "\033[32m",
        [FINDING_UNKNOWN] = "\033[2m",
        [FINDING_WARNING] = "\033[33m",
        [FINDING_PROBLEM] = "\033[31m",
    };
    return colours ? codes[state] : "";
}

static void append_indented(struct buf *b, const char *mark, const char *text)
{
    if (!text[0])
        return;
    buf_append_format(b, "         %s", mark);
    printable_append(b, span_from_string(text));
    buf_append_char(b, '\n');
}

static void append_finding(struct buf *b, const struct finding *f, bool colours)
{
    buf_append_format(b, "%s%-7s%s  ", paint(f->state, colours), state_names[f->state],
                      colours ? "\033[0m" : "");
    printable_append(b, span_from_string(f->check));
    buf_append_string(b, f->about[0] ? " " : "");
    printable_append(b, span_from_string(f->about));
    buf_append_string(b, ": ");
    printable_append(b, span_from_string(f->found));
    buf_append_char(b, '\n');
    append_indented(b, "", f->meaning);
    append_indented(b, "→ ", f->cure);
}

static int print_text(const struct findings *f, const struct output_style *style, FILE *to)
{
    _cleanup_buf_ struct buf text = { 0 };
    for (size_t i = 0; i < f->n; i++)
        append_finding(&text, &f->list[i], style->colours);
    return text.failed || fputs(text.data, to) < 0;
}

/* --- For programs --- */

static const struct output_column columns[] = {
    { "check", CELL_TEXT }, { "about", CELL_TEXT },   { "state", CELL_TEXT },
    { "found", CELL_TEXT }, { "meaning", CELL_TEXT }, { "cure", CELL_TEXT },
};

static struct cell cell_said(const char *text)
{
    return text[0] ? cell_text(text) : cell_null();
}

int findings_print(const struct findings *f, const struct output_style *style, FILE *to, struct err *reterr)
{
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    if (f->failed)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    if (style->format == OUTPUT_TABLE && !style->columns && !style->sort)
        return print_text(f, style, to) ? err_set(reterr, STATUS_FAILED, "the output could not be written")
                                        : STATUS_DONE;
    int r = output_new(&o, style, to, columns, ARRAY_SIZE(columns), reterr);
    if (r)
        return r;
    for (size_t i = 0; i < f->n; i++) {
        const struct finding *at = &f->list[i];
        struct cell cells[] = {
            cell_text(at->check), cell_said(at->about),   cell_text(state_names[at->state]),
            cell_text(at->found), cell_said(at->meaning), cell_said(at->cure),
        };
        output_add(o, cells);
    }
    return output_end(o, reterr);
}
