/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail bodies from files with {{variables}}: Mustache's simplest part.
 *
 * Anything else in double braces is refused, {{{raw}}} as well, so that no template can switch off the
 * escaping. Lines end with CRLF as mail wants it, however they end in the file. A template at fault is the
 * installation's fault: the verdict is JOB_RETRY, so that a repaired file saves the jobs.
 */
#pragma once

#include <job_handler.h>

#define TEMPLATE_MAX (256 * 1024) /* bytes, of a file */

enum template_escape { TEMPLATE_PLAIN, TEMPLATE_HTML };

struct template_variable {
    const char *name, *value;
};

struct template_variables {
    const struct template_variable *rows;
    size_t n_rows;
};

/* Reads @directory/@file to the heap. Return: JOB_DONE; JOB_RETRY, error set. */
int template_read(struct job_context *ctx, const char *directory, const char *file, char **ret);

/* @file stands in errors only. @ret: on the heap. Return: JOB_DONE; JOB_RETRY, error set. */
int template_render(struct job_context *ctx, const char *file, const char *text, enum template_escape escape,
                    const struct template_variables *variables, char **ret);
