/* SPDX-License-Identifier: Apache-2.0 */
/* The example of a web service, examples/api, as its clients see it: curl, real servers, a mail sink and ffmpeg. */
#define SUITE_TIMEOUT_S 90
#include <arpa/inet.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/harness.h"
#include "tests/support/shell.h"
#include "tests/support/suite.h"
#include "tests/support/video.h"

static struct site *site;
static struct site_servers *postgres; /* of the test's own; NULL: the shared one */
static pid_t api, sink;
static char base[64]; /* the service's URL, up to its port */
static int port;

static void start_api(const char *kafka, const char *prefix)
{
    char line[64];
    const char *program = shell_ask(site, "echo '%s/examples/api/api'", site_build(site));
    const char *const argv[] = { program,          "--listen",         "127.0.0.1:0", "--uploads",
                                 video_path("in"), "--kafka",          kafka,         "--prefix",
                                 prefix,           "--max-upload-mib", "1",           NULL };
    api = shell_start(argv, line, sizeof(line));
    ck_assert_msg(sscanf(line, "listening on port %d", &port) == 1, "%s", line);
    snprintf(base, sizeof(base), "http://127.0.0.1:%d", port);
}

static void start_with(const char *kafka)
{
    video_open();
    site = site_new(&(struct site_options){
        .queues = "{ name = \"mail\"; partitions = 1; }, { name = \"videos\"; partitions = 1; }",
        .handlers = "{ type = \"welcome_email\"; kind = \"module\"; queue = \"mail\";"
                    "  path = \"${build}/jobs/welcome_email/welcome_email.so\"; },"
                    "{ type = \"encode\"; kind = \"module\"; queue = \"videos\";"
                    "  path = \"${build}/jobs/encode/encode.so\"; }",
    });
    shell_enter(site);
    ck_assert_int_eq(site_jobctl(site, NULL, (const char *const[]){ "topic", "apply", NULL }), 0);
    start_api(kafka ? kafka : site_kafka(site), site_prefix(site));
}

static void start(void)
{
    start_with(NULL);
}

static void stop(void)
{
    if (api)
        ck_assert_int_eq(shell_stop(api, SIGTERM), 0);
    if (sink)
        shell_stop(sink, SIGKILL);
    site_free(site);
    if (postgres)
        site_servers_free(postgres);
    video_close();
}

/* Broker, worker, and a mail server whose mails are in the site's folder. */
static void start_daemons(void)
{
    char line[16], url[64];
    const char *const argv[] = {
        SMTPSINK, "--port", "0", "--port-file", "-", "--dir", site_folder(site), NULL
    };
    sink = shell_start(argv, line, sizeof(line));
    snprintf(url, sizeof(url), "smtp://127.0.0.1:%d", atoi(line));
    setenv("WELCOME_EMAIL_SMTP_URL", url, 1);
    setenv("WELCOME_EMAIL_FROM", "Shop <hello@shop.example>", 1);
    site_start_broker(site);
    site_start_worker(site);
}

