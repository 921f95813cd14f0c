/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the handler welcome_email, WELCOME_EMAIL_MODULE: a private folder, a mail server that speaks real SMTP
 * in it (tests/support/smtpsink.py or its counterpart), and what has arrived there.
 *
 * Each test runs in its own process, has one sink and ends with sink_clean_up().
 */
#pragma once

#include <sys/types.h>

#include "libjob/include/job_handler.h"

#define ADA "{\"to\": \"ada@example.org\", \"name\": \"Ada\"}"

extern struct job_test_result got; /* of the last send_mail() */

/* The folder; the path of @name in it, valid until the sixteenth call from here. */
extern char folder[];
const char *in_folder(const char *name);
void write_file(const char *name, const char *text, mode_t mode);

/* Makes the folder, and for the servers below a certificate for 127.0.0.1: cert.pem, key.pem. */
void folder_open(void);
void make_certificate(void);

/* Starts a sink with further @options, NULL-terminated, and points the handler to it. */
void sink_start(const char *const *options);
void sink_start_with(const char *program, const char *scheme, const char *const *options);
void sink_start_plain(void);
void sink_start_tls(const char *auth); /* NULL: no login */
void sink_stop(void);
void sink_clean_up(void);

/* Runs the handler; @attempt of 25. */
int send_mail(const char *payload);
int send_mail_attempt(const char *payload, int attempt);

/* The text of all mails that have arrived, in their order; and of the only one. */
const char *mails(int *ret_n);
const char *one_mail(void);
/* What mailshow.py says of the only one. */
const char *one_mail_shown(void);

void check_contains(const char *text, const char *part);
void check_lacks(const char *text, const char *part);
/* Long texts: shows the place where they part. */
void check_same(const char *text, const char *expected);
