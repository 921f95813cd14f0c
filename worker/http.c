/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "libjob/context.h"
#include "worker/frame.h"
#include "worker/http_guard.h"
#include "worker/http_headers.h"
#include "worker/http_sign.h"

#define ERROR_BODY_MAX 256 /* bytes of what the service says about its refusal */
#define CONNECT_TIMEOUT_MS 30000
/* Each request has its own, and most answers are short. */
#define BUFFER_SIZE 4096L
#define UPLOAD_BUFFER_SIZE (16 * 1024L)

struct http {
    const char *url; /* borrowed */
    char *host;      /* of the URL, curl's memory */
    bool is_address; /* the host is one */
    int port;
    char *const *allow;
    size_t n_allow;
    struct http_keys keys;
};

struct http_request {
    struct http *http; /* borrowed */
    CURL *curl;
    struct curl_slist *headers;
    struct curl_slist *addresses; /* of the host; NULL: curl resolves it */
    struct buf body;
    size_t headers_size; /* of the answer */
    bool too_large;
    int64_t timeout_us;
    char refused[INET6_ADDRSTRLEN]; /* an address that the guard refused; "" */
    char error[CURL_ERROR_SIZE];
};

/* --- What curl asks for ------------------------------------------------------------------------------------------------ */

static bool is_allowed(struct http_request *request, const struct sockaddr *address)
{
    const struct http *http = request->http;
    return http_guard_allows(address, http->host, http->allow, http->n_allow);
}

static curl_socket_t open_socket(void *userdata, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_request *request = userdata;
    (void)purpose;
    if (is_allowed(request, &address->addr))
        return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    const void *bytes = address->family == AF_INET6
                            ? (const void *)&((struct sockaddr_in6 *)(void *)&address->addr)->sin6_addr
                            : (const void *)&((struct sockaddr_in *)(void *)&address->addr)->sin_addr;
    if (!inet_ntop(address->family, bytes, request->refused, sizeof(request->refused)))
        snprintf(request->refused, sizeof(request->refused), "of family %d", address->family);
    return CURL_SOCKET_BAD;
}

/* The connection may be one that a handler with another list of allowed addresses has opened. */
static int before_request(void *userdata, char *peer, char *own, int peer_port, int own_port)
{
    struct http_request *request = userdata;
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    (void)own;
    (void)peer_port;
    (void)own_port;
    if (inet_pton(AF_INET, peer, &v4.sin_addr) == 1 && is_allowed(request, (struct sockaddr *)&v4))
        return CURL_PREREQFUNC_OK;
    if (inet_pton(AF_INET6, peer, &v6.sin6_addr) == 1 && is_allowed(request, (struct sockaddr *)&v6))
        return CURL_PREREQFUNC_OK;
    snprintf(request->refused, sizeof(request->refused), "%s", peer);
    return CURL_PREREQFUNC_ABORT;
}

/* Taking less than was given ends the transfer. */
static size_t take_header(char *data, size_t one, size_t size, void *userdata)
{
    struct http_request *request = userdata;
    (void)data;
    (void)one;
    request->headers_size += size;
    return request->headers_size <= HTTP_HEADERS_MAX ? size : 0;
}

/* Of a refusal its first words are enough. */
static size_t take_body(char *data, size_t one, size_t size, void *userdata)
{
    struct http_request *request = userdata;
    long status = 0;
    (void)one;
    curl_easy_getinfo(request->curl, CURLINFO_RESPONSE_CODE, &status);
    size_t max = http_verdict(status) == JOB_DONE ? JOB_MAX_RESULT_SIZE : ERROR_BODY_MAX;
    size_t room = max - request->body.size, taken = size < room ? size : room;
    buf_append(&request->body, data, taken);
    request->too_large |= taken < size;
    return request->body.failed ? 0 : taken;
}

/* --- The request ------------------------------------------------------------------------------------------------------- */

/* curl knows no more than 24 days; whoever set the longer time watches it. */
static long timeout_ms(int64_t timeout_us)
{
    int64_t ms = timeout_us / USEC_PER_MSEC;
    return ms > INT_MAX ? 0 : ms > 0 ? (long)ms : 1;
}

static void set_callbacks(struct http_request *request)
{
    curl_easy_setopt(request->curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(request->curl, CURLOPT_OPENSOCKETDATA, request);
    curl_easy_setopt(request->curl, CURLOPT_PREREQFUNCTION, before_request);
    curl_easy_setopt(request->curl, CURLOPT_PREREQDATA, request);
    curl_easy_setopt(request->curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(request->curl, CURLOPT_HEADERDATA, request);
    curl_easy_setopt(request->curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(request->curl, CURLOPT_WRITEDATA, request);
    curl_easy_setopt(request->curl, CURLOPT_ERRORBUFFER, request->error);
}

static CURLcode set_options(struct http_request *request, const struct job_context *ctx)
{
    CURL *curl = request->curl;
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, BUFFER_SIZE);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_SIZE);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "libjob/" JOB_VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms(ctx->timeout_us));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, request->headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ctx->payload_size);
    CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, request->http->url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, ctx->payload ? ctx->payload : "");
    return code;
}

struct http_request *http_request_new(struct http *http, const struct job_context *ctx)
{
    _cleanup_(http_request_free_cleanup) struct http_request *request = calloc(1, sizeof(*request));
    if (!request)
        return NULL;
    request->http = http;
    request->timeout_us = ctx->timeout_us;
    request->headers = http_headers_make(ctx, &http->keys, clock_wall_us());
    request->curl = curl_easy_init();
    if (!request->headers || !request->curl)
        return NULL;
    set_callbacks(request);
    return set_options(request, ctx) == CURLE_OK ? steal(request) : NULL;
}

