/* SPDX-License-Identifier: Apache-2.0 */
/* The site's programs: started, awaited, stopped. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tests/support/harness_site.h"

#define ARGUMENTS_MAX 32
#define READY_S 15.0

struct site_daemon {
    struct list node;
    char name[48];
    char log_path[SITE_PATH_SIZE];
    char notify_path[108]; /* as long as a socket's name can be */
    int notify_fd;
    pid_t pid;  /* 0: reaped */
    int status; /* as site_await_exit() gives it */
};

/* --- Starting --- */

static int bind_notify(struct site_daemon *d)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", d->notify_path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
        site_fail("%s: %s", d->notify_path, strerror(errno));
    return fd;
}

/* Only what is safe between fork() and exec(), because the test may have threads. @procs: "cgroup.procs" of where to go; NULL. */
static void execute(const char *path, char *const *argv, char *const *envp, int out_fd, int err_fd,
                    pid_t parent, const char *procs)
{
    int group = procs ? open(procs, O_WRONLY | O_CLOEXEC) : -1;
    if (procs && write(group, "0", 1) != 1)
        _exit(127);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int in_fd = open("/dev/null", O_RDONLY);
    dup2(in_fd, STDIN_FILENO);
    dup2(out_fd, STDOUT_FILENO);
    dup2(err_fd, STDERR_FILENO);
    execve(path, argv, envp);
    _exit(127);
}

