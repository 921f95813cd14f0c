/* SPDX-License-Identifier: Apache-2.0 */
/* What keys do in jobctl top. Pure. */
#pragma once

#include "cli/top/top_layout.h"

/* Keys are characters of Unicode, and these. */
enum top_key {
    TOP_KEY_NONE = 0,
    TOP_KEY_CTRL_C = 3,
    TOP_KEY_BACKSPACE = 8,
    TOP_KEY_TAB = 9,
    TOP_KEY_REDRAW = 12, /* Ctrl-L */
    TOP_KEY_ENTER = 13,
    TOP_KEY_STOP = 26, /* Ctrl-Z */
    TOP_KEY_ESCAPE = 27,
    TOP_KEY_DELETE = 127,
    TOP_KEY_UP = 0x110000,
    TOP_KEY_DOWN,
    TOP_KEY_PAGE_UP,
    TOP_KEY_PAGE_DOWN,
    TOP_KEY_HOME,
    TOP_KEY_END,
    TOP_KEY_BACK_TAB,
    TOP_KEY_RESIZE,
};

enum top_wish { TOP_NOTHING, TOP_DRAW, TOP_QUIT, TOP_INTERRUPT };

#define TOP_INTERVAL_MIN_US 250000
#define TOP_INTERVAL_MAX_US 60000000

void top_view_init(struct top_view *view, int64_t interval_us);
/* @page: rows of the panel in front that are seen at once. Return: an enum top_wish. */
int top_press(struct top_view *view, unsigned key, size_t page);
