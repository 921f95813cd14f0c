/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http_process.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/list.h"
#include "worker/executor.h"
#include "worker/handler_set.h"
#include "worker/http.h"
#include "worker/http_names.h"

#define EVENTS 256
#define FILES_BESIDE 64 /* open files that are no connections of requests */
#define NAME_FRESH_US (60 * USEC_PER_SEC)

/* A handler, as its requests share it. */
struct place {
    struct http *http;
    struct list waiting; /* requests that wait for its name */
    int64_t resolved_us; /* monotonic: when the name was resolved last; 0: never */
    char *addresses;     /* of then, as CURLOPT_RESOLVE has it */
    bool asked;          /* the answer is on its way */
};

/* A job that has started. */
struct post {
    struct list link; /* while it waits for a name; else on its own */
    struct http_request *request;
    bool is_transfer; /* curl has it */
    uint32_t seq;
    int64_t started_us;
};

struct http_process {
    struct channel *channel;
    struct handler_set *handlers;
    struct job_context ctx; /* of whatever starts or ends at this moment */
    struct http_names names;
    CURLM *multi;
    int epoll;
    int64_t timer_us; /* monotonic: when curl wants to be called; INT64_MAX: not at all */
    struct post **posts;
    uint32_t n_slots;
    struct place *places;
    size_t n_places;
};

/* --- What curl wants to know of --------------------------------------------------------------------------------------- */

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *known)
{
    struct http_process *p = userdata;
    struct epoll_event event = { .data.fd = fd };
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(p->epoll, EPOLL_CTL_DEL, fd, &event);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    curl_multi_assign(p->multi, fd, p);
    return epoll_ctl(p->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) < 0 ? -1 : 0;
}

static int watch_time(CURLM *multi, long timeout_ms, void *userdata)
{
    struct http_process *p = userdata;
    (void)multi;
    p->timer_us = timeout_ms < 0 ? INT64_MAX : clock_mono_us() + timeout_ms * USEC_PER_MSEC;
    return 0;
}

/* --- Answers ----------------------------------------------------------------------------------------------------------- */

static int64_t peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* What the request's result is stands in p->ctx. */
static void answer(struct http_process *p, uint32_t seq, int64_t started_us, int verdict)
{
    struct frame_answer frame = {
        .seq = seq,
        .verdict = verdict,
        .started_us = started_us,
        .finished_us = clock_mono_us(),
        .used = { .cpu_us = -1, .peak_kib = -1, .executor_kib = peak_kib() }, /* many share the process */
    };
    channel_put_answer(p->channel, &frame, &p->ctx);
}

static struct post **slot_of(struct http_process *p, uint32_t seq)
{
    return &p->posts[seq & (p->n_slots - 1)];
}

static void answer_post(struct http_process *p, struct post *post, int verdict)
{
    answer(p, post->seq, post->started_us, verdict);
    *slot_of(p, post->seq) = NULL;
    if (post->is_transfer)
        curl_multi_remove_handle(p->multi, http_request_handle(post->request));
    list_remove(&post->link);
    http_request_free(post->request);
    free(post);
}

static int retry(struct http_process *p, const char *why)
{
    job_context_reset(&p->ctx);
    return job_retry(&p->ctx, "%s", why);
}

static void take_ended(struct http_process *p)
{
    CURLMsg *message;
    int n_left;
    while ((message = curl_multi_info_read(p->multi, &n_left))) {
        struct post *post = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&post);
        if (message->msg == CURLMSG_DONE)
            answer_post(p, post, http_request_answer(post->request, message->data.result, &p->ctx));
    }
}

/* --- Starting ---------------------------------------------------------------------------------------------------------- */

static void start_transfer(struct http_process *p, struct post *post, const char *addresses)
{
    CURL *curl = http_request_handle(post->request);
    list_remove(&post->link);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, post);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (!addresses || http_request_set_addresses(post->request, addresses) == 0)
        post->is_transfer = curl_multi_add_handle(p->multi, curl) == CURLM_OK;
    if (!post->is_transfer)
        answer_post(p, post, retry(p, "out of memory"));
}

/* Or lets it wait until that is known. */
static void start_at_name(struct http_process *p, struct place *place, struct post *post, const char *host,
                          int port)
{
    if (place->addresses && clock_mono_us() - place->resolved_us < NAME_FRESH_US) {
        start_transfer(p, post, place->addresses);
        return;
    }
    list_append(&place->waiting, &post->link);
    if (place->asked)
        return;
    place->asked = http_names_ask(&p->names, host, port, place) == 0;
    if (!place->asked)
        answer_post(p, post, retry(p, "no thread for resolving its host could be started"));
}

static void start_waiting(struct http_process *p, struct place *place)
{
    list_for_each_safe(link, &place->waiting)
    {
        start_transfer(p, list_entry(link, struct post, link), place->addresses);
    }
}

static void answer_waiting(struct http_process *p, struct place *place, const char *why)
{
    int port;
    list_for_each_safe(link, &place->waiting)
    {
        job_context_reset(&p->ctx);
        int verdict = job_retry(&p->ctx, "host %s: %s", http_host_name(place->http, &port), why);
        answer_post(p, list_entry(link, struct post, link), verdict);
    }
}

static void take_names(struct http_process *p)
{
    struct http_name_answer *name;
    while ((name = http_names_take(&p->names))) {
        struct place *place = name->asker;
        place->asked = false;
        if (name->addresses) {
            free(place->addresses);
            place->addresses = name->addresses;
            place->resolved_us = clock_mono_us();
            start_waiting(p, place);
        } else {
            answer_waiting(p, place, name->why);
        }
        free(name);
    }
}

