/* SPDX-License-Identifier: Apache-2.0 */
/* The module REPORT_MODULE on a real PostgreSQL; what it writes is opened by programs that know nothing of it. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUITE_TIMEOUT_S 400
#include "libjob/context.h"
#include "tests/support/harness.h"
#include "tests/support/module.h"
#include "tests/support/suite.h"

#define ROLE "report_reader"

#ifdef __SANITIZE_ADDRESS__ /* fontconfig keeps 288 bytes of its first use, however often it is used */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig.so";
}
const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}
#endif

static struct site *site; /* each test runs in its own process */
static struct job_test_result got;
static char url[512]; /* of the database, as ROLE */

/* --- A database, folders, the role -------------------------------------------------------------------------- */

/* The path of @name in the site's folder; valid until the fourth call from here. */
static const char *in_folder(const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", site_folder(site), name);
    return path;
}

static void write_query(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s.sql", in_folder("queries"), name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

/* The database's address with another user: "postgresql://USER@HOST…". */
static void set_url(void)
{
    const char *own = site_database_url(site), *host = strchr(own, '@');
    snprintf(url, sizeof(url), "postgresql://" ROLE "@%s", host ? host + 1 : own + strlen("postgresql://"));
    setenv("REPORT_DATABASE_URL", url, 1);
}

static void set_up_with(const struct site_options *options)
{
    site = site_new(options);
    ck_assert_int_eq(mkdir(in_folder("queries"), 0700), 0);
    ck_assert_int_eq(mkdir(in_folder("out"), 0700), 0);
    setenv("REPORT_QUERIES", in_folder("queries"), 1);
    setenv("REPORT_OUTPUT", in_folder("out"), 1);
    site_sql(site, "DO $$ BEGIN CREATE ROLE " ROLE
                   " LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$");
    site_sql(
        site,
        "CREATE TABLE public.sale (id bigint, region text, amount numeric, day date, paid boolean);"
        "INSERT INTO public.sale VALUES (1, 'EU', 10.50, '2026-01-31', true), (2, NULL, -3, '2026-02-28', false),"
        " (3, '=1+1', 0.1, '2026-03-01', NULL); GRANT SELECT, INSERT ON public.sale TO " ROLE);
    set_url();
}

static void set_up(void)
{
    set_up_with(&(struct site_options){ .no_schema = true });
}

static void clean_up(void)
{
    site = site_free(site);
}

static int make(const char *payload)
{
    job_test_result_done(&got);
    ck_assert_int_eq(job_test_run(module_handler(REPORT_MODULE, "report"), payload, 1, &got), 0);
    return got.verdict;
}

static void check_made(const char *payload)
{
    ck_assert_msg(make(payload) == JOB_DONE, "%s: %s", payload, got.error);
}

static void check_contains(const char *text, const char *part)
{
    ck_assert_msg(text && strstr(text, part), "\"%s\" is missing in:\n%s", part, text ? text : "(nothing)");
}

/* Files, folders and what is hidden. */
static int count_files(const char *name)
{
    struct dirent **entries;
    int n = scandir(in_folder(name), &entries, NULL, alphasort);
    ck_assert_int_ge(n, 2);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return n - 2;
}

static int count_descriptors(void)
{
    struct dirent **entries;
    int n = scandir("/proc/self/fd", &entries, NULL, alphasort);
    ck_assert_int_gt(n, 2);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return n;
}

/* The payload must end with @verdict and an error that has @error in it, and leave nothing. */
static void check_refused(const char *payload, int verdict, const char *error)
{
    ck_assert_msg(make(payload) == verdict, "%s: verdict %d, %s", payload, got.verdict, got.error);
    check_contains(got.error, error);
    ck_assert_ptr_null(got.result);
    ck_assert_int_eq(count_files("out"), 0);
}

/* What a command says on standard output; it must end well. Valid until the next call. */
static const char *output_of(const char *command)
{
    static char text[262144];
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    size_t size = fread(text, 1, sizeof(text) - 1, pipe);
    text[size] = 0;
    int status = pclose(pipe);
    ck_assert_msg(status == 0, "%s: status %d:\n%s", command, status, text);
    return text;
}

static const char *read_report(const char *name, const char *option)
{
    char command[1024];
    snprintf(command, sizeof(command), "'" READ_REPORT "' %s '%s/%s'", option, in_folder("out"), name);
    return output_of(command);
}

/* --- CSV ---------------------------------------------------------------------------------------------------- */

START_TEST(csv_is_read_by_others_as_it_was_meant)
{
    set_up();
    write_query(
        "odd",
        "SELECT * FROM (VALUES (1, 'plain', true), (2, 'a,b', false), (3, 'say \"hi\"', NULL), (4, E'two\\nlines', NULL),"
        " (5, '', NULL), (6, NULL, NULL), (7, ' x ', NULL), (8, 'Zoë שלום 😀', NULL)) AS v (id, \"text, quoted\", ok)");
    check_made("{\"query\": \"odd\", \"format\": \"csv\", \"destination\": \"a/odd.csv\"}");
    ck_assert_str_eq(read_report("a/odd.csv", ""), "[\"id\", \"text, quoted\", \"ok\"]\n"
                                                   "[\"1\", \"plain\", \"true\"]\n"
                                                   "[\"2\", \"a,b\", \"false\"]\n"
                                                   "[\"3\", \"say \\\"hi\\\"\", \"\"]\n"
                                                   "[\"4\", \"two\\nlines\", \"\"]\n"
                                                   "[\"5\", \"\", \"\"]\n"
                                                   "[\"6\", \"\", \"\"]\n"
                                                   "[\"7\", \" x \", \"\"]\n"
                                                   "[\"8\", \"Zoë שלום 😀\", \"\"]\n");
    char command[600];
    snprintf(command, sizeof(command), "sed -n 6,7p '%s/a/odd.csv'",
             in_folder("out"));                        /* the fourth row has two lines */
    check_contains(output_of(command), "5,\"\",\r\n"); /* an empty text is none of NULL */
    check_made("{\"query\": \"odd\", \"format\": \"csv\", \"destination\": \"bom.csv\", \"bom\": true}");
    snprintf(command, sizeof(command), "head -c 5 '%s/bom.csv'", in_folder("out"));
    ck_assert_str_eq(output_of(command), "\xef\xbb\xbfid");
    clean_up();
}
END_TEST

START_TEST(formulas_are_guarded_and_numbers_are_not)
{
    set_up();
    write_query(
        "risky",
        "SELECT '=1+1' AS \"=head\", '+1' AS a, '-1' AS b, '@SUM(A1)' AS c, E'\\tx' AS d, E'\\rx' AS e, '＝1' AS f,"
        " 'a=b' AS g, -1 AS h, -1.5::float8 AS i, '-infinity'::date AS j, '=\"x\"' AS k, 'a;=1' AS l, E'a\\t=1' AS m");
    check_made("{\"query\": \"risky\", \"format\": \"csv\", \"destination\": \"x.csv\"}");
    ck_assert_str_eq(
        read_report("x.csv", ""),
        "[\"'=head\", \"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\", \"h\", \"i\", \"j\", \"k\","
        " \"l\", \"m\"]\n"
        "[\"'=1+1\", \"'+1\", \"'-1\", \"'@SUM(A1)\", \"'\\tx\", \"'\\rx\", \"'＝1\", \"a=b\", \"-1\", \"-1.5\","
        " \"'-infinity\", \"'=\\\"x\\\"\", \"a;=1\", \"a\\t=1\"]\n");
    /* Programs that take these for separators, too, see one cell. */
    char command[600];
    snprintf(command, sizeof(command), "cat '%s/x.csv'", in_folder("out"));
    check_contains(output_of(command), ",\"a;=1\",\"a\t=1\"\r\n");
    check_made(
        "{\"query\": \"risky\", \"format\": \"csv\", \"destination\": \"x.csv\", \"guard_formulas\": false}");
    check_contains(read_report("x.csv", ""),
                   "[\"=1+1\", \"+1\", \"-1\", \"@SUM(A1)\", \"\\tx\", \"\\rx\", \"＝1\"");
    clean_up();
}
END_TEST

START_TEST(result_tells_where_how_large_and_what)
{
    char expected[1024], command[600], sum[65] = "";
    set_up();
    write_query("all", "SELECT * FROM sale");
    check_made("{\"query\": \"all\", \"format\": \"csv\", \"destination\": \"all.csv\"}");
    snprintf(command, sizeof(command), "sha256sum < '%s/all.csv'; stat -c %%s '%s/all.csv'", in_folder("out"),
             in_folder("out"));
    const char *said = output_of(command);
    memcpy(sum, said, 64);
    snprintf(expected, sizeof(expected),
             "{\"location\": \"%s/all.csv\", \"size\": %d, \"rows\": 3, \"checksum\": \"sha256:%s\"}",
             in_folder("out"), atoi(strchr(said, '\n')), sum);
    ck_assert_str_eq(got.result, expected);
    check_made("{\"query\": \"all\", \"format\": \"csv\"}"); /* without a place it gets one of its own */
    check_contains(got.result, "/all-0");
    ck_assert_int_eq(count_files("out"), 2);
    clean_up();
}
END_TEST

/* --- XLSX and PDF -------------------------------------------------------------------------------------------- */

START_TEST(workbook_has_cells_of_their_types)
{
    set_up();
    write_query(
        "typed",
        "-- title: Sales & <costs>\n"
        "SELECT 1 AS n, 2.5 AS d, true AS b, '2026-02-28'::date AS day, '2026-02-28 13:45:10'::timestamp AS at,"
        " '=1+1' AS f, '007' AS t, 12345678901234567 AS id, 'NaN'::float8 AS nan, NULL AS nothing,"
        " '0044-03-15 BC'::date AS bc, avg(x) AS mean, E'a\\nb<&>\"' AS lines, 1e300::float8 AS big"
        " FROM (VALUES (1), (2), (2)) v (x)");
    check_made("{\"query\": \"typed\", \"format\": \"xlsx\", \"destination\": \"typed.xlsx\"}");
    const char *text = read_report("typed.xlsx", "");
    check_contains(text, "title: Sales & <costs>\nsheet: Report frozen: A2\n[\"n\", \"d\", \"b\", \"day\",");
    check_contains(
        text,
        "\n[1, 2.5, true, \"date:2026-02-28T00:00:00\", \"date:2026-02-28T13:45:10\", \"=1+1\", \"007\","
        " \"12345678901234567\", \"NaN\", null, \"0044-03-15 BC\", 1.666666666666667, \"a\\nb<&>\\\"\", 1e+300]\n");
    clean_up();
}
END_TEST

START_TEST(table_longer_than_a_sheet_goes_on_on_the_next)
{
    set_up();
    write_query("long", "SELECT 1 AS n FROM generate_series(1, 1048577)");
    check_made("{\"query\": \"long\", \"format\": \"xlsx\", \"destination\": \"long.xlsx\"}");
    ck_assert_str_eq(read_report("long.xlsx", "--count"), "xl/worksheets/sheet1.xml 1048576 whole\n"
                                                          "xl/worksheets/sheet2.xml 3 whole\n");
    clean_up();
}
END_TEST

START_TEST(text_too_long_for_a_cell_is_named)
{
    set_up();
    write_query("long", "SELECT 1 AS n, repeat('x', 32768) AS notes");
    for (int i = 0, before = 0; i < 3; i++) {
        check_refused("{\"query\": \"long\", \"format\": \"xlsx\"}", JOB_FAIL,
                      "column notes, row 2 of sheet 1: ");
        before = i == 0 ? count_descriptors() : before;
        ck_assert_int_eq(count_descriptors(), before); /* nor is the sheet's file kept for the next job */
    }
    clean_up();
}
END_TEST

/* The text of page @number alone; NULL when there is none. */
static const char *page_of(const char *text, int number)
{
    static char page[65536];
    char start[16];
    snprintf(start, sizeof(start), "page %d: ", number);
    const char *from = strstr(text, start), *end = from ? strstr(from + 1, "\npage ") : NULL;
    if (from)
        snprintf(page, sizeof(page), "%.*s", end ? (int)(end - from) : (int)strlen(from), from);
    return from ? page : NULL;
}

START_TEST(document_has_title_chart_table_and_numbered_pages)
{
    set_up();
    write_query("sales",
                "-- title: Sales\n-- chart: line month sales costs\n"
                "SELECT 'M' || i AS month, i * 10 AS sales, 400 - i AS costs FROM generate_series(1, 100) i");
    check_made(
        "{\"query\": \"sales\", \"format\": \"pdf\", \"title\": \"Sales of Müller & Sons\", \"destination\": \"s.pdf\"}");
    const char *text = read_report("s.pdf", "");
    check_contains(page_of(text, 1), "page 1: 595x842 ink\nSales of Müller & Sons\n");
    check_contains(page_of(text, 1), "\n800\n");         /* of the scale */
    check_contains(page_of(text, 1), "\nsales costs\n"); /* the legend */
    check_contains(page_of(text, 1), "\nmonth sales costs\nM1 10 399\n");
    check_contains(page_of(text, 2), "page 2: 595x842 ink\nmonth sales costs\nM"); /* the header again */
    check_contains(page_of(text, 2), "\n2");
    check_contains(page_of(text, 3), "\nM100 1000 300\n3");
    ck_assert_ptr_null(page_of(text, 4));
    clean_up();
}
END_TEST

START_TEST(document_without_rows_says_so)
{
    set_up();
    write_query("none", "SELECT 1 AS n WHERE false");
    check_made("{\"query\": \"none\", \"format\": \"pdf\", \"destination\": \"none.pdf\"}");
    check_contains(read_report("none.pdf", ""), "\nn\n(no rows)\n1\n");
    check_made("{\"query\": \"none\", \"format\": \"xlsx\", \"destination\": \"none.xlsx\"}");
    check_contains(read_report("none.xlsx", ""), "[\"n\"]\n");
    check_made("{\"query\": \"none\", \"format\": \"csv\", \"destination\": \"none.csv\"}");
    ck_assert_str_eq(read_report("none.csv", ""), "[\"n\"]\n");
    clean_up();
}
END_TEST

/* Hebrew is checked letter by letter as it stands on the paper, from left to right. */
START_TEST(text_from_right_to_left_stands_on_the_right)
{
    set_up();
    write_query(
        "rtl",
        "-- chart: bar חודש סכום\n"
        "SELECT 'ינואר' AS \"חודש\", 10 AS \"סכום\", 'abc' AS \"הערה\" UNION ALL SELECT 'فبراير', 20, 'قطعة'");
    check_made(
        "{\"query\": \"rtl\", \"format\": \"pdf\", \"title\": \"מכירות\", \"destination\": \"r.pdf\"}");
    const char *text = read_report("r.pdf", "");
    check_contains(text, "page 1: 595x842 ink\nת ו ר י כ מ\n");
    check_contains(text, "\nה ר ע ה ם ו כ ס ש ד ו ח\n"); /* the first column is the rightmost */
    check_contains(text, "\nabc 10 ר א ו נ י\n");
    clean_up();
}
END_TEST

START_TEST(wide_table_is_set_sideways_and_too_wide_a_one_refused)
{
    char query[4096] = "SELECT 1 AS c0";
    set_up();
    for (int i = 1; i < 18; i++)
        sprintf(query + strlen(query), ", 'some words of column %d' AS c%d", i, i);
    write_query("wide", query);
    check_made("{\"query\": \"wide\", \"format\": \"pdf\", \"destination\": \"w.pdf\"}");
    check_contains(read_report("w.pdf", ""), "page 1: 842x595 ink\n");
    unlink(in_folder("out/w.pdf"));
    for (int i = 18; i < 40; i++)
        sprintf(query + strlen(query), ", 1 AS c%d", i);
    write_query("wide", query);
    check_refused("{\"query\": \"wide\", \"format\": \"pdf\"}", JOB_FAIL,
                  "40 columns do not fit on a page: pdf takes 27");
    clean_up();
}
END_TEST

START_TEST(document_has_bounds_that_it_names)
{
    set_up();
    write_query("many", "SELECT 1 FROM generate_series(1, 100001)");
    check_refused("{\"query\": \"many\", \"format\": \"pdf\"}", JOB_FAIL, "more than 100000 rows");
    write_query("points", "-- chart: bar a b\nSELECT 'x' AS a, 1 AS b FROM generate_series(1, 1001)");
    check_refused("{\"query\": \"points\", \"format\": \"pdf\"}", JOB_FAIL, "chart: has more than 1000 rows");
    write_query("points", "-- chart: bar a b\nSELECT 'x' AS a, 'y' AS b");
    check_refused("{\"query\": \"points\", \"format\": \"pdf\"}", JOB_FAIL,
                  "chart: column \"b\" has no numbers");
    write_query("points", "-- chart: bar a c\nSELECT 'x' AS a, 'y' AS b");
    check_refused("{\"query\": \"points\", \"format\": \"pdf\"}", JOB_FAIL,
                  "chart: the query gives no column \"c\"");
    clean_up();
}
END_TEST

/* --- Queries and parameters ---------------------------------------------------------------------------------- */

START_TEST(parameters_are_values_and_never_sql)
{
    set_up();
    write_query("by_region",
                "-- param: region text\n-- param: least numeric = -100\n-- param: ids bigint[] = null\n"
                "SELECT id FROM sale WHERE region = $1 AND amount > $2 AND ($3 IS NULL OR id = ANY ($3))");
    check_made(
        "{\"query\": \"by_region\", \"format\": \"csv\", \"destination\": \"x.csv\", \"parameters\": {\"region\": \"EU\", \"ids\": [1, 2]}}");
    ck_assert_str_eq(read_report("x.csv", ""), "[\"id\"]\n[\"1\"]\n");
    check_made(
        "{\"query\": \"by_region\", \"format\": \"csv\", \"destination\": \"x.csv\", \"parameters\": {\"region\": \"EU\", \"least\": 10.5}}");
    ck_assert_str_eq(read_report("x.csv", ""), "[\"id\"]\n");
    check_made("{\"query\": \"by_region\", \"format\": \"csv\", \"destination\": \"x.csv\","
               " \"parameters\": {\"region\": \"' OR true; DROP TABLE sale; --\"}}");
    ck_assert_str_eq(read_report("x.csv", ""), "[\"id\"]\n");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM public.sale"), 3);
    clean_up();
}
END_TEST

START_TEST(wrong_parameter_fails_for_good_and_is_named)
{
    set_up();
    write_query(
        "p",
        "-- param: day date\n-- param: n integer = 1\n-- param: list integer[] = []\n-- param: ok boolean = true\n-- param: u uuid = null\n"
        "SELECT $1, $2, $3, $4, $5");
#define P "{\"query\": \"p\", \"format\": \"csv\", \"parameters\": "
    check_refused("{\"query\": \"p\", \"format\": \"csv\"}", JOB_FAIL, "parameter day: is missing");
    check_refused(P "{\"day\": \"2026-01-01\", \"Day\": 1}}", JOB_FAIL,
                  "parameter Day: the query has none of that name");
    check_refused(P "{\"day\": \"tomorrow-ish\"}}", JOB_FAIL,
                  "parameter day: invalid input syntax for type date: \"tomorrow-ish\"");
    check_refused(P "{\"day\": \"2026-02-30\"}}", JOB_FAIL,
                  "parameter day: date/time field value out of range");
    check_refused(P "{\"day\": \"2026-01-01\", \"n\": 1.5}}", JOB_FAIL,
                  "parameter n: invalid input syntax for type integer");
    check_refused(P "{\"day\": \"2026-01-01\", \"n\": 99999999999}}", JOB_FAIL,
                  "parameter n: value \"99999999999\" is out of range");
    check_refused(P "{\"day\": \"2026-01-01\", \"list\": [1, \"x\"]}}", JOB_FAIL,
                  "parameter list: invalid input syntax for type integer");
    check_refused(P "{\"day\": \"2026-01-01\", \"ok\": \"maybe\"}}", JOB_FAIL,
                  "parameter ok: invalid input syntax for type boolean");
    check_refused(P "{\"day\": \"2026-01-01\", \"u\": \"x\"}}", JOB_FAIL,
                  "parameter u: invalid input syntax for type uuid");
    clean_up();
}
END_TEST

START_TEST(query_that_cannot_succeed_fails_for_good)
{
    static const struct {
        const char *sql, *error;
    } rows[] = {
        { "SELECT * FROM nowhere",
          "the query: relation \"nowhere\" does not exist (SQLSTATE 42P01, at character 15)" },
        { "SELEC 1", "the query: syntax error" },
        { "SELECT 1 / (id - 1) FROM sale", "the query: division by zero (SQLSTATE 22012)" },
        { "SELECT * FROM pg_authid", "the query: permission denied for table pg_authid" },
        { "SELECT $1", "the query: " },
        { "", "the query gives no rows: it must be one SELECT" },
        { "-- nothing\n", "the query gives no rows" },
        { "COMMIT", "the query gives no rows" },
        { "SET transaction_read_only = off", "the query gives no rows" },
        { "COPY sale TO STDOUT", "the query gives no rows" },
        { "COPY sale TO PROGRAM 'touch /tmp/x'", "the query: " },
        { "SELECT", "the query gives no columns" },
    };
    set_up();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        write_query("q", rows[i].sql);
        check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_FAIL, rows[i].error);
    }
    check_refused("{\"query\": \"unknown\", \"format\": \"csv\"}", JOB_FAIL,
                  "query: there is no \"unknown\"");
    check_refused("{\"query\": \"../queries/q\", \"format\": \"csv\"}", JOB_FAIL,
                  "query: is no name of letters");
    clean_up();
}
END_TEST

