/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "worker/brood.h"
#include "worker/children.h"
#include "worker/executor.h"
#include "worker/group.h"

enum request_kind { REQUEST_SPAWN, REQUEST_KILL, REQUEST_ANSWER };

struct request {
    enum request_kind kind;
    uint32_t tag;
    pid_t pid;
    int signal;
};

#define EXECUTOR_FIRST_FD 3 /* the others follow in the order of enum zygote_fd */

/* --- Worker side ------------------------------------------------------------------------------------------------------- */

static int send_request(int zygote, const struct request *request, const int *fds, size_t n_fds)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(ZYGOTE_N_SENT * sizeof(int))];
    } control = { 0 };
    struct iovec iov = { (void *)request, sizeof(*request) };
    struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (n_fds) {
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(header), fds, n_fds * sizeof(int));
    }
    return sendmsg(zygote, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int zygote_request_spawn(int zygote, uint32_t tag, const int fds[ZYGOTE_N_SENT])
{
    return send_request(zygote, &(struct request){ .kind = REQUEST_SPAWN, .tag = tag }, fds,
                        fds[ZYGOTE_GROUP] < 0 ? ZYGOTE_N_FDS : ZYGOTE_N_SENT);
}

int zygote_request_kill(int zygote, pid_t pid, int signal)
{
    return send_request(zygote, &(struct request){ .kind = REQUEST_KILL, .pid = pid, .signal = signal }, NULL,
                        0);
}

int zygote_request_answer(int zygote)
{
    return send_request(zygote, &(struct request){ .kind = REQUEST_ANSWER }, NULL, 0);
}

int zygote_next_event(int zygote, struct zygote_event *ret)
{
    ssize_t n = recv(zygote, ret, sizeof(*ret), MSG_DONTWAIT);
    if (n == sizeof(*ret))
        return 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 1;
    return n < 0 ? -errno : -ECONNRESET;
}

/* --- Zygote side ------------------------------------------------------------------------------------------------------- */

/* Variables that lead to a server or belong to the service manager are the worker's alone. */
static bool variable_is_private(const char *variable)
{
    static const char *const prefixes[] = { "JOB_",      "PG",      "NOTIFY_SOCKET=",
                                            "WATCHDOG_", "LISTEN_", "JOURNAL_STREAM=" };
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* Overwrites them where they lie, too: /proc/PID/environ shows that memory. */
static void clean_environment(void)
{
    char **keep = environ;
    for (char **at = environ; *at; at++) {
        if (variable_is_private(*at))
            explicit_bzero(*at, strlen(*at));
        else
            *keep++ = *at;
    }
    *keep = NULL;
}

static void reset_signals(void)
{
    sigset_t none;
    for (int signal = 1; signal < NSIG; signal++)
        sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Out of the way first: each may be in another one's place. */
static void arrange_fds(const int fds[ZYGOTE_N_FDS])
{
    int high[ZYGOTE_N_FDS];
    for (int i = 0; i < ZYGOTE_N_FDS; i++) {
        high[i] = fcntl(fds[i], F_DUPFD, 10);
        if (high[i] < 0)
            _exit(1);
    }
    for (int i = 0; i < ZYGOTE_N_FDS; i++)
        if (dup2(high[i], EXECUTOR_FIRST_FD + i) < 0 || fcntl(EXECUTOR_FIRST_FD + i, F_SETFD, FD_CLOEXEC) < 0)
            _exit(1);
    syscall(SYS_close_range, EXECUTOR_FIRST_FD + ZYGOTE_N_FDS, ~0U, 0);
}

/* What a handler writes goes through the worker, which knows whose it is. */
static void take_output(void)
{
    const int output = EXECUTOR_FIRST_FD + ZYGOTE_OUTPUT;
    if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
        _exit(1);
    close(output);
}

/* When memory runs out, the kernel is to take this process and not the worker. */
static void prefer_as_oom_victim(void)
{
    _cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : write(fd, "1000", 4);
    (void)n; /* it is only preferred */
}

static _Noreturn void become_executor(const int fds[ZYGOTE_N_SENT], pid_t zygote)
{
    reset_signals();
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != zygote) /* it died before that was set */
        _exit(1);
    prctl(PR_SET_NAME, "jobexecutor");
    int r = group_enter(fds[ZYGOTE_GROUP]);
    if (r < 0) {
        dprintf(STDERR_FILENO, "run: an executor cannot enter its control group: %s\n", strerror(-r));
        _exit(1);
    }
    arrange_fds(fds);
    take_output();
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prefer_as_oom_victim();
    executor_main(EXECUTOR_FIRST_FD + ZYGOTE_SOCKET, EXECUTOR_FIRST_FD + ZYGOTE_BOARD,
                  EXECUTOR_FIRST_FD + ZYGOTE_CANCEL);
}

static void report(int worker, const struct zygote_event *event)
{
    ssize_t n = send(worker, event, sizeof(*event), MSG_NOSIGNAL);
    (void)n; /* a worker that is gone is noticed by reading */
}

static void spawn(int worker, struct brood *brood, uint32_t tag, int fds[ZYGOTE_N_SENT])
{
    pid_t zygote = getpid(), pid = brood_reserve(brood) < 0 ? -1 : fork();
    if (pid == 0)
        become_executor(fds, zygote);
    if (pid < 0) {
        report(worker, &(struct zygote_event){ .kind = ZYGOTE_FAILED, .tag = tag, .exit.status = errno });
        return;
    }
    setpgid(pid, pid);
    brood_add(brood, pid, steal_fd(&fds[ZYGOTE_GROUP]));
    report(worker, &(struct zygote_event){ .kind = ZYGOTE_SPAWNED, .tag = tag, .exit.pid = pid });
}

/* The last one may be missing. */
static void take_fds(struct msghdr *message, int fds[ZYGOTE_N_SENT])
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    for (int i = 0; i < ZYGOTE_N_SENT; i++)
        fds[i] = -1;
    if (header && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len <= CMSG_LEN(ZYGOTE_N_SENT * sizeof(int)))
        memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
}

static void close_fds(const int fds[ZYGOTE_N_SENT])
{
    for (int i = 0; i < ZYGOTE_N_SENT; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Return: false when the worker is gone. */
static bool serve_request(int worker, struct brood *brood)
{
    struct request request;
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(ZYGOTE_N_SENT * sizeof(int))];
    } control;
    struct iovec iov = { &request, sizeof(request) };
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)
    };
    ssize_t n = recvmsg(worker, &message, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR)
        return true;
    if (n != sizeof(request))
        return false;
    int fds[ZYGOTE_N_SENT];
    take_fds(&message, fds);
    if (request.kind == REQUEST_SPAWN)
        spawn(worker, brood, request.tag, fds);
    else if (request.kind == REQUEST_ANSWER)
        report(worker, &(struct zygote_event){ .kind = ZYGOTE_ANSWERED });
    else
        brood_signal(brood, request.pid, request.signal);
    close_fds(fds);
    return true;
}

