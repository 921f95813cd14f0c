/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that are enqueued in an application's own transaction: there if, and only if, that commits. */
#define SUITE_TIMEOUT_S 90
#include "tests/support/suite.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "libjob/include/job.h"
#include "tests/support/harness.h"
#include "tests/support/pgbouncer.h"

#define MAIL "{ name = \"mail\"; partitions = 2; }"
#define DIGITS "0123456789"

static struct site *new_site(void)
{
    struct site *s = site_new(&(struct site_options){ .queues = MAIL });
    site_sql(s, "CREATE TABLE public.orders (n integer)");
    return s;
}

static PGconn *connect_to(const char *url)
{
    PGconn *pg = PQconnectdb(url);
    ck_assert_msg(PQstatus(pg) == CONNECTION_OK, "%s", PQerrorMessage(pg));
    return pg;
}

static void run(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s: %s", sql, PQerrorMessage(pg));
    PQclear(result);
}

static const struct job_spec welcome = { .type = "welcome", .queue = "mail", .payload = "{\"to\":\"ada\"}" };

static void enqueue(PGconn *pg, const struct job_spec *spec)
{
    int r = job_enqueue_tx(pg, spec, NULL);
    ck_assert_msg(r == 0, "%s: %s", job_strerror(r), job_client_error(NULL));
}

static int64_t count_pending(struct site *s)
{
    return site_ask(s, "SELECT count(*) FROM job.pending");
}

/* --- It is what the transaction is ------------------------------------------------------------------------------------ */

START_TEST(job_is_there_when_the_transaction_has_committed_and_not_before)
{
    struct site *s = new_site();
    PGconn *pg = connect_to(site_database_url(s));
    struct job_id id;
    char text[JOB_ID_TEXT_SIZE];
    site_start_broker(s);
    run(pg, "BEGIN");
    run(pg, "INSERT INTO orders VALUES (1)");
    ck_assert_int_eq(job_enqueue_tx(pg, &welcome, &id), 0);
    ck_assert_int_eq(count_pending(s), 0);
    ck_assert_int_eq(PQtransactionStatus(pg), PQTRANS_INTRANS);
    run(pg, "COMMIT");
    struct site_records *r = site_await_records(s, "mail", 1, 10);
    const struct site_record *job = site_find_record(r, job_id_format(&id, text));
    ck_assert_ptr_nonnull(job);
    ck_assert_str_eq(job->value, "{\"to\":\"ada\"}"); /* byte for byte */
    ck_assert_str_eq(site_header(job, "ce_type"), "welcome");
    ck_assert_str_eq(site_header(job, "ce_delivery"), "1");
    ck_assert_ptr_nonnull(site_header(job, "ce_time"));
    site_records_free(r);
    PQfinish(pg);
    site_free(s);
}
END_TEST

START_TEST(job_goes_with_what_is_rolled_back)
{
    struct site *s = new_site();
    PGconn *pg = connect_to(site_database_url(s));
    run(pg, "BEGIN");
    enqueue(pg, &welcome);
    run(pg, "ROLLBACK");
    ck_assert_int_eq(count_pending(s), 0);
    run(pg, "BEGIN");
    enqueue(pg, &welcome);
    run(pg, "SAVEPOINT a");
    enqueue(pg, &welcome);
    enqueue(pg, &welcome);
    run(pg, "ROLLBACK TO a");
    run(pg, "COMMIT");
    ck_assert_int_eq(count_pending(s), 1);
    run(pg, "BEGIN");
    enqueue(pg, &welcome);
    PQclear(PQexec(pg, "SELECT 1 / 0"));
    run(pg, "COMMIT"); /* which rolls back */
    ck_assert_int_eq(count_pending(s), 1);
    enqueue(pg, &welcome); /* without a transaction it is one of its own */
    ck_assert_int_eq(count_pending(s), 2);
    PQfinish(pg);
    site_free(s);
}
END_TEST

enum step {
    AFTER_BEGIN,
    AFTER_INSERT,
    AFTER_ENQUEUE,
    AFTER_SECOND,
    AFTER_COMMIT_SENT,
    AFTER_COMMIT,
    N_STEPS
};

/* The application's process, until it dies: @end is told when a step is done, and does not return at the last one. */
static void transact(PGconn *pg, int n, void (*end)(PGconn *pg, enum step at, enum step last), enum step last)
{
    char sql[64];
    run(pg, "BEGIN");
    end(pg, AFTER_BEGIN, last);
    snprintf(sql, sizeof(sql), "INSERT INTO orders VALUES (%d)", n);
    run(pg, sql);
    end(pg, AFTER_INSERT, last);
    enqueue(pg, &welcome);
    end(pg, AFTER_ENQUEUE, last);
    enqueue(pg, &welcome);
    end(pg, AFTER_SECOND, last);
    ck_assert_int_eq(PQsendQuery(pg, "COMMIT"), 1);
    PQflush(pg);
    end(pg, AFTER_COMMIT_SENT, last);
    for (PGresult *result; (result = PQgetResult(pg));)
        PQclear(result);
    end(pg, AFTER_COMMIT, last);
}

