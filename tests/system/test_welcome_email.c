/* SPDX-License-Identifier: Apache-2.0 */
/* What welcome_email sends to a mail server that speaks real SMTP. */
#include <stdio.h>
#include <unistd.h>

#include "tests/support/sink.h"
#include "tests/support/suite.h"

/* Replaces what differs from run to run by its name; both strings end at any CR or the given character. */
static void mask(char *text, const char *before, char end, const char *name)
{
    for (char *at = strstr(text, before); at; at = strstr(at, before)) {
        at += strlen(before);
        size_t size = 0, name_size = strlen(name);
        while (at[size] && at[size] != end && at[size] != '\r')
            size++;
        ck_assert_uint_ge(size, name_size);
        memcpy(at, name, name_size);
        memmove(at + name_size, at + size, strlen(at + size) + 1);
    }
}

START_TEST(mail_arrives_in_its_golden_shape)
{
    sink_start_plain();
    ck_assert_int_eq(send_mail("{\"to\": \"ada@example.org\", \"name\": \"Zoë & Co.\"}"), JOB_DONE);
    char text[8192];
    snprintf(text, sizeof(text), "%s", one_mail());
    mask(text, "X-Session: ", ' ', "PORT");
    mask(text, "Date: ", '\r', "DATE");
    mask(text, "Message-ID: <", '@', "ID");
    mask(text, "boundary=", '\r', "BOUNDARY");
    mask(text, "\r\n--------", '\r', "BOUNDARY");
    check_same(text, "X-Envelope-From: hello@shop.example\r\n"
                     "X-Envelope-To: ada@example.org\r\n"
                     "X-Session: PORT plain -\r\n"
                     "Content-Type: multipart/alternative; boundary=BOUNDARY\r\n"
                     "Mime-Version: 1.0\r\n"
                     "Date: DATE\r\n"
                     "From: Shop <hello@shop.example>\r\n"
                     "To: =?UTF-8?Q?Zo=C3=AB_=26_Co=2E?=\r\n"
                     " <ada@example.org>\r\n"
                     "Subject: =?UTF-8?Q?Welcome=2C_Zo=C3=AB_=26_Co=2E=21?=\r\n"
                     "Message-ID: <ID@shop.example>\r\n"
                     "Auto-Submitted: auto-generated\r\n"
                     "\r\n"
                     "--------BOUNDARY\r\n"
                     "Content-Type: text/plain; charset=utf-8\r\n"
                     "Content-Transfer-Encoding: quoted-printable\r\n"
                     "\r\n"
                     "Hello Zo=C3=AB & Co.,\r\n"
                     "\r\n"
                     "welcome aboard! Your account for ada@example.org is ready.\r\n"
                     "\r\n"
                     "If you did not sign up, you can ignore this mail.\r\n"
                     "\r\n"
                     "--------BOUNDARY\r\n"
                     "Content-Type: text/html; charset=utf-8\r\n"
                     "Content-Transfer-Encoding: quoted-printable\r\n"
                     "\r\n"
                     "<!DOCTYPE html>\r\n"
                     "<html lang=3D\"en\">\r\n"
                     "<head><meta charset=3D\"utf-8\"><title>Welcome</title></head>\r\n"
                     "<body style=3D\"font-family: sans-serif\">\r\n"
                     "<p>Hello <strong>Zo=C3=AB &amp; Co.</strong>,</p>\r\n"
                     "<p>welcome aboard! Your account for ada@example.org is ready.</p>\r\n"
                     "<p style=3D\"color: #666\">If you did not sign up, you can ignore this mail.<=\r\n"
                     "/p>\r\n"
                     "</body>\r\n"
                     "</html>\r\n"
                     "\r\n"
                     "--------BOUNDARY\r\n");
    sink_clean_up();
}
END_TEST

START_TEST(result_names_the_message_and_the_servers_answer)
{
    char expected[256];
    sink_start_plain();
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    const char *id = strstr(one_mail(), "Message-ID: <") + strlen("Message-ID: <");
    snprintf(expected, sizeof(expected), "{\"message_id\": \"%.*s\", \"smtp\": \"250 2.0.0 accepted as ",
             (int)strcspn(id, ">"), id);
    ck_assert_ptr_eq(strstr(got.result, expected), got.result);
    ck_assert_ptr_null(got.error);
    sink_clean_up();
}
END_TEST

START_TEST(name_is_taken_from_the_address_when_there_is_none)
{
    sink_start_plain();
    ck_assert_int_eq(send_mail("{\"to\": \"ada@example.org\"}"), JOB_DONE);
    check_contains(one_mail(), "To: ada <ada@example.org>\r\n");
    sink_clean_up();
}
END_TEST

