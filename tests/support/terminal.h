/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program on a pseudo-terminal, and what a person would see there.
 *
 *     struct terminal *t = terminal_start((const char *const[]){ "cli/jobctl", "top", NULL }, 24, 80);
 *     terminal_await(t, 5, "queues");
 *     terminal_type(t, "q");
 *     ck_assert_int_eq(terminal_await_exit(t, 5), 0);
 *     terminal_free(t);
 *
 * TERM is xterm-256color; the other variables are the test's. Everything here ends the test when it fails, with the screen as the reason.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct terminal;

/* @argv: NULL-terminated; argv[0] is looked for along PATH. */
struct terminal *terminal_start(const char *const *argv, int n_rows, int n_columns);
/* Ends the program (SIGKILL) if it has not ended. Return: NULL. */
struct terminal *terminal_free(struct terminal *t);

/* Keys: text; "\r" is Enter, "\003" Ctrl-C, "\033[A" the arrow up. */
void terminal_type(struct terminal *t, const char *keys);
void terminal_resize(struct terminal *t, int n_rows, int n_columns);
pid_t terminal_pid(const struct terminal *t);

/* Until @text is on the screen, or is no more. Both fail at once when the program ends first and it is not so then. */
void terminal_await(struct terminal *t, double deadline_s, const char *text);
void terminal_await_gone(struct terminal *t, double deadline_s, const char *text);
/* Until the program has ended; reads what it still writes. Return: its exit status; 128 + signal. */
int terminal_await_exit(struct terminal *t, double deadline_s);

/* What stands on the screen, a line per row without spaces at its end. Valid until the next call. */
const char *terminal_screen(struct terminal *t);
/* Is @text on the screen, in another colour than the default, from its first to its last character? */
bool terminal_is_coloured(struct terminal *t, const char *text);
/* Does the screen belong to a program that draws all of it (the alternate screen)? */
bool terminal_is_full_screen(const struct terminal *t);
/* Every byte that the program has written so far, NUL-terminated. */
const char *terminal_bytes(const struct terminal *t);
