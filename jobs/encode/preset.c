/* SPDX-License-Identifier: Apache-2.0 */
#include "preset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"
#include "request.h"
#include "settings.h"
#include "tool.h"

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define SEGMENT_S "4"
#define KBIT_S_MIN 200

static const char *const h264_words[] = { "-c:v",     "libx264", "-preset",   "medium", "-crf", "23",
                                          "-pix_fmt", "yuv420p", "-fpsmax:v", "60",     NULL };
static const char *const vp9_words[] = { "-c:v",     "libvpx-vp9", "-crf",      "33",        "-b:v",
                                         "0",        "-row-mt",    "1",         "-cpu-used", "4",
                                         "-pix_fmt", "yuv420p",    "-fpsmax:v", "60",        NULL };
static const char *const aac_words[] = { "-c:a", "aac", "-b:a", "128k", "-ac", "2", "-ar", "48000", NULL };
static const char *const opus_words[] = { "-c:a", "libopus", "-b:a", "96k", "-ac", "2", NULL };
static const char *const mp3_words[] = {
    "-c:a", "libmp3lame", "-q:a", "2", "-ac", "2", "-ar", "48000", NULL
};
static const char *const mp4_words[] = { "-f", "mp4", "-movflags", "+faststart", NULL };
static const char *const webm_words[] = { "-f", "webm", NULL };
static const char *const m4a_words[] = { "-f", "ipod", "-movflags", "+faststart", NULL };
static const char *const mp3_format[] = { "-f", "mp3", NULL };
static const char *const opus_format[] = { "-f", "opus", NULL };

static const struct preset presets[] = {
    { "mp4", PRESET_VIDEO, ".mp4", "h264", "aac", h264_words, aac_words, mp4_words },
    { "webm", PRESET_VIDEO, ".webm", "vp9", "opus", vp9_words, opus_words, webm_words },
    { "m4a", PRESET_AUDIO, ".m4a", NULL, "aac", NULL, aac_words, m4a_words },
    { "mp3", PRESET_AUDIO, ".mp3", NULL, "mp3", NULL, mp3_words, mp3_format },
    { "opus", PRESET_AUDIO, ".opus", NULL, "opus", NULL, opus_words, opus_format },
    { "thumbnails", PRESET_THUMBNAILS, NULL, "mjpeg", NULL, NULL, NULL, NULL },
    { "hls", PRESET_LADDER, NULL, "h264", "aac", h264_words, aac_words, NULL },
};

