/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/keyed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "libjob/include/job.h"
#include "tests/support/trace.h"

struct keyed_job {
    char id[JOB_ID_TEXT_SIZE];
    size_t key, number; /* among the jobs of its key, from 0 */
    int failures;
};

struct keyed {
    size_t n_keys, n_jobs;
    size_t *n_of_key;
    struct keyed_job *jobs;
    uint64_t dice;
};

/* What was seen of one key. */
struct progress {
    size_t newest;              /* number of the newest job that has started, plus 1 */
    const struct keyed_job *at; /* runs; NULL: none */
    int n_tries;                /* of the newest */
};

struct keyed *keyed_new(size_t n_keys)
{
    struct keyed *k = calloc(1, sizeof(*k));
    ck_assert_ptr_nonnull(k);
    k->n_keys = n_keys;
    k->n_of_key = calloc(n_keys, sizeof(*k->n_of_key));
    ck_assert_ptr_nonnull(k->n_of_key);
    return k;
}

struct keyed *keyed_free(struct keyed *k)
{
    free(k->n_of_key);
    free(k->jobs);
    free(k);
    return NULL;
}

size_t keyed_n_jobs(const struct keyed *k)
{
    return k->n_jobs;
}

static void enqueue_one(struct keyed *k, struct job_client *client, int max_failures)
{
    struct keyed_job *job = &k->jobs[k->n_jobs++];
    struct job_id id;
    char payload[4352], key[24];
    uint64_t dice = hash_mix(++k->dice);
    job->key = dice % k->n_keys;
    job->failures = (int)((dice >> 32) % (unsigned)(max_failures + 1));
    job->number = k->n_of_key[job->key]++;
    snprintf(payload, sizeof(payload), "{\"times\": %d, \"trace\": \"%s\"}", job->failures, trace_path());
    snprintf(key, sizeof(key), "key-%zu", job->key);
    const struct job_spec spec = {
        .type = "selftest.fail", .queue = "selftest", .payload = payload, .key = key
    };
    ck_assert_int_eq(job_enqueue(client, &spec, &id), 0);
    job_id_format(&id, job->id);
}

void keyed_enqueue(struct keyed *k, struct site *site, size_t n, int max_failures)
{
    struct job_client *client;
    const struct job_client_options options = { .brokers = site_kafka(site), .prefix = site_prefix(site) };
    k->jobs = reallocarray(k->jobs, k->n_jobs + n, sizeof(*k->jobs));
    ck_assert_ptr_nonnull(k->jobs);
    ck_assert_int_eq(job_client_open(&client, &options), 0);
    for (size_t i = 0; i < n; i++)
        enqueue_one(k, client, max_failures);
    ck_assert_int_eq(job_flush(client, 60000), 0);
    ck_assert_int_eq(job_client_close(client, 1000), 0);
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct keyed_job *)a)->id, ((const struct keyed_job *)b)->id);
}

typedef void (*look_fn)(struct progress *progress, const struct keyed_job *job, bool is_start, size_t *count);

static size_t look_over(const struct keyed *k, look_fn look)
{
    struct trace_event *events;
    size_t n_events = trace_events(&events), count = 0;
    struct progress *progress = calloc(k->n_keys, sizeof(*progress));
    struct keyed_job *jobs = calloc(k->n_jobs, sizeof(*jobs));
    ck_assert_ptr_nonnull(progress);
    ck_assert_ptr_nonnull(jobs);
    memcpy(jobs, k->jobs, k->n_jobs * sizeof(*jobs));
    qsort(jobs, k->n_jobs, sizeof(*jobs), compare_ids);
    for (size_t i = 0; i < n_events; i++) {
        struct keyed_job wanted = { 0 };
        memcpy(wanted.id, events[i].id, sizeof(wanted.id));
        const struct keyed_job *job = bsearch(&wanted, jobs, k->n_jobs, sizeof(*jobs), compare_ids);
        if (job)
            look(&progress[job->key], job, events[i].is_start, &count);
    }
    free(jobs);
    free(progress);
    free(events);
    return count;
}

/* Whatever dies, a job that is behind must not have started: so the numbers of those that start never fall. */
static void look_strictly(struct progress *p, const struct keyed_job *job, bool is_start, size_t *count)
{
    if (!is_start)
        return;
    ck_assert_msg(job->number + 1 >= p->newest,
                  "key-%zu: job %zu started although job %zu had started before", job->key, job->number,
                  p->newest - 1);
    ck_assert_msg(job->number <= p->newest, "key-%zu: job %zu started although job %zu had not", job->key,
                  job->number, p->newest);
    if (job->number == p->newest) {
        ck_assert_msg(!p->at || p->n_tries > p->at->failures,
                      "key-%zu: job %zu started although job %zu had failed", job->key, job->number,
                      p->at->number);
        p->newest++;
        p->n_tries = 0;
    }
    p->at = job;
    p->n_tries++;
    (*count)++;
}

void keyed_check_strict(const struct keyed *k)
{
    ck_assert_uint_ge(look_over(k, look_strictly), k->n_jobs);
}

static void look_one_at_a_time(struct progress *p, const struct keyed_job *job, bool is_start, size_t *count)
{
    if (!is_start) {
        p->at = NULL;
        return;
    }
    ck_assert_msg(!p->at, "key-%zu: job %zu started while another one ran", job->key, job->number);
    ck_assert_msg(job->number <= p->newest, "key-%zu: job %zu started although job %zu had not", job->key,
                  job->number, p->newest);
    p->at = job;
    *count += job->number + 1 < p->newest;
    p->newest += job->number == p->newest;
}

size_t keyed_check_one_at_a_time(const struct keyed *k)
{
    return look_over(k, look_one_at_a_time);
}
