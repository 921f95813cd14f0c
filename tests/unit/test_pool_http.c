/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP process behind the pool: a real one, forked by a zygote, whose name servers are this test. */
#include <dlfcn.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/http_service.h"
#include "tests/support/suite.h"
#include "worker/executor.h"
#include "worker/pool.h"
#include "worker/zygote.h"

#define N 300

/* Shared with the HTTP process. */
static struct names {
    _Atomic int n_asked;
    _Atomic bool is_slow; /* look-ups last until this is false */
} * names;

static char directory[] = "/tmp/test_pool_http.XXXXXX";
static char config_path[64];
static int port;
static struct job_config *config;
static struct job_type types[8];
static sd_event *event;
static struct pool *pool;
static struct job *ended[N + 8];
static size_t n_ended, n_unstarted;

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    atomic_fetch_add(&names->n_asked, 1);
    while (atomic_load(&names->is_slow))
        sched_yield();
    if (strcmp(node, "nowhere.test") == 0)
        return EAI_NONAME;
    return real("127.0.0.1", service, hints, ret);
}

static void take_finished(struct job *job, void *userdata)
{
    (void)userdata;
    ended[n_ended++] = job;
}

static void take_unstarted(struct job *job, void *userdata)
{
    (void)userdata;
    n_unstarted++;
    job_free(job);
}

static void take_progress(struct job *job, struct span progress, void *userdata)
{
    (void)job;
    (void)progress;
    (void)userdata;
}

static void take_broken(const char *why, void *userdata)
{
    (void)userdata;
    ck_abort_msg("%s", why);
}

static const struct pool_owner owner = {
    .finished = take_finished, .unstarted = take_unstarted, .progress = take_progress, .broken = take_broken
};

/* In the order of the configuration's handlers. */
enum { ADDRESS, NAMED, NOWHERE, OPEN, CLOSED, GATE, SIGNED };

static void write_config(void)
{
    FILE *file = fopen(config_path, "w");
    static const char handler[] = "{ type = \"%s\"; kind = \"http\"; url = \"http://%s:%d/%s\"; %s }";
    ck_assert_ptr_nonnull(file);
    fprintf(file,
            "worker: { executors_min = 1; executors_max = 1; kill_grace = \"500ms\"; };\nhandlers = ( ");
    fprintf(file, handler, "address", "127.0.0.1", port, "status/200", "allow = ( \"127.0.0.1\" );");
    fprintf(file, ", ");
    fprintf(file, handler, "named", "named.test", port, "meet/300", "allow = ( \"127.0.0.1\" );");
    fprintf(file, ", ");
    fprintf(file, handler, "nowhere", "nowhere.test", port, "status/200", "allow = ( \"nowhere.test\" );");
    fprintf(file, ", ");
    fprintf(file, handler, "open", "shared.test", port, "status/200", "allow = ( \"shared.test\" );");
    fprintf(file, ", ");
    fprintf(file, handler, "closed", "shared.test", port, "status/200", "");
    fprintf(file, ", ");
    fprintf(file, handler, "gate", "127.0.0.1", port, "gate/a", "allow = ( \"127.0.0.1\" );");
    fprintf(file, ", ");
    fprintf(file, handler, "signed", "127.0.0.1", port, "echo",
            "secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\";");
    fprintf(file, " );\n");
    ck_assert_int_eq(fclose(file), 0);
}

static pid_t zygote_pid;

