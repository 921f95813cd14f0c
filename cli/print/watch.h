/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --watch: a command that only looks, again and again.
 *
 * On a terminal each picture replaces the one before, and what does not fit below is cut. Elsewhere rows follow rows, and a
 * table is refused. A server that is away is said in place of the picture, and asked again.
 */
#pragma once

#include "cli/invocation.h"

/* Returns only when the command fails for another reason than a server that is away. Return: an enum status. */
int watch_run(struct invocation *in, struct err *reterr);
