/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that hang, crash or leave things behind: each costs itself, on time, and nobody else. */
#define SUITE_TIMEOUT_S 120
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/support/harness.h"
#include "tests/support/suite.h"
#include "tests/support/trace.h"

/* --- Tools --------------------------------------------------------------------------------------------------------------- */

#define HANDLERS(more)                                                                                       \
    "{ type = \"selftest.*\"; kind = \"module\"; path = \"${build}/jobs/selftest/selftest.so\"; "            \
    "queue = \"selftest\"; backoff: { kind = \"constant\"; base = \"100ms\"; }; " more " }"

static struct site *start(const char *worker, const char *handlers)
{
    struct site *site = site_new(&(struct site_options){
        .queues = "{ name = \"selftest\"; partitions = 4; }", .worker = worker, .handlers = handlers });
    trace_start(site);
    site_start_broker(site);
    return site;
}

#define WORKER "queues = ( { name = \"selftest\"; } ); executors_max = 2; kill_grace = \"600ms\";"

/* --- Time-outs ------------------------------------------------------------------------------------------------------------- */

START_TEST(job_that_runs_for_its_timeout_is_asked_to_stop)
{
    struct site *site = start(WORKER, HANDLERS("timeout = \"500ms\"; max_attempts = 2;"));
    site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 20000, \"trace\": \"%s\"}");
    site_await(site, 20, "SELECT true FROM job.dead");
    ck_assert(site_ask(
        site, "SELECT reason = 'exhausted' AND error LIKE '%%longer than its timeout; it said: asked to stop "
              "while asleep' FROM job.dead"));
    ck_assert(site_ask(
        site, "SELECT count(*) = 2 AND bool_and(outcome = 'timeout') AND max(finished_at - started_at) < "
              "interval '800 milliseconds' AND min(finished_at - started_at) >= interval '500 "
              "milliseconds' AND max(attempt) = 2 FROM job.attempt"));
    site_free(site);
}
END_TEST

START_TEST(stubborn_job_is_killed_on_time_and_its_neighbours_do_not_notice)
{
    struct site *site = start(WORKER, HANDLERS("timeout = \"500ms\"; max_attempts = 1;"));
    site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 2, "{\"ms\": 60000, \"stubborn\": true, \"trace\": \"%s\"}");
    trace_await_starts(2); /* both executors */
    trace_enqueue(site, "selftest.echo", 100, "{}");
    site_await(site, 10, "SELECT count(*) = 100 FROM job.result WHERE state = 'succeeded'");
    site_await(site, 10, "SELECT count(*) = 2 FROM job.dead");
    ck_assert(site_ask(
        site, "SELECT bool_and(outcome = 'timeout' AND finished_at - started_at BETWEEN interval '1 second' "
              "AND interval '2100 milliseconds') FROM job.attempt"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 2);
    site_free(site);
}
END_TEST

START_TEST(timeout_of_the_message_counts_before_that_of_the_type)
{
    struct site *site = start(WORKER, HANDLERS("timeout = \"1h\"; max_attempts = 1;"));
    site_start_worker(site);
    site_sql(site,
             "SELECT job.enqueue('selftest', 'selftest.sleep', '{\"ms\": 20000}', timeout => interval '300 "
             "milliseconds')");
    site_await(site, 10, "SELECT outcome = 'timeout' FROM job.attempt");
    site_free(site);
}
END_TEST

START_TEST(job_that_is_done_in_spite_of_being_asked_to_stop_has_succeeded)
{
    struct site *site = start("queues = ( { name = \"selftest\"; } ); kill_grace = \"10s\";",
                              HANDLERS("timeout = \"300ms\";"));
    site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 1500, \"stubborn\": true, \"trace\": \"%s\"}");
    site_await(site, 10, "SELECT state = 'succeeded' FROM job.result");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 0);
    site_free(site);
}
END_TEST

START_TEST(drain_asks_running_jobs_to_stop)
{
    struct site *site =
        start("queues = ( { name = \"selftest\"; } ); drain_timeout = \"200ms\"; kill_grace = \"20s\";",
              HANDLERS(""));
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 2, "{\"ms\": 60000, \"trace\": \"%s\"}");
    trace_await_starts(2);
    site_kill(worker, SIGTERM);
    ck_assert_int_eq(site_await_exit(worker, 8), 0);
    ck_assert(site_ask(
        site,
        "SELECT count(*) = 2 AND bool_and(outcome = 'interrupted' AND error LIKE 'its worker stopped%%') "
        "FROM job.attempt"));
    site_free(site);
}
END_TEST

