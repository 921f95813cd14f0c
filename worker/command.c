/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "libjob/context.h"
#include "worker/children.h"
#include "worker/frame.h"
#include "worker/progress_lines.h"

/* Of sysexits.h: what a command says with its exit status. */
#define STATUS_FAIL 65  /* EX_DATAERR */
#define STATUS_RETRY 75 /* EX_TEMPFAIL */

#define ENVIRONMENT_MAX 32
#define PROGRESS_FD 3 /* JOB_PROGRESS_FD in its environment */
#define N_FDS (PROGRESS_FD + 1)
#define TAIL_SIZE 2048

struct command {
    struct job_context *ctx;
    pid_t pid;
    int status;                   /* as waitpid() has it */
    int ended;                    /* pidfd */
    int output, errors, progress; /* read ends; -1: at their end */
    struct buf result;
    bool too_large;
    char tail[TAIL_SIZE]; /* of its standard error */
    size_t tail_size;
    struct progress_lines lines;
};

/* --- What it gets ------------------------------------------------------------------------------------------------------ */

static void put_variable(struct buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    buf_append_format(out, "%s=%s", name, value);
    buf_append_char(out, 0);
}

static void put_number(struct buf *out, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    put_variable(out, name, text);
}

static int64_t deadline_s(const struct job_context *ctx)
{
    return (clock_read_us(CLOCK_REALTIME) + ctx->timeout_us) / USEC_PER_SEC;
}

static void put_environment(struct buf *out, const struct job_context *ctx)
{
    static const char *const inherited[] = { "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR" };
    const char *path = getenv("PATH");
    put_variable(out, "PATH", path ? path : "/usr/local/bin:/usr/bin:/bin");
    for (size_t i = 0; i < ARRAY_SIZE(inherited); i++)
        put_variable(out, inherited[i], getenv(inherited[i]));
    put_variable(out, "JOB_ID", ctx->id);
    put_variable(out, "JOB_TYPE", ctx->type);
    put_variable(out, "JOB_QUEUE", ctx->queue);
    put_number(out, "JOB_ATTEMPT", ctx->attempt);
    put_number(out, "JOB_DELIVERY", ctx->delivery);
    put_number(out, "JOB_DEADLINE", deadline_s(ctx));
    put_variable(out, "JOB_FENCE", ctx->fence);
    put_variable(out, "TRACEPARENT", ctx->traceparent);
    put_variable(out, "TRACESTATE", ctx->tracestate);
    put_number(out, "JOB_PROGRESS_FD", PROGRESS_FD);
}

/* Points @ret (ENVIRONMENT_MAX) into @text, a series of strings. */
static void split_environment(struct buf *text, char **ret)
{
    size_t n = 0;
    for (char *at = text->data, *end = at + text->size; at < end && n + 1 < ENVIRONMENT_MAX;
         at += strlen(at) + 1)
        ret[n++] = at;
    ret[n] = NULL;
}

/* Return: a descriptor; negative errno. */
static int make_input(const struct job_context *ctx)
{
    _cleanup_close_ int fd = memfd_create("payload", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    for (size_t at = 0; at < ctx->payload_size;) {
        ssize_t n = write(fd, ctx->payload + at, ctx->payload_size - at);
        if (n < 0)
            return -errno;
        at += (size_t)n;
    }
    if (lseek(fd, 0, SEEK_SET) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) < 0)
        return -errno;
    return steal_fd(&fd);
}

/* --- Starting it ------------------------------------------------------------------------------------------------------- */

static int make_pipe(int *ret_read, int *ret_write)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    *ret_read = fds[0];
    *ret_write = fds[1];
    return 0;
}

/* Return: 0; a positive errno, as posix_spawn() has it. */
static int spawn(struct command *c, char *const *argv, char *const *environment, const int fds[N_FDS],
                 const sigset_t *mask)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all;
    sigfillset(&all);
    int r = posix_spawn_file_actions_init(&actions);
    if (r)
        return r;
    r = posix_spawnattr_init(&attributes);
    for (int i = 0; i < N_FDS && !r; i++)
        r = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
    if (!r)
        r = posix_spawn_file_actions_addclosefrom_np(&actions, N_FDS);
    if (!r) {
        posix_spawnattr_setsigmask(&attributes, mask);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        r = posix_spawn(&c->pid, argv[0], &actions, &attributes, argv, environment);
    }
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

