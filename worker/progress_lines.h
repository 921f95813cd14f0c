/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress that a command tells line by line.
 *
 * Each line is what job_set_progress() takes. A line that is longer than that is dropped, and the log says so once; an empty one
 * says nothing. What comes in between two reads of the worker costs a copy, so a command may write as fast as it likes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "libjob/context.h"

/* Zeroed but for ctx. */
struct progress_lines {
    struct job_context *ctx;
    char line[JOB_MAX_PROGRESS_SIZE]; /* as far as it has come */
    size_t size;
    bool too_long;   /* its line: the rest is dropped */
    bool complained; /* of some line */
};

/* Some more bytes. */
void progress_lines_take(struct progress_lines *p, const char *data, size_t size);