START_TEST(query_that_wants_to_write_does_not)
{
    static const char *const queries[] = {
        "INSERT INTO sale VALUES (9) RETURNING id",
        "WITH w AS (INSERT INTO sale VALUES (9) RETURNING id) SELECT * FROM w",
        "SELECT add_sale()",
        "SELECT nextval('counter')",
        "CREATE TABLE t AS SELECT 1",
        "SELECT * INTO t FROM sale",
        "SELECT id FROM sale FOR UPDATE",
    };
    set_up();
    site_sql(
        site,
        "CREATE SEQUENCE public.counter; GRANT ALL ON SEQUENCE public.counter TO " ROLE
        "; GRANT ALL ON public.sale TO " ROLE ";"
        "CREATE FUNCTION public.add_sale() RETURNS int LANGUAGE sql VOLATILE AS 'INSERT INTO public.sale VALUES (9) RETURNING 1'");
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        write_query("q", queries[i]);
        check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_FAIL, "read-only");
    }
    write_query("q", "SELECT set_config('transaction_read_only', 'off', false), add_sale()");
    check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_FAIL,
                  "transaction read-write mode must be set before any query");
    write_query("q", "SELECT 1; DROP TABLE sale");
    check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_FAIL, "cannot insert multiple commands");
    write_query("q",
                "DO $$ BEGIN COMMIT; SET transaction_read_only = off; INSERT INTO sale VALUES (9); END $$");
    check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_FAIL, "invalid transaction termination");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM public.sale"), 3);
    clean_up();
}
END_TEST

