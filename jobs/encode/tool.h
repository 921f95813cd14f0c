/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs ffmpeg or ffprobe as a child.
 *
 * No shell; the words of a command are our own and no text of a job is among them. The child has a clean environment, nothing
 * on standard input, the input as descriptor 3, a folder of its own to write to, a limit on the size of files, and a process
 * group; confine.h leaves it no other files. It dies with us (PDEATHSIG); asked to stop, it gets SIGTERM, and SIGKILL two seconds later. It
 * has ended, and what it started has been killed, when tool_run() returns.
 */
#pragma once

#include <job_handler.h>
#include <stddef.h>
#include <stdint.h>

#define TOOL_INPUT "file:/proc/self/fd/3" /* what the child calls its input */
#define TOOL_WORDS_MAX 128

/* A command's words, NULL behind the last. */
struct tool_words {
    char *words[TOOL_WORDS_MAX + 1];
    size_t n;
    int failed; /* no memory, or too many */
};

/* Word by word; the last of @words is NULL. */
void tool_add(struct tool_words *words, const char *const *list);
void tool_add_format(struct tool_words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tool_words_done(struct tool_words *words);

struct tool {
    const char *name; /* "ffmpeg", for people */
    struct tool_words words;
    int input, folder;   /* borrowed; input -1: none */
    int64_t deadline_us; /* monotonic; 0: none */
    int64_t file_bytes;  /* the largest file that it may write; 0: as large as we may */
    /* Its standard output. Not JOB_DONE: the child is stopped, and that is the verdict, error set. */
    int (*take)(void *data, const char *bytes, size_t size);
    void *data;
};

/**
 * tool_run() - run it to its end
 *
 * Blocks as long as the child runs. One thread.
 *
 * Return: JOB_DONE: it ended with status 0. Otherwise the error is set, with the last lines that it wrote to standard error:
 * JOB_FAIL: the input is at fault, or its result too large; JOB_RETRY: it cannot be run, was killed, lacked memory or room,
 * or had to stop.
 */
int tool_run(struct job_context *ctx, const struct tool *tool);
