/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http.h"

#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "libjob/context.h"
#include "tests/support/http_service.h"
#include "tests/support/suite.h"
#include "worker/frame.h"

static char *allow_loopback[] = { (char *)"127.0.0.0/8" };
static struct job_context ctx; /* each test runs in its own process */
static int port;

static void set_job(void)
{
    ctx.id = "0197-id";
    ctx.type = "mail.send";
    ctx.queue = "mail";
    ctx.fence = "3.7";
    ctx.payload = "{\"a\": 1}";
    ctx.payload_size = 8;
    ctx.attempt = 2;
    ctx.time_us = INT64_C(1700000000123456);
    ctx.timeout_us = 20 * USEC_PER_SEC;
}

/* What the test's own name servers say of any name, by turns; NULL: ask the real ones. */
static const char *const *resolved;

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(resolved && *resolved ? *resolved++ : node, service, hints, ret);
}

static int run_settings(const struct http_settings *settings)
{
    _cleanup_(http_free_cleanup) struct http *http = NULL;
    struct err err = { 0 };
    if (!ctx.id)
        set_job();
    ck_assert_msg(http_new(&http, settings, &err) == 0, "%s", err.text);
    return http_run(http, &ctx);
}

static int run_url(const char *url, char *const *allow, size_t n_allow)
{
    return run_settings(&(struct http_settings){ url, "", allow, n_allow });
}

static int run(const char *path)
{
    char url[512];
    if (!port)
        port = http_service_start();
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
    return run_url(url, allow_loopback, 1);
}

START_TEST(status_is_the_verdict)
{
    static const struct {
        int status, verdict;
    } cases[] = {
        { 200, JOB_DONE },  { 201, JOB_DONE },  { 202, JOB_DONE },  { 299, JOB_DONE },  { 301, JOB_FAIL },
        { 302, JOB_FAIL },  { 307, JOB_FAIL },  { 308, JOB_FAIL },  { 400, JOB_FAIL },  { 401, JOB_FAIL },
        { 403, JOB_FAIL },  { 404, JOB_FAIL },  { 408, JOB_RETRY }, { 409, JOB_RETRY }, { 410, JOB_FAIL },
        { 413, JOB_FAIL },  { 422, JOB_FAIL },  { 424, JOB_FAIL },  { 425, JOB_RETRY }, { 426, JOB_FAIL },
        { 429, JOB_RETRY }, { 499, JOB_FAIL },  { 500, JOB_RETRY }, { 501, JOB_RETRY }, { 502, JOB_RETRY },
        { 503, JOB_RETRY }, { 504, JOB_RETRY }, { 599, JOB_RETRY },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char path[32], said[32];
        snprintf(path, sizeof(path), "/status/%d", cases[i].status);
        snprintf(said, sizeof(said), "said %d", cases[i].status);
        ck_assert_msg(run(path) == cases[i].verdict, "%d", cases[i].status);
        ck_assert_int_eq(ctx.retry_after_ms, -1);
        ck_assert_int_eq(ctx.has_result, cases[i].verdict == JOB_DONE);
        if (ctx.has_result)
            ck_assert_mem_eq(ctx.result.data, said, 8);
        else
            ck_assert_ptr_nonnull(strstr(ctx.error, said));
    }
    run("/status/503");
    ck_assert_str_eq(ctx.error, "status 503: said 503");
    run("/redirect");
    ck_assert_str_eq(ctx.error, "status 302, and redirects are not followed");
}
END_TEST