static void reap(int worker, struct brood *brood)
{
    struct zygote_event event = { .kind = ZYGOTE_EXITED };
    while (brood_next_end(brood, &event.exit))
        report(worker, &event);
}

static _Noreturn void end_with_children(const struct brood *brood)
{
    brood_kill_groups(brood);
    children_end(&(int64_t){ 0 });
    _exit(0);
}

static _Noreturn void zygote_main(int worker)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_SETMASK, &child, NULL);
    static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE,
                                   SIGUSR1 }; /* the worker decides when to stop */
    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
        sigaction(ignored[i], &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    int children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    struct brood brood = { 0 };
    struct pollfd fds[] = { { .fd = worker, .events = POLLIN }, { .fd = children, .events = POLLIN } };
    for (;;) {
        struct signalfd_siginfo info;
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents && read(children, &info, sizeof(info)) > 0)
            reap(worker, &brood);
        if (fds[0].revents && !serve_request(worker, &brood))
            break;
    }
    end_with_children(&brood);
}

int zygote_start(int *ret_socket, pid_t *ret_pid)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid < 0) {
        int error = errno;
        close(pair[0]);
        close(pair[1]);
        return -error;
    }
    if (pid == 0) {
        close(pair[0]);
        setpgid(0, 0); /* a Ctrl-C on the terminal is for the worker, which drains */
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        prctl(PR_SET_NAME, "jobzygote");
        clean_environment();
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null >= 0)
            dup2(null, STDIN_FILENO);
        zygote_main(pair[1]);
    }
    close(pair[1]);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    *ret_socket = pair[0];
    *ret_pid = pid;
    return 0;
}
