/* SPDX-License-Identifier: Apache-2.0 */
/* Mails of more than two texts and one recipient, sent over real SMTP and read by another program's MIME parser. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/sink.h"
#include "tests/support/suite.h"

#define PIXEL "iVBORw0KGgo="

static void files_open(void)
{
    ck_assert_int_eq(mkdir(in_folder("files"), 0700), 0);
    setenv("WELCOME_EMAIL_ATTACHMENTS", in_folder("files"), 1);
}

static void templates_open(void)
{
    ck_assert_int_eq(mkdir(in_folder("templates"), 0700), 0);
    setenv("WELCOME_EMAIL_TEMPLATES", in_folder("templates"), 1);
}

static int n_mails(void)
{
    int n;
    mails(&n);
    return n;
}

static void check_fails(const char *payload, int verdict, const char *error)
{
    ck_assert_int_eq(send_mail(payload), verdict);
    ck_assert_ptr_nonnull(got.error);
    ck_assert_str_eq(got.error, error);
    ck_assert_int_eq(n_mails(), 0);
}

START_TEST(attachments_and_inline_images_are_read_by_others_as_they_were_meant)
{
    sink_start_plain();
    files_open();
    write_file("files/terms.pdf", "%PDF-1.7 of a kind", 0600);
    ck_assert_int_eq(
        send_mail("{\"to\": \"ada@example.org\", \"name\": \"Ada\", \"attachments\": ["
                  "{\"file\": \"terms.pdf\", \"name\": \"Geschäftsbedingungen und noch einiges mehr,"
                  " das nicht in eine Zeile passt.pdf\"},"
                  "{\"content\": \"aGVsbG8=\", \"name\": \"a \\\"b\\\"; c.txt\"},"
                  "{\"content\": \"" PIXEL "\", \"name\": \"logo.png\", \"cid\": \"logo\"},"
                  "{\"content\": \"\", \"name\": \"empty.bin\", \"type\": \"application/x-none\"}]}"),
        JOB_DONE);
    check_same(
        one_mail_shown(),
        "From: Shop <hello@shop.example>\n"
        "To: Ada <ada@example.org>\n"
        "Subject: Welcome, Ada!\n"
        "Auto-Submitted: auto-generated\n"
        "multipart/mixed\n"
        "  multipart/alternative\n"
        "    text/plain: Hello Ada,\n"
        "    multipart/related\n"
        "      text/html: <!DOCTYPE html>\n"
        "      image/png name=logo.png cid=<logo> is=inline: 8 4c4b6a3be1314ab8\n"
        "  application/pdf name=Geschäftsbedingungen und noch einiges mehr, das nicht in eine Zeile passt.pdf"
        " is=attachment: 18 3798c7b988190ea8\n"
        "  text/plain name=a \"b\"; c.txt is=attachment: 5 2cf24dba5fb0a30e\n"
        "  application/x-none name=empty.bin is=attachment: 0 e3b0c44298fc1c14\n");
    sink_clean_up();
}
END_TEST

START_TEST(large_attachment_arrives_whole)
{
    char expected[128] = "application/octet-stream name=large.bin is=attachment: 5242880 ", command[256];
    sink_start_plain();
    files_open();
    snprintf(command, sizeof(command), "head -c 5242880 /dev/urandom >%s; sha256sum <%s",
             in_folder("files/large.bin"), in_folder("files/large.bin"));
    FILE *sum = popen(command, "r");
    ck_assert_uint_eq(fread(expected + strlen(expected), 1, 16, sum), 16);
    while (fgetc(sum) != EOF)
        continue;
    ck_assert_int_eq(pclose(sum), 0);
    ck_assert_int_eq(send_mail("{\"to\": \"ada@example.org\", \"attachments\": [{\"file\": \"large.bin\"}]}"),
                     JOB_DONE);
    check_contains(one_mail_shown(), expected);
    sink_clean_up();
}
END_TEST

START_TEST(every_recipient_gets_it_and_nobody_sees_the_blind_copies)
{
    sink_start_plain();
    ck_assert_int_eq(
        send_mail(
            "{\"to\": [{\"address\": \"ada@example.org\", \"name\": \"Zoë, Ada\"}, \"bob@example.org\"],"
            " \"cc\": {\"address\": \"carol@example.org\", \"name\": \"Carol\"},"
            " \"bcc\": [\"dan@example.org\", \"ada@example.org\"],"
            " \"reply_to\": {\"address\": \"help@shop.example\", \"name\": \"Help\"},"
            " \"subject\": \"Grüße — und ein langer Betreff, der in keine einzelne Zeile eines Kopfes passt\","
            " \"headers\": {\"List-Unsubscribe\": \"<https://shop.example/u?id=1>, <mailto:u@shop.example>\","
            " \"X-Campaign\": \"Frühling\"}}"),
        JOB_DONE);
    check_contains(one_mail(),
                   "X-Envelope-To: ada@example.org, bob@example.org, carol@example.org, dan@example.org\r\n");
    check_same(one_mail_shown(),
               "From: Shop <hello@shop.example>\n"
               "To: \"Zoë, Ada\" <ada@example.org>, bob@example.org\n"
               "Cc: Carol <carol@example.org>\n"
               "Reply-To: Help <help@shop.example>\n"
               "Subject: Grüße — und ein langer Betreff, der in keine einzelne Zeile eines Kopfes passt\n"
               "Auto-Submitted: auto-generated\n"
               "List-Unsubscribe: <https://shop.example/u?id=1>, <mailto:u@shop.example>\n"
               "X-Campaign: Frühling\n"
               "multipart/alternative\n"
               "  text/plain: Hello Zoë, Ada,\n"
               "  text/html: <!DOCTYPE html>\n");
    check_lacks(strstr(one_mail(), "X-Session: "), "dan@");
    sink_clean_up();
}
END_TEST

START_TEST(international_domains_are_translated_and_international_names_need_smtputf8)
{
    sink_start_plain();
    ck_assert_int_eq(send_mail("{\"to\": \"ada@Bücher.example\", \"name\": \"Ada\"}"), JOB_DONE);
    check_contains(one_mail(), "X-Envelope-To: ada@xn--bcher-kva.example\r\n");
    check_contains(one_mail(), "To: Ada <ada@xn--bcher-kva.example>\r\n");
    check_lacks(one_mail_shown(), "not ASCII");
    sink_clean_up();
}
END_TEST

START_TEST(international_address_goes_out_as_utf8)
{
    sink_start_plain();
    ck_assert_int_eq(send_mail("{\"to\": \"zoë@例え.example\", \"name\": \"Zoë\"}"), JOB_DONE);
    check_contains(one_mail(), "X-Envelope-To: zoë@xn--r8jz45g.example\r\n");
    check_contains(one_mail(), " <zoë@xn--r8jz45g.example>\r\n");
    sink_clean_up();
}
END_TEST

START_TEST(server_without_smtputf8_gets_no_international_address)
{
    static const char *const options[] = { "--no-utf8", NULL };
    folder_open();
    sink_start(options);
    check_fails("{\"to\": \"zoë@example.org\"}", JOB_FAIL,
                "the mail server takes no international addresses (SMTPUTF8)");
    check_fails("{\"to\": \"ada@example.org\", \"bcc\": \"zoë@example.org\"}", JOB_FAIL,
                "the mail server takes no international addresses (SMTPUTF8)");
    ck_assert_int_eq(send_mail("{\"to\": \"ada@bücher.example\"}"), JOB_DONE); /* needs none */
    sink_clean_up();
}
END_TEST

