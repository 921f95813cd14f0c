/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hand-over costs: no-op jobs beside long ones, which are handed over in one round and not in the next.
 *
 * The long jobs have executors and a queue of their own, so that both kinds of round run the same jobs in the same places. They
 * only sleep. The clock runs over the last four fifths of the no-op jobs: all executors have been started by then.
 */
#include "base/cleanup.h"
#include "bench/figures.h"
#include "bench/site.h"
#include "bench/usage.h"

#define PAYLOAD_SIZE 200
#define LONG_JOBS 100
#define LONG_JOBS_WAITING 5000
#define LONG_PAYLOAD "{\"ms\": 2000}" /* so 50 of them begin, are handed over and end in each second */

struct round {
    struct usage_per_job per_job;
    double handed_over_per_s;
};

static int64_t count_long(struct site *s)
{
    return site_ask(s, "SELECT count(*) FROM job.result WHERE type = 'selftest.sleep'");
}

static int measure(struct site *s, struct round *ret)
{
    const int jobs = s->options->jobs;
    if (site_enqueue(s, "selftest.sleep", "long", LONG_PAYLOAD, 0, LONG_JOBS_WAITING) != 0 ||
        site_enqueue(s, "selftest.echo", "selftest", NULL, PAYLOAD_SIZE, jobs) != 0)
        return 1;
    int worker = site_start(s, "worker/jobworkerd");
    int64_t first = worker < 0 ? -1 : site_await(s, jobs / 5, SITE_COUNT_RECORDED);
    int64_t ended_before = count_long(s);
    struct usage before = usage_read(s, worker);
    int64_t last = first < 0 ? -1 : site_await(s, jobs, SITE_COUNT_RECORDED);
    struct usage after = usage_read(s, worker);
    if (last < 0)
        return 1;
    ret->per_job = usage_divide(&before, &after, last - first);
    ret->handed_over_per_s =
        (double)(count_long(s) - ended_before) * 1e6 / (double)(after.wall_us - before.wall_us);
    return 0;
}

static int run_round(const struct bench_options *o, const char *handover_after, struct round *ret)
{
    struct site site;
    int r = site_open(&site, o, &(struct site_layout){ .long_jobs = LONG_JOBS, .worker = handover_after });
    if (r == 0)
        r = measure(&site, ret);
    site_close(&site, r);
    return r;
}

static double median(const struct round *rounds, int n, size_t member)
{
    return figures_median(rounds, sizeof(*rounds), n, member);
}

static void print_cost(const struct round *with, const struct round *without, int n, FILE *out)
{
    const size_t rate = offsetof(struct round, per_job.jobs_per_s),
                 cpu = offsetof(struct round, per_job.all_us);
    fprintf(out, "  cost: %.1f %% of the rate, %.1f %% of the CPU per job\n",
            100 * (1 - median(with, n, rate) / median(without, n, rate)),
            100 * (median(with, n, cpu) / median(without, n, cpu) - 1));
}

int bench_handover(const struct bench_options *o, FILE *out)
{
    static const struct figure figures[] = {
        USAGE_FIGURES(struct round, per_job),
        { "CPU per job: all, us", offsetof(struct round, per_job.all_us) },
        { "long jobs that ended, /s", offsetof(struct round, handed_over_per_s) },
    };
    static const char on[] = "handover_after = \"1s\";", off[] = "handover_after = \"1h\";";
    struct round with[FIGURES_MAX_ROUNDS], without[FIGURES_MAX_ROUNDS];
    for (int i = 0; i < o->rounds; i++) {
        bool with_first = i % 2 == 0;
        if ((with_first && run_round(o, on, &with[i]) != 0) || run_round(o, off, &without[i]) != 0 ||
            (!with_first && run_round(o, on, &with[i]) != 0))
            return 1;
    }
    fprintf(out,
            "handover: %d no-op jobs beside %d long ones at a time, %d executors, in turns; median (lowest … "
            "highest) of %d rounds\n",
            o->jobs, LONG_JOBS, o->executors + LONG_JOBS, o->rounds);
    fprintf(out, " the long jobs are handed over after 1 s\n");
    figures_print(out, figures, ARRAY_SIZE(figures), with, sizeof(*with), o->rounds);
    fprintf(out, " they are not\n");
    figures_print(out, figures, ARRAY_SIZE(figures), without, sizeof(*without), o->rounds);
    print_cost(with, without, o->rounds, out);
    return 0;
}
