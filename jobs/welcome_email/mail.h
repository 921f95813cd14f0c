/* SPDX-License-Identifier: Apache-2.0 */
/* The message: headers, bodies and attachments from a request, without any network. */
#pragma once

#include <job_handler.h>

#include "address.h"
#include "attachment.h"

struct request;

struct mail_fields {
    const char *id; /* of the job; makes the Message-ID, so that every try has the same */
    const char *from_name;
    const struct address *from;
    const struct request *request;
    const char *templates;   /* folder */
    bool strict;             /* templates may ask for nothing that is missing */
    const char *attachments; /* folder; NULL: none */
    size_t max_size;         /* bytes of bodies and attachments together */
    int64_t unix_s;          /* Date */
};

struct mail {
    const struct mail_fields *fields;
    bool international;   /* an address is: the server must have SMTPUTF8 */
    char message_id[512]; /* without angle brackets */
    char *headers;        /* lines, each ends with CRLF; a folded one goes on after CRLF and a space */
    char *text, *html;    /* UTF-8, lines end with CRLF; NULL where the template has none, but not both */
    struct attachments attachments;
};

/**
 * mail_build() - check the fields and make the message
 * @fields: borrowed by @ret
 * @ret:    overwritten; release with mail_done() whatever the verdict
 *
 * Return: JOB_DONE; JOB_FAIL when the request is unusable; JOB_RETRY when sender, templates or files are. The error
 * names the member or file.
 */
int mail_build(struct job_context *ctx, const struct mail_fields *fields, struct mail *ret);
void mail_done(struct mail *mail);