START_TEST(recipients_refused_for_good_do_not_keep_it_from_the_others)
{
    sink_start_plain();
    ck_assert_int_eq(send_mail("{\"to\": [\"permfail1@example.org\", \"ada@example.org\"],"
                               " \"cc\": \"permfail2@example.org\"}"),
                     JOB_DONE);
    check_contains(one_mail(), "X-Envelope-To: ada@example.org\r\n");
    check_contains(got.result,
                   "\"refused\": [{\"recipient\": \"to[0]\", \"smtp\": \"550 5.1.1 no such mailbox\"},"
                   " {\"recipient\": \"cc\", \"smtp\": \"550 5.1.1 no such mailbox\"}]}");
    sink_clean_up();
}
END_TEST

START_TEST(mail_that_every_recipient_is_refused_of_is_dead_at_once)
{
    sink_start_plain();
    check_fails("{\"to\": [\"permfail1@example.org\", \"permfail2@example.org\"]}", JOB_FAIL,
                "the mail server refused to[0]: 550 5.1.1 no such mailbox");
    sink_clean_up();
}
END_TEST

START_TEST(recipient_refused_for_now_holds_it_back_so_that_nobody_gets_it_twice)
{
    static const char payload[] =
        "{\"to\": [\"permfail@example.org\", \"ada@example.org\", \"tempfail@example.org\"]}";
    sink_start_plain();
    check_fails(payload, JOB_RETRY,
                "the mail server refused to[2] for now: 451 4.2.1 mailbox busy, try again later");
    ck_assert_int_eq(send_mail_attempt(payload, 25), JOB_DONE); /* but not at the last try */
    check_contains(one_mail(), "X-Envelope-To: ada@example.org\r\n");
    check_contains(got.result,
                   "{\"recipient\": \"to[2]\", \"smtp\": \"451 4.2.1 mailbox busy, try again later\"}");
    sink_clean_up();
}
END_TEST

