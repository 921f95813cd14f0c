/* SPDX-License-Identifier: Apache-2.0 */
/* Which dead letters a command line means: the options that list, groups, export, replay and purge share. */
#pragma once

#include "cli/invocation.h"
#include "store/dead.h"

/* What job.dead.reason can be; NULL-terminated. */
extern const char *const dead_reasons[];

/* Borrows from the arguments. filter->limit is --limit, or 50. Return: an enum status. */
int dead_filter_read(const struct invocation *in, struct dead_filter *ret, struct err *reterr);
/* Is any of them there? */
bool dead_filter_is_given(const struct arguments *a);
/* Says what of it the configuration does not know: for when nothing was found. */
void dead_filter_remark(const struct invocation *in, const struct dead_filter *filter);