/* Status, headers and body as curl shows them; @arguments: printf-like, the URL's path after "$api". */
#define ask(...) ask_at(__LINE__, __VA_ARGS__)
__attribute__((format(printf, 2, 3))) static const char *ask_at(int line, const char *format, ...)
{
    char arguments[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(arguments, sizeof(arguments), format, args);
    va_end(args);
    char *output;
    int status = shell_run(site, &output, "api=%s; curl -sSi -m 30 %s | tr -d '\\r'", base, arguments);
    static char answer[65536];
    snprintf(answer, sizeof(answer), "%s", output);
    free(output);
    ck_assert_msg(status == 0, "line %d: curl %s", line, arguments);
    const char *last = answer; /* behind "100 Continue" */
    while (strncmp(last, "HTTP/1.1 100", 12) == 0 && strstr(last, "\n\n"))
        last = strstr(last, "\n\n") + 2;
    return last;
}

static void check_has(const char *answer, const char *part)
{
    ck_assert_msg(strstr(answer, part) != NULL, "\"%s\" is missing in:\n%s", part, answer);
}

static void check_status(const char *answer, int status)
{
    char start_line[32];
    snprintf(start_line, sizeof(start_line), "HTTP/1.1 %d ", status);
    ck_assert_msg(strncmp(answer, start_line, strlen(start_line)) == 0, "not %d:\n%s", status, answer);
}

static void check_problem(const char *answer, int status, const char *field, const char *rule)
{
    char text[64];
    check_status(answer, status);
    check_has(answer, "Content-Type: application/problem+json\n");
    snprintf(text, sizeof(text), "\"field\":\"%s\"", field);
    if (*field)
        check_has(answer, text);
    check_has(answer, rule);
}

static const char *job_of(const char *answer)
{
    static char id[40];
    const char *at = strstr(answer, "Location: /api/jobs/");
    ck_assert_msg(at != NULL, "%s", answer);
    snprintf(id, sizeof(id), "%.36s", at + strlen("Location: /api/jobs/"));
    return id;
}

static const char *header_of(const char *answer, const char *name)
{
    static char value[256];
    const char *at = strstr(answer, name);
    ck_assert_msg(at != NULL, "no %s in\n%s", name, answer);
    sscanf(at + strlen(name), ": %255[^\n]", value);
    return value;
}

#define REGISTER "-H 'Content-Type: application/json' $api/api/register -d "
#define ADA REGISTER "'{\"email\": \"ada@example.org\", \"name\": \"Ada\"}'"

START_TEST(registered_user_gets_a_mail_and_the_job_is_cacheable_when_it_has_ended)
{
    start();
    const char *answer = ask(ADA), *id = job_of(answer);
    check_status(answer, 202);
    answer = ask("$api/api/jobs/%s", id);
    check_status(answer, 200);
    check_has(answer, "Cache-Control: no-cache\n");
    start_daemons();
    site_await(site, 20, "SELECT state = 'succeeded' FROM job.result WHERE id = '%s'", id);
    check_has(shell_ask(site, "cat *.eml"), "ada@example.org");
    answer = ask("$api/api/jobs/%s", id);
    check_has(answer, "\"state\":\"succeeded\",\"type\":\"welcome_email\",\"attempt\":1,");
    check_has(answer, "Cache-Control: private, max-age=86400\n");
    const char *tag = header_of(answer, "ETag");
    answer = ask("-H 'If-None-Match: \"other\", W/%s' $api/api/jobs/%s", tag, id);
    check_status(answer, 304);
    ck_assert_str_eq(header_of(answer, "ETag"), tag);
    ck_assert_ptr_nonnull(strstr(answer, "\n\n"));
    ck_assert_str_eq(strstr(answer, "\n\n") + 2, "");
    check_status(ask("-H 'If-None-Match: \"other\"' $api/api/jobs/%s", id), 200);
    answer = ask("-I $api/api/jobs/%s", id);
    check_status(answer, 200);
    ck_assert_str_eq(header_of(answer, "ETag"), tag);
    stop();
}
END_TEST

START_TEST(address_that_is_taken_is_a_conflict_and_sends_no_second_mail)
{
    start();
    check_status(ask(ADA), 202);
    check_problem(ask(REGISTER "'{\"email\": \"ADA@example.org\"}'"), 409, "email", "is registered already");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 1);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM public.api_user"), 1);
    stop();
}
END_TEST

/* Somebody may replay it, so no cache may keep it. */
START_TEST(dead_job_is_shown_with_its_error_and_not_cached)
{
    start();
    start_daemons();
    const char *answer = ask(REGISTER "'{\"email\": \"permfail@example.org\"}'"), *id = job_of(answer);
    check_status(answer, 202);
    site_await(site, 20, "SELECT count(*) = 1 FROM job.dead WHERE id = '%s'", id);
    answer = ask("$api/api/jobs/%s", id);
    check_has(answer, "\"state\":\"dead\"");
    check_has(answer, "no such mailbox");
    check_has(answer, "Cache-Control: no-cache\n");
    stop();
}
END_TEST

