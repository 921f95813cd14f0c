/* SPDX-License-Identifier: Apache-2.0 */
/* What welcome_email says, without saying it to a server; TEMPLATES is the folder of the shipped ones. */
#include "mail.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "header.h"
#include "libjob/context.h"
#include "request.h"
#include "template.h"
#include "tests/support/suite.h"

static struct job_context ctx; /* each test runs in its own process */

static struct request request;
static struct address shop;

/* The fields of a mail for @payload, all but the request being good. */
static struct mail_fields fields_for(const char *payload)
{
    request_done(&request);
    ck_assert_msg(request_parse(&ctx, payload, strlen(payload), &request) == JOB_DONE, "%s", ctx.error);
    ck_assert_ptr_null(address_parse("hello@shop.example", &shop));
    return (struct mail_fields){ .id = "0199c41f-0123-7788-99aa-bbccddeeff00",
                                 .from_name = "",
                                 .from = &shop,
                                 .request = &request,
                                 .templates = TEMPLATES,
                                 .max_size = 1024 * 1024,
                                 .unix_s = 1700000000 };
}

static struct mail_fields ada(void)
{
    return fields_for("{\"to\": \"ada@example.org\", \"name\": \"Ada\"}");
}

static void check_refused(const struct mail_fields *fields, int verdict, const char *error)
{
    struct mail mail;
    ck_assert_int_eq(mail_build(&ctx, fields, &mail), verdict);
    ck_assert_str_eq(ctx.error, error);
    mail_done(&mail);
}

/* What a writer writes; valid until the next call. */
static char *written;
static FILE *write_start(void)
{
    static size_t size;
    free(written);
    return open_memstream(&written, &size);
}

static const char *text(const char *value)
{
    FILE *out = write_start();
    header_write_text(out, value);
    fclose(out);
    return written;
}

static const char *mailbox(const char *name)
{
    FILE *out = write_start();
    header_write_mailbox(out, name, "a@b.c");
    fclose(out);
    return written;
}

static const char *date(int64_t unix_s)
{
    FILE *out = write_start();
    header_write_date(out, unix_s);
    fclose(out);
    return written;
}

static const char *value(const char *text_of_it)
{
    FILE *out = write_start();
    header_write_value(out, "X-Long-Name", text_of_it);
    fclose(out);
    return written;
}

static const char *parameter(const char *text_of_it)
{
    FILE *out = write_start();
    header_write_parameter(out, "filename", text_of_it);
    fclose(out);
    return written;
}

START_TEST(plain_mail_has_the_golden_headers_and_bodies)
{
    struct mail_fields fields = ada();
    struct mail mail;
    ck_assert_int_eq(mail_build(&ctx, &fields, &mail), JOB_DONE);
    ck_assert_str_eq(mail.headers, "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
                                   "From: hello@shop.example\r\n"
                                   "To: Ada <ada@example.org>\r\n"
                                   "Subject: Welcome, Ada!\r\n"
                                   "Message-ID: <0199c41f-0123-7788-99aa-bbccddeeff00@shop.example>\r\n"
                                   "Auto-Submitted: auto-generated\r\n");
    ck_assert_str_eq(mail.text, "Hello Ada,\r\n"
                                "\r\n"
                                "welcome aboard! Your account for ada@example.org is ready.\r\n"
                                "\r\n"
                                "If you did not sign up, you can ignore this mail.\r\n");
    ck_assert_ptr_nonnull(strstr(mail.html, "<p>Hello <strong>Ada</strong>,</p>\r\n"));
    ck_assert_str_eq(mail.message_id, "0199c41f-0123-7788-99aa-bbccddeeff00@shop.example");
    mail_done(&mail);
}
END_TEST

