/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodes one video with ffmpeg: {"input": "clips/a.mov", "preset": "mp4", "output": "a.mp4"}.
 *
 * The payload is checked (request.h), the input opened or fetched (place.h, download.h) and probed (probe.h), ffmpeg run (preset.h,
 * tool.h), what it made checked (outputs.h) and published by a rename (place.h). ffmpeg sees no name, URL or environment of the
 * job: its input is a descriptor, its output a name of our own, and of what it can read only formats that refer to no other
 * file, by no other protocol than "file". What a try that fails has made is removed; what a killed process has
 * made, by the next job. settings.h has the environment variables. A job that runs again makes the same again.
 *
 * JOB_FAIL is for what no other try makes better: the payload, a damaged or unsuitable input. JOB_RETRY is for the rest.
 */
#include <fcntl.h>
#include <errno.h>
#include <jansson.h>
#include <job_handler.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "download.h"
#include "outputs.h"
#include "place.h"
#include "preset.h"
#include "probe.h"
#include "request.h"
#include "settings.h"
#include "tool.h"

struct job {
    struct job_context *ctx;
    struct settings settings;
    struct request request;
    struct place place;
    int input;
    int64_t deadline_us; /* monotonic; 0: none but the job's own */
    struct probe source;

    /* ffmpeg's report */
    char line[256];
    size_t line_size;
    int64_t done_us; /* of the video */
    int64_t pictures;
    double speed;
};

/* --- Input ----------------------------------------------------------------------------------------------------- */

static int64_t deadline(const struct settings *settings)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return settings->time_limit_s ? (now.tv_sec + settings->time_limit_s) * INT64_C(1000000) : 0;
}

static int open_input(struct job *job)
{
    int verdict = job->request.is_url
                      ? download(job->ctx, &job->settings, job->request.input, job->place.folder,
                                 job->deadline_us, &job->input)
                      : place_open_input(job->ctx, &job->settings, job->request.input, &job->input);
    return verdict == JOB_DONE ? place_check_input(job->ctx, &job->settings, job->input) : verdict;
}

static int check_thumbnails(const struct job *job)
{
    const struct request *request = &job->request;
    if (request->count && !job->source.duration_us)
        return job_fail(job->ctx, "count: the input does not say how long it is; every would do");
    int64_t n = outputs_expected_thumbnails(request, &job->source);
    return n > REQUEST_THUMBNAILS_MAX ? job_fail(job->ctx, "every: makes %lld thumbnails; %d are the most",
                                                 (long long)n, REQUEST_THUMBNAILS_MAX)
                                      : JOB_DONE;
}

static int check_source(const struct job *job)
{
    const struct probe *source = &job->source;
    const struct preset *preset = job->request.preset;
    if (preset->video && (source->video < 0 || source->width < 1 || source->height < 1))
        return job_fail(job->ctx, "input: has no video");
    if (!preset->video && source->audio < 0)
        return job_fail(job->ctx, "input: has no sound");
    if (source->duration_us > job->settings.max_duration_s * 1000000)
        return job_fail(job->ctx, "input: lasts %.0f s; ENCODE_MAX_DURATION_S is %lld",
                        (double)source->duration_us / 1e6, (long long)job->settings.max_duration_s);
    if (preset->video && (int64_t)source->width * source->height > job->settings.max_pixels)
        return job_fail(job->ctx, "input: has %dx%d pixels; ENCODE_MAX_PIXELS is %lld", source->width,
                        source->height, (long long)job->settings.max_pixels);
    return preset->kind == PRESET_THUMBNAILS ? check_thumbnails(job) : JOB_DONE;
}

static int probe_input(struct job *job)
{
    const struct probe_what what = { .file = job->input,
                                     .folder = job->place.folder,
                                     .demuxers = PRESET_DEMUXERS };
    int verdict = probe_read(job->ctx, &job->settings, &what, &job->source);
    return verdict == JOB_DONE ? check_source(job) : verdict;
}

/* --- ffmpeg -------------------------------------------------------------------------------------------------- */

static void tell_progress(const struct job *job)
{
    char text[160];
    int64_t whole_us = outputs_expected_us(&job->request, &job->source);
    double percent = whole_us ? (double)job->done_us * 100 / (double)whole_us : 0;
    size_t size =
        (size_t)snprintf(text, sizeof(text), "{\"stage\": \"encode\", \"seconds\": %.1f, \"speed\": %.2f",
                         (double)job->done_us / 1e6, job->speed);
    if (whole_us)
        size += (size_t)snprintf(text + size, sizeof(text) - size, ", \"percent\": %.1f",
                                 percent > 100 ? 100 : percent);
    size += (size_t)snprintf(text + size, sizeof(text) - size, "}");
    job_set_progress(job->ctx, text, size);
}

/* A header may say one thing and the rest of the file another. */
static int check_growth(const struct job *job)
{
    if (job->done_us > job->settings.max_duration_s * 1000000 + 100000)
        return job_fail(job->ctx, "input: lasts longer than ENCODE_MAX_DURATION_S, %lld",
                        (long long)job->settings.max_duration_s);
    if (place_size_bytes(&job->place) > job->settings.max_output_mib * 1024 * 1024)
        return job_fail(job->ctx, "the output is larger than ENCODE_MAX_OUTPUT_MIB, %lld",
                        (long long)job->settings.max_output_mib);
    return JOB_DONE;
}

