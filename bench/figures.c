/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/figures.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sort(double *values, const void *rounds, size_t round_size, int n, size_t member)
{
    for (int i = 0; i < n; i++)
        memcpy(&values[i], (const char *)rounds + (size_t)i * round_size + member, sizeof(*values));
    qsort(values, (size_t)n, sizeof(*values), compare);
}

static double middle(const double *sorted, int n)
{
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

double figures_median(const void *rounds, size_t round_size, int n, size_t member)
{
    double values[FIGURES_MAX_ROUNDS] = { 0 };
    sort(values, rounds, round_size, n, member);
    return middle(values, n);
}

void figures_print(FILE *out, const struct figure *figures, size_t n_figures, const void *rounds,
                   size_t round_size, int n)
{
    double values[FIGURES_MAX_ROUNDS] = { 0 };
    for (size_t i = 0; i < n_figures; i++) {
        sort(values, rounds, round_size, n, figures[i].member);
        fprintf(out, "  %-46s %12.2f   (%.2f … %.2f)\n", figures[i].name, middle(values, n), values[0],
                values[n - 1]);
    }
}
