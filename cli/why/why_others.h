/* SPDX-License-Identifier: Apache-2.0 */
/* Which other job keeps a job where it is: the one before it in the order of its key, or the one that has its unique key. */
#pragma once

#include "cli/why/why_facts.h"

/* PostgreSQL has answered what @q has so far. Return: an enum status. */
int why_ask_others(struct invocation *in, struct why_inquiry *q, struct err *reterr);
