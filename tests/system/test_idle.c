/* SPDX-License-Identifier: Apache-2.0 */
/* Where nothing is to be done, next to nothing is asked and no time is burnt; and what comes then is noticed at once. */
#define SUITE_TIMEOUT_S 240
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "tests/support/harness.h"

#define WINDOW_S 60
#define QUERIES_MAX (WINDOW_S / 10)
#define CPU_MAX_MS (WINDOW_S * 1000 * 0.005)
#define PROCESSES_MAX 64

static struct site *start(void)
{
    return site_new(&(struct site_options){
        .queues = "{ name = \"mail\"; partitions = 2; }",
        .handlers = "{ type = \"welcome\"; kind = \"command\"; queue = \"mail\"; argv = ( \"/bin/true\" ); }",
        .long_times = true,
    });
}

/* --- What PostgreSQL was asked: its log has every statement, behind "<application>@<database>" --- */

static void log_statements(struct site *site)
{
    site_sql(site, "DO $$ BEGIN"
                   " EXECUTE format('ALTER DATABASE %%I SET log_statement = ''all''', current_database());"
                   " END $$");
}

static FILE *open_log(void)
{
    char path[4096];
    const char *servers = getenv("JOB_TEST_SERVERS");
    ck_assert_msg(servers != NULL, "JOB_TEST_SERVERS is not set: run it through ./dev test");
    snprintf(path, sizeof(path), "%s/postgres.log", servers);
    FILE *log = fopen(path, "re");
    ck_assert_msg(log != NULL, "%s cannot be opened", path);
    return log;
}

static long end_of(FILE *log)
{
    fseek(log, 0, SEEK_END);
    return ftell(log);
}

/* The broker's connections are named like its duties, the worker's like the program. */
static bool is_asked_by(const char *line, const char *database, bool worker)
{
    char name[128];
    snprintf(name, sizeof(name), "%s@%s ", worker ? "] jobworkerd" : "", database);
    return (strstr(line, " LOG:  statement: ") || strstr(line, " LOG:  execute ")) && strstr(line, name) &&
           !strstr(line, "] test@") && (worker || !strstr(line, "] jobworkerd@"));
}

/* Of what was logged from a position on. Each is printed. */
static int count_statements(FILE *log, long from, const char *database, bool worker)
{
    char line[8192];
    int n = 0;
    fseek(log, from, SEEK_SET);
    while (fgets(line, sizeof(line), log))
        if (is_asked_by(line, database, worker)) {
            printf("# %.*s\n", (int)strcspn(line, "\n") < 170 ? (int)strcspn(line, "\n") : 170, line);
            n++;
        }
    return n;
}

/* --- CPU time --- */

static double cpu_ms_of(pid_t pid)
{
    clockid_t id;
    struct timespec at;
    if (clock_getcpuclockid(pid, &id) || clock_gettime(id, &at))
        return 0;
    return (double)at.tv_sec * 1e3 + (double)at.tv_nsec / 1e6;
}

/* Of the daemon and all below it. */
static double cpu_ms(const struct site_daemon *d)
{
    pid_t pids[PROCESSES_MAX];
    double ms = cpu_ms_of(site_pid(d));
    size_t n = site_find_descendants(d, pids, PROCESSES_MAX);
    for (size_t i = 0; i < n; i++)
        ms += cpu_ms_of(pids[i]);
    return ms;
}

/* --- Tests --- */

/* The window is time in which nothing happens: there is no event to wait for. */
static void let_pass(struct site *site, int s)
{
    for (; s > 0; s -= 10)
        site_sql(site, "SELECT pg_sleep(%d)", s < 10 ? s : 10);
}

/* What is done at the start is over when nobody has asked more than is promised for a while. */
static void await_rest(struct site *site, FILE *log, const char *database)
{
    int64_t deadline_us = clock_mono_us() + 60 * USEC_PER_SEC;
    for (long from = end_of(log);; from = end_of(log)) {
        let_pass(site, 10);
        if (count_statements(log, from, database, true) <= 1 &&
            count_statements(log, from, database, false) <= 1)
            return;
        ck_assert_msg(clock_mono_us() < deadline_us, "the daemons do not come to rest");
    }
}

START_TEST(idle_daemons_ask_next_to_nothing_and_burn_no_time)
{
    struct site *site = start();
    log_statements(site);
    _cleanup_free_ char *database = site_ask_text(site, "SELECT current_database()::text");
    FILE *log = open_log();
    struct site_daemon *broker = site_start_broker(site), *worker = site_start_worker(site);
    await_rest(site, log, database);
    long from = end_of(log);
    double broker_ms = cpu_ms(broker), worker_ms = cpu_ms(worker);
    let_pass(site, WINDOW_S);
    broker_ms = cpu_ms(broker) - broker_ms;
    worker_ms = cpu_ms(worker) - worker_ms;
    int n_broker = count_statements(log, from, database, false);
    int n_worker = count_statements(log, from, database, true);
    printf("# idle for %d s: broker %d statements, %.0f ms of CPU; worker %d, %.0f ms\n", WINDOW_S, n_broker,
           broker_ms, n_worker, worker_ms);
    ck_assert_int_ge(n_broker, 1); /* or the log is not what we think */
    ck_assert_int_ge(n_worker, 1);
    ck_assert_int_le(n_broker, QUERIES_MAX);
    ck_assert_int_le(n_worker, QUERIES_MAX);
    ck_assert_double_lt(broker_ms, CPU_MAX_MS);
    ck_assert_double_lt(worker_ms, CPU_MAX_MS);
    site_sql(site, "SELECT job.enqueue('mail', 'welcome')");
    site_await(site, 5, "SELECT count(*) = 1 FROM job.result");
    fclose(log);
    site_stop(worker);
    site_stop(broker);
    site_free(site);
}
END_TEST

START_TEST(first_lease_wakes_a_broker_that_rests)
{
    struct site *site = start();
    struct site_daemon *broker = site_start_broker(site);
    site_await(site, 20, "SELECT rests FROM job.lookout");
    let_pass(site, 15); /* it looks twice more, then not for a minute */
    int64_t from_us = clock_mono_us();
    site_add_worker(site, "w", 2);
    site_await(site, 3, "SELECT NOT rests FROM job.lookout");
    site_await_log(broker, 20, "worker w is gone, 2 jobs rescued");
    ck_assert_int_ge(clock_mono_us() - from_us, 10 * USEC_PER_SEC);
    ck_assert_int_le(clock_mono_us() - from_us, 14 * USEC_PER_SEC);
    ck_assert(site_ask(
        site,
        "SELECT NOT rests FROM job.lookout")); /* what comes and goes is not to wake it again and again */
    site_await(site, 40, "SELECT rests FROM job.lookout");
    site_stop(broker);
    site_free(site);
}
END_TEST

SUITE_MAIN("idle", idle_daemons_ask_next_to_nothing_and_burn_no_time, first_lease_wakes_a_broker_that_rests)