/* More than there are connections to PostgreSQL. */
START_TEST(many_at_once_are_all_answered_and_one_of_those_with_the_same_address_wins)
{
    start();
    const char *codes = shell_ask(
        site,
        "seq 40 | xargs -P 20 -I{} curl -s -o answer.{} -w '%%{http_code}\\n' -H 'Content-Type: "
        "application/json' -d '{\"email\": \"user{}@example.org\"}' %s/api/register | sort | uniq -c",
        base);
    ck_assert_str_eq(codes + strspn(codes, " "), "40 202");
    codes = shell_ask(
        site,
        "seq 40 | xargs -P 20 -I{} curl -s -o answer.{} -w '%%{http_code}\\n' -H 'Content-Type: "
        "application/json' -d '{\"email\": \"ada@example.org\"}' %s/api/register | sort | uniq -c | tr -s ' '",
        base);
    ck_assert_str_eq(codes, " 1 202\n 39 409");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM public.api_user"), 41);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 41);
    stop();
}
END_TEST

START_TEST(uploaded_video_is_encoded)
{
    start();
    start_daemons();
    video_make("clip.mp4", "");
    video_shell("mv in/clip.mp4 .");
    const char *answer = ask("-F file=@%s $api/api/videos", video_path("clip.mp4")), *id = job_of(answer);
    check_status(answer, 202);
    site_await(site, 30, "SELECT state = 'succeeded' FROM job.result WHERE id = '%s'", id);
    ck_assert_str_eq(video_ask("cmp clip.mp4 in/%s && ffprobe -v error -select_streams v -show_entries "
                               "stream=codec_name -of csv=p=0 out/%s.mp4",
                               id, id),
                     "h264");
    answer = ask("$api/api/jobs/%s", id);
    check_has(answer, "\"state\":\"succeeded\",\"type\":\"encode\"");
    check_has(answer, "\"codec\":\"h264\"");
    check_has(answer, ".mp4\"");
    stop();
}
END_TEST

/* The client's name must never matter, wherever it leads. */
START_TEST(name_of_the_client_is_not_used)
{
    start();
    video_shell("echo film >clip");
    const char *answer =
        ask("-F 'file=@%s;filename=../../../../tmp/evil;type=text/x-sh' $api/api/videos", video_path("clip"));
    check_status(answer, 202);
    ck_assert_str_eq(video_ask("ls -A in"), job_of(answer));
    stop();
}
END_TEST

static void check_register(const char *body, const char *field, const char *rule)
{
    check_problem(ask(REGISTER "%s", body), 400, field, rule);
}

START_TEST(bad_registrations_are_refused_with_field_and_rule)
{
    start();
    check_register("'{'", "body", "is not a JSON object");
    check_register("''", "body", "is not a JSON object");
    check_register("'[1]'", "body", "is not a JSON object");
    check_register("$'\\xff\\xfe'", "body", "is not a JSON object");
    check_register("'{\"email\": \"a@b\", \"email\": \"c@d\"}'", "body", "has a member twice");
    check_register("'{\"name\": \"Ada\"}'", "email", "is missing");
    check_register("'{\"email\": 5}'", "email", "is not a string");
    check_register("'{\"email\": \"\"}'", "email", "is not like local@domain");
    check_register("'{\"email\": \"ada@example.org@example.net\"}'", "email", "is not like local@domain");
    check_register("'{\"email\": \"ada@example.org\\r\\nBcc: eve@example.org\"}'", "email",
                   "has control characters");
    check_register("'{\"email\": \"ada@example.org\\u2028x\"}'", "email", "has control characters");
    check_register("'{\"email\": \"Ada <ada@example.org>\"}'", "email", "has characters");
    check_register("\"{\\\"email\\\": \\\"$(printf 'a%.0s' {1..250})@b.org\\\"}\"", "email",
                   "is longer than 254 bytes");
    check_register("'{\"email\": \"ada@example.org\", \"name\": \"Ada\\nX: y\"}'", "name",
                   "has control characters");
    check_register("'{\"email\": \"ada@example.org\", \"admin\": true}'", "admin", "is not known");
    check_problem(ask("$api/api/register -d '{}'"), 415, "Content-Type", "is not application/json");
    check_problem(ask("-X POST $api/api/register"), 415, "Content-Type", "is not application/json");
    shell_ask(site, "printf '{\"email\": \"%%20000s\"}' x >large");
    check_problem(ask(REGISTER "@large"), 413, "", "too large");
    check_problem(ask("-H 'Transfer-Encoding: chunked' " REGISTER "@large"), 413, "", "too large");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM public.api_user"), 0);
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 0);
    stop();
}
END_TEST

