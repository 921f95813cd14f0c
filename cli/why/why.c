/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/why/why_parts.h"

#include <inttypes.h>

const char *const why_causes[] = {
    "succeeded",    "dead",         "cancelled",     "expired",      "duplicate",
    "running",      "stopping",     "worker_silent", "worker_lost",  "scheduled",
    "cron",         "retry",        "snoozed",       "parked",       "key",
    "interrupted",  "rescued",      "replayed",      "cancelling",   "expiring",
    "sending",      "kafka_away",   "no_topic",      "no_broker",    "held_back",
    "relay_behind", "later",        "in_transit",    "paused",       "no_worker",
    "drained",      "no_owner",     "owner_gone",    "owner_silent", "stands",
    "resetting",    "careful",      "storm",         "busy",         "behind",
    "next",         "not_recorded", "record_gone",   "not_found",    "postgresql_away",
    NULL,
};

/* --- What may be in the way anywhere --- */

bool why_is_being_cancelled(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!f->cancel_us)
        return false;
    why_say(j, "It was cancelled");
    why_say_ago(j, f->cancel_us);
    why_say_actor(j);
    why_say(j, ", and ends when a %s", f->place == WHY_PENDING ? "broker looks" : "worker reads it");
    why_advise(j, "that, by itself, as soon as a %s is there", f->place == WHY_PENDING ? "broker" : "worker");
    return why_conclude(j, "cancelling");
}

bool why_expires_now(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!f->expires_us || f->expires_us > f->now_us)
        return false;
    why_say(j, "It expired");
    why_say_ago(j, f->expires_us);
    why_say(j, " without having started, and ends as expired when a %s looks",
            f->place == WHY_PENDING ? "broker" : "worker");
    why_advise(j, "that, by itself, as soon as one is there");
    return why_conclude(j, "expiring");
}

bool why_is_out_of_sight(struct judging *j)
{
    if (!j->f->store_error)
        return false;
    why_say(j, "Its message lies in ");
    why_say_where(j);
    why_say(j,
            " at offset %" PRId64
            "; whether it waits, runs or has ended nobody can tell, because PostgreSQL does not answer",
            j->f->offset);
    why_advise(j, "PostgreSQL is back; workers start nothing until then");
    return why_conclude(j, "postgresql_away");
}

/* --- Elsewhere, or nowhere --- */

static bool is_not_read(struct judging *j)
{
    const struct why_facts *f = j->f;
    why_say(j, "It was enqueued with a time or a unique key and lies on the topic %s, ", why_known(f->topic));
    why_say(j,
            f->n_laters == 0 ? "which no broker is connected to read" : "where a broker is about to read it");
    why_advise(j, f->n_laters == 0 ? "start jobbrokerd (with broker.later = true)" : "that, in a moment");
    return why_conclude(j, "later");
}

static void judge_later(struct judging *j)
{
    static const why_step steps[] = { why_is_out_of_sight, why_is_being_cancelled, why_expires_now,
                                      is_not_read };
    why_walk(j, steps, ARRAY_SIZE(steps));
    why_add_job(j);
    why_add_place(j);
    why_add(j, "brokers", why_number(j->f->n_laters));
    why_add_servers(j);
}

static void judge_passed(struct judging *j)
{
    const struct why_facts *f = j->f;
    j->v->state = NULL;
    why_say(j, "It has ended: ");
    why_say_where(j);
    why_say(j, " is done beyond its offset %" PRId64, f->offset);
    if (f->unrecorded) {
        why_say(j, "; its handler records failures only, so it succeeded, at its first delivery");
        why_advise(j, "nothing; record = \"all\" of the handler keeps what succeeds");
        why_conclude(j, "not_recorded");
    } else {
        why_say(j, ", and there is no record of it (any more)");
        why_advise(j, "nothing; broker.retention says how long records are kept");
        why_conclude(j, "record_gone");
    }
    why_add_job(j);
    why_add_place(j);
    why_add(j, "next_offset", why_number(f->next_offset));
}

static void judge_sent(struct judging *j)
{
    const struct why_facts *f = j->f;
    why_say(j, "It is on its way to delivery %d: its last one, attempt %d, ended as %s", f->last.delivery + 1,
            f->last.attempt, why_known(f->last.outcome));
    why_say_ago(j, f->last.finished_us);
    if (f->kafka_error)
        why_say(j, ", and Kafka, where its message lies, does not answer");
    else if (f->search_timed_out)
        why_say(j, ", and the queues hold more than could be searched for its message in 2 s");
    else
        why_say(j, ", and its message is not in Kafka (yet, or any more)");
    why_say_error(j, f->last.error);
    why_advise(j, f->kafka_error ? "Kafka is back; jobctl doctor" : "ask again in a moment");
    why_conclude(j, f->kafka_error ? "kafka_away" : "in_transit");
    why_add_job(j);
    why_add_tries(j);
    why_add_servers(j);
}

static bool is_perhaps_in_kafka(struct judging *j)
{
    if (!j->f->kafka_error)
        return false;
    why_say(j,
            "PostgreSQL does not know it, and Kafka, where it may wait for its first try, does not answer");
    why_advise(j, "Kafka is back; jobctl doctor");
    return why_conclude(j, "kafka_away");
}

static bool is_cancelled_ahead(struct judging *j)
{
    if (!j->f->cancel_us)
        return false;
    why_say(j, "No worker has seen it; it was cancelled");
    why_say_ago(j, j->f->cancel_us);
    why_say_actor(j);
    why_say(j, ", and will not start when one reads it");
    why_advise(j, "nothing");
    return why_conclude(j, "cancelling");
}

static bool is_not_found(struct judging *j)
{
    why_say(
        j,
        "No worker has seen it (yet), and it is not found in Kafka: it was never enqueued, or all traces of it "
        "are gone");
    if (j->f->search_timed_out)
        why_say(j, " (the queues hold more than could be searched in 2 s)");
    why_advise(j, "compare the id with what enqueueing returned; its producer may still be sending it");
    return why_conclude(j, "not_found");
}

static void judge_nowhere(struct judging *j)
{
    static const why_step steps[] = { is_perhaps_in_kafka, is_cancelled_ahead, is_not_found };
    j->v->state = NULL;
    why_walk(j, steps, ARRAY_SIZE(steps));
    why_add_job(j);
    why_add_servers(j);
}

void why_judge(const struct why_facts *f, struct why_verdict *ret)
{
    static void (*const judges[])(struct judging *) = {
        [WHY_NOWHERE] = judge_nowhere,   [WHY_LATER] = judge_later,     [WHY_QUEUED] = why_judge_queued,
        [WHY_PASSED] = judge_passed,     [WHY_SENT] = judge_sent,       [WHY_PENDING] = why_judge_pending,
        [WHY_LEASED] = why_judge_leased, [WHY_ENDED] = why_judge_ended,
    };
    struct judging j = { f, ret };
    *ret = (struct why_verdict){ .state = f->state };
    judges[f->place](&j);
    ret->failed = ret->because.failed || ret->next.failed;
}

void why_verdict_done(struct why_verdict *v)
{
    buf_done(&v->because);
    buf_done(&v->next);
}
