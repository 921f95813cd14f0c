/* SPDX-License-Identifier: Apache-2.0 */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "confine.h"

#define GRACE_US 2000000
#define INPUT_FD 3
#define TAIL_SIZE 1024 /* of standard error, kept */

enum stop { /* why a child had to */
            STOP_NOT,
            STOP_CANCELLED,
            STOP_DEADLINE,
            STOP_VERDICT,
};

struct child {
    struct job_context *ctx;
    const struct tool *tool;
    pid_t pid;
    int process, output, errors; /* pidfd; pipes, -1 once they have ended */
    int launch;                  /* brings errno when the program cannot be run */
    char tail[TAIL_SIZE];
    size_t tail_size;
    enum stop stop;
    int64_t kill_us; /* when SIGKILL is due; 0: not yet asked to stop */
    int verdict;     /* of STOP_VERDICT */
    int status;      /* of waitpid() */
};

/* --- Words ------------------------------------------------------------------------------------------------ */

void tool_add_format(struct tool_words *words, const char *format, ...)
{
    va_list args;
    char *word;
    va_start(args, format);
    int size = vasprintf(&word, format, args);
    va_end(args);
    if (size < 0 || words->n == TOOL_WORDS_MAX) {
        if (size >= 0)
            free(word);
        words->failed = 1;
        return;
    }
    words->words[words->n++] = word;
}

void tool_add(struct tool_words *words, const char *const *list)
{
    for (; *list; list++)
        tool_add_format(words, "%s", *list);
}

void tool_words_done(struct tool_words *words)
{
    for (size_t i = 0; i < words->n; i++)
        free(words->words[i]);
    *words = (struct tool_words){ 0 };
}

/* --- In the child, before it is another program ----------------------------------------------------------------- */

struct start {
    const struct tool *tool;
    char **environment;
    int null, output, errors, launch; /* above INPUT_FD */
    pid_t parent;
};

static void limit_files(int64_t bytes)
{
    struct rlimit limit;
    if (!bytes || getrlimit(RLIMIT_FSIZE, &limit) < 0)
        return;
    if ((rlim_t)bytes < limit.rlim_max)
        limit.rlim_max = (rlim_t)bytes;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static bool arrange_fds(const struct start *start)
{
    if (dup2(start->null, STDIN_FILENO) < 0 || dup2(start->output, STDOUT_FILENO) < 0 ||
        dup2(start->errors, STDERR_FILENO) < 0)
        return false;
    if (start->tool->folder >= 0 && fchdir(start->tool->folder) < 0)
        return false;
    /* A duplicate of itself would keep O_CLOEXEC. */
    if (start->tool->input == INPUT_FD ? fcntl(INPUT_FD, F_SETFD, 0) < 0
                                       : start->tool->input >= 0 && dup2(start->tool->input, INPUT_FD) < 0)
        return false;
    unsigned first = start->tool->input >= 0 ? INPUT_FD + 1 : INPUT_FD;
    return syscall(SYS_close_range, first, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) == 0;
}

static _Noreturn void become_tool(const struct start *start)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    limit_files(start->tool->file_bytes);
    int r = confine(start->tool->words.words[0], start->tool->input, start->tool->folder);
    if (r < 0)
        errno = -r;
    else if (getppid() == start->parent && arrange_fds(start))
        execvpe(start->tool->words.words[0], start->tool->words.words, start->environment);
    int error = errno;
    ssize_t n = write(start->launch, &error, sizeof(error));
    (void)n;
    _exit(127);
}

/* --- Start ------------------------------------------------------------------------------------------------- */

/* A descriptor out of the way of those that the child is to have. */
static int move_up(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, INPUT_FD + 1);
    close(fd);
    return high;
}

static bool open_pipe(int *ret_read, int *ret_write)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
    *ret_read = move_up(fds[0]);
    *ret_write = move_up(fds[1]);
    return *ret_read >= 0 && *ret_write >= 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool open_pipes(struct child *child, struct start *start)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    start->null = null < 0 ? -1 : move_up(null);
    return start->null >= 0 && open_pipe(&child->output, &start->output) &&
           open_pipe(&child->errors, &start->errors) && open_pipe(&child->launch, &start->launch);
}