#define MULTIPART "-H 'Content-Type: multipart/form-data; boundary=xx' $api/api/videos --data-binary "

START_TEST(bad_uploads_are_refused_and_leave_no_file)
{
    start();
    shell_ask(
        site,
        ": >empty; echo film >clip; head -c 1100000 /dev/zero >large; head -c 3000000 /dev/zero >larger");
    check_problem(ask("-F file=@empty $api/api/videos"), 400, "file", "is missing or empty");
    check_problem(ask("-F other=@clip $api/api/videos"), 400, "form", "another field");
    check_problem(ask("-F file=@clip -F file=@clip $api/api/videos"), 400, "file", "occurs twice");
    check_problem(ask("-F file=@large $api/api/videos"), 413, "file", "is too large");
    check_problem(ask("-H Expect: -F file=@larger $api/api/videos"), 413, "", "too large");
    check_problem(ask("-H 'Expect: 100-continue' -F file=@larger $api/api/videos"), 413, "", "too large");
    check_problem(ask("-H 'Transfer-Encoding: chunked' -F file=@larger $api/api/videos"), 413, "",
                  "too large");
    check_problem(ask("-H 'Content-Type: video/mp4' --data-binary @clip $api/api/videos"), 415,
                  "Content-Type", "is not");
    check_problem(ask("-H 'Content-Type: multipart/form-data' --data-binary @clip $api/api/videos"), 400,
                  "Content-Type", "has no boundary");
    check_problem(ask(MULTIPART "@clip"), 400, "", "");
    check_problem(ask(MULTIPART "''"), 400, "", "");
    check_problem(ask(MULTIPART "$'--xx\\r\\nContent-Disposition: form-data; name=\"file\"\\r\\n\\r\\nfilm'"),
                  400, "body", "is no complete");
    ck_assert_str_eq(video_ask("ls -A in"), "");
    ck_assert_int_eq(site_ask(site, "SELECT count(*) FROM job.pending"), 0);
    stop();
}
END_TEST

START_TEST(wrong_paths_methods_and_ids_have_their_own_answers)
{
    start();
    check_problem(ask("$api/"), 404, "", "there is no such path");
    check_problem(ask("$api/api/users/1"), 404, "", "there is no such path");
    const char *answer = ask("-X DELETE $api/api/register");
    check_problem(answer, 405, "", "another method");
    check_has(answer, "Allow: POST\n");
    answer = ask("-d x $api/api/users");
    check_problem(answer, 405, "", "another method");
    check_has(answer, "Allow: GET, HEAD\n");
    check_problem(ask("$api/api/jobs/"), 400, "id", "is not a job's id");
    check_problem(ask("$api/api/jobs/1"), 400, "id", "is not a job's id");
    check_problem(ask("--path-as-is $api/api/jobs/../../etc/passwd"), 400, "id", "is not a job's id");
    check_problem(ask("$api/api/jobs/0192f0c1-2d3e-7000-8000-000000000000"), 404, "id",
                  "no job of this service");
    /* Nor a job that exists and is somebody else's. */
    char *id = site_ask_text(site, "SELECT job.enqueue('mail', 'welcome_email', '{}')::text");
    check_problem(ask("$api/api/jobs/%s", id), 404, "id", "no job of this service");
    free(id);
    stop();
}
END_TEST

