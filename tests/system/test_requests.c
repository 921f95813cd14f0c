/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs of kind http, many at once in one process of the real worker: what stops one, what stops all, what they take from others. */
#define SUITE_TIMEOUT_S 180
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "tests/support/harness.h"
#include "tests/support/http_service.h"
#include "tests/support/suite.h"

static int port;

/* Handlers of kind http, each { type, path, further members }, with fast retries; @more: other handlers. */
static struct site *start_site(const char *worker, const char *const elements[][3], size_t n,
                               const char *more)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    port = http_service_start();
    fprintf(out, "%s", more);
    for (size_t i = 0; i < n; i++)
        fprintf(out,
                "%s{ type = \"%s\"; kind = \"http\"; url = \"http://127.0.0.1:%d/%s\"; queue = \"work\"; "
                "allow = ( \"127.0.0.1\" ); backoff: { kind = \"constant\"; base = \"50ms\"; }; %s }",
                i || *more ? ", " : "", elements[i][0], port, elements[i][1], elements[i][2]);
    fclose(out);
    struct site *site = site_new(&(struct site_options){
        .queues = "{ name = \"work\"; partitions = 4; }", .worker = worker, .handlers = text });
    free(text);
    site_start_broker(site);
    return site;
}

static void enqueue(struct site *site, const char *type, int n)
{
    char count[16];
    snprintf(count, sizeof(count), "%d", n);
    ck_assert_int_eq(site_jobctl(site, NULL,
                                 (const char *const[]){ "enqueue", type, "--payload", "{\"n\": 1}", "--count",
                                                        count, NULL }),
                     0);
}

static void counts(int *connections, int *inside, int *most)
{
    _cleanup_free_ char *text = http_service_ask(port, "/counts");
    ck_assert_int_eq(sscanf(text, "%d %d %d", connections, inside, most), 3);
}

/* Until so many requests are waiting in the service; the test's own time-out is the deadline. */
static void await_inside(int n)
{
    int connections, inside = -1, most;
    while (inside != n)
        counts(&connections, &inside, &most);
}

static void open_gate(const char *path)
{
    free(http_service_ask(port, path));
}

static bool is_http_process(pid_t pid)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%31s", name) != 1)
        name[0] = 0;
    if (file)
        fclose(file);
    return strcmp(name, "jobhttp") == 0;
}

/* Below @pid. Return: 0 when there is none that is not @but. */
static pid_t find_below(pid_t pid, pid_t but)
{
    char path[64];
    pid_t found = 0;
    int child;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    FILE *children = fopen(path, "re");
    while (children && !found && fscanf(children, "%d", &child) == 1)
        found = child != but && is_http_process(child) ? child : find_below(child, but);
    if (children)
        fclose(children);
    return found;
}

static pid_t find_http_process(const struct site_daemon *worker, pid_t but)
{
    return find_below(site_pid(worker), but);
}

static long resident_kib(pid_t pid)
{
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    while (kib < 0 && fgets(line, sizeof(line), file))
        sscanf(line, "VmRSS: %ld", &kib);
    fclose(file);
    return kib;
}

/* Nobody is answered before all are there, so one that had to wait for another would wait for ever. */
START_TEST(thousands_of_requests_are_under_way_at_once)
{
    static const char *const handlers[][3] = { { "meet", "meet/2500", "" } };
    struct site *site = start_site("executors_max = 1; http_max = 4000;", handlers, 1, "");
    struct site_daemon *worker = site_start_worker(site);
    pid_t pid = find_http_process(worker, 0);
    ck_assert_int_gt(pid, 0);
    long before_kib = resident_kib(pid);
    enqueue(site, "meet", 2499);
    await_inside(2499);
    long during_kib = resident_kib(pid);
    printf("# the HTTP process has %ld KiB without requests, %ld KiB with 2,499: %.1f KiB each\n", before_kib,
           during_kib, (double)(during_kib - before_kib) / 2499);
    ck_assert_int_lt(during_kib - before_kib, 2499 * 64);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result"), 0);
    enqueue(site, "meet", 1);
    site_await(site, 60,
               "SELECT count(*) = 2500 AND bool_and(state = 'succeeded' AND attempt = 1 AND delivery = 1) "
               "FROM job.result");
    site_stop(worker);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 0);
    site_free(site);
}
END_TEST

