/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests become calls of the functions in routes[], and their answers JSON.
 *
 * libmicrohttpd calls http_on_request() once with the headers, then for each piece of the body, then once more. What is wrong with a
 * request is often known from its headers. Then its body is read and dropped, up to DROP_MAX, because many clients read no answer before they
 * have sent everything; one that has asked first (Expect: 100-continue) gets the answer at once.
 */
#include "api.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define JSON_MAX (16 * 1024)
#define FRAME_MAX (64 * 1024) /* what a form adds to its file */
#define DROP_MAX (64 * 1024 * 1024)

/* A path that ends with "/" is followed by an argument. */
struct route {
    const char *method, *path;
    const char *media_type; /* of the body; NULL: there is none */
    void (*begin)(struct request *r);
    void (*take)(struct request *r, const char *data, size_t size);
    void (*finish)(struct request *r);
};

static void take_json(struct request *r, const char *data, size_t size);

static const struct route routes[] = {
    { "POST", "/api/register", "application/json", NULL, take_json, register_user },
    { "POST", "/api/videos", "multipart/form-data", video_begin, video_take, video_accept },
    { "GET", "/api/users", NULL, NULL, NULL, list_users },
    { "GET", "/api/jobs/", NULL, NULL, NULL, show_job },
};

/* How many requests are under way, for the end. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t none;
    int n;
    bool draining;
} running = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false };

/* --- answers --- */

static void answer(struct request *r, unsigned status, json_t *body, const char *media_type)
{
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (r->response || !text) {
        free(text);
        return;
    }
    r->status = status;
    r->response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    http_header(r, "Content-Type", "%s", media_type);
    http_header(r, "X-Content-Type-Options", "nosniff");
}

void http_answer(struct request *r, unsigned status, json_t *body)
{
    answer(r, status, body, "application/json");
}

void http_problem(struct request *r, unsigned status, const char *field, const char *rule)
{
    json_t *problem = json_pack("{s:s, s:i, s:s}", "title", MHD_get_reason_phrase_for(status), "status",
                                (int)status, "detail", rule);
    if (field) {
        json_object_set_new(problem, "field", json_string(field));
        json_object_set_new(problem, "rule", json_string(rule));
    }
    answer(r, status, problem, "application/problem+json");
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        http_header(r, "Retry-After", "5");
}

void http_header(struct request *r, const char *name, const char *format, ...)
{
    char value[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(value, sizeof(value), format, ap);
    va_end(ap);
    if (r->response)
        MHD_add_response_header(r->response, name, value);
}

bool http_get_number(struct request *r, const char *name, int64_t min, int64_t max, int64_t fallback,
                     int64_t *ret)
{
    const char *text = MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
    char rule[96], *end;
    *ret = fallback;
    if (!text)
        return true;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    if (errno == 0 && *text >= '0' && *text <= '9' && !*end && *ret >= min && *ret <= max)
        return true;
    snprintf(rule, sizeof(rule), "is not a number from %lld to %lld", (long long)min, (long long)max);
    http_problem(r, MHD_HTTP_BAD_REQUEST, name, rule);
    return false;
}

static enum MHD_Result send_answer(struct request *r)
{
    if (!r->response)
        http_problem(r, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL, "the service failed");
    pthread_mutex_lock(&running.lock);
    if (running.draining)
        http_header(r, "Connection", "close");
    pthread_mutex_unlock(&running.lock);
    return MHD_queue_response(r->connection, r->status, r->response);
}

/* --- requests --- */

static bool matches(const struct route *route, const char *url)
{
    size_t size = strlen(route->path);
    return route->path[size - 1] == '/' ? strncmp(url, route->path, size) == 0
                                        : strcmp(url, route->path) == 0;
}

/* Finds the route, or answers with 404, or 405. */
static void find_route(struct request *r, const char *method, const char *url)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method, *allowed = NULL;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]) && !r->route; i++) {
        if (!matches(&routes[i], url))
            continue;
        allowed = routes[i].method;
        if (strcmp(allowed, wanted) == 0)
            r->route = &routes[i];
    }
    if (r->route) {
        snprintf(r->argument, sizeof(r->argument), "%s", url + strlen(r->route->path));
    } else if (allowed) {
        http_problem(r, MHD_HTTP_METHOD_NOT_ALLOWED, NULL, "this path has another method");
        http_header(r, "Allow", "%s", strcmp(allowed, "GET") == 0 ? "GET, HEAD" : allowed);
    } else {
        http_problem(r, MHD_HTTP_NOT_FOUND, NULL, "there is no such path");
    }
}

