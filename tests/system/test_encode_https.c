/* SPDX-License-Identifier: Apache-2.0 */
/* The module ENCODE_MODULE and inputs from an https server, VIDEO_SERVER. */
#define SUITE_TIMEOUT_S 60
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"
#include "tests/support/video.h"

static pid_t server;
static int port;

static void server_start(void)
{
    int in[2], out[2];
    char line[16] = { 0 };
    ck_assert_int_eq(pipe2(in, O_CLOEXEC) + pipe2(out, O_CLOEXEC), 0);
    server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execl(VIDEO_SERVER, VIDEO_SERVER, video_path("in"), video_path("cert.pem"), video_path("key.pem"),
              (char *)NULL);
        _exit(127);
    }
    struct pollfd ready = { .fd = out[0], .events = POLLIN };
    ck_assert_int_eq(poll(&ready, 1, 20000), 1);
    ck_assert_int_gt(read(out[0], line, sizeof(line) - 1), 0);
    close(in[0]);
    close(out[1]);
    port = atoi(line);
}

/* A server that the handler may and can talk to, with a video "a.mp4". */
static void start(void)
{
    video_open();
    video_make("a.mp4", "");
    video_shell(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=server "
        "-addext subjectAltName=IP:127.0.0.1,DNS:localhost -keyout key.pem -out cert.pem 2>&1");
    server_start();
    setenv("ENCODE_HTTPS", "any", 1);
    setenv("ENCODE_CA", video_path("cert.pem"), 1);
    unsetenv("ENCODE_INPUT");
}

static void stop(void)
{
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    video_close();
}

static int fetch(const char *path)
{
    return video_encode(
        "{\"input\": \"https://127.0.0.1:%d/%s\", \"preset\": \"mp4\", \"output\": \"a.mp4\"}", port, path);
}

static void check_refused(const char *path, int expected, const char *error)
{
    video_check_refused(fetch(path), expected, error);
    ck_assert_ptr_null(strstr(video_error(), path)); /* it may hold a signature */
}

START_TEST(video_is_fetched_and_encoded)
{
    start();
    ck_assert_int_eq(fetch("a.mp4"), JOB_DONE);
    ck_assert_str_eq(video_output(0, "codec"), "h264");
    ck_assert_int_eq(video_encode("{\"input\": \"HTTPS://localhost:%d/redirect/https://127.0.0.1:%d/a.mp4\", "
                                  "\"preset\": \"mp3\", \"output\": \"a.mp3\"}",
                                  port, port),
                     JOB_DONE);
    ck_assert_str_eq(video_outputs(), "a.mp3 a.mp4");
    stop();
}
END_TEST

START_TEST(answers_decide_whether_another_try_is_worth_it)
{
    static const struct {
        int status, verdict;
    } answers[] = { { 404, JOB_FAIL },  { 403, JOB_FAIL },  { 410, JOB_FAIL },
                    { 304, JOB_FAIL },  { 204, JOB_FAIL },  { 500, JOB_RETRY },
                    { 503, JOB_RETRY }, { 429, JOB_RETRY }, { 408, JOB_RETRY } };
    char path[32], error[64];
    start();
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        snprintf(path, sizeof(path), "status/%d", answers[i].status);
        snprintf(error, sizeof(error), "input: the server answered %d", answers[i].status);
        check_refused(path, answers[i].verdict, error);
        ck_assert_int_eq(video_retry_after_ms(), answers[i].verdict == JOB_RETRY ? 7000 : -1);
    }
    check_refused("half/x", JOB_RETRY, "input: cannot be fetched: ");
    check_refused("missing", JOB_RETRY, "input: cannot be fetched: "); /* the connection breaks */
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    check_refused("a.mp4", JOB_RETRY, "input: cannot be fetched: ");
    video_close();
}
END_TEST