/* --- Deaths ------------------------------------------------------------------------------------------------------------------ */

START_TEST(crash_loop_of_one_job_costs_no_other)
{
    struct site *site = start(WORKER, HANDLERS("max_crashes = 3;"));
    site_start_worker(site);
    trace_enqueue(site, "selftest.crash", 4, "{\"signal\": 11, \"trace\": \"%s\"}");
    trace_enqueue(site, "selftest.sleep", 200, "{\"ms\": 2, \"trace\": \"%s\"}");
    site_await(
        site, 30,
        "SELECT count(*) = 4 FROM job.dead WHERE reason = 'crashed' AND error LIKE 'killed by signal 11 %%'");
    site_await(site, 10, "SELECT count(*) = 200 FROM job.result WHERE state = 'succeeded'");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt WHERE outcome = 'crashed'"), 12);
    ck_assert_uint_eq(trace_read().n_starts, 212);
    site_free(site);
}
END_TEST

START_TEST(job_that_kills_its_worker_is_dead_after_its_budget_and_others_run)
{
    struct site *site = start(WORKER, HANDLERS("max_crashes = 2;"));
    trace_enqueue(site, "selftest.crash", 1, "{\"signal\": 9, \"worker\": true, \"trace\": \"%s\"}");
    trace_enqueue(site, "selftest.echo", 20, "{\"trace\": \"%s\"}");
    for (int i = 0; i < 8 && !site_ask(site, "SELECT count(*) FROM job.dead"); i++) {
        struct site_daemon *worker = site_spawn(site, "worker/jobworkerd", NULL);
        while (site_is_running(worker) && !site_ask(site, "SELECT count(*) FROM job.dead"))
            site_ask(site, "SELECT pg_sleep(0.02) IS NULL");
    }
    ck_assert(site_ask(site, "SELECT reason = 'crashed' FROM job.dead"));
    struct site_daemon *last = site_spawn(site, "worker/jobworkerd", NULL);
    site_await(site, 20, "SELECT count(*) = 20 FROM job.result WHERE state = 'succeeded'");
    ck_assert(site_is_running(last));
    site_free(site);
}
END_TEST

/* --- How many, and what they may ----------------------------------------------------------------------------------------------- */

/* Processes of that name below @pid's zygote. */
static int count_executors(struct site_daemon *worker)
{
    char command[256], number[16] = "";
    snprintf(command, sizeof(command), "pgrep -P $(pgrep -P %d jobzygote) jobexecutor | wc -l",
             site_pid(worker));
    FILE *pipe = popen(command, "re");
    ck_assert_ptr_nonnull(pipe);
    ck_assert_ptr_nonnull(fgets(number, sizeof(number), pipe));
    pclose(pipe);
    return atoi(number);
}

static void await_executors(struct site *site, struct site_daemon *worker, int n)
{
    for (int tries = 0; count_executors(worker) != n; tries++) {
        ck_assert_msg(tries < 500, "there are %d executors", count_executors(worker));
        site_ask(site, "SELECT pg_sleep(0.02) IS NULL");
    }
}

START_TEST(executors_grow_under_load_and_shrink_when_idle)
{
    struct site *site = start("queues = ( { name = \"selftest\"; } ); executors_min = 1; executors_max = 5; "
                              "executor_idle = \"300ms\";",
                              HANDLERS(""));
    struct site_daemon *worker = site_start_worker(site);
    await_executors(site, worker, 1);
    trace_enqueue(site, "selftest.sleep", 5, "{\"ms\": 1500, \"trace\": \"%s\"}");
    trace_await_starts(5);
    ck_assert_int_eq(count_executors(worker), 5);
    site_await(site, 10, "SELECT count(*) = 5 FROM job.result");
    await_executors(site, worker, 1);
    trace_enqueue(site, "selftest.echo", 1, "{}");
    site_await(site, 10, "SELECT count(*) = 6 FROM job.result");
    site_free(site);
}
END_TEST

