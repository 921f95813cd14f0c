/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "libjob/context.h"
#include "worker/http_guard.h"

#define ERROR_BODY_MAX 256 /* bytes of what the service says about its refusal */

struct http {
    CURL *curl;
    const char *url; /* borrowed */
    char *host;      /* of the URL, curl's memory */
    char *const *allow;
    size_t n_allow;
    struct buf body;
    bool too_large;
    char refused[INET6_ADDRSTRLEN]; /* an address that the guard refused; "" */
    char error[CURL_ERROR_SIZE];
};

/* --- What curl asks for ------------------------------------------------------------------------------------------------ */

static curl_socket_t open_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http *http = userdata;
    (void)purpose;
    if (http_guard_allows(&address->addr, http->host, http->allow, http->n_allow))
        return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    const void *bytes = address->family == AF_INET6
                            ? (const void *)&((struct sockaddr_in6 *)(void *)&address->addr)->sin6_addr
                            : (const void *)&((struct sockaddr_in *)(void *)&address->addr)->sin_addr;
    if (!inet_ntop(address->family, bytes, http->refused, sizeof(http->refused)))
        snprintf(http->refused, sizeof(http->refused), "of family %d", address->family);
    return CURL_SOCKET_BAD;
}

/* Taking less than was given ends the transfer: of a refusal its first words are enough. */
static size_t take_body(char *data, size_t one, size_t size, void *userdata)
{
    struct http *http = userdata;
    long status = 0;
    (void)one;
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
    size_t max = http_verdict(status) == JOB_DONE ? JOB_MAX_RESULT_SIZE : ERROR_BODY_MAX;
    size_t room = max - http->body.size, taken = size < room ? size : room;
    buf_append(&http->body, data, taken);
    http->too_large |= taken < size;
    return http->body.failed ? 0 : taken;
}

/* --- The request ------------------------------------------------------------------------------------------------------- */

/* What cannot stand in a header is left out: values come from whoever wrote the message. */
static bool is_printable(const char *value)
{
    for (; *value; value++)
        if ((unsigned char)*value < ' ' || *value == 0x7f)
            return false;
    return true;
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    _cleanup_buf_ struct buf line = { 0 };
    if (!value || !*value || !is_printable(value))
        return true;
    buf_append_format(&line, "%s: %s", name, value);
    struct curl_slist *longer = line.failed ? NULL : curl_slist_append(*list, line.data);
    if (longer)
        *list = longer;
    return longer != NULL;
}

static struct curl_slist *make_headers(const struct job_context *ctx)
{
    char attempt[16], source[128];
    snprintf(attempt, sizeof(attempt), "%d", ctx->attempt);
    snprintf(source, sizeof(source), "/libjob/%s", ctx->queue);
    const struct {
        const char *name, *value;
    } headers[] = {
        { "content-type", job_context_content_type(ctx) },
        { "ce-specversion", "1.0" },
        { "ce-id", ctx->id },
        { "ce-type", ctx->type },
        { "ce-source", source },
        { "idempotency-key", ctx->id },
        { "job-attempt", attempt },
        { "job-fence", ctx->fence },
        { "traceparent", ctx->traceparent },
        { "tracestate", ctx->tracestate },
    };
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* curl's own is left out */
    bool whole = list != NULL;
    for (size_t i = 0; i < ARRAY_SIZE(headers) && whole; i++)
        whole = add_header(&list, headers[i].name, headers[i].value);
    if (whole)
        return list;
    curl_slist_free_all(list);
    return NULL;
}

static CURLcode post(struct http *http, const struct job_context *ctx)
{
    struct curl_slist *headers = make_headers(ctx);
    int64_t timeout_ms = ctx->timeout_us / USEC_PER_MSEC;
    if (!headers)
        return CURLE_OUT_OF_MEMORY;
    buf_reset(&http->body);
    http->too_large = false;
    http->refused[0] = http->error[0] = 0;
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ctx->payload_size);
    curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, ctx->payload ? ctx->payload : "");
    curl_easy_setopt(http->curl, CURLOPT_TIMEOUT_MS, (long)(timeout_ms > 0 ? timeout_ms : 1));
    CURLcode code = curl_easy_perform(http->curl);
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return code;
}

