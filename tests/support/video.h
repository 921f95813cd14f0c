/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of jobs/encode: a folder with in/ and out/, small videos made by ffmpeg, and the handler of ENCODE_MODULE.
 *
 * Each test runs in its own process, so there is one of everything.
 */
#pragma once

#include <job_handler.h>
#include <stdbool.h>

/* Makes the folder and points ENCODE_INPUT and ENCODE_OUTPUT to its in/ and out/. */
void video_open(void);
/* Nothing of a job may be left: no child of ours, nothing unfinished. Removes the folder. */
void video_close(void);

/* Path in the folder, printf-like; valid until the eighth call from here. */
const char *video_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs a shell in the folder, with a test's own words; it must end with status 0. */
void video_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, for what it prints, less the last line's end; valid until the next call. */
const char *video_ask(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Two seconds, 160x120, 10 pictures a second, and a tone: in/@name; @options: further words for ffmpeg's output. */
void video_make(const char *name, const char *options);
/* Long and hard to encode: minutes, on any machine of today. */
void video_make_long(const char *name);

/* Runs the handler. @payload is printf-like. Return: its verdict. */
int video_encode(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, and asks it to stop as soon as ffmpeg has reported for the first time. */
int video_encode_and_cancel(const char *payload);

const char *video_error(void);    /* of the last one; "" */
const char *video_result(void);   /* "" */
const char *video_progress(void); /* all that it told, a line each */
int64_t video_retry_after_ms(void);
/* Member of outputs[@n] of the last result, as text; "" when there is none. */
const char *video_output(int n, const char *member);

/* The last one must have ended so, and the error contain @error; out/ must be empty. */
void video_check_refused(int verdict, int expected, const char *error);
/* Entries of out/ that are no work folder, blanks between, sorted. */
const char *video_outputs(void);

/* A program in place of ffmpeg: a shell script of these lines. */
void video_replace_ffmpeg(const char *script);
