/* SPDX-License-Identifier: Apache-2.0 */
/* The module ENCODE_MODULE with ffmpeg: what it makes, how it tells and how it stops. Refusals: test_encode_refusals.c. */
#define SUITE_TIMEOUT_S 120
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/suite.h"
#include "tests/support/video.h"

static void check_done(int verdict)
{
    ck_assert_msg(verdict == JOB_DONE, "verdict %d: %s", verdict, video_error());
    ck_assert_str_eq(video_error(), "");
}

/* outputs[@n] says of its file what ffprobe and sha256sum say. */
static void check_described(int n, const char *streams)
{
    const char *path = video_output(n, "path");
    ck_assert_str_eq(
        video_ask("ffprobe -loglevel error -show_entries stream=codec_name,width,height -of csv=p=0 -i "
                  "'out/%s' | paste -sd ' '",
                  path),
        streams);
    ck_assert_str_eq(video_ask("sha256sum 'out/%s' | cut -d ' ' -f 1", path), video_output(n, "sha256"));
    ck_assert_str_eq(video_ask("stat -c %%s 'out/%s'", path), video_output(n, "size"));
}

static void check_duration(int n)
{
    double duration = strtod(video_output(n, "duration"), NULL);
    ck_assert_msg(duration > 1.9 && duration < 2.2, "lasts %.3f s", duration);
}

START_TEST(presets_of_one_file_make_what_they_say)
{
    static const struct {
        const char *preset, *streams, *codec, *audio_codec, *width;
    } wanted[] = {
        { "mp4", "h264,160,120 aac", "h264", "aac", "160" },
        { "webm", "vp9,160,120 opus", "vp9", "opus", "160" },
        { "m4a", "aac", "aac", "", "" },
        { "mp3", "mp3", "mp3", "", "" },
        { "opus", "opus", "opus", "", "" },
    };
    video_open();
    video_make("a.mov", "");
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        check_done(video_encode("{\"input\": \"a.mov\", \"preset\": \"%s\", \"output\": \"a.%s\"}",
                                wanted[i].preset, wanted[i].preset));
        check_described(0, wanted[i].streams);
        check_duration(0);
        ck_assert_str_eq(video_output(0, "codec"), wanted[i].codec);
        ck_assert_str_eq(video_output(0, "audio_codec"), wanted[i].audio_codec);
        ck_assert_str_eq(video_output(0, "width"), wanted[i].width);
    }
    ck_assert_str_eq(video_outputs(), "a.m4a a.mp3 a.mp4 a.opus a.webm");
    video_close();
}
END_TEST

START_TEST(mp4_begins_with_its_index)
{
    video_open();
    video_make("a.mov", "");
    check_done(video_encode("{\"input\": \"a.mov\", \"preset\": \"mp4\", \"output\": \"a.mp4\"}"));
    ck_assert_str_eq(video_ask("grep -abo -e moov -e mdat out/a.mp4 | head -n 1 | cut -d : -f 2"), "moov");
    video_close();
}
END_TEST

START_TEST(height_shrinks_and_never_enlarges)
{
    video_open();
    video_make("a.mov", "");
    check_done(video_encode(
        "{\"input\": \"a.mov\", \"preset\": \"mp4\", \"output\": \"s/mall/a.mp4\", \"height\": 61}"));
    check_described(0, "h264,80,60 aac");
    check_done(
        video_encode("{\"input\": \"a.mov\", \"preset\": \"mp4\", \"output\": \"a.mp4\", \"height\": 1080}"));
    check_described(0, "h264,160,120 aac");
    video_close();
}
END_TEST

START_TEST(video_on_its_side_is_put_upright)
{
    video_open();
    video_make("a.mov", "");
    video_shell("ffmpeg -nostdin -loglevel error -i in/a.mov -c copy -metadata:s:v rotate=90 in/r.mp4");
    check_done(video_encode("{\"input\": \"r.mp4\", \"preset\": \"mp4\", \"output\": \"r.mp4\"}"));
    check_described(0, "h264,120,160 aac");
    video_close();
}
END_TEST

