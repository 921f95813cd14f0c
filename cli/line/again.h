/* SPDX-License-Identifier: Apache-2.0 */
/* The same command line once more, going on behind where a list has ended. Pure. */
#pragma once

#include "base/uuid.h"
#include "cli/line/arguments.h"

struct buf;

/* "jobctl job list --queue mail --after ID", in the shell's words. */
void again_append(struct buf *b, const struct arguments *a, const struct uuid *after);
