/* SPDX-License-Identifier: Apache-2.0 */
/* What several rounds gave, as a person wants to read it: the median, with the lowest and the highest. */
#pragma once

#include <stddef.h>
#include <stdio.h>

#define FIGURES_MAX_ROUNDS 64

/* One member, a double, of a struct that holds what one round gave. */
struct figure {
    const char *name;
    size_t member; /* offsetof() */
};

double figures_median(const void *rounds, size_t round_size, int n_rounds, size_t member);
/* A line for each figure. */
void figures_print(FILE *out, const struct figure *figures, size_t n_figures, const void *rounds,
                   size_t round_size, int n_rounds);
