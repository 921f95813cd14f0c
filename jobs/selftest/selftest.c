/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs that behave well or badly on demand, for demos, tests, benchmarks and an operator's smoke check.
 *
 * One row of `kinds` per type. The payload is an object (or nothing, or null); members that a type does not
 * know are ignored. Every type appends to the file named in member "trace", one line per event, each one
 * O_APPEND write:
 *
 *     start|end <id> <attempt> <delivery> <pid> <monotonic µs> <wall µs>
 *
 * so that a test can count executions from the outside, whatever the queue says of them. A job that dies
 * leaves no "end".
 *
 * Deliberately not: safe against who enqueues. A payload names a file to write and a process to kill; a
 * worker that takes jobs from strangers must not have this module.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <job_handler.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_MS INT64_C(86400000)
#define MAX_BYTES (INT64_C(64) * 1024 * 1024)
#define ALWAYS INT64_MAX

static int64_t read_clock_us(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The whole number @name of the payload in 0 … @max; @preset when it is absent or something else. */
static int64_t get_number(const json_t *args, const char *name, int64_t preset, int64_t max)
{
    const json_t *member = json_object_get(args, name);
    if (!json_is_integer(member))
        return preset;
    int64_t value = json_integer_value(member);
    return value < 0 ? 0 : value > max ? max : value;
}

static bool get_flag(const json_t *args, const char *name)
{
    return json_is_true(json_object_get(args, name));
}

/* --- The types ----------------------------------------------------------------------------------------- */

static int do_echo(struct job_context *ctx, const json_t *args)
{
    size_t size;
    const char *payload = job_context_payload(ctx, &size);
    (void)args;
    if (job_set_result(ctx, payload, size))
        return job_fail(ctx, "cannot echo %zu bytes", size);
    return JOB_DONE;
}

/* How far a sleep is. */
static void tell_percent(struct job_context *ctx, int64_t left_us, int64_t total_us)
{
    char text[32];
    int size =
        snprintf(text, sizeof(text), "{\"percent\": %d}", (int)((total_us - left_us) * 100 / total_us));
    job_set_progress(ctx, text, (size_t)size);
}

static int do_sleep(struct job_context *ctx, const json_t *args)
{
    int64_t total_us = get_number(args, "ms", 0, MAX_MS) * 1000;
    int64_t end_us = read_clock_us(CLOCK_MONOTONIC) + total_us;
    const json_t *progress =
        json_object_get(args, "progress"); /* true: every 100 ms; other: once, at its start */
    struct pollfd cancel = { .fd = get_flag(args, "stubborn") ? -1 : job_context_cancel_fd(ctx),
                             .events = POLLIN };
    for (int64_t left_us; (left_us = end_us - read_clock_us(CLOCK_MONOTONIC)) > 0;) {
        if (progress && !json_is_false(progress))
            tell_percent(ctx, left_us, total_us);
        if (!json_is_true(progress))
            progress = NULL;
        else if (left_us > 100000)
            left_us = 100000;
        struct timespec left = { .tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000 };
        ppoll(&cancel, 1, &left, NULL);
        if (cancel.fd >= 0 && job_context_is_cancelled(ctx))
            return job_retry(ctx, "asked to stop while asleep");
    }
    return JOB_DONE;
}

static void burn(int64_t ms)
{
    int64_t end_us = read_clock_us(CLOCK_THREAD_CPUTIME_ID) + ms * 1000;
    while (read_clock_us(CLOCK_THREAD_CPUTIME_ID) < end_us)
        ;
}

static int do_burn(struct job_context *ctx, const json_t *args)
{
    (void)ctx;
    burn(get_number(args, "ms", 0, MAX_MS));
    return JOB_DONE;
}

static int do_fail(struct job_context *ctx, const json_t *args)
{
    int attempt = job_context_attempt(ctx);
    if (attempt > get_number(args, "times", ALWAYS, ALWAYS))
        return JOB_DONE;
    if (get_flag(args, "permanent"))
        return job_fail(ctx, "asked to fail for good, attempt %d", attempt);
    return job_retry(ctx, "asked to fail, attempt %d", attempt);
}

/* Name and parent of a process: /proc/PID/stat reads "PID (NAME) STATE PARENT …". Return: 0; -1. */
static int read_process(pid_t pid, char ret_name[static 17], pid_t *ret_parent)
{
    char path[32], line[128];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    bool has_line = fgets(line, sizeof(line), file);
    fclose(file);
    char *name_end = has_line ? strrchr(line, ')') : NULL;
    int parent;
    if (!name_end || sscanf(name_end, ") %*c %d", &parent) != 1 ||
        sscanf(line, "%*d (%16[^)]", ret_name) != 1)
        return -1;
    *ret_parent = (pid_t)parent;
    return 0;
}

/* This executor's parent is the zygote, and its parent the worker; nobody else is killed. Return: 0; -1. */
static int kill_worker(void)
{
    char name[17];
    pid_t worker, above;
    if (read_process(getppid(), name, &worker) < 0 || read_process(worker, name, &above) < 0 ||
        strcmp(name, "jobworkerd") != 0)
        return -1;
    return kill(worker, SIGKILL);
}

static void die_by(int signal_number)
{
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, signal_number);
    signal(signal_number, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    raise(signal_number);
}

static int do_crash(struct job_context *ctx, const json_t *args)
{
    int signal_number = (int)get_number(args, "signal", SIGSEGV, SIGRTMAX);
    if (job_context_delivery(ctx) > get_number(args, "times", ALWAYS, ALWAYS))
        return JOB_DONE;
    if (get_flag(args, "worker") && kill_worker() < 0)
        return job_fail(ctx, "there is no jobworkerd two processes above this one");
    die_by(signal_number);
    return job_fail(ctx, "signal %d does not end a process", signal_number);
}

static int do_snooze(struct job_context *ctx, const json_t *args)
{
    if (job_context_delivery(ctx) > get_number(args, "times", 1, ALWAYS))
        return JOB_DONE;
    job_retry_after(ctx, get_number(args, "ms", 1000, MAX_MS));
    return JOB_SNOOZE;
}

/* Touches the memory, so that it is really there, and gives it back to the kernel. */
static int do_alloc(struct job_context *ctx, const json_t *args)
{
    int64_t mib = get_number(args, "mib", 1, 1 << 20);
    size_t size = (size_t)mib << 20;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return job_retry(ctx, "no memory for %" PRId64 " MiB", mib);
    for (size_t i = 0; i < size; i += 4096)
        memory[i] = 1;
    munmap(memory, size);
    return JOB_DONE;
}

/* Writes so much on standard output: lines of text, or with "binary" all bytes in turn; "log": says so; "fail": fails
 * then, without an error text. */
static int do_spew(struct job_context *ctx, const json_t *args)
{
    char chunk[4096];
    bool binary = get_flag(args, "binary");
    for (size_t i = 0; i < sizeof(chunk); i++)
        chunk[i] = binary ? (char)i : i % 64 == 63 ? '\n' : 'x';
    int64_t mib = get_number(args, "mib", 1, 1 << 20);
    for (int64_t left = mib << 8; left > 0; left--)
        if (write(STDOUT_FILENO, chunk, sizeof(chunk)) < 0 && errno != EINTR)
            break;
    if (get_flag(args, "log"))
        job_log(ctx, "wrote %" PRId64 " MiB", mib);
    return get_flag(args, "fail") ? JOB_FAIL : JOB_DONE;
}

/*
 * Leaves children behind that sleep for an hour, after it has slept for "ms" beside them; with "daemon" each in a session of its
 * own, orphaned. With "burn" they use so much CPU each, in ms, and are waited for instead.
 */
static int do_fork(struct job_context *ctx, const json_t *args)
{
    int64_t count = get_number(args, "count", 1, 10000), burn_ms = get_number(args, "burn", -1, MAX_MS);
    bool daemonize = get_flag(args, "daemon");
    for (int64_t i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid < 0)
            return job_retry(ctx, "after %" PRId64 " children: %s", i, strerror(errno));
        if (pid == 0) {
            if (daemonize && (setsid() < 0 || fork() != 0))
                _exit(0);
            if (burn_ms >= 0)
                burn(burn_ms);
            else
                poll(NULL, 0, 3600 * 1000);
            _exit(0);
        }
    }
    while (burn_ms >= 0 && wait(NULL) > 0)
        ;
    return do_sleep(ctx, args);
}