static const char *header_of(struct request *r, const char *name)
{
    const char *value = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
    return value ? value : "";
}

static bool has_media_type(struct request *r, const char *wanted)
{
    const char *type = header_of(r, "Content-Type");
    size_t size = strcspn(type, "; \t");
    return size == strlen(wanted) && strncasecmp(type, wanted, size) == 0;
}

static void check_body(struct request *r)
{
    const char *wanted = r->route->media_type;
    bool is_json = r->route->take == take_json;
    if (wanted && !has_media_type(r, wanted))
        http_problem(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "Content-Type",
                     is_json ? "is not application/json" : "is not multipart/form-data");
    else if (wanted && strtoull(header_of(r, "Content-Length"), NULL, 10) >
                           (is_json ? JSON_MAX : r->api->max_upload_bytes + FRAME_MAX))
        http_problem(r, MHD_HTTP_CONTENT_TOO_LARGE, NULL, "the body is too large");
}

static void take_json(struct request *r, const char *data, size_t size)
{
    char *body = r->body_size + size <= JSON_MAX ? realloc(r->body, r->body_size + size + 1) : NULL;
    if (!body) {
        http_problem(r, MHD_HTTP_CONTENT_TOO_LARGE, NULL, "the body is too large");
        return;
    }
    memcpy(body + r->body_size, data, size);
    r->body = body;
    r->body_size += size;
    body[r->body_size] = 0;
}

static enum MHD_Result begin(struct api *api, struct MHD_Connection *connection, const char *method,
                             const char *url, void **cookie)
{
    struct request *r = calloc(1, sizeof(*r));
    if (!r)
        return MHD_NO;
    *cookie = r;
    r->api = api;
    r->connection = connection;
    pthread_mutex_lock(&running.lock);
    running.n++;
    pthread_mutex_unlock(&running.lock);
    find_route(r, method, url);
    if (r->route)
        check_body(r);
    if (!r->response && r->route->begin)
        r->route->begin(r);
    return r->response && *header_of(r, "Expect") ? send_answer(r) : MHD_YES;
}

static enum MHD_Result take(struct request *r, const char *data, size_t size)
{
    if (!r->response && r->route->take) {
        r->route->take(r, data, size);
        return MHD_YES;
    }
    r->dropped_bytes += size;
    return r->dropped_bytes <= DROP_MAX ? MHD_YES : MHD_NO;
}

enum MHD_Result http_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *data, size_t *size,
                                void **cookie)
{
    (void)version;
    struct request *r = *cookie;
    if (!r)
        return begin(cls, connection, method, url, cookie);
    if (*size > 0) {
        enum MHD_Result result = take(r, data, *size);
        *size = 0;
        return result;
    }
    if (!r->response)
        r->route->finish(r);
    return send_answer(r);
}

void http_on_completed(void *cls, struct MHD_Connection *connection, void **cookie,
                       enum MHD_RequestTerminationCode why)
{
    (void)cls, (void)connection, (void)why;
    struct request *r = *cookie;
    if (!r)
        return;
    video_free(r->upload);
    if (r->response)
        MHD_destroy_response(r->response);
    free(r->body);
    free(r);
    *cookie = NULL;
    pthread_mutex_lock(&running.lock);
    if (--running.n == 0)
        pthread_cond_signal(&running.none);
    pthread_mutex_unlock(&running.lock);
}

void http_drain(int timeout_s)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += timeout_s;
    pthread_mutex_lock(&running.lock);
    running.draining = true;
    while (running.n > 0 && pthread_cond_timedwait(&running.none, &running.lock, &deadline) == 0)
        ;
    pthread_mutex_unlock(&running.lock);
}
