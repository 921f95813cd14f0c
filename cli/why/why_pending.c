/* SPDX-License-Identifier: Apache-2.0 */
/* Why a job is where it is: it waits in PostgreSQL, for its time or for a broker. */
#include "cli/why/why_parts.h"

#include <inttypes.h>

#include "base/clock.h"

#define POSTPONED_US (31 * USEC_PER_SEC) /* so long the relay puts a row off whose topic is not there */
#define OVERDUE_US (5 * USEC_PER_SEC)    /* a relay at work has sent it by then */

/* --- It waits in PostgreSQL, and is not due --- */

static bool is_due(const struct judging *j)
{
    return j->f->run_at_us <= j->f->now_us;
}

static bool waits_for_turn(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!why_is(f->reason, "throttled") || is_due(j))
        return false;
    why_say(j, "It waits for its turn: ");
    if (f->blocker.id)
        why_say_other(j, &f->blocker);
    else
        why_say(j, "another job");
    why_say(j, " of the same key comes first");
    if (f->blocker.id)
        why_advise(j, "the end of that job: jobctl job why %s; jobctl job cancel %s lets this one go",
                   f->blocker.id, f->blocker.id);
    else
        why_advise(j, "the end of the job before it: jobctl queue keys %s", why_known(f->queue));
    return why_conclude(j, "key");
}

/* The relay puts rows off for which there is no topic. */
static bool has_no_topic(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!f->topic_missing || f->run_at_us > f->now_us + POSTPONED_US)
        return false;
    why_say(j, "It cannot go to Kafka: the topic %s does not exist there", why_known(f->topic));
    why_advise(j, "jobctl queue create %s", why_known(f->queue));
    return why_conclude(j, "no_topic");
}

static bool is_scheduled(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!why_is(f->reason, "delay") && !why_is(f->reason, "outbox"))
        return false;
    why_say(j, "It is not due yet: it was enqueued to run ");
    why_say_until(j, f->run_at_us);
    why_advise(j, "the time; or jobctl job cancel %s", f->id);
    return why_conclude(j, "scheduled");
}

static bool is_of_cron(struct judging *j)
{
    if (!why_is(j->f->reason, "cron"))
        return false;
    why_say(j, "A cron entry has made it, and its jitter lets it start ");
    why_say_until(j, j->f->run_at_us);
    why_advise(j, "the time; jobctl cron list shows the entry");
    return why_conclude(j, "cron");
}

static bool is_retried(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!why_is(f->reason, "retry"))
        return false;
    why_say(j, "Attempt %d ended as %s", f->last.attempt, why_known(f->last.outcome));
    why_say_ago(j, f->last.finished_us);
    why_say(j, ", and attempt %d is due ", f->attempt);
    why_say_until(j, f->run_at_us);
    why_say_error(j, f->last.error);
    why_advise(j, "the time; or mend what the error names");
    return why_conclude(j, "retry");
}

static bool is_snoozed(struct judging *j)
{
    if (!why_is(j->f->reason, "snooze"))
        return false;
    why_say(j, "Its handler put it off");
    why_say_ago(j, j->f->last.finished_us);
    why_say(j, ", and it is due again ");
    why_say_until(j, j->f->run_at_us);
    why_advise(j, "the time");
    return why_conclude(j, "snoozed");
}

static bool is_parked(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!why_is(f->reason, "parked"))
        return false;
    why_say(j, "No worker that got it has a handler for its type %s; it is tried again ", why_known(f->type));
    why_say_until(j, f->run_at_us);
    if (f->parked_since_us) {
        why_say(j, ", and dies as unknown_type when that has been so for ");
        why_say_span(j, f->parked_grace_us);
        why_say(j, " (by now ");
        why_say_span(j, why_since(j, f->parked_since_us));
        why_say(j, ")");
    }
    why_advise(j, "start a worker of the queue %s with a handler for %s", why_known(f->queue),
               why_known(f->type));
    return why_conclude(j, "parked");
}

static bool is_put_back(struct judging *j)
{
    static const struct {
        const char *reason, *cause, *sentence;
    } reasons[] = {
        { "interrupted", "interrupted",
          "Its worker stopped, or its queue was paused, before it had ended; it is due again " },
        { "rescue", "rescued", "The worker that had it was lost; it is due again " },
        { "replay", "replayed", "It was dead and somebody replayed it; it is due " },
        { "throttled", "key", "It waited for its turn, which has come; it is due " },
    };
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (!why_is(j->f->reason, reasons[i].reason))
            continue;
        why_say(j, "%s", reasons[i].sentence);
        why_say_until(j, j->f->run_at_us);
        why_advise(j, "the time");
        return why_conclude(j, reasons[i].cause);
    }
    return false;
}