static void die(PGconn *pg, enum step at, enum step last)
{
    (void)pg;
    if (at == last)
        raise(SIGKILL);
}

static void await_no_sessions(struct site *s)
{
    site_await(
        s, 10,
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'shop' AND datname = current_database()");
}

static void check_both_or_none(struct site *s, enum step last)
{
    int64_t orders = site_ask(s, "SELECT count(*) FROM public.orders");
    ck_assert_int_eq(count_pending(s), 2 * orders);
    if (last != AFTER_COMMIT_SENT)
        ck_assert_int_eq(orders, last == AFTER_COMMIT);
    site_sql(s, "DELETE FROM public.orders; DELETE FROM job.pending");
}

START_TEST(job_shares_the_fate_of_an_application_that_is_killed_at_any_step)
{
    struct site *s = new_site();
    for (int i = 0; i < 3 * N_STEPS; i++) {
        enum step last = (enum step)(i % N_STEPS);
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            setenv("PGAPPNAME", "shop", 1);
            transact(connect_to(site_database_url(s)), i, die, last);
            _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        await_no_sessions(s);
        check_both_or_none(s, last);
    }
    site_free(s);
}
END_TEST

static struct site *cut_site;
static jmp_buf *cut_back;

/* The server's end of the connection goes away; whatever the application does next fails. */
static void cut(PGconn *pg, enum step at, enum step last)
{
    if (at != last)
        return;
    site_ask(cut_site, "SELECT pg_terminate_backend(%d)", PQbackendPID(pg));
    await_no_sessions(cut_site);
    if (at < AFTER_COMMIT_SENT) {
        ck_assert_int_eq(job_enqueue_tx(pg, &welcome, NULL), JOB_E_DATABASE_AWAY);
        ck_assert_int_eq(job_enqueue_tx(pg, &welcome, NULL), JOB_E_DATABASE_AWAY); /* and it says so again */
    }
    PQfinish(pg);
    longjmp(*cut_back, 1);
}

START_TEST(job_shares_the_fate_of_a_connection_that_is_cut_at_any_step)
{
    jmp_buf back;
    cut_site = new_site();
    cut_back = &back;
    setenv("PGAPPNAME", "shop", 1);
    for (volatile int i = 0; i < N_STEPS; i++) {
        if (setjmp(back) == 0)
            transact(connect_to(site_database_url(cut_site)), i, cut, (enum step)i);
        check_both_or_none(cut_site, (enum step)i);
    }
    site_free(cut_site);
}
END_TEST

static struct site_servers *killed_server;

/* The whole server goes away, in a moment; what it has committed is there when it comes back. */
static void kill_server(PGconn *pg, enum step at, enum step last)
{
    if (at != last)
        return;
    site_servers_run(killed_server, "kill");
    if (at < AFTER_COMMIT_SENT)
        ck_assert_int_eq(job_enqueue_tx(pg, &welcome, NULL), JOB_E_DATABASE_AWAY);
    PQfinish(pg);
    site_servers_run(killed_server, "start");
    site_await(cut_site, 20, "SELECT true");
    longjmp(*cut_back, 1);
}

START_TEST(job_shares_the_fate_of_a_server_that_is_killed_at_any_step)
{
    jmp_buf back;
    killed_server = site_servers_start("postgres");
    cut_site = new_site();
    cut_back = &back;
    for (volatile int i = 0; i < N_STEPS; i++) {
        if (setjmp(back) == 0)
            transact(connect_to(site_database_url(cut_site)), i, kill_server, (enum step)i);
        check_both_or_none(cut_site, (enum step)i);
    }
    site_free(cut_site);
    site_servers_free(killed_server);
}
END_TEST

/* PREPARE TRANSACTION with the simple or the extended protocol, alone or behind another statement. */
static void prepare(PGconn *pg, int how, const char *name)
{
    char sql[160];
    snprintf(sql, sizeof(sql), "%s TRANSACTION '%s'", how == 2 ? "SELECT 1; prepare" : "PREPARE", name);
    PGresult *result = how == 1 ? PQexecParams(pg, sql, 0, NULL, NULL, NULL, NULL, 0) : PQexec(pg, sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", sql, PQerrorMessage(pg));
    PQclear(result);
}

START_TEST(job_of_a_prepared_transaction_appears_when_that_is_committed)
{
    struct site *s = new_site();
    PGconn *pg = connect_to(site_database_url(s));
    struct job_id id;
    char text[JOB_ID_TEXT_SIZE];
    char *database = site_ask_text(s, "SELECT current_database()::text"), name[128], sql[160];
    site_start_broker(s);
    for (int how = 0; how < 3; how++) {
        site_await(s, 35, "SELECT asleep AND wake_at > clock_timestamp() FROM job.relay");
        for (int commit = 0; commit < 2; commit++) {
            snprintf(name, sizeof(name), "%s %d %d", database, how, commit);
            run(pg, "BEGIN");
            ck_assert_int_eq(job_enqueue_tx(pg, &welcome, &id), 0);
            prepare(pg, how, name);
            ck_assert(!site_ask(s, "SELECT EXISTS (SELECT FROM job.pending WHERE id = '%s')",
                                job_id_format(&id, text)));
            snprintf(sql, sizeof(sql), "%s PREPARED '%s'", commit ? "COMMIT" : "ROLLBACK", name);
            run(pg, sql);
        }
    }
    site_records_free(site_await_records(s, "mail", 3, 35));
    site_await(s, 5, "SELECT count(*) = 0 FROM job.pending");
    free(database);
    PQfinish(pg);
    site_free(s);
}
END_TEST

/* --- What it takes, and what it refuses ---------------------------------------------------------------------------------- */

START_TEST(everything_of_the_spec_arrives)
{
    struct site *s =
        site_new(&(struct site_options){ .queues = "{ name = \"mail\"; partitions = 2; lanes = true; }" });
    PGconn *pg = connect_to(site_database_url(s));
    struct job_id id, parent;
    char text[JOB_ID_TEXT_SIZE], parent_text[JOB_ID_TEXT_SIZE];
    const struct job_header headers[] = {
        { "x-mine", "ä" }, { "x-twice", "1" }, { "x-twice", "2" }, { "x-none", NULL }
    };
    job_id_new(&id);
    job_id_new(&parent);
    PQsetClientEncoding(pg, "LATIN1"); /* the caller's own business */
    enqueue(pg, &(struct job_spec){ .type = "welcome",
                                    .queue = "mail",
                                    .payload = "\0\xff" DIGITS,
                                    .payload_size = 12,
                                    .content_type = "application/octet-stream",
                                    .key = "k\0y",
                                    .key_size = 3,
                                    .id = &id,
                                    .max_attempts = 3,
                                    .timeout_ms = 90000,
                                    .expires_ms = 3600000,
                                    .tags = "a,b",
                                    .parent = &parent,
                                    .reply = 1,
                                    .traceparent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
                                    .headers = headers,
                                    .n_headers = 4,
                                    .priority = JOB_PRIORITY_HIGH });
    ck_assert(site_ask(
        s,
        "SELECT (headers ->> 'ce_expires')::timestamptz BETWEEN now() + interval '59 min' AND now() + interval '61 min'"
        " FROM job.pending"));
    site_start_broker(s);
    struct site_records *r = site_await_records(s, "mail.high", 1, 10);
    const struct site_record *job = site_find_record(r, job_id_format(&id, text));
    ck_assert_ptr_nonnull(job);
    ck_assert_mem_eq(job->value, "\0\xff" DIGITS, 12);
    ck_assert_mem_eq(job->key, "k\0y", 3);
    ck_assert_str_eq(site_header(job, "content-type"), "application/octet-stream");
    ck_assert_str_eq(site_header(job, "ce_maxattempts"), "3");
    ck_assert_str_eq(site_header(job, "ce_timeoutms"), "90000");
    ck_assert_str_eq(site_header(job, "ce_tags"), "a,b");
    ck_assert_str_eq(site_header(job, "ce_reply"), "1");
    ck_assert_str_eq(site_header(job, "ce_parent"), job_id_format(&parent, parent_text));
    ck_assert_str_eq(site_header(job, "traceparent"),
                     "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01");
    ck_assert_str_eq(site_header(job, "x-mine"), "ä");
    ck_assert_ptr_nonnull(strstr(job->headers, "x-twice=1\nx-twice=2\n"));
    ck_assert_ptr_nonnull(strstr(job->headers, "x-none="));
    site_records_free(r);
    PQfinish(pg);
    site_free(s);
}
END_TEST

START_TEST(what_libjob_refuses_leaves_the_transaction_as_it_was)
{
    struct site *s = new_site();
    PGconn *pg = connect_to(site_database_url(s));
    struct job_id bad = { { 0 } };
    const struct {
        struct job_spec spec;
        int error;
    } cases[] = {
        { { .type = "welcome", .queue = "no_queue" }, JOB_E_INVALID_QUEUE },
        { { .type = "1", .queue = "mail" }, JOB_E_INVALID_TYPE },
        { { .queue = "mail" }, JOB_E_INVALID_TYPE },
        { { .type = "welcome", .payload = "{" }, JOB_E_INVALID_JSON },
        { { .type = "welcome", .id = &bad }, JOB_E_INVALID_ID },
        { { .type = "welcome", .max_attempts = 1001 }, JOB_E_INVALID_OPTION },
        { { .type = "welcome", .headers = &(struct job_header){ "ce_id", "" }, .n_headers = 1 },
          JOB_E_INVALID_HEADER },
        { { .type = "welcome", .payload = cases, .payload_size = JOB_MAX_MESSAGE_SIZE }, JOB_E_TOO_LARGE },
    };
    run(pg, "BEGIN");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        ck_assert_int_eq(job_enqueue_tx(pg, &cases[i].spec, NULL), cases[i].error);
    enqueue(pg, &welcome);
    run(pg, "COMMIT");
    ck_assert_int_eq(count_pending(s), 1);
    PQfinish(pg);
    site_free(s);
}
END_TEST

START_TEST(connection_that_is_busy_or_failed_is_not_touched)
{
    struct site *s = new_site();
    PGconn *pg = connect_to(site_database_url(s));
    ck_assert_int_eq(job_enqueue_tx(NULL, &welcome, NULL), JOB_E_DATABASE_AWAY);
    ck_assert_int_eq(PQsendQuery(pg, "SELECT 42"), 1);
    ck_assert_int_eq(job_enqueue_tx(pg, &welcome, NULL), JOB_E_CONNECTION_BUSY);
    PGresult *result = PQgetResult(pg);
    ck_assert_str_eq(PQgetvalue(result, 0, 0), "42"); /* the answer was not taken away */
    PQclear(result);
    ck_assert_ptr_null(PQgetResult(pg));
    ck_assert_int_eq(PQenterPipelineMode(pg), 1);
    ck_assert_int_eq(job_enqueue_tx(pg, &welcome, NULL), JOB_E_CONNECTION_BUSY);
    ck_assert_int_eq(PQexitPipelineMode(pg), 1);
    run(pg, "BEGIN");
    PQclear(PQexec(pg, "SELECT 1 / 0"));
    ck_assert_int_eq(job_enqueue_tx(pg, &welcome, NULL), JOB_E_TRANSACTION_FAILED);
    run(pg, "ROLLBACK");
    run(pg, "BEGIN READ ONLY");
    ck_assert_int_eq(job_enqueue_tx(pg, &welcome, NULL), JOB_E_DATABASE_REFUSED);
    ck_assert_ptr_nonnull(strstr(job_client_error(NULL), "25006"));
    run(pg, "ROLLBACK");
    enqueue(pg, &welcome);
    ck_assert_int_eq(count_pending(s), 1);
    PQfinish(pg);
    site_free(s);
}
END_TEST

START_TEST(repeating_with_the_same_id_changes_nothing)
{
    struct site *s = new_site();
    PGconn *pg = connect_to(site_database_url(s));
    struct job_id id;
    struct job_spec spec = welcome;
    job_id_new(&id);
    spec.id = &id;
    enqueue(pg, &spec);
    spec.payload = "{\"to\":\"eve\"}";
    enqueue(pg, &spec);
    ck_assert(site_ask(
        s,
        "SELECT count(*) = 1 AND min(convert_from(payload, 'UTF8')) = '{\"to\":\"ada\"}' FROM job.pending"));
    PQfinish(pg);
    site_free(s);
}
END_TEST

START_TEST(each_wrong_argument_of_the_sql_function_has_its_sqlstate)
{
    static const struct {
        const char *arguments, *sqlstate;
    } cases[] = {
        { "NULL, 'welcome'", "JB103" },
        { "'', 'welcome'", "JB103" },
        { "'Mail', 'welcome'", "JB103" },
        { "repeat('q', 64), 'welcome'", "JB103" },
        { "E'mail\\n', 'welcome'", "JB103" },
        { "'later', 'welcome'", "JB103" },
        { "'dead', 'welcome'", "JB103" },
        { "'mail', NULL", "JB104" },
        { "'mail', ''", "JB104" },
        { "'mail', '1welcome'", "JB104" },
        { "'mail', repeat('t', 129)", "JB104" },
        { "'mail', 'wel/come'", "JB104" },
        { "'mail', 'welcome', to_jsonb(repeat('x', 1048576))", "JB102" },
        { "'mail', 'welcome', key => repeat('x', 1048576)", "JB102" },
        { "'mail', 'welcome', tags => ARRAY[repeat('x', 1048576)]", "JB102" },
        { "'mail', 'welcome', id => '00000000-0000-0000-0000-000000000000'", "JB106" },
        { "'mail', 'welcome', id => gen_random_uuid()", "JB106" },
        { "'mail', 'welcome', id => job.first_id_after(now() + interval '2 h')", "JB106" },
        { "'mail', 'welcome', id => overlay(job.first_id_after(now() + interval '2 h')::text PLACING '7' FROM 15)::uuid",
          "JB106" },
        { "'mail', 'welcome', run_at => 'infinity'", "JB107" },
        { "'mail', 'welcome', run_at => '-infinity'", "JB107" },
        { "'mail', 'welcome', run_at => now() + interval '1001 years'", "JB107" },
        { "'mail', 'welcome', expires => now() - interval '1 s'", "JB107" },
        { "'mail', 'welcome', expires => 'infinity'", "JB107" },
        { "'mail', 'welcome', expires => now() + interval '1 h', run_at => now() + interval '2 h'", "JB107" },
        { "'mail', 'welcome', max_attempts => 0", "JB107" },
        { "'mail', 'welcome', max_attempts => 1001", "JB107" },
        { "'mail', 'welcome', timeout => '0'", "JB107" },
        { "'mail', 'welcome', timeout => '-1 s'", "JB107" },
        { "'mail', 'welcome', timeout => '31 days'", "JB107" },
        { "'mail', 'welcome', tags => '{a,NULL}'", "JB107" },
        { "'mail', 'welcome', tags => '{\"\"}'", "JB107" },
        { "'mail', 'welcome', tags => '{\"a,b\"}'", "JB107" },
        { "'mail', 'welcome', priority => 'urgent'", "JB107" },
        { "'mail', 'welcome', unique_for => '1 h'", "JB107" },
        { "'mail', 'welcome', debounce => true", "JB107" },
        { "'mail', 'welcome', unique_key => ''", "JB107" },
        { "'mail', 'welcome', unique_key => repeat('k', 513)", "JB107" },
        { "'mail', 'welcome', unique_key => 'k', unique_for => '11 years'", "JB107" },
        { "'mail', 'welcome', headers => '[]'", "JB108" },
        { "'mail', 'welcome', headers => 'null'", "JB108" },
        { "'mail', 'welcome', headers => '{\"a\": 1}'", "JB108" },
        { "'mail', 'welcome', headers => '{\"a\": null}'", "JB108" },
        { "'mail', 'welcome', headers => '{\"\": \"\"}'", "JB108" },
        { "'mail', 'welcome', headers => '{\"Ce_Id\": \"1\"}'", "JB108" },
        { "'mail', 'welcome', headers => (SELECT jsonb_object_agg('h' || n, '') FROM generate_series(1, 41) AS n)",
          "JB108" },
        { "'mail', 'welcome', headers => jsonb_build_object('h', repeat('x', 65536))", "JB108" },
    };
    struct site *s = new_site();
    PGconn *pg = connect_to(site_database_url(s));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char sql[512];
        snprintf(sql, sizeof(sql), "SELECT job.enqueue(%s)", cases[i].arguments);
        PGresult *result = PQexec(pg, sql);
        const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        ck_assert_msg(sqlstate && strcmp(sqlstate, cases[i].sqlstate) == 0, "%s: %s", sql,
                      PQresultErrorMessage(result));
        PQclear(result);
    }
    ck_assert_int_eq(count_pending(s), 0);
    run(pg,
        "SELECT job.enqueue('mail', 'welcome', key => '', tags => '{}', headers => '{}', timeout => '30 days', max_attempts => 1000,"
        " run_at => '1970-01-01', expires => now() + interval '99 years')");
    run(pg, "SELECT job.enqueue(repeat('q', 63), repeat('t', 128), to_jsonb(repeat('x', 1048576 - 1400)))");
    run(pg, "SELECT job.enqueue('mail', 'welcome', NULL)");
    ck_assert_int_eq(count_pending(s), 3);
    PQfinish(pg);
    site_free(s);
}
END_TEST

START_TEST(delay_counts_from_the_enqueueing)
{
    struct site *s = new_site();
    PGconn *pg = connect_to(site_database_url(s));
    struct job_spec later = welcome, at = welcome, past = welcome;
    later.delay_ms = 3600 * 1000;
    at.run_at_ms = INT64_C(2051222400000); /* 2035-01-01 */
    past.run_at_ms = 1;
    later.type = "later";
    at.type = "at";
    past.type = "past";
    enqueue(pg, &later);
    enqueue(pg, &at);
    enqueue(pg, &past);
    ck_assert(site_ask(
        s,
        "SELECT run_at BETWEEN now() + interval '59 min' AND now() + interval '61 min' AND reason = 'delay'"
        " FROM job.pending WHERE type = 'later'"));
    ck_assert(site_ask(s, "SELECT run_at = '2035-01-01 00:00:00Z' FROM job.pending WHERE type = 'at'"));
    ck_assert(site_ask(s, "SELECT run_at BETWEEN now() - interval '1 min' AND now() AND reason = 'outbox'"
                          " FROM job.pending WHERE type = 'past'"));
    PQfinish(pg);
    site_free(s);
}
END_TEST

START_TEST(second_job_of_a_unique_key_is_a_duplicate)
{
    struct site *s = new_site();
    PGconn *pg = connect_to(site_database_url(s));
    struct job_spec spec = welcome;
    struct job_id first, second;
    char text[JOB_ID_TEXT_SIZE], other[JOB_ID_TEXT_SIZE];
    spec.unique_key = "kä";
    PQsetClientEncoding(pg, "LATIN1");
    run(pg, "BEGIN");
    enqueue(pg, &spec);
    run(pg, "ROLLBACK"); /* the key goes with it */
    ck_assert_int_eq(job_enqueue_tx(pg, &spec, &first), 0);
    ck_assert_int_eq(job_enqueue_tx(pg, &spec, &second), 0);
    ck_assert_int_eq(count_pending(s), 1);
    job_id_format(&first, other);
    ck_assert(site_ask(
        s, "SELECT state = 'duplicate' AND result ->> 'duplicate_of' = '%s' FROM job.result WHERE id = '%s'",
        other, job_id_format(&second, text)));
    site_sql(
        s,
        "SELECT job.enqueue('mail', 'welcome', '{\"n\": 2}', unique_key => 'kä', debounce => true, tags => '{new}')");
    ck_assert(site_ask(
        s,
        "SELECT count(*) = 1 AND min(convert_from(payload, 'UTF8')) = '{\"n\": 2}' AND min(headers ->> 'ce_tags') = 'new'"
        " AND min(id::text) = '%s' FROM job.pending",
        other));
    site_sql(
        s,
        "SELECT job.enqueue('mail', 'welcome', unique_key => 'other', unique_for => '1 h', priority => 'low')");
    ck_assert_int_eq(count_pending(s), 2);
    ck_assert(site_ask(s, "SELECT until > now() + interval '59 min' FROM job.unique WHERE key = 'other'"));
    PQfinish(pg);
    site_free(s);
}
END_TEST

struct rival {
    char url[512];
    atomic_bool done;
};

static void *enqueue_the_same(void *userdata)
{
    struct rival *rival = userdata;
    PGconn *pg = connect_to(rival->url);
    run(pg, "SELECT job.enqueue('mail', 'welcome', unique_key => 'k')");
    atomic_store(&rival->done, true);
    PQfinish(pg);
    return NULL;
}

START_TEST(unique_key_of_an_open_transaction_is_waited_for)
{
    struct site *s = new_site();
    PGconn *pg = connect_to(site_database_url(s));
    for (int i = 0; i < 2; i++) {
        struct rival rival = { .done = false };
        pthread_t thread;
        snprintf(rival.url, sizeof(rival.url), "%s", site_database_url(s));
        run(pg, "BEGIN");
        run(pg, "SELECT job.enqueue('mail', 'welcome', unique_key => 'k')");
        ck_assert_int_eq(pthread_create(&thread, NULL, enqueue_the_same, &rival), 0);
        site_await(
            s, 10,
            "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()");
        ck_assert(!atomic_load(&rival.done));
        run(pg, i == 0 ? "ROLLBACK" : "COMMIT");
        pthread_join(thread, NULL);
        ck_assert_int_eq(count_pending(s), 1);
        ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM job.result WHERE state = 'duplicate'"), i);
        if (i == 0)
            site_sql(s, "DELETE FROM job.pending; DELETE FROM job.unique");
    }
    PQfinish(pg);
    site_free(s);
}
END_TEST

/* --- Who may, and from where ---------------------------------------------------------------------------------------------- */

static void check_denied(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    ck_assert_msg(sqlstate && strcmp(sqlstate, "42501") == 0, "%s: %s", sql, PQresultErrorMessage(result));
    PQclear(result);
}

static void drop_role(struct site *s, const char *role)
{
    site_sql(s, "DROP OWNED BY %s; DROP ROLE %s", role, role);
}

/* Roles belong to the server, and so may be another test's: named after the site. */
static PGconn *connect_as_new_role(struct site *s, char role[64])
{
    char url[512];
    const char *rest = strchr(site_database_url(s), '@');
    snprintf(role, 64, "shop_%s", site_prefix(s));
    for (char *c = role; *c; c++)
        *c = *c == '-' ? '_' : *c;
    site_sql(s, "CREATE ROLE %s LOGIN", role);
    snprintf(url, sizeof(url), "postgresql://%s%s", role, rest);
    return connect_to(url);
}

START_TEST(role_may_enqueue_and_do_nothing_else)
{
    struct site *s = new_site();
    char role[64];
    PGconn *pg = connect_as_new_role(s, role);
    check_denied(pg, "SELECT job.enqueue('mail', 'welcome')");
    ck_assert_int_eq(site_jobctl(s, NULL, (const char *[]){ "db", "grant", role, "enqueue", NULL }), 0);
    site_start_broker(s);
    site_await(
        s, 10,
        "SELECT asleep AND wake_at > clock_timestamp() FROM job.relay"); /* so that the commit has to look */
    run(pg, "SELECT job.enqueue('mail', 'welcome', key => 'k')");
    run(pg, "SELECT job.enqueue('mail', 'welcome', unique_key => 'k')");
    enqueue(pg, &welcome);
    site_records_free(site_await_records(s, "mail", 3, 5));
    check_denied(pg, "SELECT * FROM job.pending");
    check_denied(pg, "DELETE FROM job.pending");
    check_denied(pg, "INSERT INTO job.pending (id, run_at, delivery, attempt, queue, type, reason, headers)"
                     " VALUES (job.new_id(), now(), 1, 1, 'mail', 'welcome', 'outbox', '{}')");
    check_denied(pg, "SELECT * FROM job.result");
    check_denied(pg, "SELECT * FROM job.results_of('{}')");
    check_denied(pg, "SELECT * FROM job.states_of('{}')");
    check_denied(pg, "UPDATE job.setting SET value = ''");
    check_denied(pg, "UPDATE job.relay SET asleep = false");
    check_denied(pg, "SELECT job.replay('{}')");
    check_denied(pg, "SELECT job.cancel_jobs('{}')");
    check_denied(pg, "CREATE TABLE job.mine (n integer)");
    ck_assert_int_eq(site_jobctl(s, NULL, (const char *[]){ "db", "revoke", role, "enqueue", NULL }), 0);
    check_denied(pg, "SELECT job.enqueue('mail', 'welcome')");
    ck_assert_int_eq(job_enqueue_tx(pg, &welcome, NULL), JOB_E_DATABASE_REFUSED);
    ck_assert_int_eq(site_jobctl(s, NULL, (const char *[]){ "db", "grant", role, "everything", NULL }), 1);
    ck_assert_int_eq(
        site_jobctl(s, NULL, (const char *[]){ "db", "grant", "nobody; DROP TABLE orders", "enqueue", NULL }),
        1);
    PQfinish(pg);
    drop_role(s, role);
    site_free(s);
}
END_TEST

/* The function runs with its owner's rights: nothing of the caller's may come between. */
START_TEST(caller_cannot_slip_functions_of_its_own_in)
{
    struct site *s = new_site();
    char role[64];
    PGconn *pg = connect_as_new_role(s, role);
    ck_assert_int_eq(site_jobctl(s, NULL, (const char *[]){ "db", "grant", role, "enqueue", NULL }), 0);
    run(pg, "CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS"
            " 'BEGIN RAISE EXCEPTION ''called as %'', current_user; END'");
    run(pg, "CREATE FUNCTION pg_temp.less(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS"
            " 'BEGIN RAISE EXCEPTION ''called as %'', current_user; END'");
    run(pg,
        "CREATE OPERATOR pg_temp.< (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = pg_temp.less)");
    run(pg, "SET search_path = pg_temp, pg_catalog");
    run(pg, "SELECT job.enqueue('mail', 'welcome')");
    run(pg, "SELECT job.enqueue('mail', 'welcome', run_at => now(), expires => now() + interval '1 h')");
    ck_assert_int_eq(count_pending(s), 2);
    PQfinish(pg);
    drop_role(s, role);
    site_free(s);
}
END_TEST

START_TEST(trigger_enqueues_for_every_row_that_stays)
{
    struct site *s = new_site();
    char role[64];
    PGconn *pg = connect_as_new_role(s, role);
    site_sql(
        s,
        "CREATE FUNCTION public.order_came() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM job.enqueue('mail', 'welcome', jsonb_build_object('order', NEW.n), key => NEW.n::text); RETURN NEW; END $$;"
        " CREATE TRIGGER order_came AFTER INSERT ON public.orders FOR EACH ROW EXECUTE FUNCTION public.order_came();"
        " GRANT INSERT, DELETE ON public.orders TO %s",
        role);
    ck_assert_int_eq(site_jobctl(s, NULL, (const char *[]){ "db", "grant", role, "enqueue", NULL }), 0);
    run(pg, "INSERT INTO orders SELECT generate_series(1, 10)");
    run(pg, "BEGIN; INSERT INTO orders VALUES (11); ROLLBACK");
    ck_assert(site_ask(s, "SELECT count(*) = 10 AND count(DISTINCT key) = 10 FROM job.pending"));
    PQfinish(pg);
    drop_role(s, role);
    site_free(s);
}
END_TEST

START_TEST(python_enqueues_in_its_transactions)
{
    struct site *s = new_site();
    char command[700], output[256] = "", id[37] = "";
    snprintf(command, sizeof(command), ENQUEUE_TX " '%s'", site_database_url(s));
    FILE *python = popen(command, "re");
    ck_assert_ptr_nonnull(python);
    ck_assert_int_eq(fscanf(python, "id %36s\n", id), 1);
    ck_assert_uint_gt(fread(output, 1, sizeof(output) - 1, python), 0);
    ck_assert_int_eq(pclose(python), 0);
    ck_assert_str_eq(output, "refused JB107\nrefused JB107\nrefused JB108\n");
    ck_assert_int_eq(count_pending(s), 1);
    ck_assert(site_ask(
        s,
        "SELECT convert_from(payload, 'UTF8')::jsonb = '{\"to\": \"ada\", \"name\": \"Žofie\"}'"
        " AND headers @> '{\"ce_tags\": \"a,b\", \"ce_timeoutms\": \"90000\", \"ce_maxattempts\": \"3\", \"x-mine\": \"ä\"}'"
        " FROM job.pending WHERE id = '%s'",
        id));
    site_free(s);
}
END_TEST

/* More clients than connections behind: every transaction may find itself on another one. */
START_TEST(pgbouncer_in_transaction_mode_changes_nothing)
{
    enum { N_CLIENTS = 6, N = 60 };
    struct site *s = new_site();
    PGconn *clients[N_CLIENTS];
    char url[512];
    pgbouncer_start(site_folder(s), site_database_url(s), url, sizeof(url));
    for (int i = 0; i < N_CLIENTS; i++)
        clients[i] = connect_to(url);
    for (int i = 0; i < N; i++) {
        PGconn *pg = clients[i % N_CLIENTS];
        run(pg, "BEGIN");
        if (i % 2)
            enqueue(pg, &welcome);
        else
            run(pg, "SELECT job.enqueue('mail', 'welcome', tags => '{a}')");
        run(pg, i % 3 == 0 ? "ROLLBACK" : "COMMIT");
    }
    ck_assert_int_eq(count_pending(s), N * 2 / 3);
    site_start_broker(s);
    site_records_free(site_await_records(s, "mail", N * 2 / 3, 10));
    site_await(s, 10, "SELECT asleep AND wake_at > clock_timestamp() FROM job.relay");
    enqueue(clients[0], &welcome); /* its NOTIFY goes through, too */
    site_records_free(site_await_records(s, "mail", N * 2 / 3 + 1, 5));
    for (int i = 0; i < N_CLIENTS; i++)
        PQfinish(clients[i]);
    site_free(s);
}
END_TEST

/* --- How soon -------------------------------------------------------------------------------------------------------------- */

/* Its snapshot is older than the relay's going to sleep; it would look by itself after 9 s or more. */
START_TEST(transaction_with_an_old_snapshot_wakes_the_relay)
{
    static const char *const levels[] = { "REPEATABLE READ", "SERIALIZABLE" };
    struct site *s = new_site();
    PGconn *pg = connect_to(site_database_url(s));
    site_sql(s, "UPDATE job.relay SET asleep = false");
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        char sql[64];
        snprintf(sql, sizeof(sql), "BEGIN ISOLATION LEVEL %s", levels[i]);
        run(pg, sql);
        run(pg, "SELECT count(*) FROM public.orders");
        if (i == 0)
            site_start_broker(s);
        /* and its early looks are over, too; it sets the flag again after 30 s at most */
        site_await(s, 35, "SELECT asleep AND wake_at < clock_timestamp() + interval '11.5 s' FROM job.relay");
        enqueue(pg, &welcome);
        run(pg, "COMMIT");
        site_records_free(site_await_records(s, "mail", i + 1, 5));
        site_sql(s, "UPDATE job.relay SET asleep = false");
    }
    PQfinish(pg);
    site_free(s);
}
END_TEST

