/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a queue starts fails: how much of it is tried, what others notice, and how it ends. */
#define SUITE_TIMEOUT_S 240
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "libjob/include/job.h"
#include "tests/support/harness.h"
#include "tests/support/http_service.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

#define BURST_S 10 /* worker/valve.h */
#define AT_ONCE                                                                                              \
    (2 * (1 + 32) +                                                                                          \
     50) /* in the executors when the valve becomes narrow, and not yet recorded when it was asked */

static struct site *site;
static struct site_daemon *worker;
static char file[512];

static void start(const char *rate)
{
    static char worker_options[256];
    snprintf(worker_options, sizeof(worker_options),
             "queues = ( { name = \"fragile\"; }, { name = \"selftest\"; } ); executors_max = 2; %s", rate);
    site = site_new(&(struct site_options){
        .queues = "{ name = \"fragile\"; partitions = 4; }, { name = \"selftest\"; partitions = 2; }",
        .worker = worker_options,
        .handlers =
            "{ type = \"fragile\"; path = \"${build}/tests/fragile.so\"; queue = \"fragile\"; "
            "max_attempts = 1000; backoff: { kind = \"constant\"; base = \"1s\"; }; },"
            "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; }" });
    snprintf(file, sizeof(file), "%s/away", site_folder(site));
    site_start_broker(site);
    worker = site_start_worker(site);
    site_await(site, 20, "SELECT count(*) = 6 FROM job.cursor WHERE owner IS NOT NULL");
}

static void break_service(void)
{
    FILE *f = fopen(file, "we");
    ck_assert_ptr_nonnull(f);
    fclose(f);
}

static void mend_service(void)
{
    ck_assert_int_eq(unlink(file), 0);
}