/* Whatever else may come to be a reason. */
static bool is_not_due(struct judging *j)
{
    why_say(j, "It is not due yet (reason %s): it is to run ", why_known(j->f->reason));
    why_say_until(j, j->f->run_at_us);
    why_advise(j, "the time");
    return why_conclude(j, "scheduled");
}

/* --- It is due, and a broker has to send it --- */

static void say_due(struct judging *j)
{
    why_say(j, "It has been due for ");
    why_say_span(j, why_since(j, j->f->run_at_us));
}

static bool has_no_kafka(struct judging *j)
{
    if (!j->f->kafka_error)
        return false;
    say_due(j);
    why_say(j, ", and Kafka does not answer");
    why_advise(j, "Kafka is back; jobctl doctor");
    return why_conclude(j, "kafka_away");
}

static bool has_no_relay(struct judging *j)
{
    if (j->f->n_relays != 0)
        return false;
    say_due(j);
    why_say(j, ", and no broker is connected to PostgreSQL that could send it to Kafka");
    why_advise(j, "start jobbrokerd (with broker.relay = true)");
    return why_conclude(j, "no_broker");
}

/* What is in Kafka stays about full while it is held back: a tenth less lets it go on. */
static bool is_held_back(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (f->backlog_max <= 0 || f->backlog < f->backlog_max - f->backlog_max / 10)
        return false;
    why_say(j,
            "Brokers hold it back, because %" PRId64
            " jobs of the queue %s wait in Kafka already (limit %" PRId64 ")",
            f->backlog, why_known(f->queue), f->backlog_max);
    if (f->paused_us) {
        why_say(j, ", while the queue is paused by %s", why_known(f->paused_by));
        why_advise(j, "jobctl queue resume %s", why_known(f->queue));
    } else if (f->n_workers == 0) {
        why_say(j, ", and no live worker takes it");
        why_advise(j, "start jobworkerd with the queue %s among worker.queues", why_known(f->queue));
    } else {
        why_advise(j, "workers catch up; or more of them, or a higher broker.relay_backlog");
    }
    return why_conclude(j, "held_back");
}

static bool is_behind_relay(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (why_since(j, f->run_at_us) <= OVERDUE_US)
        return false;
    say_due(j);
    why_say(j, ", and brokers have not sent it yet");
    if (f->oldest_due_us && f->oldest_due_us < f->run_at_us) {
        why_say(j, ": they are behind, the queue's oldest job has been due for ");
        why_say_span(j, why_since(j, f->oldest_due_us));
    }
    why_advise(j,
               "brokers catch up; if the time grows, jobbrokerd's log says what it cannot do: jobctl doctor");
    return why_conclude(j, "relay_behind");
}

static bool is_being_sent(struct judging *j)
{
    why_say(j, "It is due (reason %s), and a broker is about to send it to Kafka", why_known(j->f->reason));
    why_advise(j, "that, in a moment; then jobctl job why tells more");
    return why_conclude(j, "sending");
}

void why_judge_pending(struct judging *j)
{
    static const why_step early[] = {
        why_is_being_cancelled,
        why_expires_now,
        waits_for_turn,
        has_no_topic,
        is_scheduled,
        is_of_cron,
        is_retried,
        is_snoozed,
        is_parked,
        is_put_back,
        is_not_due,
    };
    static const why_step due[] = {
        why_is_being_cancelled, why_expires_now, has_no_kafka,    has_no_topic,
        has_no_relay,           is_held_back,    is_behind_relay, is_being_sent,
    };
    bool now = is_due(j);
    why_walk(j, now ? due : early, now ? ARRAY_SIZE(due) : ARRAY_SIZE(early));
    why_add_job(j);
    why_add_tries(j);
    why_add(j, "parked_since", why_time(j->f->parked_since_us));
    why_add_other(j, "blocked_by", "blocked_by_state", &j->f->blocker);
    why_add_queue(j);
    if (now)
        why_add_relay(j);
    why_add_servers(j);
}
