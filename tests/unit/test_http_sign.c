/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/http_sign.h"

#include <errno.h>

#include "tests/support/suite.h"

#define KEY_24 "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define KEY_64 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg=="

static void assert_signed(const char *secrets, const char *id, int64_t time_s, const char *body,
                          const char *expected)
{
    struct http_keys keys;
    _cleanup_buf_ struct buf signature = { 0 };
    ck_assert_int_eq(http_keys_parse(secrets, &keys), 0);
    ck_assert_int_eq(http_keys_sign(&keys, id, time_s, span_from_string(body), &signature), 0);
    ck_assert_str_eq(signature.data, expected);
}

/* The first is the one that libraries of Standard Webhooks are tested with; the others are what openssl(1) computes. */
START_TEST(signatures_are_those_of_other_implementations)
{
    assert_signed("whsec_" KEY_24, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}",
                  "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    assert_signed("whsec_" KEY_24, "id", 0, "", "v1,WUUEjWSO0VOTH8RO0scz8v5Bl2mrNsQJwcktbe6A9qE=");
    assert_signed(
        "  whsec_" KEY_24 "\n\twhsec_" KEY_64 " ", "id", 1, "x",
        "v1,ut7pX/KNW3Y/DQK+A1BS1bE95o2edtASwvSZQ7uZ4gY= v1,8L+ciWHM97739cd3YFFhFGgrIEnRkIOdnh6ZVquGeB4=");
}
END_TEST

START_TEST(keys_of_another_shape_are_refused)
{
    static const char *const cases[] = {
        "whsec_",
        KEY_24,
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLQ==", /* 22 bytes */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",  /* not whole */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZI.2LaLaSw", /* no base64 */
        "whsec_" KEY_64 "AAAA",                   /* too long */
        "whsec_" KEY_24 " " KEY_24,
        "whsec_" KEY_24 " whsec_" KEY_24 " whsec_" KEY_24 " whsec_" KEY_24 " whsec_" KEY_24,
    };
    struct http_keys keys;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        ck_assert_msg(http_keys_parse(cases[i], &keys) == -EINVAL, "%s", cases[i]);
    ck_assert_int_eq(http_keys_parse("", &keys), 0);
    ck_assert_uint_eq(keys.n, 0);
}
END_TEST

SUITE_MAIN("http_sign", signatures_are_those_of_other_implementations, keys_of_another_shape_are_refused)
