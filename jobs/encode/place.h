/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folders: the input that is named, the place where a result is made, and its way to where it belongs.
 *
 * A name is resolved by the kernel beneath its folder (openat2): no "..", no absolute path and no symbolic link leads out,
 * however it changes meanwhile. A result is made in <output>/.encode/<job>.<fence>/, which is locked as long as we
 * live, and appears whole by one rename. If we die before that, the next job of any process finds
 * the lock free and removes what is there.
 */
#pragma once

#include <job_handler.h>
#include <stdbool.h>
#include <stdint.h>

struct settings;

/* Opens the regular file @name in ENCODE_INPUT. Return: JOB_DONE; JOB_FAIL, JOB_RETRY, error set. */
int place_open_input(struct job_context *ctx, const struct settings *settings, const char *name, int *ret_fd);

/* A regular file of 1 byte to ENCODE_MAX_INPUT_MIB? Return: JOB_DONE; JOB_FAIL, error set. */
int place_check_input(struct job_context *ctx, const struct settings *settings, int fd);

struct place {
    int output, nursery, folder; /* ENCODE_OUTPUT, its .encode, and in that our own; -1 */
    char name[192];              /* of our own */
};

/* @ret: overwritten; release with place_done() whatever the verdict. Return: JOB_DONE; JOB_RETRY, JOB_FAIL, error set. */
int place_open(struct job_context *ctx, const struct settings *settings, struct place *ret);

/* Less than 64 KiB left on the file system? */
bool place_is_full(const struct place *place);

/* The bytes in its files. */
int64_t place_size_bytes(const struct place *place);

/**
 * place_publish() - let the result appear
 * @name: in our own folder, a file or a folder
 * @path: in ENCODE_OUTPUT; its folders are made. A regular file is replaced there by a file, and a folder that was made here by a folder
 *
 * What is published is on disk before and after its rename.
 *
 * Return: JOB_DONE; JOB_FAIL: something else is there; JOB_RETRY.
 */
int place_publish(struct job_context *ctx, const struct place *place, const char *name, const char *path);

/* Removes what was not published. */
void place_done(struct place *place);