/* Each process is good for so many before the bomb is spent: nothing else may bound it. */
#define BOMB_BIRTHS 8
#define BOMB_LIFE_MS 30000 /* should nobody end it */

/* Multiplies to @processes; then each goes on dying and being born again, so that there is never rest, while births are left. */
static _Noreturn void explode(_Atomic int64_t *births, int64_t processes, bool daemonize)
{
    int64_t left;
    while ((left = atomic_fetch_sub(births, 1)) > 0) {
        if (daemonize)
            setsid();
        bool grows = left > (BOMB_BIRTHS - 1) * processes;
        if (fork() > 0 && !grows)
            _exit(0);
    }
    poll(NULL, 0, BOMB_LIFE_MS);
    _exit(0);
}

/* A fork bomb of so many "processes"; with "daemon" each has a session of its own. The job sleeps for "ms" beside it. */
static int do_bomb(struct job_context *ctx, const json_t *args)
{
    int64_t processes = get_number(args, "processes", 1, 100000);
    _Atomic int64_t *births =
        mmap(NULL, sizeof(*births), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (births == MAP_FAILED)
        return job_retry(ctx, "no memory");
    *births = BOMB_BIRTHS * processes;
    if (fork() == 0)
        explode(births, processes, get_flag(args, "daemon"));
    munmap((void *)births, sizeof(*births));
    return do_sleep(ctx, args);
}

static int do_fence(struct job_context *ctx, const json_t *args)
{
    char result[64];
    int size = snprintf(result, sizeof(result), "\"%s\"", job_context_fence(ctx));
    (void)args;
    job_set_result(ctx, result, (size_t)size);
    return JOB_DONE;
}

/* Text of "bytes" letters; with "nul" one of them is a NUL, with "binary" they are all 256 bytes in turn. */
static int do_result(struct job_context *ctx, const json_t *args)
{
    size_t size = (size_t)get_number(args, "bytes", 16, MAX_BYTES);
    char *result = malloc(size + 1);
    if (!result)
        return job_retry(ctx, "no memory for a result of %zu bytes", size);
    memset(result, 'x', size);
    if (get_flag(args, "nul") && size > 0)
        result[size / 2] = 0;
    if (get_flag(args, "binary"))
        for (size_t i = 0; i < size; i++)
            result[i] = (char)(255 - i % 256);
    int r = job_set_result(ctx, result, size);
    free(result);
    return r ? job_fail(ctx, "a result of %zu bytes is too large", size) : JOB_DONE;
}

static const struct kind {
    const char *type;
    int (*run)(struct job_context *ctx, const json_t *args);
    bool needs_no_arguments; /* the payload is parsed only for "trace"; it may be anything */
} kinds[] = {
    { "selftest.echo", do_echo, true }, { "selftest.sleep", do_sleep },
    { "selftest.burn", do_burn },       { "selftest.fail", do_fail },
    { "selftest.crash", do_crash },     { "selftest.snooze", do_snooze },
    { "selftest.result", do_result },   { "selftest.fence", do_fence, true },
    { "selftest.alloc", do_alloc },     { "selftest.spew", do_spew },
    { "selftest.fork", do_fork },       { "selftest.bomb", do_bomb },
};

/* --- One job ------------------------------------------------------------------------------------------- */

/* Return: 0; negative errno. */
static int trace(const struct job_context *ctx, const char *path, const char *event)
{
    char line[256];
    int size = snprintf(line, sizeof(line), "%s %s %d %d %d %" PRId64 " %" PRId64 "\n", event,
                        job_context_id(ctx), job_context_attempt(ctx), job_context_delivery(ctx),
                        (int)getpid(), read_clock_us(CLOCK_MONOTONIC), read_clock_us(CLOCK_REALTIME));
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    ssize_t written = write(fd, line, (size_t)size);
    int r = written == size ? 0 : written < 0 ? -errno : -EIO;
    close(fd);
    return r;
}

static int run_traced(struct job_context *ctx, const struct kind *kind, const json_t *args)
{
    const char *path = json_string_value(json_object_get(args, "trace"));
    int r = path ? trace(ctx, path, "start") : 0;
    if (r < 0)
        return job_fail(ctx, "%s: %s", path, strerror(-r));
    int verdict = kind->run(ctx, args);
    r = path ? trace(ctx, path, "end") : 0;
    return r < 0 ? job_fail(ctx, "%s: %s", path, strerror(-r)) : verdict;
}

/* Ignores SIGTERM already when the trace says "start", so that whoever waits for that can send one. */
static int run_stubborn(struct job_context *ctx, const struct kind *kind, const json_t *args)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
    sigaction(SIGTERM, &ignore, &before);
    int verdict = run_traced(ctx, kind, args);
    sigaction(SIGTERM, &before, NULL);
    return verdict;
}

