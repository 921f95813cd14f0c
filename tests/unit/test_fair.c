/* SPDX-License-Identifier: Apache-2.0 */
#include "store/fair.h"

#include "tests/support/suite.h"

#define MAX 1000

static struct fair_item items[MAX];
static uint32_t order[MAX];
static size_t n_items;

static void add(int32_t line, size_t n, int64_t size_bytes)
{
    for (size_t i = 0; i < n; i++)
        items[n_items++] = (struct fair_item){ .line = line, .size_bytes = size_bytes };
}

static size_t count_of(int32_t line, size_t n_chosen)
{
    size_t n = 0;
    for (size_t i = 0; i < n_chosen; i++)
        n += items[order[i]].line == line;
    return n;
}

START_TEST(nothing_gives_nothing)
{
    ck_assert_uint_eq(fair_choose(items, 0, 10, 1000, order), 0);
    add(0, 3, 10);
    ck_assert_uint_eq(fair_choose(items, n_items, 0, 1000, order), 0);
}
END_TEST

START_TEST(one_line_keeps_its_order)
{
    add(7, 100, 10);
    ck_assert_uint_eq(fair_choose(items, n_items, 40, 1 << 20, order), 40);
    for (uint32_t i = 0; i < 40; i++)
        ck_assert_uint_eq(order[i], i);
}
END_TEST

START_TEST(every_line_keeps_its_order)
{
    add(1, 50, 10);
    add(2, 50, 500);
    add(3, 50, 0);
    size_t n = fair_choose(items, n_items, MAX, 1 << 20, order);
    ck_assert_uint_eq(n, 150);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            if (items[order[i]].line == items[order[j]].line)
                ck_assert_uint_lt(order[i], order[j]);
}
END_TEST

START_TEST(small_rows_share_by_number)
{
    add(1, 900, 0);
    add(2, 10, 0);
    add(3, 5, 0);
    size_t n = fair_choose(items, n_items, 100, 1 << 20, order);
    ck_assert_uint_eq(n, 100);
    ck_assert_uint_eq(count_of(2, n), 10);
    ck_assert_uint_eq(count_of(3, n), 5);
    ck_assert_uint_eq(count_of(1, 30), 15);
}
END_TEST

START_TEST(large_rows_leave_room_for_others)
{
    add(1, 10, 1 << 20);
    add(2, 500, 1000);
    size_t n = fair_choose(items, n_items, MAX, 4 << 20, order);
    ck_assert_uint_eq(count_of(2, n), 500);
    ck_assert_uint_le(count_of(1, n), 4);
    ck_assert_uint_ge(count_of(1, n), 3);
}
END_TEST

START_TEST(the_first_goes_however_large)
{
    add(1, 2, 10 << 20);
    ck_assert_uint_eq(fair_choose(items, n_items, MAX, 4 << 20, order), 1);
    ck_assert_uint_eq(order[0], 0);
}
END_TEST

START_TEST(the_first_line_goes_first_between_equals)
{
    add(1, 1, 10 << 20);
    add(2, 1, 10 << 20);
    ck_assert_uint_eq(fair_choose(items, n_items, MAX, 4 << 20, order), 1);
    ck_assert_int_eq(items[order[0]].line, 1);
}
END_TEST

START_TEST(bytes_bound_the_batch)
{
    int64_t bytes = 0;
    add(1, 100, 100000);
    size_t n = fair_choose(items, n_items, MAX, 1000000, order);
    for (size_t i = 0; i < n; i++)
        bytes += items[order[i]].size_bytes;
    ck_assert_int_ge(bytes, 1000000);
    ck_assert_int_lt(bytes, 1000000 + 100000);
}
END_TEST

SUITE_MAIN("fair", nothing_gives_nothing, one_line_keeps_its_order, every_line_keeps_its_order,
           small_rows_share_by_number, large_rows_leave_room_for_others, the_first_goes_however_large,
           the_first_line_goes_first_between_equals, bytes_bound_the_batch)
