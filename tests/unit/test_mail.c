/* SPDX-License-Identifier: Apache-2.0 */
/* What welcome_email says, without saying it to a server; TEMPLATES is the folder of the shipped ones. */
#include "mail.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "header.h"
#include "libjob/context.h"
#include "template.h"
#include "tests/support/suite.h"

static struct job_context ctx; /* each test runs in its own process */

static struct mail_fields ada(void)
{
    return (struct mail_fields){ .id = "0199c41f-0123-7788-99aa-bbccddeeff00",
                                 .from_name = "",
                                 .from = "hello@shop.example",
                                 .to_name = "Ada",
                                 .to = "ada@example.org",
                                 .templates = TEMPLATES,
                                 .unix_s = 1700000000 };
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

static char *render(const char *template, enum template_escape escape)
{
    const struct template_variable rows[] = { { "name", "<b>\"A\" & 'B'" }, { "to", "{{name}}" } };
    const struct template_variables variables = { rows, 2 };
    char *rendered = NULL;
    int verdict = template_render(&ctx, "x.txt", template, escape, &variables, &rendered);
    ck_assert_int_eq(verdict, rendered ? JOB_DONE : JOB_RETRY);
    return rendered;
}

static void check_rendered(const char *template, enum template_escape escape, const char *expected)
{
    char *rendered = render(template, escape);
    ck_assert_str_eq(rendered, expected);
    free(rendered);
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
    ck_assert_str_eq(mail.from, "hello@shop.example");
    ck_assert_str_eq(mail.to, "ada@example.org");
    ck_assert_str_eq(mail.message_id, "0199c41f-0123-7788-99aa-bbccddeeff00@shop.example");
    mail_done(&mail);
}
END_TEST

START_TEST(foreign_name_is_encoded_in_headers_and_escaped_in_html_only)
{
    struct mail_fields fields = ada();
    struct mail mail;
    fields.to_name = "Zoë <b> & \"Sons\"";
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

/* Every control character, in every place, of every field that reaches a header. */
START_TEST(no_field_lets_a_control_character_through)
{
    static const char wrong_name[] = "name: has control characters or is no UTF-8";
    static const char wrong_to[] = "to: has control characters or is no UTF-8";
    char name[16], to[32], from[32];
    for (int c = 1; c < 0x20 + 1; c++) {
        char control = (char)(c == 0x20 ? 0x7f : c);
        const char *const name_shapes[] = { "%cAda", "A%cda", "Ada%c" };
        const char *const address_shapes[] = { "%cada@b.c", "a%cda@b.c", "ada@b.c%c" };
        for (size_t i = 0; i < 3; i++) {
            struct mail_fields fields = ada();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(name, sizeof(name), name_shapes[i], control);
            snprintf(to, sizeof(to), address_shapes[i], control);
            snprintf(from, sizeof(from), address_shapes[i], control);
#pragma GCC diagnostic pop
            fields.to_name = name;
            check_refused(&fields, JOB_FAIL, wrong_name);
            fields.to_name = "Ada", fields.to = to;
            check_refused(&fields, JOB_FAIL, wrong_to);
            fields.to = "ada@b.c", fields.from = from;
            struct mail mail;
            ck_assert_int_eq(mail_build(&ctx, &fields, &mail), JOB_RETRY);
            ck_assert_ptr_eq(strstr(ctx.error, "WELCOME_EMAIL_FROM: has a bad "), ctx.error);
            fields.from = "shop@b.c", fields.from_name = name;
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

START_TEST(addresses_are_one_plain_addr_spec)
{
    static const char *const good[] = { "a@b", "ada@example.org", "a.b+tag@x-1.example.co.uk",
                                        "o'hara_{}|~@x.y" };
    static const char *const bad[] = {
        "",
        "ada",
        "@b",
        "a@",
        "a@@b",
        "a@b@c",
        "<a@b.c>",
        "Ada <a@b.c>",
        "a b@c.d",
        "a@b c.d",
        " a@b.c",
        "a@b.c ",
        "\"a b\"@c.d",
        "a@b.c,d@e.f",
        "a@b.c;",
        "a@b.c>",
        "(x)a@b.c",
        "a@[127.0.0.1]",
        ".a@b.c",
        "a.@b.c",
        "a..b@c.d",
        "a@.b",
        "a@b.",
        "a@b..c",
        "a@-b.c",
        "a@b-.c",
        "a@b.c-",
        "a@b_c",
        "a@b.c> SIZE=1",
        "zoë@b.c",
        "a@bü.c",
        "a\\@b.c",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(!header_check_address(good[i]), "%s %s", good[i], header_check_address(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(header_check_address(bad[i]) != NULL, "%s", bad[i]);
}
END_TEST

START_TEST(addresses_and_names_have_a_longest)
{
    char local[70], address[300], name[300];
    memset(local, 'a', sizeof(local));
    snprintf(address, sizeof(address), "%.64s@b.c", local);
    ck_assert_ptr_null(header_check_address(address));
    snprintf(address, sizeof(address), "%.65s@b.c", local);
    ck_assert_str_eq(header_check_address(address), "has a bad part before the @");
    snprintf(address, sizeof(address), "a@%.63s.c", local);
    ck_assert_ptr_null(header_check_address(address));
    snprintf(address, sizeof(address), "a@%.64s.c", local);
    ck_assert_str_eq(header_check_address(address), "has a bad domain");
    snprintf(address, sizeof(address), "a@%.63s.%.63s.%.63s.%.60s", local, local, local, local);
    ck_assert_uint_eq(strlen(address), 254);
    ck_assert_ptr_null(header_check_address(address));
    strcat(address, "a");
    ck_assert_str_eq(header_check_address(address), "is longer than 254 bytes");

    struct mail_fields fields = ada();
    struct mail mail;
    memset(name, 'n', sizeof(name));
    name[256] = 0;
    fields.to_name = name;
    ck_assert_int_eq(mail_build(&ctx, &fields, &mail), JOB_DONE);
    mail_done(&mail);
    memcpy(name + 256, "n", 2);
    check_refused(&fields, JOB_FAIL, "name: is longer than 256 bytes");
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

START_TEST(variables_are_replaced_once_and_escaped_in_html)
{
    check_rendered("Hi {{name}}!", TEMPLATE_PLAIN, "Hi <b>\"A\" & 'B'!");
    check_rendered("Hi {{ name }}!", TEMPLATE_HTML, "Hi &lt;b&gt;&quot;A&quot; &amp; &#39;B&#39;!");
    check_rendered("{{to}}", TEMPLATE_PLAIN, "{{name}}"); /* values are no templates */
    check_rendered("{ {name}} {", TEMPLATE_PLAIN, "{ {name}} {");
    check_rendered("", TEMPLATE_PLAIN, "");
}
END_TEST

START_TEST(line_ends_become_those_of_mail)
{
    check_rendered("a\nb\r\n\nc", TEMPLATE_PLAIN, "a\r\nb\r\n\r\nc");
}
END_TEST

START_TEST(what_is_no_variable_is_refused_with_its_place)
{
    static const char *const bad[] = { "{{nme}}", "{{{name}}}", "{{&name}}", "{{#name}}",
                                       "{{}}",    "{{name",     "{{names}}" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(render(bad[i], TEMPLATE_HTML) == NULL, "%s", bad[i]);
    ck_assert_ptr_null(render("x {{nme}}\nnext", TEMPLATE_HTML));
    ck_assert_str_eq(ctx.error, "x.txt: \"{{nme}}\" is no variable");
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
    ck_assert_int_eq(build_with_template("welcome.html", NULL), JOB_RETRY);
    ck_assert_ptr_nonnull(strstr(ctx.error, "/welcome.html: No such file or directory"));
    ck_assert_int_eq(build_with_template("welcome.txt", "{{surname}}"), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "welcome.txt: \"{{surname}}\" is no variable");
    ck_assert_int_eq(build_with_template("subject.txt", "one\ntwo\n"), JOB_RETRY);
    ck_assert_str_eq(ctx.error, "subject.txt: is not one line of text");
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

SUITE_MAIN("mail", plain_mail_has_the_golden_headers_and_bodies,
           foreign_name_is_encoded_in_headers_and_escaped_in_html_only,
           no_field_lets_a_control_character_through, line_ends_of_unicode_and_broken_utf8_are_refused,
           addresses_are_one_plain_addr_spec, addresses_and_names_have_a_longest,
           short_ascii_stands_as_it_is_and_the_rest_becomes_encoded_words,
           no_encoded_line_is_longer_than_allowed_or_cuts_a_character,
           names_are_quoted_only_where_they_must_be, date_is_english_and_in_utc,
           variables_are_replaced_once_and_escaped_in_html, line_ends_become_those_of_mail,
           what_is_no_variable_is_refused_with_its_place, broken_template_is_worth_another_try_and_is_named)
