/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/watches.h"

#include "base/clock.h"
#include "tests/support/suite.h"

#define N 2000

static struct watch watches[N];

/* As many of one id as @per_id says. */
static void fill(struct watches *ws, size_t per_id)
{
    struct uuid id = { { 0 } };
    for (size_t i = 0; i < N; i++) {
        if (i % per_id == 0)
            uuid_new(&id);
        watches[i] = (struct watch){ .id = id, .deadline_us = random(), .look_us = random() };
        ck_assert_int_eq(watches_add(ws, &watches[i]), 0);
    }
}

static size_t count_found(const struct watches *ws, const struct uuid *id)
{
    size_t n = 0;
    for (const struct watch *w = watches_find(ws, id); w; w = watches_find_next(w))
        n++;
    return n;
}

START_TEST(first_is_the_earliest_whatever_comes_goes_and_moves)
{
    struct watches ws = { 0 };
    srandom(1);
    fill(&ws, 3);
    for (size_t i = 0; i < N; i += 2)
        watches_set_look(&ws, &watches[i], random());
    for (size_t i = 0; i < N; i += 5)
        watches_remove(&ws, &watches[i]);
    for (int64_t last = 0; ws.n > N / 2;) {
        struct watch *w = watches_first(&ws, WATCH_BY_LOOK);
        ck_assert_int_ge(w->look_us, last);
        last = w->look_us;
        watches_remove(&ws, w);
    }
    for (int64_t last = 0; ws.n > 0;) {
        struct watch *w = watches_first(&ws, WATCH_BY_DEADLINE);
        ck_assert_int_ge(w->deadline_us, last);
        last = w->deadline_us;
        watches_remove(&ws, w);
    }
    ck_assert_ptr_null(watches_first(&ws, WATCH_BY_DEADLINE));
    ck_assert_ptr_null(watches_first(&ws, WATCH_BY_LOOK));
    watches_done(&ws);
}
END_TEST

START_TEST(all_watches_of_one_job_are_found)
{
    struct watches ws = { 0 };
    struct uuid other;
    fill(&ws, 4);
    uuid_new(&other);
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_eq(count_found(&ws, &watches[i].id), 4);
    ck_assert_uint_eq(count_found(&ws, &other), 0);
    for (size_t i = 0; i < N; i += 4)
        watches_remove(&ws, &watches[i + i / 4 % 4]);
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_eq(count_found(&ws, &watches[i].id), 3);
    watches_done(&ws);
}
END_TEST

START_TEST(look_at_all_makes_all_due)
{
    struct watches ws = { 0 };
    fill(&ws, 1);
    watches_look_at_all(&ws, 7);
    for (size_t i = 0; i < N; i++) {
        struct watch *w = watches_first(&ws, WATCH_BY_LOOK);
        ck_assert_int_eq(w->look_us, 7);
        watches_set_look(&ws, w, WATCH_NO_LOOK);
    }
    ck_assert_int_eq(watches_first(&ws, WATCH_BY_LOOK)->look_us, WATCH_NO_LOOK);
    watches_done(&ws);
}
END_TEST

START_TEST(looks_become_rare_and_come_together)
{
    const int64_t began_us = 123456789;
    size_t n_looks = 0;
    for (int64_t now_us = began_us; now_us < began_us + 3600 * USEC_PER_SEC; n_looks++) {
        int64_t next_us = watch_next_look_us(began_us, now_us), waited_us = now_us - began_us;
        ck_assert_int_ge(next_us - now_us, 50 * USEC_PER_MSEC);
        ck_assert_int_le(next_us - now_us, waited_us / 8 + 100 * USEC_PER_MSEC +
                                               (waited_us >= 8 * USEC_PER_SEC) * USEC_PER_SEC);
        ck_assert_int_le(next_us - now_us, 6 * USEC_PER_SEC);
        now_us = next_us;
    }
    ck_assert_uint_lt(n_looks, 800); /* in an hour; 5 s apart after the first minutes */
    /* Two who have come at different moments. */
    ck_assert_int_eq(watch_next_look_us(1, 100 * USEC_PER_SEC + 1),
                     watch_next_look_us(9000, 100 * USEC_PER_SEC + 5000));
}
END_TEST

SUITE_MAIN("watches", first_is_the_earliest_whatever_comes_goes_and_moves, all_watches_of_one_job_are_found,
           look_at_all_makes_all_due, looks_become_rare_and_come_together)
