/* SPDX-License-Identifier: Apache-2.0 */
/* Why a job is where it is: its message lies in a topic of its queue. */
#include "cli/why/why_parts.h"

#include <inttypes.h>

#define CAREFUL_CRASHES 3 /* from then on a partition is taken up record by record */

/* --- It waits in Kafka --- */

static bool stands(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!f->trouble)
        return false;
    if (why_is(f->trouble, "reset")) {
        why_say(j, "Somebody has reset ");
        why_say_where(j);
        why_say(j, ", and no worker has taken it up again yet");
        why_advise(j, f->n_workers == 0 ? "start jobworkerd" : "its worker looks within 5 s");
        return why_conclude(j, "resetting");
    }
    why_say(j, "Nobody reads ");
    why_say_where(j);
    why_say(j, ": the topic was deleted and made again, or its log was cut");
    why_advise(j, "jobctl topic reset %s", why_known(f->topic));
    return why_conclude(j, "stands");
}

static bool is_paused(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!f->paused_us)
        return false;
    why_say(j, "Its queue %s was paused by %s", why_known(f->queue), why_known(f->paused_by));
    why_say_ago(j, f->paused_us);
    why_advise(j, "jobctl queue resume %s", why_known(f->queue));
    return why_conclude(j, "paused");
}

static bool has_drained_workers(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (f->n_workers != 0 || !f->drained)
        return false;
    why_say(j, "Worker %s was drained by %s", f->drained, why_known(f->drained_by));
    why_say_ago(j, f->drained_us);
    why_say(j, ", and no other live worker takes the queue %s", why_known(f->queue));
    why_advise(j, "jobctl worker drain --undo %s; or start another worker", f->drained);
    return why_conclude(j, "drained");
}

static bool has_no_worker(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (f->n_workers != 0)
        return false;
    why_say(j, "No live worker takes jobs of the queue %s", why_known(f->queue));
    if (f->n_live > 0)
        why_say(j, " (%" PRId64 " take others)", f->n_live);
    why_advise(j, "start jobworkerd with the queue %s among worker.queues", why_known(f->queue));
    return why_conclude(j, "no_worker");
}

static bool has_no_owner(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (f->owner)
        return false;
    why_say(j, "No worker has taken over ");
    why_say_where(j);
    why_say(j, ", though %" PRId64 " take the queue", f->n_workers);
    why_advise(j, "Kafka gives it to one of them in a moment; if it does not: jobctl doctor");
    return why_conclude(j, "no_owner");
}

static bool has_no_live_owner(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (f->beat_us && !f->lost_us)
        return false;
    why_say(j, "Worker %s, which owned ", f->owner);
    why_say_where(j);
    why_say(j, ", is gone, and Kafka has not given it to another one yet");
    why_advise(j, "that, within seconds, by itself (worker.session_timeout)");
    return why_conclude(j, "owner_gone");
}

static bool has_silent_owner(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!why_is_silent(j, f->beat_us, f->n_leases > 0))
        return false;
    why_say(j, "Worker %s, which owns ", f->owner);
    why_say_where(j);
    why_say(j, ", stopped beating");
    why_say_ago(j, f->beat_us);
    why_advise(
        j,
        "Kafka gives the partition to another worker when it has missed this one, too (worker.session_timeout); "
        "look at that worker's log");
    return why_conclude(j, "owner_silent");
}

static bool is_blocked(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!f->blocker.id)
        return false;
    why_say(j, "Its key is taken: ");
    why_say_other(j, &f->blocker);
    why_say(j, " of the same key has come first for ");
    why_say_span(j, why_since(j, f->blocker.since_us));
    why_advise(j, "the end of that job: jobctl job why %s; jobctl job cancel %s lets this one go",
               f->blocker.id, f->blocker.id);
    return why_conclude(j, "key");
}

static bool is_approached_with_care(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (f->crash_count < CAREFUL_CRASHES)
        return false;
    why_say(j, "Workers died %d times while they took up ", f->crash_count);
    why_say_where(j);
    why_say(j, ", so its jobs are taken one by one until the one that kills them is found");
    why_advise(j, "that, by itself; jobctl dead list --reason crashed");
    return why_conclude(j, "careful");
}

static bool is_in_a_storm(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!f->narrow_worker)
        return false;
    why_say(
        j,
        "Too many tries of the queue %s fail in worker %s, which therefore starts few of its jobs (%s failures a second)",
        why_known(f->queue), f->narrow_worker, why_known(f->narrow_rate));
    why_advise(j, "mend what the errors in job.attempt name; the queue goes on by itself then");
    return why_conclude(j, "storm");
}

static bool is_behind_long_jobs(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (f->n_leases < f->executors_max)
        return false;
    why_say(j, "Worker %s, which owns ", f->owner);
    why_say_where(j);
    why_say(j, ", is busy: it runs %" PRId64 " long jobs and has %d executors", f->n_leases,
            f->executors_max);
    if (f->ahead > 0)
        why_say(j, "; %" PRId64 " %s ahead of this one", f->ahead, f->ahead == 1 ? "job is" : "jobs are");
    why_advise(j, "one of them ends; or more workers, or a higher worker.executors_max");
    return why_conclude(j, "busy");
}

static bool is_behind_others(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (f->ahead <= 0)
        return false;
    why_say(j, "It is behind %" PRId64 " %s in ", f->ahead, f->ahead == 1 ? "job" : "jobs");
    why_say_where(j);
    why_say(j, ", whose owner is worker %s (its last beat was", f->owner);
    why_say_ago(j, f->beat_us);
    why_say(j, ")");
    why_advise(j, "the worker gets there; more partitions and workers make it sooner");
    return why_conclude(j, "behind");
}

static bool is_next(struct judging *j)
{
    const struct why_facts *f = j->f;
    why_say(j, "It is the next one in ");
    why_say_where(j);
    why_say(j, ", whose owner is worker %s: it may be running, which shows when it has run for ", f->owner);
    why_say_span(j, f->handover_after_us);
    why_say(j, " or has ended");
    if (!f->has_handler)
        why_say(j, "; this configuration has no handler for its type %s", why_known(f->type));
    why_advise(j, "that, in a moment");
    return why_conclude(j, "next");
}

void why_judge_queued(struct judging *j)
{
    static const why_step steps[] = {
        why_is_out_of_sight, why_is_being_cancelled, stands,           is_paused,
        has_drained_workers, has_no_worker,          why_expires_now,  has_no_owner,
        has_no_live_owner,   has_silent_owner,       is_blocked,       is_approached_with_care,
        is_in_a_storm,       is_behind_long_jobs,    is_behind_others, is_next,
    };
    why_walk(j, steps, ARRAY_SIZE(steps));
    why_add_job(j);
    why_add_tries(j);
    why_add_place(j);
    why_add_other(j, "blocked_by", "blocked_by_state", &j->f->blocker);
    why_add_queue(j);
    why_add_partition(j);
    why_add_servers(j);
}