START_TEST(requests_and_executors_leave_each_other_their_places)
{
    static const char *const handlers[][3] = { { "gate", "gate/a", "" } };
    struct site *site = start_site(
        "executors_max = 1; executors_min = 1; http_max = 3;", handlers, 1,
        "{ type = \"quick\"; kind = \"command\"; argv = ( \"/bin/true\" ); queue = \"work\"; }, "
        "{ type = \"slow\"; kind = \"command\"; argv = ( \"/bin/sleep\", \"1000\" ); queue = \"work\"; }");
    site_start_worker(site);
    enqueue(site, "gate", 100);
    await_inside(3);
    enqueue(site, "quick", 1);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.result WHERE type = 'quick'");
    enqueue(site, "slow", 2);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.lease WHERE type = 'slow'");
    open_gate("/open/a");
    site_await(site, 20, "SELECT count(*) = 100 FROM job.result WHERE type = 'gate'");
    int connections, inside, most;
    counts(&connections, &inside, &most);
    ck_assert_int_le(most, 3 + 1); /* one of them counts */
    site_free(site);
}
END_TEST

START_TEST(limit_of_a_handler_holds)
{
    static const char *const handlers[][3] = { { "few", "wait/20", "concurrency = 2;" } };
    struct site *site = start_site("http_max = 100;", handlers, 1, "");
    site_start_worker(site);
    enqueue(site, "few", 50);
    site_await(site, 20, "SELECT count(*) = 50 FROM job.result");
    int connections, inside, most;
    counts(&connections, &inside, &most);
    ck_assert_int_eq(most, 2);
    ck_assert_int_le(connections, 2 + 1); /* kept for the next request */
    site_free(site);
}
END_TEST

START_TEST(cancellation_stops_one_request_and_no_other)
{
    static const char *const handlers[][3] = { { "gate", "gate/a", "" }, { "one", "gate/b", "" } };
    struct site *site = start_site(NULL, handlers, 2, "");
    struct site_daemon *worker = site_start_worker(site);
    enqueue(site, "gate", 50);
    enqueue(site, "one", 1);
    await_inside(51);
    pid_t pid = find_http_process(worker, 0);
    site_await(site, 20, "SELECT count(*) = 51 FROM job.lease");
    _cleanup_free_ char *id = site_ask_text(site, "SELECT id::text FROM job.lease WHERE type = 'one'");
    ck_assert_int_eq(site_jobctl(site, NULL, (const char *const[]){ "job", "cancel", id, NULL }), 0);
    site_await(site, 20, "SELECT state = 'cancelled' FROM job.result");
    await_inside(50); /* its connection is closed */
    ck_assert_int_eq(find_http_process(worker, 0), pid);
    open_gate("/open/a");
    site_await(site, 20,
               "SELECT count(*) = 50 AND bool_and(delivery = 1) FROM job.result WHERE state = 'succeeded'");
    site_free(site);
}
END_TEST

START_TEST(time_out_is_recorded_as_such_and_costs_no_neighbour)
{
    static const char *const handlers[][3] = {
        { "gate", "gate/a", "" }, { "slow", "silence", "timeout = \"300ms\"; max_attempts = 2;" }
    };
    struct site *site = start_site(NULL, handlers, 2, "");
    site_start_worker(site);
    enqueue(site, "gate", 20);
    enqueue(site, "slow", 20);
    site_await(site, 20,
               "SELECT count(*) = 20 AND bool_and(state = 'dead' AND reason = 'exhausted') FROM job.result");
    ck_assert(site_ask(site, "SELECT count(*) = 40 AND bool_and(outcome = 'timeout' AND "
                             "finished_at - started_at BETWEEN '250 ms' AND '3 s') FROM job.attempt"));
    open_gate("/open/a");
    site_await(site, 20,
               "SELECT count(*) = 20 AND bool_and(delivery = 1) FROM job.result WHERE state = 'succeeded'");
    site_free(site);
}
END_TEST

