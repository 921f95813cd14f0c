/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ffmpeg has made: is it what was asked for, and what is it exactly.
 *
 * ffmpeg ends well with half a video when half of its input cannot be read. So each file is opened again, by ffprobe.
 */
#pragma once

#include <jansson.h>
#include <job_handler.h>
#include <stdint.h>

struct place;
struct probe;
struct request;
struct settings;

/* How long the output is going to be; 0: not known. */
int64_t outputs_expected_us(const struct request *request, const struct probe *source);

/* How many thumbnails. */
int64_t outputs_expected_thumbnails(const struct request *request, const struct probe *source);

struct outputs_task {
    const struct settings *settings;
    const struct request *request;
    const struct probe *source; /* the input */
    const struct place *place;
    int64_t pictures; /* that ffmpeg says it has encoded, into each video */
};

/**
 * outputs_check() - probe and measure the files
 * @ret: the array "outputs" of the result, the caller's
 *
 * Return: JOB_DONE; JOB_FAIL: streams, codecs, size, pictures or duration are not as they should be; JOB_RETRY.
 */
int outputs_check(struct job_context *ctx, const struct outputs_task *task, json_t **ret);
