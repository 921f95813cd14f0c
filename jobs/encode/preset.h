/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the presets are, as commands of ffmpeg: values in, words out.
 *
 * Metadata, chapters, subtitles and data streams are left out: a telephone writes where it was into its videos. Heights only
 * shrink. A command reads TOOL_INPUT and writes into its working folder, under names that are its own.
 */
#pragma once

#include <stdint.h>

struct request;
struct settings;
struct probe;
struct tool_words;

enum preset_kind {
    PRESET_VIDEO = 1,
    PRESET_AUDIO = 2,
    PRESET_THUMBNAILS = 4,
    PRESET_LADDER = 8,
};

#define PRESET_NAMES "mp4, webm, m4a, mp3, opus, thumbnails, hls"
#define PRESET_OVERTIME_S 5 /* read beyond ENCODE_MAX_DURATION_S, to see that there is more */
#define PRESET_FILE "out"   /* the result: a file, or a folder */
#define PRESET_THUMBNAIL "thumb-%05d.jpg"
#define PRESET_MASTER "master.m3u8"
#define PRESET_PLAYLIST "index.m3u8" /* in a folder of each rendition, v0 the largest */

/* Demuxers that read one file and no other: no playlists, no lists of files, no descriptions of streams, no devices, no text. */
#define PRESET_DEMUXERS                                                                                      \
    "mov,matroska,webm,avi,mpegts,mpeg,flv,live_flv,asf,ogg,mxf,gxf,nut,ivf,wtv,dv,rm,gif,wav,w64,aiff,caf,mp3,aac,flac,amr"

struct preset {
    const char *name;
    enum preset_kind kind;
    const char *extension;          /* of the output; NULL: a folder */
    const char *video, *audio;      /* codecs of the result, as ffprobe names them; NULL: none */
    const char *const *video_words; /* of the encoder */
    const char *const *audio_words;
    const char *const *format_words; /* of the muxer */
};

struct preset_rendition {
    int width, height, kbit_s;
};

/* Return: NULL when there is none of that name. */
const struct preset *preset_find(const char *name);

/* The picture that comes out when @height is asked for (0: the input's); even numbers. */
void preset_size(const struct probe *probe, int height, int *ret_width, int *ret_height);

/* The ladder's steps, largest first: those asked for, or 1080, 720, 480 and 360, as far as the input is that high. @ret has
 * REQUEST_RENDITIONS_MAX. Return: how many; at least one. */
int preset_ladder(const struct request *request, const struct probe *probe, struct preset_rendition *ret);

/* Seconds between thumbnails. */
double preset_interval_s(const struct request *request, const struct probe *probe);

/* ffmpeg's whole command. */
void preset_command(const struct request *request, const struct settings *settings, const struct probe *probe,
                    struct tool_words *ret);