START_TEST(silent_video_and_sound_with_a_cover_are_taken_for_what_they_are)
{
    video_open();
    video_make("silent.mov", "-an");
    check_done(video_encode("{\"input\": \"silent.mov\", \"preset\": \"mp4\", \"output\": \"s.mp4\"}"));
    check_described(0, "h264,160,120");
    check_done(video_encode("{\"input\": \"silent.mov\", \"preset\": \"hls\", \"output\": \"s\"}"));
    video_make("a.mov", "");
    video_shell(
        "ffmpeg -nostdin -loglevel error -i in/a.mov -map 0:a -map 0:v -frames:v 1 -c:v mjpeg -pix_fmt yuvj420p "
        "-disposition:v attached_pic -c:a mp3 in/song.mp3");
    check_done(video_encode("{\"input\": \"song.mp3\", \"preset\": \"m4a\", \"output\": \"song.m4a\"}"));
    check_described(0, "aac");
    ck_assert_int_eq(video_encode("{\"input\": \"song.mp3\", \"preset\": \"mp4\", \"output\": \"song.mp4\"}"),
                     JOB_FAIL);
    ck_assert_str_eq(video_error(), "input: has no video");
    video_close();
}
END_TEST

START_TEST(metadata_stays_behind)
{
    video_open();
    video_make("a.mp4", "-metadata title=secret -metadata location=+52.5+013.4/");
    ck_assert_str_ne(video_ask("grep -c secret in/a.mp4"), "0");
    check_done(video_encode("{\"input\": \"a.mp4\", \"preset\": \"mp4\", \"output\": \"a.mp4\"}"));
    ck_assert_str_eq(
        video_ask("ffprobe -loglevel error -show_entries format_tags=title,location -of csv=p=0 out/a.mp4"),
        "");
    ck_assert_str_eq(video_ask("grep -c -e secret -e 52.5 out/a.mp4 || true"), "0");
    video_close();
}
END_TEST

START_TEST(recording_that_does_not_say_how_long_it_is_is_encoded)
{
    video_open();
    video_shell(
        "ffmpeg -nostdin -loglevel error -f lavfi -i testsrc=d=2:s=160x120:r=10 -c:v libvpx-vp9 -cpu-used 8 "
        "-deadline realtime -f webm pipe:1 | cat >in/live.webm");
    check_done(video_encode("{\"input\": \"live.webm\", \"preset\": \"mp4\", \"output\": \"a.mp4\"}"));
    check_duration(0);
    ck_assert_ptr_null(strstr(video_progress(), "percent"));
    ck_assert_int_eq(
        video_encode(
            "{\"input\": \"live.webm\", \"preset\": \"thumbnails\", \"output\": \"t\", \"count\": 2}"),
        JOB_FAIL);
    ck_assert_str_eq(video_error(), "count: the input does not say how long it is; every would do");
    check_done(video_encode(
        "{\"input\": \"live.webm\", \"preset\": \"thumbnails\", \"output\": \"t\", \"every\": 1}"));
    ck_assert_str_eq(video_output(1, "path"), "t/thumb-00002.jpg");
    video_close();
}
END_TEST

