/* SPDX-License-Identifier: Apache-2.0 */
/* What a report's payload may ask for, and what is refused before anything is touched. */
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libjob/context.h"
#include "tests/support/suite.h"

static struct job_context ctx; /* each test runs in its own process */
static struct request request;

static int read_payload(const char *payload)
{
    request_done(&request);
    job_context_reset(&ctx);
    ctx.id = "0199c41f-0123-7788-99aa-bbccddeeff00";
    ctx.payload = payload;
    ctx.payload_size = strlen(payload);
    return request_read(&ctx, &request);
}

static void check_taken(const char *payload)
{
    ck_assert_msg(read_payload(payload) == JOB_DONE, "%s: %s", payload, ctx.error);
}

static void check_refused(const char *payload, const char *error)
{
    ck_assert_msg(read_payload(payload) == JOB_FAIL, "%s is taken", payload);
    ck_assert_msg(strstr(ctx.error, error) == ctx.error, "%s: expected \"%s\", found \"%s\"", payload, error,
                  ctx.error);
}

START_TEST(payload_is_taken_with_its_defaults)
{
    check_taken("{\"query\": \"sales\", \"format\": \"csv\"}");
    ck_assert_str_eq(request.query, "sales");
    ck_assert_str_eq(request.path, "sales-0199c41f-0123-7788-99aa-bbccddeeff00.csv");
    ck_assert_ptr_null(request.title);
    ck_assert_ptr_null(request.parameters);
    ck_assert(request.guard_formulas && !request.bom && !request.to_s3);
    check_taken(
        "{\"query\": \"Sales_2-b\", \"format\": \"pdf\", \"title\": \"Umsätze\", \"parameters\": {\"a\": 1},"
        " \"destination\": \"s3:a/b c/Umsätze 2026.pdf\", \"guard_formulas\": false, \"bom\": true}");
    ck_assert_str_eq(request.path, "a/b c/Umsätze 2026.pdf");
    ck_assert_str_eq(request.title, "Umsätze");
    ck_assert(!request.guard_formulas && request.bom && request.to_s3);
    ck_assert_int_eq(json_integer_value(json_object_get(request.parameters, "a")), 1);
}
END_TEST

START_TEST(payload_that_is_none_is_refused)
{
    check_refused("", "the payload is no JSON: ");
    check_refused("{", "the payload is no JSON: ");
    check_refused("[]", "the payload is no JSON object");
    check_refused("{\"query\": \"a\", \"query\": \"b\", \"format\": \"csv\"}", "the payload is no JSON: ");
    check_refused("{\"query\": \"a\", \"format\": \"csv\", \"sql\": \"DROP\"}",
                  "the payload has an unknown member \"sql\"");
    check_refused("{\"format\": \"csv\"}", "query: is missing");
    check_refused("{\"query\": 5, \"format\": \"csv\"}", "query: is no string");
    check_refused("{\"query\": \"a\"}", "format: expected csv, xlsx or pdf");
    check_refused("{\"query\": \"a\", \"format\": \"CSV\"}", "format: expected csv, xlsx or pdf");
    check_refused("{\"query\": \"a\", \"format\": \"csv\\u0000\"}", "format: has control characters");
    check_refused("{\"query\": \"a\", \"format\": \"csv\", \"parameters\": []}", "parameters: is no object");
    check_refused("{\"query\": \"a\", \"format\": \"csv\", \"bom\": 1}", "bom: is neither true nor false");
    check_refused("{\"query\": \"a\", \"format\": \"csv\", \"title\": \"a\\nb\"}",
                  "title: has control characters");
    check_refused("{\"query\": \"a\", \"format\": \"csv\", \"title\": \"a\\u202eb\"}",
                  "title: has control characters");
}
END_TEST

START_TEST(name_of_a_query_leads_nowhere_else)
{
    static const char *const names[] = {
        "",
        "../sales",
        "a/b",
        "/etc/passwd",
        ".",
        "..",
        "-v",
        "sales.sql",
        "a b",
        "a;b",
        "a$(id)",
        "a`id`",
        "a\\\\b",
        "s\xc3\xa4le",
        "a%2e",
        "~root",
        "a\\u0000b",
        "a\\nb",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    };
    char payload[256];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(payload, sizeof(payload), "{\"query\": \"%s\", \"format\": \"csv\"}", names[i]);
        check_refused(payload, "query: ");
    }
}
END_TEST

START_TEST(destination_leads_nowhere_else)
{
    static const struct {
        const char *path, *error;
    } rows[] = {
        { "", "destination: has an empty part, or begins or ends with /" },
        { "/etc/cron.d/x.csv", "destination: has an empty part, or begins or ends with /" },
        { "a//x.csv", "destination: has an empty part, or begins or ends with /" },
        { "a/x.csv/", "destination: has an empty part, or begins or ends with /" },
        { "../x.csv", "destination: has a part that begins with a dot" },
        { "a/../../x.csv", "destination: has a part that begins with a dot" },
        { "a/./x.csv", "destination: has a part that begins with a dot" },
        { ".htaccess.csv", "destination: has a part that begins with a dot" },
        { ".csv", "destination: has a part that begins with a dot" },
        { "-rf.csv", "destination: has a part that begins with -" },
        { "a/-rf/x.csv", "destination: has a part that begins with -" },
        { "a\\\\x.csv", "destination: has a \\" },
        { "x.csv\\u0000.png", "destination: has control characters" },
        { "x\\r\\n.csv", "destination: has control characters" },
        { "x\\u202ecsv.csv", "destination: has control characters" },
        { "x", "destination: does not end with a dot and the format" },
        { "x.html", "destination: does not end with a dot and the format" },
        { "x.xcsv", "destination: does not end with a dot and the format" },
        { "x.csv.php", "destination: does not end with a dot and the format" },
        { "s3:", "destination: has an empty part" },
        { "s3:../x.csv", "destination: has a part that begins with a dot" },
        { "s3:/x.csv", "destination: has an empty part" },
        { "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/x.csv", "destination: has more than 16 parts" },
    };
    char payload[2048], name[1500];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(payload, sizeof(payload), "{\"query\": \"q\", \"format\": \"csv\", \"destination\": \"%s\"}",
                 rows[i].path);
        check_refused(payload, rows[i].error);
    }
    memset(name, 'a', sizeof(name));
    snprintf(payload, sizeof(payload),
             "{\"query\": \"q\", \"format\": \"csv\", \"destination\": \"%.201s/x.csv\"}", name);
    check_refused(payload, "destination: has a part longer than 200 bytes");
    snprintf(payload, sizeof(payload),
             "{\"query\": \"q\", \"format\": \"csv\", \"destination\": \"%.1000s.csv\"}", name);
    check_refused(payload, "destination: is longer than 1000 bytes");
}
END_TEST

SUITE_MAIN("report_request", payload_is_taken_with_its_defaults, payload_that_is_none_is_refused,
           name_of_a_query_leads_nowhere_else, destination_leads_nowhere_else)
