/* SPDX-License-Identifier: Apache-2.0 */
/* The daemons as their service manager sees them: when they are ready, that all of them is alive, and that they end, whoever is away. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/harness.h"
#include "tests/support/harness_site.h"
#include "tests/support/trace.h"

static struct site *start(const struct site_servers *kafka, const char *worker)
{
    struct site *site = site_new(&(struct site_options){
        .kafka = kafka ? site_servers_address(kafka) : NULL,
        .queues = "{ name = \"selftest\"; partitions = 4; }",
        .worker = worker,
        .handlers =
            "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\"; }",
    });
    trace_start(site);
    return site;
}

/* --- Start ------------------------------------------------------------------------------------------------------------------- */

START_TEST(worker_is_ready_when_kafka_has_answered_too)
{
    struct site_servers *kafka = site_servers_start("kafka");
    struct site *site = start(kafka, "queues = ( { name = \"selftest\"; } );");
    struct site_daemon *broker = site_start_broker(site);
    site_await_log(broker, 20, "relay: ready");
    site_servers_run(kafka, "stop");
    struct site_daemon *worker = site_spawn(site, "worker/jobworkerd", NULL);
    site_await_notify(worker, 30, "STATUS=waiting for Kafka; running: 0 jobs");
    site_await(site, 20, "SELECT count(*) = 1 FROM job.worker"); /* PostgreSQL has it */
    ck_assert(!site_has_notified(worker, 1, "READY=1"));
    site_servers_run(kafka, "start");
    site_await_notify(worker, 60, "READY=1");
    trace_enqueue(site, "selftest.echo", 3, "{}");
    site_await(site, 60, "SELECT count(*) = 3 FROM job.result");
    site_stop(worker);
    site_free(site);
    site_servers_free(kafka);
}
END_TEST

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fchmod(fileno(file), 0440), 0); /* as the mask of a credential's ACL shows */
    ck_assert_int_eq(fclose(file), 0);
}

/* The site's configuration without the database's URL. */
static void take_url_out(struct site *site)
{
    char text[8192], *url, *end;
    FILE *file = fopen(site_config_path(site), "r+e");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = 0;
    url = strstr(text, "url = ");
    ck_assert_ptr_nonnull(url);
    end = strchr(url, ';');
    rewind(file);
    ck_assert_int_eq(ftruncate(fileno(file), 0), 0);
    fprintf(file, "%.*surl_file = \"database-url\"%s", (int)(url - text), text, end);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(secret_comes_from_the_credentials_of_the_service)
{
    char credentials[256];
    struct site *site = start(NULL, "queues = ( { name = \"selftest\"; } );");
    take_url_out(site);
    snprintf(credentials, sizeof(credentials), "%s/credentials", site_folder(site));
    ck_assert_int_eq(mkdir(credentials, 0700), 0);
    setenv("CREDENTIALS_DIRECTORY", credentials, 1);
    struct site_daemon *without = site_spawn(site, "broker/jobbrokerd", NULL);
    ck_assert_int_eq(site_await_exit(without, 20), 2);
    site_await_log(without, 1, "database.url_file");
    write_file(credentials, "database-url", site_database_url(site));
    site_start_broker(site);
    site_start_worker(site);
    unsetenv("CREDENTIALS_DIRECTORY");
    trace_enqueue(site, "selftest.echo", 3, "{}");
    site_await(site, 30, "SELECT count(*) = 3 FROM job.result");
    site_free(site);
}
END_TEST

/* --- While it runs ----------------------------------------------------------------------------------------------------------- */

/* A service manager reads all that it is told: a worker whose messages nobody takes stands still, as any does. */
static void await_start_and_listen(struct site_daemon *worker)
{
    for (int tries = 0; trace_read().n_starts == 0; tries++) {
        ck_assert_int_lt(tries, 300);
        site_has_notified(worker, 0.1, "nothing that it says");
    }
}

START_TEST(watchdog_hears_of_a_loop_that_turns_and_of_no_other)
{
    struct site *site = start(NULL, "queues = ( { name = \"selftest\"; } );");
    site_start_broker(site);
    setenv("WATCHDOG_USEC", "400000", 1);
    struct site_daemon *worker = site_spawn(site, "worker/jobworkerd", NULL);
    unsetenv("WATCHDOG_USEC");
    site_await_notify(worker, 30, "READY=1");
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 3000, \"trace\": \"%s\"}");
    await_start_and_listen(worker);
    for (int i = 0; i < 5; i++)
        ck_assert(site_has_notified(worker, 1, "WATCHDOG=1")); /* busy or not */
    site_kill(worker, SIGSTOP);
    while (site_has_notified(worker, 0.1, "")) /* what it had said before */
        ;
    ck_assert(!site_has_notified(worker, 1.2, "WATCHDOG=1")); /* three times what the manager bears with */
    /* So the manager kills it, and another one does its work. */
    site_destroy(worker);
    site_start_worker(site);
    site_await(site, 30, "SELECT count(*) = 1 FROM job.result WHERE state = 'succeeded'");
    site_free(site);
}
END_TEST

