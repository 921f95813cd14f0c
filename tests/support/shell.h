/* SPDX-License-Identifier: Apache-2.0 */
/* What a newcomer types, run beside a site: shell lines in the environment that .dev/env gives, and programs that stay. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "tests/support/harness.h"

/* Sets what .dev/env sets, for this process and its children. */
void shell_enter(struct site *site);

/* Runs lines of bash in the site's folder, a test's own words, printf-like. Return: exit status; @ret_output: what they print, on both outputs, to be freed. */
int shell_run(struct site *site, char **ret_output, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for lines that must end with 0: what they print, less the last line's end; valid until the eighth call from here. */
const char *shell_ask(struct site *site, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Starts a program, which dies with this process at the latest. @line: the first that it prints, within 10 s. */
pid_t shell_start(const char *const *argv, char *line, size_t size);
/* A signal, and until it has ended (10 s). Return: its exit status; 128 + signal. */
int shell_stop(pid_t pid, int signal);
