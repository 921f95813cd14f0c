/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dialog.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/suggest.h"
#include "cli/print/printable.h"

void dialog_say(const char *format, ...)
{
    _cleanup_buf_ struct buf line = { 0 };
    char text[2048];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    printable_append(&line, span_from_string(text));
    fprintf(stderr, "jobctl: %s\n", line.size ? line.data : "");
}

void dialog_say_later(struct invocation *in, const char *format, ...)
{
    char text[2048];
    va_list ap;
    if (!isatty(STDERR_FILENO))
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    buf_append_string(&in->later, in->later.size ? "; " : "");
    buf_append_string(&in->later, text);
}

/* A configuration that was not read says nothing about what is meant. */
static bool nothing_is_declared(const struct invocation *in)
{
    return !in->config->path;
}

void dialog_remark_queue(const struct invocation *in, const char *queue)
{
    if (!queue || nothing_is_declared(in) || config_find_queue(in->config, span_from_string(queue)))
        return;
    struct suggest near = { .word = queue };
    for (size_t i = 0; i < in->config->n_queues; i++)
        suggest_consider(&near, in->config->queues[i].name);
    if (suggest_is_close(&near))
        dialog_say("%s declares no queue \"%s\"; did you mean \"%s\"?", in->config->path, queue,
                   near.nearest);
    else
        dialog_say("%s declares no queue \"%s\"", in->config->path, queue);
}

void dialog_remark_type(const struct invocation *in, const char *type)
{
    if (!type || nothing_is_declared(in) || config_find_handler(in->config, span_from_string(type)))
        return;
    struct suggest near = { .word = type };
    for (size_t i = 0; i < in->config->n_handlers; i++)
        suggest_consider(&near, in->config->handlers[i].type);
    if (suggest_is_close(&near))
        dialog_say("%s has no handler for the type \"%s\"; did you mean \"%s\"?", in->config->path, type,
                   near.nearest);
    else
        dialog_say("%s has no handler for the type \"%s\"", in->config->path, type);
}

bool dialog_is_possible(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

int dialog_confirm(const struct invocation *in, const char *question, struct err *reterr)
{
    char answer[16];
    if (arguments_has(&in->arguments, "yes"))
        return STATUS_DONE;
    if (!dialog_is_possible())
        return err_set(reterr, STATUS_USAGE, "%s There is no terminal to answer on: repeat it with --yes",
                       question);
    fprintf(stderr, "%s [y/N] ", question);
    if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return STATUS_DONE;
    return err_set(reterr, STATUS_FAILED, "nothing was changed");
}
