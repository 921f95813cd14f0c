/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for jobs with libjob: who is told, when, and what becomes of those who wait while something dies. */
#define SUITE_TIMEOUT_S 120
#include "tests/support/suite.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "libjob/include/job.h"
#include "tests/support/harness.h"

#define MAIL "{ name = \"mail\"; partitions = 2; }"
#define SECOND_MS 1000

static const struct site_options working = {
    .queues = "{ name = \"selftest\"; partitions = 4; }",
    .worker = "queues = ( { name = \"selftest\"; } ); executors_max = 2;",
    .handlers =
        "{ type = \"selftest.*\"; path = \"${build}/jobs/selftest/selftest.so\"; queue = \"selftest\";"
        " backoff: { kind = \"constant\"; base = \"100ms\"; }; }",
};

static struct site *new_site(void)
{
    return site_new(&(struct site_options){ .queues = MAIL });
}

static struct job_client *open_client(struct site *s)
{
    struct job_client *client;
    const struct job_client_options options = { .brokers = site_kafka(s),
                                                .prefix = site_prefix(s),
                                                .database_url = site_database_url(s) };
    ck_assert_int_eq(job_client_open(&client, &options), 0);
    return client;
}

static void close_client(struct job_client *client)
{
    int64_t began_us = clock_mono_us();
    ck_assert_int_eq(job_client_close(client, 5000), 0);
    ck_assert_int_lt(clock_mono_us() - began_us, 5 * USEC_PER_SEC);
}

static const char *text_of(const struct job_id *id)
{
    static _Thread_local char text[JOB_ID_TEXT_SIZE];
    return job_id_format(id, text);
}

/* What a recording transaction does. */
static void record(struct site *s, const struct job_id *id, bool tell)
{
    site_sql(s,
             "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state, result) VALUES"
             " ('%s', clock_timestamp(), 1, 1, 'mail', 'welcome', 'succeeded', '{\"n\": 1}');%s%s%s",
             text_of(id), tell ? "SELECT pg_notify('job_result', '" : "", tell ? text_of(id) : "",
             tell ? "')" : "");
}

static int64_t count_connections(struct site *s)
{
    return site_ask(s, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'libjob' AND"
                       " datname = current_database()");
}

/* --- In threads ------------------------------------------------------------------------------------------------------------- */

struct waiting {
    struct job_client *client;
    struct job_id id;
    int64_t timeout_ms;
    int error;
    enum job_state state;
    int64_t took_us;
    char why[256];
    pthread_t thread;
};

static void *wait_for_result(void *userdata)
{
    struct waiting *w = userdata;
    struct job_result *result = NULL;
    int64_t began_us = clock_mono_us();
    w->error = job_result_wait(w->client, &w->id, w->timeout_ms, &result);
    w->took_us = clock_mono_us() - began_us;
    if (w->error)
        snprintf(w->why, sizeof(w->why), "%s", job_client_error(w->client));
    else
        w->state = result->state;
    job_result_free(result);
    return NULL;
}

static void start_waiting(struct waiting *w)
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    ck_assert_int_eq(pthread_create(&w->thread, &small, wait_for_result, w), 0);
    pthread_attr_destroy(&small);
}

static void join(struct waiting *w)
{
    ck_assert_int_eq(pthread_join(w->thread, NULL), 0);
}

