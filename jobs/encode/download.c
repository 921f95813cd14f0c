/* SPDX-License-Identifier: Apache-2.0 */
#include "download.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "guard.h"
#include "settings.h"

#define FILE_NAME "input"
#define CONNECT_TIMEOUT_S 30L
#define SLOW_BYTES_S 1024L
#define SLOW_S 60L
#define REDIRECTS_MAX 5L
#define TELL_US 500000
#define RETRY_AFTER_S_MAX (24 * 3600)

struct fetch {
    struct job_context *ctx;
    const struct settings *settings;
    CURLM *multi;
    CURL *easy;
    int fd;
    int64_t size, size_max, deadline_us, told_us;
    bool too_large, refused, cancelled, late;
    int write_error; /* errno */
    char error[CURL_ERROR_SIZE];
};

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

/* --- What libcurl calls ------------------------------------------------------------------------------------ */

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct fetch *fetch = data;
    (void)purpose;
    fetch->refused = fetch->settings->https != HTTPS_ANY && !guard_is_public(&address->addr);
    if (fetch->refused)
        return CURL_SOCKET_BAD;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t take(char *bytes, size_t one, size_t size, void *data)
{
    struct fetch *fetch = data;
    (void)one;
    if ((int64_t)size > fetch->size_max - fetch->size) {
        fetch->too_large = true;
        return 0;
    }
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fetch->fd, bytes + done, size - done);
        if (n < 0 && errno != EINTR) {
            fetch->write_error = errno;
            return 0;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    fetch->size += (int64_t)size;
    return size;
}

/* --- The request ---------------------------------------------------------------------------------------------- */

static bool has_login(CURLU *url)
{
    char *user = NULL, *password = NULL;
    curl_url_get(url, CURLUPART_USER, &user, 0);
    curl_url_get(url, CURLUPART_PASSWORD, &password, 0);
    bool has = user || password;
    curl_free(user);
    curl_free(password);
    return has;
}

static int check_url(struct fetch *fetch, const char *text)
{
    CURLU *url = curl_url();
    if (!url)
        return job_retry(fetch->ctx, "no memory for libcurl");
    CURLUcode code = curl_url_set(url, CURLUPART_URL, text, 0);
    bool login = code == CURLUE_OK && has_login(url);
    curl_url_cleanup(url);
    if (code != CURLUE_OK)
        return job_fail(fetch->ctx, "input: is no URL: %s", curl_url_strerror(code));
    return login ? job_fail(fetch->ctx, "input: a URL with a login in it is not taken") : JOB_DONE;
}

static void set_options(struct fetch *fetch, const char *url)
{
    CURL *easy = fetch->easy;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "libjob-encode");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES_S);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, SLOW_S);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)fetch->size_max);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->error);
    if (fetch->settings->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, fetch->settings->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
}

static void tell_progress(struct fetch *fetch)
{
    char text[128];
    curl_off_t whole = -1;
    int64_t now = now_us();
    if (now - fetch->told_us < TELL_US)
        return;
    fetch->told_us = now;
    curl_easy_getinfo(fetch->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &whole);
    int size = whole > 0
                   ? snprintf(text, sizeof(text), "{\"stage\": \"download\", \"bytes\": %lld, \"of\": %lld}",
                              (long long)fetch->size, (long long)whole)
                   : snprintf(text, sizeof(text), "{\"stage\": \"download\", \"bytes\": %lld}",
                              (long long)fetch->size);
    job_set_progress(fetch->ctx, text, (size_t)size);
}

/* Return: false when it is to end. */
static bool wait_for_more(struct fetch *fetch)
{
    struct curl_waitfd cancel = { .fd = job_context_cancel_fd(fetch->ctx), .events = CURL_WAIT_POLLIN };
    curl_multi_poll(fetch->multi, &cancel, cancel.fd >= 0 ? 1 : 0, 500, NULL);
    fetch->cancelled = job_context_is_cancelled(fetch->ctx) != 0;
    fetch->late = fetch->deadline_us && now_us() >= fetch->deadline_us;
    tell_progress(fetch);
    return !fetch->cancelled && !fetch->late;
}

static CURLcode perform(struct fetch *fetch)
{
    int running = 1, left;
    while (curl_multi_perform(fetch->multi, &running) == CURLM_OK && running)
        if (!wait_for_more(fetch))
            return CURLE_ABORTED_BY_CALLBACK;
    const CURLMsg *message = curl_multi_info_read(fetch->multi, &left);
    return message ? message->data.result : CURLE_OUT_OF_MEMORY;
}

