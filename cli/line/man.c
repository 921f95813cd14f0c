/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/line/man.h"

#include <string.h>

#include "base/buf.h"
#include "cli/command.h"
#include "libjob/include/job.h"

/* A hyphen is a minus to be copied, a backslash itself; a dot or quote at a line's beginning is no request. */
static void append_text(struct buf *b, const char *text)
{
    bool at_start = true;
    for (; *text; text++) {
        if (at_start && (*text == '.' || *text == '\''))
            buf_append_string(b, "\\&");
        if (*text == '-')
            buf_append_string(b, "\\-");
        else if (*text == '\\')
            buf_append_string(b, "\\e");
        else
            buf_append_char(b, *text);
        at_start = *text == '\n';
    }
}

static void append_line(struct buf *b, const char *before, const char *text, const char *after)
{
    buf_append_string(b, before);
    append_text(b, text);
    buf_append_string(b, after);
    buf_append_char(b, '\n');
}

static void append_option(struct buf *b, const struct command_option *o)
{
    buf_append_string(b, ".TP\n");
    if (o->letter)
        buf_append_format(b, "\\fB\\-%c\\fR, ", o->letter);
    buf_append_string(b, "\\fB\\-\\-");
    append_text(b, o->name);
    buf_append_string(b, "\\fR");
    if (o->argument) {
        buf_append_string(b, " \\fI");
        append_text(b, o->argument);
        buf_append_string(b, "\\fR");
    }
    buf_append_char(b, '\n');
    append_line(b, "", o->help, ".");
}

static void append_options(struct buf *b, const struct command_option *options)
{
    for (const struct command_option *o = options; o->name; o++)
        append_option(b, o);
}

static void append_command(struct buf *b, const struct command *c)
{
    const struct command_option *lists[COMMAND_OPTION_LISTS];
    command_get_options(c, lists);
    append_line(b, ".SS \"", c->path, "\"");
    buf_append_string(b, "\\fBjobctl ");
    append_text(b, c->path);
    buf_append_string(b, "\\fR");
    if (c->arguments[0])
        append_line(b, " \\fI", c->arguments, "\\fR");
    else
        buf_append_char(b, '\n');
    append_line(b, ".PP\n", c->summary, ".");
    if (c->details)
        append_line(b, "", c->details, "");
    append_options(b, lists[0]);
    append_options(b, lists[1]);
    for (const char *const *e = c->examples; e && e[0]; e += 2) {
        append_line(b, ".PP\n", e[1], ":");
        append_line(b, ".PP\n.RS 4\n.nf\n", e[0], "\n.fi\n.RE");
    }
}

static void append_variable(struct buf *b, const char *name, const char *text)
{
    append_line(b, ".TP\n.B ", name, "");
    append_line(b, "", text, "");
}

static void append_environment(struct buf *b)
{
    buf_append_string(b, ".SH ENVIRONMENT\n");
    append_variable(b, "JOB_CONFIG", "The configuration file, instead of /etc/libjob/libjob.conf.");
    append_variable(b, "JOB_KAFKA", "Kafka's address, instead of kafka.brokers.");
    append_variable(b, "JOB_DATABASE_URL", "PostgreSQL's address, instead of database.url.");
    append_variable(b, "NO_COLOR", "When not empty: no colours.");
}

static void append_status(struct buf *b)
{
    static const char *const statuses[][2] = {
        { "0", "Fine; an empty list, too." },
        { "1", "Failed; the job that was waited for ended otherwise; doctor has found a problem." },
        { "2", "The command line or the configuration is wrong." },
        { "3", "There is no such thing." },
        { "4", "Kafka or PostgreSQL is away." },
        { "5", "The time was over." },
        { "130", "Ctrl-C." },
    };
    buf_append_string(b, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        append_variable(b, statuses[i][0], statuses[i][1]);
}

void man_append(struct buf *b)
{
    buf_append_format(b, ".TH JOBCTL 1 \"\" \"libjob %s\" \"User Commands\"\n", job_version());
    buf_append_string(b,
                      ".SH NAME\njobctl \\- look after background jobs\n"
                      ".SH SYNOPSIS\n.B jobctl\n\\fICOMMAND\\fR [\\fIARGUMENT\\fR...] [\\fIOPTION\\fR...]\n"
                      ".SH DESCRIPTION\n");
    append_text(
        b,
        "jobctl enqueues jobs, finds them, explains where they are, and runs again what failed. It talks to Kafka and "
        "PostgreSQL directly, so it works when every daemon is down.\n");
    buf_append_string(
        b, ".SH OPTIONS\nEvery command understands these; options may stand anywhere on the line.\n");
    append_options(b, command_global_options);
    buf_append_string(b, ".SH COMMANDS\n");
    for (const struct command *c = NULL; (c = command_next(c));)
        append_command(b, c);
    append_environment(b);
    append_status(b);
    append_line(b, ".SH FILES\n.TP\n.I /etc/libjob/libjob.conf\n", "The configuration.", "");
}
