/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where videos lie and how much of the machine a job may take, from the environment of the executor.
 *
 * ENCODE_INPUT           folder of inputs; without it only https is taken
 * ENCODE_OUTPUT          folder of outputs, of which .encode/ is for unfinished ones; required
 * ENCODE_HTTPS           "public": https from public addresses; "any": from any; "off"; default public
 * ENCODE_CA              file of certificates to trust instead of the system's
 * ENCODE_FFMPEG, ENCODE_FFPROBE     programs; default ffmpeg and ffprobe in PATH
 * ENCODE_THREADS         threads of ffmpeg's decoder, filters and encoder, each; default 2
 * ENCODE_TIME_LIMIT_S    for one try; default 0: as long as the job's timeout
 * ENCODE_MAX_INPUT_MIB, ENCODE_MAX_OUTPUT_MIB, ENCODE_MAX_DURATION_S, ENCODE_MAX_PIXELS
 *
 * Read anew for every job. Whatever is wrong here is the installation's fault and not the job's: JOB_RETRY.
 */
#pragma once

#include <job_handler.h>
#include <stdint.h>

enum settings_https {
    HTTPS_OFF,
    HTTPS_PUBLIC, /* not to private, local or reserved addresses */
    HTTPS_ANY,
};

struct settings {
    const char *input, *output, *ffmpeg, *ffprobe, *ca_file; /* of the environment; input, ca_file: or NULL */
    enum settings_https https;
    int64_t max_input_mib, max_output_mib, max_duration_s, max_pixels, threads, time_limit_s;
};

/* Return: JOB_DONE; JOB_RETRY, error set. */
int settings_read(struct job_context *ctx, struct settings *ret);