START_TEST(worn_executors_are_replaced_and_repeat_nothing)
{
    struct site *site = start(WORKER " recycle_jobs = 50;", HANDLERS(""));
    site_start_worker(site);
    trace_enqueue(site, "selftest.echo", 2000, "{\"trace\": \"%s\"}");
    site_await(site, 30, "SELECT count(*) = 2000 FROM job.result WHERE state = 'succeeded'");
    struct trace_event *events;
    ck_assert_uint_eq(trace_events(&events), 4000);
    free(events);
    ck_assert_uint_eq(trace_read().n_repeated, 0);
    site_free(site);
}
END_TEST

/* --- What they leave behind ---------------------------------------------------------------------------------------------------- */

#define PROCESSES_MAX 20000

/* The worker has its zygote and at most @n_executors below it, and nothing else. */
static void await_only_executors(struct site *site, struct site_daemon *worker, size_t n_executors)
{
    static pid_t pids[PROCESSES_MAX];
    size_t n;
    for (int tries = 0; (n = site_find_descendants(worker, pids, PROCESSES_MAX)) > n_executors + 1; tries++) {
        ck_assert_msg(tries < 250, "there are %zu processes", n);
        site_ask(site, "SELECT pg_sleep(0.02) IS NULL");
    }
}

START_TEST(children_of_a_job_end_with_it_wherever_they_went)
{
    struct site *site = start(WORKER, HANDLERS(""));
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.fork", 1, "{\"count\": 20}");
    trace_enqueue(site, "selftest.fork", 1, "{\"count\": 20, \"daemon\": true}");
    site_await(site, 20, "SELECT count(*) = 2 FROM job.result WHERE state = 'succeeded'");
    char command[160], number[16] = "";
    snprintf(command, sizeof(command), "pgrep -P $(pgrep -d, -P $(pgrep -P %d jobzygote)) | wc -l",
             site_pid(worker));
    FILE *pipe = popen(command, "re");
    ck_assert_ptr_nonnull(fgets(number, sizeof(number), pipe));
    pclose(pipe);
    ck_assert_int_eq(atoi(number), 0); /* who is orphaned is the executor's, so they would be there */
    ck_assert_int_le(count_executors(worker), 2);
    site_stop(worker);
    site_free(site);
}
END_TEST

#define PEERS "queues = ( { name = \"selftest\"; } ); executors_min = 1; executors_max = 1;"
#define N_DAEMONS 20

/*
 * A job that has daemons beside it. Return: all that is below its worker: the zygote first, the executor, the daemons and their dead
 * parents.
 */
static size_t start_with_daemons(struct site *site, struct site_daemon *worker, pid_t pids[PROCESSES_MAX])
{
    size_t n;
    trace_enqueue(site, "selftest.fork", 1,
                  "{\"count\": 20, \"daemon\": true, \"ms\": 60000, \"trace\": \"%s\"}");
    trace_await_starts(1);
    for (int tries = 0; (n = site_find_descendants(worker, pids, PROCESSES_MAX)) != 2 * N_DAEMONS + 2;
         tries++) {
        ck_assert_msg(tries < 250, "there are %zu processes", n);
        site_ask(site, "SELECT pg_sleep(0.02) IS NULL");
    }
    return n;
}

static void await_gone(struct site *site, const pid_t *pids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (int tries = 0; kill(pids[i], 0) == 0; tries++) {
            ck_assert_msg(tries < 250, "process %d is there", pids[i]);
            site_ask(site, "SELECT pg_sleep(0.02) IS NULL");
        }
}

START_TEST(zygote_that_is_killed_takes_everything_with_it_and_the_job_runs_elsewhere)
{
    static pid_t pids[PROCESSES_MAX];
    struct site *site = start(PEERS, HANDLERS(""));
    struct site_daemon *worker = site_start_worker(site);
    size_t n = start_with_daemons(site, worker, pids);
    ck_assert_int_eq(kill(pids[0], SIGKILL), 0);
    ck_assert_int_eq(site_await_exit(worker, 10), 1);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(kill(pids[i], 0) < 0, "process %d of %zu is there", pids[i], n);
    site_start_worker(site);
    trace_await_starts(2);
    site_free(site);
}
END_TEST

START_TEST(worker_that_is_killed_leaves_no_process_behind)
{
    static pid_t pids[PROCESSES_MAX];
    struct site *site = start(PEERS, HANDLERS(""));
    struct site_daemon *worker = site_start_worker(site);
    size_t n = start_with_daemons(site, worker, pids);
    site_destroy(worker);
    await_gone(site, pids, n);
    site_start_worker(site);
    trace_await_starts(2);
    site_free(site);
}
END_TEST

