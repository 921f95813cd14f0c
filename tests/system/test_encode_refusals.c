/* SPDX-License-Identifier: Apache-2.0 */
/* The module ENCODE_MODULE and what it must not take, or not finish: names, formats, damage, sizes, full disks, missing programs. */
#define SUITE_TIMEOUT_S 120
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/suite.h"
#include "tests/support/video.h"

/* in/@name to mp4. */
static int encode(const char *name)
{
    return video_encode("{\"input\": \"%s\", \"preset\": \"mp4\", \"output\": \"a.mp4\"}", name);
}

static void check_refused(const char *name, int expected, const char *error)
{
    video_check_refused(encode(name), expected, error);
}

/* --- Names ------------------------------------------------------------------------------------------------- */

START_TEST(names_that_lead_elsewhere_are_refused)
{
    static const struct {
        const char *name, *error;
    } names[] = {
        { "", "is empty" },
        { "../a.mov", "has a name that begins with a dot" },
        { "x/../../a.mov", "has a name that begins with a dot" },
        { "/etc/passwd", "is an absolute path" },
        { "-i", "has a name that begins with -" },
        { "x/-vf", "has a name that begins with -" },
        { "x//a.mov", "has an empty name between slashes" },
        { "x/", "has an empty name between slashes" },
        { ".encode/x", "has a name that begins with a dot" },
        { "a\\r\\nb.mov", "has control characters" },
        { "a\\u0085b.mov", "has control characters" },
        { "a.mov\\u0000.mp4", "has control characters" },
        { "file:a.mov", "begins with a protocol" },
        { "file:///etc/passwd", "begins with a protocol" },
        { "concat:a.mov|b.mov", "begins with a protocol" },
        { "subfile,,start,0,end,9,,:a.mov", "begins with a protocol" },
        { "data:video/mp4;base64,AAAA", "begins with a protocol" },
        { "http://example.org/a.mov", "begins with a protocol" },
        { "HTTPX://example.org/a.mov", "begins with a protocol" },
        { "pipe:0", "begins with a protocol" },
    };
    video_open();
    video_make("a.mov", "");
    video_shell("cp in/a.mov a.mov; mkdir in/x");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        check_refused(names[i].name, JOB_FAIL, names[i].error);
        video_check_refused(
            video_encode("{\"input\": \"a.mov\", \"preset\": \"hls\", \"output\": \"%s\"}", names[i].name),
            JOB_FAIL, names[i].error);
    }
    ck_assert_str_eq(video_ask("find . -type f | sort | paste -sd ' '"), "./a.mov ./in/a.mov");
    video_close();
}
END_TEST

START_TEST(characters_of_the_shell_are_characters_of_a_name)
{
    static const char name[] = "$(touch canary) `touch canary`; touch canary & | > %d [0:v] 'a' \\\\ * ~ é";
    video_open();
    video_make("a.mov", "");
    video_shell(
        "mv in/a.mov \"in/\"'$(touch canary) `touch canary`; touch canary & | > %%d [0:v] '\"'a'\"' \\ * ~ é.mov'");
    int verdict = video_encode("{\"input\": \"%s.mov\", \"preset\": \"mp4\", \"output\": \"%s/%s.mp4\"}",
                               name, name, name);
    ck_assert_msg(verdict == JOB_DONE, "%s", video_error());
    ck_assert_str_eq(video_ask("find . -name canary"), "");
    ck_assert_str_eq(video_ask("find out -name '*.mp4' -type f | wc -l"), "1");
    video_close();
}
END_TEST

