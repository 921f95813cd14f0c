/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/window.h"

#include "tests/support/suite.h"

#define CAPACITY 15000

static struct window w;
static struct buf done;

static void start(int64_t base)
{
    ck_assert_int_eq(window_init(&w, base, CAPACITY), 0);
}

static void finish(void)
{
    window_done(&w);
    buf_done(&done);
}

static int64_t encode(void)
{
    int64_t next;
    buf_reset(&done);
    window_encode(&w, &next, &done);
    return next;
}

static void see_range(int64_t from, int64_t to)
{
    for (int64_t o = from; o < to; o++)
        window_see(&w, o);
}

START_TEST(prefix_moves_only_over_done_offsets)
{
    start(100);
    see_range(100, 110);
    window_mark(&w, 101);
    window_mark(&w, 102);
    ck_assert_int_eq(encode(), 100);
    window_mark(&w, 100);
    ck_assert_int_eq(encode(), 103);
    ck_assert_uint_eq(done.size, 0);
    window_advance(&w);
    ck_assert_int_eq(w.base, 103);
    finish();
}
END_TEST

START_TEST(stored_form_reads_back)
{
    start(7);
    see_range(7, 3000);
    for (int64_t o = 8; o < 3000; o += 3)
        window_mark(&w, o);
    int64_t next = encode();
    struct window back;
    ck_assert_int_eq(window_init(&back, next, CAPACITY), 0);
    ck_assert_int_eq(window_decode(&back, (struct span){ done.data, done.size }), 0);
    for (int64_t o = 7; o < 3000; o++)
        ck_assert_int_eq(window_is_done(&back, o), o % 3 == 2);
    window_done(&back);
    finish();
}
END_TEST

START_TEST(every_damaged_byte_is_noticed)
{
    start(50);
    see_range(50, 90);
    window_mark(&w, 55);
    window_mark(&w, 80);
    int64_t next = encode();
    for (size_t i = 0; i < done.size * 8; i++) {
        struct window back;
        ck_assert_int_eq(window_init(&back, next, CAPACITY), 0);
        done.data[i / 8] = (char)(done.data[i / 8] ^ 1 << i % 8);
        ck_assert_int_eq(window_decode(&back, (struct span){ done.data, done.size }), 1);
        ck_assert_int_eq(back.high, next);
        done.data[i / 8] = (char)(done.data[i / 8] ^ 1 << i % 8);
        window_done(&back);
    }
    finish();
}
END_TEST

START_TEST(bitmap_of_another_offset_is_refused)
{
    start(50);
    see_range(50, 60);
    window_mark(&w, 55);
    encode();
    struct window back;
    ck_assert_int_eq(window_init(&back, 51, CAPACITY), 0);
    ck_assert_int_eq(window_decode(&back, (struct span){ done.data, done.size }), 1);
    window_done(&back);
    finish();
}
END_TEST

START_TEST(gaps_are_done_when_something_behind_them_is_read)
{
    start(0);
    ck_assert_int_eq(window_see(&w, 0), 0);
    ck_assert_int_eq(window_see(&w, 5), 4);
    window_mark(&w, 0);
    ck_assert_int_eq(encode(), 5);
    window_mark(&w, 5);
    ck_assert_int_eq(window_see_end(&w, 8), 2);
    ck_assert_int_eq(encode(), 8);
    finish();
}
END_TEST

START_TEST(gap_longer_than_the_window_is_passed_when_nothing_is_open)
{
    start(10);
    ck_assert_int_eq(window_see_end(&w, 10 + 10 * CAPACITY), 10 * CAPACITY);
    ck_assert_int_eq(encode(), 10 + 10 * CAPACITY);
    finish();
}
END_TEST

START_TEST(window_has_a_bound_and_turns_over)
{
    start(0);
    for (int64_t o = 0; o < 10 * CAPACITY; o++) {
        ck_assert(window_has_room(&w, o));
        window_see(&w, o);
        ck_assert(!window_is_done(&w, o));
        window_mark(&w, o);
        if (o % 1000 == 999)
            window_advance(&w);
    }
    window_see(&w, 10 * CAPACITY);
    see_range(10 * CAPACITY + 1, 11 * CAPACITY);
    ck_assert(!window_has_room(&w, 11 * CAPACITY));
    finish();
}
END_TEST

START_TEST(unmarked_offset_is_open_again)
{
    start(0);
    see_range(0, 3);
    window_mark(&w, 1);
    window_unmark(&w, 1);
    ck_assert(!window_is_done(&w, 1));
    ck_assert_int_eq(encode(), 0);
    ck_assert_uint_eq(done.size, 0);
    finish();
}
END_TEST

START_TEST(done_offsets_read_again_stay_done)
{
    start(0);
    see_range(0, 10);
    window_mark(&w, 4);
    encode();
    struct window back;
    ck_assert_int_eq(window_init(&back, 0, CAPACITY), 0);
    ck_assert_int_eq(window_decode(&back, (struct span){ done.data, done.size }), 0);
    for (int64_t o = 0; o < 10; o++) {
        window_see(&back, o);
        ck_assert_int_eq(window_is_done(&back, o), o == 4);
    }
    window_done(&back);
    finish();
}
END_TEST

SUITE_MAIN("window", prefix_moves_only_over_done_offsets, stored_form_reads_back,
           every_damaged_byte_is_noticed, bitmap_of_another_offset_is_refused,
           gaps_are_done_when_something_behind_them_is_read,
           gap_longer_than_the_window_is_passed_when_nothing_is_open, window_has_a_bound_and_turns_over,
           unmarked_offset_is_open_again, done_offsets_read_again_stay_done)
