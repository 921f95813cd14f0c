/* SPDX-License-Identifier: Apache-2.0 */
/* jobctl. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "cli/line/complete.h"
#include "cli/dialog.h"
#include "cli/line/help.h"
#include "cli/print/pager.h"
#include "cli/print/watch.h"
#include "libjob/include/job.h"

/* Whatever is under way, nothing of it needs tidying: both servers roll back what a vanished client has begun. */
static void end(int signal)
{
    (void)signal;
    _exit(STATUS_INTERRUPTED);
}

static int print_help(const char *topic, FILE *to)
{
    _cleanup_buf_ struct buf text = { 0 };
    help_append(&text, topic);
    return text.failed || fputs(text.data, to) < 0 ? STATUS_FAILED : STATUS_DONE;
}

static int run(struct invocation *in, int argc, char **argv, struct err *reterr)
{
    if (arguments_parse(&in->arguments, argc, argv, reterr))
        return STATUS_USAGE;
    if (in->arguments.help)
        return print_help(in->arguments.topic, stdout);
    if (in->arguments.version)
        return printf("jobctl %s\n", job_version()) < 0 ? STATUS_FAILED : STATUS_DONE;
    bool check = arguments_has(&in->arguments, "check");
    if (!in->arguments.command && !check) {
        print_help("", stderr);
        return STATUS_USAGE;
    }
    int r = invocation_open(in, reterr);
    if (r || check)
        return r;
    return arguments_has(&in->arguments, "watch") ? watch_run(in, reterr) : pager_run(in, reterr);
}

int main(int argc, char **argv)
{
    struct invocation in = { 0 };
    struct err err = { 0 };
    if (argc > 1 && strcmp(argv[1], "__complete") == 0)
        return complete_main(argc, argv);
    output_init_locale();
    signal(SIGINT, end);
    int status = run(&in, argc, argv, &err);
    if (fflush(stdout) != 0 && status == STATUS_DONE)
        status = err_set(&err, STATUS_FAILED, "the output could not be written");
    if (in.later.size && !in.later.failed)
        dialog_say("%s", in.later.data);
    if (err.text[0])
        dialog_say("%s", err.text);
    invocation_close(&in);
    return status;
}