START_TEST(query_that_runs_for_ever_is_stopped)
{
    set_up();
    setenv("REPORT_TIMEOUT", "200ms", 1);
    write_query("sleep", "SELECT pg_sleep(3600)");
    check_refused(
        "{\"query\": \"sleep\", \"format\": \"csv\"}", JOB_RETRY,
        "the query: canceling statement due to statement timeout (SQLSTATE 57014; REPORT_TIMEOUT is 200 ms)");
    write_query("endless", "WITH RECURSIVE r (i) AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT i FROM r");
    check_refused("{\"query\": \"endless\", \"format\": \"csv\"}", JOB_RETRY, "REPORT_TIMEOUT is 200 ms");
    check_refused("{\"query\": \"endless\", \"format\": \"xlsx\"}", JOB_RETRY, "REPORT_TIMEOUT is 200 ms");
    clean_up();
}
END_TEST

/* --- The installation ----------------------------------------------------------------------------------------- */

START_TEST(connection_that_is_lost_is_worth_another_try)
{
    set_up();
    write_query(
        "die",
        "SELECT i, CASE WHEN i = 50000 THEN pg_terminate_backend(pg_backend_pid()) END FROM generate_series(1, 100000) i");
    check_refused("{\"query\": \"die\", \"format\": \"csv\"}", JOB_RETRY,
                  "terminating connection due to administrator command");
    check_refused("{\"query\": \"die\", \"format\": \"pdf\"}", JOB_RETRY,
                  "terminating connection due to administrator command");
    setenv("REPORT_DATABASE_URL", "postgresql://" ROLE "@127.0.0.1:1/x", 1);
    check_refused("{\"query\": \"die\", \"format\": \"csv\"}", JOB_RETRY, "no connection to PostgreSQL: ");
    setenv("REPORT_DATABASE_URL", "postgresql://x:s3cret@127.0.0.1:1/x?nonsense=1", 1);
    check_refused("{\"query\": \"die\", \"format\": \"csv\"}", JOB_RETRY,
                  "REPORT_DATABASE_URL: is no connection string");
    ck_assert_ptr_null(strstr(got.error, "s3cret"));
    clean_up();
}
END_TEST

