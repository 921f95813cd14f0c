/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/executor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "libjob/context.h"
#include "worker/channel.h"
#include "worker/children.h"
#include "worker/handler_set.h"
#include "worker/usage.h"
#include "worker/http_process.h"

struct executor {
    struct channel channel;
    struct handler_set *handlers;
    struct job_context ctx;
    struct usage usage;
    int cancel_fd;
    uint32_t seen_cancelled; /* whose signal has been taken out of cancel_fd */
    int64_t nudged_us;       /* when the worker was told of progress last */
};

_Noreturn void executor_end(void)
{
    _exit(0);
}

/* --- Jobs -------------------------------------------------------------------------------------------------------------- */

/* A signal for an earlier job is not for this one. */
static void clear_cancelled(struct executor *e)
{
    uint64_t count;
    uint32_t cancelled = atomic_load(&e->channel.board->cancelled);
    if (cancelled == e->seen_cancelled)
        return;
    e->seen_cancelled = cancelled;
    ssize_t n = read(e->cancel_fd, &count, sizeof(count));
    (void)n; /* empty is fine */
}

static void end_children(struct executor *e)
{
    if (waitid(P_ALL, 0, NULL, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD)
        children_end(&e->ctx.reaped_kib);
}

/* The worker looks a second after each nudge, so what comes within it needs none. */
static void tell_progress(void *runner, const void *progress, size_t size)
{
    struct executor *e = runner;
    int64_t now_us = clock_mono_us();
    frame_put_progress(e->channel.board, e->ctx.seq, progress, size);
    if (e->nudged_us && now_us - e->nudged_us < FRAME_PROGRESS_US)
        return;
    e->nudged_us = now_us;
    channel_nudge(&e->channel);
}

static void run_job(struct executor *e, const struct frame_job *job)
{
    char fence[48];
    struct frame_answer answer = { .seq = job->seq };
    if (!frame_try_start(e->channel.board, job->seq))
        return;
    answer.started_us = clock_mono_us();
    atomic_store(&e->channel.board->started_us, answer.started_us);
    atomic_store(&e->channel.board->begun_us, usage_begin(&e->usage, answer.started_us));
    job_context_reset(&e->ctx);
    clear_cancelled(e);
    if (frame_get_job(job, &e->ctx, fence) < 0)
        executor_end();
    e->ctx.seq = job->seq;
    e->ctx.deadline_us = job->timeout_us ? answer.started_us + job->timeout_us : 0;
    answer.verdict = handler_set_run(e->handlers, &e->ctx);
    fflush(stdout);
    end_children(e);
    answer.finished_us = clock_mono_us();
    usage_end(&e->usage, answer.started_us, answer.finished_us, e->ctx.reaped_kib, &answer.used);
    channel_put_answer(&e->channel, &answer, &e->ctx);
    if (answer.finished_us - e->channel.oldest_unsent_us > EXECUTOR_HOLD_US)
        channel_send(&e->channel);
}

/* --- Start ------------------------------------------------------------------------------------------------------------- */

static void put_setup(struct buf *out, struct frame_setup setup, const struct job_config *config, bool http)
{
    size_t start = out->size;
    buf_append(out, &setup, sizeof(setup));
    for (size_t i = 0; i < config->n_handlers; i++)
        if ((config->handlers[i].kind == CONFIG_KIND_HTTP) == http)
            handler_set_put(out, &config->handlers[i]);
    while ((out->size - start) % 8)
        buf_append_char(out, 0);
    if (out->failed)
        return;
    setup.head.size = (uint32_t)(out->size - start);
    memcpy(out->data + start, &setup, sizeof(setup));
}

void executor_put_setup(struct buf *out, const struct job_config *config, const struct config_limits *limits)
{
    put_setup(out, (struct frame_setup){ .head.kind = FRAME_SETUP, .limits = *limits }, config, false);
}

void executor_put_http_setup(struct buf *out, const struct job_config *config, uint32_t n_slots)
{
    const struct frame_setup setup = { .head.kind = FRAME_SETUP,
                                       .n_requests = (uint32_t)config->worker.http_max,
                                       .n_slots = n_slots };
    put_setup(out, setup, config, true);
}

/* Never above what this process may have anyway. */
static void set_limit(__rlimit_resource_t resource, int64_t wanted)
{
    struct rlimit limit;
    if (!wanted || getrlimit(resource, &limit) < 0)
        return;
    if ((rlim_t)wanted < limit.rlim_max)
        limit.rlim_max = (rlim_t)wanted;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(resource, &limit);
}

static int set_limits(const struct frame_setup *setup, struct err *reterr)
{
    const struct config_limits *limits = &setup->limits;
    if (setup->n_requests)
        return http_process_set_limits(setup->n_requests, reterr);
    set_limit(RLIMIT_DATA, limits->memory_bytes);
    set_limit(RLIMIT_NPROC, limits->processes);
    set_limit(RLIMIT_NOFILE, limits->files);
    set_limit(RLIMIT_FSIZE, limits->file_bytes);
    return 0;
}

_Noreturn void executor_main(int socket, int board, int cancel)
{
    struct executor e = { .cancel_fd = cancel };
    struct err err = { 0 };
    channel_init(&e.channel, socket, board);
    e.ctx.cancelled = &e.channel.board->cancelled;
    e.ctx.cancel_fd = cancel;
    e.ctx.captured = true;
    e.ctx.tell_progress = tell_progress;
    e.ctx.runner = &e;
    setvbuf(stdout, NULL, _IOLBF, 0);
    const struct frame_setup *setup = (const struct frame_setup *)(const void *)channel_next(&e.channel);
    if (setup->head.kind != FRAME_SETUP || setup->head.size < sizeof(*setup))
        executor_end();
    struct span handlers = { (const char *)(setup + 1), setup->head.size - sizeof(*setup) };
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    uint32_t n_requests = setup->n_requests, n_slots = setup->n_slots;
    int r = set_limits(setup, &err);
    if (r == 0)
        r = handler_set_load(&e.handlers, handlers, &err);
    channel_say_hello(&e.channel, r ? (err.text[0] ? err.text : "out of memory") : "");
    if (r)
        executor_end();
    usage_init(&e.usage);
    if (n_requests)
        http_process_main(&e.channel, e.handlers, n_requests, n_slots);
    for (;;) {
        const struct frame *frame = channel_next(&e.channel);
        if (frame->kind != FRAME_JOB || frame->size < sizeof(struct frame_job))
            executor_end();
        run_job(&e, (const struct frame_job *)(const void *)frame);
    }
}
