/* SPDX-License-Identifier: Apache-2.0 */
/* Is what stands on the command line a duration, a time, a queue's name, …? */
#pragma once

#include "base/err.h"
#include "cli/command.h"

enum value_outcome { VALUE_INVALID = 1 };

/*
 * @option: the row that @text belongs to; NULL for an argument of the command
 * @what:   how messages call it, "--limit"
 *
 * Return: 0; VALUE_INVALID with a sentence that names the rule.
 */
int value_check(enum value_kind kind, const struct command_option *option, const char *what, const char *text,
                struct err *reterr);
