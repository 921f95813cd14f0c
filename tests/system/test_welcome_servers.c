/* SPDX-License-Identifier: Apache-2.0 */
/* Logins, TLS and refusals of welcome_email at two mail servers that have nothing in common, and its rates. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/sink.h"
#include "tests/support/suite.h"

static int n_mails(void)
{
    int n;
    mails(&n);
    return n;
}

/* A sink with a certificate and @options. */
static void start(const char *program, const char *scheme, const char *const *options)
{
    const char *all[16] = { "--tls-cert", in_folder("cert.pem"), "--tls-key", in_folder("key.pem") };
    make_certificate();
    for (size_t i = 4; *options; i++)
        all[i] = *options++;
    sink_start_with(program, scheme, all);
    setenv("WELCOME_EMAIL_CA", in_folder("cert.pem"), 1);
}

static void log_in_with(const char *variable, const char *secret)
{
    write_file("login", secret, 0600);
    setenv(variable, in_folder("login"), 1);
}

/* --- Logins --------------------------------------------------------------------------------------------- */

static void check_mechanism(const char *mechanism, const char *server_option, const char *variable)
{
    char expected[64];
    const char *const options[] = { server_option, "ada:s3cr:t", NULL };
    folder_open();
    start(SMTPSINK, "smtp", options);
    log_in_with(variable, "ada:s3cr:t\n");
    setenv("WELCOME_EMAIL_AUTH", mechanism, 1);
    ck_assert_msg(send_mail(ADA) == JOB_DONE, "%s", got.error ? got.error : "");
    snprintf(expected, sizeof(expected), " TLSv1.3 ada\r\nX-Mechanism: %s\r\n", mechanism);
    check_contains(one_mail(), expected);
    sink_clean_up();
}

START_TEST(password_goes_by_plain)
{
    check_mechanism("PLAIN", "--auth", "WELCOME_EMAIL_CREDENTIALS_FILE");
}
END_TEST

START_TEST(password_goes_by_login)
{
    check_mechanism("LOGIN", "--auth", "WELCOME_EMAIL_CREDENTIALS_FILE");
}
END_TEST

START_TEST(bearer_token_goes_by_xoauth2)
{
    check_mechanism("XOAUTH2", "--token", "WELCOME_EMAIL_TOKEN_FILE");
}
END_TEST

START_TEST(bearer_token_goes_by_oauthbearer)
{
    check_mechanism("OAUTHBEARER", "--token", "WELCOME_EMAIL_TOKEN_FILE");
}
END_TEST

START_TEST(token_that_has_run_out_is_tried_again_and_read_anew)
{
    static const char *const options[] = { "--token", "ada:new", NULL };
    folder_open();
    start(SMTPSINK, "smtp", options);
    log_in_with("WELCOME_EMAIL_TOKEN_FILE", "ada:0ld");
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "cannot talk to the mail server: ");
    check_contains(got.error, "535 ");
    ck_assert_ptr_null(strstr(got.error, "0ld"));
    log_in_with("WELCOME_EMAIL_TOKEN_FILE", "ada:new");
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    sink_clean_up();
}
END_TEST

START_TEST(token_is_long_and_read_from_systemds_credentials)
{
    char token[2600];
    memset(token, 't', sizeof(token));
    memcpy(token, "ada:", 4);
    token[sizeof(token) - 1] = 0;
    const char *const options[] = { "--token", token, "--tls-at-once", NULL };
    folder_open();
    start(SMTPSINK, "smtps", options);
    write_file("smtp-token", token, 0600);
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    ck_assert_msg(send_mail(ADA) == JOB_DONE, "%s", got.error ? got.error : "");
    sink_clean_up();
}
END_TEST

START_TEST(token_needs_tls_and_no_password_beside_it)
{
    static const char *const options[] = { "--token", "ada:t0ken", NULL };
    folder_open();
    sink_start(options);
    log_in_with("WELCOME_EMAIL_TOKEN_FILE", "ada:t0ken");
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "STARTTLS not supported");
    setenv("WELCOME_EMAIL_CREDENTIALS_FILE", in_folder("login"), 1);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    ck_assert_str_eq(got.error, "WELCOME_EMAIL_TOKEN_FILE: there is a password, too; take one of them away");
    unsetenv("WELCOME_EMAIL_CREDENTIALS_FILE");
    write_file("login", "ada:t0ken", 0644);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "/login: is readable by others; chmod 600 it");
    write_file("login", "t0ken", 0600);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "/login: expected one line, user:token");
    setenv("WELCOME_EMAIL_AUTH", "MAGIC", 1);
    write_file("login", "ada:t0ken", 0600);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "WELCOME_EMAIL_AUTH: expected a mechanism");
    ck_assert_int_eq(n_mails(), 0);
    sink_clean_up();
}
END_TEST

