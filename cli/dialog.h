/* SPDX-License-Identifier: Apache-2.0 */
/* What is said to the person at the terminal, on standard error, and what is asked. */
#pragma once

#include "cli/invocation.h"

/* One line that begins with "jobctl: ". */
void dialog_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same behind all that the command prints, and only to somebody at a terminal: what could be done next. */
void dialog_say_later(struct invocation *in, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says so when the configuration does not declare the queue, or names no handler for the type; NULL: nothing to say. */
void dialog_remark_queue(const struct invocation *in, const char *queue);
void dialog_remark_type(const struct invocation *in, const char *type);

/* Is there somebody who could answer? */
bool dialog_is_possible(void);

/*
 * Asks on a terminal; without one, --yes must be there. @question: a sentence with its question mark.
 * Return: STATUS_DONE when it may be done; else another enum status.
 */
int dialog_confirm(const struct invocation *in, const char *question, struct err *reterr);