static void enqueue(const char *type, const char *queue, size_t n, int64_t expires_ms)
{
    const struct job_client_options options = { .brokers = site_kafka(site), .prefix = site_prefix(site) };
    struct job_client *client;
    char payload[600];
    snprintf(payload, sizeof(payload), "{\"file\":\"%s\"}", file);
    ck_assert_int_eq(job_client_open(&client, &options), 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(
            job_enqueue(client,
                        &(struct job_spec){
                            .type = type, .queue = queue, .payload = payload, .expires_ms = expires_ms },
                        NULL),
            0);
    ck_assert_int_eq(job_flush(client, 10000), 0);
    job_client_close(client, 1000);
}

static int64_t count_tries(void)
{
    return site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome = 'failed'");
}

static void await_narrow(const char *queues)
{
    site_await(site, 40, "SELECT narrow = '%s' FROM job.worker", queues);
}

static double seconds_since(int64_t since_us)
{
    return (double)(clock_mono_us() - since_us) / USEC_PER_SEC;
}

/* --- A flood --------------------------------------------------------------------------------------------------------------- */

START_TEST(flood_of_retries_is_held_to_its_rate_while_other_queues_run)
{
    const int rate = 200, n = 20000;
    char *output;
    start("retry_rate = 200;");
    break_service();
    int64_t since_us = clock_mono_us();
    enqueue("fragile", "fragile", (size_t)n, 0);
    await_narrow("{\"fragile\": 200}");
    int64_t narrow_us = clock_mono_us();
    enqueue("selftest.echo", "selftest", 3000, 0);
    site_await(site, 8, "SELECT count(*) = 3000 FROM job.result WHERE queue = 'selftest'");
    site_jobctl(site, &output, (const char *const[]){ "doctor", "-o", "json", NULL });
    ck_assert_msg(strstr(output, "held to 200 a second") != NULL, "%s", output);
    free(output);
    site_await(site, 30, "SELECT count(*) >= %d FROM job.attempt WHERE outcome = 'failed'",
               rate * BURST_S + rate * 5);
    int64_t tries = count_tries();
    double most = rate * (BURST_S + seconds_since(since_us)) + AT_ONCE;
    ck_assert_msg((double)tries <= most, "%lld tries, at most %.0f", (long long)tries, most);
    ck_assert_msg(seconds_since(narrow_us) >= 3, "%d tries in %.1f s", rate * 5, seconds_since(narrow_us));
    mend_service();
    int64_t mended_us = clock_mono_us();
    site_await(site, 60,
               "SELECT count(*) = %d FROM job.result WHERE queue = 'fragile' AND state = 'succeeded'", n);
    ck_assert_msg(seconds_since(mended_us) < 40, "%.1f s", seconds_since(mended_us));
    await_narrow("{}");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome <> 'failed'"), 0);
    ck_assert_uint_eq(site_count_log(worker, "too many tries fail"), 1);
    ck_assert_uint_eq(site_count_log(worker, "hardly a try fails"), 1);
    site_free(site);
}
END_TEST

/* --- While it is held ------------------------------------------------------------------------------------------------------ */

START_TEST(drain_and_stop_end_although_nothing_may_start)
{
    start("retry_rate = 1;");
    break_service();
    enqueue("fragile", "fragile", 500, 0);
    await_narrow("{\"fragile\": 1}");
    site_await(site, 20, "SELECT count(*) > 0 FROM job.pending");
    ck_assert_int_eq(
        site_jobctl(site, NULL,
                    (const char *const[]){ "queue", "drain", "fragile", "--timeout", "10s", NULL }),
        0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 0);
    site_stop(worker);
    worker = site_start_worker(site);
    mend_service();
    ck_assert_int_eq(site_jobctl(site, NULL, (const char *const[]){ "queue", "resume", "fragile", NULL }), 0);
    site_await(site, 40, "SELECT count(*) = 500 FROM job.result WHERE state = 'succeeded'");
    site_free(site);
}
END_TEST

START_TEST(jobs_expire_although_their_queue_is_held)
{
    start("retry_rate = 1;");
    break_service();
    enqueue("fragile", "fragile", 300, 3000);
    await_narrow("{\"fragile\": 1}");
    site_await(site, 40, "SELECT count(*) = 300 FROM job.result WHERE state = 'expired'");
    ck_assert_int_lt(count_tries(), 200);
    site_free(site);
}
END_TEST

START_TEST(without_a_rate_nothing_is_held)
{
    start("retry_rate = 0;");
    break_service();
    enqueue("fragile", "fragile", 12000, 0);
    site_await(site, 40, "SELECT count(*) >= 12000 FROM job.attempt WHERE outcome = 'failed'");
    ck_assert_uint_eq(site_count_log(worker, "too many tries fail"), 0);
    site_free(site);
}
END_TEST

/* Hundreds may be under way when the valve becomes narrow. */
START_TEST(requests_under_way_are_paid_for_and_a_reload_ends_it)
{
    const int rate = 50, http_max = 500;
    char handler[512], command[1200];
    snprintf(
        handler, sizeof(handler),
        "{ type = \"fragile\"; kind = \"http\"; url = \"http://127.0.0.1:%d/status/503\"; queue = \"fragile\"; "
        "allow = ( \"127.0.0.1\" ); max_attempts = 1000; backoff: { kind = \"constant\"; base = \"1s\"; }; }",
        http_service_start());
    site = site_new(&(struct site_options){
        .queues = "{ name = \"fragile\"; partitions = 4; }",
        .worker = "queues = ( { name = \"fragile\"; } ); executors_max = 2; http_max = 500; retry_rate = 50;",
        .handlers = handler });
    site_start_broker(site);
    worker = site_start_worker(site);
    int64_t since_us = clock_mono_us();
    enqueue("fragile", "fragile", 8000, 0);
    await_narrow("{\"fragile\": 50}");
    site_await(site, 40, "SELECT count(*) >= %d FROM job.attempt", rate * BURST_S + rate);
    int64_t after = site_ask(site, "SELECT count(*) FROM job.attempt");
    site_await(site, 40, "SELECT count(*) >= %lld FROM job.attempt", (long long)after + 3 * rate);
    int64_t tries = count_tries();
    double most = rate * (BURST_S + seconds_since(since_us)) + http_max + AT_ONCE;
    ck_assert_msg((double)tries <= most, "%lld tries, at most %.0f", (long long)tries, most);
    snprintf(command, sizeof(command), "sed -i 's/retry_rate = 50/retry_rate = 0/' %s",
             site_config_path(site));
    ck_assert_int_eq(system(command), 0);
    site_kill(worker, SIGHUP);
    await_narrow("{}");
    site_await(site, 40, "SELECT count(*) >= %lld FROM job.attempt", (long long)tries + 8000);
    site_free(site);
}
END_TEST

SUITE_MAIN("storms", flood_of_retries_is_held_to_its_rate_while_other_queues_run,
           drain_and_stop_end_although_nothing_may_start, jobs_expire_although_their_queue_is_held,
           requests_under_way_are_paid_for_and_a_reload_ends_it, without_a_rate_nothing_is_held)
