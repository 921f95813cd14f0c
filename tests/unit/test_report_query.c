/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in front of a query, and what becomes of a job's parameters. */
#include "query.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libjob/context.h"
#include "tests/support/suite.h"

static struct job_context ctx; /* each test runs in its own process */
static struct query query;
static struct query_values values;

static void check_parsed(const char *text)
{
    query_done(&query);
    ck_assert_msg(query_parse(&ctx, "q", text, &query) == JOB_DONE, "%s", ctx.error);
}

static void check_refused(const char *text, const char *error)
{
    query_done(&query);
    ck_assert_int_eq(query_parse(&ctx, "q", text, &query), JOB_FAIL);
    ck_assert_str_eq(ctx.error, error);
}

static int bind(const char *parameters)
{
    json_t *given = parameters ? json_loads(parameters, JSON_ALLOW_NUL, NULL) : NULL;
    ck_assert(!parameters || given);
    query_values_done(&values);
    int verdict = query_bind(&ctx, &query, given, &values);
    json_decref(given);
    return verdict;
}

static void check_unbound(const char *parameters, const char *error)
{
    ck_assert_msg(bind(parameters) == JOB_FAIL, "%s is taken", parameters);
    ck_assert_str_eq(ctx.error, error);
}

START_TEST(comments_say_what_a_query_is)
{
    check_parsed("-- A comment: with a colon\r\n"
                 "--title:  Sales by region  \r\n"
                 "\n"
                 "  -- param: region text\n"
                 "-- param: since date = \"2026-01-01\"\n"
                 "-- param: ids bigint[] = [1, 2]\n"
                 "-- chart: line month sales costs\n"
                 "SELECT 1 -- param: not a one\n"
                 "-- param: nor text\n");
    ck_assert_str_eq(query.title, "Sales by region");
    ck_assert_uint_eq(query.n_parameters, 3);
    ck_assert_str_eq(query.parameters[0].name, "region");
    ck_assert_ptr_null(query.parameters[0].preset);
    ck_assert_uint_eq(query.parameters[1].type->oid, 1082);
    ck_assert(query.parameters[2].is_list);
    ck_assert_int_eq(query.chart.kind, CHART_LINE);
    ck_assert_str_eq(query.chart.label, "month");
    ck_assert_uint_eq(query.chart.n_series, 2);
    ck_assert_str_eq(query.chart.series[1], "costs");
}
END_TEST

START_TEST(wrong_comments_are_named_by_their_line)
{
    check_refused("-- x\n-- param:\n", "q.sql:2: expected a name behind param:");
    check_refused("-- param: a\n", "q.sql:1: expected a type that reports know behind the parameter's name");
    check_refused("-- param: a txt\n",
                  "q.sql:1: expected a type that reports know behind the parameter's name");
    check_refused("-- param: a []\n",
                  "q.sql:1: expected a type that reports know behind the parameter's name");
    check_refused("-- param: a text\n-- param: a text\n", "q.sql:2: there is another parameter of that name");
    check_refused("-- param: a text = EU\n",
                  "q.sql:1: expected nothing, or = and a default in JSON, behind the type");
    check_refused("-- param: a text \"EU\"\n",
                  "q.sql:1: expected nothing, or = and a default in JSON, behind the type");
    check_refused("-- title:\n", "q.sql:1: expected one line of at most 200 bytes behind title:");
    check_refused("-- title: \xff\n", "q.sql:1: expected one line of at most 200 bytes behind title:");
    check_refused("-- chart: pie a b\n", "q.sql:1: expected bar or line behind chart:");
    check_refused("-- chart: bar\n", "q.sql:1: expected the column of labels behind the chart's kind");
    check_refused("-- chart: bar a\n", "q.sql:1: expected a column of values behind the chart's labels");
    check_refused("-- chart: bar a b c d e f g h\n", "q.sql:1: the chart has more than 6 columns of values");
    check_refused("-- chart: bar a b\n-- chart: bar a b\n", "q.sql:2: there is another chart");
    char many[2000] = "";
    for (int i = 0; i < 33; i++)
        sprintf(many + strlen(many), "-- param: p%d text\n", i);
    check_refused(many, "q.sql:33: there are more than 32 parameters");
}
END_TEST