START_TEST(links_lead_nowhere_outside)
{
    video_open();
    video_make("a.mov", "");
    video_shell(
        "mkdir outside && cp in/a.mov outside/ && cd in && ln -s ../outside/a.mov out.mov && ln -s ../outside d && "
        "ln -s $(pwd)/a.mov absolute.mov && ln -s /dev/zero zero.mov && ln -s loop.mov loop.mov && ln -s a.mov in.mov");
    check_refused("out.mov", JOB_FAIL, "leads out of ENCODE_INPUT");
    check_refused("d/a.mov", JOB_FAIL, "leads out of ENCODE_INPUT");
    check_refused("absolute.mov", JOB_FAIL, "leads out of ENCODE_INPUT");
    check_refused("zero.mov", JOB_FAIL, "leads out of ENCODE_INPUT");
    check_refused("loop.mov", JOB_FAIL, "leads out of ENCODE_INPUT");
    video_shell("ln -s ../outside out/d");
    ck_assert_int_eq(video_encode("{\"input\": \"a.mov\", \"preset\": \"mp4\", \"output\": \"d/b.mp4\"}"),
                     JOB_FAIL);
    ck_assert_str_eq(video_error(),
                     "output: a folder of its path is a symbolic link, a file, or on another file system");
    ck_assert_str_eq(video_ask("ls outside"), "a.mov");
    video_shell(
        "mkdir out/e; ln -s e out/f"); /* nor where it stays inside: whoever may write there may change it */
    ck_assert_int_eq(video_encode("{\"input\": \"a.mov\", \"preset\": \"mp4\", \"output\": \"f/b.mp4\"}"),
                     JOB_FAIL);
    ck_assert_int_eq(encode("in.mov"), JOB_DONE);
    video_close();
}
END_TEST

START_TEST(only_regular_files_are_read)
{
    video_open();
    video_shell("mkfifo in/fifo.mov && mkdir in/folder.mov");
    check_refused("fifo.mov", JOB_FAIL, "input: is no regular file"); /* nobody writes: it must not wait */
    check_refused("folder.mov", JOB_FAIL, "input: is no regular file");
    check_refused("missing.mov", JOB_FAIL, "input: No such file or directory");
    if (mknod(video_path("in/zero.mov"), S_IFCHR | 0600, 1 << 8 | 5) == 0)
        check_refused("zero.mov", JOB_FAIL, "input: is no regular file");
    video_close();
}
END_TEST

START_TEST(payload_is_checked_to_the_letter)
{
    static const struct {
        const char *members, *error;
    } payloads[] = {
        { "", "input: is missing" },
        { "\"input\": 1", "input: is no string" },
        { "\"input\": \"a\", \"output\": \"b\"", "preset: is missing" },
        { "\"input\": \"a\", \"output\": \"b\", \"preset\": \"avi\"", "preset: expected one of mp4, webm" },
        { "\"input\": \"a\", \"preset\": \"mp4\"", "output: is missing" },
        { "\"input\": \"a\", \"preset\": \"mp4\", \"output\": \"a.html\"",
          "output: expected a name that ends in .mp4" },
        { "\"input\": \"a\", \"preset\": \"hls\", \"output\": \"a\", \"vf\": \"x\"", "vf: is not known" },
        { "\"input\": \"a\", \"preset\": \"mp3\", \"output\": \"a.mp3\", \"height\": 90",
          "height: is nothing that preset" },
        { "\"input\": \"a\", \"preset\": \"mp4\", \"output\": \"a.mp4\", \"height\": \"90:x=1\"",
          "height: expected" },
        { "\"input\": \"a\", \"preset\": \"mp4\", \"output\": \"a.mp4\", \"height\": -2",
          "height: expected" },
        { "\"input\": \"a\", \"preset\": \"thumbnails\", \"output\": \"a\"",
          "thumbnails: expected either every or count" },
        { "\"input\": \"a\", \"preset\": \"thumbnails\", \"output\": \"a\", \"count\": 1, \"every\": 1",
          "thumbnails: expected either" },
        { "\"input\": \"a\", \"preset\": \"thumbnails\", \"output\": \"a\", \"count\": 501",
          "count: expected" },
        { "\"input\": \"a\", \"preset\": \"thumbnails\", \"output\": \"a\", \"every\": 0",
          "every: expected" },
        { "\"input\": \"a\", \"preset\": \"hls\", \"output\": \"a\", \"renditions\": []",
          "renditions: expected" },
        { "\"input\": \"a\", \"preset\": \"hls\", \"output\": \"a\", \"renditions\": [60, \"60\"]",
          "renditions: expected" },
        { "\"input\": \"a\", \"preset\": \"hls\", \"output\": \"a\", \"renditions\": [60, 60]",
          "renditions: has 60 twice" },
        { "\"input\": \"a\", \"input\": \"b\", \"preset\": \"mp4\", \"output\": \"a.mp4\"",
          "the payload is no JSON" },
    };
    video_open();
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++)
        video_check_refused(video_encode("{%s}", payloads[i].members), JOB_FAIL, payloads[i].error);
    video_check_refused(video_encode("[]"), JOB_FAIL, "the payload is no JSON object");
    video_check_refused(video_encode("{"), JOB_FAIL, "the payload is no JSON: ");
    video_close();
}
END_TEST

