/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetches a video over https, so that ffmpeg itself needs no network.
 *
 * Only https, through redirects, too (at most 5); only from public addresses, judged after the name was resolved and before
 * anything is connected, unless ENCODE_HTTPS is "any". No proxy, no login in the URL, no cookies. The URL is in no error: it
 * may hold a signature.
 */
#pragma once

#include <job_handler.h>
#include <stdint.h>

struct settings;

/**
 * download() - fetch @url
 * @folder: on whose file system it is stored, without a name; borrowed
 * @deadline_us: monotonic; 0: none
 * @ret_fd: the file, open for reading, the caller's
 *
 * Blocks for up to 30 s to connect, and then until less than 1 KiB/s has come for 60 s.
 *
 * Return: JOB_DONE; JOB_FAIL: the URL is refused, too large, or answered with 3xx or 4xx; JOB_RETRY: 408, 425, 429, 5xx (after
 * Retry-After, if there is one), no or half an answer, no room, or asked to stop.
 */
int download(struct job_context *ctx, const struct settings *settings, const char *url, int folder,
             int64_t deadline_us, int *ret_fd);