START_TEST(values_are_bound_by_name_in_the_order_of_the_query)
{
    check_parsed(
        "-- param: a text\n-- param: b integer = 7\n-- param: c jsonb\n-- param: d text[]\n-- param: e boolean = null\n"
        "-- param: f float8\n");
    ck_assert_int_eq(
        bind(
            "{\"f\": 0.1, \"d\": [\"x\", \"q\\\"\\\\,{}\", null, \"\"], \"c\": {\"k\": [1]}, \"a\": \"x'; DROP TABLE t; --\"}"),
        JOB_DONE);
    ck_assert_uint_eq(values.n, 6);
    ck_assert_str_eq(values.texts[0], "x'; DROP TABLE t; --");
    ck_assert_str_eq(values.texts[1], "7");
    ck_assert_str_eq(values.texts[2], "{\"k\":[1]}");
    ck_assert_str_eq(values.texts[3], "{\"x\",\"q\\\"\\\\,{}\",NULL,\"\"}");
    ck_assert_uint_eq(values.oids[3], 1009);
    ck_assert_ptr_null(values.texts[4]);
    ck_assert_double_eq(atof(values.texts[5]), 0.1);
    ck_assert_int_eq(bind("{\"a\": null, \"b\": true, \"c\": null, \"d\": null, \"f\": -3}"), JOB_DONE);
    ck_assert_ptr_null(values.texts[0]);
    ck_assert_str_eq(values.texts[1], "true"); /* PostgreSQL says what it thinks of that */
    ck_assert_ptr_null(values.texts[2]);
    ck_assert_ptr_null(values.texts[3]);
}
END_TEST

START_TEST(wrong_parameters_are_named)
{
    check_parsed("-- param: a text\n-- param: d text[] = []\n");
    check_unbound(NULL, "parameter a: is missing");
    check_unbound("{}", "parameter a: is missing");
    check_unbound("{\"a\": \"x\", \"A\": \"x\"}", "parameter A: the query has none of that name");
    check_unbound("{\"a\": [1]}", "parameter a: is no single value");
    check_unbound("{\"a\": {}}", "parameter a: is no single value");
    check_unbound("{\"a\": \"x\\u0000\"}", "parameter a: has a NUL character");
    check_unbound("{\"a\": \"x\", \"d\": \"x\"}", "parameter d: is no array");
    check_unbound("{\"a\": \"x\", \"d\": [[1]]}", "parameter d: is no single value");
}
END_TEST

static void write_file(const char *folder, const char *name, const char *text, size_t size)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, size, file), size);
    fclose(file);
}

START_TEST(query_is_a_file_of_the_folder)
{
    char folder[] = "/tmp/test_report_query.XXXXXX", command[64];
    static char large[QUERY_FILE_MAX + 1];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    write_file(folder, "good.sql", "-- title: Good\nSELECT 1", 23);
    write_file(folder, "binary.sql", "SELECT \0", 8);
    memset(large, ' ', sizeof(large));
    write_file(folder, "large.sql", large, sizeof(large));
    write_file(folder, "largest.sql", large, sizeof(large) - 1);
    ck_assert_int_eq(query_read(&ctx, folder, "good", &query), JOB_DONE);
    ck_assert_str_eq(query.title, "Good");
    query_done(&query);
    ck_assert_int_eq(query_read(&ctx, folder, "largest", &query), JOB_DONE);
    query_done(&query);
    ck_assert_int_eq(query_read(&ctx, folder, "none", &query), JOB_FAIL);
    ck_assert_str_eq(ctx.error, "query: there is no \"none\"");
    ck_assert_int_eq(query_read(&ctx, folder, "binary", &query), JOB_FAIL);
    ck_assert_int_eq(query_read(&ctx, folder, "large", &query), JOB_FAIL);
    ck_assert_ptr_nonnull(strstr(ctx.error, "large.sql: is longer than 65536 bytes, or no text"));
    ck_assert_int_eq(query_read(&ctx, "/nowhere", "good", &query), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "/nowhere/good.sql: No such file or directory");
    snprintf(command, sizeof(command), "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

SUITE_MAIN("report_query", comments_say_what_a_query_is, wrong_comments_are_named_by_their_line,
           values_are_bound_by_name_in_the_order_of_the_query, wrong_parameters_are_named,
           query_is_a_file_of_the_folder)