/* --- The answer -------------------------------------------------------------------------------------------------------- */

int http_verdict(long status)
{
    static const long again[] = { 408, 409, 425, 429 };
    if (status >= 200 && status < 300)
        return JOB_DONE;
    for (size_t i = 0; i < ARRAY_SIZE(again); i++)
        if (status == again[i])
            return JOB_RETRY;
    return status >= 300 && status < 500 ? JOB_FAIL : JOB_RETRY;
}

static int answer_transport(struct http *http, struct job_context *ctx, CURLcode code)
{
    if (http->refused[0])
        return job_retry(ctx, "%s: %s is not a public address, and the handler's \"allow\" does not name it",
                         http->url, http->refused);
    return job_retry(ctx, "%s: %s", http->url, http->error[0] ? http->error : curl_easy_strerror(code));
}

static int answer_done(struct http *http, struct job_context *ctx)
{
    if (http->too_large)
        return job_fail(ctx, "the result is larger than %d KiB", JOB_MAX_RESULT_SIZE / 1024);
    if (http->body.size && job_set_result(ctx, http->body.data, http->body.size) != 0)
        return job_retry(ctx, "out of memory");
    return JOB_DONE;
}

static int answer_refused(struct http *http, struct job_context *ctx, long status)
{
    int verdict = http_verdict(status);
    size_t size = http->body.size ? strnlen(http->body.data, http->body.size) : 0;
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &retry_after_s);
    if (verdict == JOB_RETRY && retry_after_s > 0)
        job_retry_after(ctx, retry_after_s * 1000);
    job_set_error(ctx, "status %ld%s%s%.*s", status, status < 400 ? ", and redirects are not followed" : "",
                  size ? ": " : "", (int)size, size ? http->body.data : "");
    return verdict;
}

int http_run(struct http *http, struct job_context *ctx)
{
    long status = 0;
    job_context_reset(ctx);
    CURLcode code = post(http, ctx);
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && http->too_large))
        return answer_transport(http, ctx, code);
    return http_verdict(status) == JOB_DONE ? answer_done(http, ctx) : answer_refused(http, ctx, status);
}

/* --- Making it --------------------------------------------------------------------------------------------------------- */

/* Numbers and brackets of addresses as curl itself will read them. */
static int find_host(struct http *http, struct err *reterr)
{
    CURLU *url = curl_url();
    CURLUcode code = url ? curl_url_set(url, CURLUPART_URL, http->url, 0) : CURLUE_OUT_OF_MEMORY;
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_HOST, &http->host, 0);
    curl_url_cleanup(url);
    if (code == CURLUE_OUT_OF_MEMORY)
        return -ENOMEM;
    return code == CURLUE_OK
               ? 0
               : err_set(reterr, -EINVAL, "handler url %s: %s", http->url, curl_url_strerror(code));
}

static void set_options(struct http *http)
{
    curl_easy_setopt(http->curl, CURLOPT_URL, http->url);
    curl_easy_setopt(http->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(http->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(http->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(http->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(http->curl, CURLOPT_USERAGENT, "libjob/" JOB_VERSION);
    curl_easy_setopt(http->curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(http->curl, CURLOPT_OPENSOCKETDATA, http);
    curl_easy_setopt(http->curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(http->curl, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, http->error);
}

int http_new(struct http **ret, const char *url, char *const *allow, size_t n_allow, struct err *reterr)
{
    _cleanup_(http_free_cleanup) struct http *http = calloc(1, sizeof(*http));
    if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    http->url = url;
    http->allow = allow;
    http->n_allow = n_allow;
    http->curl = curl_easy_init();
    if (!http->curl)
        return -ENOMEM;
    int r = find_host(http, reterr);
    if (r < 0)
        return r;
    set_options(http);
    *ret = steal(http);
    return 0;
}

struct http *http_free(struct http *http)
{
    if (!http)
        return NULL;
    curl_easy_cleanup(http->curl);
    curl_free(http->host);
    buf_done(&http->body);
    free(http);
    return NULL;
}
