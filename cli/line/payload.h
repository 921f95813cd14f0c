/* SPDX-License-Identifier: Apache-2.0 */
/* The payload that a person hands over: JSON on the command line, "@FILE", or "-" for standard input. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/*
 * Reads what @argument names (NULL: nothing) and checks that it is JSON of at most JOB_MAX_MESSAGE_SIZE bytes.
 * Return: an enum status.
 */
int payload_read(const char *argument, struct buf *ret, struct err *reterr);
/* The same without looking at what it is. */
int payload_read_raw(const char *argument, struct buf *ret, struct err *reterr);
