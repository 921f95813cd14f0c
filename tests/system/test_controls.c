/* SPDX-License-Identifier: Apache-2.0 */
/* What people and policies may do to a job: cancel it wherever it is, never start it twice, fence it, show how far it is, leave no record. */
#define SUITE_TIMEOUT_S 120
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/harness.h"
#include "tests/support/harness_site.h"
#include "tests/support/suite.h"
#include "tests/support/trace.h"

static struct site *start_on(const char *worker, const char *policies)
{
    char handlers[512];
    snprintf(handlers, sizeof(handlers),
             "{ type = \"selftest.*\"; kind = \"module\"; path = \"${build}/jobs/selftest/selftest.so\"; "
             "queue = \"selftest\"; %s }",
             policies);
    struct site *site = site_new(&(struct site_options){
        .queues = "{ name = \"selftest\"; partitions = 4; }",
        .worker = worker,
        .handlers = handlers,
    });
    trace_start(site);
    site_start_broker(site);
    return site;
}

#define WORKER "queues = ( { name = \"selftest\"; } ); executors_max = 1; kill_grace = \"600ms\";"

static struct site *start_with(const char *policies)
{
    return start_on(WORKER, policies);
}

static struct site *start(void)
{
    return start_with("");
}

/* --- Cancel ---------------------------------------------------------------------------------------------------------------- */

/* Of the only started job, or of the last one that was started. Static memory. */
static const char *started_id(void)
{
    static char id[37];
    struct trace_event *events;
    size_t n = trace_events(&events);
    ck_assert_uint_gt(n, 0);
    snprintf(id, sizeof(id), "%s", events[n - 1].id);
    free(events);
    return id;
}

/* jobctl job cancel @id must exit with @status and say @action. */
static void cancel(struct site *site, const char *id, int status, const char *action)
{
    char *output, expected[128];
    const char *const arguments[] = { "job", "cancel", id, "-o", "csv", NULL };
    ck_assert_int_eq(site_jobctl(site, &output, arguments), status);
    snprintf(expected, sizeof(expected), "id,action\n%s,%s\n", id, action);
    ck_assert_str_eq(output, expected);
    free(output);
}

START_TEST(waiting_job_is_cancelled_at_once)
{
    struct site *site = start();
    char *id = site_ask_text(
        site, "SELECT job.enqueue('selftest', 'selftest.echo', run_at => now() + interval '1 hour')");
    cancel(site, id, 0, "cancelled");
    ck_assert(
        site_ask(site, "SELECT state = 'cancelled' AND reason IS NULL FROM job.result WHERE id = '%s'", id));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending") +
                         site_ask(site, "SELECT count(*) FROM job.cancel"),
                     0);
    cancel(site, id, 0, "cancelled");
    free(id);
    site_free(site);
}
END_TEST

START_TEST(job_that_waits_in_kafka_never_starts)
{
    struct site *site = start();
    trace_enqueue(site, "selftest.echo", 1, "{\"trace\": \"%s\"}");
    struct site_records *records = site_await_records(site, "selftest", 1, 20);
    char id[37];
    snprintf(id, sizeof(id), "%s", site_header(&records->records[0], "ce_id"));
    site_records_free(records);
    cancel(site, id, 0, "noted");
    site_start_worker(site);
    site_await(site, 20, "SELECT state = 'cancelled' AND started_at IS NULL FROM job.result WHERE id = '%s'",
               id);
    ck_assert_uint_eq(trace_read().n_starts, 0);
    ck_assert_int_eq(site_ask(site, "SELECT job.forget_cancels()"), 1);
    site_free(site);
}
END_TEST

START_TEST(running_job_is_asked_to_stop)
{
    struct site *site = start();
    site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 60000, \"trace\": \"%s\"}");
    site_await(site, 20, "SELECT count(*) = 1 FROM job.lease");
    cancel(site, started_id(), 0, "stopping");
    site_await(
        site, 10,
        "SELECT state = 'cancelled' AND error LIKE 'cancelled while it ran; it said: asked to stop%%' FROM "
        "job.result");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease") +
                         site_ask(site, "SELECT count(*) FROM job.pending"),
                     0);
    site_free(site);
}
END_TEST

