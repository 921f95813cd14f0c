/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What order per key costs: the same no-op jobs, each with a key, without order, with order = "key" and with "key_strict", in turns.
 *
 * With few keys what counts is how soon the next job of a key may start; with many it is the bookkeeping.
 */
#include "base/cleanup.h"
#include "bench/figures.h"
#include "bench/site.h"
#include "bench/usage.h"

#define PAYLOAD_SIZE 200

static const char *const orders[] = { "none", "key", "key_strict" };
static const int n_keys[] = { 10000, 100 };

struct round {
    struct usage_per_job per_job;
};

static int measure(struct site *s, int keys, struct round *ret)
{
    if (site_enqueue_keyed(s, "selftest.echo", "selftest", PAYLOAD_SIZE, keys, s->options->jobs) != 0)
        return 1;
    int worker;
    return usage_measure_worker(s, &worker, &ret->per_job);
}

static int run_round(const struct bench_options *o, const char *order, int keys, struct round *ret)
{
    char handler[64];
    struct site site;
    snprintf(handler, sizeof(handler), "order = \"%s\";", order);
    int r = site_open(&site, o, &(struct site_layout){ .handler = handler });
    if (r == 0)
        r = measure(&site, keys, ret);
    site_close(&site, r);
    return r;
}

static int compare_orders(const struct bench_options *o, int keys, FILE *out)
{
    static const struct figure figures[] = { USAGE_FIGURES(struct round, per_job) };
    struct round rounds[ARRAY_SIZE(orders)][FIGURES_MAX_ROUNDS];
    for (int i = 0; i < o->rounds; i++)
        for (size_t order = 0; order < ARRAY_SIZE(orders); order++)
            if (run_round(o, orders[order], keys, &rounds[order][i]) != 0)
                return 1;
    for (size_t order = 0; order < ARRAY_SIZE(orders); order++) {
        fprintf(out, " order = \"%s\", %d keys\n", orders[order], keys);
        figures_print(out, figures, ARRAY_SIZE(figures), rounds[order], sizeof(struct round), o->rounds);
    }
    return 0;
}

int bench_keys(const struct bench_options *o, FILE *out)
{
    fprintf(
        out,
        "keys: %d no-op jobs, %d partitions, %d executors, in turns; median (lowest … highest) of %d rounds\n",
        o->jobs, o->partitions, o->executors, o->rounds);
    for (size_t i = 0; i < ARRAY_SIZE(n_keys); i++)
        if (compare_orders(o, n_keys[i], out) != 0)
            return 1;
    return 0;
}
