/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/suite.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/clock.h"
#include "broker/observe.h"

#define S USEC_PER_SEC
#define MS USEC_PER_MSEC

static struct observe *new_observe(int64_t timeout_us)
{
    struct observe *o = NULL;
    ck_assert_int_eq(observe_new(&o, timeout_us), 0);
    return o;
}

/* An answer that arrives at once. */
static void see(struct observe *o, int64_t at_us, int64_t beat)
{
    const struct observe_beat beats[] = { { "w", beat } };
    ck_assert_int_eq(observe_answer(o, at_us, at_us, beats, 1), 0);
}

static bool is_lost(const struct observe *o)
{
    return observe_get_lost(o, 0) != NULL;
}

START_TEST(silence_through_the_whole_time_out_is_a_loss)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    for (int i = 0; i < 10; i++) {
        see(o, 100 * S + i * S, 7);
        ck_assert(!is_lost(o));
    }
    see(o, 110 * S - 1, 7);
    ck_assert(!is_lost(o));
    see(o, 110 * S, 7);
    ck_assert(is_lost(o));
    ck_assert_str_eq(observe_get_lost(o, 0)->worker, "w");
    ck_assert_int_eq(observe_get_lost(o, 0)->beat_at_us, 7);
    ck_assert_ptr_null(observe_get_lost(o, 1));
}
END_TEST

START_TEST(idle_worker_may_be_silent_for_longer)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    const struct observe_beat idle[] = { { "w", 7, true } }, holder[] = { { "w", 7, false } };
    for (int64_t at = 0; at < OBSERVE_IDLE_US; at += S) {
        ck_assert_int_eq(observe_answer(o, at, at, idle, 1), 0);
        ck_assert(!is_lost(o));
    }
    ck_assert_int_eq(observe_answer(o, OBSERVE_IDLE_US, OBSERVE_IDLE_US, idle, 1), 0);
    ck_assert(is_lost(o));
    observe_reset(o);
    for (int64_t at = 0; at <= 10 * S; at += S)
        ck_assert_int_eq(observe_answer(o, at, at, holder, 1), 0);
    ck_assert(is_lost(o));
}
END_TEST

START_TEST(a_beat_starts_the_silence_again)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    for (int i = 0; i <= 9; i++)
        see(o, i * S, 7);
    see(o, 10 * S, 8);
    for (int i = 11; i < 20; i++) {
        see(o, i * S, 8);
        ck_assert(!is_lost(o));
    }
    see(o, 20 * S, 8);
    ck_assert(is_lost(o));
}
END_TEST

START_TEST(a_beat_that_went_back_is_a_beat)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    for (int i = 0; i <= 9; i++)
        see(o, i * S, 7);
    see(o, 10 * S, 6); /* PostgreSQL's clock was set back */
    ck_assert(!is_lost(o));
}
END_TEST

START_TEST(a_lost_worker_that_beats_is_not_lost)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    for (int i = 0; i <= 10; i++)
        see(o, i * S, 7);
    ck_assert(is_lost(o));
    see(o, 11 * S, 8);
    ck_assert(!is_lost(o));
}
END_TEST

START_TEST(a_gap_starts_everything_afresh)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    for (int i = 0; i <= 9; i++)
        see(o, i * S, 7);
    see(o, 12 * S + 1, 7); /* 3 s and a little: this process, or PostgreSQL, was paused */
    ck_assert(!is_lost(o));
    for (int i = 1; i < 10; i++) {
        see(o, 12 * S + 1 + i * S, 7);
        ck_assert(!is_lost(o));
    }
    see(o, 22 * S + 1, 7);
    ck_assert(is_lost(o));
}
END_TEST

START_TEST(a_gap_of_exactly_the_limit_is_none)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    for (int i = 0; i <= 12; i += 3)
        see(o, i * S, 7);
    ck_assert(is_lost(o));
}
END_TEST

START_TEST(three_answers_at_least)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    see(o, 0, 7);
    see(o, 30 * S, 7);
    ck_assert(!is_lost(o));
    see(o, 60 * S, 7);
    see(o, 90 * S, 7);
    ck_assert(!is_lost(o)); /* each one was the first of a new observation */
}
END_TEST

START_TEST(an_unanswered_question_starts_everything_afresh)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    for (int i = 0; i <= 9; i++)
        see(o, i * S, 7);
    observe_reset(o);
    ck_assert(!is_lost(o));
    for (int i = 10; i < 20; i++) {
        see(o, i * S, 7);
        ck_assert(!is_lost(o));
    }
    see(o, 20 * S, 7);
    ck_assert(is_lost(o));
}
END_TEST

START_TEST(a_reset_forgets_the_lost_at_once)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    for (int i = 0; i <= 10; i++)
        see(o, i * S, 7);
    ck_assert(is_lost(o));
    observe_reset(o);
    ck_assert(!is_lost(o));
}
END_TEST

START_TEST(slow_answers_count_against_us)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    const struct observe_beat beats[] = { { "w", 7 } };
    /* The first answer was asked at 0 and arrives at 2: the beat may be from any time in between. */
    observe_answer(o, 0, 2 * S, beats, 1);
    for (int i = 3; i <= 11; i++) {
        observe_answer(o, i * S, i * S, beats, 1);
        ck_assert(!is_lost(o));
    }
    observe_answer(o, 11 * S + 900 * MS, 13 * S, beats, 1); /* asked too early, however late it arrives */
    ck_assert(!is_lost(o));
    observe_answer(o, 13 * S, 13 * S, beats, 1);
    ck_assert(is_lost(o));
}
END_TEST

