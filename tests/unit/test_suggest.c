/* SPDX-License-Identifier: Apache-2.0 */
#include "base/suggest.h"

#include "tests/support/suite.h"

static const char *nearest(const char *word, const char *const *names)
{
    struct suggest s = { .word = word };
    for (; *names; names++)
        suggest_consider(&s, *names);
    return s.nearest;
}

START_TEST(each_kind_of_slip_counts_one)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {
        { "", "", 0 },
        { "", "abc", 3 },
        { "abc", "", 3 },
        { "queue", "queue", 0 },
        { "queue", "queues", 1 },
        { "queues", "queue", 1 },
        { "queue", "queoe", 1 },
        { "queue", "qeuue", 1 },
        { "Queue", "qUEUE", 0 },
        { "kitten", "sitting", 3 },
        { "ca", "abc", 3 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_uint_eq(suggest_distance(cases[i].a, cases[i].b), cases[i].distance);
        ck_assert_uint_eq(suggest_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
}
END_TEST

START_TEST(nearest_name_wins_and_the_first_of_equals)
{
    static const char *const names[] = { "enqueue", "queue", "job", "jot", NULL };
    ck_assert_str_eq(nearest("quue", names), "queue");
    ck_assert_str_eq(nearest("enque", names), "enqueue");
    ck_assert_str_eq(nearest("jox", names), "job");
    ck_assert_ptr_null(nearest("x", (const char *const[]){ NULL }));
}
END_TEST

START_TEST(only_a_slip_is_close)
{
    struct suggest s = { .word = "executor_max" };
    ck_assert(!suggest_is_close(&s));
    suggest_consider(&s, "drain_timeout");
    ck_assert(!suggest_is_close(&s));
    suggest_consider(&s, "executors_max");
    ck_assert(suggest_is_close(&s));
    s = (struct suggest){ .word = "db" };
    suggest_consider(&s, "to");
    ck_assert(!suggest_is_close(&s));
}
END_TEST

START_TEST(endless_words_are_cut)
{
    char word[5000];
    memset(word, 'x', sizeof(word) - 1);
    word[sizeof(word) - 1] = 0;
    ck_assert_uint_eq(suggest_distance(word, "x"), SUGGEST_MAX - 1);
    ck_assert_uint_eq(suggest_distance(word, word + 100), 0);
}
END_TEST

SUITE_MAIN("suggest", each_kind_of_slip_counts_one, nearest_name_wins_and_the_first_of_equals,
           only_a_slip_is_close, endless_words_are_cut)
