/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/suite.h"

#include "base/buf.h"
#include "cli/report/mask.h"

static struct mask mask;

static void check(const char *text, const char *expected)
{
    struct buf b = { 0 };
    mask_append(&mask, &b, span_from_string(text));
    ck_assert_msg(!b.failed && strcmp(b.data ? b.data : "", expected) == 0,
                  "\"%s\" became \"%s\", not \"%s\"", text, b.data, expected);
    buf_done(&b);
}

START_TEST(known_secrets_are_masked_however_they_are_written)
{
    mask_add(&mask, "s3cr\"et/1");
    mask_add(&mask, NULL);
    mask_add(&mask, "true"); /* too short to be looked for */
    mask_add_words(&mask, " first-key\tsecond-key ");
    check("", "");
    check("a s3cr\"et/1, s3cr\\\"et/1 and s3cr%22et%2F1", "a ***, *** and ***");
    check("xfirst-keysecond-key", "x******");
    check("true and first-ke", "true and first-ke");
    mask_done(&mask);
}
END_TEST

START_TEST(passwords_in_urls_are_masked)
{
    check("postgresql://ada:pa@ss/word@db.example.org/x", "postgresql://ada:***@db.example.org/x");
    check("at http://u:p@h:80/, at http://h:80/a@b", "at http://u:***@h:80/, at http://h:***@b");
    check("http://127.0.0.1:8480/healthz", "http://127.0.0.1:8480/healthz");
    check("\"postgresql://ada@db:5432/x\"", "\"postgresql://ada@db:5432/x\"");
}
END_TEST

START_TEST(values_behind_words_are_masked)
{
    check("password=abc host=db", "password=*** host=db");
    check("PGPASSWORD = 'a b c' x", "PGPASSWORD = '***' x");
    check("{\"api_token\": \"abc\", \"n\": 1}", "{\"api_token\": \"***\", \"n\": 1}");
    check("sasl.password: abc\nx", "sasl.password: ***\nx");
    check("Authorization: Basic YWRhOmFkYQ==\nx", "Authorization: ***\nx");
    check("curl -H 'X: Bearer abcdefghij'", "curl -H 'X: Bearer ***'");
    check("whsec_abcdef whsec_abcdef", "whsec_*** whsec_***");
    check("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n",
          "-----BEGIN ***-----END PRIVATE KEY-----\n");
    check("-----BEGIN PRIVATE KEY-----\nMIIE", "-----BEGIN ***");
}
END_TEST

START_TEST(what_is_no_secret_stays)
{
    check("correct sasl.username and sasl.password in kafka.properties",
          "correct sasl.username and sasl.password in kafka.properties");
    check("\"check\": \"secrets\", \"about\": null", "\"check\": \"secrets\", \"about\": null");
    check("the password", "the password");
    check("token=", "token=");
    check("://", "://");
}
END_TEST

START_TEST(names_tell_what_is_secret)
{
    ck_assert(mask_is_secret_name("PGPASSWORD"));
    ck_assert(mask_is_secret_name("sasl.jaas.config"));
    ck_assert(mask_is_secret_name("AWS_SECRET_ACCESS_KEY"));
    ck_assert(mask_is_secret_name("ssl.key.pem"));
    ck_assert(!mask_is_secret_name("JOB_CONFIG"));
    ck_assert(!mask_is_secret_name("security.protocol"));
}
END_TEST

SUITE_MAIN("mask", known_secrets_are_masked_however_they_are_written, passwords_in_urls_are_masked,
           values_behind_words_are_masked, what_is_no_secret_stays, names_tell_what_is_secret)