START_TEST(two_thousand_threads_wait_over_one_connection)
{
    enum { N = 2000 };
    struct site *s = site_new(&working);
    struct job_client *client = open_client(s);
    struct waiting *all = calloc(N, sizeof(*all));
    site_start_broker(s);
    struct site_daemon *worker = site_start_worker(s);
    for (int i = 0; i < N; i++) {
        all[i] = (struct waiting){ .client = client, .timeout_ms = 60 * SECOND_MS };
        const struct job_spec spec = {
            .type = i % 10 ? "selftest.echo" : "selftest.fail",
            .queue = "selftest",
            .payload = "{\"permanent\":true}",
            .reply = 1,
        };
        ck_assert_int_eq(job_enqueue(client, &spec, &all[i].id), 0);
        start_waiting(&all[i]);
        if (i == N / 2)
            ck_assert_int_le(count_connections(s), 1);
    }
    for (int i = 0; i < N; i++) {
        join(&all[i]);
        ck_assert_msg(all[i].error == 0, "%s", all[i].why);
        ck_assert_int_eq(all[i].state, i % 10 ? JOB_STATE_SUCCEEDED : JOB_STATE_DEAD);
    }
    ck_assert_int_eq(count_connections(s), 1);
    close_client(client);
    site_stop(worker);
    free(all);
    site_free(s);
}
END_TEST

START_TEST(result_has_what_is_recorded)
{
    struct site *s = site_new(&working);
    struct job_client *client = open_client(s);
    struct job_id id;
    struct job_result *r;
    site_start_broker(s);
    site_start_worker(s);
    const struct job_spec echo = {
        .type = "selftest.echo", .queue = "selftest", .payload = "{\"a\":\"ä\"}", .reply = 1
    };
    ck_assert_int_eq(job_enqueue(client, &echo, &id), 0);
    ck_assert_int_eq(job_result_wait(client, &id, 20 * SECOND_MS, &r), 0);
    ck_assert_mem_eq(&r->id, &id, sizeof(id));
    ck_assert_str_eq(job_state_name(r->state), "succeeded");
    ck_assert_str_eq(r->result, "{\"a\": \"ä\"}");
    ck_assert_uint_eq(r->result_size, strlen(r->result));
    ck_assert_str_eq(r->queue, "selftest");
    ck_assert_str_eq(r->type, "selftest.echo");
    ck_assert_ptr_nonnull(r->worker);
    ck_assert_ptr_null(r->error);
    ck_assert_int_eq(r->attempt, 1);
    ck_assert_int_lt(llabs(r->finished_us - clock_wall_us()), 60 * USEC_PER_SEC);
    ck_assert_int_le(r->started_us, r->finished_us);
    job_result_free(r);
    const struct job_spec fail = { .type = "selftest.fail",
                                   .queue = "selftest",
                                   .payload = "{\"times\":9}",
                                   .max_attempts = 2,
                                   .reply = 1 };
    ck_assert_int_eq(job_enqueue(client, &fail, &id), 0);
    ck_assert_int_eq(job_result_wait(client, &id, 20 * SECOND_MS, &r), 0);
    ck_assert_int_eq(r->state, JOB_STATE_DEAD);
    ck_assert_str_eq(r->reason, "exhausted");
    ck_assert_int_eq(r->attempt, 2);
    ck_assert_ptr_nonnull(r->error);
    job_result_free(r);
    close_client(client);
    site_free(s);
}
END_TEST

/* Until a moment when the next look of somebody who has waited for 9 s is 0.8 s away: looks are at whole seconds then. */
static void await_quiet_moment(int64_t began_us)
{
    for (;;) {
        int64_t now_us = clock_mono_us(), part_us = now_us % USEC_PER_SEC;
        if (now_us > began_us + 9 * USEC_PER_SEC && part_us > 150 * USEC_PER_MSEC &&
            part_us < 200 * USEC_PER_MSEC)
            return;
        poll(NULL, 0, 10);
    }
}

START_TEST(who_waits_is_told_at_once)
{
    enum { N = 20 };
    struct site *s = new_site();
    struct job_client *client = open_client(s);
    struct waiting told[N];
    int64_t began_us = clock_mono_us();
    for (int i = 0; i < N; i++) {
        told[i] = (struct waiting){ .client = client, .timeout_ms = -1 };
        job_id_new(&told[i].id);
        start_waiting(&told[i]);
    }
    await_quiet_moment(began_us);
    int64_t ended_us = clock_mono_us();
    for (int i = 0; i < N; i++)
        record(s, &told[i].id, true);
    for (int i = 0; i < N; i++)
        join(&told[i]);
    ck_assert_int_lt(clock_mono_us() - ended_us, 600 * USEC_PER_MSEC);
    close_client(client);
    site_free(s);
}
END_TEST

