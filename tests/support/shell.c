/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/shell.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void shell_enter(struct site *site)
{
    const char *build = site_build(site);
    char path[4096];
    snprintf(path, sizeof(path), "%s/cli:%s/broker:%s/worker:%s", build, build, build, getenv("PATH"));
    setenv("JOB_KAFKA", site_kafka(site), 1);
    setenv("JOB_DATABASE_URL", site_database_url(site), 1);
    setenv("JOB_CONFIG", site_config_path(site), 1);
    setenv("PATH", path, 1);
}

/* The lines go into a file: they may be long, and may have any quotes. */
__attribute__((format(printf, 2, 0))) static char *write_lines(struct site *site, const char *format,
                                                               va_list args)
{
    static int n;
    char *path;
    ck_assert_int_gt(asprintf(&path, "%s/lines.%d", site_folder(site), ++n), 0);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "cd '%s' || exit\n", site_folder(site));
    vfprintf(file, format, args);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

__attribute__((format(printf, 3, 0))) static int run(struct site *site, char **ret_output, const char *format,
                                                     va_list args)
{
    char command[512];
    size_t size;
    char *path = write_lines(site, format, args), piece[4096];
    snprintf(command, sizeof(command), "bash '%s' 2>&1 </dev/null", path);
    free(path);
    FILE *lines = popen(command, "re"), *out = open_memstream(ret_output, &size);
    ck_assert(lines && out);
    for (size_t n; (n = fread(piece, 1, sizeof(piece), lines)) > 0;)
        fwrite(piece, 1, n, out);
    fclose(out);
    int status = pclose(lines);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int shell_run(struct site *site, char **ret_output, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int status = run(site, ret_output, format, args);
    va_end(args);
    return status;
}

const char *shell_ask(struct site *site, const char *format, ...)
{
    static char *outputs[8];
    static int next;
    char **output = &outputs[next++ % 8];
    va_list args;
    free(*output);
    va_start(args, format);
    int status = run(site, output, format, args);
    va_end(args);
    ck_assert_msg(status == 0, "\"%s\" ended with %d:\n%s", format, status, *output);
    size_t size = strlen(*output);
    if (size > 0 && (*output)[size - 1] == '\n')
        (*output)[size - 1] = 0;
    return *output;
}

pid_t shell_start(const char *const *argv, char *line, size_t size)
{
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(fds[1], STDOUT_FILENO);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    close(fds[1]);
    struct pollfd ready = { .fd = fds[0], .events = POLLIN };
    ck_assert_msg(poll(&ready, 1, 10000) == 1, "%s says nothing", argv[0]);
    ssize_t n = read(fds[0], line, size - 1);
    line[n > 0 ? n : 0] = 0;
    close(fds[0]);
    return pid;
}

int shell_stop(pid_t pid, int signal)
{
    int status, fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = { .fd = fd, .events = POLLIN };
    kill(pid, signal);
    bool in_time = poll(&ended, 1, 10000) == 1;
    if (!in_time)
        kill(pid, SIGKILL);
    close(fd);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(in_time, "a program does not end with signal %d", signal);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