const struct preset *preset_find(const char *name)
{
    for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

/* --- Sizes ------------------------------------------------------------------------------------------------ */

static int even(double value)
{
    int half = (int)(value / 2 + 0.5);
    return half < 1 ? 2 : half * 2;
}

void preset_size(const struct probe *probe, int height, int *ret_width, int *ret_height)
{
    int h = height && height < probe->height ? height : probe->height;
    *ret_height = h < 2 ? 2 : h / 2 * 2;
    *ret_width = even((double)probe->width * *ret_height / probe->height);
}

static int kbit_s(int width, int height)
{
    int rate = (int)((double)width * height * 24 / 10000);
    return rate < KBIT_S_MIN ? KBIT_S_MIN : rate;
}

int preset_ladder(const struct request *request, const struct probe *probe, struct preset_rendition *ret)
{
    static const int usual[] = { 1080, 720, 480, 360 };
    const int *heights = request->n_renditions ? request->renditions : usual;
    int n_heights = request->n_renditions ? request->n_renditions : 4, n = 0;
    for (int i = 0; i < n_heights; i++)
        if (heights[i] <= probe->height)
            preset_size(probe, heights[i], &ret[n].width, &ret[n].height), n++;
    if (n == 0)
        preset_size(probe, 0, &ret[n].width, &ret[n].height), n++;
    for (int i = 0; i < n; i++)
        ret[i].kbit_s = kbit_s(ret[i].width, ret[i].height);
    return n;
}

double preset_interval_s(const struct request *request, const struct probe *probe)
{
    return request->count ? (double)probe->duration_us / 1e6 / request->count : request->every_s;
}

/* --- Commands -------------------------------------------------------------------------------------------------- */

static void add_input(struct tool_words *words, const struct settings *settings, const struct probe *probe)
{
    tool_add(words, WORDS(settings->ffmpeg, "-hide_banner", "-nostdin", "-nostats", "-loglevel", "error",
                          "-progress", "pipe:1", "-max_error_rate", "0.1"));
    tool_add_format(words, "-filter_threads");
    tool_add_format(words, "%lld", (long long)settings->threads);
    tool_add_format(words, "-threads");
    tool_add_format(words, "%lld", (long long)settings->threads);
    if (probe->video >= 0) { /* for pictures that grow on their way; decoders want some room around each */
        tool_add_format(words, "-max_pixels:v");
        tool_add_format(words, "%lld", (long long)settings->max_pixels * 3 / 2 + 65536);
    }
    tool_add_format(words, "-t");
    tool_add_format(words, "%lld", (long long)settings->max_duration_s + PRESET_OVERTIME_S);
    tool_add(words,
             WORDS("-protocol_whitelist", "file", "-format_whitelist", PRESET_DEMUXERS, "-i", TOOL_INPUT,
                   "-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn", "-threads"));
    tool_add_format(words, "%lld", (long long)settings->threads);
}

static void add_scaled(struct tool_words *words, const struct request *request, const struct probe *probe,
                       const char *before)
{
    int width, height;
    preset_size(probe, request->height, &width, &height);
    tool_add_format(words, "-vf");
    tool_add_format(words, "%sscale=%d:%d,setsar=1", before, width, height);
}

static void add_file(const struct request *request, const struct probe *probe, struct tool_words *words)
{
    const struct preset *preset = request->preset;
    if (preset->video) {
        tool_add_format(words, "-map");
        tool_add_format(words, "0:%d", probe->video);
        tool_add(words, preset->video_words);
        add_scaled(words, request, probe, "");
    }
    if (probe->audio >= 0) {
        tool_add_format(words, "-map");
        tool_add_format(words, "0:%d", probe->audio);
        tool_add(words, preset->audio_words);
    }
    tool_add(words, preset->format_words);
    tool_add_format(words, "file:" PRESET_FILE);
}

/* The first picture at 0, and the n-th not before n intervals: no drift, whatever the frame rate. */
static void add_thumbnails(const struct request *request, const struct probe *probe, struct tool_words *words)
{
    char select[128];
    int n = snprintf(select, sizeof(select), "select=gte(t\\,selected_n*%.6f),",
                     preset_interval_s(request, probe));
    tool_add_format(words, "-map");
    tool_add_format(words, "0:%d", probe->video);
    add_scaled(words, request, probe, n > 0 ? select : "");
    tool_add(words, WORDS("-vsync", "vfr", "-frames:v"));
    tool_add_format(words, "%d", request->count ? request->count : REQUEST_THUMBNAILS_MAX + 1);
    tool_add(words, WORDS("-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p", "-f", "image2"));
    tool_add(words, WORDS("file:" PRESET_FILE "/" PRESET_THUMBNAIL));
}

static void add_split(const struct probe *probe, const struct preset_rendition *steps, int n,
                      struct tool_words *words)
{
    char graph[1024];
    size_t at = (size_t)snprintf(graph, sizeof(graph), "[0:%d]split=%d", probe->video, n);
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(graph + at, sizeof(graph) - at, "[s%d]", i);
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(graph + at, sizeof(graph) - at, ";[s%d]scale=%d:%d,setsar=1[o%d]", i,
                               steps[i].width, steps[i].height, i);
    tool_add_format(words, "-filter_complex");
    tool_add_format(words, "%s", graph);
}

static void add_step(const struct probe *probe, const struct preset_rendition *step, int i,
                     struct tool_words *words)
{
    tool_add_format(words, "-map");
    tool_add_format(words, "[o%d]", i);
    tool_add_format(words, "-maxrate:v:%d", i);
    tool_add_format(words, "%dk", step->kbit_s);
    tool_add_format(words, "-bufsize:v:%d", i);
    tool_add_format(words, "%dk", step->kbit_s * 2);
    if (probe->audio >= 0) {
        tool_add_format(words, "-map");
        tool_add_format(words, "0:%d", probe->audio);
    }
}

/* Key frames at the same times in all steps, so that a player can go from one to another. */
static void add_ladder(const struct request *request, const struct probe *probe, struct tool_words *words)
{
    struct preset_rendition steps[REQUEST_RENDITIONS_MAX];
    char map[256] = "";
    int n = preset_ladder(request, probe, steps);
    size_t at = 0;
    add_split(probe, steps, n, words);
    for (int i = 0; i < n; i++) {
        add_step(probe, &steps[i], i, words);
        at += (size_t)snprintf(map + at, sizeof(map) - at, probe->audio >= 0 ? "%sv:%d,a:%d" : "%sv:%d",
                               i ? " " : "", i, i);
    }
    tool_add(words, request->preset->video_words);
    tool_add(words, WORDS("-force_key_frames", "expr:gte(t,n_forced*" SEGMENT_S ")", "-sc_threshold", "0"));
    if (probe->audio >= 0)
        tool_add(words, request->preset->audio_words);
    tool_add(words, WORDS("-f", "hls", "-hls_time", SEGMENT_S, "-hls_playlist_type", "vod", "-hls_flags",
                          "independent_segments", "-hls_segment_filename", PRESET_FILE "/v%v/%05d.ts",
                          "-master_pl_name", PRESET_MASTER, "-var_stream_map"));
    tool_add_format(words, "%s", map);
    tool_add_format(words, PRESET_FILE "/v%%v/" PRESET_PLAYLIST);
}

void preset_command(const struct request *request, const struct settings *settings, const struct probe *probe,
                    struct tool_words *ret)
{
    add_input(ret, settings, probe);
    if (request->preset->kind == PRESET_THUMBNAILS)
        add_thumbnails(request, probe, ret);
    else if (request->preset->kind == PRESET_LADDER)
        add_ladder(request, probe, ret);
    else
        add_file(request, probe, ret);
}