START_TEST(result_that_may_have_been_deleted_is_gone_and_not_queued)
{
    start();
    site_sql(
        site,
        "INSERT INTO public.api_user (email, name, job) VALUES ('a@b', '', '0192f0c1-2d3e-7000-8000-000000000000')");
    check_problem(ask("$api/api/jobs/0192f0c1-2d3e-7000-8000-000000000000"), 410, "id", "is not kept");
    stop();
}
END_TEST

START_TEST(users_are_listed_page_by_page)
{
    start();
    site_sql(
        site,
        "INSERT INTO public.api_user (email, name, job) SELECT i || '@example.org', 'Ä', gen_random_uuid() "
        "FROM generate_series(1, 5) i");
    char path[256] = "/api/users?limit=2", seen[16] = "";
    for (int page = 1; page <= 3; page++) {
        const char *answer = ask("'%s%s'", base, path);
        check_status(answer, 200);
        for (const char *at = answer; (at = strstr(at, "\"email\":\"")); at++)
            strncat(seen, at + strlen("\"email\":\""), 1);
        if (page == 3)
            ck_assert_ptr_null(strstr(answer, "Link:"));
        else
            ck_assert_int_eq(sscanf(header_of(answer, "Link"), "<%255[^>]>; rel=\"next\"", path), 1);
    }
    ck_assert_str_eq(seen, "12345");
    check_has(ask("\"$api/api/users?after=9223372036854775807\""), "{\"users\":[]}");
    check_problem(ask("\"$api/api/users?limit=0\""), 400, "limit", "is not a number from 1 to 100");
    check_problem(ask("\"$api/api/users?limit=101\""), 400, "limit", "is not a number");
    check_problem(ask("\"$api/api/users?limit=1x\""), 400, "limit", "is not a number");
    check_problem(ask("\"$api/api/users?after=-1\""), 400, "after", "is not a number");
    check_problem(ask("\"$api/api/users?after=99999999999999999999\""), 400, "after", "is not a number");
    stop();
}
END_TEST