START_TEST(superuser_is_refused)
{
    set_up();
    write_query("q", "SELECT 1");
    setenv("REPORT_DATABASE_URL", site_database_url(site), 1);
    check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_RETRY,
                  "REPORT_DATABASE_URL: is a superuser's");
    clean_up();
}
END_TEST

START_TEST(address_of_the_database_may_be_a_secret_in_a_file)
{
    set_up();
    write_query("q", "SELECT 1");
    FILE *file = fopen(in_folder("report-database"), "w");
    fprintf(file, "%s\n", url);
    fclose(file);
    unsetenv("REPORT_DATABASE_URL");
    check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_RETRY,
                  "REPORT_DATABASE_URL: is not set, and there is no file with it");
    setenv("REPORT_DATABASE_URL_FILE", in_folder("report-database"), 1);
    chmod(in_folder("report-database"), 0644);
    check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_RETRY, "is readable by others");
    chmod(in_folder("report-database"), 0600);
    check_made("{\"query\": \"q\", \"format\": \"csv\", \"destination\": \"1.csv\"}");
    unsetenv("REPORT_DATABASE_URL_FILE");
    setenv("CREDENTIALS_DIRECTORY", site_folder(site), 1);
    check_made("{\"query\": \"q\", \"format\": \"csv\", \"destination\": \"2.csv\"}");
    clean_up();
}
END_TEST

