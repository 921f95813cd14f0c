/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/shares.h"

#include "tests/support/suite.h"

#define S INT64_C(1000000)
#define BATCH 1000

static struct shares shares;
static struct relay_turn turns[64];
static size_t n_turns;

static void list(const char *const *queues, size_t n)
{
    shares_begin_list(&shares);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(shares_list(&shares, queues[i]), 0);
    shares_end_list(&shares);
}
#define LIST(...)                                                                                            \
    list((const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void plan(int64_t now_us)
{
    n_turns = shares_plan(&shares, BATCH, false, now_us, turns);
}

static const struct relay_turn *turn_of(const char *queue)
{
    for (size_t i = 0; i < n_turns; i++)
        if (strcmp(turns[i].queue, queue) == 0)
            return &turns[i];
    return NULL;
}

/* A batch in which @queue had @n rows of which those that are not @refused went, to partition 0 from @offset on. */
static void note(const char *queue, int32_t n, bool refused, int64_t offset)
{
    const struct relay_turn *turn = turn_of(queue);
    for (int32_t i = 0; i < n; i++) {
        const struct relay_row row = { .share = turn->share, .n_found = n, .run_at_us = 100 * S + i };
        shares_note_row(&shares, &row, refused ? SHARE_REFUSED : SHARE_SENT);
        if (!refused)
            ck_assert_int_eq(
                backlog_note_sent(&shares_find(&shares, queue)->backlog, LANE_NORMAL, 0, offset + i), 0);
    }
}

START_TEST(queues_are_found_by_name)
{
    LIST("mail", "a", "zoo", "mail");
    ck_assert_uint_eq(shares.n, 3);
    ck_assert_str_eq(shares_find(&shares, "mail")->queue, "mail");
    ck_assert_ptr_null(shares_find(&shares, "nowhere"));
    LIST("zoo");
    ck_assert_uint_eq(shares.n, 1);
    shares_done(&shares);
}
END_TEST

START_TEST(one_queue_may_take_the_whole_batch)
{
    LIST("mail");
    plan(0);
    ck_assert_uint_eq(n_turns, 1);
    ck_assert_int_eq(turns[0].limit, BATCH);
    ck_assert(!turns[0].ordered_only);
    shares_done(&shares);
}
END_TEST

START_TEST(a_hungry_queue_takes_what_others_leave)
{
    LIST("a", "b", "c", "d", "e");
    plan(0);
    ck_assert_int_eq(turn_of("a")->limit, BATCH / 5);
    note("a", BATCH / 5, false, 0);
    note("b", 3, false, 0);
    shares_end_batch(&shares, S, 0);
    plan(0);
    ck_assert_int_eq(turn_of("a")->limit, BATCH);
    ck_assert_int_eq(turn_of("b")->limit, BATCH / 5);
    note("a", BATCH, false, 1000);
    note("b", BATCH / 5, false, 3);
    shares_end_batch(&shares, S, 0);
    plan(0);
    ck_assert_int_eq(turn_of("a")->limit, BATCH / 2);
    ck_assert_int_eq(turn_of("b")->limit, BATCH / 2);
    shares_done(&shares);
}
END_TEST

START_TEST(queues_take_turns_at_being_first)
{
    const char *first[3];
    LIST("a", "b", "c");
    for (int i = 0; i < 3; i++) {
        plan(0);
        first[i] = turns[0].queue;
    }
    ck_assert_str_ne(first[0], first[1]);
    ck_assert_str_ne(first[1], first[2]);
    ck_assert_str_ne(first[0], first[2]);
    shares_done(&shares);
}
END_TEST

START_TEST(each_queue_has_a_mark_of_its_own)
{
    LIST("a", "b");
    plan(0);
    ck_assert_int_eq(turn_of("a")->low_us, INT64_MIN);
    note("a", 5, false, 0);
    shares_end_batch(&shares, 2 * S, 0);
    plan(0);
    ck_assert_int_eq(turn_of("a")->low_us, 98 * S + 4);
    ck_assert_int_eq(turn_of("b")->low_us, INT64_MIN);
    n_turns = shares_plan(&shares, BATCH, true, 0, turns);
    ck_assert_int_eq(turn_of("a")->low_us, INT64_MIN);
    shares_done(&shares);
}
END_TEST

START_TEST(a_full_queue_is_held_back_until_a_tenth_is_done)
{
    shares.backlog_max = 100;
    LIST("a", "b");
    plan(0);
    ck_assert_int_eq(turn_of("a")->limit, 100);
    note("a", 60, false, 0);
    shares_end_batch(&shares, S, 0);
    plan(0);
    ck_assert_int_eq(turn_of("a")->limit, 40);
    note("a", 40, false, 60);
    shares_end_batch(&shares, S, 0);
    plan(0);
    ck_assert(turn_of("a")->ordered_only);
    ck_assert(!turn_of("b")->ordered_only);

    struct share *a = shares_find(&shares, "a");
    const char *held[2];
    ck_assert_uint_eq(shares_list_held(&shares, held), 1);
    ck_assert_str_eq(held[0], "a");
    ck_assert(shares_wants_look(&shares, a, S));
    backlog_note_cursor(&a->backlog, LANE_NORMAL, 0, 9, 0);
    shares_note_look(&shares, a, S);
    plan(S);
    ck_assert(turn_of("a")->ordered_only);
    ck_assert(!shares_wants_look(&shares, a, S));
    ck_assert_int_eq(shares_next_us(&shares), S + SHARES_LOOK_US);
    backlog_note_cursor(&a->backlog, LANE_NORMAL, 0, 10, 0);
    shares_note_look(&shares, a, 2 * S);
    plan(2 * S);
    ck_assert(!turn_of("a")->ordered_only);
    ck_assert_int_eq(turn_of("a")->limit, 10);
    ck_assert_int_eq(shares_next_us(&shares), INT64_MAX);
    shares_done(&shares);
}
END_TEST

START_TEST(looks_that_change_nothing_become_rare)
{
    shares.backlog_max = 1;
    LIST("a");
    plan(0);
    note("a", 1, false, 0);
    shares_end_batch(&shares, S, 0);
    plan(0);
    int64_t now_us = 0;
    for (int i = 0; i < 10; i++) {
        shares_note_look(&shares, shares.all[0], now_us);
        ck_assert_int_le(shares_next_us(&shares) - now_us, 2 * SHARES_LOOK_MAX_US);
        now_us = shares_next_us(&shares);
    }
    ck_assert_int_gt(now_us, 10 * S);
    shares_done(&shares);
}
END_TEST

START_TEST(without_a_limit_nothing_is_held_back)
{
    LIST("a");
    plan(0);
    note("a", BATCH, false, 0);
    shares_end_batch(&shares, S, 0);
    plan(0);
    ck_assert_int_eq(turn_of("a")->limit, BATCH);
    ck_assert(!shares_wants_look(&shares, shares.all[0], 100 * S));
    shares_done(&shares);
}
END_TEST

START_TEST(a_queue_that_kafka_refuses_waits)
{
    LIST("a", "b");
    plan(S);
    note("a", 3, true, 0);
    note("b", 3, false, 0);
    shares_end_batch(&shares, S, S);
    plan(2 * S);
    ck_assert_ptr_null(turn_of("a"));
    ck_assert_ptr_nonnull(turn_of("b"));
    ck_assert_int_eq(shares_next_us(&shares), S + SHARES_RETRY_US);
    plan(S + SHARES_RETRY_US);
    ck_assert_ptr_nonnull(turn_of("a"));
    ck_assert_int_eq(shares_next_us(&shares), INT64_MAX);
    shares_done(&shares);
}
END_TEST

START_TEST(what_waits_in_kafka_is_remembered)
{
    shares.backlog_max = 10;
    LIST("a");
    plan(0);
    note("a", 10, false, 0);
    shares_end_batch(&shares, S, 0);
    LIST("b");
    ck_assert_ptr_nonnull(shares_find(&shares, "a"));
    ck_assert(!shares_wants_look(&shares, shares_find(&shares, "a"), S)); /* it has no rows */
    LIST("a");
    plan(0);
    ck_assert(turn_of("a")->ordered_only);
    shares_done(&shares);
}
END_TEST

SUITE_MAIN("shares", queues_are_found_by_name, one_queue_may_take_the_whole_batch,
           a_hungry_queue_takes_what_others_leave, queues_take_turns_at_being_first,
           each_queue_has_a_mark_of_its_own, a_full_queue_is_held_back_until_a_tenth_is_done,
           looks_that_change_nothing_become_rare, without_a_limit_nothing_is_held_back,
           a_queue_that_kafka_refuses_waits, what_waits_in_kafka_is_remembered)
