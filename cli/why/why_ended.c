/* SPDX-License-Identifier: Apache-2.0 */
/* Why a job is where it is: it has ended, or a worker has it. */
#include "cli/why/why_parts.h"

#include "base/clock.h"

/* --- It has ended --- */

static void say_duration(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!f->started_us || f->finished_us < f->started_us)
        return;
    why_say(j, ", having run for ");
    why_say_span(j, f->finished_us - f->started_us);
}

static bool has_succeeded(struct judging *j)
{
    if (!why_is(j->f->state, "succeeded"))
        return false;
    why_say(j, "It succeeded");
    why_say_ago(j, j->f->finished_us);
    why_say(j, ", at attempt %d in worker %s", j->f->attempt, why_known(j->f->worker));
    say_duration(j);
    why_advise(j, "jobctl job show %s has its result", j->f->id);
    return why_conclude(j, "succeeded");
}

static void say_death(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (why_is(f->reason, "exhausted"))
        why_say(j, "its attempts are used up: the last one, attempt %d, ended as %s", f->attempt,
                f->last.outcome ? f->last.outcome : "failed");
    else if (why_is(f->reason, "failed"))
        why_say(j, "its handler gave it up for good at attempt %d", f->attempt);
    else if (why_is(f->reason, "crashed"))
        why_say(j, "its executor or its worker died too often with it");
    else if (why_is(f->reason, "malformed"))
        why_say(j, "its message cannot be read");
    else if (why_is(f->reason, "unknown_type"))
        why_say(j, "for %lld s no worker that got it knew its type %s",
                (long long)(f->parked_grace_us / USEC_PER_SEC), why_known(f->type));
    else
        why_say(j, "its reason is %s", why_known(f->reason));
}

static bool is_dead(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!why_is(f->state, "dead"))
        return false;
    why_say(j, "It has been dead for ");
    why_say_span(j, why_since(j, f->finished_us));
    why_say(j, ", because ");
    say_death(j);
    why_say_error(j, f->error ? f->error : f->last.error);
    if (!f->has_letter)
        why_advise(j, "its dead letter was purged: enqueue it anew");
    else if (why_is(f->reason, "malformed"))
        why_advise(
            j,
            "jobctl dead show %s has the message as it came; enqueue a right one, then jobctl dead purge %s",
            f->id, f->id);
    else if (why_is(f->reason, "unknown_type"))
        why_advise(j, "start a worker with a handler for %s, then jobctl dead replay %s", why_known(f->type),
                   f->id);
    else
        why_advise(j, "mend what the error names, then jobctl dead replay %s", f->id);
    return why_conclude(j, "dead");
}

static bool was_cancelled(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!why_is(f->state, "cancelled"))
        return false;
    why_say(j, "It was cancelled");
    why_say_ago(j, f->finished_us);
    why_say_actor(j);
    why_say(j, ", %s", f->started_us ? "and stopped while it ran" : "before it started");
    why_advise(j, "nothing: enqueue it anew if it is to run after all");
    return why_conclude(j, "cancelled");
}

static bool has_expired(struct judging *j)
{
    if (!why_is(j->f->state, "expired"))
        return false;
    why_say(j, "It expired");
    why_say_ago(j, j->f->finished_us);
    why_say(j, ", because it had not started by the time that was set for it (expires)");
    why_advise(j, "enqueue it anew, with a later --expires or with none");
    return why_conclude(j, "expired");
}

static bool is_duplicate(struct judging *j)
{
    if (!why_is(j->f->state, "duplicate"))
        return false;
    why_say(j, "It is a duplicate: ");
    why_say_other(j, &j->f->original);
    why_say(j, " held its unique key when it came");
    why_say_ago(j, j->f->finished_us);
    why_advise(j, "nothing: that job does its work; jobctl job why %s", why_known(j->f->original.id));
    return why_conclude(j, "duplicate");
}

void why_judge_ended(struct judging *j)
{
    static const why_step steps[] = { has_succeeded, is_dead, was_cancelled, has_expired, is_duplicate };
    why_walk(j, steps, ARRAY_SIZE(steps));
    why_add_job(j);
    why_add_tries(j);
    why_add_place(j);
    why_add_other(j, "duplicate_of", "duplicate_of_state", &j->f->original);
}

/* --- A worker has it --- */

static bool has_lost_worker(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!f->lost_us)
        return false;
    why_say(j, "Its worker %s was declared dead", why_known(f->worker));
    why_say_ago(j, f->lost_us);
    why_say(j, ", and its jobs are being given to others");
    why_advise(j, f->n_clocks == 0 ? "no broker is connected that could go on with that: start jobbrokerd"
                                   : "a broker makes it due again in a moment");
    return why_conclude(j, "worker_lost");
}

static bool has_silent_worker(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!why_is_silent(j, f->beat_us, true))
        return false;
    why_say(j, "Its worker %s stopped beating", why_known(f->worker));
    why_say_ago(j, f->beat_us);
    if (f->n_clocks == 0) {
        why_say(j, ", and no broker is connected that could give the job to another one");
        why_advise(j, "start jobbrokerd");
    } else {
        why_say(j, "; a broker gives the job to another one when it has seen %lld s of silence",
                (long long)(f->lease_timeout_us / USEC_PER_SEC));
        why_advise(j, "that, by itself; or the worker beats again");
    }
    return why_conclude(j, "worker_silent");
}

static bool is_stopping(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!f->cancel_us)
        return false;
    why_say(j, "Worker %s was asked", why_known(f->worker));
    why_say_ago(j, f->cancel_us);
    why_say_actor(j);
    why_say(j, " to stop it, and it has not ended yet");
    why_advise(j, "it ends as cancelled when its handler has, or is killed");
    return why_conclude(j, "stopping");
}

static bool is_running(struct judging *j)
{
    const struct why_facts *f = j->f;
    why_say(j, "It has been running in worker %s for ", why_known(f->worker));
    why_say_span(j, why_since(j, f->started_us));
    why_say(j, ", attempt %d", f->attempt);
    if (f->progress)
        why_say(j, ", progress %.200s", f->progress);
    if (f->narrow_worker && why_is(f->narrow_worker, why_known(f->worker)))
        why_say(j, "; or it waits there to start, because too many tries of its queue fail");
    why_advise(j, "its end; jobctl job cancel %s stops it", f->id);
    return why_conclude(j, "running");
}

void why_judge_leased(struct judging *j)
{
    static const why_step steps[] = { has_lost_worker, has_silent_worker, is_stopping, is_running };
    why_walk(j, steps, ARRAY_SIZE(steps));
    why_add_job(j);
    why_add(j, "worker_beat_at", why_time(j->f->beat_us));
    why_add(j, "worker_lost_at", why_time(j->f->lost_us));
    why_add_tries(j);
    why_add_place(j);
    why_add_queue(j);
}
