/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a job asks for: its payload, checked. Nothing here looks at a file.
 *
 *     {"input": "clips/a.mov", "preset": "mp4", "output": "a.mp4", "height": 720}
 *
 * A path is relative, made of ordinary names: what could lead out of a folder, be taken for an option or a
 * protocol, or break a line is refused. It is a name for the kernel alone; ffmpeg never sees it.
 */
#pragma once

#include <jansson.h>
#include <job_handler.h>
#include <stdbool.h>

#define REQUEST_RENDITIONS_MAX 8
#define REQUEST_THUMBNAILS_MAX 500
#define REQUEST_HEIGHT_MIN 16
#define REQUEST_HEIGHT_MAX 4320

struct preset;

struct request {
    const char *input; /* of the payload: a path, or an https URL */
    bool is_url;
    const struct preset *preset;
    const char *output; /* of the payload: a path; of a folder for presets that make several files */
    int height;         /* at most; 0: the input's */
    double every_s;     /* thumbnails; 0: `count` */
    int count;
    int renditions[REQUEST_RENDITIONS_MAX], n_renditions; /* heights, falling */
};

/* @ret borrows from @payload. Return: JOB_DONE; JOB_FAIL, the error begins with the member's name. */
int request_read(struct job_context *ctx, const json_t *payload, struct request *ret);

/* Return: NULL; else what is wrong. */
const char *request_check_path(const char *path);