struct stream {
    char url[512];
    atomic_bool stop;
};

/* So many jobs that the relay never sleeps. */
static void *keep_enqueueing(void *userdata)
{
    struct stream *stream = userdata;
    PGconn *pg = connect_to(stream->url);
    while (!atomic_load(&stream->stop))
        run(pg, "SELECT job.enqueue('mail', 'noise') FROM generate_series(1, 5)");
    PQfinish(pg);
    return NULL;
}

/* The row lies behind what a relay that is awake looks at: it has gone on, by 5 s and more. */
START_TEST(long_transaction_is_found_by_a_busy_relay)
{
    struct site *s = new_site();
    PGconn *pg = connect_to(site_database_url(s));
    struct stream stream = { .stop = false };
    pthread_t thread;
    snprintf(stream.url, sizeof(stream.url), "%s", site_database_url(s));
    site_start_broker(s);
    run(pg, "BEGIN");
    enqueue(pg, &welcome);
    run(pg, "SELECT pg_sleep(6.5)"); /* PostgreSQL waits, as a long transaction does */
    ck_assert_int_eq(pthread_create(&thread, NULL, keep_enqueueing, &stream), 0);
    site_await(s, 10, "SELECT NOT asleep FROM job.relay");
    int64_t began_us = clock_mono_us();
    run(pg, "COMMIT");
    site_await(s, 10, "SELECT NOT EXISTS (SELECT FROM job.pending WHERE type = 'welcome')");
    int64_t took_us = clock_mono_us() - began_us;
    atomic_store(&stream.stop, true);
    pthread_join(thread, NULL);
    ck_assert_int_lt(took_us, 2 * USEC_PER_SEC);
    PQfinish(pg);
    site_free(s);
}
END_TEST

SUITE_MAIN("transact", job_is_there_when_the_transaction_has_committed_and_not_before,
           job_goes_with_what_is_rolled_back,
           job_shares_the_fate_of_an_application_that_is_killed_at_any_step,
           job_shares_the_fate_of_a_connection_that_is_cut_at_any_step,
           job_shares_the_fate_of_a_server_that_is_killed_at_any_step,
           job_of_a_prepared_transaction_appears_when_that_is_committed, everything_of_the_spec_arrives,
           what_libjob_refuses_leaves_the_transaction_as_it_was,
           connection_that_is_busy_or_failed_is_not_touched, repeating_with_the_same_id_changes_nothing,
           each_wrong_argument_of_the_sql_function_has_its_sqlstate, delay_counts_from_the_enqueueing,
           second_job_of_a_unique_key_is_a_duplicate, unique_key_of_an_open_transaction_is_waited_for,
           role_may_enqueue_and_do_nothing_else, caller_cannot_slip_functions_of_its_own_in,
           trigger_enqueues_for_every_row_that_stays, python_enqueues_in_its_transactions,
           pgbouncer_in_transaction_mode_changes_nothing, transaction_with_an_old_snapshot_wakes_the_relay,
           long_transaction_is_found_by_a_busy_relay)
