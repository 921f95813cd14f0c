/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobctl as people run it, on a site: what it exits with, prints and says. One run at a time.
 *
 *     control_use(site);
 *     control_expect(0, "queue pause %s", "mail");
 *     control_prints("paused");
 *     control_golden("queue_list", "queue list");
 *
 * Everything here ends the test when it fails, with what jobctl printed and said.
 */
#pragma once

#include <jansson.h>

#include "tests/support/harness.h"

/* The site of the runs that follow; NULL when it is gone. */
void control_use(struct site *site);

/* "jobctl -c CONFIG ARGUMENTS" by a shell, so arguments may be quoted and standard input redirected; @environment: "NAME=VALUE …" before it. Return: its exit status. */
int control_run(const char *environment, const char *arguments);
/* It must exit with @status. printf-like. */
void control_expect(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
void control_expect_with(const char *environment, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The whole command line of such a run, for those that start it themselves; its outputs go to files that control_take() reads. To be freed. */
char *control_command(const char *environment, const char *arguments);
void control_take(void);

/* Of the last run: standard output, standard error. */
const char *control_output(void);
const char *control_remarks(void);
void control_prints(const char *text);
void control_says(const char *text);
/* Standard output as JSON; to be json_decref()'d. */
json_t *control_json(void);
/* The text of a member; "" when it is none. */
const char *control_member(const json_t *json, const char *name);
/* The id on line @n (from 0) of lines like {"id": …}. Valid until the next call. */
const char *control_id(int n);

/*
 * What matches a regular expression (POSIX, extended) is @instead in what is compared with golden files: times of now, process numbers.
 * Stays until control_use().
 */
void control_mask(const char *expression, const char *instead);
/*
 * Runs @arguments in each output format and compares all of it, with the exit statuses, with tests/data/jobctl/NAME.txt. $JOB_TEST_WRITE_GOLDEN
 * not empty: writes the file instead; it is to be read before it is kept. The site's names are replaced by stable ones.
 */
void control_golden(const char *name, const char *arguments);
/* The same for one run, whose command line may say anything. */
void control_golden_once(const char *name, const char *arguments);