static pid_t find_child(pid_t process, const char *name)
{
    char path[64], command[32];
    pid_t child, found = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", process, process);
    FILE *children = fopen(path, "re");
    ck_assert_ptr_nonnull(children);
    while (!found && fscanf(children, "%d", &child) == 1) {
        snprintf(path, sizeof(path), "/proc/%d/comm", child);
        FILE *comm = fopen(path, "re");
        if (comm && fscanf(comm, "%31s", command) == 1 && strcmp(command, name) == 0)
            found = child;
        if (comm)
            fclose(comm);
    }
    fclose(children);
    ck_assert_msg(found != 0, "no process %s", name);
    return found;
}

/* Its loop turns, and its jobs run; but it could neither stop one nor begin anew after a crash. */
START_TEST(watchdog_hears_nothing_of_a_worker_whose_zygote_hangs)
{
    struct site *site = start(NULL, "queues = ( { name = \"selftest\"; } );");
    setenv("WATCHDOG_USEC", "1000000", 1);
    struct site_daemon *worker = site_spawn(site, "worker/jobworkerd", NULL);
    unsetenv("WATCHDOG_USEC");
    site_await_notify(worker, 30, "READY=1");
    pid_t zygote = find_child(site_pid(worker), "jobzygote");
    for (int i = 0; i < 25; i++) /* longer than it may hang */
        ck_assert(site_has_notified(worker, 2, "WATCHDOG=1"));
    kill(zygote, SIGSTOP);
    for (int tries = 0; site_has_notified(worker, 2, "WATCHDOG=1"); tries++)
        ck_assert_int_lt(tries, 100);
    ck_assert_uint_eq(site_count_log(worker, "the zygote process hangs"), 1);
    kill(zygote, SIGCONT);
    site_await_notify(worker, 20, "WATCHDOG=1");
    ck_assert_uint_eq(site_count_log(worker, "the zygote process goes on"), 1);
    site_stop(worker);
    site_free(site);
}
END_TEST

static bool is_called(pid_t process, const char *thread, const char *name)
{
    char path[300], line[32] = "";
    snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", process, thread);
    FILE *file = fopen(path, "re");
    if (file && !fgets(line, sizeof(line), file))
        line[0] = 0;
    if (file)
        fclose(file);
    line[strcspn(line, "\n")] = 0;
    return strcmp(line, name) == 0;
}

static pid_t find_thread(pid_t process, const char *name)
{
    char path[64];
    pid_t found = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", process);
    DIR *threads = opendir(path);
    ck_assert_ptr_nonnull(threads);
    /* cppcheck-suppress readdirCalled */
    for (struct dirent *entry; !found && (entry = readdir(threads));)
        if (is_called(process, entry->d_name, name))
            found = atoi(entry->d_name);
    closedir(threads);
    ck_assert_msg(found != 0, "no thread %s", name);
    return found;
}

/* One thread alone, as if it hung in a call. */
static void stop_thread(pid_t thread)
{
    ck_assert_int_eq(ptrace(PTRACE_SEIZE, thread, NULL, NULL), 0);
    ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, thread, NULL, NULL), 0);
    ck_assert_int_eq(waitpid(thread, NULL, __WALL), thread);
}

/* The others go on, and so does the main thread that talks to the service manager. */
START_TEST(watchdog_hears_nothing_of_a_broker_one_of_whose_duties_hangs)
{
    static const char *const duties[] = { "relay", "later", "clock", "trim", "cron" };
    struct site *site = start(NULL, NULL);
    setenv("WATCHDOG_USEC", "2000000", 1);
    struct site_daemon *broker = site_spawn(site, "broker/jobbrokerd", NULL);
    unsetenv("WATCHDOG_USEC");
    site_await_notify(broker, 30, "READY=1");
    site_await_log(broker, 30, "clock: ready");
    for (size_t i = 0; i < ARRAY_SIZE(duties); i++)
        find_thread(site_pid(broker), duties[i]);
    for (int i = 0; i < 3; i++)
        ck_assert(site_has_notified(broker, 2, "WATCHDOG=1"));
    pid_t thread = find_thread(site_pid(broker), "clock");
    stop_thread(thread);
    for (int tries = 0; site_has_notified(broker, 2, "WATCHDOG=1"); tries++)
        ck_assert_int_lt(tries, 200); /* its rest is over in 10 s at most, and 10 s later it is late */
    ck_assert_uint_eq(site_count_log(broker, "clock hangs"), 1);
    /* It is no more than a thread that hung: when it goes on, so does all. */
    ck_assert_int_eq(ptrace(PTRACE_DETACH, thread, NULL, NULL), 0);
    site_await_notify(broker, 10, "WATCHDOG=1");
    ck_assert_uint_eq(site_count_log(broker, "clock goes on"), 1);
    site_stop(broker);
    site_free(site);
}
END_TEST