START_TEST(thumbnails_come_every_so_often_or_so_many)
{
    video_open();
    video_make("a.mov", "");
    check_done(video_encode(
        "{\"input\": \"a.mov\", \"preset\": \"thumbnails\", \"output\": \"t/1\", \"every\": 0.5}"));
    ck_assert_str_eq(
        video_outputs(),
        "t t/1 t/1/.encode t/1/thumb-00001.jpg t/1/thumb-00002.jpg t/1/thumb-00003.jpg t/1/thumb-00004.jpg");
    ck_assert_str_eq(video_output(3, "at"), "1.500");
    check_described(3, "mjpeg,160,120");
    check_done(video_encode(
        "{\"input\": \"a.mov\", \"preset\": \"thumbnails\", \"output\": \"t/2\", \"count\": 3, \"height\": 60}"));
    check_described(2, "mjpeg,80,60");
    ck_assert_str_eq(video_output(3, "path"), "");
    /* More than there are pictures. */
    check_done(video_encode(
        "{\"input\": \"a.mov\", \"preset\": \"thumbnails\", \"output\": \"t/3\", \"count\": 100}"));
    ck_assert_str_eq(video_output(20, "path"), "");
    ck_assert_str_ne(video_output(18, "path"), "");
    video_close();
}
END_TEST

START_TEST(ladder_has_a_playlist_of_playlists)
{
    video_open();
    video_make("a.mov", "");
    check_done(video_encode(
        "{\"input\": \"a.mov\", \"preset\": \"hls\", \"output\": \"h\", \"renditions\": [60, 1080, 120]}"));
    ck_assert_str_eq(video_outputs(), "h h/.encode h/master.m3u8 h/v0 h/v0/00000.ts h/v0/index.m3u8 h/v1 "
                                      "h/v1/00000.ts h/v1/index.m3u8");
    ck_assert_str_eq(video_ask("grep -o -e 'RESOLUTION=[0-9x]*' -e '^v.*' out/h/master.m3u8 | paste -sd ' '"),
                     "RESOLUTION=160x120 v0/index.m3u8 RESOLUTION=80x60 v1/index.m3u8");
    ck_assert_str_eq(video_output(0, "path"), "h/master.m3u8");
    ck_assert_str_eq(video_output(2, "path"), "h/v1/index.m3u8");
    ck_assert_str_eq(video_output(2, "height"), "60");
    ck_assert_str_eq(video_output(2, "segments"), "1");
    ck_assert_str_eq(video_output(2, "audio_codec"), "aac");
    check_duration(2);
    ck_assert_str_eq(video_ask("cat out/h/v1/index.m3u8 out/h/v1/00000.ts | sha256sum | cut -d ' ' -f 1"),
                     video_output(2, "sha256"));
    ck_assert_str_eq(video_ask("cat out/h/v1/index.m3u8 out/h/v1/00000.ts | wc -c"), video_output(2, "size"));
    check_done(video_encode(
        "{\"input\": \"a.mov\", \"preset\": \"hls\", \"output\": \"i\"}")); /* smaller than all */
    ck_assert_str_eq(video_output(1, "height"), "120");
    ck_assert_str_eq(video_output(2, "path"), "");
    video_close();
}
END_TEST

START_TEST(second_run_replaces_the_first)
{
    video_open();
    video_make("a.mov", "");
    for (int i = 0; i < 2; i++)
        check_done(video_encode("{\"input\": \"a.mov\", \"preset\": \"mp3\", \"output\": \"a.mp3\"}"));
    check_done(
        video_encode("{\"input\": \"a.mov\", \"preset\": \"thumbnails\", \"output\": \"t\", \"count\": 4}"));
    check_done(
        video_encode("{\"input\": \"a.mov\", \"preset\": \"thumbnails\", \"output\": \"t\", \"count\": 1}"));
    ck_assert_str_eq(video_outputs(), "a.mp3 t t/.encode t/thumb-00001.jpg");
    video_close();
}
END_TEST