/* --- Formats and damage ---------------------------------------------------------------------------------------- */

START_TEST(lists_that_name_other_files_are_not_followed)
{
    video_open();
    video_make("a.mov", "");
    /* Beside the folder of inputs lies what nobody may see; each list would show it. */
    video_shell(
        "ffmpeg -nostdin -loglevel error -i in/a.mov -c copy -bsf:v h264_mp4toannexb secret.ts && cd in && "
        "printf '#EXTM3U\\n#EXT-X-TARGETDURATION:2\\n#EXTINF:2,\\nfile://'$(dirname $(pwd))'/secret.ts\\n"
        "#EXT-X-ENDLIST\\n' >a.m3u8 && cp a.m3u8 b.mp4 && "
        "printf \"ffconcat version 1.0\\nfile '$(dirname $(pwd))/secret.ts'\\n\" >a.ffconcat && "
        "printf \"ffconcat version 1.0\\nfile '/etc/passwd'\\n\" >b.ffconcat && "
        "printf '#EXTM3U\\n#EXTINF:2,\\nconcat:/etc/passwd\\n#EXT-X-ENDLIST\\n' >c.m3u8 && "
        "printf 'v=0\\no=- 0 0 IN IP4 127.0.0.1\\ns=x\\nc=IN IP4 127.0.0.1\\nt=0 0\\nm=video 5004 RTP/AVP 96\\n"
        "a=rtpmap:96 H264/90000\\n' >a.sdp && "
        "printf '<?xml version=\"1.0\"?>\\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\"><Period>"
        "<AdaptationSet mimeType=\"video/mp4\"><Representation id=\"1\"><BaseURL>../secret.ts</BaseURL>"
        "</Representation></AdaptationSet></Period></MPD>' >a.mpd");
    /* What tells it is the list of formats, before other things would. */
    static const char *const lists[] = { "a.m3u8", "b.mp4", "a.ffconcat", "b.ffconcat", "a.sdp" },
                             *const unknown[] = { "c.m3u8", "a.mpd" };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        check_refused(lists[i], JOB_FAIL, "Format not on whitelist");
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        check_refused(unknown[i], JOB_FAIL, "Invalid data found");
    video_close();
}
END_TEST

START_TEST(what_is_no_video_is_refused_for_good)
{
    video_open();
    video_make("a.mov", "");
    video_shell(
        "cd in && : >empty.mp4 && seq 100000 >text.mp4 && head -c 100000 /dev/urandom >noise.mp4 && "
        "head -c 20000 a.mov >head.mov && printf 'WEBVTT\\n\\n00:00.000 --> 00:01.000\\nHi\\n' >a.vtt && "
        "ffmpeg -nostdin -loglevel error -i a.mov -frames:v 1 a.png");
    check_refused("empty.mp4", JOB_FAIL, "input: is empty");
    check_refused("text.mp4", JOB_FAIL, "ffprobe: ");
    check_refused("noise.mp4", JOB_FAIL, "");
    check_refused("head.mov", JOB_FAIL, "moov atom not found");
    check_refused("a.vtt", JOB_FAIL, "ffprobe: ");
    check_refused("a.png", JOB_FAIL, "ffprobe: ");
    video_close();
}
END_TEST

START_TEST(half_of_a_video_is_no_result)
{
    video_open();
    video_make("a.mp4", "-movflags +faststart");
    video_shell("cd in && head -c $(($(stat -c %%s a.mp4) / 2)) a.mp4 >half.mp4");
    check_refused("half.mp4", JOB_FAIL, "");
    video_check_refused(
        video_encode(
            "{\"input\": \"half.mp4\", \"preset\": \"thumbnails\", \"output\": \"t\", \"count\": 8}"),
        JOB_FAIL, "");
    video_check_refused(video_encode("{\"input\": \"half.mp4\", \"preset\": \"hls\", \"output\": \"h\"}"),
                        JOB_FAIL, "");
    video_close();
}
END_TEST

START_TEST(garbage_amid_a_video_is_no_result)
{
    video_open();
    video_make("a.mp4", "-movflags +faststart -g 100");
    video_shell(
        "cd in && size=$(stat -c %%s a.mp4) && "
        "yes garbage | dd of=a.mp4 bs=1 seek=$((size / 4)) count=$((size * 3 / 4)) conv=notrunc iflag=fullblock 2>&1");
    check_refused("a.mp4", JOB_FAIL, "ffmpeg: ");
    video_close();
}
END_TEST

