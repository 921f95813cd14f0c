/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mail over SMTP, by libcurl.
 *
 * The connection stays open for the next mail of this process. A mail may arrive twice: when the server's
 * last answer is lost we cannot know that it took the mail, and send it again; both have the same Message-ID.
 */
#pragma once

#include <job_handler.h>

#include "dialogue.h"

struct mail;
struct settings;

struct smtp_report {
    struct smtp_answer answer;                   /* the server's last */
    size_t n_recipients;                         /* of the envelope: nobody twice */
    const char *places[DIALOGUE_RECIPIENTS_MAX]; /* of the request */
    const struct smtp_answer
        *refusals[DIALOGUE_RECIPIENTS_MAX]; /* NULL when taken; valid until the next mail */
};

/**
 * smtp_send() - hand one mail to the server
 * @ret: set on JOB_DONE; borrows from @mail
 *
 * Blocks for up to 10 s to connect, and 60 s and one more for each 100 KiB in all. One thread per process.
 *
 * Return: JOB_DONE: the server has taken responsibility, for one recipient at least; JOB_FAIL: it refused for good
 * (5xx); JOB_RETRY: it refused for now (4xx), or could not be talked to. The error has its answer.
 */
int smtp_send(struct job_context *ctx, const struct settings *settings, const struct mail *mail,
              struct smtp_report *ret);
