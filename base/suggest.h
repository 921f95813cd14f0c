/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name that somebody probably meant.
 *
 *     struct suggest s = { .word = "executor_max" };
 *     for (…)
 *         suggest_consider(&s, names[i]);
 *     if (suggest_is_close(&s))
 *         … "did you mean" s.nearest
 *
 * Distance counts insertions, deletions, replacements and swapped neighbours; upper and lower case are the same.
 * Only the first SUGGEST_MAX characters of a name count.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SUGGEST_MAX 64

struct suggest {
    const char *word;
    const char *nearest; /* borrowed; the first of several equally near; NULL before the first consider */
    size_t distance;     /* from word to nearest */
};

size_t suggest_distance(const char *a, const char *b);
void suggest_consider(struct suggest *s, const char *name);

/* Near enough to be a slip of the hand: at most one change per three characters, at least one. */
bool suggest_is_close(const struct suggest *s);
