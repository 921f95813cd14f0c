/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/top/picture.h"

static void check_alike(const char *error, const char *alike)
{
    char text[64];
    picture_make_alike(error, text, sizeof(text));
    ck_assert_str_eq(text, alike);
}

START_TEST(errors_are_alike_but_for_numbers)
{
    check_alike("user 4711 is unknown", "user # is unknown");
    check_alike("job 0190a6c2-7d3e-7f00-8000-00000000ffff: 12.5 s", "job #: # s");
    check_alike("at 0x7fff12ab", "at #");
    check_alike("HTTP/2 503", "HTTP/# #");
    check_alike("sha256 is no number, bad", "sha256 is no number, bad");
    check_alike("", "");
    check_alike("näh", "näh");
    char text[8];
    picture_make_alike("a very long sentence", text, sizeof(text));
    ck_assert_uint_lt(strlen(text), sizeof(text));
}
END_TEST

static struct picture_place places_before[] = {
    { .topic = "job.mail", .queue = "mail", .partition = 0, .end = 100 },
    { .topic = "job.mail", .queue = "mail", .partition = 1, .end = 100 }
};
static struct picture_place places_now[] = {
    { .topic = "job.mail", .queue = "mail", .partition = 0, .start = 50, .end = 300 },
    { .topic = "job.mail", .queue = "mail", .partition = 1, .end = 100 },
    { .topic = "job.report", .queue = "report", .partition = 0, .end = 5 },
};

START_TEST(rates_are_of_the_time_between_two_looks)
{
    const char *const declared[] = { "zoo", "mail" };
    struct picture_store none = { 0 };
    struct picture_errors errors = { 0 };
    struct picture_logs before = { .mono_us = USEC_PER_SEC, .places = places_before, .n_places = 2 };
    struct picture_logs now = { .mono_us = 3 * USEC_PER_SEC, .places = places_now, .n_places = 3 };
    struct picture p;
    picture_make(&p, &(struct picture_input){ &none, &none, &now, &before, &errors, declared, 2 });
    ck_assert_uint_eq(p.n_queues, 3);
    ck_assert_str_eq(p.queues[0].name, "mail");
    ck_assert_double_eq(p.queues[0].in, 100);
    ck_assert_int_eq(p.queues[0].partitions, 2);
    ck_assert_int_eq(p.queues[0].lag, PICTURE_UNKNOWN); /* PostgreSQL has the cursors */
    ck_assert_int_eq(p.queues[0].pending, PICTURE_UNKNOWN);
    ck_assert_double_lt(p.queues[1].in, 0); /* the topic is new */
    ck_assert_str_eq(p.queues[2].name, "zoo");
    ck_assert_double_eq(p.in, 100);
    ck_assert_double_lt(p.out, 0);
    ck_assert_int_eq(p.n_brokers, PICTURE_UNKNOWN);
    picture_done(&p);
}
END_TEST

START_TEST(first_look_has_no_rates)
{
    struct picture_store none = { 0 };
    struct picture_errors errors = { 0 };
    struct picture_logs never = { 0 },
                        now = { .mono_us = 3 * USEC_PER_SEC, .places = places_now, .n_places = 3 };
    struct picture p;
    picture_make(&p, &(struct picture_input){ &none, &none, &now, &never, &errors, NULL, 0 });
    ck_assert_double_lt(p.queues[0].in, 0);
    ck_assert_double_lt(p.in, 0);
    picture_done(&p);
}
END_TEST

SUITE_MAIN("picture", errors_are_alike_but_for_numbers, rates_are_of_the_time_between_two_looks,
           first_look_has_no_rates)