static int connect_to_api(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void say(int fd, const char *text)
{
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

#define FIRST_HALF "--xx\r\nContent-Disposition: form-data; name=\"file\"; "
#define SECOND_HALF "filename=x\r\n\r\nfilm\r\n--xx--\r\n"

/* An upload of which the first half is sent, and known to be taken. */
static int begin_upload(void)
{
    char answer[64] = "";
    int fd = connect_to_api();
    ck_assert_int_ge(fd, 0);
    dprintf(fd,
            "POST /api/videos HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %zu\r\n"
            "Content-Type: multipart/form-data; boundary=xx\r\n\r\n",
            strlen(FIRST_HALF SECOND_HALF));
    ck_assert_int_gt(read(fd, answer, sizeof(answer) - 1), 0);
    check_has(answer, "100 Continue");
    say(fd, FIRST_HALF);
    return fd;
}

static bool accepts_connections(void)
{
    int fd = connect_to_api();
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

START_TEST(sigterm_answers_what_is_under_way_and_takes_nothing_new)
{
    start();
    char answer[1024] = "";
    int fd = begin_upload();
    kill(api, SIGTERM);
    for (int i = 0; i < 500 && accepts_connections(); i++)
        usleep(10000);
    ck_assert(!accepts_connections());
    say(fd, SECOND_HALF);
    for (size_t size = 0; size < sizeof(answer) - 1;) {
        ssize_t n = read(fd, answer + size, sizeof(answer) - 1 - size);
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    check_status(answer, 202);
    check_has(answer, "Connection: close");
    ck_assert_int_eq(shell_stop(api, 0), 0);
    api = 0;
    site_records_free(site_await_records(site, "videos", 1, 5));
    close(fd);
    stop();
}
END_TEST

START_TEST(upload_that_breaks_off_leaves_nothing)
{
    start();
    int fd = begin_upload();
    close(fd);
    fd = begin_upload();
    shell_stop(api, SIGKILL);
    close(fd);
    ck_assert_str_eq(video_ask("ls -A in"), "");
    start_api(site_kafka(site), site_prefix(site));
    check_status(ask("$api/api/users"), 200);
    stop();
}
END_TEST

START_TEST(service_bears_that_postgresql_goes_and_comes)
{
    postgres = site_servers_start("postgres");
    start();
    check_status(ask("$api/api/users"), 200);
    site_servers_run(postgres, "kill");
    const char *answer = ask(ADA);
    check_problem(answer, 503, "", "the database cannot be reached");
    check_has(answer, "Retry-After: 5\n");
    check_status(ask("$api/api/users"), 503);
    check_status(ask("$api/api/jobs/0192f0c1-2d3e-7000-8000-000000000000"), 503);
    site_servers_run(postgres, "start");
    site_await(site, 20, "SELECT true");
    check_status(ask(ADA), 202);
    stop();
}
END_TEST

START_TEST(upload_is_not_accepted_while_kafka_is_away)
{
    start_with("127.0.0.1:1");
    shell_ask(site, "echo film >clip");
    const char *answer = ask("-F file=@clip $api/api/videos");
    check_problem(answer, 503, "", "Kafka has not answered in time");
    check_has(answer, "Retry-After: 5\n");
    check_status(ask(ADA), 202); /* needs no Kafka */
    stop();
}
END_TEST

START_TEST(upload_whose_job_kafka_refuses_leaves_no_file)
{
    start();
    shell_stop(api, SIGTERM);
    start_api(site_kafka(site), "nobodys"); /* there is no topic nobodys.videos */
    shell_ask(site, "echo film >clip");
    check_problem(ask("-F file=@clip $api/api/videos"), 503, "", "Kafka has not taken the job");
    ck_assert_str_eq(video_ask("ls -A in"), "");
    stop();
}
END_TEST

START_TEST(wrong_options_end_it_with_a_reason)
{
    char *output;
    start();
    const char *program = shell_ask(site, "echo '%s/examples/api/api'", site_build(site));
    check_has(shell_ask(site, "%s --help", program), "$API_UPLOADS");
    ck_assert_int_eq(shell_run(site, &output, "%s --nonsense", program), 2);
    free(output);
    ck_assert_int_eq(shell_run(site, &output, "%s more", program), 2);
    check_has(output, "more?");
    free(output);
    ck_assert_int_eq(shell_run(site, &output, "%s --uploads nowhere", program), 1);
    check_has(output, "nowhere: No such file");
    free(output);
    ck_assert_int_eq(shell_run(site, &output, "%s --uploads . --max-upload-mib 0", program), 1);
    check_has(output, "max-upload-mib is not");
    free(output);
    ck_assert_int_eq(shell_run(site, &output, "%s --uploads . --listen here", program), 1);
    check_has(output, "listen: here");
    free(output);
    stop();
}
END_TEST

SUITE_MAIN("api", registered_user_gets_a_mail_and_the_job_is_cacheable_when_it_has_ended,
           address_that_is_taken_is_a_conflict_and_sends_no_second_mail,
           dead_job_is_shown_with_its_error_and_not_cached,
           many_at_once_are_all_answered_and_one_of_those_with_the_same_address_wins,
           uploaded_video_is_encoded, name_of_the_client_is_not_used,
           bad_registrations_are_refused_with_field_and_rule, bad_uploads_are_refused_and_leave_no_file,
           wrong_paths_methods_and_ids_have_their_own_answers,
           result_that_may_have_been_deleted_is_gone_and_not_queued, users_are_listed_page_by_page,
           sigterm_answers_what_is_under_way_and_takes_nothing_new, upload_that_breaks_off_leaves_nothing,
           service_bears_that_postgresql_goes_and_comes, upload_is_not_accepted_while_kafka_is_away,
           upload_whose_job_kafka_refuses_leaves_no_file, wrong_options_end_it_with_a_reason)
