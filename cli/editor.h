/* SPDX-License-Identifier: Apache-2.0 */
/* A text in the person's own editor: $VISUAL, $EDITOR, else sensible-editor, else vi. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

#define EDITOR_PATH_MAX 512

/* A file that only its owner can read, in $TMPDIR or /tmp, holding @text. @name is part of its name. Return: an enum status. */
int editor_make_file(const char *name, const struct buf *text, char path[EDITOR_PATH_MAX],
                     struct err *reterr);

/*
 * Runs the editor on it and waits; Ctrl-C is the editor's meanwhile. The value of the variable may have arguments, as for a shell.
 * Return: an enum status; STATUS_FAILED when the editor could not be run or ended with another status than 0.
 */
int editor_run(const char *path, struct err *reterr);

/* What is in the file now, at most @max bytes. Return: an enum status. */
int editor_read_file(const char *path, size_t max, struct buf *ret, struct err *reterr);