static const struct kind *find_kind(const char *type)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].type, type) == 0)
            return &kinds[i];
    return NULL;
}

static int selftest_run(struct job_context *ctx)
{
    const struct kind *kind = find_kind(job_context_type(ctx));
    size_t size;
    const char *payload = job_context_payload(ctx, &size);
    if (!kind)
        return job_fail(ctx, "this module has no %s", job_context_type(ctx));
    if (size == 0 || (kind->needs_no_arguments && !memmem(payload, size, "\"trace\"", 7)))
        return kind->run(ctx, NULL);

    json_error_t error;
    json_t *args = json_loadb(payload, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    int verdict;
    if (kind->needs_no_arguments || json_is_object(args) || json_is_null(args))
        verdict = get_flag(args, "stubborn") ? run_stubborn(ctx, kind, args) : run_traced(ctx, kind, args);
    else
        verdict =
            job_fail(ctx, "the payload is no JSON object%s%s", args ? "" : ": ", args ? "" : error.text);
    json_decref(args);
    return verdict;
}

static const struct job_handler handlers[] = {
    { .type = "selftest.echo", .run = selftest_run },   { .type = "selftest.sleep", .run = selftest_run },
    { .type = "selftest.burn", .run = selftest_run },   { .type = "selftest.fail", .run = selftest_run },
    { .type = "selftest.crash", .run = selftest_run },  { .type = "selftest.snooze", .run = selftest_run },
    { .type = "selftest.result", .run = selftest_run }, { .type = "selftest.fence", .run = selftest_run },
    { .type = "selftest.alloc", .run = selftest_run },  { .type = "selftest.spew", .run = selftest_run },
    { .type = "selftest.fork", .run = selftest_run },   { .type = "selftest.bomb", .run = selftest_run },
};

const struct job_module job_module = JOB_MODULE(handlers);
