/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "libjob/context.h"
#include "worker/children.h"
#include "worker/frame.h"
#include "worker/handler_set.h"
#include "worker/usage.h"

struct executor {
    int socket;
    struct frame_board *board;
    struct handler_set *handlers;
    struct buf input;
    size_t input_at;
    struct job_context ctx;
    struct usage usage;
    int cancel_fd;
    uint32_t seen_cancelled; /* whose signal has been taken out of cancel_fd */
    int64_t oldest_unsent_us;
    int64_t nudged_us; /* when the worker was told of progress last */
};

/* The worker is gone: nobody wants the answers. The zygote kills what this process left behind. */
static _Noreturn void end(void)
{
    _exit(0);
}

static void write_all(struct executor *e, const void *data, size_t size)
{
    for (const char *at = data; size;) {
        ssize_t n = send(e->socket, at, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            end();
        at += n;
        size -= (size_t)n;
    }
}

/* Between the write and the store the worker can see an answer twice; it knows jobs by their number. */
static void send_unsent(struct executor *e)
{
    uint32_t size = atomic_load(&e->board->unsent_size);
    if (size == 0)
        return;
    write_all(e, e->board->unsent, size);
    atomic_store(&e->board->unsent_size, 0);
}

/* Blocks for at least one more byte. */
static void read_more(struct executor *e)
{
    buf_consume(&e->input, e->input_at);
    e->input_at = 0;
    char *room = buf_reserve(&e->input, 128 * 1024);
    if (!room)
        end();
    ssize_t n = recv(e->socket, room, 128 * 1024, 0);
    if (n < 0 && errno == EINTR)
        return;
    if (n <= 0)
        end();
    e->input.size += (size_t)n;
}

static const struct frame *next_frame(struct executor *e)
{
    bool broken = false;
    for (;;) {
        const struct frame *frame = frame_next(e->input.data, e->input.size, &e->input_at, &broken);
        if (broken)
            end();
        if (frame)
            return frame;
        send_unsent(e);
        read_more(e);
    }
}

/* --- Answers ----------------------------------------------------------------------------------------------------------- */

static void put_in_page(struct executor *e, const struct frame_answer *answer, size_t size)
{
    char *at = e->board->unsent + atomic_load(&e->board->unsent_size);
    char *start = at;
    memcpy(at, answer, sizeof(*answer));
    at += sizeof(*answer);
    if (answer->result_size)
        memcpy(at, e->ctx.result.data, answer->result_size);
    at += answer->result_size;
    memcpy(at, e->ctx.error, answer->error_size);
    at += answer->error_size;
    memset(at, 0, (size_t)(start + size - at));
    if (start == e->board->unsent)
        e->oldest_unsent_us = answer->finished_us;
    atomic_fetch_add(&e->board->unsent_size, (uint32_t)size);
}

static void write_large(struct executor *e, const struct frame_answer *answer, size_t size)
{
    static const char zeroes[8];
    size_t parts = sizeof(*answer) + answer->result_size + answer->error_size;
    write_all(e, answer, sizeof(*answer));
    write_all(e, e->ctx.result.data, answer->result_size);
    write_all(e, e->ctx.error, answer->error_size);
    write_all(e, zeroes, size - parts);
}

static void answer_job(struct executor *e, struct frame_answer *answer)
{
    answer->head.kind = FRAME_ANSWER;
    answer->has_result = e->ctx.has_result;
    answer->result_size = e->ctx.has_result ? (uint32_t)e->ctx.result.size : 0;
    answer->error_size = (uint32_t)strlen(e->ctx.error);
    answer->retry_after_ms = e->ctx.retry_after_ms;
    size_t size = (sizeof(*answer) + answer->result_size + answer->error_size + 7) & ~(size_t)7;
    answer->head.size = (uint32_t)size;
    if (atomic_load(&e->board->unsent_size) + size > FRAME_UNSENT_SIZE)
        send_unsent(e);
    if (size <= FRAME_UNSENT_SIZE)
        put_in_page(e, answer, size);
    else
        write_large(e, answer, size);
    atomic_store(&e->board->answered, answer->seq);
}

/* --- Jobs -------------------------------------------------------------------------------------------------------------- */

/* A signal for an earlier job is not for this one. */
static void clear_cancelled(struct executor *e)
{
    uint64_t count;
    uint32_t cancelled = atomic_load(&e->board->cancelled);
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
    static const struct frame nudge = { .size = sizeof(nudge), .kind = FRAME_PROGRESS };
    int64_t now_us = clock_mono_us();
    frame_put_progress(e->board, e->ctx.seq, progress, size);
    if (e->nudged_us && now_us - e->nudged_us < FRAME_PROGRESS_US)
        return;
    e->nudged_us = now_us;
    write_all(e, &nudge, sizeof(nudge));
}

static void run_job(struct executor *e, const struct frame_job *job)
{
    char fence[48];
    struct frame_answer answer = { .seq = job->seq };
    if (!frame_try_start(e->board, job->seq))
        return;
    answer.started_us = clock_mono_us();
    atomic_store(&e->board->started_us, answer.started_us);
    atomic_store(&e->board->begun_us, usage_begin(&e->usage, answer.started_us));
    job_context_reset(&e->ctx);
    clear_cancelled(e);
    if (frame_get_job(job, &e->ctx, fence) < 0)
        end();
    e->ctx.seq = job->seq;
    e->ctx.deadline_us = job->timeout_us ? answer.started_us + job->timeout_us : 0;
    answer.verdict = handler_set_run(e->handlers, &e->ctx);
    fflush(stdout);
    end_children(e);
    answer.finished_us = clock_mono_us();
    usage_end(&e->usage, answer.started_us, answer.finished_us, e->ctx.reaped_kib, &answer.used);
    answer_job(e, &answer);
    if (answer.finished_us - e->oldest_unsent_us > EXECUTOR_HOLD_US)
        send_unsent(e);
}

/* --- Start ------------------------------------------------------------------------------------------------------------- */

void executor_put_setup(struct buf *out, const struct job_config *config, const struct config_limits *limits)
{
    size_t start = out->size;
    struct frame_setup setup = { .head.kind = FRAME_SETUP, .limits = *limits };
    buf_append(out, &setup, sizeof(setup));
    for (size_t i = 0; i < config->n_handlers; i++)
        handler_set_put(out, &config->handlers[i]);
    while ((out->size - start) % 8)
        buf_append_char(out, 0);
    if (out->failed)
        return;
    setup.head.size = (uint32_t)(out->size - start);
    memcpy(out->data + start, &setup, sizeof(setup));
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

static void set_limits(const struct config_limits *limits)
{
    set_limit(RLIMIT_DATA, limits->memory_bytes);
    set_limit(RLIMIT_NPROC, limits->processes);
    set_limit(RLIMIT_NOFILE, limits->files);
    set_limit(RLIMIT_FSIZE, limits->file_bytes);
}

static void say_hello(struct executor *e, const char *error)
{
    char frame[8 + 1024 + 8] = { 0 };
    size_t length = strlen(error); /* less than struct err has room for */
    struct frame head = { .size = (uint32_t)((sizeof(head) + length + 1 + 7) & ~(size_t)7),
                          .kind = FRAME_HELLO };
    memcpy(frame, &head, sizeof(head));
    memcpy(frame + sizeof(head), error, length);
    write_all(e, frame, head.size);
}

_Noreturn void executor_main(int socket, int board, int cancel)
{
    struct executor e = { .socket = socket, .cancel_fd = cancel, .input.max = 2 * FRAME_MAX_SIZE };
    struct err err = { 0 };
    e.board = mmap(NULL, sizeof(*e.board), PROT_READ | PROT_WRITE, MAP_SHARED, board, 0);
    if (e.board == MAP_FAILED)
        end();
    close(board);
    e.ctx.cancelled = &e.board->cancelled;
    e.ctx.cancel_fd = cancel;
    e.ctx.captured = true;
    e.ctx.tell_progress = tell_progress;
    e.ctx.runner = &e;
    setvbuf(stdout, NULL, _IOLBF, 0);
    const struct frame_setup *setup = (const struct frame_setup *)(const void *)next_frame(&e);
    if (setup->head.kind != FRAME_SETUP || setup->head.size < sizeof(*setup))
        end();
    struct span handlers = { (const char *)(setup + 1), setup->head.size - sizeof(*setup) };
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    set_limits(&setup->limits);
    int r = handler_set_load(&e.handlers, handlers, &err);
    say_hello(&e, r ? (err.text[0] ? err.text : "out of memory") : "");
    if (r)
        end();
    usage_init(&e.usage);
    for (;;) {
        const struct frame *frame = next_frame(&e);
        if (frame->kind != FRAME_JOB || frame->size < sizeof(struct frame_job))
            end();
        run_job(&e, (const struct frame_job *)(const void *)frame);
    }
}
