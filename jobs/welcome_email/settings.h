/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How mail leaves, from the environment of the executor.
 *
 * WELCOME_EMAIL_SMTP_URL          smtp://host:port or smtps://host:port; default smtp://127.0.0.1:25
 * WELCOME_EMAIL_FROM              address, or Name <address>; default noreply@localhost
 * WELCOME_EMAIL_TEMPLATES         folder of subject.txt, welcome.txt, welcome.html; default: the module's own
 * WELCOME_EMAIL_TLS               "try": STARTTLS where it is offered; "require": nothing is sent without;
 *                                 default try, with credentials require
 * WELCOME_EMAIL_CA                file of certificates to trust instead of the system's
 * WELCOME_EMAIL_CREDENTIALS_FILE  one line "user:password", readable by its owner only; default
 *                                 $CREDENTIALS_DIRECTORY/smtp, if that is there
 *
 * Read anew for every job, so that rotated credentials need no restart. Whatever is wrong here is the
 * installation's fault and not the job's: JOB_RETRY.
 */
#pragma once

#include <job_handler.h>
#include <stdbool.h>

struct settings {
    const char *url, *templates, *ca_file; /* of the environment; ca_file: NULL for the system's */
    char from_name[256], from[256];
    char templates_default[4096];
    bool require_tls;
    char user[256], password[512]; /* user "": no login */
};

/* @ret: forget it with settings_done(). Return: JOB_DONE; JOB_RETRY, error set, without any secret. */
int settings_read(struct job_context *ctx, struct settings *ret);

/* Overwrites the password. */
void settings_done(struct settings *settings);
