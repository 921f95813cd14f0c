/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/pager.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "base/cleanup.h"

#define NOT_FOUND 127 /* the shell's status for a command that is not there */

/* NULL: none. */
static const char *find_pager(void)
{
    const char *pager = getenv("PAGER");
    if (!pager)
        return "less";
    return *pager && strcmp(pager, "cat") != 0 ? pager : NULL;
}

static bool wants_pager(const struct invocation *in)
{
    return in->arguments.command->watchable && in->style.format == OUTPUT_TABLE && in->style.terminal &&
           !arguments_has(&in->arguments, "no-pager") && find_pager();
}

static bool is_longer_than_screen(const char *text)
{
    struct winsize size;
    int lines = 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
        return false;
    for (; (text = strchr(text, '\n')); text++)
        lines++;
    return lines >= size.ws_row; /* the prompt needs a line */
}

/* Return: false when there is no such program; nothing was shown then. */
static bool show(const char *text)
{
    setenv("LESS", "FRX", 0);
    setenv("LV", "-c", 0);
    /* Ctrl-C is for the pager, and one that ends early has seen enough. */
    void (*on_interrupt)(int) = signal(SIGINT, SIG_IGN), (*on_pipe)(int) = signal(SIGPIPE, SIG_IGN);
    FILE *to = popen(find_pager(), "we");
    if (to)
        fputs(text, to);
    int status = to ? pclose(to) : -1;
    signal(SIGINT, on_interrupt);
    signal(SIGPIPE, on_pipe);
    return to && !(WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND);
}

int pager_run(struct invocation *in, struct err *reterr)
{
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    if (!wants_pager(in))
        return in->arguments.command->run(in, reterr);
    in->to = open_memstream(&text, &size);
    if (!in->to)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    int r = in->arguments.command->run(in, reterr);
    bool failed = fclose(in->to) != 0;
    in->to = stdout;
    if (failed)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    fflush(stdout);
    if (!is_longer_than_screen(text) || !show(text))
        fputs(text, stdout);
    return r;
}
