/* SPDX-License-Identifier: Apache-2.0 */
/* The text of an error on its way to a person; the return value decides, the text explains. */
#pragma once

struct err {
    char text[1024];
};

/**
 * err_set() - write the text of an error
 * @reterr: where to; may be NULL, then nothing is written
 * @code:   what the caller returns
 * @format: printf format of a sentence without full stop
 *
 * Return: @code, so that "return err_set(reterr, -EINVAL, …)" is one line.
 */
int err_set(struct err *reterr, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the text that is there. Return: @code. */
int err_prefix(struct err *reterr, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