START_TEST(end_that_nobody_tells_is_found)
{
    struct site *s = new_site();
    struct job_client *client = open_client(s);
    struct waiting w = { .client = client, .timeout_ms = 20 * SECOND_MS };
    job_id_new(&w.id);
    start_waiting(&w);
    site_await(s, 10,
               "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'libjob' AND"
               " datname = current_database() AND state = 'idle'");
    record(s, &w.id, false);
    join(&w);
    ck_assert_int_eq(w.error, 0);
    ck_assert_int_lt(w.took_us, 5 * USEC_PER_SEC);
    close_client(client);
    site_free(s);
}
END_TEST

START_TEST(time_that_is_over_is_said)
{
    struct site *s = new_site();
    struct job_client *client = open_client(s);
    struct waiting w = { .client = client, .timeout_ms = 300 };
    struct job_result *r;
    job_id_new(&w.id);
    ck_assert_int_eq(job_result_wait(client, &w.id, 0, &r), JOB_E_NOT_ENDED);
    wait_for_result(&w);
    ck_assert_int_eq(w.error, JOB_E_NOT_ENDED);
    ck_assert_int_ge(w.took_us, 300 * USEC_PER_MSEC);
    ck_assert_int_lt(w.took_us, 2 * USEC_PER_SEC);
    record(s, &w.id, false);
    ck_assert_int_eq(job_result_wait(client, &w.id, 0, &r), 0);
    job_result_free(r);
    close_client(client);
    site_free(s);
}
END_TEST

/* --- With callbacks ------------------------------------------------------------------------------------------------------- */

static atomic_int n_ended[32];
static atomic_int answer_in_callback;
static struct job_client *callback_client;

static void count_end(const struct job_id *id, int error, struct job_result *result, void *cookie)
{
    ck_assert_ptr_nonnull(id);
    ck_assert(error ? !result : result->state == JOB_STATE_SUCCEEDED);
    job_result_free(result);
    atomic_fetch_add((atomic_int *)cookie + error, 1);
}

static void ask_in_callback(const struct job_id *id, int error, struct job_result *result, void *cookie)
{
    struct job_result *r;
    job_result_free(result);
    atomic_store(&answer_in_callback, job_result_wait(callback_client, id, -1, &r));
    ck_assert_int_eq(job_result_watch(callback_client, id, -1, count_end, cookie), 0);
    ck_assert_int_eq(error, 0);
}

static void await_count(atomic_int *count, int n)
{
    for (int64_t deadline_us = clock_mono_us() + 30 * USEC_PER_SEC; atomic_load(count) < n; poll(NULL, 0, 10))
        ck_assert_msg(clock_mono_us() < deadline_us, "%d of %d", atomic_load(count), n);
}

START_TEST(ten_thousand_watches_need_no_threads)
{
    enum { N = 10000 };
    struct site *s = new_site();
    struct job_client *client = open_client(s);
    struct job_id id;
    site_sql(s, "CREATE TABLE public.wanted (id uuid)");
    site_sql(s, "INSERT INTO public.wanted SELECT job.new_id() FROM generate_series(1, %d)", N / 2);
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    ck_assert_int_eq(db_query(site_db(s), "SELECT id FROM public.wanted", NULL, 0, &rows, NULL), 0);
    for (size_t i = 0; i < rows_count(rows); i++) {
        struct uuid wanted;
        rows_uuid(rows, i, 0, &wanted);
        memcpy(&id, &wanted, sizeof(id));
        ck_assert_int_eq(job_result_watch(client, &id, -1, count_end, n_ended), 0); /* two for each */
        ck_assert_int_eq(job_result_watch(client, &id, 60 * SECOND_MS, count_end, n_ended), 0);
    }
    site_sql(s, "INSERT INTO job.result (id, finished_at, attempt, delivery, queue, type, state)"
                " SELECT id, clock_timestamp(), 1, 1, 'mail', 'welcome', 'succeeded' FROM public.wanted;"
                " SELECT pg_notify('job_result', id::text) FROM public.wanted");
    await_count(&n_ended[0], N);
    ck_assert_int_eq(count_connections(s), 1);
    close_client(client);
    ck_assert_int_eq(atomic_load(&n_ended[0]), N);
    site_free(s);
}
END_TEST

