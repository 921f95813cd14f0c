/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "settings.h"
#include "tool.h"

#define TIME_LIMIT_S 60
#define COUNT_TIME_LIMIT_S 1800
#define ANSWER_SIZE_MAX (1 << 20)
#define PIXELS_MAX "134217728" /* 16384 x 8192: more is not even looked at */
#define DURATION_S_MAX 1e12

#define ENTRIES                                                                                              \
    "format=duration:stream=index,codec_type,codec_name,width,height,duration,avg_frame_rate"                \
    ",nb_read_frames,nb_read_packets:stream_disposition=attached_pic:stream_side_data=rotation"

struct answer {
    struct job_context *ctx;
    char *text;
    size_t size;
};

static int take(void *data, const char *bytes, size_t size)
{
    struct answer *answer = data;
    if (answer->size + size > ANSWER_SIZE_MAX)
        return job_fail(answer->ctx, "the input has too many streams");
    char *text = realloc(answer->text, answer->size + size);
    if (!text)
        return job_retry(answer->ctx, "no memory for what ffprobe says");
    memcpy(text + answer->size, bytes, size);
    answer->text = text;
    answer->size += size;
    return JOB_DONE;
}

static int64_t seconds_us(const json_t *object)
{
    const char *text = json_string_value(json_object_get(object, "duration"));
    double seconds = text ? strtod(text, NULL) : 0;
    return seconds > 0 && seconds < DURATION_S_MAX ? (int64_t)(seconds * 1e6)
           : seconds > 0                           ? (int64_t)(DURATION_S_MAX * 1e6)
                                                   : 0;
}

static int number(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 && value < 1 << 24 ? (int)value : 0;
}

static double frame_rate(const json_t *stream)
{
    const char *text = json_string_value(json_object_get(stream, "avg_frame_rate"));
    char *slash = NULL;
    double over = text ? strtod(text, &slash) : 0,
           under = slash && *slash == '/' ? strtod(slash + 1, NULL) : 0;
    return over > 0 && under > 0 ? over / under : 0;
}

static int is_on_its_side(const json_t *stream)
{
    const json_t *list = json_object_get(stream, "side_data_list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        double degrees = json_number_value(json_object_get(json_array_get(list, i), "rotation"));
        int turn = degrees > -1e6 && degrees < 1e6 ? abs((int)degrees) % 180 : 0;
        if (turn > 45 && turn < 135)
            return 1;
    }
    return 0;
}

static void copy_codec(char *codec, size_t size, const json_t *stream)
{
    const char *name = json_string_value(json_object_get(stream, "codec_name"));
    snprintf(codec, size, "%s", name ? name : "unknown");
}

static void take_video(const json_t *stream, struct probe *probe)
{
    const char *decoded = json_string_value(json_object_get(stream, "nb_read_frames"));
    const char *counted = decoded ? decoded : json_string_value(json_object_get(stream, "nb_read_packets"));
    int turned = is_on_its_side(stream);
    probe->video = (int)json_integer_value(json_object_get(stream, "index"));
    copy_codec(probe->video_codec, sizeof(probe->video_codec), stream);
    probe->width = number(stream, turned ? "height" : "width");
    probe->height = number(stream, turned ? "width" : "height");
    probe->frames_s = frame_rate(stream);
    probe->video_us = seconds_us(stream);
    probe->pictures = counted ? strtoll(counted, NULL, 10) : 0;
}

static void take_audio(const json_t *stream, struct probe *probe)
{
    probe->audio = (int)json_integer_value(json_object_get(stream, "index"));
    copy_codec(probe->audio_codec, sizeof(probe->audio_codec), stream);
    probe->audio_us = seconds_us(stream);
}

static void take_stream(const json_t *stream, struct probe *probe)
{
    const char *type = json_string_value(json_object_get(stream, "codec_type"));
    const json_t *disposition = json_object_get(stream, "disposition");
    int cover = json_integer_value(json_object_get(disposition, "attached_pic")) != 0;
    if (!type || !json_is_integer(json_object_get(stream, "index")))
        return;
    if (strcmp(type, "video") == 0 && !cover && probe->video < 0)
        take_video(stream, probe);
    if (strcmp(type, "audio") == 0 && probe->audio < 0)
        take_audio(stream, probe);
}

static int parse(const struct answer *answer, struct probe *probe)
{
    json_error_t error;
    json_t *root = answer->size ? json_loadb(answer->text, answer->size, 0, &error) : NULL;
    if (!root)
        return job_retry(answer->ctx, "ffprobe answered with something that is no JSON");
    *probe = (struct probe){ .video = -1, .audio = -1 };
    probe->duration_us = seconds_us(json_object_get(root, "format"));
    const json_t *streams = json_object_get(root, "streams");
    for (size_t i = 0; i < json_array_size(streams); i++)
        take_stream(json_array_get(streams, i), probe);
    json_decref(root);
    return JOB_DONE;
}

static void add_words(const struct settings *settings, const struct probe_what *what,
                      struct tool_words *words)
{
    const char *const start[] = { settings->ffprobe,     "-hide_banner", "-loglevel",         "error",
                                  "-print_format",       "json",         "-show_entries",     ENTRIES,
                                  "-protocol_whitelist", "file",         "-format_whitelist", what->demuxers,
                                  "-max_pixels",         PIXELS_MAX,     "-threads",          NULL };
    tool_add(words, start);
    tool_add_format(words, "%lld", (long long)settings->threads);
    if (what->count)
        tool_add_format(words, what->count == PROBE_COUNT_DECODED ? "-count_frames" : "-count_packets");
    tool_add_format(words, "-i");
    if (what->file >= 0)
        tool_add_format(words, TOOL_INPUT);
    else
        tool_add_format(words, "file:%s", what->path);
}

int probe_read(struct job_context *ctx, const struct settings *settings, const struct probe_what *what,
               struct probe *ret)
{
    struct answer answer = { .ctx = ctx };
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct tool tool = { .name = "ffprobe",
                         .input = what->file,
                         .folder = what->folder,
                         .deadline_us = (now.tv_sec + (what->count ? COUNT_TIME_LIMIT_S : TIME_LIMIT_S)) *
                                        INT64_C(1000000),
                         .take = take,
                         .data = &answer };
    add_words(settings, what, &tool.words);
    int verdict = tool_run(ctx, &tool);
    if (verdict == JOB_DONE)
        verdict = parse(&answer, ret);
    tool_words_done(&tool.words);
    free(answer.text);
    return verdict;
}