START_TEST(last_try_without_any_recipient_left_is_a_failure)
{
    sink_start_plain();
    ck_assert_int_eq(send_mail_attempt("{\"to\": [\"permfail@example.org\", \"tempfail@example.org\"]}", 25),
                     JOB_RETRY);
    ck_assert_str_eq(got.error,
                     "the mail server refused to[1] for now: 451 4.2.1 mailbox busy, try again later");
    ck_assert_int_eq(n_mails(), 0);
    sink_clean_up();
}
END_TEST

START_TEST(template_of_the_payload_renders_variables_sections_and_partials)
{
    sink_start_plain();
    templates_open();
    write_file("templates/order.subject.txt", "Order {{order.id}} & more\n", 0600);
    write_file("templates/order.txt", "{{#order.items}}\n- {{.}}\n{{/order.items}}\n{{> footer}}\n", 0600);
    write_file("templates/order.html",
               "<ul>{{#order.items}}<li>{{.}}</li>{{/order.items}}</ul>{{> footer}}\n", 0600);
    write_file("templates/footer.txt", "Yours, {{to}}\n", 0600);
    write_file("templates/footer.html", "<p>Yours, {{to}}</p>\n", 0600);
    ck_assert_int_eq(
        send_mail("{\"to\": \"ada@example.org\", \"template\": \"order\", \"variables\": {\"order\": {"
                  "\"id\": 7, \"items\": [\"<script>alert(1)</script>\", \"b\\nc\"]}}}"),
        JOB_DONE);
    check_contains(one_mail(), "Subject: Order 7 & more\r\n");
    check_contains(one_mail(), "\r\n- <script>alert(1)</script>\r\n- b\r\nc\r\nYours, ada@example.org\r\n");
    check_contains(one_mail(), "<ul><li>&lt;script&gt;alert(1)&lt;/script&gt;</li><li>b");
    check_contains(one_mail(), "<p>Yours, ada@example.org</p>\r\n");
    sink_clean_up();
}
END_TEST

START_TEST(template_may_have_one_part_only)
{
    sink_start_plain();
    templates_open();
    write_file("templates/plain.subject.txt", "x", 0600);
    write_file("templates/plain.txt", "only text", 0600);
    ck_assert_int_eq(send_mail("{\"to\": \"ada@example.org\", \"template\": \"plain\"}"), JOB_DONE);
    check_contains(one_mail_shown(), "multipart/alternative\n  text/plain: only text\n");
    check_lacks(one_mail_shown(), "text/html");
    ck_assert_int_eq(send_mail("{\"to\": \"ada@example.org\", \"template\": \"plain\", \"attachments\":"
                               " [{\"content\": \"" PIXEL "\", \"name\": \"l.png\", \"cid\": \"l\"}]}"),
                     JOB_FAIL);
    ck_assert_str_eq(got.error, "attachments[0].cid: the template has no HTML part");
    sink_clean_up();
}
END_TEST

START_TEST(template_that_is_not_there_is_named_and_tried_again)
{
    sink_start_plain();
    ck_assert_int_eq(send_mail("{\"to\": \"ada@example.org\", \"template\": \"nothing\"}"), JOB_RETRY);
    check_contains(got.error, "/nothing.subject.txt: No such file or directory");
    ck_assert_int_eq(
        send_mail("{\"to\": \"ada@example.org\", \"template\": \"nothing\", \"subject\": \"x\"}"), JOB_RETRY);
    check_contains(got.error, "/nothing.txt: No such file or directory");
    ck_assert_int_eq(n_mails(), 0);
    sink_clean_up();
}
END_TEST