START_TEST(callback_may_watch_and_not_wait)
{
    struct site *s = new_site();
    struct job_id id;
    callback_client = open_client(s);
    job_id_new(&id);
    record(s, &id, false);
    ck_assert_int_eq(job_result_watch(callback_client, &id, -1, ask_in_callback, n_ended), 0);
    await_count(&n_ended[0], 1);
    ck_assert_int_eq(atomic_load(&answer_in_callback), -EDEADLK);
    close_client(callback_client);
    site_free(s);
}
END_TEST

START_TEST(closing_ends_what_is_watched)
{
    struct site *s = new_site();
    struct job_client *client = open_client(s);
    struct job_id id;
    for (int i = 0; i < 100; i++) {
        job_id_new(&id);
        ck_assert_int_eq(job_result_watch(client, &id, i % 2 ? -1 : 60 * SECOND_MS, count_end, n_ended), 0);
    }
    close_client(client);
    ck_assert_int_eq(atomic_load(&n_ended[JOB_E_CLOSED]), 100);
    site_free(s);
}
END_TEST

/* --- While something dies ---------------------------------------------------------------------------------------------------- */

START_TEST(end_during_a_lost_connection_is_found)
{
    struct site *s = new_site();
    struct job_client *client = open_client(s);
    struct waiting w = { .client = client, .timeout_ms = 30 * SECOND_MS };
    job_id_new(&w.id);
    start_waiting(&w);
    for (int i = 0; i < 3; i++) {
        site_await(s, 10,
                   "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'libjob' AND"
                   " datname = current_database()");
        if (i == 2)
            record(s, &w.id, true);
        site_ask(
            s, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'libjob' AND"
               " datname = current_database()");
    }
    join(&w);
    ck_assert_msg(w.error == 0, "%s", w.why);
    close_client(client);
    site_free(s);
}
END_TEST

START_TEST(outage_is_waited_out_and_said)
{
    struct site_servers *postgres = site_servers_start("postgres");
    struct site *s = new_site();
    struct job_client *client = open_client(s);
    struct waiting patient = { .client = client, .timeout_ms = -1 },
                   hasty = { .client = client, .timeout_ms = SECOND_MS };
    struct job_result *r;
    job_id_new(&patient.id);
    start_waiting(&patient);
    site_await(s, 10, "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'libjob'");
    site_servers_run(postgres, "kill");
    hasty.id = patient.id;
    wait_for_result(&hasty);
    ck_assert_int_eq(hasty.error, JOB_E_DATABASE_AWAY);
    ck_assert_msg(strstr(hasty.why, "refused"), "%s", hasty.why);
    ck_assert_int_lt(hasty.took_us, 3 * USEC_PER_SEC);
    ck_assert_int_eq(job_status(client, &patient.id, 200, &r), JOB_E_DATABASE_AWAY);
    site_servers_run(postgres, "start");
    site_await(s, 30, "SELECT true");
    record(s, &patient.id, true);
    join(&patient);
    ck_assert_msg(patient.error == 0, "%s", patient.why);
    close_client(client);
    site_free(s);
    site_servers_free(postgres);
}
END_TEST