/* libpq tells the part of an address that it cannot read, and that is often the password. */
START_TEST(address_that_cannot_be_read_is_not_told)
{
    static const char *const wrong[] = {
        "postgresql://u:s3cr%et@127.0.0.1:1/x", "host=127.0.0.1 port=1 password=my s3cret",
        "postgres//u:s3cret@127.0.0.1/x",       "postgresql://u:a@s3cret@127.0.0.1/x",
        "postgresql://u:s3/cret@127.0.0.1/x",   "s3cret"
    };
    set_up();
    write_query("q", "SELECT 1");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        setenv("REPORT_DATABASE_URL", wrong[i], 1);
        check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_RETRY,
                      "REPORT_DATABASE_URL: is no connection string of libpq");
        ck_assert_msg(!strstr(got.error, "s3"), "%s", got.error);
    }
    clean_up();
}
END_TEST

START_TEST(wrong_settings_are_named)
{
    set_up();
    write_query("q", "SELECT 1");
    setenv("REPORT_TIMEOUT", "soon", 1);
    check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_RETRY,
                  "REPORT_TIMEOUT: expected a time like 30s");
    setenv("REPORT_TIMEOUT", "25h", 1);
    check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_RETRY,
                  "REPORT_TIMEOUT: expected a time like 30s");
    unsetenv("REPORT_TIMEOUT");
    check_refused("{\"query\": \"q\", \"format\": \"csv\", \"destination\": \"s3:x.csv\"}", JOB_RETRY,
                  "REPORT_S3_URL: is not set, so there are no reports to S3");
    setenv("REPORT_S3_URL", "ftp://x", 1);
    check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_RETRY,
                  "REPORT_S3_URL: expected https://host/bucket");
    setenv("REPORT_S3_URL", "https://u:p@host/bucket", 1);
    check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_RETRY,
                  "REPORT_S3_URL: expected https://host/bucket, without user");
    setenv("REPORT_S3_URL", "https://host/bucket", 1);
    check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_RETRY,
                  "REPORT_S3_CREDENTIALS_FILE: expected one line, access key:secret key");
    unsetenv("REPORT_S3_URL");
    setenv("REPORT_QUERIES", "/nowhere", 1);
    check_refused("{\"query\": \"q\", \"format\": \"csv\"}", JOB_RETRY,
                  "/nowhere/q.sql: No such file or directory");
    clean_up();
}
END_TEST

/* --- Disks ----------------------------------------------------------------------------------------------------- */