START_TEST(stubborn_job_is_killed)
{
    struct site *site = start();
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 60000, \"stubborn\": true, \"trace\": \"%s\"}");
    trace_await_starts(1);
    cancel(site, started_id(), 0, site_ask(site, "SELECT count(*) FROM job.lease") ? "stopping" : "noted");
    site_await(site, 10, "SELECT state = 'cancelled' AND error = 'cancelled while it ran' FROM job.result");
    trace_enqueue(site, "selftest.echo", 1, "{}");
    site_await(site, 10, "SELECT count(*) = 1 FROM job.result WHERE state = 'succeeded'");
    site_stop(worker);
    site_free(site);
}
END_TEST

START_TEST(cancellation_during_an_outage_of_the_connection_is_read_afterwards)
{
    struct site *site = start();
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 30000, \"trace\": \"%s\"}");
    site_await(site, 20, "SELECT count(*) = 1 FROM job.lease");
    /* Noted without a word, as if the notification had been lost with the connection. */
    site_sql(site, "INSERT INTO job.cancel (id) VALUES ('%s')", started_id());
    site_sql(
        site,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'jobworkerd' AND "
        "datname = current_database()");
    site_await(site, 20, "SELECT state = 'cancelled' FROM job.result");
    ck_assert(site_is_running(worker));
    site_free(site);
}
END_TEST

START_TEST(ended_job_stays_as_it_is)
{
    struct site *site = start();
    site_start_worker(site);
    trace_enqueue(site, "selftest.echo", 1, "{\"trace\": \"%s\"}");
    site_await(site, 20, "SELECT count(*) = 1 FROM job.result");
    cancel(site, started_id(), 1, "ended");
    ck_assert(site_ask(site, "SELECT state = 'succeeded' FROM job.result"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.cancel"), 0);
    site_free(site);
}
END_TEST

START_TEST(retrying_job_is_cancelled)
{
    struct site *site = start();
    site_start_worker(site);
    trace_enqueue(site, "selftest.fail", 1, "{\"trace\": \"%s\"}");
    site_await(site, 20, "SELECT count(*) = 1 FROM job.pending");
    cancel(site, started_id(), 0, "cancelled");
    ck_assert(site_ask(site, "SELECT state = 'cancelled' AND attempt = 2 FROM job.result"));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 1);
    site_free(site);
}
END_TEST

START_TEST(replayed_job_is_not_stopped_by_a_cancellation_that_came_too_late)
{
    struct site *site = start();
    site_start_worker(site);
    trace_enqueue(site, "selftest.fail", 1, "{\"times\": 1, \"permanent\": true, \"trace\": \"%s\"}");
    site_await(site, 20, "SELECT count(*) = 1 FROM job.dead");
    /* The worker hears of it, as it would of one that another worker's job was meant by. */
    site_sql(site, "INSERT INTO job.cancel (id) VALUES ('%s')", started_id());
    site_sql(site, "SELECT pg_notify('job_cancel', '%s')", started_id());
    site_sql(site, "UPDATE job.dead SET payload = '{\"times\": 0}'");
    ck_assert_int_eq(site_jobctl(site, NULL, (const char *const[]){ "dead", "replay", started_id(), NULL }),
                     0);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.result WHERE state <> 'dead'");
    ck_assert(site_ask(site, "SELECT state = 'succeeded' FROM job.result"));
    site_free(site);
}
END_TEST

START_TEST(job_that_was_deferred_while_it_was_cancelled_is_cancelled_where_it_waits)
{
    struct site *site = start();
    char *id = site_ask_text(
        site, "SELECT job.enqueue('selftest', 'selftest.echo', run_at => now() + interval '1 hour')");
    site_sql(site, "UPDATE job.pending SET headers = headers || '{\"ce_time\": \"noon\"}'");
    /* In one transaction: the broker looks for such as well. */
    site_sql(site, "INSERT INTO job.cancel (id) VALUES ('%s'); SELECT job.forget_cancels()", id);
    ck_assert(site_ask(
        site, "SELECT state = 'cancelled' AND enqueued_at IS NULL FROM job.result WHERE id = '%s'", id));
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 0);
    free(id);
    site_free(site);
}
END_TEST

