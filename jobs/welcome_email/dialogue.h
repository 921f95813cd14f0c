/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What client and server said to each other about one mail, and what becomes of the job.
 *
 * Fed with the lines in both directions. Whose fault a refusal is depends on what it answers: before MAIL it is
 * about how we are set up, and worth another try whatever its class; from MAIL on its class decides. Of several
 * recipients those that are refused for good do not keep the mail from the others. But when one is refused for
 * now nobody gets it yet, so that nobody gets it twice; except at the last try, where there is no later.
 */
#pragma once

#include <job_handler.h>
#include <stdbool.h>
#include <stddef.h>

#define DIALOGUE_RECIPIENTS_MAX 100

struct smtp_answer {
    char text[512]; /* printable ASCII, lines joined by " / "; "" when there was none */
};

enum dialogue_phase { DIALOGUE_GREETING, DIALOGUE_MAIL, DIALOGUE_RCPT, DIALOGUE_DATA, DIALOGUE_BODY };

struct dialogue {
    bool needs_utf8; /* without SMTPUTF8 the mail cannot be sent */
    bool is_last_try;
    size_t n_recipients; /* as announced */

    enum dialogue_phase phase;
    bool goes_on;                        /* the answer's next line belongs to it */
    bool lacks_utf8, is_refused_for_now; /* why dialogue_received() asked to stop */
    size_t n_answers;                    /* on this connection */
    size_t n_rcpts;            /* commands sent; the last one is what an answer in DIALOGUE_RCPT answers */
    struct smtp_answer answer; /* the last one, whole or not yet */
    struct smtp_answer refusals[DIALOGUE_RECIPIENTS_MAX]; /* by recipient; "" when not refused */
};

void dialogue_init(struct dialogue *dialogue, size_t n_recipients, bool needs_utf8, bool is_last_try);

/* One command, or a part of one, as it went out. */
void dialogue_sent(struct dialogue *dialogue, const char *text, size_t size);

/* One line of an answer. Return: false: break the connection off. */
bool dialogue_received(struct dialogue *dialogue, const char *line, size_t size);

/**
 * dialogue_judge() - what becomes of the job when the conversation has failed
 * @places: names of the recipients in errors; not used when there is one only
 * @why:    what else is known, for people
 *
 * Return: JOB_FAIL; JOB_RETRY. The error has the server's answer.
 */
int dialogue_judge(struct job_context *ctx, const struct dialogue *dialogue, const char *const places[],
                   const char *why);