/* --- How it ended ------------------------------------------------------------------------------------------------ */

static long status_of(const struct fetch *fetch)
{
    long status = 0;
    curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static int judge_status(struct fetch *fetch)
{
    long status = status_of(fetch);
    curl_off_t after_s = 0;
    curl_easy_getinfo(fetch->easy, CURLINFO_RETRY_AFTER, &after_s);
    bool passing = status >= 500 || status == 408 || status == 425 || status == 429;
    if (!passing)
        return job_fail(fetch->ctx, "input: the server answered %ld", status);
    if (after_s > 0)
        job_retry_after(fetch->ctx, (after_s < RETRY_AFTER_S_MAX ? after_s : RETRY_AFTER_S_MAX) * 1000);
    return job_retry(fetch->ctx, "input: the server answered %ld", status);
}

static int judge(struct fetch *fetch, CURLcode code)
{
    struct job_context *ctx = fetch->ctx;
    const char *why = fetch->error[0] ? fetch->error : curl_easy_strerror(code);
    if (code == CURLE_OK) /* FAILONERROR lets a 3xx pass that leads nowhere */
        return status_of(fetch) == 200 ? JOB_DONE : judge_status(fetch);
    if (fetch->cancelled)
        return job_retry(ctx, "was asked to stop while the input came");
    if (fetch->late)
        return job_retry(ctx, "the input did not come within the time limit");
    if (fetch->too_large || code == CURLE_FILESIZE_EXCEEDED)
        return job_fail(ctx,
                        "input: is larger than ENCODE_MAX_INPUT_MIB, %lld, or the worker's limit on files",
                        (long long)fetch->settings->max_input_mib);
    if (fetch->write_error)
        return job_retry(ctx, "the input cannot be stored: %s", strerror(fetch->write_error));
    if (fetch->refused)
        return job_fail(ctx, "input: leads to an address that is not public; ENCODE_HTTPS=any allows those");
    if (code == CURLE_HTTP_RETURNED_ERROR)
        return judge_status(fetch);
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT || code == CURLE_TOO_MANY_REDIRECTS)
        return job_fail(ctx, "input: %s",
                        code == CURLE_UNSUPPORTED_PROTOCOL ? "leads to a URL that is not https" : why);
    return job_retry(ctx, "input: cannot be fetched: %s", why);
}

/* --- All of it ------------------------------------------------------------------------------------------------------ */

static int64_t size_limit(const struct settings *settings)
{
    struct rlimit limit;
    int64_t most = settings->max_input_mib * 1024 * 1024;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        (int64_t)limit.rlim_cur < most)
        return (int64_t)limit.rlim_cur; /* beyond it we would be killed */
    return most;
}

static int fetch_url(struct fetch *fetch, const char *url)
{
    fetch->multi = curl_multi_init();
    fetch->easy = curl_easy_init();
    if (!fetch->multi || !fetch->easy)
        return job_retry(fetch->ctx, "no memory for libcurl");
    set_options(fetch, url);
    if (curl_multi_add_handle(fetch->multi, fetch->easy) != CURLM_OK)
        return job_retry(fetch->ctx, "no memory for libcurl");
    return judge(fetch, perform(fetch));
}

static void fetch_done(struct fetch *fetch)
{
    if (fetch->multi && fetch->easy)
        curl_multi_remove_handle(fetch->multi, fetch->easy);
    curl_easy_cleanup(fetch->easy);
    curl_multi_cleanup(fetch->multi);
    if (fetch->fd >= 0)
        close(fetch->fd);
}

int download(struct job_context *ctx, const struct settings *settings, const char *url, int folder,
             int64_t deadline_us, int *ret_fd)
{
    struct fetch fetch = { .ctx = ctx,
                           .settings = settings,
                           .size_max = size_limit(settings),
                           .deadline_us = deadline_us,
                           .fd = -1 };
    if (settings->https == HTTPS_OFF)
        return job_fail(ctx, "input: https is switched off, by ENCODE_HTTPS");
    int verdict = check_url(&fetch, url);
    if (verdict != JOB_DONE)
        return verdict;
    fetch.fd = openat(folder, FILE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fetch.fd < 0)
        return job_retry(ctx, "the input cannot be stored: %s", strerror(errno));
    unlinkat(folder, FILE_NAME, 0);
    verdict = fetch_url(&fetch, url);
    if (verdict == JOB_DONE) {
        *ret_fd = fetch.fd;
        fetch.fd = -1;
    }
    fetch_done(&fetch);
    return verdict;
}