START_TEST(refusals_for_now_are_retried_and_those_for_good_are_not)
{
    int n;
    sink_start_plain();
    ck_assert_int_eq(send_mail("{\"to\": \"tempfail@example.org\", \"name\": \"T\"}"), JOB_RETRY);
    ck_assert_str_eq(got.error, "the mail server refused for now: 451 4.2.1 mailbox busy, try again later");
    ck_assert_int_eq(send_mail("{\"to\": \"goaway@example.org\", \"name\": \"G\"}"), JOB_RETRY);
    ck_assert_str_eq(got.error, "the mail server refused for now: 421 4.3.2 shutting down");
    ck_assert_int_eq(send_mail("{\"to\": \"permfail@example.org\", \"name\": \"P\"}"), JOB_FAIL);
    ck_assert_str_eq(got.error, "the mail server refused: 550 5.1.1 no such mailbox");
    ck_assert_ptr_null(got.result);
    mails(&n);
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(send_mail(ADA), JOB_DONE); /* a refused mail does not spoil the next */
    sink_clean_up();
}
END_TEST

START_TEST(server_that_is_away_is_worth_another_try)
{
    sink_start_plain();
    sink_stop();
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "cannot talk to the mail server: Failed to connect to 127.0.0.1 port ");
    setenv("WELCOME_EMAIL_SMTP_URL", "http://127.0.0.1:1/", 1);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "http");
    setenv("WELCOME_EMAIL_SMTP_URL", "smtp://ada:s3cr@127.0.0.1:1/", 1);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    ck_assert_str_eq(
        got.error, "WELCOME_EMAIL_SMTP_URL: has a login, which belongs into WELCOME_EMAIL_CREDENTIALS_FILE");
    sink_clean_up();
}
END_TEST

START_TEST(second_mail_goes_over_the_same_connection)
{
    int n;
    sink_start_plain();
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    const char *first = strstr(mails(&n), "X-Session: "), *second = strstr(first + 1, "X-Session: ");
    ck_assert_int_eq(n, 2);
    ck_assert_int_eq(strncmp(first, second, strcspn(first, "\r") + 1), 0);
    sink_clean_up();
}
END_TEST

START_TEST(connection_that_ended_meanwhile_costs_no_attempt)
{
    int n;
    sink_start_plain();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(send_mail("{\"to\": \"quitafter@example.org\"}"), JOB_DONE);
    mails(&n);
    ck_assert_int_eq(n, 3);
    sink_clean_up();
}
END_TEST

START_TEST(starttls_is_used_where_it_is_offered)
{
    sink_start_tls(NULL);
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    check_contains(one_mail(), " TLSv1.3 -\r\n");
    sink_clean_up();
}
END_TEST

START_TEST(certificate_that_nobody_vouches_for_gets_no_mail)
{
    int n;
    sink_start_tls(NULL);
    unsetenv("WELCOME_EMAIL_CA");
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "SSL certificate problem");
    mails(&n);
    ck_assert_int_eq(n, 0);
    sink_clean_up();
}
END_TEST

START_TEST(required_tls_that_is_not_offered_gets_no_mail)
{
    int n;
    sink_start_plain();
    setenv("WELCOME_EMAIL_TLS", "require", 1);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "cannot talk to the mail server: STARTTLS not supported");
    setenv("WELCOME_EMAIL_TLS", "maybe", 1);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    ck_assert_str_eq(got.error, "WELCOME_EMAIL_TLS: expected try or require");
    mails(&n);
    ck_assert_int_eq(n, 0);
    sink_clean_up();
}
END_TEST

START_TEST(login_comes_from_the_credentials_file)
{
    sink_start_tls("ada:s3cr:t");
    write_file("login", "ada:s3cr:t\n", 0600);
    setenv("WELCOME_EMAIL_CREDENTIALS_FILE", in_folder("login"), 1);
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    check_contains(one_mail(), " TLSv1.3 ada\r\n");
    sink_clean_up();
}
END_TEST

START_TEST(login_comes_from_the_credentials_directory_of_systemd)
{
    sink_start_tls("ada:s3cr:t");
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY); /* 530: no file, no login */
    check_contains(got.error, "530 ");
    write_file("smtp", "ada:s3cr:t", 0440); /* as it looks with systemd's ACL */
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    check_contains(one_mail(), " TLSv1.3 ada\r\n");
    sink_clean_up();
}
END_TEST

START_TEST(wrong_login_is_worth_another_try_and_not_repeated_in_the_error)
{
    sink_start_tls("ada:right");
    write_file("login", "ada:wr0ng", 0600);
    setenv("WELCOME_EMAIL_CREDENTIALS_FILE", in_folder("login"), 1);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "cannot talk to the mail server: Login denied; its last answer: 535 ");
    ck_assert_ptr_null(strstr(got.error, "wr0ng"));
    sink_clean_up();
}
END_TEST