/* 200 processes that die and are born again all the time, all in the executor's group or each in a session of its own. */
static void run_bomb(const char *more)
{
    char payload[160];
    struct site *site = start(WORKER, HANDLERS("timeout = \"700ms\"; max_attempts = 1;"));
    struct site_daemon *worker = site_start_worker(site);
    snprintf(payload, sizeof(payload), "{\"processes\": 200, %s, \"trace\": \"%%s\"}", more);
    trace_enqueue(site, "selftest.bomb", 1, payload);
    trace_await_starts(1);
    trace_enqueue(site, "selftest.echo", 50, "{}");
    site_await(site, 20, "SELECT count(*) = 50 FROM job.result WHERE type = 'selftest.echo'");
    site_await(site, 20, "SELECT count(*) = 51 FROM job.result");
    await_only_executors(site, worker, 2);
    ck_assert(site_ask(site, "SELECT bool_and(finished_at - started_at < interval '2300 milliseconds') FROM "
                             "(TABLE job.result) r"));
    site_free(site);
}

START_TEST(fork_bomb_ends_when_its_job_returns)
{
    run_bomb("\"ms\": 200");
}
END_TEST

START_TEST(fork_bomb_of_daemons_ends_when_its_job_returns)
{
    run_bomb("\"ms\": 200, \"daemon\": true");
}
END_TEST

START_TEST(fork_bomb_ends_when_its_job_is_killed)
{
    run_bomb("\"ms\": 60000, \"stubborn\": true");
}
END_TEST

START_TEST(fork_bomb_of_daemons_ends_when_its_job_is_killed)
{
    run_bomb("\"ms\": 60000, \"stubborn\": true, \"daemon\": true");
}
END_TEST

/* What an executor has for RLIMIT_NOFILE and RLIMIT_FSIZE, whether it may gain privileges, and who goes first. */
START_TEST(executors_are_confined)
{
    struct site *site = start(WORKER " limits: { files = 77; file_size = \"3 MiB\"; };", HANDLERS(""));
    struct site_daemon *worker = site_start_worker(site);
    char command[400], text[256] = "";
    snprintf(
        command, sizeof(command),
        "p=$(pgrep -P $(pgrep -P %d jobzygote) jobexecutor | head -n 1); "
        "awk '/Max open files/ {print $4} /Max file size/ {print $4} /Max core/ {print $5}' /proc/$p/limits | xargs; "
        "grep NoNewPrivs /proc/$p/status | cut -f 2; cat /proc/$p/oom_score_adj",
        site_pid(worker));
    FILE *pipe = popen(command, "re");
    ck_assert_ptr_nonnull(pipe);
    ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, pipe), 0);
    pclose(pipe);
    ck_assert_str_eq(text, "3145728 0 77\n1\n1000\n");
    site_free(site);
}
END_TEST

/* --- Control groups ------------------------------------------------------------------------------------------------------------ */

#ifdef __SANITIZE_ADDRESS__ /* needs terabytes of addresses */
#define GROUP_LIMITS "limits: { processes = 60; };"
#define LIMITS_MEMORY false
#else
#define GROUP_LIMITS "limits: { processes = 60; memory = \"128 MiB\"; };"
#define LIMITS_MEMORY true
#endif

static char group[300];

static void write_group(const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof(path), "%s/%s", group, name);
    FILE *file = fopen(path, "we");
    if (file) {
        fputs(text, file);
        fclose(file);
    }
}

/* Has the folder @name of the group, or a file below it, this word? */
static bool group_has(const char *name, const char *word)
{
    char path[400], text[64];
    bool found = false;
    snprintf(path, sizeof(path), "%s/%s", group, name);
    FILE *file = fopen(path, "re");
    while (file && !found && fscanf(file, "%63s", text) == 1)
        found = strcmp(text, word) == 0;
    if (file)
        fclose(file);
    return found;
}

/* A delegated group in the machine's own hierarchy, in @group. Return: false where this user may not make one. */
static bool make_group(void)
{
    char parent[200];
    FILE *mounts = popen("awk '/ - cgroup2 / {print $5; exit}' /proc/self/mountinfo", "re");
    ck_assert_ptr_nonnull(mounts);
    bool found = fscanf(mounts, "%199s", parent) == 1;
    pclose(mounts);
    if (!found)
        return false;
    snprintf(group, sizeof(group), "%s", parent);
    write_group("cgroup.subtree_control", "+memory");
    write_group("cgroup.subtree_control", "+pids");
    snprintf(group, sizeof(group), "%s/libjob-test-%d", parent, getpid());
    return mkdir(group, 0755) == 0 && setxattr(group, "trusted.delegate", "1", 1, 0) == 0;
}

