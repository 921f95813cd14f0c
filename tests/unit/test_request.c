/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <stdio.h>

#include "libjob/context.h"
#include "tests/support/suite.h"

static struct job_context ctx; /* each test runs in its own process */
static struct request request;

static int parse(const char *payload)
{
    request_done(&request);
    ctx.error[0] = 0;
    return request_parse(&ctx, payload, strlen(payload), &request);
}

static void check_refused(const char *payload, const char *error)
{
    ck_assert_msg(parse(payload) == JOB_FAIL, "%s", payload);
    ck_assert_str_eq(ctx.error, error);
}

/* @shape with "%s" where a member stands. */
static void check_member_refused(const char *member, const char *error)
{
    char payload[2048];
    snprintf(payload, sizeof(payload), "{\"to\": \"a@b.c\", %s}", member);
    check_refused(payload, error);
}

START_TEST(smallest_request_has_one_recipient)
{
    ck_assert_int_eq(parse("{\"to\": \"ada@b.c\"}"), JOB_DONE);
    ck_assert_uint_eq(request.n_mailboxes, 1);
    ck_assert_str_eq(request.mailboxes[0].address.text, "ada@b.c");
    ck_assert_str_eq(request.mailboxes[0].name, "ada");
    ck_assert_str_eq(request.greeting, "ada");
    ck_assert_str_eq(request.template, "welcome");
    ck_assert_ptr_null(request.subject);
    ck_assert_int_eq(parse("{\"to\": \"ada@b.c\", \"name\": \"\"}"), JOB_DONE);
    ck_assert_str_eq(request.greeting, "ada");
}
END_TEST

START_TEST(recipients_are_strings_objects_or_lists_of_both)
{
    ck_assert_int_eq(
        parse("{\"to\": [{\"address\": \"a@b.c\", \"name\": \"A\"}, \"d@e.f\"], \"cc\": \"g@h.i\","
              " \"bcc\": [\"j@k.l\"], \"reply_to\": {\"address\": \"m@n.o\"}, \"name\": \"not used\"}"),
        JOB_DONE);
    static const struct {
        enum mailbox_role role;
        const char *place, *address, *name;
    } rows[] = { { MAILBOX_TO, "to[0]", "a@b.c", "A" },
                 { MAILBOX_TO, "to[1]", "d@e.f", "" },
                 { MAILBOX_CC, "cc", "g@h.i", "" },
                 { MAILBOX_BCC, "bcc[0]", "j@k.l", "" },
                 { MAILBOX_REPLY_TO, "reply_to", "m@n.o", "" } };
    ck_assert_uint_eq(request.n_mailboxes, 5);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(request.mailboxes[i].role, rows[i].role);
        ck_assert_str_eq(request.mailboxes[i].place, rows[i].place);
        ck_assert_str_eq(request.mailboxes[i].address.text, rows[i].address);
        ck_assert_str_eq(request.mailboxes[i].name, rows[i].name);
    }
    ck_assert_str_eq(request.greeting, "A");
}
END_TEST

/* Every control character, in every place, of every member that reaches a header. */
START_TEST(no_member_lets_a_control_character_through)
{
    static const char *const shapes[][2] = {
        { "{\"to\": \"a\\u%04xb@c.d\"}", "to" },
        { "{\"to\": \"a@c.d\\u%04x\"}", "to" },
        { "{\"to\": \"\\u%04xa@c.d\"}", "to" },
        { "{\"to\": [\"a@b.c\", {\"address\": \"a@\\u%04x\"}]}", "to[1].address" },
        { "{\"to\": {\"address\": \"a@b.c\", \"name\": \"A\\u%04x\"}}", "to.name" },
        { "{\"to\": \"a@b.c\", \"name\": \"A\\u%04xB\"}", "name" },
        { "{\"to\": \"a@b.c\", \"cc\": [\"a@b.c\\u%04x\"]}", "cc[0]" },
        { "{\"to\": \"a@b.c\", \"bcc\": \"a@b.c\\u%04x\"}", "bcc" },
        { "{\"to\": \"a@b.c\", \"reply_to\": \"a@b.c\\u%04x\"}", "reply_to" },
        { "{\"to\": \"a@b.c\", \"subject\": \"S\\u%04x\"}", "subject" },
        { "{\"to\": \"a@b.c\", \"template\": \"t\\u%04x\"}", "template" },
        { "{\"to\": \"a@b.c\", \"headers\": {\"X-A\": \"v\\u%04x\"}}", "headers.X-A" },
    };
    char payload[256], error[128];
    for (unsigned c = 0; c <= 0xa0; c++) {
        if (c == 0x20)
            c = 0x7f;
        for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(payload, sizeof(payload), shapes[i][0], c == 0xa0 ? 0x2028 : c);
#pragma GCC diagnostic pop
            snprintf(error, sizeof(error), "%s: has control characters or is no UTF-8", shapes[i][1]);
            check_refused(payload, error);
        }
    }
}
END_TEST