START_TEST(what_others_have_made_is_not_replaced)
{
    video_open();
    video_make("a.mov", "");
    video_shell("mkdir -p out/theirs out/file.mp4 out/real && echo 1 >out/theirs/1 && echo 2 >out/plain");
    ck_assert_int_eq(
        video_encode(
            "{\"input\": \"a.mov\", \"preset\": \"thumbnails\", \"output\": \"theirs\", \"count\": 1}"),
        JOB_FAIL);
    ck_assert_str_eq(video_error(), "output: something else is there already");
    ck_assert_int_eq(
        video_encode(
            "{\"input\": \"a.mov\", \"preset\": \"thumbnails\", \"output\": \"plain\", \"count\": 1}"),
        JOB_FAIL);
    ck_assert_int_eq(video_encode("{\"input\": \"a.mov\", \"preset\": \"mp4\", \"output\": \"file.mp4\"}"),
                     JOB_FAIL);
    ck_assert_int_eq(video_encode("{\"input\": \"a.mov\", \"preset\": \"mp4\", \"output\": \"plain/a.mp4\"}"),
                     JOB_FAIL);
    ck_assert_str_eq(video_outputs(), "file.mp4 plain real theirs theirs/1");
    video_close();
}
END_TEST

START_TEST(progress_is_told_in_per_cent)
{
    video_open();
    video_make("a.mov", "");
    check_done(video_encode("{\"input\": \"a.mov\", \"preset\": \"mp4\", \"output\": \"a.mp4\"}"));
    const char *last = strrchr(video_progress(), '{');
    ck_assert_ptr_nonnull(last);
    ck_assert_ptr_nonnull(strstr(last, "\"stage\": \"encode\""));
    ck_assert_ptr_nonnull(strstr(last, "\"percent\": 100.0"));
    video_close();
}
END_TEST

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

START_TEST(cancelled_job_ends_ffmpeg_and_leaves_nothing)
{
    video_open();
    video_make_long("long.mp4");
    double start_s = now_s();
    int verdict =
        video_encode_and_cancel("{\"input\": \"long.mp4\", \"preset\": \"webm\", \"output\": \"a.webm\"}");
    video_check_refused(verdict, JOB_RETRY, "was asked to stop while ffmpeg ran");
    ck_assert_double_lt(now_s() - start_s, 15);
    video_close();
}
END_TEST

/* How many processes have exactly this command. */
static int count_processes(const char *command)
{
    return atoi(
        video_ask("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o '%s' | wc -l", command));
}

START_TEST(ffmpeg_that_does_not_want_to_end_is_killed_with_its_children)
{
    video_open();
    video_make("a.mov", "");
    video_replace_ffmpeg("trap '' TERM; sleep 1000.471108 &\n"
                         "echo out_time_us=10; echo progress=continue; wait; wait; sleep 1000.471109");
    double start_s = now_s();
    int verdict =
        video_encode_and_cancel("{\"input\": \"a.mov\", \"preset\": \"webm\", \"output\": \"a.webm\"}");
    video_check_refused(verdict, JOB_RETRY, "was asked to stop while ffmpeg ran");
    double took_s = now_s() - start_s;
    ck_assert_msg(took_s > 1.9 && took_s < 4.9, "took %.1f s", took_s);
    /* A child of its own is killed with it, and is init's to wait for. */
    for (start_s = now_s(); count_processes("sleep 1000[.]47110[89] ") > 0;)
        ck_assert_double_lt(now_s() - start_s, 10);
    video_close();
}
END_TEST

