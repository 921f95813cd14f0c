/* SPDX-License-Identifier: Apache-2.0 */
/* What ffprobe says of a file. */
#pragma once

#include <job_handler.h>
#include <stdint.h>

struct settings;

struct probe {
    int64_t duration_us; /* 0: not known */
    int video, audio;    /* index of the first stream of each kind; -1: none. Cover pictures are no video */
    char video_codec[32], audio_codec[32];
    int width, height;          /* as shown, after rotation */
    double frames_s;            /* 0: not known */
    int64_t video_us, audio_us; /* of the two streams; 0: not known */
    int64_t pictures;           /* of the video, when counted */
};

enum probe_count {
    PROBE_NO_COUNT,
    PROBE_COUNT_READ,    /* the pictures, by reading the file to its end */
    PROBE_COUNT_DECODED, /* and by decoding them, too */
};

struct probe_what {
    int file;             /* borrowed; -1: `path` in `folder` instead */
    int folder;           /* borrowed */
    const char *path;     /* one of our own names */
    const char *demuxers; /* which may be used */
    enum probe_count count;
};

/**
 * probe_read() - ask ffprobe
 * @ret: overwritten
 *
 * Blocks for up to 60 s, with counting for up to 30 min.
 *
 * Return: JOB_DONE; JOB_FAIL: that is no video or sound; JOB_RETRY: ffprobe could not be run.
 */
int probe_read(struct job_context *ctx, const struct settings *settings, const struct probe_what *what,
               struct probe *ret);
