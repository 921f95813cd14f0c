/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secret of a handler: one line of a file that nobody but its owner may read, or of a credential that the
 * service manager has for the unit.
 */
#pragma once

#include <job_handler.h>

#define SECRET_LINE_MAX 4999 /* bytes */

struct secret {
    char path[4096];                /* for errors; "": there is no secret */
    char line[SECRET_LINE_MAX + 1]; /* without its end */
};

/**
 * secret_read() - read a secret, if there is one
 * @variable:   names the file
 * @credential: its name in $CREDENTIALS_DIRECTORY, where @variable is not set
 * @ret:        overwritten; forget it with secret_done(), whatever the verdict
 *
 * Return: JOB_DONE, also when neither is there; JOB_RETRY, error set, without any of the secret.
 */
int secret_read(struct job_context *ctx, const char *variable, const char *credential, struct secret *ret);

/* Overwrites it. */
void secret_done(struct secret *secret);