START_TEST(variable_that_would_end_the_subject_line_is_refused)
{
    sink_start_plain();
    templates_open();
    write_file("templates/x.subject.txt", "Hi {{{v}}}", 0600);
    write_file("templates/x.txt", "x", 0600);
    check_fails(
        "{\"to\": \"ada@example.org\", \"template\": \"x\", \"variables\": {\"v\": \"a\\r\\nBcc: e@v.il\"}}",
        JOB_FAIL, "x.subject.txt: line 1: \"v\" has control characters");
    sink_clean_up();
}
END_TEST

START_TEST(missing_variable_stops_the_mail_where_that_is_set)
{
    sink_start_plain();
    templates_open();
    write_file("templates/x.subject.txt", "Hi", 0600);
    write_file("templates/x.txt", "Hello,\n{{surname}}!", 0600);
    setenv("WELCOME_EMAIL_MISSING", "fail", 1);
    check_fails("{\"to\": \"ada@example.org\", \"template\": \"x\"}", JOB_FAIL,
                "x.txt: line 2: \"surname\" has no value");
    setenv("WELCOME_EMAIL_MISSING", "maybe", 1);
    check_fails("{\"to\": \"ada@example.org\"}", JOB_RETRY, "WELCOME_EMAIL_MISSING: expected empty or fail");
    unsetenv("WELCOME_EMAIL_MISSING");
    ck_assert_int_eq(send_mail("{\"to\": \"ada@example.org\", \"template\": \"x\"}"), JOB_DONE);
    check_contains(one_mail(), "Hello,\r\n!");
    sink_clean_up();
}
END_TEST

START_TEST(mail_larger_than_allowed_is_refused_before_it_is_sent)
{
    sink_start_plain();
    files_open();
    char text[301];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    write_file("files/a.bin", text, 0600);
    setenv("WELCOME_EMAIL_MAX_SIZE", "1000", 1);
    ck_assert_int_eq(send_mail("{\"to\": \"ada@example.org\", \"attachments\": [{\"file\": \"a.bin\"}]}"),
                     JOB_DONE);
    setenv("WELCOME_EMAIL_MAX_SIZE", "700", 1);
    ck_assert_int_eq(send_mail("{\"to\": \"ada@example.org\", \"attachments\": [{\"file\": \"a.bin\"}]}"),
                     JOB_FAIL);
    ck_assert_str_eq(got.error, "attachments[0]: is too large");
    setenv("WELCOME_EMAIL_MAX_SIZE", "100", 1);
    ck_assert_int_eq(send_mail(ADA), JOB_FAIL);
    ck_assert_str_eq(got.error, "the mail is larger than 100 bytes");
    static const char *const bad[] = { "0", "-1", "1x", "10M", "99999999999999999999", "104857601" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        setenv("WELCOME_EMAIL_MAX_SIZE", bad[i], 1);
        ck_assert_int_eq(send_mail(ADA), JOB_RETRY);
        ck_assert_str_eq(got.error, "WELCOME_EMAIL_MAX_SIZE: expected bytes, 1 to 104857600");
    }
    ck_assert_int_eq(n_mails(), 1);
    sink_clean_up();
}
END_TEST

SUITE_MAIN("welcome_parts", attachments_and_inline_images_are_read_by_others_as_they_were_meant,
           large_attachment_arrives_whole, every_recipient_gets_it_and_nobody_sees_the_blind_copies,
           international_domains_are_translated_and_international_names_need_smtputf8,
           international_address_goes_out_as_utf8, server_without_smtputf8_gets_no_international_address,
           recipients_refused_for_good_do_not_keep_it_from_the_others,
           mail_that_every_recipient_is_refused_of_is_dead_at_once,
           recipient_refused_for_now_holds_it_back_so_that_nobody_gets_it_twice,
           last_try_without_any_recipient_left_is_a_failure,
           template_of_the_payload_renders_variables_sections_and_partials, template_may_have_one_part_only,
           template_that_is_not_there_is_named_and_tried_again,
           variable_that_would_end_the_subject_line_is_refused,
           missing_variable_stops_the_mail_where_that_is_set,
           mail_larger_than_allowed_is_refused_before_it_is_sent)