/* --- At most once ---------------------------------------------------------------------------------------------------------- */

#define AT_MOST_ONCE                                                                                         \
    "delivery = \"at_most_once\"; max_attempts = 5; max_crashes = 5; backoff: { kind = \"constant\"; base = \"0s\"; };"

/* The only job is dead of @reason, and was started once. */
static void check_died(struct site *site, const char *reason)
{
    site_await(site, 20, "SELECT count(*) = 1 FROM job.dead WHERE reason = '%s'", reason);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 1);
    ck_assert_uint_eq(trace_read().n_starts, 1);
}

START_TEST(failure_crash_and_timeout_are_the_end_of_what_may_start_once)
{
    static const struct {
        const char *type, *payload, *reason;
    } cases[] = {
        { "selftest.fail", "{\"trace\": \"%s\"}", "exhausted" },
        { "selftest.crash", "{\"trace\": \"%s\"}", "crashed" },
        { "selftest.sleep", "{\"ms\": 60000, \"trace\": \"%s\"}", "exhausted" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct site *site = start_with(AT_MOST_ONCE " timeout = \"1s\";");
        site_start_worker(site);
        trace_enqueue(site, cases[i].type, 1, cases[i].payload);
        check_died(site, cases[i].reason);
        site_free(site);
    }
}
END_TEST

START_TEST(lost_worker_is_the_end_of_what_may_start_once)
{
    struct site *site = start_with(AT_MOST_ONCE);
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 60000, \"trace\": \"%s\"}");
    trace_await_starts(1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.lease"), 1); /* before it started */
    site_destroy(worker);
    site_start_worker(site);
    check_died(site, "crashed");
    ck_assert(site_ask(site, "SELECT outcome = 'lost' FROM job.attempt"));
    site_free(site);
}
END_TEST

START_TEST(interruption_is_the_end_of_what_may_start_once_and_what_did_not_start_goes_back)
{
    struct site *site = start_with(AT_MOST_ONCE);
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 60000, \"trace\": \"%s\"}");
    trace_await_starts(1);
    trace_enqueue(site, "selftest.echo", 1, "{}"); /* its only executor is busy */
    site_await(site, 10, "SELECT count(*) = 2 FROM job.lease");
    site_kill(worker, SIGTERM);
    site_await_log(worker, 10, "stopping: 1 jobs are running");
    site_kill(worker, SIGTERM);
    ck_assert_int_eq(site_await_exit(worker, 20), 0);
    ck_assert(site_ask(
        site, "SELECT count(*) = 1 FROM job.dead WHERE type = 'selftest.sleep' AND reason = 'crashed'"));
    ck_assert(site_ask(
        site, "SELECT count(*) = 1 FROM job.attempt WHERE outcome = 'interrupted' AND started_at IS NULL"));
    site_start_worker(site);
    site_await(site, 20,
               "SELECT count(*) = 1 FROM job.result WHERE type = 'selftest.echo' AND state = 'succeeded'");
    ck_assert_uint_eq(trace_read().n_starts, 1);
    site_free(site);
}
END_TEST

START_TEST(snooze_is_the_handlers_own_wish_to_start_again)
{
    struct site *site = start_with(AT_MOST_ONCE);
    site_start_worker(site);
    trace_enqueue(site, "selftest.snooze", 1, "{\"ms\": 10, \"times\": 1, \"trace\": \"%s\"}");
    site_await(site, 20, "SELECT count(*) = 1 FROM job.result WHERE state = 'succeeded' AND delivery = 2");
    site_free(site);
}
END_TEST

