/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far something long has come: one line on standard error that is drawn again and again, if that is a terminal; else nothing.
 *
 *     41,203 of 100,000 ███████▌            41 %, 4,120/s, 14 s left
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;
    int64_t total, begun_at; /* how far it was when we began */
    int64_t begun_us, drawn_us;
};

void progress_begin(struct progress *p, int64_t total, int64_t done);
/* Draws at most ten times a second. */
void progress_move(struct progress *p, int64_t done);
/* The line goes. */
void progress_end(struct progress *p);

#define PROGRESS_COUNT_SIZE 32
/* "41,203" into @text. Return: @text. */
char *progress_count(int64_t n, char *text);
