/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/booted.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define LOOK_MS 50
#define START_US (30 * USEC_PER_SEC)
#define COMMAND_MAX 4096

struct booted {
    pid_t script;
    pid_t first; /* the name spaces' process 1, as it is called out here */
};

/* --- Processes ----------------------------------------------------------------------------------------------------------- */

/* Return: its process number. @ret_fd: both its outputs; NULL: they are ours. */
static pid_t start(const char *const *argv, int *ret_fd)
{
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (ret_fd) {
            dup2(fds[1], STDOUT_FILENO);
            dup2(fds[1], STDERR_FILENO);
        } else {
            dup2(STDERR_FILENO, STDOUT_FILENO); /* standard output has the test's TAP */
        }
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    ck_assert_int_gt(pid, 0);
    close(fds[1]);
    if (ret_fd)
        *ret_fd = fds[0];
    else
        close(fds[0]);
    return pid;
}

/* Return: its exit status. */
static int run(const char *const *argv, char **ret_output)
{
    char chunk[4096];
    int fd, status;
    struct buf output = { 0 };
    pid_t pid = start(argv, &fd);
    for (ssize_t size; (size = read(fd, chunk, sizeof(chunk))) > 0;)
        buf_append(&output, chunk, (size_t)size);
    close(fd);
    waitpid(pid, &status, 0);
    if (ret_output)
        *ret_output = output.data ? output.data : strdup("");
    else
        buf_done(&output);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static pid_t only_child(pid_t pid)
{
    char path[64];
    pid_t child = 0;
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%d", &child) != 1)
        child = 0;
    if (file)
        fclose(file);
    return child;
}

/* --- Life ---------------------------------------------------------------------------------------------------------------- */

/* Outside of any test, so nothing may be asserted here. */
bool booted_is_possible(void)
{
    char why[256] = "it cannot be asked";
    FILE *probe = popen(BOOTED " probe", "re");
    if (!probe)
        perror(BOOTED);
    else if (!fgets(why, sizeof(why), probe))
        why[0] = 0;
    int status = probe ? pclose(probe) : -1;
    if (status)
        printf("1..0 # SKIP no systemd can be started here: %.*s\n", (int)strcspn(why, "\n"), why);
    return status == 0;
}

static bool is_up(struct booted *b)
{
    pid_t unshare = only_child(b->script);
    b->first = unshare ? only_child(unshare) : 0;
    return b->first && booted_try(b, NULL, "systemctl is-active -q sysinit.target") == 0;
}

struct booted *booted_start(const char *folder)
{
    struct booted *b = calloc(1, sizeof(*b));
    ck_assert_ptr_nonnull(b);
    b->script = start((const char *const[]){ BOOTED, "boot", folder, NULL }, NULL);
    for (int64_t deadline_us = clock_mono_us() + START_US; !is_up(b); poll(NULL, 0, LOOK_MS)) {
        ck_assert_msg(clock_mono_us() < deadline_us, "systemd does not start");
        ck_assert_msg(waitpid(b->script, NULL, WNOHANG) == 0, "systemd cannot be started");
    }
    return b;
}

struct booted *booted_end(struct booted *b)
{
    if (!b)
        return NULL;
    kill(b->script, SIGTERM);
    waitpid(b->script, NULL, 0);
    free(b);
    return NULL;
}

/* --- Commands ------------------------------------------------------------------------------------------------------------ */

static int try(struct booted *b, char **ret_output, const char *command)
{
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", b->first);
    return run((const char *const[]){ "nsenter", "-t", pid, "-m", "-p", "-u", "-i", "-C", "--", "env", "-i",
                                      "PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin",
                                      "SYSTEMD_UNIT_PATH=/etc/systemd/system:/usr/local/lib/systemd/system",
                                      "sh", "-c", command, NULL },
               ret_output);
}

int booted_try(struct booted *b, char **ret_output, const char *format, ...)
{
    char command[COMMAND_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    return try(b, ret_output, command);
}

/* What the units have written may say why. */
static void give_up(struct booted *b, const char *command, const char *output)
{
    char *journal = NULL;
    try(b, &journal, "journalctl --no-pager -q -n 60; systemctl list-units --no-pager 'job*' 'libjob*'");
    fprintf(stderr, "%s\n", journal);
    ck_abort_msg("%s: %.300s", command, output);
}

void booted_run(struct booted *b, const char *format, ...)
{
    char command[COMMAND_MAX], *output = NULL;
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    if (try(b, &output, command))
        give_up(b, command, output);
    free(output);
}

void booted_await(struct booted *b, double deadline_s, const char *format, ...)
{
    char command[COMMAND_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    int64_t deadline_us = clock_mono_us() + (int64_t)(deadline_s * USEC_PER_SEC);
    for (; try(b, NULL, command); poll(NULL, 0, LOOK_MS))
        if (clock_mono_us() > deadline_us)
            give_up(b, command, "not in time");
}

char *booted_property(struct booted *b, const char *unit, const char *property)
{
    char *output = NULL;
    if (booted_try(b, &output, "systemctl show --value -p %s '%s'", property, unit))
        give_up(b, property, output);
    output[strcspn(output, "\n")] = 0;
    return output;
}
