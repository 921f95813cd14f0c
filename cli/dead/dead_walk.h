/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead letters, page by page, until so many have matched, all were looked at, or Ctrl-C.
 *
 * When that takes long, because few match, a person at a terminal is told how far it has looked.
 */
#pragma once

#include "cli/invocation.h"
#include "store/dead_pages.h"

struct dead_walk {
    struct invocation *in;
    struct dead_page page; /* after: where to begin */
    int64_t at_most;       /* letters; negative: all */
    /* dead_page_list() or dead_page_export() */
    int (*read)(struct db *db, const struct dead_page *page, struct rows **ret, struct dead_edge *ret_edge,
                struct err *reterr);
    /* Takes one letter. Return: an enum status; anything but STATUS_DONE ends the walk. */
    int (*take)(void *userdata, const struct rows *rows, size_t row, struct err *reterr);
    void *userdata;

    /* Set by dead_walk_run(). */
    int64_t n_taken, n_looked;
    struct uuid last; /* of the letters that were taken */
    bool has_more;
};

/* Return: an enum status; STATUS_INTERRUPTED: has_more and what was taken say how far it came. */
int dead_walk_run(struct dead_walk *w, struct err *reterr);