START_TEST(redirects_lead_to_https_only)
{
    start();
    check_refused("redirect/http://127.0.0.1:1/a.mp4", JOB_FAIL, "input: leads to a URL that is not https");
    check_refused("redirect/file:///etc/passwd", JOB_FAIL, "input: leads to a URL that is not https");
    check_refused("redirect//redirect//redirect//redirect//redirect//redirect//redirect//x", JOB_FAIL,
                  "input: Maximum");
    stop();
}
END_TEST

START_TEST(only_public_addresses_are_fetched_from_unless_that_is_allowed)
{
    start();
    setenv("ENCODE_HTTPS", "public", 1);
    check_refused("a.mp4", JOB_FAIL, "input: leads to an address that is not public");
    video_check_refused(
        video_encode(
            "{\"input\": \"https://localhost:%d/a.mp4\", \"preset\": \"mp4\", \"output\": \"a.mp4\"}", port),
        JOB_FAIL, "input: leads to an address that is not public");
    video_check_refused(
        video_encode(
            "{\"input\": \"https://[::ffff:127.0.0.1]:%d/a.mp4\", \"preset\": \"mp4\", \"output\": \"a.mp4\"}",
            port),
        JOB_FAIL, "input: leads to an address that is not public");
    setenv("ENCODE_HTTPS", "off", 1);
    check_refused("a.mp4", JOB_FAIL, "input: https is switched off, by ENCODE_HTTPS");
    stop();
}
END_TEST

START_TEST(url_must_be_one_and_hold_no_login)
{
    start();
    video_check_refused(
        video_encode(
            "{\"input\": \"https://ada:secret@127.0.0.1:%d/a.mp4\", \"preset\": \"mp4\", \"output\": \"a.mp4\"}",
            port),
        JOB_FAIL, "input: a URL with a login in it is not taken");
    video_check_refused(
        video_encode(
            "{\"input\": \"https://127.0.0.1:%d/a\\r\\nx: y\", \"preset\": \"mp4\", \"output\": \"a.mp4\"}",
            port),
        JOB_FAIL, "input: has control characters");
    video_check_refused(video_encode("{\"input\": \"https://\", \"preset\": \"mp4\", \"output\": \"a.mp4\"}"),
                        JOB_FAIL, "input: is no URL: ");
    stop();
}
END_TEST

START_TEST(certificate_that_nobody_vouches_for_brings_no_video)
{
    start();
    unsetenv("ENCODE_CA");
    check_refused("a.mp4", JOB_RETRY, "SSL certificate problem");
    stop();
}
END_TEST

START_TEST(too_much_is_not_fetched)
{
    start();
    setenv("ENCODE_MAX_INPUT_MIB", "1", 1);
    check_refused("large/x", JOB_FAIL, "input: is larger than ENCODE_MAX_INPUT_MIB, 1");
    check_refused("endless/x", JOB_FAIL, "input: is larger than ENCODE_MAX_INPUT_MIB, 1");
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 4096, 4096 });
    check_refused("a.mp4", JOB_FAIL, "or the worker's limit on files");
    stop();
}
END_TEST

START_TEST(server_that_falls_silent_is_left_at_the_time_limit)
{
    start();
    setenv("ENCODE_TIME_LIMIT_S", "1", 1);
    check_refused("silent/x", JOB_RETRY, "the input did not come within the time limit");
    stop();
}
END_TEST

START_TEST(playlist_from_a_server_is_not_followed)
{
    start();
    video_shell("printf '#EXTM3U\\n#EXTINF:2,\\nhttps://127.0.0.1:%d/a.mp4\\n#EXT-X-ENDLIST\\n' >in/a.m3u8",
                port);
    check_refused("a.m3u8", JOB_FAIL, "ffprobe: ");
    stop();
}
END_TEST

SUITE_MAIN("encode_https", video_is_fetched_and_encoded, answers_decide_whether_another_try_is_worth_it,
           redirects_lead_to_https_only, only_public_addresses_are_fetched_from_unless_that_is_allowed,
           url_must_be_one_and_hold_no_login, certificate_that_nobody_vouches_for_brings_no_video,
           too_much_is_not_fetched, server_that_falls_silent_is_left_at_the_time_limit,
           playlist_from_a_server_is_not_followed)