static bool is_ours(const char *variable)
{
    static const char *const names[] = { "JOB_KAFKA=", "JOB_DATABASE_URL=", "JOB_CONFIG=", "JOURNAL_STREAM=",
                                         "NOTIFY_SOCKET=" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* The environment without what would lead the program elsewhere. The pointers are borrowed. */
static char **make_environment(char *more)
{
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    char **envp = calloc(n + 2, sizeof(*envp));
    if (!envp)
        site_fail("out of memory");
    for (size_t i = 0; i < n; i++)
        if (!is_ours(environ[i]))
            envp[kept++] = environ[i];
    envp[kept] = more;
    return envp;
}

static pid_t start(const struct site *s, const char *program, const char *const *arguments, char *variable,
                   int out_fd, int err_fd)
{
    char path[SITE_PATH_SIZE * 2];
    const char *argv[ARGUMENTS_MAX + 4] = { program, "-c", s->config_path };
    _cleanup_free_ char **envp = make_environment(variable);
    snprintf(path, sizeof(path), "%s/%s", s->build, program);
    for (size_t i = 0; arguments && arguments[i]; i++)
        argv[i < ARGUMENTS_MAX ? i + 3 : ARGUMENTS_MAX] = arguments[i];
    if (access(path, X_OK))
        site_fail("%s: %s", path, strerror(errno));
    char procs[SITE_PATH_SIZE * 2];
    snprintf(procs, sizeof(procs), "%s/cgroup.procs", s->cgroup ? s->cgroup : "");
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        execute(path, (char *const *)(uintptr_t)argv, envp, out_fd, err_fd, parent, s->cgroup ? procs : NULL);
    if (pid < 0)
        site_fail("fork: %s", strerror(errno));
    return pid;
}

struct site_daemon *site_spawn(struct site *s, const char *program, const char *const *arguments)
{
    char variable[SITE_PATH_SIZE + 16];
    const char *base = strrchr(program, '/');
    struct site_daemon *d = calloc(1, sizeof(*d));
    if (!d)
        site_fail("out of memory");
    snprintf(d->name, sizeof(d->name), "%.30s.%u", base ? base + 1 : program, ++s->n_daemons);
    snprintf(d->log_path, sizeof(d->log_path), "%s/%s.log", s->folder, d->name);
    snprintf(d->notify_path, sizeof(d->notify_path), "%s/%s.notify", s->folder, d->name);
    snprintf(variable, sizeof(variable), "NOTIFY_SOCKET=%s", d->notify_path);
    d->notify_fd = bind_notify(d);
    _cleanup_close_ int log_fd = open(d->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        site_fail("%s: %s", d->log_path, strerror(errno));
    d->pid = start(s, program, arguments, variable, log_fd, log_fd);
    list_append(&s->daemons, &d->node);
    return d;
}

static bool has_notified(struct site_daemon *d, const char *what)
{
    char text[512];
    ssize_t size = recv(d->notify_fd, text, sizeof(text) - 1, 0);
    if (size <= 0)
        return false;
    text[size] = 0;
    return strstr(text, what) != NULL;
}

bool site_has_notified(struct site_daemon *d, double wait_s, const char *what)
{
    int64_t deadline_us = site_deadline(wait_s);
    struct pollfd pfd = { .fd = d->notify_fd, .events = POLLIN };
    for (int64_t left_us; (left_us = deadline_us - clock_mono_us()) > 0;)
        if (poll(&pfd, 1, (int)(left_us / USEC_PER_MSEC) + 1) > 0 && has_notified(d, what))
            return true;
    return false;
}

void site_await_notify(struct site_daemon *d, double deadline_s, const char *what)
{
    int64_t deadline_us = site_deadline(deadline_s);
    struct pollfd pfd = { .fd = d->notify_fd, .events = POLLIN };
    while (clock_mono_us() < deadline_us) {
        poll(&pfd, 1, 50);
        if (has_notified(d, what))
            return;
        if (!site_is_running(d))
            site_fail("%s ended with status %d and did not say %s", d->name, d->status, what);
    }
    site_fail("%s did not say %s within %g s", d->name, what, deadline_s);
}

/* Nobody listens afterwards: a socket whose messages are not read would in the end block the daemon. */
void site_await_ready(struct site_daemon *d, double deadline_s)
{
    site_await_notify(d, deadline_s, "READY=1");
    close(d->notify_fd);
    d->notify_fd = -1;
}

struct site_daemon *site_start_broker(struct site *s)
{
    struct site_daemon *d = site_spawn(s, "broker/jobbrokerd", NULL);
    site_await_ready(d, READY_S);
    return d;
}

struct site_daemon *site_start_worker(struct site *s)
{
    struct site_daemon *d = site_spawn(s, "worker/jobworkerd", NULL);
    site_await_ready(d, READY_S);
    return d;
}

/* --- Ending --- */

static int exit_status(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool site_is_running(struct site_daemon *d)
{
    int status;
    if (d->pid && waitpid(d->pid, &status, WNOHANG) == d->pid) {
        d->status = exit_status(status);
        d->pid = 0;
    }
    return d->pid != 0;
}

void site_set_cgroup(struct site *s, const char *folder)
{
    s->cgroup = folder;
}

pid_t site_pid(const struct site_daemon *d)
{
    return d->pid;
}

void site_kill(struct site_daemon *d, int signal)
{
    if (d->pid && kill(d->pid, signal))
        site_fail("kill %s: %s", d->name, strerror(errno));
}

int site_await_exit(struct site_daemon *d, double deadline_s)
{
    int64_t deadline_us = site_deadline(deadline_s);
    while (site_is_running(d))
        if (!site_nap(deadline_us))
            site_fail("%s still runs after %g s", d->name, deadline_s);
    return d->status;
}

void site_stop(struct site_daemon *d)
{
    site_kill(d, SIGTERM);
    int status = site_await_exit(d, 20);
    if (status)
        site_fail("%s ended with status %d", d->name, status);
}

void site_destroy(struct site_daemon *d)
{
    site_kill(d, SIGKILL);
    site_await_exit(d, 10);
}

/* A sanitizer's report may come with the exit, too late for the test to see. */
static void check_clean(struct site_daemon *d)
{
    if (site_count_log(d, "Sanitizer") || site_count_log(d, "runtime error:"))
        site_fail("%s: a sanitizer has something to say", d->name);
}

void site_stop_all(struct site *s)
{
    list_for_each(at, &s->daemons)
    {
        struct site_daemon *d = list_entry(at, struct site_daemon, node);
        if (site_is_running(d))
            site_kill(d, SIGTERM);
    }
    int64_t deadline_us = site_deadline(20);
    list_for_each_safe(at, &s->daemons)
    {
        struct site_daemon *d = list_entry(at, struct site_daemon, node);
        while (site_is_running(d))
            if (!site_nap(deadline_us))
                site_destroy(d);
        check_clean(d);
        if (d->notify_fd >= 0)
            close(d->notify_fd);
        free(d);
    }
    list_init(&s->daemons);
}

/* --- What is below a daemon --- */

static size_t add_children(pid_t pid, pid_t *pids, size_t n, size_t max)
{
    char path[64];
    int child;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    FILE *list = fopen(path, "re");
    while (list && n < max && fscanf(list, "%d", &child) == 1)
        pids[n++] = child;
    if (list)
        fclose(list);
    return n;
}

size_t site_find_descendants(const struct site_daemon *d, pid_t *pids, size_t max)
{
    size_t n = add_children(site_pid(d), pids, 0, max);
    for (size_t i = 0; i < n; i++)
        n = add_children(pids[i], pids, n, max);
    return n;
}

/* --- Logs --- */

size_t site_count_log(struct site_daemon *d, const char *text)
{
    char chunk[65536];
    size_t n = 0;
    _cleanup_buf_ struct buf log = { 0 };
    _cleanup_close_ int fd = open(d->log_path, O_RDONLY | O_CLOEXEC);
    for (ssize_t size; fd >= 0 && (size = read(fd, chunk, sizeof(chunk))) > 0;)
        buf_append(&log, chunk, (size_t)size);
    for (const char *at = log.data; at && (at = strstr(at, text)); at += strlen(text))
        n++;
    return n;
}

void site_await_log(struct site_daemon *d, double deadline_s, const char *text)
{
    int64_t deadline_us = site_deadline(deadline_s);
    while (site_count_log(d, text) == 0)
        if (!site_nap(deadline_us))
            site_fail("%s did not log \"%s\" within %g s", d->name, text, deadline_s);
}

/* --- jobctl --- */

int site_jobctl(struct site *s, char **ret_output, const char *const *arguments)
{
    int fds[2], status;
    char chunk[65536], none[] = "LIBJOB_TEST=1";
    struct buf output = { 0 };
    if (pipe2(fds, O_CLOEXEC))
        site_fail("pipe: %s", strerror(errno));
    pid_t pid = start(s, "cli/jobctl", arguments, none, fds[1], STDERR_FILENO);
    close(fds[1]);
    for (ssize_t size; (size = read(fds[0], chunk, sizeof(chunk))) > 0;)
        buf_append(&output, chunk, (size_t)size);
    close(fds[0]);
    waitpid(pid, &status, 0);
    if (ret_output)
        *ret_output = output.data ? output.data : strdup("");
    else
        buf_done(&output);
    return exit_status(status);
}
