/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A systemd as process 1 of its own name spaces, which shows how the units behave: tests/support/booted.sh.
 *
 * Everything here ends the test when it fails, with the reason. Ends at the latest with the test.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct booted;

/* Whether it can be done on this machine; prints why not, as a plan of TAP that skips everything. */
bool booted_is_possible(void);

/* @folder: empty; what lies in @folder/files is laid over /. Stays the caller's. */
struct booted *booted_start(const char *folder);
struct booted *booted_end(struct booted *b);

/* Runs a shell's command line in there. printf-like. Return: its exit status. @ret_output: both outputs, to be freed; may be NULL. */
int booted_try(struct booted *b, char **ret_output, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* One that must succeed. */
void booted_run(struct booted *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Until the command line succeeds. */
void booted_await(struct booted *b, double deadline_s, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A property of a unit, as systemctl show has it; to be freed. */
char *booted_property(struct booted *b, const char *unit, const char *property);