/* A report is lines of name=value and ends with "progress=continue" or "progress=end". */
static int take_line(struct job *job, char *line)
{
    char *value = strchr(line, '=');
    if (!value)
        return JOB_DONE;
    *value++ = 0;
    if (strcmp(line, "out_time_us") == 0) {
        int64_t us = strtoll(value, NULL, 10); /* "N/A" at first; negative before the first picture */
        job->done_us = us > job->done_us ? us : job->done_us;
    } else if (strcmp(line, "frame") == 0) {
        job->pictures = strtoll(value, NULL, 10);
    } else if (strcmp(line, "speed") == 0) {
        double speed = strtod(value, NULL);
        job->speed = speed >= 0 && speed < 1e6 ? speed : 0;
    } else if (strcmp(line, "progress") == 0) {
        tell_progress(job);
        return check_growth(job);
    }
    return JOB_DONE;
}

static int take_report(void *data, const char *bytes, size_t size)
{
    struct job *job = data;
    int verdict = JOB_DONE;
    for (size_t i = 0; i < size && verdict == JOB_DONE; i++) {
        if (bytes[i] != '\n') {
            if (job->line_size < sizeof(job->line) - 1)
                job->line[job->line_size++] = bytes[i];
            continue;
        }
        job->line[job->line_size] = 0;
        job->line_size = 0;
        verdict = take_line(job, job->line);
    }
    return verdict;
}

static int run_ffmpeg(struct job *job)
{
    struct tool tool = { .name = "ffmpeg",
                         .input = job->input,
                         .folder = job->place.folder,
                         .deadline_us = job->deadline_us,
                         .file_bytes = job->settings.max_output_mib * 1024 * 1024,
                         .take = take_report,
                         .data = job };
    if (!job->request.preset->extension && mkdirat(job->place.folder, PRESET_FILE, 0777) < 0)
        return job_retry(job->ctx, "ENCODE_OUTPUT: %s", strerror(errno));
    preset_command(&job->request, &job->settings, &job->source, &tool.words);
    int verdict = tool_run(job->ctx, &tool);
    tool_words_done(&tool.words);
    return verdict == JOB_DONE ? check_growth(job) : verdict;
}

/* --- Result ------------------------------------------------------------------------------------------------------ */

/* Takes @outputs. */
static int publish(struct job *job, json_t *outputs)
{
    json_t *result = json_pack("{s:s, s:o}", "preset", job->request.preset->name, "outputs", outputs);
    char *text = result ? json_dumps(result, JSON_REAL_PRECISION(10)) : NULL;
    json_decref(result);
    if (!text)
        return job_retry(job->ctx, "no memory for a result");
    int verdict =
        strlen(text) > JOB_MAX_RESULT_SIZE
            ? job_fail(job->ctx, "the result has too many files to be described; shorten the output's name")
            : place_publish(job->ctx, &job->place, PRESET_FILE, job->request.output);
    if (verdict == JOB_DONE)
        job_set_result(job->ctx, text, strlen(text));
    free(text);
    return verdict;
}

static int check_and_publish(struct job *job)
{
    json_t *outputs;
    const struct outputs_task task = { &job->settings, &job->request, &job->source, &job->place,
                                       job->pictures };
    int verdict = outputs_check(job->ctx, &task, &outputs);
    return verdict == JOB_DONE ? publish(job, outputs) : verdict;
}

/* --- The job --------------------------------------------------------------------------------------------------------- */

static int run_job(struct job *job)
{
    int (*const steps[])(struct job *) = { open_input, probe_input, run_ffmpeg, check_and_publish };
    job->deadline_us = deadline(&job->settings);
    int verdict = place_open(job->ctx, &job->settings, &job->place);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && verdict == JOB_DONE; i++)
        verdict = steps[i](job);
    if (verdict == JOB_FAIL && place_is_full(&job->place)) /* not every muxer says so */
        verdict = job_retry(job->ctx, "ENCODE_OUTPUT: %s", strerror(ENOSPC));
    if (job->input >= 0)
        close(job->input);
    place_done(&job->place);
    return verdict;
}

static int encode_run(struct job_context *ctx)
{
    struct job job = { .ctx = ctx, .input = -1 };
    size_t size;
    const char *text = job_context_payload(ctx, &size);
    json_error_t error;
    json_t *payload = json_loadb(text, size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    if (!payload)
        return job_fail(ctx, "the payload is no JSON: %s", error.text);
    int verdict = request_read(ctx, payload, &job.request);
    if (verdict == JOB_DONE)
        verdict = settings_read(ctx, &job.settings);
    if (verdict == JOB_DONE)
        verdict = run_job(&job);
    json_decref(payload);
    return verdict;
}

static const struct job_handler handlers[] = { { .type = "encode", .run = encode_run } };

JOB_HANDLER_API const struct job_module job_module = JOB_MODULE(handlers);