START_TEST(foreign_name_is_encoded_in_headers_and_escaped_in_html_only)
{
    struct mail_fields fields =
        fields_for("{\"to\": \"ada@example.org\", \"name\": \"Zoë <b> & \\\"Sons\\\"\"}");
    struct mail mail;
    fields.from_name = "Shop, Inc.";
    ck_assert_int_eq(mail_build(&ctx, &fields, &mail), JOB_DONE);
    ck_assert_ptr_nonnull(strstr(mail.headers, "\r\nFrom: \"Shop, Inc.\" <hello@shop.example>\r\n"));
    ck_assert_ptr_nonnull(strstr(mail.headers, "\r\nTo: =?UTF-8?Q?Zo=C3=AB_=3Cb=3E_=26_=22Sons=22?=\r\n"
                                               " <ada@example.org>\r\n"));
    ck_assert_ptr_nonnull(strstr(mail.headers, "\r\nSubject: =?UTF-8?Q?Welcome=2C_Zo=C3=AB_=3Cb=3E_=26_"));
    ck_assert_ptr_nonnull(strstr(mail.text, "Hello Zoë <b> & \"Sons\",\r\n"));
    ck_assert_ptr_nonnull(strstr(mail.html, "<strong>Zoë &lt;b&gt; &amp; &quot;Sons&quot;</strong>"));
    mail_done(&mail);
}
END_TEST

START_TEST(tries_of_one_job_have_one_message_id)
{
    struct mail_fields fields = ada();
    struct mail first, second;
    ck_assert_int_eq(mail_build(&ctx, &fields, &first), JOB_DONE);
    fields.unix_s++;
    ck_assert_int_eq(mail_build(&ctx, &fields, &second), JOB_DONE);
    ck_assert_str_eq(first.message_id, second.message_id);
    mail_done(&first);
    mail_done(&second);
}
END_TEST

/* Every control character, in every place, of what does not come from the payload. */
START_TEST(no_field_lets_a_control_character_through)
{
    char name[16];
    for (int c = 1; c < 0x20 + 1; c++) {
        char control = (char)(c == 0x20 ? 0x7f : c);
        const char *const shapes[] = { "%cAda", "A%cda", "Ada%c" };
        for (size_t i = 0; i < 3; i++) {
            struct mail_fields fields = ada();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(name, sizeof(name), shapes[i], control);
#pragma GCC diagnostic pop
            fields.from_name = name;
            check_refused(&fields, JOB_RETRY, "WELCOME_EMAIL_FROM: has control characters or is no UTF-8");
            fields.from_name = "", fields.id = name;
            check_refused(&fields, JOB_FAIL, "id: is no UUID");
        }
    }
}
END_TEST

START_TEST(line_ends_of_unicode_and_broken_utf8_are_refused)
{
    static const char *const bad[] = { "\xc2\x85",         "\xc2\x80",     "\xe2\x80\xa8",
                                       "\xe2\x80\xa9",     "\xff",         "\xc3",
                                       "\xc0\x8a",         "\xe0\x80\x8d", "\xed\xa0\x80",
                                       "\xf4\x90\x80\x80", "\xf0\x9f\x98" };
    static const char *const good[] = { "", "Ada", "Zoë", "Ада", "エイダ", "😀", "\xc2\xa0", "a b" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!header_is_text(bad[i]), "no. %zu", i);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(header_is_text(good[i]), "%s", good[i]);
}
END_TEST

START_TEST(short_ascii_stands_as_it_is_and_the_rest_becomes_encoded_words)
{
    ck_assert_str_eq(text("Welcome, \"Ada\" <x>!"), "Welcome, \"Ada\" <x>!");
    ck_assert_str_eq(text("Zoë"), "=?UTF-8?Q?Zo=C3=AB?=");
    ck_assert_str_eq(text("=?UTF-8?Q?x?="), "=?UTF-8?Q?=3D=3FUTF=2D8=3FQ=3Fx=3F=3D?=");
    ck_assert_str_eq(text(" x"), "=?UTF-8?Q?_x?=");
    ck_assert_str_eq(text("ääääääääääää"),
                     "=?UTF-8?Q?=C3=A4=C3=A4=C3=A4=C3=A4=C3=A4=C3=A4=C3=A4=C3=A4=C3=A4?=\r\n"
                     " =?UTF-8?Q?=C3=A4=C3=A4=C3=A4?=");
}
END_TEST

