/* SPDX-License-Identifier: Apache-2.0 */
/* jobs/encode in a worker: progress that is seen, cancellation, time-out and death, and a worker that goes on. */
#define SUITE_TIMEOUT_S 120
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/harness.h"
#include "tests/support/suite.h"
#include "tests/support/video.h"

#define LONG "{\"input\": \"long.mp4\", \"preset\": \"webm\", \"output\": \"long.webm\"}"

static struct site *start(const char *members)
{
    char handlers[512];
    video_open();
    video_make("a.mov", "");
    video_make_long("long.mp4");
    snprintf(
        handlers, sizeof(handlers),
        "{ type = \"encode\"; kind = \"module\"; queue = \"video\"; path = \"${build}/jobs/encode/encode.so\"; %s }",
        members);
    struct site *site = site_new(&(struct site_options){
        .queues = "{ name = \"video\"; partitions = 1; }",
        .handlers = handlers,
        .worker = "handover_after = \"300ms\"; kill_grace = \"10s\"; executors_min = 1; executors_max = 1;",
    });
    site_start_broker(site);
    return site;
}

static const char *enqueue(struct site *site, const char *payload)
{
    static char id[64];
    char *output;
    const char *const arguments[] = { "enqueue", "encode", "--payload", payload, NULL };
    ck_assert_int_eq(site_jobctl(site, &output, arguments), 0);
    const char *at = strstr(output, "\": \"");
    ck_assert_msg(at != NULL, "%s", output);
    snprintf(id, sizeof(id), "%.36s", at + 4);
    free(output);
    return id;
}

static void await_progress(struct site *site)
{
    site_await(site, 30, "SELECT (progress ->> 'percent')::float BETWEEN 0.001 AND 99 FROM job.lease");
}

/* No process that reads our videos, and nothing that is unfinished. */
static void check_nothing_left(void)
{
    ck_assert_str_eq(video_ask("ls -l /proc/[0-9]*/fd 2>/dev/null | grep -F \"$(pwd)/in/\" || true"), "");
    ck_assert_str_eq(video_ask("find out/.encode -mindepth 1"), "");
}

static void check_goes_on(struct site *site, struct site_daemon *worker)
{
    const char *id = enqueue(site, "{\"input\": \"a.mov\", \"preset\": \"mp4\", \"output\": \"a.mp4\"}");
    site_await(site, 30, "SELECT state = 'succeeded' FROM job.result WHERE id = '%s'", id);
    ck_assert(
        site_ask(site, "SELECT result #>> '{outputs,0,codec}' = 'h264' FROM job.result WHERE id = '%s'", id));
    ck_assert(site_is_running(worker));
    check_nothing_left();
    site_stop(worker);
    site_free(site);
    video_close();
}

START_TEST(cancelled_job_takes_its_ffmpeg_with_it)
{
    struct site *site = start("");
    struct site_daemon *worker = site_start_worker(site);
    const char *id = enqueue(site, LONG);
    await_progress(site);
    ck_assert_str_ne(video_ask("ls -l /proc/[0-9]*/fd 2>/dev/null | grep -F \"$(pwd)/in/long.mp4\" || true"),
                     "");
    ck_assert_int_eq(site_jobctl(site, NULL, (const char *const[]){ "job", "cancel", id, NULL }), 0);
    site_await(
        site, 10,
        "SELECT state = 'cancelled' AND error LIKE '%%was asked to stop while ffmpeg ran' FROM job.result "
        "WHERE id = '%s'",
        id);
    check_nothing_left();
    check_goes_on(site, worker);
}
END_TEST

START_TEST(job_whose_time_is_up_takes_its_ffmpeg_with_it)
{
    struct site *site = start("timeout = \"3s\"; max_attempts = 1;");
    struct site_daemon *worker = site_start_worker(site);
    const char *id = enqueue(site, LONG);
    site_await(site, 30, "SELECT count(*) = 1 FROM job.dead WHERE id = '%s'", id);
    ck_assert(site_ask(site, "SELECT outcome = 'timeout' FROM job.attempt WHERE id = '%s'", id));
    check_nothing_left();
    check_goes_on(site, worker);
}
END_TEST

START_TEST(killed_executor_takes_its_ffmpeg_with_it_and_the_next_job_tidies_up)
{
    struct site *site = start("max_crashes = 1;");
    struct site_daemon *worker = site_start_worker(site);
    const char *id = enqueue(site, LONG);
    await_progress(site);
    /* ffmpeg's parent is the executor. */
    video_shell(
        "pid=$(ls -l /proc/[0-9]*/fd/3 2>/dev/null | grep -F \"$(pwd)/in/long.mp4\" | grep -o '/proc/[0-9]*' | "
        "cut -d / -f 3) && kill -9 $(awk '/^PPid/ { print $2 }' /proc/$pid/status)");
    site_await(site, 20, "SELECT reason = 'crashed' FROM job.dead WHERE id = '%s'", id);
    ck_assert_str_eq(video_ask("ls -l /proc/[0-9]*/fd 2>/dev/null | grep -F \"$(pwd)/in/\" || true"), "");
    check_goes_on(site, worker);
}
END_TEST

START_TEST(damaged_video_is_dead_at_once_with_its_cause)
{
    struct site *site = start("");
    struct site_daemon *worker = site_start_worker(site);
    video_shell("head -c 20000 in/a.mov >in/damaged.mov");
    const char *id =
        enqueue(site, "{\"input\": \"damaged.mov\", \"preset\": \"mp4\", \"output\": \"d.mp4\"}");
    site_await(
        site, 20,
        "SELECT reason = 'failed' AND attempt = 1 AND error LIKE '%%moov atom not found%%' FROM job.dead WHERE "
        "id = '%s'",
        id);
    check_goes_on(site, worker);
}
END_TEST

SUITE_MAIN("encode_worker", cancelled_job_takes_its_ffmpeg_with_it,
           job_whose_time_is_up_takes_its_ffmpeg_with_it,
           killed_executor_takes_its_ffmpeg_with_it_and_the_next_job_tidies_up,
           damaged_video_is_dead_at_once_with_its_cause)
