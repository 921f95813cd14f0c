/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/setting.h"

static const struct number {
    const char *name;
    size_t offset;
    int64_t preset, min, max;
} numbers[] = {
    { "ENCODE_MAX_INPUT_MIB", offsetof(struct settings, max_input_mib), 4096, 1, 1 << 24 },
    { "ENCODE_MAX_OUTPUT_MIB", offsetof(struct settings, max_output_mib), 8192, 1, 1 << 24 },
    { "ENCODE_MAX_DURATION_S", offsetof(struct settings, max_duration_s), 4 * 3600, 1, 1000000 },
    { "ENCODE_MAX_PIXELS", offsetof(struct settings, max_pixels), 4096 * 2176, 1, 16384 * 16384 },
    { "ENCODE_THREADS", offsetof(struct settings, threads), 2, 1, 64 },
    { "ENCODE_TIME_LIMIT_S", offsetof(struct settings, time_limit_s), 0, 0, 1000000 },
};

static int read_number(struct job_context *ctx, const struct number *number, struct settings *settings)
{
    int64_t *field = (int64_t *)(void *)((char *)settings + number->offset);
    const char *text = setting_get(number->name, NULL);
    char *end;
    *field = number->preset;
    if (!text)
        return JOB_DONE;
    errno = 0;
    *field = strtoll(text, &end, 10);
    if (errno || *end || *field < number->min || *field > number->max)
        return job_retry(ctx, "%s: expected a number from %lld to %lld", number->name, (long long)number->min,
                         (long long)number->max);
    return JOB_DONE;
}

static int read_https(struct job_context *ctx, struct settings *settings)
{
    static const char *const words[] = {
        [HTTPS_OFF] = "off", [HTTPS_PUBLIC] = "public", [HTTPS_ANY] = "any"
    };
    const char *text = setting_get("ENCODE_HTTPS", "public");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            settings->https = (enum settings_https)i;
            return JOB_DONE;
        }
    }
    return job_retry(ctx, "ENCODE_HTTPS: expected public, any or off");
}

int settings_read(struct job_context *ctx, struct settings *ret)
{
    *ret = (struct settings){ .input = setting_get("ENCODE_INPUT", NULL),
                              .output = setting_get("ENCODE_OUTPUT", NULL),
                              .ffmpeg = setting_get("ENCODE_FFMPEG", "ffmpeg"),
                              .ffprobe = setting_get("ENCODE_FFPROBE", "ffprobe"),
                              .ca_file = setting_get("ENCODE_CA", NULL) };
    if (!ret->output)
        return job_retry(ctx, "ENCODE_OUTPUT: is not set; it names the folder of outputs");
    int verdict = read_https(ctx, ret);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && verdict == JOB_DONE; i++)
        verdict = read_number(ctx, &numbers[i], ret);
    return verdict;
}