START_TEST(no_encoded_line_is_longer_than_allowed_or_cuts_a_character)
{
    char value[400];
    for (size_t lead = 0; lead < 60; lead++) {
        size_t at = lead;
        memset(value, 'x', lead);
        for (; at < 300; at += 4)
            memcpy(value + at, "😀", 4);
        value[at] = 0;
        char *line = strdup(text(value)), *rest = line;
        for (char *word = strtok_r(line, "\r\n", &rest); word; word = strtok_r(NULL, "\r\n", &rest)) {
            ck_assert_uint_le(strlen(word), 76 - strlen("Subject: "));
            const char *character = strchr(word, '=') + strlen("=?UTF-8?Q?");
            character += strspn(character, "x");
            for (; strcmp(character, "?=") != 0; character += 12)
                ck_assert_int_eq(strncmp(character, "=F0=9F=98=80", 12), 0);
        }
        free(line);
    }
}
END_TEST

START_TEST(names_are_quoted_only_where_they_must_be)
{
    ck_assert_str_eq(mailbox(""), "a@b.c");
    ck_assert_str_eq(mailbox("Ada Lovelace"), "Ada Lovelace <a@b.c>");
    ck_assert_str_eq(mailbox("Lovelace, Ada"), "\"Lovelace, Ada\" <a@b.c>");
    ck_assert_str_eq(mailbox("x\" <e@vil>, \\"), "\"x\\\" <e@vil>, \\\\\" <a@b.c>");
    ck_assert_str_eq(mailbox("Zoë"), "=?UTF-8?Q?Zo=C3=AB?=\r\n <a@b.c>");
}
END_TEST

START_TEST(date_is_english_and_in_utc)
{
    ck_assert_str_eq(date(0), "Thu, 01 Jan 1970 00:00:00 +0000");
    ck_assert_str_eq(date(951782399), "Mon, 28 Feb 2000 23:59:59 +0000");
    ck_assert_str_eq(date(4102444800), "Fri, 01 Jan 2100 00:00:00 +0000");
}
END_TEST

START_TEST(values_of_other_headers_stay_as_they_are_and_are_folded_at_blanks)
{
    ck_assert_str_eq(value("=?x?= a, b"), "X-Long-Name: =?x?= a, b\r\n");
    ck_assert_str_eq(value("Grüße"), "X-Long-Name: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\n");
    ck_assert_str_eq(value("<https://shop.example/unsubscribe?id=1234567890>, <mailto:u@shop.example>"),
                     "X-Long-Name: <https://shop.example/unsubscribe?id=1234567890>,\r\n"
                     " <mailto:u@shop.example>\r\n");
    ck_assert_str_eq(value("a   "), "X-Long-Name: a   \r\n");
}
END_TEST

START_TEST(names_of_files_are_quoted_or_encoded)
{
    ck_assert_str_eq(parameter("a.pdf"), ";\r\n filename=\"a.pdf\"");
    ck_assert_str_eq(parameter("a \"b\"; \\c.pdf"), ";\r\n filename=\"a \\\"b\\\"; \\\\c.pdf\"");
    ck_assert_str_eq(parameter("ä b.pdf"), ";\r\n filename*=UTF-8''%C3%A4%20b.pdf");
    ck_assert_str_eq(parameter("ääääääääääääääääääää.pdf"),
                     ";\r\n filename*0*=UTF-8''%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4"
                     ";\r\n filename*1*=%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4%C3%A4"
                     ";\r\n filename*2*=.pdf");
}
END_TEST

/* A folder with one file @name of @content, the other templates being the shipped ones. */
static int build_with_template(const char *name, const char *content)
{
    static const char *const files[] = { "subject.txt", "welcome.txt", "welcome.html" };
    char folder[] = "/tmp/test_mail.XXXXXX", path[64], shipped[4096];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        snprintf(shipped, sizeof(shipped), "%s/%s", TEMPLATES, files[i]);
        if (strcmp(files[i], name) != 0) {
            ck_assert_int_eq(symlink(shipped, path), 0);
        } else if (content) {
            FILE *file = fopen(path, "w");
            fputs(content, file);
            fclose(file);
        }
    }
    struct mail_fields fields = ada();
    struct mail mail;
    fields.templates = folder;
    int verdict = mail_build(&ctx, &fields, &mail);
    mail_done(&mail);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
    return verdict;
}

