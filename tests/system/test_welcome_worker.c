/* SPDX-License-Identifier: Apache-2.0 */
/* Mails of a real worker: what its executor keeps between jobs, and what comes back later. */
#define SUITE_TIMEOUT_S 120
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/harness.h"
#include "tests/support/sink.h"
#include "tests/support/suite.h"

/* A worker with one executor, for the sink that runs. */
static struct site *start_worker(void)
{
    struct site *site = site_new(&(struct site_options){
        .queues = "{ name = \"mail\"; }",
        .worker = "queues = ( { name = \"mail\"; } ); executors_min = 1; executors_max = 1;",
        .handlers = "{ type = \"welcome_email\"; kind = \"module\"; queue = \"mail\";"
                    " path = \"${build}/jobs/welcome_email/welcome_email.so\";"
                    " backoff: { kind = \"constant\"; base = \"50ms\"; }; }" });
    site_start_broker(site);
    site_start_worker(site);
    return site;
}

static void enqueue(struct site *site, const char *to)
{
    site_sql(site, "SELECT job.enqueue('mail', 'welcome_email', '{\"to\": \"%s\"}')", to);
}

static int n_mails(void)
{
    int n;
    mails(&n);
    return n;
}

START_TEST(mail_that_was_refused_for_now_arrives_under_its_jobs_id)
{
    sink_start_plain();
    struct site *site = start_worker();
    enqueue(site, "greylist@example.org");
    site_await(site, 30, "SELECT count(*) = 1 FROM job.result");
    char *id = site_ask_text(site, "SELECT id FROM job.result WHERE state = 'succeeded' AND attempt = 2"),
         expected[128];
    ck_assert_ptr_nonnull(id);
    snprintf(expected, sizeof(expected), "Message-ID: <%s@shop.example>\r\n", id);
    check_contains(one_mail(), expected);
    ck_assert(site_ask(site, "SELECT error = 'the mail server refused for now: 451 4.7.1 come back later' AND"
                             " outcome = 'failed' FROM job.attempt"));
    free(id);
    site_free(site);
    sink_clean_up();
}
END_TEST

START_TEST(jobs_of_one_executor_share_a_connection)
{
    int n, n_same = 0;
    sink_start_plain();
    struct site *site = start_worker();
    for (int i = 0; i < 10; i++)
        enqueue(site, "ada@example.org");
    site_await(site, 30, "SELECT count(*) = 10 FROM job.result WHERE state = 'succeeded'");
    const char *first = strstr(mails(&n), "X-Session: ");
    for (const char *at = first; at; at = strstr(at + 1, "X-Session: "))
        n_same += strncmp(at, first, strcspn(first, "\r") + 1) == 0;
    ck_assert_int_eq(n, 10);
    ck_assert_int_eq(n_same, 10);
    site_free(site);
    sink_clean_up();
}
END_TEST

START_TEST(mails_that_wait_for_their_rate_all_arrive_and_spend_no_attempt)
{
    sink_start_plain();
    setenv("WELCOME_EMAIL_RATE", "slow.example=120/m:1", 1);
    setenv("WELCOME_EMAIL_RATE_FILE", in_folder("rate"), 1);
    struct site *site = start_worker();
    for (int i = 0; i < 6; i++)
        enqueue(site, "ada@slow.example");
    enqueue(site, "ada@fast.example");
    site_await(site, 60, "SELECT count(*) = 7 FROM job.result WHERE state = 'succeeded' AND attempt = 1");
    ck_assert(site_ask(site, "SELECT count(*) >= 5 FROM job.attempt WHERE outcome = 'snoozed'"));
    ck_assert(site_ask(site, "SELECT max(finished_at) - min(started_at) > interval '2 s' FROM job.result"));
    ck_assert_int_eq(n_mails(), 7);
    site_free(site);
    sink_clean_up();
}
END_TEST

SUITE_MAIN("welcome_worker", mail_that_was_refused_for_now_arrives_under_its_jobs_id,
           jobs_of_one_executor_share_a_connection,
           mails_that_wait_for_their_rate_all_arrive_and_spend_no_attempt)