/* --- Limits ------------------------------------------------------------------------------------------------------ */

/* Matroska keeps the duration as element 4489, a double in milliseconds. */
static void make_with_duration(const char *name, const char *hex)
{
    video_make("a.mkv", "");
    video_shell(
        "cd in && at=$(LC_ALL=C grep -abo -P '\\x44\\x89\\x88' a.mkv | head -n 1 | cut -d : -f 1) && cp a.mkv %s && "
        "printf '%s' | dd of=%s bs=1 seek=$((at + 3)) conv=notrunc 2>&1",
        name, hex, name);
}

START_TEST(too_long_a_video_is_refused_before_it_is_encoded)
{
    video_open();
    video_make("a.mov", "");
    make_with_duration("years.mkv", "\\102\\155\\032\\224\\242\\000\\000\\000"); /* 1e12 ms = 1e9 s */
    check_refused("years.mkv", JOB_FAIL, "input: lasts 1000000000 s; ENCODE_MAX_DURATION_S is 14400");
    setenv("ENCODE_MAX_DURATION_S", "1", 1);
    check_refused("a.mov", JOB_FAIL, "input: lasts 2 s; ENCODE_MAX_DURATION_S is 1");
    ck_assert_str_eq(video_progress(), "");
    video_close();
}
END_TEST

START_TEST(header_that_lies_about_the_duration_is_found_out)
{
    video_open();
    make_with_duration("short.mkv", "\\100\\177\\100\\000\\000\\000\\000\\000"); /* 500 ms */
    check_refused("short.mkv", JOB_FAIL, "the result lasts 2.0 s and not 0.5 s as the input says");
    setenv("ENCODE_MAX_DURATION_S", "1", 1);
    check_refused("short.mkv", JOB_FAIL, "input: lasts longer than ENCODE_MAX_DURATION_S, 1");
    video_close();
}
END_TEST

START_TEST(too_large_an_input_is_refused)
{
    video_open();
    video_make("a.mov", "");
    setenv("ENCODE_MAX_INPUT_MIB", "1", 1);
    video_shell("cp in/a.mov in/large.mov && truncate -s 1048577 in/large.mov");
    check_refused("large.mov", JOB_FAIL, "input: is larger than ENCODE_MAX_INPUT_MIB, 1");
    video_shell("truncate -s 1048576 in/large.mov");
    ck_assert_int_eq(encode("large.mov"), JOB_DONE);
    setenv("ENCODE_MAX_PIXELS", "19199", 1);
    ck_assert_int_eq(encode("a.mov"), JOB_FAIL);
    ck_assert_str_eq(video_error(), "input: has 160x120 pixels; ENCODE_MAX_PIXELS is 19199");
    setenv("ENCODE_MAX_PIXELS", "19200", 1);
    ck_assert_int_eq(encode("a.mov"), JOB_DONE);
    video_close();
}
END_TEST

START_TEST(video_that_grows_on_its_way_is_stopped)
{
    video_open();
    video_make("a.mpg", "-c:v mpeg2video -c:a mp2 -r 25 -f mpegts");
    video_shell(
        "ffmpeg -nostdin -loglevel error -f lavfi -i testsrc=d=1:s=640x480:r=25 -c:v mpeg2video -f mpegts b.ts && "
        "cat in/a.mpg b.ts >in/grows.ts");
    setenv("ENCODE_MAX_PIXELS", "50000", 1);
    check_refused("grows.ts", JOB_FAIL, "");
    video_close();
}
END_TEST

START_TEST(too_large_an_output_is_removed)
{
    video_open();
    video_make("noise.mov", "-vf scale=640:480,noise=alls=100:allf=t -q:v 1 -c:v mjpeg");
    setenv("ENCODE_MAX_OUTPUT_MIB", "1", 1);
    check_refused("noise.mov", JOB_FAIL, "the output is larger than ENCODE_MAX_OUTPUT_MIB");
    /* No single file of these is. */
    video_check_refused(
        video_encode(
            "{\"input\": \"noise.mov\", \"preset\": \"thumbnails\", \"output\": \"t\", \"count\": 20}"),
        JOB_FAIL, "the output is larger than ENCODE_MAX_OUTPUT_MIB, 1");
    video_close();
}
END_TEST