START_TEST(tls_may_begin_with_the_first_byte)
{
    int n;
    static const char *const options[] = { "--auth", "ada:s3cr:t", "--tls-at-once", NULL };
    folder_open();
    start(SMTPSINK, "smtps", options);
    log_in_with("WELCOME_EMAIL_CREDENTIALS_FILE", "ada:s3cr:t");
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    const char *first = strstr(mails(&n), "X-Session: "), *second = strstr(first + 1, "X-Session: ");
    check_contains(first, " TLSv1.3 ada\r\n");
    ck_assert_int_eq(strncmp(first, second, strcspn(first, "\r") + 1), 0); /* the same connection */
    unsetenv("WELCOME_EMAIL_CA");
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "SSL certificate problem");
    ck_assert_int_eq(n_mails(), 2);
    sink_clean_up();
}
END_TEST

/* --- The other server ----------------------------------------------------------------------------------- */

static void check_other(const char *mechanism)
{
    char expected[64];
    const char *const options[] = { "--auth", "ada:s3cr:t", NULL };
    folder_open();
    start(SMTPSINK_TWISTED, "smtp", options);
    log_in_with("WELCOME_EMAIL_CREDENTIALS_FILE", "ada:s3cr:t");
    setenv("WELCOME_EMAIL_AUTH", mechanism, 1);
    ck_assert_msg(
        send_mail(
            "{\"to\": [\"permfail@example.org\", \"ada@example.org\"], \"name\": \"Zoë\", \"attachments\":"
            " [{\"content\": \"aGVsbG8=\", \"name\": \"ä.txt\"}]}") == JOB_DONE,
        "%s", got.error ? got.error : "");
    snprintf(expected, sizeof(expected), " TLS ada\r\nX-Mechanism: %s\r\n", mechanism);
    check_contains(one_mail(), expected);
    check_contains(one_mail(), "X-Envelope-To: ada@example.org\r\n");
    check_contains(one_mail_shown(), "To: Zoë <permfail@example.org>, ada@example.org\n");
    check_contains(one_mail_shown(), "  text/plain name=ä.txt is=attachment: 5 2cf24dba5fb0a30e\n");
    check_contains(got.result, "\"refused\": [{\"recipient\": \"to[0]\", \"smtp\": \"550 ");
    sink_clean_up();
}

START_TEST(another_server_takes_mail_with_tls_and_plain)
{
    check_other("PLAIN");
}
END_TEST

START_TEST(another_server_takes_mail_with_tls_and_login)
{
    check_other("LOGIN");
}
END_TEST

START_TEST(another_server_takes_mail_with_tls_and_cram_md5)
{
    check_other("CRAM-MD5");
}
END_TEST

START_TEST(another_server_refuses_a_wrong_login_and_keeps_the_connection_for_a_right_one)
{
    int n;
    static const char *const options[] = { "--auth", "ada:right", NULL };
    folder_open();
    start(SMTPSINK_TWISTED, "smtp", options);
    log_in_with("WELCOME_EMAIL_CREDENTIALS_FILE", "ada:wr0ng");
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "cannot talk to the mail server: ");
    unsetenv("WELCOME_EMAIL_CREDENTIALS_FILE");
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY); /* 530 is about the login, too */
    check_contains(got.error, "530 5.7.0 Authentication required");
    log_in_with("WELCOME_EMAIL_CREDENTIALS_FILE", "ada:right");
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    const char *first = strstr(mails(&n), "X-Session: "), *second = strstr(first + 1, "X-Session: ");
    ck_assert_int_eq(n, 2);
    ck_assert_int_eq(strncmp(first, second, strcspn(first, "\r") + 1), 0);
    sink_clean_up();
}
END_TEST