/* The kernel answers for it, so nothing on the way says that it hangs. */
START_TEST(server_that_hangs_holds_nobody_up)
{
    struct site *s = new_site();
    struct job_client *client = open_client(s);
    struct waiting w = { .client = client, .timeout_ms = SECOND_MS };
    struct job_result *r;
    job_id_new(&w.id);
    ck_assert_int_eq(job_result_wait(client, &w.id, 0, &r), JOB_E_NOT_ENDED);
    pid_t backend =
        (pid_t)site_ask(s, "SELECT pid FROM pg_stat_activity WHERE application_name = 'libjob' AND"
                           " datname = current_database()");
    ck_assert_int_eq(kill(backend, SIGSTOP), 0);
    wait_for_result(&w);
    ck_assert_int_eq(w.error, JOB_E_NOT_ENDED);
    ck_assert_int_lt(w.took_us, 3 * USEC_PER_SEC);
    ck_assert_int_eq(job_status(client, &w.id, 200, &r), JOB_E_DATABASE_AWAY);
    close_client(client);
    kill(backend, SIGCONT);
    site_free(s);
}
END_TEST

/* --- How jobs stand, and who may see it ---------------------------------------------------------------------------------------- */

static void check_state(struct job_client *client, const char *text, enum job_state state)
{
    struct job_id id;
    struct job_result *r;
    ck_assert_int_eq(job_id_parse(text, &id), 0);
    int failed = job_status(client, &id, 0, &r);
    ck_assert_msg(failed == 0, "%s: %s", text, job_client_error(client));
    ck_assert_msg(r->state == state, "%s: %s", text, job_state_name(r->state));
    ck_assert_str_eq(r->queue, "mail");
    job_result_free(r);
}

START_TEST(status_tells_how_each_job_stands)
{
    struct site *s = new_site();
    struct job_client *client = open_client(s);
    struct job_id id;
    struct job_result *r;
    char *later = site_ask_text(s, "SELECT job.enqueue('mail', 'welcome', run_at => now() + interval '1 h')");
    char *queued = site_ask_text(s, "SELECT job.enqueue('mail', 'welcome')");
    char *again = site_ask_text(s, "SELECT job.enqueue('mail', 'welcome')");
    site_sql(s, "UPDATE job.pending SET reason = 'retry', attempt = 2, delivery = 2 WHERE id = '%s'", again);
    site_add_worker(s, "w1", 1);
    char *running = site_ask_text(s, "SELECT id FROM job.lease");
    check_state(client, later, JOB_STATE_SCHEDULED);
    check_state(client, queued, JOB_STATE_QUEUED);
    check_state(client, again, JOB_STATE_RETRYING);
    check_state(client, running, JOB_STATE_RUNNING);
    ck_assert_int_eq(job_id_parse(queued, &id), 0);
    record(s, &id, false);
    check_state(client, queued, JOB_STATE_SUCCEEDED);
    job_id_new(&id);
    ck_assert_int_eq(job_status(client, &id, 0, &r), JOB_E_NOT_FOUND);
    free(later);
    free(queued);
    free(again);
    free(running);
    close_client(client);
    site_free(s);
}
END_TEST

START_TEST(role_may_wait_and_see_nothing_else)
{
    struct site *s = new_site();
    struct job_client *client;
    struct job_result *r;
    struct job_id id;
    char role[64], url[512];
    snprintf(role, sizeof(role), "waiter_%s", site_prefix(s));
    for (char *c = role; *c; c++)
        *c = *c == '-' ? '_' : *c;
    site_sql(s, "CREATE ROLE %s LOGIN", role);
    snprintf(url, sizeof(url), "postgresql://%s%s", role, strchr(site_database_url(s), '@'));
    job_id_new(&id);
    record(s, &id, false);
    ck_assert_int_eq(job_client_open(&client, &(struct job_client_options){ .brokers = site_kafka(s),
                                                                            .database_url = url }),
                     0);
    ck_assert_int_eq(job_status(client, &id, 2000, &r),
                     JOB_E_DATABASE_AWAY); /* no USAGE: nothing can be prepared */
    ck_assert_msg(strstr(job_client_error(client), "permission denied"), "%s", job_client_error(client));
    site_sql(s, "GRANT USAGE ON SCHEMA job TO %s", role);
    ck_assert_int_eq(job_result_wait(client, &id, -1, &r), JOB_E_DATABASE_REFUSED);
    ck_assert_ptr_nonnull(strstr(job_client_error(client), "42501"));
    ck_assert_int_eq(site_jobctl(s, NULL, (const char *[]){ "db", "grant", role, "wait", NULL }), 0);
    ck_assert_int_eq(job_result_wait(client, &id, -1, &r), 0);
    job_result_free(r);
    check_state(client, text_of(&id), JOB_STATE_SUCCEEDED);
    close_client(client);
    site_sql(s, "DROP OWNED BY %s; DROP ROLE %s", role, role);
    site_free(s);
}
END_TEST

