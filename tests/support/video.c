/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/video.h"

#include <check.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libjob/context.h"
#include "tests/support/module.h"

#define SEQ 7

static char folder[] = "/tmp/test_encode.XXXXXX";
static char progress[65536], error[JOB_MAX_ERROR_SIZE], result[JOB_MAX_RESULT_SIZE + 1];
static int64_t retry_after_ms;
static _Atomic uint32_t cancelled;
static int cancel_fd = -1;

const char *video_path(const char *format, ...)
{
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    va_list args;
    int size = snprintf(path, sizeof(paths[0]), "%s/", folder);
    va_start(args, format);
    vsnprintf(path + size, sizeof(paths[0]) - (size_t)size, format, args);
    va_end(args);
    return path;
}

/* --- Shell ------------------------------------------------------------------------------------------------ */

__attribute__((format(printf, 1, 0))) static const char *run(const char *format, va_list args,
                                                             int *ret_status)
{
    static char output[32768];
    char command[4096];
    int size = snprintf(command, sizeof(command), "cd %s && { ", folder);
    size += vsnprintf(command + size, sizeof(command) - (size_t)size, format, args);
    ck_assert_int_lt(size, (int)sizeof(command) - 3);
    strcat(command, "\n}");
    FILE *pipe = popen(command, "re");
    ck_assert_ptr_nonnull(pipe);
    size_t n = fread(output, 1, sizeof(output) - 1, pipe);
    while (n > 0 && output[n - 1] == '\n')
        n--;
    output[n] = 0;
    *ret_status = pclose(pipe);
    return output;
}

void video_shell(const char *format, ...)
{
    va_list args;
    int status;
    va_start(args, format);
    run(format, args, &status);
    va_end(args);
    ck_assert_msg(status == 0, "\"%s\" ended with %d", format, status);
}

const char *video_ask(const char *format, ...)
{
    va_list args;
    int status;
    va_start(args, format);
    const char *output = run(format, args, &status);
    va_end(args);
    ck_assert_msg(status == 0, "\"%s\" ended with %d", format, status);
    return output;
}

void video_make(const char *name, const char *options)
{
    video_shell(
        "ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc=d=2:s=160x120:r=10 -f lavfi -i sine=d=2 "
        "-c:v libx264 -preset ultrafast -c:a aac %s 'in/%s'",
        options, name);
}

void video_make_long(const char *name)
{
    video_shell(
        "ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc=d=2:s=320x240:r=30 -c:v libx264 -preset "
        "ultrafast short.mp4 && ffmpeg -nostdin -loglevel error -y -stream_loop 600 -i short.mp4 -c copy 'in/%s'",
        name);
}

void video_replace_ffmpeg(const char *script)
{
    FILE *file = fopen(video_path("ffmpeg"), "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "#!/bin/sh\n%s\n", script);
    fclose(file);
    ck_assert_int_eq(chmod(video_path("ffmpeg"), 0755), 0);
    setenv("ENCODE_FFMPEG", video_path("ffmpeg"), 1);
}

/* --- The handler -------------------------------------------------------------------------------------------- */

static void take_progress(void *runner, const void *text, size_t size)
{
    size_t at = strlen(progress);
    if (at + size + 2 < sizeof(progress))
        snprintf(progress + at, sizeof(progress) - at, "%.*s\n", (int)size, (const char *)text);
    if (runner && strstr(progress, "\"encode\"")) {
        atomic_store(&cancelled, SEQ);
        ck_assert_int_eq(eventfd_write(cancel_fd, 1), 0);
    }
}

static int run_handler(const char *payload, bool cancel)
{
    static int n;
    char id[64];
    snprintf(id, sizeof(id), "00000000-0000-7000-8000-%012d", ++n);
    struct job_context ctx = { .id = id,
                               .type = "encode",
                               .queue = "video",
                               .fence = "1.1",
                               .payload = payload,
                               .payload_size = strlen(payload),
                               .attempt = 1,
                               .max_attempts = 3,
                               .delivery = 1,
                               .cancelled = &cancelled,
                               .seq = SEQ,
                               .cancel_fd = cancel_fd,
                               .tell_progress = take_progress,
                               .runner = cancel ? &ctx : NULL };
    progress[0] = 0;
    job_context_reset(&ctx);
    int verdict = job_context_run(&ctx, module_handler(ENCODE_MODULE, "encode"));
    snprintf(error, sizeof(error), "%s", ctx.error);
    snprintf(result, sizeof(result), "%.*s", ctx.has_result ? (int)ctx.result.size : 0,
             ctx.has_result ? ctx.result.data : "");
    retry_after_ms = ctx.retry_after_ms;
    job_context_done(&ctx);
    return verdict;
}

int video_encode(const char *format, ...)
{
    char payload[8192];
    va_list args;
    va_start(args, format);
    ck_assert_int_lt(vsnprintf(payload, sizeof(payload), format, args), (int)sizeof(payload));
    va_end(args);
    return run_handler(payload, false);
}

int video_encode_and_cancel(const char *payload)
{
    return run_handler(payload, true);
}

const char *video_error(void)
{
    return error;
}

const char *video_result(void)
{
    return result;
}

const char *video_progress(void)
{
    return progress;
}

int64_t video_retry_after_ms(void)
{
    return retry_after_ms;
}

const char *video_output(int n, const char *member)
{
    static char texts[4][512];
    static int next;
    char *text = texts[next++ % 4];
    json_t *root = json_loads(result, 0, NULL);
    const json_t *value =
        json_object_get(json_array_get(json_object_get(root, "outputs"), (size_t)n), member);
    if (json_is_string(value))
        snprintf(text, sizeof(texts[0]), "%s", json_string_value(value));
    else if (json_is_integer(value))
        snprintf(text, sizeof(texts[0]), "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(text, sizeof(texts[0]), "%.3f", json_real_value(value));
    else
        text[0] = 0;
    json_decref(root);
    return text;
}

const char *video_outputs(void)
{
    return video_ask(
        "cd out && find . -mindepth 1 -path ./.encode -prune -o -print | sort | cut -c 3- | paste -sd ' '");
}

void video_check_refused(int verdict, int expected, const char *part)
{
    ck_assert_msg(verdict == expected, "verdict %d instead of %d: %s", verdict, expected, error);
    ck_assert_msg(strstr(error, part), "\"%s\" is missing in: %s", part, error);
    ck_assert_str_eq(result, "");
    ck_assert_str_eq(video_outputs(), "");
    ck_assert_str_eq(video_ask("find out/.encode -mindepth 1 2>/dev/null || true"), "");
}

/* --- The folder ----------------------------------------------------------------------------------------------- */

void video_open(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(mkdir(video_path("in"), 0700), 0);
    ck_assert_int_eq(mkdir(video_path("out"), 0700), 0);
    setenv("ENCODE_INPUT", video_path("in"), 1);
    setenv("ENCODE_OUTPUT", video_path("out"), 1);
    cancel_fd = eventfd(0, EFD_CLOEXEC);
    ck_assert_int_ge(cancel_fd, 0);
}

void video_close(void)
{
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
    ck_assert_str_eq(video_ask("find out/.encode -mindepth 1 2>/dev/null || true"), "");
    video_shell("rm -rf %s", folder);
}