START_TEST(too_many_thumbnails_are_refused)
{
    video_open();
    make_with_duration("long.mkv", "\\101\\006\\343\\140\\000\\000\\000\\000"); /* 187500 ms */
    video_check_refused(
        video_encode(
            "{\"input\": \"long.mkv\", \"preset\": \"thumbnails\", \"output\": \"t\", \"every\": 0.1}"),
        JOB_FAIL, "every: makes 1875 thumbnails; 500 are the most");
    video_close();
}
END_TEST

START_TEST(time_limit_is_kept)
{
    video_open();
    video_make_long("long.mp4");
    setenv("ENCODE_TIME_LIMIT_S", "2", 1);
    video_check_refused(
        video_encode("{\"input\": \"long.mp4\", \"preset\": \"webm\", \"output\": \"a.webm\"}"), JOB_RETRY,
        "ffmpeg did not end within its time limit");
    video_close();
}
END_TEST

/* --- The installation --------------------------------------------------------------------------------------------- */

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

/* Root mounts; anybody else does in a user namespace. */
static void mount_small(const char *path, const char *options)
{
    char map[64];
    snprintf(map, sizeof(map), "0 %d 1", (int)getuid());
    if (unshare(CLONE_NEWNS) != 0) {
        ck_assert_int_eq(unshare(CLONE_NEWUSER | CLONE_NEWNS), 0);
        write_text("/proc/self/setgroups", "deny");
        write_text("/proc/self/uid_map", map);
    }
    ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    ck_assert_int_eq(mount("tmpfs", path, "tmpfs", 0, options), 0);
}

START_TEST(full_disk_is_worth_another_try_and_left_empty)
{
    video_open();
    video_make("a.mov", "");
    mount_small(video_path("out"), "size=24k");
    video_check_refused(encode("a.mov"), JOB_RETRY, "No space left on device");
    video_check_refused(
        video_encode("{\"input\": \"a.mov\", \"preset\": \"thumbnails\", \"output\": \"t\", \"every\": 0.1}"),
        JOB_RETRY, "No space left on device");
    video_check_refused(video_encode("{\"input\": \"a.mov\", \"preset\": \"hls\", \"output\": \"h\"}"),
                        JOB_RETRY, "No space left on device");
    ck_assert_str_eq(video_ask("df --output=used -k out | tail -n 1 | tr -d ' '"), "0");
    ck_assert_int_eq(umount(video_path("out")), 0);
    video_close();
}
END_TEST

START_TEST(limit_on_files_of_the_worker_ends_ffmpeg_and_not_us)
{
    video_open();
    video_make("a.mov", "");
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 8192, 8192 });
    video_check_refused(encode("a.mov"), JOB_FAIL,
                        "the output is larger than ENCODE_MAX_OUTPUT_MIB or the worker's limit on files");
    video_close();
}
END_TEST

START_TEST(missing_programs_are_named)
{
    video_open();
    video_make("a.mov", "");
    setenv("ENCODE_FFPROBE", "/nonexistent/ffprobe", 1);
    check_refused("a.mov", JOB_RETRY,
                  "cannot run /nonexistent/ffprobe: No such file or directory; install ffmpeg");
    unsetenv("ENCODE_FFPROBE");
    setenv("ENCODE_FFMPEG", "no-such-ffmpeg", 1);
    check_refused("a.mov", JOB_RETRY, "cannot run no-such-ffmpeg: No such file or directory; install ffmpeg");
    setenv("ENCODE_FFMPEG", video_path("in"), 1);
    check_refused("a.mov", JOB_RETRY, "Permission denied");
    video_close();
}
END_TEST

START_TEST(killed_ffmpeg_is_worth_another_try)
{
    video_open();
    video_make("a.mov", "");
    video_replace_ffmpeg("echo half >out; echo last words >&2; kill -9 $$");
    check_refused("a.mov", JOB_RETRY, "ffmpeg was killed by signal 9 (Killed): last words");
    video_replace_ffmpeg("echo half >out; printf 'Cannot allocate memory\\n' >&2; exit 1");
    check_refused("a.mov", JOB_RETRY, "ffmpeg: Cannot allocate memory");
    video_replace_ffmpeg("printf 'bad\\033[31m\\nworse\\n' >&2; exit 69");
    check_refused("a.mov", JOB_FAIL, "ffmpeg: bad?[31m / worse");
    video_replace_ffmpeg("yes 'much to say' | head -c 1000000 >&2; exit 1");
    check_refused("a.mov", JOB_FAIL, "ffmpeg: much to say / much to say");
    video_close();
}
END_TEST