struct http_request *http_request_free(struct http_request *request)
{
    if (!request)
        return NULL;
    curl_easy_cleanup(request->curl);
    curl_slist_free_all(request->headers);
    curl_slist_free_all(request->addresses);
    buf_done(&request->body);
    free(request);
    return NULL;
}

int http_request_set_addresses(struct http_request *request, const char *entry)
{
    struct curl_slist *addresses = curl_slist_append(NULL, entry);
    if (!addresses)
        return -ENOMEM;
    curl_slist_free_all(request->addresses);
    request->addresses = addresses;
    curl_easy_setopt(request->curl, CURLOPT_RESOLVE, addresses);
    return 0;
}

CURL *http_request_handle(struct http_request *request)
{
    return request->curl;
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

/* Connecting has a limit of its own, which is no reason to count the try as too long. curl's clock is not asked: it is coarse. */
static bool has_used_its_time(const struct http_request *request)
{
    curl_off_t connected_us = 0;
    curl_easy_getinfo(request->curl, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    return connected_us > 0 || request->timeout_us <= CONNECT_TIMEOUT_MS * USEC_PER_MSEC;
}

static int answer_transport(struct http_request *request, struct job_context *ctx, CURLcode code)
{
    const char *url = request->http->url;
    if (request->refused[0])
        return job_retry(ctx, "%s: %s is not a public address, and the handler's \"allow\" does not name it",
                         url, request->refused);
    if (request->headers_size > HTTP_HEADERS_MAX)
        return job_fail(ctx, "%s: the headers of the answer are larger than %d KiB", url,
                        HTTP_HEADERS_MAX / 1024);
    job_set_error(ctx, "%s: %s", url, request->error[0] ? request->error : curl_easy_strerror(code));
    return code == CURLE_OPERATION_TIMEDOUT && has_used_its_time(request) ? FRAME_TIMEOUT : JOB_RETRY;
}

static int answer_done(struct http_request *request, struct job_context *ctx)
{
    if (request->too_large)
        return job_fail(ctx, "the result is larger than %d KiB", JOB_MAX_RESULT_SIZE / 1024);
    if (request->body.size && job_set_result(ctx, request->body.data, request->body.size) != 0)
        return job_retry(ctx, "out of memory");
    return JOB_DONE;
}

static int answer_refused(struct http_request *request, struct job_context *ctx, long status)
{
    int verdict = http_verdict(status);
    const struct buf *body = &request->body;
    size_t size = body->size ? strnlen(body->data, body->size) : 0;
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(request->curl, CURLINFO_RETRY_AFTER, &retry_after_s);
    if (verdict == JOB_RETRY && retry_after_s > 0)
        job_retry_after(ctx, retry_after_s * 1000);
    job_set_error(ctx, "status %ld%s%s%.*s", status, status < 400 ? ", and redirects are not followed" : "",
                  size ? ": " : "", (int)size, size ? body->data : "");
    return verdict;
}

int http_request_answer(struct http_request *request, CURLcode code, struct job_context *ctx)
{
    long status = 0;
    job_context_reset(ctx);
    curl_easy_getinfo(request->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && request->too_large))
        return answer_transport(request, ctx, code);
    return http_verdict(status) == JOB_DONE ? answer_done(request, ctx)
                                            : answer_refused(request, ctx, status);
}

int http_run(struct http *http, struct job_context *ctx)
{
    _cleanup_(http_request_free_cleanup) struct http_request *request = http_request_new(http, ctx);
    job_context_reset(ctx);
    if (!request)
        return job_retry(ctx, "out of memory");
    return http_request_answer(request, curl_easy_perform(request->curl), ctx);
}

/* --- The handler ------------------------------------------------------------------------------------------------------- */

static bool is_address(const char *host)
{
    struct in_addr v4;
    return *host == '[' || inet_pton(AF_INET, host, &v4) == 1;
}

/* Names, numbers and brackets as curl itself will read them. */
static CURLUcode read_url(struct http *http, CURLU *url)
{
    char *port = NULL;
    CURLUcode code = url ? curl_url_set(url, CURLUPART_URL, http->url, 0) : CURLUE_OUT_OF_MEMORY;
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_HOST, &http->host, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    if (code == CURLUE_OK) {
        http->port = atoi(port);
        http->is_address = is_address(http->host);
    }
    curl_free(port);
    return code;
}

static int find_host(struct http *http, struct err *reterr)
{
    CURLU *url = curl_url();
    CURLUcode code = read_url(http, url);
    curl_url_cleanup(url);
    if (code == CURLUE_OUT_OF_MEMORY)
        return -ENOMEM;
    return code == CURLUE_OK
               ? 0
               : err_set(reterr, -EINVAL, "handler url %s: %s", http->url, curl_url_strerror(code));
}

const char *http_host_name(const struct http *http, int *ret_port)
{
    *ret_port = http->port;
    return http->is_address ? NULL : http->host;
}

int http_new(struct http **ret, const struct http_settings *settings, struct err *reterr)
{
    _cleanup_(http_free_cleanup) struct http *http = calloc(1, sizeof(*http));
    if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    http->url = settings->url;
    http->allow = settings->allow;
    http->n_allow = settings->n_allow;
    int r = find_host(http, reterr);
    if (r < 0)
        return r;
    if (http_keys_parse(settings->secrets, &http->keys) < 0)
        return err_set(reterr, -EINVAL, "handler url %s: the secret is none", http->url);
    *ret = steal(http);
    return 0;
}

struct http *http_free(struct http *http)
{
    if (!http)
        return NULL;
    curl_free(http->host);
    explicit_bzero(&http->keys, sizeof(http->keys));
    free(http);
    return NULL;
}