/* --- Refusals of the mail itself ------------------------------------------------------------------------ */

START_TEST(refusal_of_the_text_is_judged_by_its_class)
{
    sink_start_plain();
    ck_assert_int_eq(send_mail("{\"to\": \"fulldata@example.org\"}"), JOB_RETRY);
    ck_assert_str_eq(got.error, "the mail server refused for now: 452 4.3.1 disk full");
    ck_assert_int_eq(send_mail("{\"to\": \"spamdata@example.org\"}"), JOB_FAIL);
    ck_assert_str_eq(got.error, "the mail server refused: 554 5.7.1 looks like spam");
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    sink_clean_up();
}
END_TEST

START_TEST(mail_too_large_for_the_server_is_dead_at_once)
{
    static const char *const options[] = { "--size", "100", NULL };
    folder_open();
    sink_start(options);
    ck_assert_int_eq(send_mail(ADA), JOB_FAIL);
    check_contains(got.error, "the mail server refused: 552 ");
    sink_clean_up();
}
END_TEST

/* --- Rates ---------------------------------------------------------------------------------------------- */

START_TEST(domain_that_has_had_its_share_makes_mails_wait_and_no_other)
{
    sink_start_plain();
    setenv("WELCOME_EMAIL_RATE", "example.org=2/h, slow.example=1/h", 1);
    setenv("WELCOME_EMAIL_RATE_FILE", in_folder("rate"), 1);
    ck_assert_int_eq(send_mail(ADA), JOB_DONE);
    ck_assert_int_eq(send_mail("{\"to\": \"bob@EXAMPLE.org\"}"), JOB_DONE);
    ck_assert_int_eq(send_mail(ADA), JOB_SNOOZE);
    ck_assert_str_eq(got.error, "the rate of a recipient's domain is reached");
    ck_assert_int_gt(got.retry_after_ms, 1000);
    ck_assert_int_le(got.retry_after_ms, 30 * 60 * 1000 + 1);
    ck_assert_int_eq(send_mail("{\"to\": \"ada@fast.example\"}"), JOB_DONE);
    ck_assert_int_eq(send_mail("{\"to\": \"a@slow.example\", \"bcc\": \"ada@example.org\"}"), JOB_SNOOZE);
    ck_assert_int_eq(send_mail("{\"to\": \"a@slow.example\"}"), JOB_DONE); /* its token was not taken */
    ck_assert_int_eq(send_mail("{\"to\": \"a@slow.example\"}"), JOB_SNOOZE);
    ck_assert_int_eq(n_mails(), 4);
    sink_clean_up();
}
END_TEST

START_TEST(unusable_rates_are_worth_another_try)
{
    sink_start_plain();
    setenv("WELCOME_EMAIL_RATE", "example.org=1/s example.net=lots", 1);
    setenv("WELCOME_EMAIL_RATE_FILE", in_folder("rate"), 1);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    ck_assert_str_eq(got.error,
                     "WELCOME_EMAIL_RATE: \"example.net=lots\" is no rule like gmail.com=20/s or *=100/m:10");
    setenv("WELCOME_EMAIL_RATE", "*=1/s", 1);
    setenv("WELCOME_EMAIL_RATE_FILE", in_folder("nowhere/rate"), 1);
    ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
    check_contains(got.error, "/nowhere/rate: No such file or directory");
    ck_assert_int_eq(n_mails(), 0);
    sink_clean_up();
}
END_TEST

SUITE_MAIN("welcome_servers", password_goes_by_plain, password_goes_by_login, bearer_token_goes_by_xoauth2,
           bearer_token_goes_by_oauthbearer, token_that_has_run_out_is_tried_again_and_read_anew,
           token_is_long_and_read_from_systemds_credentials, token_needs_tls_and_no_password_beside_it,
           tls_may_begin_with_the_first_byte, another_server_takes_mail_with_tls_and_plain,
           another_server_takes_mail_with_tls_and_login, another_server_takes_mail_with_tls_and_cram_md5,
           another_server_refuses_a_wrong_login_and_keeps_the_connection_for_a_right_one,
           refusal_of_the_text_is_judged_by_its_class, mail_too_large_for_the_server_is_dead_at_once,
           domain_that_has_had_its_share_makes_mails_wait_and_no_other, unusable_rates_are_worth_another_try)
