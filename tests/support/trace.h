/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs of the selftest module that say in a file when they run: the truth about executions, beside what is recorded. */
#pragma once

#include <stddef.h>

#include "tests/support/harness.h"

/* From here on jobs trace into a file of this site, whose queue "selftest" has four partitions, unless its topic exists already. */
void trace_start(struct site *site);
const char *trace_path(void);

/* Writes @payload to @text, the first "%s" in it being the file. */
void trace_put_path(const char *payload, char *text, size_t size);

/* Enqueues @n jobs in queue "selftest" through libjob and waits until Kafka has them; the first "%s" in @payload becomes the file. */
void trace_enqueue(struct site *site, const char *type, size_t n, const char *payload);

struct trace {
    size_t n_starts;
    size_t n_repeated; /* starts of a job beyond its first */
    size_t n_ends;
};

/* What the handlers have written so far: "start|end <id> <attempt> <delivery> …". */
struct trace trace_read(void);

struct trace_event {
    bool is_start;
    char id[37];
    int64_t mono_us, wall_us;
};

/* All events in the order of their writing, to be freed. Return: how many. */
size_t trace_events(struct trace_event **ret);

/* Waits until so many jobs have started, and so many have come to their end. Needs no server. */
void trace_await(size_t n_starts, size_t n_ends, double deadline_s);
/* The same for starts, with 30 s. */
void trace_await_starts(size_t n);