START_TEST(service_gets_the_job_as_an_event)
{
    set_job();
    ctx.type = "mail \"send\" 5% \xc3\xa9";
    ctx.traceparent = "00-aa";
    ctx.tracestate = "evil\r\nx-injected: 1";
    ck_assert_int_eq(run("/echo"), JOB_DONE);
    buf_append_char(&ctx.result, 0);
    static const char *const lines[] = {
        "POST /echo\n",
        "\nce-id: 0197-id\n",
        "\nce-source: /libjob/mail\n",
        "\nce-specversion: 1.0\n",
        "\nce-time: 2023-11-14T22:13:20.123456Z\n",
        "\nce-type: mail%20%22send%22%205%25%20%C3%A9\n",
        "\ncontent-length: 8\n",
        "\ncontent-type: application/json\n",
        "\njob-attempt: 2\n",
        "\nidempotency-key: 0197-id\n",
        "\njob-fence: 3.7\n",
        "\ntraceparent: 00-aa\n",
        "\n\n{\"a\": 1}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        ck_assert_msg(strstr(ctx.result.data, lines[i]) != NULL, "%s not in %s", lines[i], ctx.result.data);
    ck_assert_ptr_null(strstr(ctx.result.data, "injected"));
    ck_assert_ptr_null(strstr(ctx.result.data, "expect"));
    ck_assert_ptr_null(strstr(ctx.result.data, "webhook"));
}
END_TEST

#define KEY_A "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define KEY_B "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

static int run_signed(const char *key, const char *secrets)
{
    char url[256];
    if (!port)
        port = http_service_start();
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/signed/%s", port, key);
    return run_settings(&(struct http_settings){ url, secrets, allow_loopback, 1 });
}

START_TEST(service_verifies_the_signature)
{
    ck_assert_int_eq(run_signed(KEY_A, "whsec_" KEY_A), JOB_DONE);
    ck_assert_int_eq(run_signed(KEY_A, "whsec_" KEY_B), JOB_FAIL);
    ck_assert_int_eq(run_signed(KEY_A, ""), JOB_FAIL);
    ck_assert_int_eq(run_signed(KEY_A, "whsec_" KEY_B " whsec_" KEY_A), JOB_DONE);
    ck_assert_int_eq(run_signed(KEY_B, "whsec_" KEY_B " whsec_" KEY_A), JOB_DONE);
    ctx.payload_size = 0;
    ck_assert_int_eq(run_signed(KEY_A, "whsec_" KEY_A), JOB_DONE);
}
END_TEST

START_TEST(retry_after_is_honoured_in_both_forms)
{
    char path[128] = "/retry-after/";
    ck_assert_int_eq(run("/retry-after/120"), JOB_RETRY);
    ck_assert_int_eq(ctx.retry_after_ms, 120000);
    time_t due = time(NULL) + 1000;
    struct tm tm;
    strftime(path + strlen(path), 100, "%a,%%20%d%%20%b%%20%Y%%20%H:%M:%S%%20GMT", gmtime_r(&due, &tm));
    ck_assert_int_eq(run(path), JOB_RETRY);
    ck_assert_int_ge(ctx.retry_after_ms, 980000);
    ck_assert_int_le(ctx.retry_after_ms, 1000000);
    ck_assert_int_eq(run("/retry-after/soon"), JOB_RETRY);
    ck_assert_int_eq(ctx.retry_after_ms, -1);
}
END_TEST

START_TEST(result_has_a_limit)
{
    ck_assert_int_eq(run("/bytes/262144"), JOB_DONE);
    ck_assert_uint_eq(ctx.result.size, 262144);
    ck_assert_int_eq(run("/bytes/262145"), JOB_FAIL);
    ck_assert_str_eq(ctx.error, "the result is larger than 256 KiB");
    ck_assert_int_eq(run("/bytes/100000000"), JOB_FAIL);
    ck_assert_int_eq(run("/bytes/0"), JOB_DONE);
    ck_assert(!ctx.has_result);
}
END_TEST

START_TEST(silent_service_costs_the_time_of_the_try)
{
    set_job();
    ctx.timeout_us = 300 * USEC_PER_MSEC;
    int64_t before_us = clock_mono_us();
    ck_assert_int_eq(run("/silence"), FRAME_TIMEOUT);
    ck_assert_int_lt(clock_mono_us() - before_us, 10 * USEC_PER_SEC);
    ck_assert_ptr_nonnull(strstr(ctx.error, "timed out"));
}
END_TEST

START_TEST(dripping_service_costs_no_more)
{
    set_job();
    ctx.timeout_us = 300 * USEC_PER_MSEC;
    ck_assert_int_eq(run("/drip/body"), FRAME_TIMEOUT);
    ck_assert_int_eq(run("/drip/head"), FRAME_TIMEOUT);
}
END_TEST

START_TEST(headers_have_a_limit)
{
    ck_assert_int_eq(run("/headers/60"), JOB_DONE);
    ck_assert_int_eq(run("/headers/80"), JOB_FAIL);
    ck_assert_ptr_nonnull(strstr(ctx.error, "the headers of the answer are larger than 64 KiB"));
}
END_TEST

START_TEST(name_that_leads_elsewhere_the_next_time_is_refused_then)
{
    static const char *const answers[] = { "127.0.0.1", "127.0.0.2", "127.0.0.1", NULL };
    static char *allow[] = { (char *)"127.0.0.1" };
    char url[64];
    port = http_service_start();
    snprintf(url, sizeof(url), "http://rebind.test:%d/status/200", port);
    resolved = answers;
    ck_assert_int_eq(run_url(url, allow, 1), JOB_DONE);
    ck_assert_int_eq(run_url(url, allow, 1), JOB_RETRY);
    ck_assert_ptr_nonnull(strstr(ctx.error, "127.0.0.2 is not a public address"));
    ck_assert_int_eq(run_url(url, allow, 1), JOB_DONE);
    ck_assert_ptr_null(*resolved);
}
END_TEST

START_TEST(closed_address_is_refused_before_connecting)
{
    static const char *const urls[] = {
        "http://127.0.0.1:1/",
        "http://2130706433:1/",
        "http://0x7f.1:1/",
        "http://localhost:1/",
        "http://[::1]:1/",
        "http://[::ffff:127.0.0.1]:1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1%25lo]:1/",
        "http://[::ffff:a9fe:a9fe]:1/",
        "http://[64:ff9b::7f00:1]:1/",
        "http://0:1/",
        "http://0177.0.0.1:1/",
        "http://10.0.0.1:1/",
        "http://[fd00::1]:1/",
    };
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        ck_assert_int_eq(run_url(urls[i], NULL, 0), JOB_RETRY);
        ck_assert_msg(strstr(ctx.error, "is not a public address") != NULL, "%s: %s", urls[i], ctx.error);
    }
    ck_assert_int_eq(run_url("http://127.0.0.1:1/", allow_loopback, 1), JOB_RETRY);
    ck_assert_msg(strstr(ctx.error, "127.0.0.1") && !strstr(ctx.error, "public"), "%s", ctx.error);
}
END_TEST

START_TEST(proxy_of_the_environment_is_not_used)
{
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    ck_assert_int_eq(run("/status/200"), JOB_DONE);
}
END_TEST

START_TEST(url_that_is_none_is_refused)
{
    struct http *http = NULL;
    struct err err = { 0 };
    ck_assert_int_eq(http_new(&http, &(struct http_settings){ .url = "http://a b/", .secrets = "" }, &err),
                     -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "handler url http://a b/: "));
    ck_assert_ptr_null(http);
    ck_assert_int_eq(http_new(&http, &(struct http_settings){ .url = "http://", .secrets = "" }, &err),
                     -EINVAL);
    ck_assert_ptr_null(http);
}
END_TEST

SUITE_MAIN("http", status_is_the_verdict, service_gets_the_job_as_an_event,
           retry_after_is_honoured_in_both_forms, result_has_a_limit,
           silent_service_costs_the_time_of_the_try, service_verifies_the_signature,
           dripping_service_costs_no_more, headers_have_a_limit,
           name_that_leads_elsewhere_the_next_time_is_refused_then,
           closed_address_is_refused_before_connecting, proxy_of_the_environment_is_not_used,
           url_that_is_none_is_refused)