static void check_full(const char *error)
{
    write_query("much",
                "SELECT i, md5(i::text) AS a, md5(i::text || 'x') AS b FROM generate_series(1, 60000) i");
    check_refused("{\"query\": \"much\", \"format\": \"csv\"}", JOB_RETRY, error);
    check_refused("{\"query\": \"much\", \"format\": \"xlsx\"}", JOB_RETRY, "cannot write the report: ");
    check_refused("{\"query\": \"much\", \"format\": \"pdf\"}", JOB_RETRY, error);
}

/* The limit of an executor's files; beyond it the kernel would kill who does not mind. */
START_TEST(file_beyond_its_limit_is_an_error_and_no_crash)
{
    set_up();
    struct rlimit limit = { 1 << 20, 1 << 20 };
    pid_t pid = fork(); /* the harness writes files, too */
    if (pid == 0) {
        setrlimit(RLIMIT_FSIZE, &limit);
        check_full("cannot write the report: File too large");
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    clean_up();
}
END_TEST

/* Whichever of the library's files it is that does not fit: the workbook is whole, or there is none. */
START_TEST(workbook_is_whole_wherever_a_write_fails)
{
    int n_made = 0, n_refused = 0;
    set_up();
    write_query("some", "SELECT i, md5(i::text) AS a FROM generate_series(1, 1000) i");
    for (rlim_t limit = 1000; limit < 140000; limit += limit < 100000 ? 9000 : 800) {
        pid_t pid = fork();
        if (pid == 0) {
            setrlimit(RLIMIT_FSIZE, &(struct rlimit){ limit, limit });
            module_handler(REPORT_MODULE, "report");
            int before = count_descriptors();
            make("{\"query\": \"some\", \"format\": \"xlsx\", \"destination\": \"x.xlsx\"}");
            _exit(count_descriptors() == before ? got.verdict : 99);
        }
        int status;
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        ck_assert_msg(WEXITSTATUS(status) != 99, "files stay open at a limit of %lu", (unsigned long)limit);
        if (WEXITSTATUS(status) == JOB_DONE) {
            ck_assert_str_eq(read_report("x.xlsx", "--count"), "xl/worksheets/sheet1.xml 1001 whole\n");
            unlink(in_folder("out/x.xlsx"));
            n_made++;
        }
        n_refused += WEXITSTATUS(status) == JOB_RETRY;
        ck_assert_int_eq(count_files("out"), 0);
    }
    ck_assert(n_made > 3 && n_refused > 3);
    clean_up();
}
END_TEST

/* A file system of 2 MiB of the test's own, where the kernel lets it have one; else the limit above has shown the same. */
static bool mount_small(const char *path)
{
    char map[32];
    int size = snprintf(map, sizeof(map), "0 %u 1", geteuid());
    if (unshare(CLONE_NEWNS) < 0) {
        int fd =
            unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC) : -1;
        bool is_mapped = fd >= 0 && write(fd, map, (size_t)size) == size;
        if (fd >= 0)
            close(fd);
        if (!is_mapped)
            return false;
    }
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", path, "tmpfs", 0, "size=2m") == 0;
}

