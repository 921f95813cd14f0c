/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one job writes on standard output and standard error, cut into lines.
 *
 * However much that is, CAPTURE_MAX bytes become lines; the rest is counted. The last lines are kept in any case: they tell best
 * why a job failed. Plain memory: whoever reads the pipe feeds it, whoever writes the log gets the lines.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define CAPTURE_MAX (64 * 1024)
#define CAPTURE_LINE_MAX 1024 /* a longer one becomes several */
#define CAPTURE_TAIL_MAX 1024

struct capture {
    size_t n_kept;      /* bytes that became lines, or will */
    uint64_t n_dropped; /* bytes beyond CAPTURE_MAX */
    char line[CAPTURE_LINE_MAX];
    size_t line_size; /* of a line without its end */
    char tail[CAPTURE_TAIL_MAX];
    size_t tail_size;
};

typedef void (*capture_line_fn)(const char *line, size_t size, void *userdata);

/* @data comes next; @put is called for each line that is whole now. */
void capture_take(struct capture *c, const char *data, size_t size, capture_line_fn put, void *userdata);
/* No more comes: the rest is a line. Empty afterwards. Return: how many bytes were dropped. */
uint64_t capture_end(struct capture *c, capture_line_fn put, void *userdata);
/* Appends the last lines as clean text; nothing when nothing was written. */
void capture_append_tail(const struct capture *c, struct buf *text);