static int spawn(struct child *child, struct start *start)
{
    child->pid = fork();
    if (child->pid == 0)
        become_tool(start);
    if (child->pid < 0)
        return -errno;
    setpgid(child->pid, child->pid);
    child->process = (int)syscall(SYS_pidfd_open, child->pid, 0);
    return child->process < 0 ? -errno : 0;
}

static void end_now(struct child *child)
{
    if (child->pid <= 0)
        return;
    kill(-child->pid, SIGKILL); /* not yet waited for: the number is still its own */
    kill(child->pid, SIGKILL);
    waitpid(child->pid, &child->status, 0);
    child->pid = 0;
}

/* Return: 0: it runs; negative errno. */
static int start_child(struct child *child)
{
    char path[4096];
    const char *where = getenv("PATH");
    snprintf(path, sizeof(path), "PATH=%s", where && *where ? where : "/usr/local/bin:/usr/bin:/bin");
    char *environment[] = { path, (char[]){ "LC_ALL=C" }, (char[]){ "AV_LOG_FORCE_NOCOLOR=1" }, NULL };
    struct start start = { .tool = child->tool,
                           .environment = environment,
                           .null = -1,
                           .output = -1,
                           .errors = -1,
                           .launch = -1,
                           .parent = getpid() };
    int error = 0, r = open_pipes(child, &start) ? spawn(child, &start) : -errno;
    close_fd(&start.null);
    close_fd(&start.output);
    close_fd(&start.errors);
    close_fd(&start.launch);
    if (r == 0 && read(child->launch, &error, sizeof(error)) == sizeof(error))
        r = -error;
    return r;
}

static void child_done(struct child *child)
{
    end_now(child);
    close_fd(&child->process);
    close_fd(&child->output);
    close_fd(&child->errors);
    close_fd(&child->launch);
}

/* --- While it runs -------------------------------------------------------------------------------------------- */

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void stop_child(struct child *child, enum stop why)
{
    if (child->stop)
        return;
    child->stop = why;
    child->kill_us = now_us() + GRACE_US;
    kill(-child->pid, SIGTERM);
}

static void keep_tail(struct child *child, const char *bytes, size_t size)
{
    if (size > TAIL_SIZE) {
        bytes += size - TAIL_SIZE;
        size = TAIL_SIZE;
    }
    size_t drop = child->tail_size + size > TAIL_SIZE ? child->tail_size + size - TAIL_SIZE : 0;
    memmove(child->tail, child->tail + drop, child->tail_size - drop);
    child->tail_size -= drop;
    memcpy(child->tail + child->tail_size, bytes, size);
    child->tail_size += size;
}

static void read_pipe(struct child *child, int *fd)
{
    char bytes[4096];
    ssize_t size = read(*fd, bytes, sizeof(bytes));
    if (size < 0 && errno == EINTR)
        return;
    if (size <= 0) {
        close_fd(fd);
    } else if (fd == &child->errors) {
        keep_tail(child, bytes, (size_t)size);
    } else if (!child->stop) {
        int verdict = child->tool->take(child->tool->data, bytes, (size_t)size);
        if (verdict != JOB_DONE) {
            child->verdict = verdict;
            stop_child(child, STOP_VERDICT);
        }
    }
}

/* For poll(2); at least one look a second, for a context that has no descriptor. */
static int wait_ms(const struct child *child)
{
    int64_t until_us = child->kill_us ? child->kill_us : child->tool->deadline_us;
    int64_t left_us = until_us ? until_us - now_us() : 1000000;
    return left_us < 0 ? 0 : left_us > 1000000 ? 1000 : (int)(left_us / 1000 + 1);
}

static void look_at_clock(struct child *child)
{
    if (job_context_is_cancelled(child->ctx))
        stop_child(child, STOP_CANCELLED);
    if (child->tool->deadline_us && now_us() >= child->tool->deadline_us)
        stop_child(child, STOP_DEADLINE);
    if (child->kill_us && now_us() >= child->kill_us)
        kill(-child->pid, SIGKILL);
}