START_TEST(full_disk_fails_with_its_cause_and_leaves_nothing)
{
    set_up();
    pid_t pid = fork();
    if (pid == 0) {
        if (mount_small(in_folder("out")))
            check_full("cannot write the report: No space left on device");
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    clean_up();
}
END_TEST

/* --- Being stopped -------------------------------------------------------------------------------------------- */

static _Atomic uint32_t cancelled;

/* The job's first word of progress is what stops it. */
static void stop_job(void *runner, const void *progress, size_t size)
{
    snprintf(runner, 256, "%.*s", (int)size, (const char *)progress);
    cancelled = 7;
}

/* Or what kills it. */
static void kill_job(void *runner, const void *progress, size_t size)
{
    (void)runner, (void)progress, (void)size;
    raise(SIGKILL);
}

static int run_told(const char *payload, void (*tell)(void *runner, const void *progress, size_t size),
                    char *progress, char *error)
{
    struct job_context ctx = { .id = "0199c41f-0123-7788-99aa-bbccddeeff00",
                               .type = "report",
                               .queue = "q",
                               .fence = "1.1",
                               .payload = payload,
                               .payload_size = strlen(payload),
                               .attempt = 1,
                               .delivery = 1,
                               .cancelled = &cancelled,
                               .seq = 7,
                               .cancel_fd = -1,
                               .tell_progress = tell,
                               .runner = progress };
    cancelled = 0;
    int verdict = job_context_run(&ctx, module_handler(REPORT_MODULE, "report"));
    snprintf(error, 256, "%.200s%s", ctx.error, ctx.has_result ? " and a result" : "");
    job_context_done(&ctx);
    return verdict;
}

static const char *const much[] = { "{\"query\": \"much\", \"format\": \"csv\"}",
                                    "{\"query\": \"much\", \"format\": \"xlsx\"}",
                                    "{\"query\": \"much\", \"format\": \"pdf\"}" };

START_TEST(job_that_is_asked_to_stop_leaves_nothing)
{
    char progress[256] = "", error[256];
    set_up();
    write_query("much", "SELECT i FROM generate_series(1, 50000) i");
    for (size_t i = 0; i < sizeof(much) / sizeof(much[0]); i++) {
        ck_assert_int_eq(run_told(much[i], stop_job, progress, error), JOB_RETRY);
        ck_assert_str_eq(error, "asked to stop while the query ran");
        ck_assert_ptr_eq(strstr(progress, "{\"phase\": \"rows\", \"rows\": "), progress);
        ck_assert_int_eq(count_files("out"), 0);
    }
    clean_up();
}
END_TEST

START_TEST(killed_job_leaves_nothing)
{
    char progress[256], error[256];
    int status;
    set_up();
    write_query("much", "SELECT i FROM generate_series(1, 50000) i");
    for (size_t i = 0; i < sizeof(much) / sizeof(much[0]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            run_told(much[i], kill_job, progress, error);
            _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        ck_assert_int_eq(count_files("out"), 0);
    }
    clean_up();
}
END_TEST

/* --- S3 --------------------------------------------------------------------------------------------------------- */

static pid_t s3;

static void s3_start(const char *certificate, const char *key)
{
    int input[2], output[2], port = 0; /* the write end of input stays open until this process ends */
    ck_assert_int_eq(mkdir(in_folder("bucket"), 0700), 0);
    ck_assert_int_eq(pipe2(input, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
    s3 = fork();
    if (s3 == 0) {
        dup2(input[0], STDIN_FILENO);
        dup2(output[1], STDOUT_FILENO);
        execl(S3_SERVICE, S3_SERVICE, in_folder("bucket"), "AKEXAMPLE", "s3cr/et+", certificate, key, NULL);
        _exit(127);
    }
    close(input[0]);
    close(output[1]);
    FILE *said = fdopen(output[0], "r");
    ck_assert_int_eq(fscanf(said, "%d", &port), 1);
    fclose(said);
    char address[64];
    snprintf(address, sizeof(address), "http%s://127.0.0.1:%d/bucket", certificate ? "s" : "", port);
    setenv("REPORT_S3_URL", address, 1);
    setenv("REPORT_S3_REGION", "eu-central-1", 1);
    setenv("REPORT_S3_CREDENTIALS_FILE", in_folder("keys"), 1);
}

static void write_keys(const char *keys)
{
    FILE *file = fopen(in_folder("keys"), "w");
    fputs(keys, file);
    fclose(file);
    chmod(in_folder("keys"), 0600);
}

static void check_object(const char *name, const char *expected)
{
    char command[600];
    snprintf(command, sizeof(command), "cat '%s/%s'", in_folder("bucket"), name);
    ck_assert_str_eq(output_of(command), expected);
}

START_TEST(report_is_uploaded_with_a_signature_that_others_verify)
{
    char expected[600];
    set_up();
    s3_start(NULL, NULL);
    write_keys("AKEXAMPLE:s3cr/et+:a/session+token==\n");
    write_query("q", "SELECT 1 AS n");
    check_made(
        "{\"query\": \"q\", \"format\": \"csv\", \"destination\": \"s3:reports/a b+c/Umsätze (1)~.csv\"}");
    check_object("reports|a%20b%2Bc|Ums%C3%A4tze%20%281%29~.csv", "n\r\n1\r\n");
    snprintf(
        expected, sizeof(expected),
        "{\"location\": \"%s/reports/a%%20b%%2Bc/Ums%%C3%%A4tze%%20%%281%%29~.csv\", \"size\": 6, \"rows\": 1, ",
        getenv("REPORT_S3_URL"));
    ck_assert_ptr_eq(strstr(got.result, expected), got.result);
    char command[600];
    snprintf(command, sizeof(command), "cat '%s/headers'", in_folder("bucket"));
    check_contains(output_of(command), "\ncontent-type: text/csv; charset=utf-8\n");
    check_contains(output_of(command), "\nx-amz-security-token: a/session+token==\n");
    clean_up();
}
END_TEST

START_TEST(storage_that_refuses_is_worth_another_try)
{
    set_up();
    s3_start(NULL, NULL);
    write_query("q", "SELECT 1 AS n");
    write_keys("AKEXAMPLE:wrong");
    check_refused("{\"query\": \"q\", \"format\": \"csv\", \"destination\": \"s3:x.csv\"}", JOB_RETRY,
                  "the storage refused, status 403: <Error><Code>SignatureDoesNotMatch</Code></Error>");
    ck_assert_ptr_null(strstr(got.error, "wrong"));
    write_keys("AKEXAMPLE:s3cr/et+");
    check_refused("{\"query\": \"q\", \"format\": \"csv\", \"destination\": \"s3:denied/x.csv\"}", JOB_RETRY,
                  "status 403: <Error><Code>AccessDenied");
    check_refused("{\"query\": \"q\", \"format\": \"csv\", \"destination\": \"s3:busy/x.csv\"}", JOB_RETRY,
                  "status 503: <Error><Code>SlowDown");
    check_refused("{\"query\": \"q\", \"format\": \"csv\", \"destination\": \"s3:silent/x.csv\"}", JOB_RETRY,
                  "cannot upload: ");
    check_refused("{\"query\": \"q\", \"format\": \"csv\", \"destination\": \"s3:half/x.csv\"}", JOB_RETRY,
                  "cannot upload: ");
    ck_assert_int_eq(count_files("bucket"), 0);
    kill(s3, SIGKILL);
    waitpid(s3, NULL, 0);
    check_refused("{\"query\": \"q\", \"format\": \"csv\", \"destination\": \"s3:x.csv\"}", JOB_RETRY,
                  "cannot upload: Failed to connect");
    clean_up();
}
END_TEST

START_TEST(storage_is_reached_by_tls_with_a_certificate_that_is_trusted)
{
    char command[1200];
    set_up();
    snprintf(
        command, sizeof(command),
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=s3 -addext subjectAltName=IP:127.0.0.1"
        " -keyout '%s' -out '%s' 2>&1",
        in_folder("key.pem"), in_folder("cert.pem"));
    output_of(command);
    s3_start(in_folder("cert.pem"), in_folder("key.pem"));
    write_keys("AKEXAMPLE:s3cr/et+");
    write_query("q", "SELECT i, md5(i::text) FROM generate_series(1, 60000) i"); /* more than one buffer */
    check_refused("{\"query\": \"q\", \"format\": \"xlsx\", \"destination\": \"s3:x.xlsx\"}", JOB_RETRY,
                  "SSL certificate problem");
    setenv("REPORT_S3_CA", in_folder("cert.pem"), 1);
    check_made("{\"query\": \"q\", \"format\": \"xlsx\", \"destination\": \"s3:x.xlsx\"}");
    ck_assert_str_eq(read_report("../bucket/x.xlsx", "--count"), "xl/worksheets/sheet1.xml 60001 whole\n");
    ck_assert_int_eq(count_files("out"), 0);
    clean_up();
}
END_TEST

/* --- In a worker ------------------------------------------------------------------------------------------------ */

#define WORKER                                                                                               \
    &(struct site_options)                                                                                   \
    {                                                                                                        \
        .queues = "{ name = \"default\"; partitions = 1; }",                                                 \
        .worker = "queues = ( { name = \"default\"; } );",                                                   \
        .handlers = "{ type = \"report\"; path = \"" REPORT_MODULE "\"; timeout = \"5m\"; }"                 \
    }

START_TEST(million_rows_need_little_memory)
{
    set_up_with(WORKER);
    write_query(
        "million",
        "-- param: n integer\n"
        "SELECT i AS id, md5(i::text) AS name, i * 1.5 AS amount, i % 2 = 0 AS ok, now() AS at FROM generate_series(1, $1) i");
    site_start_broker(site);
    site_start_worker(site);
    site_sql(
        site,
        "SELECT job.enqueue('default', 'report', '{\"query\": \"million\", \"format\": \"csv\", \"parameters\": {\"n\": 1000000},"
        " \"destination\": \"million.csv\"}')");
    site_await(site, 60,
               "SELECT (progress ->> 'rows')::int > 0 FROM job.lease"); /* how far it is can be seen */
    site_await(site, 300, "SELECT state = 'succeeded' FROM job.result");
    ck_assert_int_eq(site_ask(site, "SELECT (result ->> 'rows')::int FROM job.result"), 1000000);
    int64_t peak_kib = site_ask(site, "SELECT peak_kib FROM job.result");
    char command[600];
    snprintf(command, sizeof(command), "wc -l < '%s/million.csv'", in_folder("out"));
    ck_assert_int_eq(atoi(output_of(command)), 1000001);
    printf("# peak of the executor: %ld KiB\n", (long)peak_kib);
#ifndef __SANITIZE_ADDRESS__ /* keeps what was freed */
    ck_assert_int_le(peak_kib, 64 * 1024);
#endif
    ck_assert_int_gt(peak_kib, 1024);
    clean_up();
}
END_TEST

START_TEST(cancelled_job_ends_its_query_and_leaves_nothing)
{
    char *id;
    set_up_with(WORKER);
    write_query("sleep", "SELECT pg_sleep(3600)");
    site_start_broker(site);
    struct site_daemon *worker = site_start_worker(site);
    id = site_ask_text(
        site, "SELECT job.enqueue('default', 'report', '{\"query\": \"sleep\", \"format\": \"csv\"}')");
    site_await(
        site, 30,
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%%SELECT pg_sleep(3600)%%' AND usename = '" ROLE
        "' AND datname = current_database())");
    site_jobctl(site, NULL, (const char *const[]){ "job", "cancel", id, NULL });
    site_await(site, 30, "SELECT state = 'cancelled' FROM job.result");
    site_await(site, 30,
               "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = '" ROLE
               "' AND datname = current_database())");
    ck_assert_int_eq(count_files("out"), 0);
    ck_assert(site_is_running(worker));
    free(id);
    clean_up();
}
END_TEST

START_TEST(sample_query_reports_what_libjob_has_done)
{
    set_up_with(WORKER);
    unsetenv("REPORT_QUERIES"); /* those beside the module */
    site_sql(site, "GRANT USAGE ON SCHEMA job TO " ROLE "; GRANT SELECT ON job.rollup TO " ROLE);
    site_sql(
        site,
        "INSERT INTO job.rollup (hour, n, shard, queue, type, state) VALUES (date_trunc('hour', now()), 5, 0, 'mail', 'x', 'succeeded'),"
        " (date_trunc('hour', now()), 2, 1, 'mail', 'x', 'dead'), (date_trunc('hour', now()), 1, 0, 'other', 'x', 'expired')");
    check_made("{\"query\": \"jobs_per_day\", \"format\": \"csv\", \"destination\": \"j.csv\"}");
    check_contains(read_report("j.csv", ""), "[\"day\", \"succeeded\", \"dead\", \"other\"]\n");
    check_contains(read_report("j.csv", ""), ", \"5\", \"2\", \"1\"]\n");
    check_made(
        "{\"query\": \"jobs_per_day\", \"format\": \"pdf\", \"destination\": \"j.pdf\", \"parameters\": {\"queues\": [\"mail\"]}}");
    check_contains(read_report("j.pdf", ""), "page 1: 595x842 ink\nJobs per day\n");
    check_contains(read_report("j.pdf", ""), " 5 2 0\n");
    clean_up();
}
END_TEST

SUITE_MAIN("report", csv_is_read_by_others_as_it_was_meant, formulas_are_guarded_and_numbers_are_not,
           result_tells_where_how_large_and_what, workbook_has_cells_of_their_types,
           table_longer_than_a_sheet_goes_on_on_the_next, text_too_long_for_a_cell_is_named,
           document_has_title_chart_table_and_numbered_pages, document_without_rows_says_so,
           text_from_right_to_left_stands_on_the_right, wide_table_is_set_sideways_and_too_wide_a_one_refused,
           document_has_bounds_that_it_names, parameters_are_values_and_never_sql,
           wrong_parameter_fails_for_good_and_is_named, query_that_cannot_succeed_fails_for_good,
           query_that_wants_to_write_does_not, query_that_runs_for_ever_is_stopped,
           connection_that_is_lost_is_worth_another_try, superuser_is_refused,
           address_of_the_database_may_be_a_secret_in_a_file, address_that_cannot_be_read_is_not_told,
           wrong_settings_are_named, file_beyond_its_limit_is_an_error_and_no_crash,
           workbook_is_whole_wherever_a_write_fails, full_disk_fails_with_its_cause_and_leaves_nothing,
           job_that_is_asked_to_stop_leaves_nothing, killed_job_leaves_nothing,
           report_is_uploaded_with_a_signature_that_others_verify, storage_that_refuses_is_worth_another_try,
           storage_is_reached_by_tls_with_a_certificate_that_is_trusted, million_rows_need_little_memory,
           cancelled_job_ends_its_query_and_leaves_nothing, sample_query_reports_what_libjob_has_done)
