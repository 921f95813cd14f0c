/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/sink.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/module.h"

char folder[] = "/tmp/test_welcome_email.XXXXXX";
static pid_t sink;
struct job_test_result got;

/* --- A private folder and a sink ----------------------------------------------------------------------- */

const char *in_folder(const char *name)
{
    static char paths[16][128];
    static int next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

void write_file(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(in_folder(name), "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(chmod(in_folder(name), mode), 0);
}

void folder_open(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(mkdir(in_folder("mail"), 0700), 0);
    setenv("WELCOME_EMAIL_FROM", "Shop <hello@shop.example>", 1);
}

static void run_program(const char *const argv[])
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(status == 0, "%s ended with status %d", argv[0], status);
}

void make_certificate(void)
{
    const char *const argv[] = { "openssl",
                                 "req",
                                 "-x509",
                                 "-newkey",
                                 "ec",
                                 "-pkeyopt",
                                 "ec_paramgen_curve:prime256v1",
                                 "-nodes",
                                 "-days",
                                 "1",
                                 "-subj",
                                 "/CN=sink",
                                 "-addext",
                                 "subjectAltName=IP:127.0.0.1",
                                 "-keyout",
                                 in_folder("key.pem"),
                                 "-out",
                                 in_folder("cert.pem"),
                                 NULL };
    run_program(argv);
}

void sink_start_with(const char *program, const char *scheme, const char *const *options)
{
    const char *argv[24] = { program, "--port", "0", "--port-file", "-", "--dir", in_folder("mail") };
    for (size_t i = 7; *options; i++)
        argv[i] = *options++;
    int fds[2];
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    sink = fork();
    if (sink == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(fds[1], STDOUT_FILENO);
        execv(program, (char *const *)argv);
        _exit(127);
    }
    close(fds[1]);
    char line[16] = { 0 }, url[64];
    struct pollfd ready = { .fd = fds[0], .events = POLLIN };
    ck_assert_int_eq(poll(&ready, 1, 15000), 1);
    ck_assert_int_gt(read(fds[0], line, sizeof(line) - 1), 0);
    close(fds[0]);
    snprintf(url, sizeof(url), "%s://127.0.0.1:%d", scheme, atoi(line));
    setenv("WELCOME_EMAIL_SMTP_URL", url, 1);
}

void sink_start(const char *const *options)
{
    sink_start_with(SMTPSINK, "smtp", options);
}

void sink_start_plain(void)
{
    static const char *const none[] = { NULL };
    folder_open();
    sink_start(none);
}

void sink_start_tls(const char *auth)
{
    folder_open();
    make_certificate();
    const char *const options[] = {
        "--tls-cert", in_folder("cert.pem"), "--tls-key", in_folder("key.pem"), auth ? "--auth" : NULL, auth,
        NULL
    };
    sink_start(options);
    setenv("WELCOME_EMAIL_CA", in_folder("cert.pem"), 1);
}

void sink_stop(void)
{
    if (!sink)
        return;
    kill(sink, SIGKILL);
    waitpid(sink, NULL, 0);
    sink = 0;
}

void sink_clean_up(void)
{
    const char *const argv[] = { "rm", "-rf", folder, NULL };
    sink_stop();
    run_program(argv);
}

/* --- Mails ------------------------------------------------------------------------------------------- */

int send_mail_attempt(const char *payload, int attempt)
{
    job_test_result_done(&got);
    ck_assert_int_eq(
        job_test_run(module_handler(WELCOME_EMAIL_MODULE, "welcome_email"), payload, attempt, &got), 0);
    return got.verdict;
}

int send_mail(const char *payload)
{
    return send_mail_attempt(payload, 1);
}

static int is_mail(const struct dirent *entry)
{
    return strstr(entry->d_name, ".eml") != NULL;
}

const char *mails(int *ret_n)
{
    static char text[1 << 20];
    struct dirent **entries;
    size_t size = 0;
    *ret_n = scandir(in_folder("mail"), &entries, is_mail, alphasort);
    for (int i = 0; i < *ret_n; i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", in_folder("mail"), entries[i]->d_name);
        FILE *file = fopen(path, "r");
        size += fread(text + size, 1, sizeof(text) - 1 - size, file);
        fclose(file);
        free(entries[i]);
    }
    free(entries);
    text[size] = 0;
    return text;
}

const char *one_mail(void)
{
    int n;
    const char *text = mails(&n);
    ck_assert_int_eq(n, 1);
    return text;
}

const char *one_mail_shown(void)
{
    static char text[16384];
    char command[4096];
    int n;
    mails(&n);
    ck_assert_int_eq(n, 1);
    snprintf(command, sizeof(command), "%s %s/mail/[0-9]*.eml", MAILSHOW, folder);
    FILE *shown = popen(command, "r");
    ck_assert_ptr_nonnull(shown);
    text[fread(text, 1, sizeof(text) - 1, shown)] = 0;
    ck_assert_int_eq(pclose(shown), 0);
    return text;
}

void check_lacks(const char *text, const char *part)
{
    ck_assert_msg(!strstr(text, part), "\"%s\" is in:\n%s", part, text);
}

void check_contains(const char *text, const char *part)
{
    ck_assert_msg(text && strstr(text, part), "\"%s\" is missing in:\n%s", part, text ? text : "(nothing)");
}

void check_same(const char *text, const char *expected)
{
    size_t same = 0;
    while (text[same] && text[same] == expected[same])
        same++;
    size_t from = same > 40 ? same - 40 : 0;
    ck_assert_msg(text[same] == expected[same], "expected …%.80s…, found …%.80s…", expected + from,
                  text + from);
}