static void remove_group(void)
{
    char path[400];
    static const char *const names[] = { "worker", "executor-0", "" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", group, names[i]);
        ck_assert_msg(rmdir(path) == 0, "%s: %s", path, strerror(errno));
    }
}

/* Where the kernel gives controllers. */
static void check_limits(struct site *site)
{
    if (group_has("cgroup.subtree_control", "pids"))
        ck_assert(group_has("executor-0/pids.max", "60"));
    if (!LIMITS_MEMORY || !group_has("cgroup.subtree_control", "memory"))
        return;
    ck_assert(group_has("executor-0/memory.max", "134217728"));
    trace_enqueue(site, "selftest.alloc", 1, "{\"mib\": 1024}");
    site_await(site, 20, "SELECT bool_and(outcome = 'oom') FROM job.attempt");
}

/* The parents of daemons, which nobody has reaped. */
static bool is_dead(pid_t pid)
{
    char path[64], state = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    bool known = file && fscanf(file, "%*d (jobexecutor) %c", &state) == 1;
    if (file)
        fclose(file);
    return known && state == 'Z';
}

static void run_in_groups(struct site *site)
{
    static pid_t pids[PROCESSES_MAX];
    char pid[16];
    site_set_cgroup(site, group);
    struct site_daemon *worker = site_start_worker(site);
    ck_assert_uint_eq(site_count_log(worker, "executors have control groups below "), 1);
    check_limits(site);
    size_t n = start_with_daemons(site, worker, pids);
    snprintf(pid, sizeof(pid), "%d", site_pid(worker));
    ck_assert(group_has("worker/cgroup.procs", pid));
    for (size_t i = 1; i < n; i++) {
        snprintf(pid, sizeof(pid), "%d", pids[i]);
        ck_assert_msg(group_has("executor-0/cgroup.procs", pid) || is_dead(pids[i]),
                      "process %d is not in the group", pids[i]);
    }
    site_destroy(worker);
    await_gone(site, pids, n);
}

START_TEST(executors_are_in_control_groups_where_one_is_delegated)
{
    struct site *site = start(PEERS GROUP_LIMITS, HANDLERS("max_crashes = 1;"));
    if (make_group()) {
        run_in_groups(site);
        remove_group();
    } else {
        struct site_daemon *worker = site_start_worker(site);
        ck_assert_uint_eq(site_count_log(worker, "their limits are resource limits"), 1);
    }
    site_free(site);
}
END_TEST

/* --- What they use ------------------------------------------------------------------------------------------------------------- */

/* One after the other in the same executor: the first number of the row is of the first job, the second of one that does nothing. */
static void run_two(struct site *site, const char *type, const char *payload, const char *idle_type)
{
    trace_enqueue(site, type, 1, payload);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.result WHERE state = 'succeeded'");
    trace_enqueue(site, idle_type, 1, "{}");
    site_await(site, 20, "SELECT count(*) = 2 FROM job.result WHERE state = 'succeeded'");
}

#define ONE "queues = ( { name = \"selftest\"; } ); executors_max = 1;"

START_TEST(memory_of_a_job_is_its_own_and_not_its_predecessors)
{
    struct site *site = start(ONE, HANDLERS(""));
    site_start_worker(site);
    run_two(site, "selftest.alloc", "{\"mib\": 300}", "selftest.echo");
    ck_assert_int_ge(site_ask(site, "SELECT peak_kib FROM job.result WHERE type = 'selftest.alloc'"),
                     300 * 1024);
    ck_assert_int_lt(site_ask(site, "SELECT peak_kib FROM job.result WHERE type = 'selftest.echo'"),
                     200 * 1024);
    site_free(site);
}
END_TEST

START_TEST(children_count_for_the_job_that_had_them)
{
    struct site *site = start(ONE, HANDLERS(""));
    site_start_worker(site);
    run_two(site, "selftest.fork", "{\"count\": 2, \"burn\": 150, \"daemon\": true}", "selftest.echo");
    int64_t ms = site_ask(site, "SELECT cpu_ms FROM job.result WHERE type = 'selftest.fork'");
    ck_assert_int_ge(ms, 300);
    ck_assert_int_lt(ms, 600);
    ck_assert_int_lt(site_ask(site, "SELECT cpu_ms FROM job.result WHERE type = 'selftest.echo'"), 100);
    site_free(site);
}
END_TEST

