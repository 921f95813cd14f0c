/* SPDX-License-Identifier: Apache-2.0 */
/* What `jobctl doctor` has found: collected check by check, printed at the end. */
#pragma once

#include "cli/print/output.h"

enum finding_state {
    FINDING_OK,
    FINDING_UNKNOWN, /* cannot be known from here: no fault */
    FINDING_WARNING, /* works, and somebody should look */
    FINDING_PROBLEM, /* jobs do not get where they should */
};

struct finding {
    enum finding_state state;
    char check[48];  /* a stable name */
    char about[320]; /* the topic, queue, … ; "": there is only one */
    char found[512];
    char meaning[256]; /* "" when all is well */
    char cure[512];    /* the command or the change that mends it */
};

struct findings {
    struct finding *list;
    size_t n;
    size_t n_problems, n_warnings;
    bool failed; /* out of memory */
};

/* Copied; @about, @meaning and @cure may be NULL. */
struct finding_text {
    const char *check, *about, *found, *meaning, *cure;
};
void findings_add(struct findings *f, enum finding_state state, const struct finding_text *text);
void findings_done(struct findings *f);

/* Return: as output_new(). */
int findings_print(const struct findings *f, const struct output_style *style, FILE *to, struct err *reterr);