static int start(struct command *c, char *const *argv, const sigset_t *mask)
{
    _cleanup_buf_ struct buf text = { 0 };
    _cleanup_close_ int input = make_input(c->ctx);
    _cleanup_close_ int output = -1;
    _cleanup_close_ int errors = -1;
    _cleanup_close_ int progress = -1;
    char *environment[ENVIRONMENT_MAX];
    put_environment(&text, c->ctx);
    if (text.failed)
        return -ENOMEM;
    split_environment(&text, environment);
    int r = input < 0 ? input : make_pipe(&c->output, &output);
    if (r == 0)
        r = make_pipe(&c->errors, &errors);
    if (r == 0)
        r = make_pipe(&c->progress, &progress);
    if (r == 0)
        r = -spawn(c, argv, environment, (int[N_FDS]){ input, output, errors, progress }, mask);
    if (r < 0)
        return r;
    c->ended = (int)syscall(SYS_pidfd_open, c->pid, 0);
    return c->ended < 0 ? -errno : 0;
}

/* --- While it runs ----------------------------------------------------------------------------------------------------- */

static void take_output(struct command *c, const char *data, size_t size)
{
    c->too_large |= c->result.size + size > JOB_MAX_RESULT_SIZE;
    if (!c->too_large)
        buf_append(&c->result, data, size);
}

static void pass_on(const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(STDERR_FILENO, data, size);
        if (n <= 0)
            return; /* nobody listens: the tail is kept all the same */
        data += n;
        size -= (size_t)n;
    }
}

static void take_errors(struct command *c, const char *data, size_t size)
{
    pass_on(data, size);
    if (size > TAIL_SIZE) {
        data += size - TAIL_SIZE;
        size = TAIL_SIZE;
    }
    size_t keep = TAIL_SIZE - size < c->tail_size ? TAIL_SIZE - size : c->tail_size;
    memmove(c->tail, c->tail + c->tail_size - keep, keep);
    memcpy(c->tail + keep, data, size);
    c->tail_size = keep + size;
}

/* One read(), which does not block: the caller knows that there is something, or an end. */
static void read_some(struct command *c, int *fd)
{
    char chunk[16 * 1024];
    ssize_t n = read(*fd, chunk, sizeof(chunk));
    if (n <= 0) {
        close(*fd);
        *fd = -1;
    } else if (fd == &c->output) {
        take_output(c, chunk, (size_t)n);
    } else if (fd == &c->progress) {
        progress_lines_take(&c->lines, chunk, (size_t)n);
    } else {
        take_errors(c, chunk, (size_t)n);
    }
}

/* What was in the pipe when the command had ended; what its heirs write is of no interest. */
static void read_rest(struct command *c, int *fd)
{
    int left = 0;
    while (*fd >= 0 && ioctl(*fd, FIONREAD, &left) == 0 && left > 0)
        read_some(c, fd);
}

/* Read first: what was meant for an earlier job must not wake poll() for ever. */
static void pass_on_cancel(const struct command *c)
{
    uint64_t count;
    ssize_t n = read(c->ctx->cancel_fd, &count, sizeof(count));
    (void)n; /* empty is fine */
    if (job_context_is_cancelled(c->ctx))
        kill(c->pid, SIGTERM);
}

static void await_end(struct command *c)
{
    for (;;) {
        struct pollfd fds[] = { { c->output, POLLIN, 0 },
                                { c->errors, POLLIN, 0 },
                                { c->ended, POLLIN, 0 },
                                { c->progress, POLLIN, 0 },
                                { c->ctx->cancel_fd, POLLIN, 0 } };
        if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
            continue; /* EINTR */
        if (fds[2].revents)
            break;
        if (fds[4].revents)
            pass_on_cancel(c);
        if (fds[0].revents)
            read_some(c, &c->output);
        if (fds[1].revents)
            read_some(c, &c->errors);
        if (fds[3].revents)
            read_some(c, &c->progress);
    }
    children_wait(c->pid, &c->status, 0, &c->ctx->reaped_kib);
    children_end(&c->ctx->reaped_kib);
    read_rest(c, &c->output);
    read_rest(c, &c->errors);
    read_rest(c, &c->progress);
}

