/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal while a program has all of it, by ncurses. Whatever ends the program, the terminal is as it was before: top_screen_close(), Ctrl-Z
 * until it goes on, and, by a handler of its own, the signals of a crash.
 *
 * One at a time. Keys of control are keys here, so Ctrl-C sends no signal.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "cli/top/top_layout.h"

/* Return: an enum status; STATUS_USAGE when nothing is known of this terminal. */
int top_screen_open(bool colours, struct err *reterr);
void top_screen_close(void);

void top_screen_get_size(int *ret_width, int *ret_height);
/* @whole: as if nothing were there. */
void top_screen_draw(const struct top_lines *lines, bool whole);
/* Does not wait. Return: an enum top_key, or a character; TOP_KEY_NONE: there is none. */
unsigned top_screen_read_key(void);
/* Stops the process, as Ctrl-Z does; returns when it goes on. */
void top_screen_stop(void);
