/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking PostgreSQL and Kafka again and again, each in a thread of its own: one that is away or slow holds up neither the other nor the screen.
 *
 * Threads: the invocation's servers and configuration are theirs until gather_stop(). All other calls are one thread's, which has blocked
 * the signals that it wants to hear of before gather_start().
 */
#pragma once

#include "cli/invocation.h"
#include "cli/top/picture.h"

struct gather;

/* Return: an enum status. */
int gather_start(struct gather **ret, struct invocation *in, int64_t interval_us, struct err *reterr);
/* Waits a moment for the threads. When one hangs in a call nothing is freed, and the invocation has no servers and no configuration any more. */
void gather_stop(struct gather *g);

/* Readable when there is something new. */
int gather_fd(const struct gather *g);
void gather_clear(struct gather *g);
/* @interval_us 0: not until it is something else. */
void gather_set_interval(struct gather *g, int64_t interval_us);
/* What is known now. picture_done() @ret. */
void gather_make(struct gather *g, struct picture *ret);
/* How often both have been asked. */
int gather_n_looks(struct gather *g);
