/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How jobctl top looks: from a picture and what the person has chosen to lines of a screen.
 *
 *     jobctl top — 18:03:12, every 2s                                  header
 *     workers 3 · brokers 2 · in 120/s · out 118/s · …
 *     [1 Queues 4]  2 Workers 3  3 Jobs 12  4 Errors 2                 panels, the one in front first
 *     QUEUE        IN/S  OUT/S  …
 *     mail          120    118  …
 *     q quit · h help · …                                              footer
 *
 * Lines hold whole characters only, none wider than the screen; columns that do not fit are left out, the last ones first. Pure, but for the
 * host's time zone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "cli/top/picture.h"

enum top_panel { TOP_QUEUES, TOP_WORKERS, TOP_JOBS, TOP_ERRORS, TOP_PANELS };

enum top_look { LOOK_PLAIN, LOOK_TITLE, LOOK_HEAD, LOOK_DIM, LOOK_BAD, LOOK_DOUBTFUL, LOOK_GOOD, LOOK_FRONT };

#define TOP_FILTER_MAX 60

/* What the person has chosen. */
struct top_view {
    enum top_panel panel; /* in front */
    struct top_order {
        size_t column; /* SIZE_MAX: as the picture has them */
        bool reverse;
        size_t first; /* rows above the screen */
    } order[TOP_PANELS];
    char filter[TOP_FILTER_MAX + 1]; /* only rows that have it somewhere; "": all */
    bool typing;                     /* the filter */
    bool still, help;
    int64_t interval_us;
};

struct top_line {
    enum top_look look;
    char *text;
};

struct top_lines {
    struct top_line *lines;
    size_t n, room;
    size_t page; /* rows of the panel in front that are seen at once */
    bool failed; /* no memory */
};

/* @height 0: as many lines as there are. Corrects @view->order[].first where rows have gone. top_lines_done() @ret in every case. */
void top_layout(struct top_lines *ret, const struct picture *p, struct top_view *view, int width, int height);
void top_lines_done(struct top_lines *l);

/* How many columns the panel has, and what one is called. */
size_t top_n_columns(enum top_panel panel);
const char *top_column_name(enum top_panel panel, size_t column);