/* --- What it answers --------------------------------------------------------------------------------------------------- */

/* The last whole lines of its standard error, on which an error ends. */
static struct span last_lines(struct command *c)
{
    size_t from = 0, to = c->tail_size;
    if (to == TAIL_SIZE) {
        const char *newline = memchr(c->tail, '\n', to - 1);
        from = newline ? (size_t)(newline + 1 - c->tail) : 0;
    }
    for (size_t i = from; i < to; i++)
        if (!c->tail[i])
            c->tail[i] = ' ';
    while (to > from && strchr(" \t\r\n", c->tail[to - 1]))
        to--;
    return (struct span){ c->tail + from, to - from };
}

static int answer(struct command *c, int verdict, const char *what, int number, const char *name)
{
    struct span lines = last_lines(c);
    job_set_error(c->ctx, "%s %d%s%s%.*s", what, number, name, lines.size ? ": " : "", (int)lines.size,
                  lines.data);
    return verdict;
}

static int answer_done(struct command *c)
{
    if (c->too_large)
        return job_fail(c->ctx, "the result is larger than %d KiB", JOB_MAX_RESULT_SIZE / 1024);
    if (c->result.size && job_set_result(c->ctx, c->result.data, c->result.size) != 0)
        return job_retry(c->ctx, "out of memory");
    return JOB_DONE;
}

static int judge(struct command *c)
{
    static const char exited[] = "exited with status";
    char name[64];
    if (WIFSIGNALED(c->status)) {
        snprintf(name, sizeof(name), " (%s)", strsignal(WTERMSIG(c->status)));
        return answer(c, FRAME_CRASHED, "killed by signal", WTERMSIG(c->status), name);
    }
    switch (WEXITSTATUS(c->status)) {
    case 0:
        return answer_done(c);
    case STATUS_FAIL:
        return answer(c, JOB_FAIL, exited, STATUS_FAIL, "");
    default:
        return answer(c, JOB_RETRY, exited, WEXITSTATUS(c->status), "");
    }
}

static bool is_answer(int status)
{
    int said = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return said == 0 || said == STATUS_FAIL || said == STATUS_RETRY;
}

/* --- From outside ------------------------------------------------------------------------------------------------------ */

int command_check(const char *path, struct err *reterr)
{
    if (access(path, X_OK) == 0)
        return 0;
    return err_set(reterr, -EINVAL, "cannot run handler command %s: %s", path, strerror(errno));
}

/* A SIGTERM that came meanwhile was for the command; it is dropped when the command has answered. */
static void restore_signals(const struct command *c, const sigset_t *term, const sigset_t *before)
{
    if (is_answer(c->status))
        sigtimedwait(term, NULL, &(struct timespec){ 0 });
    sigprocmask(SIG_SETMASK, before, NULL);
}

static void done(struct command *c)
{
    close_cleanup(&c->ended);
    close_cleanup(&c->output);
    close_cleanup(&c->errors);
    close_cleanup(&c->progress);
    buf_done(&c->result);
}

int command_run(struct job_context *ctx, char *const *argv)
{
    _cleanup_(done) struct command c = {
        .ctx = ctx,
        .ended = -1,
        .output = -1,
        .errors = -1,
        .progress = -1,
        .result.max = JOB_MAX_RESULT_SIZE,
        .lines.ctx = ctx,
    };
    sigset_t term, before;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    job_context_reset(ctx);
    int r = start(&c, argv, &before);
    if (r == 0)
        await_end(&c);
    else
        children_end(&ctx->reaped_kib);
    restore_signals(&c, &term, &before);
    if (r < 0)
        return job_retry(ctx, "cannot run %s: %s", argv[0], strerror(-r));
    return judge(&c);
}