static struct place *find_place(struct http_process *p, const char *type)
{
    size_t index;
    struct http *http = handler_set_find_http(p->handlers, type, &index);
    if (!http)
        return NULL;
    p->places[index].http = http;
    return &p->places[index];
}

/* What p->ctx is about. Return: NULL without memory. */
static struct post *make_post(struct http_process *p, struct http *http, uint32_t seq, int64_t started_us)
{
    struct post *post = calloc(1, sizeof(*post));
    struct http_request *request = post ? http_request_new(http, &p->ctx) : NULL;
    if (!request) {
        free(post);
        return NULL;
    }
    *post = (struct post){ .request = request, .seq = seq, .started_us = started_us };
    list_init(&post->link);
    *slot_of(p, seq) = post;
    return post;
}

static void start_job(struct http_process *p, const struct frame_job *job)
{
    char fence[48];
    int64_t now_us = clock_mono_us();
    int port;
    if (job->head.size < sizeof(*job) || *slot_of(p, job->seq))
        executor_end();
    if (!frame_try_start(p->channel->board, job->seq))
        return;
    job_context_reset(&p->ctx);
    if (frame_get_job(job, &p->ctx, fence) < 0)
        executor_end();
    struct place *place = find_place(p, p->ctx.type);
    if (!place) {
        answer(p, job->seq, now_us, FRAME_UNKNOWN_TYPE);
        return;
    }
    struct post *post = make_post(p, place->http, job->seq, now_us);
    const char *host = http_host_name(place->http, &port);
    if (!post)
        answer(p, job->seq, now_us, retry(p, "out of memory"));
    else if (host)
        start_at_name(p, place, post, host, port);
    else
        start_transfer(p, post, NULL);
}

/* One that is not here has been answered. */
static void cancel(struct http_process *p, const struct frame_cancel *frame)
{
    if (frame->head.size < sizeof(*frame))
        executor_end();
    struct post *post = *slot_of(p, frame->seq);
    if (post && post->seq == frame->seq)
        answer_post(p, post, retry(p, ""));
}

static void take_frames(struct http_process *p)
{
    const struct frame *frame;
    channel_read(p->channel);
    while ((frame = channel_take(p->channel))) {
        if (frame->kind == FRAME_JOB)
            start_job(p, (const struct frame_job *)(const void *)frame);
        else if (frame->kind == FRAME_CANCEL)
            cancel(p, (const struct frame_cancel *)(const void *)frame);
        else
            executor_end();
    }
}

/* --- The loop ---------------------------------------------------------------------------------------------------------- */

static void take_event(struct http_process *p, const struct epoll_event *event)
{
    int n_running, what = 0, fd = event->data.fd;
    if (fd == p->channel->socket) {
        take_frames(p);
    } else if (fd == p->names.fds[0]) {
        take_names(p);
    } else {
        what |= event->events & EPOLLIN ? CURL_CSELECT_IN : 0;
        what |= event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
        what |= event->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0;
        curl_multi_socket_action(p->multi, fd, what, &n_running);
    }
}

static void take_time(struct http_process *p)
{
    int n_running;
    if (p->timer_us > clock_mono_us())
        return;
    p->timer_us = INT64_MAX; /* curl sets it anew */
    curl_multi_socket_action(p->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
}

/* Rounded up, or the loop would turn until the moment has come. */
static int pause_ms(const struct http_process *p)
{
    if (p->timer_us == INT64_MAX)
        return -1;
    int64_t us = p->timer_us - clock_mono_us();
    return us <= 0 ? 0 : (int)((us + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
}

static _Noreturn void loop(struct http_process *p)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(p->epoll, events, EVENTS, pause_ms(p));
        for (int i = 0; i < n; i++)
            take_event(p, &events[i]);
        take_time(p);
        take_ended(p);
        channel_send(p->channel);
    }
}

/* --- Making it --------------------------------------------------------------------------------------------------------- */

static bool watch_fd(struct http_process *p, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool make(struct http_process *p, uint32_t n_requests)
{
    p->n_places = handler_set_size(p->handlers);
    p->posts = calloc(p->n_slots, sizeof(struct post *));
    p->places = calloc(p->n_places, sizeof(*p->places));
    p->multi = curl_multi_init();
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!p->posts || !p->places || !p->multi || p->epoll < 0 || http_names_init(&p->names) < 0)
        return false;
    for (size_t i = 0; i < p->n_places; i++)
        list_init(&p->places[i].waiting);
    curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p);
    curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, watch_time);
    curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p);
    curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long)n_requests);
    return watch_fd(p, p->channel->socket) && watch_fd(p, p->names.fds[0]);
}

_Noreturn void http_process_main(struct channel *channel, struct handler_set *handlers, uint32_t n_requests,
                                 uint32_t n_slots)
{
    struct http_process p = {
        .channel = channel, .handlers = handlers, .timer_us = INT64_MAX, .n_slots = n_slots
    };
    prctl(PR_SET_NAME, "jobhttp");
    signal(SIGPIPE, SIG_IGN); /* TLS writes to connections that are gone */
    if (!make(&p, n_requests))
        executor_end();
    loop(&p);
}

int http_process_set_limits(uint32_t n_requests, struct err *reterr)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)n_requests + FILES_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    if (limit.rlim_max < needed)
        return err_set(reterr, -EMFILE,
                       "worker.http_max: %" PRIu32 " requests at once need %" PRIuMAX
                       " open files, and this process may have %" PRIuMAX " (LimitNOFILE=, ulimit -n)",
                       n_requests, (uintmax_t)needed, (uintmax_t)limit.rlim_max);
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}
