/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mail over SMTP, by libcurl.
 *
 * The connection stays open for the next mail of this process. A mail may arrive twice: when the server's
 * last answer is lost we cannot know that it took the mail, and send it again; both have the same Message-ID.
 */
#pragma once

#include <job_handler.h>

struct mail;
struct settings;

struct smtp_answer {
    char text[512]; /* the server's last, printable ASCII, lines joined by " / "; "" when it said nothing */
};

/**
 * smtp_send() - hand one mail to the server
 * @ret: set always
 *
 * Blocks for up to 10 s to connect and 60 s in all. One thread per process.
 *
 * Return: JOB_DONE: the server has taken responsibility; JOB_FAIL: it refused for good (5xx); JOB_RETRY: it
 * refused for now (4xx), or could not be talked to. The error has its answer.
 */
int smtp_send(struct job_context *ctx, const struct settings *settings, const struct mail *mail,
              struct smtp_answer *ret);
