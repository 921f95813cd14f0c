/* SPDX-License-Identifier: Apache-2.0 */
/* Running another program for what it prints, and no longer than a time. */
#pragma once

#include <stdint.h>

struct buf;

/*
 * Runs @argv (argv[0] along PATH) with nothing on standard input; what it prints is appended to @out, whose `max` is the most that is
 * taken; what it says on standard error is dropped. After @timeout_us it is killed.
 *
 * Return: its exit status; 128 when it was killed or printed too much; negative errno: it could not be started (-ENOENT: there is none).
 */
int program_read(const char *const *argv, int64_t timeout_us, struct buf *out);
