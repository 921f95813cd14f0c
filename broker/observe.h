/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which workers have fallen silent, judged by what this process itself has seen.
 *
 * Model: PostgreSQL is asked again and again for every worker's beat. A worker counts as lost when the same beat has
 * been seen through `timeout_us` of our own monotonic clock, in at least OBSERVE_MIN_ANSWERS answers. What could have
 * changed unseen is no silence: when more than a gap (0.3 of the time-out, so 3 s of 10 s) lies between one question
 * and the next one's answer, everything is observed afresh, for it was we, or PostgreSQL, who were away.
 *
 * A worker without a lease beats seldom (every 10 s) and holds nobody's job: its row only goes after OBSERVE_IDLE_US of
 * silence, or the time-out if that is longer. Taking a lease beats by itself, so no lease is ever judged by an idle beat.
 *
 * Times are judged against us: silence counts from the arrival of the first answer with a beat to the asking of the
 * last question that found the same one.
 *
 * Not here: clocks, SQL, and what to do about a lost worker. PostgreSQL's time stamps are compared for being the same, never
 * with a clock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define OBSERVE_MIN_ANSWERS 3
#define OBSERVE_IDLE_US (60 * INT64_C(1000000))

struct observe;

struct observe_beat {
    const char *worker;
    int64_t beat_at_us; /* any number that changes with each beat */
    bool idle;          /* holds no lease */
};

/* Return: 0; -ENOMEM. */
int observe_new(struct observe **ret, int64_t timeout_us);
struct observe *observe_free(struct observe *o);
DEFINE_CLEANUP(struct observe *, observe_free)

/* How often to ask, so that slow answers leave no gap. */
int64_t observe_interval_us(const struct observe *o);

/* A question was not answered: what was seen before proves nothing any more. */
void observe_reset(struct observe *o);

/*
 * One answer: all registered workers, each once. @asked_us and @answered_us: monotonic. Workers that it does not name
 * are forgotten. @beats is copied. Return: 0; -ENOMEM, then the observation starts afresh.
 */
int observe_answer(struct observe *o, int64_t asked_us, int64_t answered_us, const struct observe_beat *beats,
                   size_t n);

/*
 * As of the last answer nobody need be watched: no worker holds a lease, and none without one has missed a beat lately. Then
 * questions may be far apart; a worker that is silent between two of them makes this false for as long as it takes to judge it.
 */
bool observe_is_calm(const struct observe *o);

/* The @i-th lost worker as of the last answer; NULL behind the last. Valid until the next answer or reset. */
const struct observe_beat *observe_get_lost(const struct observe *o, size_t i);