/* --- The fence --------------------------------------------------------------------------------------------------------------- */

/* A command that notes its fence in the file that its payload names, and then does something else at each start. */
#define FENCES                                                                                               \
    "}, { type = \"fences\"; kind = \"command\"; queue = \"selftest\"; "                                     \
    "backoff: { kind = \"constant\"; base = \"50ms\"; }; argv = ( \"/bin/sh\", \"-c\", \""                   \
    "read p; p=${p#?}; p=${p%?}; echo $JOB_FENCE >>$p; "                                                     \
    "case $(wc -l <$p) in 1|4) exec sleep 60;; 2) exit 75;; 3) kill -SEGV $$;; esac\" );"

/* Return: how many fences there are; each must be above the one before. */
static int count_fences(void)
{
    FILE *file = fopen(trace_path(), "re");
    long delivery, epoch, last_delivery = 0, last_epoch = 0;
    int n = 0;
    while (file && fscanf(file, "%ld.%ld", &delivery, &epoch) == 2) {
        ck_assert(delivery > last_delivery || (delivery == last_delivery && epoch > last_epoch));
        last_delivery = delivery;
        last_epoch = epoch;
        n++;
    }
    if (file)
        fclose(file);
    return n;
}

static void await_fences(int n)
{
    int64_t deadline_us = site_deadline(30);
    while (count_fences() < n)
        ck_assert_msg(site_nap(deadline_us), "only %d starts", count_fences());
}

START_TEST(fence_grows_over_take_over_retry_crash_and_rescue)
{
    struct site *site = start_on(WORKER " handover_after = \"1h\";", FENCES);
    struct site_daemon *worker = site_start_worker(site);
    trace_enqueue(site, "fences", 1, "\"%s\"");
    await_fences(1);
    site_destroy(worker); /* it had no lease: the same delivery in a later epoch */
    worker = site_start_worker(site);
    await_fences(4);
    site_destroy(worker);
    site_start_worker(site);
    site_await(site, 30, "SELECT state = 'succeeded' AND delivery = 4 FROM job.result");
    ck_assert_int_eq(count_fences(), 5);
    site_free(site);
}
END_TEST

/* --- Progress -------------------------------------------------------------------------------------------------------------- */

START_TEST(progress_of_a_running_job_can_be_seen)
{
    char *output;
    struct site *site = start();
    site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 8000, \"progress\": true, \"trace\": \"%s\"}");
    site_await(site, 10, "SELECT (progress ->> 'percent')::integer BETWEEN 1 AND 99 FROM job.lease");
    ck_assert_int_eq(
        site_jobctl(site, &output, (const char *const[]){ "job", "show", started_id(), "-o", "json", NULL }),
        0);
    ck_assert_ptr_nonnull(strstr(output, "\"percent\""));
    free(output);
    site_await(site, 10, "SELECT (progress ->> 'percent')::integer > 50 FROM job.lease");
    site_await(site, 10, "SELECT state = 'succeeded' FROM job.result");
    site_free(site);
}
END_TEST

START_TEST(progress_told_before_the_hand_over_is_written_after_it)
{
    struct site *site = start_on(WORKER " handover_after = \"2s\";", "");
    site_start_worker(site);
    /* Tells how far it is once, at its start: there is nothing later that could be written. */
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 5000, \"progress\": \"once\", \"trace\": \"%s\"}");
    site_await(site, 10, "SELECT progress ->> 'percent' = '0' FROM job.lease");
    site_await(site, 10, "SELECT state = 'succeeded' FROM job.result");
    site_free(site);
}
END_TEST