/* The kernel ends the loop after one second of CPU. tail(1) keeps in memory what it is to print. */
START_TEST(command_counts_for_its_job)
{
    struct site *site = start(
        ONE, "{ type = \"greedy\"; kind = \"command\"; queue = \"selftest\"; argv = ( \"/bin/sh\", \"-c\", "
             "\"head -c 300000000 /dev/zero | tail -c 300000000 | wc -c; (ulimit -t 1; while :; do :; done); "
             "exit 0\" ); }, { type = \"modest\"; kind = \"command\"; queue = \"selftest\"; "
             "argv = ( \"/bin/true\" ); }");
    site_start_worker(site);
    run_two(site, "greedy", "{}", "modest");
    int64_t ms = site_ask(site, "SELECT cpu_ms FROM job.result WHERE type = 'greedy'");
    ck_assert_int_ge(ms, 1000);
    ck_assert_int_lt(ms, 3000);
    ck_assert_int_ge(site_ask(site, "SELECT peak_kib FROM job.result WHERE type = 'greedy'"), 290000);
    ck_assert(
        site_ask(site, "SELECT cpu_ms < 100 AND peak_kib < 200000 FROM job.result WHERE type = 'modest'"));
    site_free(site);
}
END_TEST

/* The CPU of an executor that has died is that of its job, less what it had used before. */
START_TEST(job_that_is_killed_has_used_what_it_used)
{
    struct site *site =
        start(ONE " kill_grace = \"200ms\";", HANDLERS("timeout = \"600ms\"; max_attempts = 1;"));
    site_start_worker(site);
    trace_enqueue(site, "selftest.burn", 1, "{\"ms\": 300}");
    site_await(site, 20, "SELECT cpu_ms BETWEEN 300 AND 400 FROM job.result");
    trace_enqueue(site, "selftest.burn", 1, "{\"ms\": 60000, \"stubborn\": true}");
    site_await(site, 20, "SELECT outcome = 'timeout' FROM job.attempt");
    ck_assert(site_ask(site, "SELECT cpu_ms BETWEEN 100 AND 900 AND peak_kib > 1000 FROM job.attempt"));
    site_free(site);
}
END_TEST

/* --- What they write ----------------------------------------------------------------------------------------------------------- */

#ifdef __SANITIZE_ADDRESS__ /* keeps what was freed */
#define MAX_GROWTH_KIB 65536
#else
#define MAX_GROWTH_KIB 8192
#endif

static long peak_rss_kib(struct site_daemon *d)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", site_pid(d));
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file))
        sscanf(line, "VmHWM: %ld kB", &kib);
    fclose(file);
    return kib;
}

START_TEST(flood_of_output_is_cut_and_costs_the_worker_no_memory)
{
    struct site *site = start(WORKER, HANDLERS(""));
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.echo", 1, "{}");
    site_await(site, 10, "SELECT count(*) = 1 FROM job.result");
    long before_kib = peak_rss_kib(worker);
    trace_enqueue(site, "selftest.spew", 1, "{\"mib\": 500}");
    trace_enqueue(site, "selftest.spew", 1, "{\"mib\": 1, \"binary\": true}");
    trace_enqueue(site, "selftest.echo", 100, "{}");
    site_await(site, 30, "SELECT count(*) = 103 FROM job.result WHERE state = 'succeeded'");
    ck_assert_uint_eq(site_count_log(worker, "[truncated: 524222464 bytes more]"), 1);
    ck_assert_uint_eq(site_count_log(worker, "[truncated: 983040 bytes more]"), 1);
    ck_assert_int_lt(peak_rss_kib(worker) - before_kib, MAX_GROWTH_KIB);
    site_free(site);
}
END_TEST

/* They are short, so many are sent ahead together. */
START_TEST(each_job_logs_under_its_own_name)
{
    struct site *site = start(WORKER, HANDLERS(""));
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.spew", 200, "{\"mib\": 0, \"log\": true}");
    site_await(site, 20, "SELECT count(*) = 200 FROM job.result WHERE state = 'succeeded'");
    for (int i = 0; i < 200; i++) {
        char *id = site_ask_text(site, "SELECT id FROM job.result ORDER BY id OFFSET %d LIMIT 1", i),
             line[128];
        snprintf(line, sizeof(line), "info: job %s: wrote 0 MiB\n", id);
        ck_assert_uint_eq(site_count_log(worker, line), 1);
        free(id);
    }
    site_free(site);
}
END_TEST

