/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/run_once.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_scan.h"
#include "base/log.h"
#include "base/uuid.h"
#include "libjob/context.h"
#include "libjob/program.h"
#include "worker/frame.h"
#include "worker/handler_set.h"

static const char *verdict_name(int verdict)
{
    static const char *const names[] = {
        [JOB_DONE] = "done",     [JOB_RETRY] = "retry",       [JOB_FAIL] = "fail",
        [JOB_SNOOZE] = "snooze", [FRAME_CRASHED] = "crashed", [FRAME_TIMEOUT] = "timeout",
    };
    return names[verdict];
}

static int print_answer(const struct job_context *ctx, int verdict)
{
    if (ctx->has_result) {
        fwrite(ctx->result.data, 1, ctx->result.size, stdout);
        putchar('\n');
    }
    if (verdict == JOB_DONE)
        return PROGRAM_FINE;
    fprintf(stderr, "%s%s%s\n", verdict_name(verdict), ctx->error[0] ? ": " : "", ctx->error);
    return PROGRAM_FAILED;
}

static int run(const struct run_once *once, const struct config_handler *settings,
               struct handler_set *handlers)
{
    struct uuid id;
    char id_text[UUID_TEXT_SIZE];
    const char *payload = once->payload ? once->payload : "";
    struct job_context ctx = {
        .type = once->type,
        .queue = settings->queue,
        .content_type = "application/json",
        .fence = "1.1",
        .payload = payload,
        .payload_size = strlen(payload),
        .attempt = 1,
        .max_attempts = settings->max_attempts,
        .delivery = 1,
        .time_us = clock_wall_us(),
        .timeout_us = settings->timeout_us,
        .cancel_fd = -1,
    };
    uuid_new(&id);
    ctx.id = uuid_format(&id, id_text);
    job_context_reset(&ctx);
    int verdict = handler_set_run(handlers, &ctx);
    if (verdict == FRAME_UNKNOWN_TYPE)
        fprintf(stderr, "jobworkerd: the module has no such type\n");
    int status = verdict == FRAME_UNKNOWN_TYPE ? PROGRAM_USAGE : print_answer(&ctx, verdict);
    job_context_done(&ctx);
    return status;
}

/* Return: its exit status; PROGRAM_FAILED when a signal ended it. */
static int await_child(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return PROGRAM_FAILED;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fprintf(stderr, "crashed: killed by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
    return PROGRAM_FAILED;
}

static int load_and_run(const struct job_config *config, const struct run_once *once)
{
    _cleanup_(handler_set_free_cleanup) struct handler_set *handlers = NULL;
    _cleanup_buf_ struct buf setup = { 0 };
    struct err err = { 0 };
    const struct config_handler *settings = config_find_handler(config, span_from_string(once->type));
    if (!settings) {
        fprintf(stderr, "jobworkerd: no handler for type \"%s\" in the configuration\n", once->type);
        return PROGRAM_USAGE;
    }
    if (once->payload && json_scan(once->payload, strlen(once->payload), NULL) == JSON_INVALID) {
        fprintf(stderr, "jobworkerd: --payload: expected JSON\n");
        return PROGRAM_USAGE;
    }
    handler_set_put(&setup, settings);
    if (setup.failed || handler_set_load(&handlers, (struct span){ setup.data, setup.size }, &err) < 0) {
        fprintf(stderr, "jobworkerd: %s\n", err.text[0] ? err.text : "out of memory");
        return PROGRAM_USAGE;
    }
    return run(once, settings, handlers);
}

int run_once(const struct job_config *config, const struct run_once *once)
{
    pid_t child = fork();
    if (child == 0) {
        int status = load_and_run(config, once);
        fflush(NULL);
        _exit(status);
    }
    return child < 0 ? PROGRAM_FAILED : await_child(child);
}
