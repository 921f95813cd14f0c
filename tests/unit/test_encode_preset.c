/* SPDX-License-Identifier: Apache-2.0 */
#include "preset.h"

#include <stdio.h>

#include "probe.h"
#include "request.h"
#include "settings.h"
#include "tests/support/suite.h"
#include "tool.h"

static void check_size(int width, int height, int wanted, int expected_width, int expected_height)
{
    const struct probe probe = { .width = width, .height = height };
    int w, h;
    preset_size(&probe, wanted, &w, &h);
    ck_assert_msg(w == expected_width && h == expected_height, "%dx%d to %d: %dx%d", width, height, wanted, w,
                  h);
}

START_TEST(sizes_are_even_and_keep_their_shape)
{
    check_size(1920, 1080, 0, 1920, 1080);
    check_size(1920, 1080, 720, 1280, 720);
    check_size(1080, 1920, 720, 406, 720);
    check_size(1920, 1080, 2160, 1920, 1080);
    check_size(161, 121, 0, 160, 120);
    check_size(1, 1, 0, 2, 2);
    check_size(4096, 2, 16, 4096, 2);
    check_size(2, 4096, 16, 2, 16);
}
END_TEST

static void check_ladder(const struct request *request, int height, const char *expected)
{
    const struct probe probe = { .width = height * 16 / 9, .height = height };
    struct preset_rendition steps[REQUEST_RENDITIONS_MAX];
    char text[256] = "";
    int n = preset_ladder(request, &probe, steps);
    for (int i = 0; i < n; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d:%d", i ? " " : "", steps[i].height,
                 steps[i].kbit_s);
    ck_assert_str_eq(text, expected);
}

START_TEST(ladder_has_no_step_above_the_input_and_at_least_one)
{
    const struct request usual = { 0 }, own = { .renditions = { 1440, 240, 120 }, .n_renditions = 3 };
    check_ladder(&usual, 2160, "1080:4976 720:2211 480:983 360:552");
    check_ladder(&usual, 1079, "720:2211 480:983 360:552");
    check_ladder(&usual, 100, "100:200");
    check_ladder(&own, 1440, "1440:8847 240:245 120:200");
    check_ladder(&own, 200, "120:200");
    check_ladder(&own, 90, "90:200");
}
END_TEST

/* Whatever is asked for, what ffmpeg may read stands before its input. */
START_TEST(every_command_confines_its_input)
{
    static const char *const names[] = { "mp4", "webm", "m4a", "mp3", "opus", "thumbnails", "hls" };
    const struct settings settings = {
        .ffmpeg = "ffmpeg", .threads = 3, .max_pixels = 1000, .max_duration_s = 60
    };
    const struct probe probe = {
        .duration_us = 1000000, .video = 0, .audio = 1, .width = 160, .height = 120
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct request request = { .preset = preset_find(names[i]), .count = 1 };
        struct tool_words words = { 0 };
        char text[4096] = "";
        preset_command(&request, &settings, &probe, &words);
        ck_assert(!words.failed);
        for (size_t j = 0; j < words.n; j++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", words.words[j]);
        ck_assert_ptr_nonnull(strstr(
            text,
            " -threads 3 -max_pixels:v 67036 -t 65 -protocol_whitelist file -format_whitelist " PRESET_DEMUXERS
            " -i " TOOL_INPUT " "));
        ck_assert_ptr_null(strstr(strstr(text, " -i ") + 4, " -i "));
        tool_words_done(&words);
    }
    ck_assert_ptr_null(preset_find("avi"));
}
END_TEST

/* "concat" in the middle of another word would do. */
START_TEST(no_demuxer_that_reads_other_files_is_allowed)
{
    static const char *const bad[] = { "hls",  "concat",     "dash",  "sdp",    "image2",  "rtp",
                                       "rtsp", "lavfi",      "imf",   "webvtt", "tty",     "srt",
                                       "ass",  "ffmetadata", "mpsub", "vobsub", "playlist" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!strstr(PRESET_DEMUXERS, bad[i]), "%s", bad[i]);
}
END_TEST

SUITE_MAIN("encode_preset", sizes_are_even_and_keep_their_shape,
           ladder_has_no_step_above_the_input_and_at_least_one, every_command_confines_its_input,
           no_demuxer_that_reads_other_files_is_allowed)
