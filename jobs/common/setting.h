/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of a handler: environment variables of the executor, read anew for each job; an empty one is as none. */
#pragma once

#include <job_handler.h>
#include <stddef.h>

/* The value of @variable, borrowed from the environment; @preset when there is none. */
const char *setting_get(const char *variable, const char *preset);

/**
 * setting_get_folder() - where a module's files lie
 * @variable: names the folder
 * @name:     of the folder beside the module that is taken when @variable is not set
 * @ret:      of @size bytes
 *
 * Return: JOB_DONE; JOB_RETRY, error set.
 */
int setting_get_folder(struct job_context *ctx, const char *variable, const char *name, char *ret,
                       size_t size);
