/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keepers: processes that clear away what a test leaves when it does not get to do so itself.
 *
 * A keeper waits on a pipe whose other end only the test has. A byte dismisses it; the end of the pipe means that the
 * test has died.
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/harness_site.h"

#define LOG_LINES_MAX 200

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void site_remove_folder(const char *folder)
{
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* The last lines of one log, as TAP comments. */
static void print_log(const char *folder, const char *name)
{
    char path[SITE_PATH_SIZE], line[2048];
    long n = 0, skip;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    while (fgets(line, sizeof(line), file))
        n++;
    skip = n > LOG_LINES_MAX ? n - LOG_LINES_MAX : 0;
    rewind(file);
    fprintf(stderr, "# --- %s ---\n", name);
    while (fgets(line, sizeof(line), file))
        if (skip-- <= 0)
            fprintf(stderr, "# %s", line);
    fclose(file);
}

static int is_log(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".log") == 0;
}

void site_print_logs(const char *folder)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, is_log, alphasort);
    for (int i = 0; i < n; i++)
        print_log(folder, entries[i]->d_name);
}

void keeper_start(struct keeper *k, void (*clear)(const void *userdata), const void *userdata)
{
    int fds[2];
    char byte;
    if (pipe2(fds, O_CLOEXEC))
        site_fail("pipe");
    k->fd = fds[1];
    k->pid = fork();
    if (k->pid < 0)
        site_fail("fork");
    if (k->pid == 0) {
        setsid(); /* Check kills the test's process group */
        close(fds[1]);
        if (read(fds[0], &byte, 1) == 0)
            clear(userdata);
        _exit(0);
    }
    setpgid(k->pid, k->pid);
    close(fds[0]);
}

void keeper_dismiss(struct keeper *k)
{
    if (write(k->fd, "", 1) == 1)
        waitpid(k->pid, NULL, 0);
    close(k->fd);
}