START_TEST(an_answer_that_takes_longer_than_a_gap_is_a_gap)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    const struct observe_beat beats[] = { { "w", 7 } };
    for (int i = 0; i <= 9; i++)
        see(o, i * S, 7);
    observe_answer(o, 10 * S, 12 * S + 1, beats, 1);
    ck_assert(!is_lost(o));
}
END_TEST

START_TEST(each_worker_is_judged_by_itself)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    for (int i = 0; i <= 15; i++) {
        const struct observe_beat beats[] = {
            { "alive", i }, { "silent", 7 }, { "also silent", 9 }, { "late", 1 }
        };
        ck_assert_int_eq(observe_answer(o, i * S, i * S, beats, i < 8 ? 3 : 4), 0);
    }
    ck_assert_str_eq(observe_get_lost(o, 0)->worker, "silent");
    ck_assert_str_eq(observe_get_lost(o, 1)->worker, "also silent");
    ck_assert_ptr_null(observe_get_lost(o, 2));
}
END_TEST

START_TEST(a_worker_that_is_gone_is_forgotten)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    for (int i = 0; i <= 10; i++)
        see(o, i * S, 7);
    ck_assert_int_eq(observe_answer(o, 11 * S, 11 * S, NULL, 0), 0);
    ck_assert(!is_lost(o));
    see(o, 12 * S, 7); /* came back with the same beat: a new observation all the same */
    ck_assert(!is_lost(o));
}
END_TEST

START_TEST(short_time_outs_scale_gap_and_interval)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(1 * S);
    ck_assert_int_eq(observe_interval_us(o), 100 * MS);
    for (int i = 0; i <= 9; i++)
        see(o, i * 100 * MS, 7);
    ck_assert(!is_lost(o));
    see(o, 1 * S, 7);
    ck_assert(is_lost(o));
    see(o, 1300 * MS + 1, 7);
    ck_assert(!is_lost(o));
}
END_TEST

START_TEST(long_time_outs_are_asked_every_second)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(600 * S);
    ck_assert_int_eq(observe_interval_us(o), 1 * S);
}
END_TEST

START_TEST(the_interval_leaves_room_for_slow_answers)
{
    for (int64_t timeout_us = 500 * MS; timeout_us <= 600 * S; timeout_us *= 3) {
        _cleanup_(observe_free_cleanup) struct observe *o = new_observe(timeout_us);
        ck_assert_int_le(observe_interval_us(o) * 3, timeout_us / 10 * 3);
    }
}
END_TEST

START_TEST(names_are_copied)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    char name[16];
    for (int i = 0; i <= 10; i++) {
        snprintf(name, sizeof(name), "worker");
        const struct observe_beat beats[] = { { name, 7 } };
        observe_answer(o, i * S, i * S, beats, 1);
        memset(name, 'x', sizeof(name) - 1);
    }
    ck_assert_str_eq(observe_get_lost(o, 0)->worker, "worker");
}
END_TEST

START_TEST(calm_is_without_leases_and_silence)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    struct observe_beat beat = { "w", 1, true };
    ck_assert_int_eq(observe_answer(o, 100 * S, 100 * S, &beat, 1), 0);
    ck_assert(observe_is_calm(o));
    beat = (struct observe_beat){ "w", 2, false };
    ck_assert_int_eq(observe_answer(o, 160 * S, 160 * S, &beat, 1), 0);
    ck_assert(!observe_is_calm(o));
    beat.idle = true;
    ck_assert_int_eq(observe_answer(o, 161 * S, 161 * S, &beat, 1), 0);
    ck_assert(observe_is_calm(o));
}
END_TEST

START_TEST(silence_between_distant_looks_is_watched_until_it_is_judged)
{
    _cleanup_(observe_free_cleanup) struct observe *o = new_observe(10 * S);
    const struct observe_beat beat = { "w", 1, true };
    ck_assert_int_eq(observe_answer(o, 100 * S, 100 * S, &beat, 1), 0);
    ck_assert(observe_is_calm(o));
    for (int64_t at = 160 * S; at < 160 * S + OBSERVE_IDLE_US; at += S) {
        ck_assert_int_eq(observe_answer(o, at, at, &beat, 1), 0);
        ck_assert(!is_lost(o));
        ck_assert(!observe_is_calm(o));
    }
    int64_t end = 160 * S + OBSERVE_IDLE_US;
    ck_assert_int_eq(observe_answer(o, end, end, &beat, 1), 0);
    ck_assert(is_lost(o));
    ck_assert_int_eq(observe_answer(o, end + 90 * S, end + 90 * S, NULL, 0), 0);
    ck_assert(observe_is_calm(o));
}
END_TEST

SUITE_MAIN("observe", silence_through_the_whole_time_out_is_a_loss, idle_worker_may_be_silent_for_longer,
           a_beat_starts_the_silence_again, a_beat_that_went_back_is_a_beat,
           a_lost_worker_that_beats_is_not_lost, a_gap_starts_everything_afresh,
           a_gap_of_exactly_the_limit_is_none, three_answers_at_least,
           an_unanswered_question_starts_everything_afresh, a_reset_forgets_the_lost_at_once,
           slow_answers_count_against_us, an_answer_that_takes_longer_than_a_gap_is_a_gap,
           each_worker_is_judged_by_itself, a_worker_that_is_gone_is_forgotten,
           short_time_outs_scale_gap_and_interval, long_time_outs_are_asked_every_second,
           the_interval_leaves_room_for_slow_answers, names_are_copied, calm_is_without_leases_and_silence,
           silence_between_distant_looks_is_watched_until_it_is_judged)
