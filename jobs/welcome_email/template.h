/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of a mail from Mustache files in one folder.
 *
 * The folder is the administrator's: its files may be links, and may switch the escaping off with {{{raw}}}. What
 * is wrong with them is the installation's fault and JOB_RETRY, so that a repaired or late file saves the jobs;
 * what is wrong with values is JOB_FAIL. Lines end with CRLF as mail wants it, however they ended before.
 */
#pragma once

#include <jansson.h>
#include <job_handler.h>

#include "mustache.h"

#define TEMPLATE_MAX (256 * 1024) /* bytes, of a file */

struct templates {
    const char *folder;
    bool strict; /* a missing value is a fault */
    const json_t *const *roots;
    size_t n_roots;
};

/* True when there is a file @name with @ending (".txt"), whatever is in it. */
bool template_exists(const struct templates *templates, const char *name, const char *ending);

/**
 * template_render() - the text of one file
 * @name:   of request_is_template_name()
 * @ending: of it and its partials
 * @ret:    on the heap, without NUL; set on success
 *
 * Return: JOB_DONE; JOB_RETRY; JOB_FAIL. The error has the file and the line.
 */
int template_render(struct job_context *ctx, const struct templates *templates, const char *name,
                    const char *ending, enum mustache_escape escape, char **ret);