START_TEST(client_that_does_not_know_where_says_so)
{
    struct job_client *client;
    struct job_result *r;
    struct job_id id;
    job_id_new(&id);
    unsetenv("JOB_DATABASE_URL");
    ck_assert_int_eq(
        job_client_open(&client, &(struct job_client_options){ .database_url = "postgresql://[" }),
        JOB_E_INVALID_CONFIG);
    ck_assert_ptr_nonnull(strstr(job_client_error(NULL), "database_url"));
    ck_assert_int_eq(job_client_open(&client, NULL), 0);
    ck_assert_int_eq(job_result_wait(client, &id, -1, &r), JOB_E_INVALID_CONFIG);
    ck_assert_int_eq(job_status(client, &id, 0, &r), JOB_E_INVALID_CONFIG);
    ck_assert_int_eq(job_result_watch(client, &id, -1, count_end, n_ended), JOB_E_INVALID_CONFIG);
    close_client(client);
}
END_TEST

START_TEST(missing_schema_is_said)
{
    struct site *s = site_new(&(struct site_options){ .no_schema = true });
    struct job_client *client = open_client(s);
    struct job_result *r;
    struct job_id id;
    job_id_new(&id);
    ck_assert_int_eq(job_result_wait(client, &id, 1000, &r), JOB_E_DATABASE_AWAY);
    ck_assert_msg(strstr(job_client_error(client), "jobctl db migrate"), "%s", job_client_error(client));
    close_client(client);
    site_free(s);
}
END_TEST

START_TEST(death_is_told_only_where_somebody_waits)
{
    struct site *s = new_site();
    char told[64] = "";
    struct err err;
    ck_assert_int_eq(db_execute(site_db(s), "LISTEN job_result", &err), 0);
    char *awaited = site_ask_text(s, "SELECT job.new_id()");
    site_sql(
        s,
        "INSERT INTO job.dead (id, died_at, delivery, attempt, queue, reason, headers) VALUES"
        " (job.new_id(), now(), 1, 1, 'mail', 'crashed', '{}'), ('%s', now(), 1, 1, 'mail', 'crashed', '{\"ce_reply\": \"1\"}')",
        awaited);
    ck_assert_int_eq(db_wait(site_db(s), -1, 5 * USEC_PER_SEC, told, sizeof(told)), DB_NOTIFIED);
    ck_assert_str_eq(told, awaited);
    ck_assert_int_eq(db_wait(site_db(s), -1, 0, told, sizeof(told)), DB_TIMED_OUT);
    free(awaited);
    site_free(s);
}
END_TEST

SUITE_MAIN("results", two_thousand_threads_wait_over_one_connection, result_has_what_is_recorded,
           who_waits_is_told_at_once, end_that_nobody_tells_is_found, time_that_is_over_is_said,
           ten_thousand_watches_need_no_threads, callback_may_watch_and_not_wait,
           closing_ends_what_is_watched, end_during_a_lost_connection_is_found, outage_is_waited_out_and_said,
           server_that_hangs_holds_nobody_up, status_tells_how_each_job_stands,
           role_may_wait_and_see_nothing_else, client_that_does_not_know_where_says_so,
           missing_schema_is_said, death_is_told_only_where_somebody_waits)