static void start(void)
{
    struct err err = { "" };
    int zygote;
    names = mmap(NULL, sizeof(*names), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(names, MAP_FAILED);
    port = http_service_start();
    ck_assert_int_eq(zygote_start(&zygote, &zygote_pid), 0);
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(config_path, sizeof(config_path), "%s/job.conf", directory);
    write_config();
    ck_assert_msg(config_load(&config, config_path, NULL, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < config->n_handlers; i++) {
        types[i].handler = &config->handlers[i];
        snprintf(types[i].name, sizeof(types[i].name), "%s", config->handlers[i].type);
    }
    ck_assert_int_ge(sd_event_new(&event), 0);
    ck_assert_int_ge(pool_new(&pool, event, zygote, NULL, config, &owner), 0);
    ck_assert_int_ge(pool_start(pool), 0);
    while (!pool_is_proven(pool))
        ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
}

static void finish(void)
{
    for (size_t i = 0; i < n_ended; i++)
        job_free(ended[i]);
    pool_free(pool);
    sd_event_unref(event);
    config_free(config);
    unlink(config_path);
    ck_assert_int_eq(rmdir(directory), 0);
}

static struct job *make_job(int handler, uint8_t id)
{
    struct job *job = job_new(NULL);
    ck_assert_ptr_nonnull(job);
    job->type = &types[handler];
    job->envelope.id.bytes[15] = id;
    job->envelope.type = span_from_string(types[handler].name);
    job->envelope.payload = span_from_string("{}");
    job->envelope.attempt = 1;
    return job;
}

static struct job *dispatch(int handler, uint8_t id)
{
    struct job *job = make_job(handler, id);
    ck_assert(pool_dispatch(pool, job));
    pool_flush(pool);
    return job;
}

/* The test's own time-out is the deadline of whatever waits here. */
static void await_ended(size_t n)
{
    while (n_ended < n)
        ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
}

static void await_inside(int n)
{
    for (int connections, inside = -1, most; inside != n;) {
        char *text = http_service_ask(port, "/counts");
        ck_assert_int_eq(sscanf(text, "%d %d %d", &connections, &inside, &most), 3);
        free(text);
        ck_assert_int_ge(sd_event_run(event, 0), 0); /* what the socket had no room for */
    }
}

static void await_asked(int n)
{
    while (atomic_load(&names->n_asked) < n)
        sched_yield();
}

START_TEST(name_is_asked_for_once_and_nobody_else_waits_for_it)
{
    start();
    atomic_store(&names->is_slow, true);
    for (int i = 0; i < N; i++)
        dispatch(NAMED, 1);
    await_asked(1);
    struct job *other = dispatch(ADDRESS, 2);
    await_ended(1);
    ck_assert_ptr_eq(ended[0], other);
    ck_assert_int_eq(other->outcome, OUTCOME_SUCCEEDED);
    atomic_store(&names->is_slow, false);
    await_ended(1 + N);
    for (size_t i = 0; i < n_ended; i++)
        ck_assert_int_eq(ended[i]->outcome, OUTCOME_SUCCEEDED);
    ck_assert_int_eq(atomic_load(&names->n_asked), 1);
    finish();
}
END_TEST

START_TEST(name_that_nobody_knows_is_a_failure)
{
    start();
    struct job *job = dispatch(NOWHERE, 1);
    await_ended(1);
    ck_assert_int_eq(job->outcome, OUTCOME_FAILED);
    ck_assert_str_eq(job->error, "host nowhere.test: Name or service not known");
    finish();
}
END_TEST

START_TEST(request_that_waits_for_a_name_can_be_stopped)
{
    start();
    atomic_store(&names->is_slow, true);
    struct job *job = dispatch(NAMED, 1);
    await_asked(1);
    pool_stop_id(pool, &(struct uuid){ .bytes = { [15] = 1 } }, OUTCOME_CANCELLED, "cancelled while it ran");
    await_ended(1);
    ck_assert_int_eq(job->outcome, OUTCOME_CANCELLED);
    atomic_store(&names->is_slow, false);
    dispatch(ADDRESS, 2);
    await_ended(2);
    finish();
}
END_TEST

/* The first handler has opened a connection to an address that the second may not reach. */
START_TEST(connection_is_not_shared_past_the_guard)
{
    start();
    dispatch(OPEN, 1);
    await_ended(1);
    ck_assert_int_eq(ended[0]->outcome, OUTCOME_SUCCEEDED);
    struct job *closed = dispatch(CLOSED, 2);
    await_ended(2);
    ck_assert_int_eq(closed->outcome, OUTCOME_FAILED);
    ck_assert_ptr_nonnull(strstr(closed->error, "127.0.0.1 is not a public address"));
    dispatch(OPEN, 3);
    await_ended(3);
    ck_assert_int_eq(ended[2]->outcome, OUTCOME_SUCCEEDED);
    finish();
}
END_TEST

START_TEST(one_of_many_is_stopped)
{
    start();
    for (int i = 0; i < N; i++)
        dispatch(GATE, i == 7 ? 2 : 1);
    await_inside(N);
    pool_stop_id(pool, &(struct uuid){ .bytes = { [15] = 2 } }, OUTCOME_CANCELLED, "cancelled while it ran");
    await_ended(1);
    ck_assert_int_eq(ended[0]->outcome, OUTCOME_CANCELLED);
    ck_assert_str_eq(ended[0]->error, "cancelled while it ran");
    free(http_service_ask(port, "/open/a"));
    await_ended(N);
    for (size_t i = 1; i < N; i++)
        ck_assert_int_eq(ended[i]->outcome, OUTCOME_SUCCEEDED);
    finish();
}
END_TEST

static bool has_id_2(const struct job *job, const void *arg)
{
    (void)arg;
    return job->envelope.id.bytes[15] == 2;
}

START_TEST(interruption_is_for_those_that_match)
{
    start();
    for (int i = 0; i < 20; i++)
        dispatch(GATE, i < 10 ? 2 : 1);
    await_inside(20);
    pool_disown(pool, has_id_2, NULL);
    await_ended(10);
    for (size_t i = 0; i < 10; i++)
        ck_assert(ended[i]->orphan && ended[i]->outcome == OUTCOME_INTERRUPTED);
    free(http_service_ask(port, "/open/a"));
    await_ended(20);
    ck_assert_int_eq(ended[19]->outcome, OUTCOME_SUCCEEDED);
    finish();
}
END_TEST

static bool is_stopped_http_process(pid_t pid)
{
    char path[64], name[32], state = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%*d (%31[^)]) %c", name, &state) != 2)
        state = 0;
    if (file)
        fclose(file);
    return state == 'T' && strcmp(name, "jobhttp") == 0;
}

static void await_stopped(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", zygote_pid, zygote_pid);
    for (bool stopped = false; !stopped; sched_yield()) {
        FILE *children = fopen(path, "re");
        ck_assert_ptr_nonnull(children);
        for (int child; !stopped && fscanf(children, "%d", &child) == 1;)
            stopped = is_stopped_http_process(child);
        fclose(children);
    }
}

/* A process that was stopped before it read them. */
START_TEST(requests_that_had_not_started_come_back)
{
    start();
    dispatch(GATE, 1);
    await_inside(1);
    pool_kill_busy(pool, SIGSTOP);
    await_stopped();
    for (int i = 0; i < 10; i++)
        dispatch(GATE, 1);
    pool_kill_busy(pool, SIGKILL);
    await_ended(1);
    while (n_unstarted < 10)
        ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
    ck_assert_int_eq(ended[0]->outcome, OUTCOME_CRASHED);
    ck_assert_str_eq(ended[0]->error, "killed by signal 9 (Killed)");
    ck_assert_uint_eq(pool_n_running(pool), 0);
    finish();
}
END_TEST

START_TEST(payloads_under_way_are_bounded)
{
    start();
    const size_t size = 1 << 20;
    char *payload = malloc(size);
    size_t n = 0;
    memset(payload, ' ', size);
    for (;; n++) {
        struct job *job = make_job(GATE, 1);
        job->envelope.payload = (struct span){ payload, size };
        if (!pool_dispatch(pool, job)) {
            job_free(job);
            break;
        }
    }
    ck_assert_uint_eq(n, 64);
    pool_flush(pool);
    free(http_service_ask(port, "/open/a"));
    await_ended(n);
    free(payload);
    finish();
}
END_TEST

START_TEST(secret_is_not_for_executors)
{
    static const char secret[] = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    _cleanup_buf_ struct buf setup = { 0 }, http_setup = { 0 };
    start();
    executor_put_setup(&setup, config, &config->worker.limits);
    ck_assert_ptr_null(memmem(setup.data, setup.size, secret, strlen(secret)));
    ck_assert_ptr_null(memmem(setup.data, setup.size, "http", 4));
    executor_put_http_setup(&http_setup, config, 2);
    ck_assert_ptr_nonnull(memmem(http_setup.data, http_setup.size, secret, strlen(secret)));
    finish();
}
END_TEST

SUITE_MAIN("pool_http", name_is_asked_for_once_and_nobody_else_waits_for_it,
           name_that_nobody_knows_is_a_failure, request_that_waits_for_a_name_can_be_stopped,
           connection_is_not_shared_past_the_guard, one_of_many_is_stopped,
           interruption_is_for_those_that_match, requests_that_had_not_started_come_back,
           payloads_under_way_are_bounded, secret_is_not_for_executors)