START_TEST(login_without_tls_is_not_tried_unasked)
{
    static const char *const auth[] = { "--auth", "ada:s3cr:t", NULL };
    folder_open();
    sink_start(auth);
    write_file("login", "ada:s3cr:t", 0600);
    setenv("WELCOME_EMAIL_CREDENTIALS_FILE", in_folder("login"), 1);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "STARTTLS not supported");
    setenv("WELCOME_EMAIL_TLS", "try", 1); /* unless somebody says that this is fine here */
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    check_contains(one_mail(), " plain ada\r\n");
    sink_clean_up();
}
END_TEST

static void check_login_refused(const char *text, mode_t mode, const char *error)
{
    write_file("login", text, mode);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, error);
    ck_assert_ptr_null(strstr(got.error, "s3cr"));
}

START_TEST(unsafe_or_broken_credentials_file_is_refused)
{
    char large[2000];
    memset(large, 's', sizeof(large));
    large[sizeof(large) - 1] = 0;
    memcpy(large, "ada:", 4);
    sink_start_plain();
    setenv("WELCOME_EMAIL_CREDENTIALS_FILE", in_folder("login"), 1);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "/login: No such file or directory");
    check_login_refused("ada:s3cr", 0604, "/login: is readable by others; chmod 600 it");
    check_login_refused("ada:s3cr", 0640, "/login: is readable by others; chmod 600 it");
    check_login_refused("s3cr", 0600, "/login: expected one line, user:password");
    check_login_refused(":s3cr", 0600, "/login: expected one line, user:password");
    check_login_refused("", 0600, "/login: expected one line, user:password");
    check_login_refused(large, 0600, "/login: expected one line, user:password");
    setenv("WELCOME_EMAIL_CREDENTIALS_FILE", folder, 1);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, ": is no regular file");
    sink_clean_up();
}
END_TEST

START_TEST(unusable_payload_fails_for_good_and_names_the_field)
{
    static const struct {
        const char *payload, *error;
    } rows[] = {
        { "", "the payload is no JSON: " },
        { "[]", "to: is missing" },
        { "{\"name\": \"Ada\"}", "to: is missing" },
        { "{\"to\": 5}", "to: is no string" },
        { "{\"to\": \"a@b.c\", \"name\": null}", "name: is no string" },
        { "{\"to\": \"a@b.c\\r\\nRCPT TO:<e@v.il>\"}", "to: has control characters or is no UTF-8" },
        { "{\"to\": \"a@b.c, e@v.il\"}", "to: has a bad part before the @" },
        { "{\"to\": \"a@b.c\", \"name\": \"A\\r\\nBcc: e@v.il\"}",
          "name: has control characters or is no UTF-8" },
        { "{\"to\": \"a@b.c\", \"name\": \"A\\u0000\"}", "name: has control characters" },
        { "{\"to\": \"a@b.c\\u0000\"}", "to: has control characters" },
    };
    int n;
    sink_start_plain();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_int_eq(send_mail(rows[i].payload), JOB_FAIL);
        ck_assert_ptr_eq(strstr(got.error, rows[i].error), got.error);
    }
    mails(&n);
    ck_assert_int_eq(n, 0);
    sink_clean_up();
}
END_TEST

START_TEST(own_templates_may_hold_lines_of_a_single_dot)
{
    sink_start_plain();
    write_file("subject.txt", "Hi", 0644);
    write_file("welcome.txt", "one\n.\n..\nQUIT\n", 0644);
    write_file("welcome.html", "<p>{{to}}", 0644);
    setenv("WELCOME_EMAIL_TEMPLATES", folder, 1);
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    check_contains(one_mail(), "\r\n\r\none\r\n.\r\n..\r\nQUIT\r\n");
    check_contains(one_mail(), "<p>ada@example.org");
    sink_clean_up();
}
END_TEST

SUITE_MAIN("welcome_email", mail_arrives_in_its_golden_shape, result_names_the_message_and_the_servers_answer,
           name_is_taken_from_the_address_when_there_is_none,
           refusals_for_now_are_retried_and_those_for_good_are_not, server_that_is_away_is_worth_another_try,
           second_mail_goes_over_the_same_connection, connection_that_ended_meanwhile_costs_no_attempt,
           starttls_is_used_where_it_is_offered, certificate_that_nobody_vouches_for_gets_no_mail,
           required_tls_that_is_not_offered_gets_no_mail, login_comes_from_the_credentials_file,
           login_comes_from_the_credentials_directory_of_systemd,
           wrong_login_is_worth_another_try_and_not_repeated_in_the_error,
           login_without_tls_is_not_tried_unasked, unsafe_or_broken_credentials_file_is_refused,
           unusable_payload_fails_for_good_and_names_the_field, own_templates_may_hold_lines_of_a_single_dot)