START_TEST(what_a_killed_process_has_left_is_removed_by_the_next_job)
{
    video_open();
    video_make("a.mov", "");
    video_shell(
        "mkdir -p out/.encode/dead.1/out/v0 out/.encode/alive.1 && echo x >out/.encode/dead.1/out/v0/0.ts && "
        "ln -s /etc out/.encode/dead.1/link && echo y >out/.encode/alive.1/out");
    int alive = open(video_path("out/.encode/alive.1"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(flock(alive, LOCK_EX), 0);
    check_done(video_encode("{\"input\": \"a.mov\", \"preset\": \"mp3\", \"output\": \"a.mp3\"}"));
    ck_assert_str_eq(video_ask("cd out/.encode && find . | sort | paste -sd ' '"),
                     ". ./alive.1 ./alive.1/out");
    ck_assert_int_eq(close(alive), 0);
    check_done(video_encode("{\"input\": \"a.mov\", \"preset\": \"mp3\", \"output\": \"a.mp3\"}"));
    ck_assert_int_eq(access("/etc/passwd", F_OK), 0);
    video_close();
}
END_TEST

/* What a program in ffmpeg's place finds: @script writes to standard error. */
static void check_finds(const char *script, const char *expected)
{
    char whole[512], error[256];
    snprintf(whole, sizeof(whole), "%s\nexit 1", script);
    snprintf(error, sizeof(error), "ffmpeg: %s", expected);
    video_replace_ffmpeg(whole);
    ck_assert_int_eq(video_encode("{\"input\": \"a.mov\", \"preset\": \"mp4\", \"output\": \"b.mp4\"}"),
                     JOB_FAIL);
    ck_assert_str_eq(video_error(), error);
}

START_TEST(ffmpeg_gets_a_clean_environment_and_no_other_descriptor)
{
    video_open();
    video_make("a.mov", "");
    setenv("SECRET_OF_THE_TEST", "x", 1);
    int secret = open("/etc/passwd", O_RDONLY); /* not O_CLOEXEC */
    ck_assert_int_ge(secret, 0);
    check_finds("env | cut -d = -f 1 | grep -v -e PWD -e '^_$' | sort | paste -sd ' ' >&2",
                "AV_LOG_FORCE_NOCOLOR LC_ALL PATH");
    /* 10 is the shell's own, for its script. */
    check_finds("for fd in 0 1 2 3 4 5 6 7 8 9 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do\n"
                "[ ! -e /proc/self/fd/$fd ] || echo $fd; done | paste -sd ' ' >&2",
                "0 1 2 3");
    check_finds("readlink /proc/self/fd/0 >&2", "/dev/null");
    check_finds("for word; do case $word in *a.mov* | *b.mp4*) echo $word >&2 ;; esac; done", "said nothing");
    close(secret);
    video_close();
}
END_TEST

/* Where the kernel has Landlock; the unit tests of confine.c say what that means. */
START_TEST(ffmpeg_finds_no_other_file)
{
    video_open();
    video_make("a.mov", "");
    video_shell("cp in/a.mov in/other.mov; cp in/a.mov secret");
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version >= 1) {
        check_finds(
            "for file in ../../../in/a.mov ../../../in/other.mov ../../../secret /etc/passwd /proc/self/environ; do\n"
            "{ : <$file; } 2>/dev/null && echo $file >&2; done; true",
            "../../../in/a.mov"); /* the input itself, by its name */
        check_finds("echo x 2>&1 >../../../secret || true; echo x 2>&1 >/tmp/test_encode_canary || true",
                    "said nothing");
        ck_assert_int_eq(access("/tmp/test_encode_canary", F_OK), -1);
        video_shell("cmp in/a.mov secret");
    }
    video_close();
}
END_TEST

SUITE_MAIN("encode", presets_of_one_file_make_what_they_say, mp4_begins_with_its_index,
           height_shrinks_and_never_enlarges, video_on_its_side_is_put_upright,
           silent_video_and_sound_with_a_cover_are_taken_for_what_they_are, metadata_stays_behind,
           recording_that_does_not_say_how_long_it_is_is_encoded, thumbnails_come_every_so_often_or_so_many,
           ladder_has_a_playlist_of_playlists, second_run_replaces_the_first,
           what_others_have_made_is_not_replaced, progress_is_told_in_per_cent,
           cancelled_job_ends_ffmpeg_and_leaves_nothing,
           ffmpeg_that_does_not_want_to_end_is_killed_with_its_children,
           what_a_killed_process_has_left_is_removed_by_the_next_job,
           ffmpeg_gets_a_clean_environment_and_no_other_descriptor, ffmpeg_finds_no_other_file)
