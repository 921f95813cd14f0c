/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/control.h"

#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define MAX_MASKS 16

static struct site *site;
static struct buf out, said; /* of the last run */
static struct {
    regex_t expression;
    const char *instead;
} masks[MAX_MASKS];
static size_t n_masks;

void control_use(struct site *new)
{
    site = new;
    while (n_masks > 0)
        regfree(&masks[--n_masks].expression);
    buf_done(&out);
    buf_done(&said);
}

/* --- Running it --- */

static void read_file(const char *path, struct buf *to)
{
    char chunk[4096];
    FILE *file = fopen(path, "re");
    buf_reset(to);
    buf_append_string(to, "");
    for (size_t n; file && (n = fread(chunk, 1, sizeof(chunk), file)) > 0;)
        buf_append(to, chunk, n);
    if (file)
        fclose(file);
}

static char *__attribute__((format(printf, 1, 0))) vformat(const char *format, va_list ap)
{
    char *text;
    ck_assert_int_ge(vasprintf(&text, format, ap), 0);
    return text;
}

char *control_command(const char *environment, const char *arguments)
{
    char *command;
    ck_assert_int_ge(
        asprintf(
            &command,
            "env -u JOB_KAFKA -u JOB_DATABASE_URL %s </dev/null '%s/cli/jobctl' -c '%s' %s >'%s/out' 2>'%s/said'",
            environment, site_build(site), site_config_path(site), arguments, site_folder(site),
            site_folder(site)),
        0);
    return command;
}

void control_take(void)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/out", site_folder(site));
    read_file(path, &out);
    snprintf(path, sizeof(path), "%s/said", site_folder(site));
    read_file(path, &said);
}

int control_run(const char *environment, const char *arguments)
{
    _cleanup_free_ char *command = control_command(environment, arguments);
    int status = system(command);
    control_take();
    ck_assert_msg(WIFEXITED(status), "jobctl %s: ended by a signal", arguments);
    return WEXITSTATUS(status);
}

static void check_status(const char *environment, int status, const char *arguments)
{
    int r = control_run(environment, arguments);
    ck_assert_msg(r == status, "jobctl %s: exit status %d, expected %d\n%s%s", arguments, r, status, out.data,
                  said.data);
}

void control_expect(int status, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    _cleanup_free_ char *arguments = vformat(format, ap);
    va_end(ap);
    check_status("", status, arguments);
}

void control_expect_with(const char *environment, int status, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    _cleanup_free_ char *arguments = vformat(format, ap);
    va_end(ap);
    check_status(environment, status, arguments);
}

/* --- What it printed and said --- */

const char *control_output(void)
{
    return out.data;
}

const char *control_remarks(void)
{
    return said.data;
}

void control_says(const char *text)
{
    ck_assert_msg(strstr(said.data, text) != NULL, "standard error does not have \"%s\":\n%s", text,
                  said.data);
}

void control_prints(const char *text)
{
    ck_assert_msg(strstr(out.data, text) != NULL, "standard output does not have \"%s\":\n%s", text,
                  out.data);
}

json_t *control_json(void)
{
    json_error_t error;
    json_t *json = json_loads(out.data, JSON_DECODE_ANY, &error);
    ck_assert_msg(json != NULL, "no JSON: %s\n%s", error.text, out.data);
    return json;
}

const char *control_member(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text ? text : "";
}

const char *control_id(int n)
{
    static char id[37];
    const char *at = out.data;
    for (; n > 0 && at; n--)
        at = strchr(at, '\n') + 1;
    ck_assert_int_eq(sscanf(at, "{\"id\": \"%36s\"}", id), 1);
    return id;
}

/* --- Golden files --- */

void control_mask(const char *expression, const char *instead)
{
    ck_assert_uint_lt(n_masks, MAX_MASKS);
    ck_assert_int_eq(regcomp(&masks[n_masks].expression, expression, REG_EXTENDED), 0);
    masks[n_masks++].instead = instead;
}

/* Whatever @expression matches in @text, replaced. */
static void replace(struct buf *text, const regex_t *expression, const char *instead)
{
    struct buf to = { 0 };
    regmatch_t match;
    const char *at = text->data;
    buf_append_string(&to, "");
    while (*at && regexec(expression, at, 1, &match, at == text->data ? 0 : REG_NOTBOL) == 0 &&
           match.rm_eo > match.rm_so) {
        buf_append(&to, at, (size_t)match.rm_so);
        buf_append_string(&to, instead);
        at += match.rm_eo;
    }
    buf_append_string(&to, at);
    buf_done(text);
    *text = to;
}

static void replace_text(struct buf *text, const char *what, const char *instead)
{
    struct buf to = { 0 };
    const char *at = text->data, *next;
    buf_append_string(&to, "");
    for (; (next = strstr(at, what)); at = next + strlen(what)) {
        buf_append(&to, at, (size_t)(next - at));
        buf_append_string(&to, instead);
    }
    buf_append_string(&to, at);
    buf_done(text);
    *text = to;
}

static void append_run(struct buf *to, const char *arguments)
{
    int status = control_run("", arguments);
    buf_append_format(to, "$ jobctl %s\n%s%s", arguments, out.data, said.data);
    if (status)
        buf_append_format(to, "exit status %d\n", status);
    buf_append_char(to, '\n');
}

static void make_stable(struct buf *text)
{
    replace_text(text, site_config_path(site), "libjob.conf");
    replace_text(text, site_folder(site), "FOLDER");
    replace_text(text, site_build(site), "BUILD");
    replace_text(text, site_kafka(site), "KAFKA");
    replace_text(text, site_prefix(site), "job");
    for (size_t i = 0; i < n_masks; i++)
        replace(text, &masks[i].expression, masks[i].instead);
}

static void compare(const char *name, struct buf *text)
{
    char path[300];
    const char *write = getenv("JOB_TEST_WRITE_GOLDEN");
    _cleanup_buf_ struct buf golden = { 0 };
    make_stable(text);
    snprintf(path, sizeof(path), "%s/%s.txt", GOLDEN, name);
    if (write && write[0]) {
        FILE *file = fopen(path, "we");
        ck_assert_msg(file != NULL && fputs(text->data, file) >= 0 && fclose(file) == 0, "%s: %m", path);
        return;
    }
    read_file(path, &golden);
    size_t same = 0;
    for (size_t i = 0; golden.data[i] && golden.data[i] == text->data[i]; i++)
        if (golden.data[i] == '\n')
            same = i + 1;
    const char *should = golden.data + same, *is = text->data + same;
    ck_assert_msg(strcmp(should, is) == 0, "%s goes on with: %.*s -- but jobctl with: %.*s", path,
                  (int)strcspn(should, "\n"), should, (int)strcspn(is, "\n"), is);
}

void control_golden(const char *name, const char *arguments)
{
    static const char *const formats[] = { "", " -o json", " -o jsonl", " -o csv" };
    _cleanup_buf_ struct buf text = { 0 };
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        char line[1024];
        snprintf(line, sizeof(line), "%s%s", arguments, formats[i]);
        append_run(&text, line);
    }
    compare(name, &text);
}

void control_golden_once(const char *name, const char *arguments)
{
    _cleanup_buf_ struct buf text = { 0 };
    append_run(&text, arguments);
    compare(name, &text);
}
