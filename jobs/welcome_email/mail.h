/* SPDX-License-Identifier: Apache-2.0 */
/* The message: headers and two bodies from the fields of a job, without any network. */
#pragma once

#include <job_handler.h>

#define MAIL_NAME_MAX 256 /* bytes */

struct mail_fields {
    const char *id;               /* of the job; makes the Message-ID, so that every try has the same */
    const char *from_name, *from; /* "" when there is no name */
    const char *to_name, *to;
    const char *templates; /* directory with subject.txt, welcome.txt, welcome.html */
    int64_t unix_s;        /* Date */
};

struct mail {
    char from[256], to[256]; /* addresses of the envelope */
    char message_id[512];    /* without angle brackets */
    char *headers;           /* lines, each ends with CRLF; a folded one goes on after CRLF and a space */
    char *text, *html;       /* UTF-8, lines end with CRLF */
};

/**
 * mail_build() - check the fields and make the message
 * @ret: overwritten; release with mail_done() whatever the verdict
 *
 * Return: JOB_DONE; JOB_FAIL when "to" or "name" of the job is unusable; JOB_RETRY when sender or templates
 * are. The error names the field or file.
 */
int mail_build(struct job_context *ctx, const struct mail_fields *fields, struct mail *ret);
void mail_done(struct mail *mail);
