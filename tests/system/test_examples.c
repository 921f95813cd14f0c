/* SPDX-License-Identifier: Apache-2.0 */
/* The examples as a newcomer would use them: one program enqueues, one module runs. */
#define SUITE_TIMEOUT_S 60
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/harness.h"
#include "tests/support/suite.h"

/* Runs examples/enqueue with these arguments. Return: its exit status; the first line that it printed in @line. */
static int run_enqueue(struct site *site, const char *arguments, char *line, size_t size)
{
    char command[4096];
    snprintf(command, sizeof(command), "JOB_KAFKA='%s' '%s/examples/enqueue' %s", site_kafka(site),
             site_build(site), arguments);
    FILE *output = popen(command, "re"); /* a test's own words, no data */
    ck_assert_ptr_nonnull(output);
    if (!fgets(line, (int)size, output))
        line[0] = 0;
    line[strcspn(line, "\n")] = 0;
    return pclose(output);
}

START_TEST(example_program_enqueues_what_the_example_handler_runs)
{
    struct site *site = site_new(&(struct site_options){
        .prefix = "job", /* as the example has it */
        .queues = "{ name = \"default\"; partitions = 2; }",
        .handlers = "{ type = \"count_words\"; kind = \"module\"; path = \"${build}/examples/handler.so\"; }",
    });
    char id[64];
    site_start_broker(site);
    site_start_worker(site);
    ck_assert_int_eq(run_enqueue(site, "count_words '\"one two  three\"' default", id, sizeof(id)), 0);
    site_await(site, 20,
               "SELECT state = 'succeeded' AND result = '{\"words\": 3}' FROM job.result WHERE id = '%s'",
               id);
    ck_assert_int_eq(run_enqueue(site, "count_words '' default", id, sizeof(id)), 0);
    site_await(site, 20,
               "SELECT reason = 'failed' AND error = 'there is no text' FROM job.dead WHERE id = '%s'", id);
    ck_assert_int_ne(run_enqueue(site, "count_words '{' default 2>&1", id, sizeof(id)), 0);
    site_free(site);
}
END_TEST

SUITE_MAIN("examples", example_program_enqueues_what_the_example_handler_runs)