/* Its pipes may outlive it in a grandchild, so its end is what ends this; what is in them then is still read. */
static void run_child(struct child *child)
{
    for (bool ended = false; !ended;) {
        struct pollfd fds[] = {
            { .fd = child->output, .events = POLLIN },
            { .fd = child->errors, .events = POLLIN },
            { .fd = child->process, .events = POLLIN },
            { .fd = child->stop ? -1 : job_context_cancel_fd(child->ctx), .events = POLLIN },
        };
        if (poll(fds, 4, wait_ms(child)) < 0 && errno != EINTR)
            break;
        if (fds[0].revents)
            read_pipe(child, &child->output);
        if (fds[1].revents)
            read_pipe(child, &child->errors);
        look_at_clock(child);
        if (fds[2].revents)
            kill(-child->pid, SIGKILL); /* what it leaves behind must not go on writing */
        ended = fds[2].revents && !(fds[0].revents & POLLIN) && !(fds[1].revents & POLLIN);
    }
    end_now(child);
}

/* --- How it ended ---------------------------------------------------------------------------------------------- */

static bool ended_with(const struct child *child, int signal)
{
    return WIFSIGNALED(child->status) && WTERMSIG(child->status) == signal;
}

/* The lines of @tail, from the last complete one backwards as far as it was kept, made printable, on one line. */
static void describe(struct child *child, char *text, size_t size)
{
    size_t at = 0, from = 0;
    if (child->tail_size == TAIL_SIZE)
        while (from < TAIL_SIZE && child->tail[from++] != '\n') {
        }
    while (child->tail_size > from && child->tail[child->tail_size - 1] == '\n')
        child->tail_size--;
    for (; from < child->tail_size && at + 5 < size; from++) {
        char c = child->tail[from];
        if (c == '\n')
            at += (size_t)snprintf(text + at, size - at, " / ");
        else
            text[at++] = c >= 0x20 && c < 0x7f ? c : '?';
    }
    text[at] = 0;
    if (!at)
        snprintf(text, size, "said nothing");
}

static bool has_any(const char *text, const char *const *words)
{
    while (*words && !strstr(text, *words))
        words++;
    return *words;
}

/* In the words of strerror(). ffmpeg may end well after such a failure, of what it wrote last. */
static bool is_about_storage(const char *text)
{
    static const char *const words[] = { "No space left on device", "Disk quota exceeded",
                                         "Input/output error",      "Read-only file system",
                                         "Stale file handle",       NULL };
    return has_any(text, words);
}

/* What another try may find otherwise. */
static bool is_passing(const char *text)
{
    static const char *const words[] = { "Cannot allocate memory", "Resource temporarily unavailable",
                                         "Too many open files", "Permission denied", NULL };
    return is_about_storage(text) || has_any(text, words);
}

static int judge(struct child *child)
{
    char text[TAIL_SIZE * 3];
    const char *name = child->tool->name;
    describe(child, text, sizeof(text));
    if (child->stop == STOP_VERDICT)
        return child->verdict;
    if (WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0 && !child->stop &&
        !is_about_storage(text))
        return JOB_DONE;
    if (child->stop == STOP_CANCELLED)
        return job_retry(child->ctx, "was asked to stop while %s ran", name);
    if (child->stop == STOP_DEADLINE)
        return job_retry(child->ctx, "%s did not end within its time limit", name);
    if (ended_with(child, SIGXFSZ) || strstr(text, "File too large"))
        return job_fail(child->ctx,
                        "the output is larger than ENCODE_MAX_OUTPUT_MIB or the worker's limit on files");
    if (WIFSIGNALED(child->status))
        return job_retry(child->ctx, "%s was killed by signal %d (%s): %s", name, WTERMSIG(child->status),
                         strsignal(WTERMSIG(child->status)), text);
    return is_passing(text) ? job_retry(child->ctx, "%s: %s", name, text)
                            : job_fail(child->ctx, "%s: %s", name, text);
}

int tool_run(struct job_context *ctx, const struct tool *tool)
{
    struct child child = {
        .ctx = ctx, .tool = tool, .process = -1, .output = -1, .errors = -1, .launch = -1
    };
    if (tool->words.failed)
        return job_retry(ctx, "no memory to run %s", tool->name);
    int r = start_child(&child);
    if (r < 0) {
        child_done(&child);
        return job_retry(ctx, "cannot run %s: %s%s", tool->words.words[0], strerror(-r),
                         r == -ENOENT ? "; install ffmpeg, or name it in ENCODE_FFMPEG and ENCODE_FFPROBE"
                                      : "");
    }
    run_child(&child);
    child_done(&child);
    return judge(&child);
}