START_TEST(unusable_payloads_are_refused_by_name)
{
    check_refused("[]", "to: is missing");
    check_refused("{\"to\": []}", "to: is empty");
    check_refused("{\"to\": [], \"cc\": \"a@b.c\"}", "to: is empty");
    check_refused("{\"to\": null}", "to: is no string, nor an object with an address");
    check_refused("{\"to\": [[\"a@b.c\"]]}", "to[0]: is no string, nor an object with an address");
    check_refused("{\"to\": [\"a@b.c\", {\"address\": 1}]}",
                  "to[1]: is no string, nor an object with an address");
    check_refused("{\"to\": \"a@b.c, e@v.il\"}", "to: has a bad part before the @");
    check_refused("{\"to\": {\"address\": \"a\"}}", "to.address: has no @");
    check_member_refused("\"name\": 5", "name: is no string");
    check_member_refused("\"cc\": {\"address\": \"a@b.c\", \"name\": []}", "cc.name: is no string");
    check_member_refused("\"subject\": \"\"", "subject: is empty or longer than 998 bytes");
    check_member_refused("\"variables\": []", "variables: is no object");
    check_member_refused("\"attachments\": {}", "attachments: is no list");
    check_member_refused("\"headers\": \"X: y\"", "headers: is no object");
    ck_assert_int_eq(parse("{\"to\": \"a@b.c\", \"to\": \"d@e.f\"}"), JOB_FAIL);
    ck_assert_ptr_eq(strstr(ctx.error, "the payload is no JSON: "), ctx.error);
    ck_assert_int_eq(parse("{\"to\": \"a@b.c\", \"name\": \"\xff\"}"), JOB_FAIL);
}
END_TEST

START_TEST(template_names_lead_nowhere_else)
{
    static const char *const bad[] = { "../etc/passwd", "/etc/passwd", "a/b", ".",     "..", "",      "-x",
                                       "--help",        "a.b",         "a b", "a%2fb", "ä",  "$HOME", "a;b",
                                       "`id`" };
    char member[128];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(member, sizeof(member), "\"template\": \"%s\"", bad[i]);
        check_member_refused(member, "template: is not made of 1 to 64 letters, digits, - and _");
    }
    ck_assert_int_eq(parse("{\"to\": \"a@b.c\", \"template\": \"Reset-password_2\"}"), JOB_DONE);
}
END_TEST

START_TEST(headers_are_those_that_a_job_may_set)
{
    static const char *const own[] = { "from",
                                       "BCC",
                                       "Cc",
                                       "to",
                                       "Subject",
                                       "message-id",
                                       "Content-Type",
                                       "content-transfer-encoding",
                                       "MIME-Version",
                                       "Reply-To",
                                       "Sender",
                                       "Resent-To",
                                       "Received",
                                       "Return-Path",
                                       "DKIM-Signature",
                                       "Date" };
    static const char *const bad[] = { "", "X Y", "X:", "X\\r\\nBcc", "Grüße", "X\\u0000Y", " X" };
    char member[256], error[128];
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        snprintf(member, sizeof(member), "\"headers\": {\"%s\": \"x\"}", own[i]);
        snprintf(error, sizeof(error), "headers.%s: is not for a job to set", own[i]);
        check_member_refused(member, error);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(member, sizeof(member), "{\"to\": \"a@b.c\", \"headers\": {\"%s\": \"x\"}}", bad[i]);
        ck_assert_msg(parse(member) == JOB_FAIL, "%s", bad[i]);
    }
    check_member_refused("\"headers\": {\"X-A\": \"\"}", "headers.X-A: is empty or longer than 900 bytes");
    check_member_refused("\"headers\": {\"X-A\": 1}", "headers.X-A: is no string");
    ck_assert_int_eq(parse("{\"to\": \"a@b.c\", \"headers\": {\"List-Unsubscribe\": \"<https://x/>\"}}"),
                     JOB_DONE);
}
END_TEST

/* A payload with @n of "a@b.c" in the list @role. */
static char *many(const char *role, int n)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fprintf(out, "{\"to\": \"x@y.z\", \"%s\": [", role);
    for (int i = 0; i < n; i++)
        fprintf(out, "%s\"a%d@b.c\"", i ? ", " : "", i);
    fputs("]}", out);
    fclose(out);
    return text;
}

START_TEST(everything_has_a_most)
{
    char *payload = many("bcc", 99), text[1200];
    ck_assert_int_eq(parse(payload), JOB_DONE);
    free(payload);
    payload = many("bcc", 100);
    check_refused(payload, "bcc: more than 100 mailboxes in all");
    free(payload);
    memset(text, 'n', sizeof(text));
    char member[1300];
    snprintf(member, sizeof(member), "\"name\": \"%.257s\"", text);
    check_member_refused(member, "name: is longer than 256 bytes");
    snprintf(member, sizeof(member), "\"subject\": \"%.999s\"", text);
    check_member_refused(member, "subject: is empty or longer than 998 bytes");
    snprintf(member, sizeof(member), "\"headers\": {\"X\": \"%.901s\"}", text);
    check_member_refused(member, "headers.X: is empty or longer than 900 bytes");
    snprintf(member, sizeof(member), "\"template\": \"%.65s\"", text);
    check_member_refused(member, "template: is not made of 1 to 64 letters, digits, - and _");
}
END_TEST

SUITE_MAIN("request", smallest_request_has_one_recipient, recipients_are_strings_objects_or_lists_of_both,
           no_member_lets_a_control_character_through, unusable_payloads_are_refused_by_name,
           template_names_lead_nowhere_else, headers_are_those_that_a_job_may_set, everything_has_a_most)
