/* SPDX-License-Identifier: Apache-2.0 */
#include "upload.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_S 10L
#define STALLED_S 60L
#define ANSWER_MAX 512 /* bytes that are kept of one */

struct upload {
    struct job_context *ctx;
    const struct output *file;
    off_t at;
    CURL *curl;
    struct curl_slist *headers;
    size_t answered;
    char answer[ANSWER_MAX + 1];
    char error[CURL_ERROR_SIZE];
};

/* --- What libcurl asks for ------------------------------------------------------------------------------ */

static size_t give_bytes(char *buffer, size_t one, size_t max, void *data)
{
    struct upload *u = data;
    ssize_t n = pread(output_fd(u->file), buffer, one * max, u->at);
    if (n < 0)
        return CURL_READFUNC_ABORT;
    u->at += n;
    return (size_t)n;
}

static int seek_to(void *data, curl_off_t offset, int origin)
{
    struct upload *u = data;
    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    u->at = offset;
    return CURL_SEEKFUNC_OK;
}

static size_t take_answer(char *bytes, size_t one, size_t size, void *data)
{
    struct upload *u = data;
    (void)one;
    for (size_t i = 0; i < size && u->answered < ANSWER_MAX; i++)
        u->answer[u->answered++] = bytes[i] >= 0x20 && bytes[i] < 0x7f ? bytes[i] : ' ';
    u->answer[u->answered] = 0;
    return size;
}

static int on_progress(void *data, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    const struct upload *u = data;
    (void)down_total, (void)down, (void)up_total, (void)up;
    return job_context_is_cancelled(u->ctx);
}

/* --- The request ---------------------------------------------------------------------------------------- */

static bool add_header(struct upload *u, const char *name, const char *value)
{
    char line[5000];
    if ((size_t)snprintf(line, sizeof(line), "%s: %s", name, value) >= sizeof(line))
        return false;
    struct curl_slist *longer = curl_slist_append(u->headers, line);
    if (longer)
        u->headers = longer;
    return longer;
}

/* The address of @key: each of its parts percent-encoded, as S3 signs it. */
static bool format_location(CURL *curl, const char *base, const char *key, char *ret)
{
    size_t size = strlen(base);
    while (size > 0 && base[size - 1] == '/')
        size--;
    if (size >= UPLOAD_LOCATION_MAX)
        return false;
    memcpy(ret, base, size);
    for (const char *end;; key = end + 1) {
        end = strchrnul(key, '/');
        char *part = curl_easy_escape(curl, key, (int)(end - key));
        size_t room = UPLOAD_LOCATION_MAX - size;
        int n = part ? snprintf(ret + size, room, "/%s", part) : -1;
        curl_free(part);
        if (n < 0 || (size_t)n >= room)
            return false;
        size += (size_t)n;
        if (!*end)
            return true;
    }
}

static void set_server(struct upload *u, const struct settings *settings, const char *url)
{
    char signature[128];
    snprintf(signature, sizeof(signature), "aws:amz:%.64s:s3", settings->s3_region);
    curl_easy_setopt(u->curl, CURLOPT_URL, url);
    curl_easy_setopt(u->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(u->curl, CURLOPT_PROXY, ""); /* none, whatever the environment says */
    curl_easy_setopt(u->curl, CURLOPT_AWS_SIGV4, signature);
    curl_easy_setopt(u->curl, CURLOPT_USERNAME, settings->s3_access);
    curl_easy_setopt(u->curl, CURLOPT_PASSWORD, settings->s3_secret);
    if (settings->s3_ca) {
        curl_easy_setopt(u->curl, CURLOPT_CAINFO, settings->s3_ca);
        curl_easy_setopt(u->curl, CURLOPT_CAPATH, NULL);
    }
    curl_easy_setopt(u->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(u->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(u->curl, CURLOPT_LOW_SPEED_TIME, STALLED_S);
    curl_easy_setopt(u->curl, CURLOPT_ERRORBUFFER, u->error);
}

static void set_body(struct upload *u)
{
    curl_easy_setopt(u->curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(u->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)output_size(u->file));
    curl_easy_setopt(u->curl, CURLOPT_READFUNCTION, give_bytes);
    curl_easy_setopt(u->curl, CURLOPT_READDATA, u);
    curl_easy_setopt(u->curl, CURLOPT_SEEKFUNCTION, seek_to);
    curl_easy_setopt(u->curl, CURLOPT_SEEKDATA, u);
    curl_easy_setopt(u->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(u->curl, CURLOPT_WRITEDATA, u);
    curl_easy_setopt(u->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(u->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(u->curl, CURLOPT_XFERINFODATA, u);
    curl_easy_setopt(u->curl, CURLOPT_HTTPHEADER, u->headers);
}

static int judge(struct upload *u, CURLcode code)
{
    long status = 0;
    if (job_context_is_cancelled(u->ctx))
        return job_retry(u->ctx, "asked to stop during the upload");
    if (code != CURLE_OK)
        return job_retry(u->ctx, "cannot upload: %s", u->error[0] ? u->error : curl_easy_strerror(code));
    curl_easy_getinfo(u->curl, CURLINFO_RESPONSE_CODE, &status);
    return status == 200 ? JOB_DONE
                         : job_retry(u->ctx, "the storage refused, status %ld: %.400s", status, u->answer);
}

static int perform(struct upload *u, const struct settings *settings, const char *content_type,
                   const char *url)
{
    if (!add_header(u, "Content-Type", content_type) ||
        !add_header(u, "x-amz-content-sha256", output_checksum(u->file)) ||
        (settings->s3_token[0] && !add_header(u, "x-amz-security-token", settings->s3_token)))
        return job_retry(u->ctx, "no memory for an upload");
    set_server(u, settings, url);
    set_body(u);
    return judge(u, curl_easy_perform(u->curl));
}

int upload_put(struct job_context *ctx, const struct settings *settings, const char *key,
               const char *content_type, const struct output *file,
               char ret_location[static UPLOAD_LOCATION_MAX])
{
    struct upload u = { .ctx = ctx, .file = file };
    if (output_size(file) > UPLOAD_MAX)
        return job_fail(ctx, "the report is larger than S3 takes at once, 5 GiB");
    u.curl = curl_easy_init();
    if (!u.curl)
        return job_retry(ctx, "no memory for libcurl");
    int verdict = format_location(u.curl, settings->s3_url, key, ret_location)
                      ? perform(&u, settings, content_type, ret_location)
                      : job_retry(ctx, "REPORT_S3_URL: is too long");
    curl_slist_free_all(u.headers);
    curl_easy_cleanup(u.curl);
    return verdict;
}
