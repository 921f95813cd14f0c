/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the worker's pool does, without the pool: descriptors, a request to the zygote, the set-up and one job written at once.
 * The clock runs from before the first of these to `started_us` in the job's answer. The executor ends before the next one starts.
 */
#include "bench/bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "libjob/config.h"
#include "worker/executor.h"
#include "worker/frame.h"
#include "worker/zygote.h"

#define STARTS 500

static int load_config(const char *build, struct job_config **ret)
{
    char path[] = "/tmp/libjob-bench.XXXXXX";
    struct err err = { 0 };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    dprintf(fd,
            "queues = ( { name = \"selftest\"; } );\n"
            "handlers = ( { type = \"selftest.*\"; kind = \"module\"; queue = \"selftest\"; "
            "path = \"%s/jobs/selftest/selftest.so\"; } );\n",
            build);
    close(fd);
    int r = config_load(ret, path, NULL, &err);
    unlink(path);
    if (r)
        fprintf(stderr, "bench: %s\n", err.text);
    return r ? 1 : 0;
}

static void put_frames(struct buf *out, const struct job_config *config)
{
    const struct span none = { 0 };
    struct uuid id = { 0 };
    executor_put_setup(out, config, &config->worker.limits);
    frame_put_job(out, 1, 1, USEC_PER_SEC, 0, &id, span_from_string("selftest.echo"), "selftest", none, none,
                  none, span_from_string("{}"), 1, 1, 1);
}

/* Return: when the job was started; 0 when it was not. */
static int64_t await_answer(int socket)
{
    _cleanup_buf_ struct buf in = { 0 };
    bool broken = false;
    for (;;) {
        size_t at = 0;
        const struct frame *frame;
        while ((frame = frame_next(in.data, in.size, &at, &broken)))
            if (frame->kind == FRAME_ANSWER)
                return ((const struct frame_answer *)(const void *)frame)->started_us;
        char *room = buf_reserve(&in, 4096);
        ssize_t n = room ? recv(socket, room, 4096, 0) : 0;
        if (n <= 0 || broken)
            return 0;
        in.size += (size_t)n;
    }
}

static void await_end(int zygote)
{
    struct zygote_event event = { .kind = ZYGOTE_SPAWNED };
    while (event.kind != ZYGOTE_EXITED && zygote_next_event(zygote, &event) >= 0)
        usleep(100);
}

/* Return: microseconds; -1. */
static int64_t measure_one(int zygote, const struct job_config *config)
{
    int pair[2];
    _cleanup_buf_ struct buf frames = { 0 };
    int64_t from_us = clock_mono_us();
    _cleanup_close_ int board = memfd_create("bench-board", MFD_CLOEXEC);
    _cleanup_close_ int cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (board < 0 || ftruncate(board, sizeof(struct frame_board)) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    _cleanup_close_ int ours = pair[0];
    _cleanup_close_ int theirs = pair[1];
    const int fds[] = { [ZYGOTE_SOCKET] = theirs,
                        [ZYGOTE_BOARD] = board,
                        [ZYGOTE_CANCEL] = cancel,
                        [ZYGOTE_OUTPUT] = STDERR_FILENO,
                        [ZYGOTE_GROUP] = -1 };
    put_frames(&frames, config);
    if (zygote_request_spawn(zygote, 0, fds) < 0 ||
        send(ours, frames.data, frames.size, MSG_NOSIGNAL) != (ssize_t)frames.size)
        return -1;
    close(steal_fd(&theirs));
    int64_t started_us = await_answer(ours);
    close(steal_fd(&ours));
    await_end(zygote);
    return started_us ? started_us - from_us : -1;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int bench_start(const struct bench_options *o, FILE *out)
{
    struct job_config *config;
    pid_t pid;
    int zygote;
    int64_t us[STARTS];
    if (load_config(o->build, &config) != 0 || zygote_start(&zygote, &pid) < 0)
        return 1;
    for (int i = 0; i < STARTS; i++)
        if ((us[i] = measure_one(zygote, config)) < 0) {
            fprintf(stderr, "bench: an executor did not start\n");
            return 1;
        }
    qsort(us, STARTS, sizeof(*us), compare);
    fprintf(out, "start: %d executors, one after the other, from the request to the first job; ms\n", STARTS);
    fprintf(out, "  median %.2f, p99 %.2f, highest %.2f\n", (double)us[STARTS / 2] / 1e3,
            (double)us[STARTS * 99 / 100] / 1e3, (double)us[STARTS - 1] / 1e3);
    close(zygote);
    config_free(config);
    return 0;
}
