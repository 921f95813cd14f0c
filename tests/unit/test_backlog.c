/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/backlog.h"

#include "tests/support/suite.h"

static struct backlog b;

static void send(enum name_lane lane, int32_t partition, int64_t first, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        ck_assert_int_eq(backlog_note_sent(&b, lane, partition, first + i), 0);
}

START_TEST(what_we_sent_waits)
{
    ck_assert_int_eq(backlog_count(&b), 0);
    send(LANE_NORMAL, 0, 500, 10);
    send(LANE_NORMAL, 1, 0, 5);
    send(LANE_HIGH, 1, 7, 1);
    ck_assert_int_eq(backlog_count(&b), 16);
    ck_assert(b.has_news);
    backlog_done(&b);
}
END_TEST

START_TEST(what_lies_in_front_of_it_counts_too)
{
    send(LANE_NORMAL, 0, 500, 10);
    backlog_note_cursor(&b, LANE_NORMAL, 0, 100, 0);
    ck_assert_int_eq(backlog_count(&b), 410);
    backlog_note_cursor(&b, LANE_NORMAL, 0, 100, 30); /* done beyond the cursor */
    ck_assert_int_eq(backlog_count(&b), 380);
    send(LANE_NORMAL, 0, 510, 5);
    ck_assert_int_eq(backlog_count(&b), 385);
    backlog_done(&b);
}
END_TEST

START_TEST(what_others_put_behind_it_does_not)
{
    send(LANE_NORMAL, 0, 0, 10);
    backlog_note_cursor(&b, LANE_NORMAL, 0, 1000, 50);
    ck_assert_int_eq(backlog_count(&b), 0);
    send(LANE_NORMAL, 0, 1100, 1);
    ck_assert_int_eq(backlog_count(&b), 51);
    backlog_done(&b);
}
END_TEST

START_TEST(cursors_of_other_places_are_nothing_to_us)
{
    send(LANE_NORMAL, 0, 0, 10);
    backlog_note_cursor(&b, LANE_HIGH, 0, 5, 0);
    backlog_note_cursor(&b, LANE_NORMAL, 9, 5, 0);
    ck_assert_int_eq(backlog_count(&b), 10);
    ck_assert_uint_eq(b.n, 1);
    backlog_done(&b);
}
END_TEST

START_TEST(a_topic_that_was_made_again_counts_anew)
{
    send(LANE_NORMAL, 0, 1000, 10);
    backlog_note_cursor(&b, LANE_NORMAL, 0, 1010, 0);
    b.has_news = false;
    send(LANE_NORMAL, 0, 0, 3);
    ck_assert_int_eq(backlog_count(&b), 3);
    ck_assert(b.has_news);
    backlog_done(&b);
}
END_TEST

SUITE_MAIN("backlog", what_we_sent_waits, what_lies_in_front_of_it_counts_too,
           what_others_put_behind_it_does_not, cursors_of_other_places_are_nothing_to_us,
           a_topic_that_was_made_again_counts_anew)
