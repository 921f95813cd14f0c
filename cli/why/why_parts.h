/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside cli/why*.c only: how a verdict is put into words, and the parts of the judgement.
 *
 * A part asks its steps in the order in which a job meets them; the first that says something has found the cause.
 */
#pragma once

#include "cli/why/why.h"

struct judging {
    const struct why_facts *f;
    struct why_verdict *v;
};

typedef bool (*why_step)(struct judging *j);

/* The first step that finds the cause ends it. */
void why_walk(struct judging *j, const why_step *steps, size_t n);
/* Sets the cause. Return: true. */
bool why_conclude(struct judging *j, const char *cause);

/* --- Words: each goes on with the sentence --- */

void why_say(struct judging *j, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for what would change it. */
void why_advise(struct judging *j, const char *format, ...) __attribute__((format(printf, 2, 3)));
void why_say_span(struct judging *j, int64_t us);
/* " 12s ago"; nothing when it is not known. */
void why_say_ago(struct judging *j, int64_t us);
/* "in 3m20s" */
void why_say_until(struct judging *j, int64_t us);
/* " by ada@host"; nothing when it is not known. */
void why_say_actor(struct judging *j);
/* ": …", the first line of an error, cut; nothing when there is none. */
void why_say_error(struct judging *j, const char *error);
/* "job ID (retrying)" */
void why_say_other(struct judging *j, const struct why_other *other);
/* "partition 3 of job.mail" */
void why_say_where(struct judging *j);
const char *why_known(const char *text); /* "?" for NULL */
bool why_is(const char *text, const char *word);
/* How long ago; 0 when it is not known. */
int64_t why_since(const struct judging *j, int64_t us);
/* A worker that beat at @beat_us last has missed a beat and a half. @busy: it holds leases, and beats more often. */
bool why_is_silent(const struct judging *j, int64_t beat_us, bool busy);

/* --- Evidence: what is not known is left out --- */

void why_add(struct judging *j, const char *name, struct cell cell);
struct cell why_time(int64_t us);
struct cell why_number(int64_t number);
void why_add_job(struct judging *j);
void why_add_tries(struct judging *j);
void why_add_place(struct judging *j);
void why_add_queue(struct judging *j);
void why_add_partition(struct judging *j);
void why_add_relay(struct judging *j);
void why_add_servers(struct judging *j);
void why_add_other(struct judging *j, const char *name, const char *state_name,
                   const struct why_other *other);

/* --- Steps that several parts have --- */

bool why_is_being_cancelled(struct judging *j);
bool why_expires_now(struct judging *j);
bool why_is_out_of_sight(struct judging *j);

/* --- Parts --- */

void why_judge_ended(struct judging *j);
void why_judge_leased(struct judging *j);
void why_judge_pending(struct judging *j);
void why_judge_queued(struct judging *j);