START_TEST(drain_interrupts_requests_without_spending_anything)
{
    static const char *const handlers[][3] = { { "slow", "silence", "" } };
    struct site *site = start_site("drain_timeout = \"200ms\";", handlers, 1, "");
    struct site_daemon *worker = site_start_worker(site);
    enqueue(site, "slow", 200);
    await_inside(200);
    site_stop(worker);
    ck_assert(site_ask(site, "SELECT count(*) = 200 AND bool_and(outcome = 'interrupted' AND attempt = 1) "
                             "FROM job.attempt"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result"), 0);
    ck_assert_uint_eq(site_count_log(worker, "does not answer and is killed"), 0);
    site_free(site);
}
END_TEST

START_TEST(every_job_ends_once_though_the_process_is_killed_under_load)
{
    static const char *const handlers[][3] = { { "wait", "wait/100", "" } };
    struct site *site = start_site("http_max = 50;", handlers, 1, "");
    struct site_daemon *worker = site_start_worker(site);
    enqueue(site, "wait", 1000);
    pid_t pid = 0, next;
    for (int i = 0; i < 3; i++, pid = next) {
        site_await(site, 20, "SELECT count(*) >= %d FROM job.result", 150 * (i + 1));
        while (!(next = find_http_process(worker, pid)))
            ck_assert(site_is_running(worker));
        kill(next, SIGKILL);
    }
    site_await(site, 60,
               "SELECT count(*) = 1000 AND bool_and(state = 'succeeded' AND attempt = 1) "
               "FROM job.result");
    ck_assert(site_ask(site, "SELECT count(*) BETWEEN 1 AND 150 AND bool_and(outcome = 'crashed' AND "
                             "error = 'killed by signal 9 (Killed)') FROM job.attempt"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 0);
    site_free(site);
}
END_TEST

START_TEST(process_that_hangs_is_replaced)
{
    static const char *const handlers[][3] = {
        { "gate", "gate/a", "" },
        { "slow", "gate/b", "timeout = \"300ms\"; max_attempts = 1;" },
    };
    struct site *site = start_site("kill_grace = \"300ms\";", handlers, 2, "");
    struct site_daemon *worker = site_start_worker(site);
    enqueue(site, "gate", 20);
    await_inside(20);
    pid_t pid = find_http_process(worker, 0);
    enqueue(site, "slow", 1);
    await_inside(21);
    kill(pid, SIGSTOP);
    site_await(site, 20, "SELECT state = 'dead' AND reason = 'exhausted' FROM job.result");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome = 'timeout'"), 1);
    ck_assert_uint_eq(site_count_log(worker, "the HTTP process does not answer and is killed"), 1);
    open_gate("/open/a");
    site_await(site, 20,
               "SELECT count(*) = 20 AND bool_and(delivery = 2 AND attempt = 1) "
               "FROM job.result WHERE state = 'succeeded'");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome = 'interrupted'"), 20);
    site_free(site);
}
END_TEST

START_TEST(process_that_has_grown_too_large_is_replaced_without_harm)
{
    static const char *const handlers[][3] = { { "gate", "gate/a", "" }, { "wait", "wait/1", "" } };
    struct site *site = start_site("recycle_memory = \"1 MiB\";", handlers, 2, "");
    struct site_daemon *worker = site_start_worker(site);
    pid_t first = find_http_process(worker, 0);
    enqueue(site, "gate", 10);
    await_inside(10);
    enqueue(site, "wait", 200);
    site_await(site, 20, "SELECT count(*) = 200 FROM job.result");
    ck_assert_int_eq(kill(first, 0), 0); /* it has its requests */
    ck_assert_int_gt(find_http_process(worker, first), 0);
    open_gate("/open/a");
    site_await(site, 20,
               "SELECT count(*) = 210 AND bool_and(state = 'succeeded' AND delivery = 1) FROM job.result");
    while (kill(first, 0) == 0)
        ck_assert(site_is_running(worker));
    site_stop(worker);
    site_free(site);
}
END_TEST

#define KEY "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

START_TEST(requests_are_signed_with_a_secret_from_a_file)
{
    static const char *const handlers[][3] = { { "signed", "signed/" KEY, "secret_file = \"hook.key\";" } };
    struct site *site = start_site(NULL, handlers, 1, "");
    char path[256];
    snprintf(path, sizeof(path), "%s/hook.key", site_folder(site));
    struct site_daemon *worker = site_spawn(site, "worker/jobworkerd", NULL);
    ck_assert_int_eq(site_await_exit(worker, 20), 2);
    ck_assert_uint_eq(site_count_log(worker, "handlers[0].secret_file: "), 1);
    enqueue(site, "signed", 1); /* who runs no handlers does not need it */
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "whsec_%s\n", KEY);
    fclose(file);
    ck_assert_int_eq(chmod(path, 0600), 0);
    site_start_worker(site);
    site_await(site, 20, "SELECT state = 'succeeded' FROM job.result");
    site_free(site);
}
END_TEST

SUITE_MAIN("requests", thousands_of_requests_are_under_way_at_once,
           requests_and_executors_leave_each_other_their_places, limit_of_a_handler_holds,
           cancellation_stops_one_request_and_no_other, time_out_is_recorded_as_such_and_costs_no_neighbour,
           drain_interrupts_requests_without_spending_anything,
           every_job_ends_once_though_the_process_is_killed_under_load, process_that_hangs_is_replaced,
           process_that_has_grown_too_large_is_replaced_without_harm,
           requests_are_signed_with_a_secret_from_a_file)