/* Nobody hangs who waits for a server, be it for longer than any step may take. */
START_TEST(watchdog_hears_of_a_broker_whose_servers_are_away)
{
    struct site_servers *postgres = site_servers_start("postgres");
    struct site *site = start(NULL, NULL);
    setenv("WATCHDOG_USEC", "2000000", 1);
    struct site_daemon *broker = site_spawn(site, "broker/jobbrokerd", NULL);
    unsetenv("WATCHDOG_USEC");
    site_await_notify(broker, 30, "READY=1");
    site_await_log(broker, 30, "relay: ready");
    site_servers_run(postgres, "stop");
    site_await_log(broker, 30, "relay waits");
    for (int i = 0; i < 30; i++)
        ck_assert(site_has_notified(broker, 2, "WATCHDOG=1"));
    site_servers_run(postgres, "start");
    site_await_log(broker, 30, "PostgreSQL is back");
    ck_assert_uint_eq(site_count_log(broker, "hangs"), 0);
    site_stop(broker);
    site_free(site);
    site_servers_free(postgres);
}
END_TEST

/* --- The end ----------------------------------------------------------------------------------------------------------------- */

START_TEST(drain_says_how_long_it_may_take)
{
    struct site *site =
        start(NULL, "queues = ( { name = \"selftest\"; } ); drain_timeout = \"70s\"; kill_grace = \"4s\";");
    struct site_daemon *worker = site_spawn(site, "worker/jobworkerd", NULL);
    site_await_notify(worker, 30, "READY=1");
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 60000, \"trace\": \"%s\"}");
    trace_await_starts(1);
    site_kill(worker, SIGTERM);
    site_await_notify(worker, 20,
                      "STOPPING=1\nEXTEND_TIMEOUT_USEC=98000000"); /* 70 + 4 + what the end may take */
    site_await_notify(worker, 20, "STATUS=draining: 1 jobs on");
    /* A second signal ends the drain: the job is asked to stop, and given back. */
    int64_t before_us = clock_mono_us();
    site_kill(worker, SIGTERM);
    site_await_notify(worker, 20, "EXTEND_TIMEOUT_USEC=28000000");
    ck_assert_int_eq(site_await_exit(worker, 20), 0);
    ck_assert_int_lt(clock_mono_us() - before_us, 10 * USEC_PER_SEC);
    ck_assert(site_ask(site, "SELECT outcome = 'interrupted' AND attempt = 1 FROM job.attempt"));
    site_free(site);
}
END_TEST

/* Leaving the group asks Kafka, which does not answer; librdkafka may hang there for ever. */
START_TEST(kafka_that_stands_still_does_not_keep_the_worker)
{
    struct site_servers *kafka = site_servers_start("kafka");
    struct site *site = start(kafka, "queues = ( { name = \"selftest\"; } );");
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 20, "{\"ms\": 1, \"trace\": \"%s\"}");
    site_await(site, 30, "SELECT count(*) = 20 FROM job.result");
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 1500, \"trace\": \"%s\"}");
    trace_await_starts(21);
    site_servers_signal(kafka, SIGSTOP);
    int64_t before_us = clock_mono_us();
    site_kill(worker, SIGTERM);
    ck_assert_int_eq(site_await_exit(worker, 40), 0);
    ck_assert_int_lt(clock_mono_us() - before_us, 25 * USEC_PER_SEC);
    /* Everything that PostgreSQL had to know it knows, and the cursors are given back. */
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'succeeded'"), 21);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.cursor WHERE owner IS NOT NULL"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.worker"), 0);
    site_servers_signal(kafka, SIGCONT);
    site_free(site);
    site_servers_free(kafka);
}
END_TEST

SUITE_MAIN("life", worker_is_ready_when_kafka_has_answered_too,
           secret_comes_from_the_credentials_of_the_service,
           watchdog_hears_of_a_loop_that_turns_and_of_no_other,
           watchdog_hears_nothing_of_a_worker_whose_zygote_hangs,
           watchdog_hears_nothing_of_a_broker_one_of_whose_duties_hangs,
           watchdog_hears_of_a_broker_whose_servers_are_away, drain_says_how_long_it_may_take,
           kafka_that_stands_still_does_not_keep_the_worker)
