/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How mail leaves, from the environment of the executor; docs/jobs/welcome_email.md has the list.
 *
 * Read anew for every job, so that rotated credentials need no restart. Whatever is wrong here is the
 * installation's fault and not the job's: JOB_RETRY.
 */
#pragma once

#include <job_handler.h>
#include <stdbool.h>

#include "address.h"
#include "rate.h"

struct settings {
    const char *url;         /* of the environment */
    const char *attachments; /* NULL: none */
    const char *ca_file;     /* NULL: the system's */
    char from_name[256];
    struct address from;
    char templates[4096], rate_file[256];
    size_t max_size; /* bytes, of one mail */
    bool require_tls, strict;
    char login_options[64];          /* of libcurl; "": the best that the server offers */
    char user[256];                  /* "": no login */
    char password[512], token[4096]; /* one of them, the other "" */
    struct rate_rules rates;
};

/* @ret: forget it with settings_done(). Return: JOB_DONE; JOB_RETRY, error set, without any secret. */
int settings_read(struct job_context *ctx, struct settings *ret);

/* Overwrites password and token. */
void settings_done(struct settings *settings);
