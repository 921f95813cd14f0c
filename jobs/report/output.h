/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that appears under its name when it is whole, or not at all.
 *
 * It is written without any name (O_TMPFILE) in the folder where it will lie, then flushed to the disk, linked as
 * ".ID.DELIVERY.EPOCH.part" and renamed over what was there. Whatever ends a try before, also SIGKILL or a power cut,
 * leaves nothing. Where the file system has no unnamed files, the ".part" has its name from the start; one that a
 * killed try has left is removed by the next execution of the job that writes there.
 *
 * Folders of a path are opened one by one below REPORT_OUTPUT and made where they are missing; symbolic links are
 * not followed.
 */
#pragma once

#include <job_handler.h>
#include <stdint.h>

#include "settings.h"

struct output;

/**
 * output_open() - begin a file
 * @path: relative to REPORT_OUTPUT and checked, see request.h; NULL: one in REPORT_SPOOL that never gets a name
 * @ret:  release with output_free(), which leaves nothing of a file that was not published
 *
 * Return: JOB_DONE; JOB_RETRY.
 */
int output_open(struct job_context *ctx, const struct settings *settings, const char *path,
                struct output **ret);
struct output *output_free(struct output *o);

/* Buffered. Return: 0; negative errno, from then on always the same. */
int output_write(struct output *o, const void *data, size_t size);
/* Remembers @error, a negative errno, as if a write had failed. */
void output_set_error(struct output *o, int error);
/* JOB_DONE; JOB_RETRY with what went wrong when a write has failed. */
int output_check(struct job_context *ctx, const struct output *o);

/* For those who write, or read, by themselves; nothing may be buffered then. */
int output_fd(const struct output *o);
/* Bytes so far; from output_seal() on, of the whole file. */
uint64_t output_size(const struct output *o);

/* Nothing is written any more: everything goes to the disk, size and checksum are known. Return: JOB_DONE; JOB_RETRY. */
int output_seal(struct job_context *ctx, struct output *o);
const char *output_checksum(const struct output *o);

/* Gives a sealed file its name. Return: JOB_DONE; JOB_RETRY. */
int output_publish(struct job_context *ctx, struct output *o);