START_TEST(progress_is_written_once_a_second_at_most)
{
    struct site *site = start_with("");
    site_sql(site, "CREATE TABLE public.written (at timestamptz DEFAULT clock_timestamp(), progress jsonb)");
    site_sql(site, "CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS "
                   "'BEGIN INSERT INTO public.written (progress) VALUES (NEW.progress); RETURN NULL; END'");
    site_sql(
        site,
        "CREATE TRIGGER note AFTER UPDATE OF progress ON job.lease FOR EACH ROW EXECUTE FUNCTION public.note()");
    site_start_worker(site);
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 5200, \"progress\": true, \"trace\": \"%s\"}");
    site_await(site, 20, "SELECT state = 'succeeded' FROM job.result");
    ck_assert_int_ge(site_ask(site, "SELECT count(*) FROM public.written"), 3);
    ck_assert_int_le(site_ask(site, "SELECT count(*) FROM public.written"), 6);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.attempt"), 0);
    site_free(site);
}
END_TEST

/* --- Records --------------------------------------------------------------------------------------------------------------- */

START_TEST(only_what_matters_is_recorded_when_a_type_asks_for_that)
{
    /* Only the sleeper runs for that long, however slow the machine is. */
    struct site *site =
        start_on(WORKER " handover_after = \"3s\";",
                 "record = \"failures\"; backoff: { kind = \"constant\"; base = \"100ms\"; };");
    site_start_worker(site);
    trace_enqueue(site, "selftest.echo", 20, "{\"trace\": \"%s\"}");
    trace_enqueue(site, "selftest.fail", 1, "{\"times\": 1}");
    trace_enqueue(site, "selftest.fail", 1, "{\"permanent\": true}");
    trace_enqueue(site, "selftest.sleep", 1, "{\"ms\": 5000}");
    char *id = site_ask_text(site, "SELECT job.enqueue('selftest', 'selftest.echo')");
    ck_assert_int_eq(
        site_jobctl(site, NULL, (const char *const[]){ "enqueue", "selftest.echo", "--wait", NULL }), 0);
    site_await(
        site, 20,
        "SELECT sum(next_offset) = 26 FROM job.cursor"); /* with the second delivery of the failed one */
    ck_assert_uint_eq(trace_read().n_ends, 20);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'dead'"), 1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE state = 'succeeded'"), 4);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.result WHERE id = '%s'", id), 1);
    free(id);
    site_free(site);
}
END_TEST

START_TEST(job_that_left_no_record_is_not_said_to_be_queued)
{
    struct site *site = start_with("record = \"failures\";");
    site_start_worker(site);
    trace_enqueue(site, "selftest.echo", 1, "{\"trace\": \"%s\"}");
    site_await(site, 20, "SELECT sum(next_offset) = 1 FROM job.cursor");
    ck_assert_int_eq(site_jobctl(site, NULL, (const char *const[]){ "job", "show", started_id(), NULL }), 3);
    ck_assert_int_eq(site_jobctl(site, NULL, (const char *const[]){ "job", "wait", started_id(), NULL }), 3);
    site_free(site);
}
END_TEST

SUITE_MAIN("controls", waiting_job_is_cancelled_at_once, job_that_waits_in_kafka_never_starts,
           running_job_is_asked_to_stop, stubborn_job_is_killed,
           cancellation_during_an_outage_of_the_connection_is_read_afterwards, ended_job_stays_as_it_is,
           retrying_job_is_cancelled, replayed_job_is_not_stopped_by_a_cancellation_that_came_too_late,
           job_that_was_deferred_while_it_was_cancelled_is_cancelled_where_it_waits,
           failure_crash_and_timeout_are_the_end_of_what_may_start_once,
           lost_worker_is_the_end_of_what_may_start_once,
           interruption_is_the_end_of_what_may_start_once_and_what_did_not_start_goes_back,
           snooze_is_the_handlers_own_wish_to_start_again, fence_grows_over_take_over_retry_crash_and_rescue,
           progress_of_a_running_job_can_be_seen, progress_told_before_the_hand_over_is_written_after_it,
           progress_is_written_once_a_second_at_most, only_what_matters_is_recorded_when_a_type_asks_for_that,
           job_that_left_no_record_is_not_said_to_be_queued)
