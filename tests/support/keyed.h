/* SPDX-License-Identifier: Apache-2.0 */
/* Ordered jobs that fail by chance, and whether they kept their order, judged by what the handlers themselves have written (trace.h). */
#pragma once

#include <stddef.h>

#include "tests/support/harness.h"

struct keyed;

struct keyed *keyed_new(size_t n_keys);
/* Return: NULL. */
struct keyed *keyed_free(struct keyed *k);

/* Enqueues @n jobs of type selftest.fail in queue "selftest", each with a key and a number of failures (up to @max_failures) that are chosen by chance. */
void keyed_enqueue(struct keyed *k, struct site *site, size_t n, int max_failures);
size_t keyed_n_jobs(const struct keyed *k);

/* No job has started before every earlier one of its key had come to its end for good. */
void keyed_check_strict(const struct keyed *k);
/* No job has started while another one of its key ran, and their first starts are in order. Return: how many later jobs passed one that was tried again. */
size_t keyed_check_one_at_a_time(const struct keyed *k);