/* The script's standard error passes through its executor, which is killed with it. */
START_TEST(last_lines_of_a_job_that_dies_are_in_its_error)
{
    struct site *site = start(
        WORKER,
        HANDLERS(
            "") ", { type = \"stubborn\"; kind = \"command\"; queue = \"selftest\"; timeout = \"500ms\"; "
                "max_attempts = 1; argv = ( \"/bin/sh\", \"-c\", \"trap '' TERM; echo first >&2; "
                "echo last words >&2; sleep 60\" ); }");
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "stubborn", 1, "{}");
    site_await(site, 20, "SELECT true FROM job.dead");
    ck_assert(site_ask(site,
                       "SELECT error = E'it ran for longer than its timeout; it wrote: first\\nlast words' "
                       "FROM job.dead"));
    char *id = site_ask_text(site, "SELECT id FROM job.dead"), line[128];
    snprintf(line, sizeof(line), "job %s: last words\n", id);
    ck_assert_uint_eq(site_count_log(worker, line), 1);
    free(id);
    site_free(site);
}
END_TEST

START_TEST(last_lines_of_a_job_that_fails_without_a_word_are_its_error)
{
    struct site *site = start(WORKER, HANDLERS(""));
    site_start_worker(site);
    trace_enqueue(site, "selftest.spew", 1, "{\"mib\": 3, \"fail\": true}");
    site_await(site, 20, "SELECT reason = 'failed' FROM job.dead");
    ck_assert(site_ask(
        site, "SELECT error LIKE E'it wrote: xxxxxxxx%%x\\nx%%x' AND length(error) BETWEEN 900 AND 1034 "
              "FROM job.dead"));
    site_free(site);
}
END_TEST

/* --- Without servers ------------------------------------------------------------------------------------------------------------ */

START_TEST(single_run_tells_what_became_of_the_handler)
{
    struct site *site = start(WORKER, HANDLERS(""));
    const char *const crash[] = { "--run", "selftest.crash", NULL }, *const nothing[] = { "--payload", "1",
                                                                                          NULL };
    struct site_daemon *once = site_spawn(site, "worker/jobworkerd", crash);
    ck_assert_int_eq(site_await_exit(once, 10), 1);
    ck_assert_uint_eq(site_count_log(once, "crashed: killed by signal 11"), 1);
    ck_assert_int_eq(site_await_exit(site_spawn(site, "worker/jobworkerd", nothing), 10), 2);
    site_free(site);
}
END_TEST

SUITE_MAIN("executors", each_job_logs_under_its_own_name, job_that_runs_for_its_timeout_is_asked_to_stop,
           stubborn_job_is_killed_on_time_and_its_neighbours_do_not_notice,
           timeout_of_the_message_counts_before_that_of_the_type,
           job_that_is_done_in_spite_of_being_asked_to_stop_has_succeeded, drain_asks_running_jobs_to_stop,
           crash_loop_of_one_job_costs_no_other,
           job_that_kills_its_worker_is_dead_after_its_budget_and_others_run,
           executors_grow_under_load_and_shrink_when_idle, worn_executors_are_replaced_and_repeat_nothing,
           children_of_a_job_end_with_it_wherever_they_went,
           zygote_that_is_killed_takes_everything_with_it_and_the_job_runs_elsewhere,
           worker_that_is_killed_leaves_no_process_behind, fork_bomb_ends_when_its_job_returns,
           fork_bomb_of_daemons_ends_when_its_job_returns, fork_bomb_ends_when_its_job_is_killed,
           fork_bomb_of_daemons_ends_when_its_job_is_killed, executors_are_confined,
           executors_are_in_control_groups_where_one_is_delegated,
           memory_of_a_job_is_its_own_and_not_its_predecessors, children_count_for_the_job_that_had_them,
           command_counts_for_its_job, job_that_is_killed_has_used_what_it_used,
           flood_of_output_is_cut_and_costs_the_worker_no_memory,
           last_lines_of_a_job_that_dies_are_in_its_error,
           last_lines_of_a_job_that_fails_without_a_word_are_its_error,
           single_run_tells_what_became_of_the_handler)