START_TEST(ffmpeg_that_makes_something_else_is_not_believed)
{
    video_open();
    video_make("a.mov", "");
    video_replace_ffmpeg("exit 0");
    check_refused("a.mov", JOB_FAIL, "ffprobe: file:out: No such file or directory");
    video_replace_ffmpeg("echo text >out");
    check_refused("a.mov", JOB_FAIL, "ffprobe: file:out: ");
    video_replace_ffmpeg(
        "exec ffmpeg -loglevel error -nostdin -f lavfi -i testsrc=d=2:s=160x120 -c:v mpeg4 -f mp4 out");
    check_refused("a.mov", JOB_FAIL, "the result has video mpeg4 instead of h264");
    video_replace_ffmpeg(
        "exec ffmpeg -loglevel error -nostdin -f lavfi -i testsrc=d=2:s=160x120 -c:v libx264 -f mp4 out");
    check_refused("a.mov", JOB_FAIL, "the result has sound none instead of aac");
    video_replace_ffmpeg(
        "exec ffmpeg -loglevel error -nostdin -f lavfi -i testsrc=d=2:s=80x60 -f lavfi -i sine=d=2 "
        "-c:v libx264 -c:a aac -f mp4 out");
    check_refused("a.mov", JOB_FAIL, "the result has 80x60 pixels instead of 160x120");
    video_replace_ffmpeg("ffmpeg \"$@\" && truncate -s 20000 out/v0/00000.ts");
    video_check_refused(video_encode("{\"input\": \"a.mov\", \"preset\": \"hls\", \"output\": \"h\"}"),
                        JOB_FAIL, " pictures instead of 20");
    video_close();
}
END_TEST

START_TEST(wrong_settings_are_the_installations_fault)
{
    static const char *const settings[][3] = {
        { "ENCODE_OUTPUT", "", "ENCODE_OUTPUT: is not set" },
        { "ENCODE_OUTPUT", "/nonexistent", "ENCODE_OUTPUT: /nonexistent: No such file or directory" },
        { "ENCODE_INPUT", "", "ENCODE_INPUT: is not set" },
        { "ENCODE_INPUT", "/nonexistent", "ENCODE_INPUT: /nonexistent: No such file or directory" },
        { "ENCODE_HTTPS", "yes", "ENCODE_HTTPS: expected public, any or off" },
        { "ENCODE_THREADS", "0", "ENCODE_THREADS: expected a number from 1 to 64" },
        { "ENCODE_MAX_PIXELS", "4k", "ENCODE_MAX_PIXELS: expected a number from 1 to " },
    };
    video_open();
    video_make("a.mov", "");
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        char before[256];
        const char *was = getenv(settings[i][0]);
        snprintf(before, sizeof(before), "%s", was ? was : "");
        setenv(settings[i][0], settings[i][1], 1);
        check_refused("a.mov", JOB_RETRY, settings[i][2]);
        setenv(settings[i][0], before, 1);
    }
    ck_assert_int_eq(encode("a.mov"), JOB_DONE);
    video_close();
}
END_TEST

SUITE_MAIN("encode_refusals", names_that_lead_elsewhere_are_refused,
           characters_of_the_shell_are_characters_of_a_name, links_lead_nowhere_outside,
           only_regular_files_are_read, payload_is_checked_to_the_letter,
           lists_that_name_other_files_are_not_followed, what_is_no_video_is_refused_for_good,
           half_of_a_video_is_no_result, garbage_amid_a_video_is_no_result,
           too_long_a_video_is_refused_before_it_is_encoded, header_that_lies_about_the_duration_is_found_out,
           too_large_an_input_is_refused, video_that_grows_on_its_way_is_stopped,
           too_large_an_output_is_removed, too_many_thumbnails_are_refused, time_limit_is_kept,
           full_disk_is_worth_another_try_and_left_empty, limit_on_files_of_the_worker_ends_ffmpeg_and_not_us,
           missing_programs_are_named, killed_ffmpeg_is_worth_another_try,
           ffmpeg_that_makes_something_else_is_not_believed, wrong_settings_are_the_installations_fault)