START_TEST(broken_template_is_worth_another_try_and_is_named)
{
    ck_assert_int_eq(build_with_template("subject.txt", NULL), JOB_RETRY);
    ck_assert_ptr_nonnull(strstr(ctx.error, "/subject.txt: No such file or directory"));
    ck_assert_int_eq(build_with_template("welcome.html", NULL), JOB_DONE); /* then there is a text only */
    ck_assert_int_eq(build_with_template("welcome.txt", "{{#surname}}"), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "welcome.txt: line 1: \"surname}}\" is a section that is not closed");
    ck_assert_int_eq(build_with_template("welcome.txt", "{{> ../../etc/passwd}}"), JOB_RETRY);
    ck_assert_str_eq(ctx.error,
                     "welcome.txt: partial \"../../etc/passwd\" is not made of letters, digits, - and _");
    ck_assert_int_eq(build_with_template("welcome.txt", "{{> none}}"), JOB_RETRY);
    ck_assert_ptr_nonnull(strstr(ctx.error, "/none.txt: No such file or directory"));
    ck_assert_int_eq(build_with_template("subject.txt", "one\ntwo\n"), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "subject.txt: is not one line of text of at most 998 bytes");
    ck_assert_int_eq(build_with_template("subject.txt", "one\n\n"), JOB_RETRY);
    ck_assert_int_eq(build_with_template("subject.txt", ""), JOB_RETRY);
    ck_assert_int_eq(build_with_template("subject.txt", "Ends without a line end"), JOB_DONE);
    static char large[TEMPLATE_MAX + 2];
    memset(large, 'x', TEMPLATE_MAX + 1);
    ck_assert_int_eq(build_with_template("welcome.txt", large), JOB_RETRY);
    large[TEMPLATE_MAX] = 0;
    ck_assert_int_eq(build_with_template("welcome.txt", large), JOB_DONE);
}
END_TEST

START_TEST(lines_of_bodies_end_as_mail_wants_it_and_have_no_nul)
{
    struct mail_fields fields = fields_for("{\"to\": \"a@b.c\", \"name\": \"Ada\"}");
    struct mail mail;
    char folder[] = "/tmp/test_mail.XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/lines.txt", folder);
    FILE *file = fopen(path, "w");
    fputs("a\nb\r\n\nc\rd{{v}}", file);
    fclose(file);
    fields = fields_for("{\"to\": \"a@b.c\", \"template\": \"lines\", \"subject\": \"s\","
                        " \"variables\": {\"v\": \"\\r\\n.\\r\\n\"}}");
    fields.templates = folder;
    ck_assert_int_eq(mail_build(&ctx, &fields, &mail), JOB_DONE);
    ck_assert_str_eq(mail.text, "a\r\nb\r\n\r\nc\r\nd\r\n.\r\n");
    mail_done(&mail);
    fields = fields_for("{\"to\": \"a@b.c\", \"template\": \"lines\", \"subject\": \"s\","
                        " \"variables\": {\"v\": \"\\u0000\"}}");
    fields.templates = folder;
    check_refused(&fields, JOB_FAIL, "lines.txt: a value has a NUL");
    unlink(path);
    rmdir(folder);
}
END_TEST

SUITE_MAIN("mail", plain_mail_has_the_golden_headers_and_bodies, tries_of_one_job_have_one_message_id,
           foreign_name_is_encoded_in_headers_and_escaped_in_html_only,
           no_field_lets_a_control_character_through, line_ends_of_unicode_and_broken_utf8_are_refused,
           short_ascii_stands_as_it_is_and_the_rest_becomes_encoded_words,
           no_encoded_line_is_longer_than_allowed_or_cuts_a_character,
           names_are_quoted_only_where_they_must_be, date_is_english_and_in_utc,
           values_of_other_headers_stay_as_they_are_and_are_folded_at_blanks,
           names_of_files_are_quoted_or_encoded, broken_template_is_worth_another_try_and_is_named,
           lines_of_bodies_end_as_mail_wants_it_and_have_no_nul)
