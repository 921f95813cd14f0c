/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/names.h"

#include "base/cleanup.h"
#include "tests/support/suite.h"

static const char *long_name(size_t size)
{
    static char text[512];
    memset(text, 'a', size);
    text[size] = 0;
    return text;
}

static void check_all(bool (*is)(struct span), const char *const *names, size_t n, bool expected)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(is(span_from_string(names[i])) == expected, "\"%s\"", names[i]);
}

START_TEST(queue_names_are_lower_case_and_short)
{
    static const char *const good[] = { "a", "0", "mail", "mail-2", "a--b", "later2", "deadly" };
    static const char *const bad[] = { "",    "-a",    "Mail", "a_b",      "a.b",
                                       "a b", "later", "dead", "\xc3\xa4", "a\n" };
    check_all(name_is_queue, good, ARRAY_SIZE(good), true);
    check_all(name_is_queue, bad, ARRAY_SIZE(bad), false);
    ck_assert(name_is_queue(span_from_string(long_name(63))));
    ck_assert(!name_is_queue(span_from_string(long_name(64))));
    ck_assert(!name_is_queue((struct span){ 0 }));
    ck_assert(!name_is_queue((struct span){ "a\0b", 3 }));
}
END_TEST

START_TEST(type_names_start_with_a_letter)
{
    static const char *const good[] = { "a", "Z", "welcome_email", "com.example.report-2", "a..b" };
    static const char *const bad[] = { "", "1a", "_a", ".a", "a b", "a/b", "a\xc3\xa4", "a\"" };
    check_all(name_is_type, good, ARRAY_SIZE(good), true);
    check_all(name_is_type, bad, ARRAY_SIZE(bad), false);
    ck_assert(name_is_type(span_from_string(long_name(128))));
    ck_assert(!name_is_type(span_from_string(long_name(129))));
    ck_assert(!name_is_type((struct span){ 0 }));
}
END_TEST

START_TEST(prefix_leaves_room_for_the_longest_queue_and_lane)
{
    static const char *const good[] = { "job", "Test_1.a-b", "j" };
    static const char *const bad[] = { "", "a b", "a/b", "a\xff" };
    check_all(name_is_prefix, good, ARRAY_SIZE(good), true);
    check_all(name_is_prefix, bad, ARRAY_SIZE(bad), false);
    ck_assert(name_is_prefix(span_from_string(long_name(NAME_TOPIC_MAX - 1 - 63 - 5))));
    ck_assert(!name_is_prefix(span_from_string(long_name(NAME_TOPIC_MAX - 63 - 5))));
}
END_TEST

START_TEST(cron_names_begin_with_a_letter_or_digit)
{
    static const char *const good[] = { "a", "0", "Nightly-report_2.b" };
    static const char *const bad[] = { "", "-a", ".a", "_a", "a b", "@daily", "a/b", "a\xc3\xa4" };
    check_all(name_is_cron, good, ARRAY_SIZE(good), true);
    check_all(name_is_cron, bad, ARRAY_SIZE(bad), false);
    ck_assert(name_is_cron(span_from_string(long_name(128))));
    ck_assert(!name_is_cron(span_from_string(long_name(129))));
    ck_assert(!name_is_cron((struct span){ 0 }));
}
END_TEST

START_TEST(json_is_known_by_its_content_type)
{
    static const char *const json[] = { "application/json",
                                        "APPLICATION/JSON",
                                        "application/json; charset=utf-8",
                                        "application/json ;x",
                                        "application/vnd.api+json",
                                        "image/svg+JSON;q=1",
                                        "" };
    static const char *const other[] = { "text/plain",
                                         "application/jsonl",
                                         "application/x-json",
                                         "json",
                                         "text/plain; a=application/json",
                                         "application/json+xml" };
    check_all(name_is_json_content_type, json, ARRAY_SIZE(json), true);
    check_all(name_is_json_content_type, other, ARRAY_SIZE(other), false);
    ck_assert(name_is_json_content_type((struct span){ 0 }));
}
END_TEST

START_TEST(topic_is_prefix_and_queue)
{
    char topic[NAME_TOPIC_MAX + 1];
    ck_assert_str_eq(name_topic("job", "mail", topic), "job.mail");
    ck_assert_str_eq(name_topic("a.b", "later", topic), "a.b.later");
    ck_assert_uint_eq(strlen(name_topic(long_name(300), "mail", topic)), NAME_TOPIC_MAX);
}
END_TEST

START_TEST(lane_stands_behind_the_queue)
{
    char topic[NAME_TOPIC_MAX + 1];
    ck_assert_str_eq(name_topic_of_lane("job", "mail", LANE_HIGH, topic), "job.mail.high");
    ck_assert_str_eq(name_topic_of_lane("job", "mail", LANE_NORMAL, topic), "job.mail");
    ck_assert_str_eq(name_topic_of_lane("job", "mail", LANE_LOW, topic), "job.mail.low");
    ck_assert_uint_eq(strlen(name_topic_of_lane(long_name(300), "mail", LANE_LOW, topic)), NAME_TOPIC_MAX);
    ck_assert_int_eq(name_lane_of_topic("job", "job.mail.high"), LANE_HIGH);
    ck_assert_int_eq(name_lane_of_topic("job", "job.mail"), LANE_NORMAL);
    ck_assert_int_eq(name_lane_of_topic("job", "job.mail.low"), LANE_LOW);
    ck_assert_int_eq(name_lane_of_topic("a.high", "a.high.mail"), LANE_NORMAL);
    ck_assert_int_eq(name_lane_of_topic("job", "job.mail.other"), LANE_NORMAL);
}
END_TEST

START_TEST(queue_is_found_in_its_topics)
{
    static const struct {
        const char *prefix, *topic, *queue;
    } cases[] = {
        { "job", "job.mail", "mail" },
        { "job", "job.mail.high", "mail" },
        { "job", "job.mail.low", "mail" },
        { "a.b", "a.b.mail", "mail" },
        { "job", "job.later", NULL },
        { "job", "job.dead", NULL },
        { "job", "job.dead.high", NULL },
        { "job", "job.mail.other", NULL },
        { "job", "job.mail.high.low", NULL },
        { "job", "jobs.mail", NULL },
        { "job", "job", NULL },
        { "job", "job.", NULL },
        { "job", "other.mail", NULL },
        { "job", "job.Mail", NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct span queue = name_queue_of_topic(cases[i].prefix, cases[i].topic);
        if (cases[i].queue)
            ck_assert_msg(span_equals(queue, cases[i].queue), "%s", cases[i].topic);
        else
            ck_assert_msg(queue.data == NULL, "%s", cases[i].topic);
    }
}
END_TEST

SUITE_MAIN("names", cron_names_begin_with_a_letter_or_digit, queue_names_are_lower_case_and_short,
           type_names_start_with_a_letter, prefix_leaves_room_for_the_longest_queue_and_lane,
           json_is_known_by_its_content_type, topic_is_prefix_and_queue, lane_stands_behind_the_queue,
           queue_is_found_in_its_topics)
