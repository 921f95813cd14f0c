/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a job asks for: its payload, checked. docs/jobs/welcome_email.md describes the members.
 *
 * Whatever is refused here is refused for good: the same payload will not be better at the next try. Errors name
 * the member and not its value: values are personal data.
 */
#pragma once

#include <jansson.h>
#include <job_handler.h>
#include <stdbool.h>

#include "address.h"

#define REQUEST_MAILBOXES_MAX 100 /* of all roles together */
#define REQUEST_NAME_MAX 256      /* bytes */
#define REQUEST_SUBJECT_MAX 998   /* bytes */
#define REQUEST_HEADERS_MAX 50
#define REQUEST_HEADER_VALUE_MAX 900 /* bytes; the line stays below the 998 that RFC 5322 allows */
#define REQUEST_TEMPLATE_MAX 64      /* bytes */

enum mailbox_role { MAILBOX_TO, MAILBOX_CC, MAILBOX_BCC, MAILBOX_REPLY_TO, N_MAILBOX_ROLES };

struct mailbox {
    enum mailbox_role role;
    char place[32]; /* where it stands in the payload: "cc[1]" */
    struct address address;
    const char *name; /* "" when there is none */
};

/* Pointers lead into the payload. */
struct request {
    json_t *payload;
    struct mailbox *mailboxes;
    size_t n_mailboxes;
    char greeting[REQUEST_NAME_MAX + 1]; /* {{name}}: the first recipient's, else the part before the @ */
    const char *template;
    const char *subject;       /* instead of a template's; NULL: the template's */
    const json_t *variables;   /* object or NULL */
    const json_t *headers;     /* object of strings or NULL */
    const json_t *attachments; /* array or NULL; checked by attachment.h */
};

/**
 * request_parse() - read and check a payload
 * @ret: overwritten; release with request_done() whatever the verdict
 *
 * Return: JOB_DONE; JOB_FAIL, error set.
 */
int request_parse(struct job_context *ctx, const char *payload, size_t size, struct request *ret);
void request_done(struct request *request);

/* Member @name of @object as text without control characters, borrowed; NULL when it is absent. @place: for errors. */
int request_get_text(struct job_context *ctx, const json_t *object, const char *place, const char *name,
                     const char **ret);

/* Name of a template or partial: letters, digits, - and _; so it never leads out of a folder or looks like an option. */
bool request_is_template_name(const char *name);
