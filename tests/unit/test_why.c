/* SPDX-License-Identifier: Apache-2.0 */
/* cli/why/why.h: every cause from facts alone. */
#include "tests/support/suite.h"

#include <stdio.h>

#include "base/clock.h"
#include "cli/why/why.h"

#define NOW (INT64_C(1800000000) * USEC_PER_SEC)
#define ID "0190a6c2-7d3e-7f00-8000-000000000001"
#define OTHER "0190a6c2-7d3e-7f00-8000-000000000002"

static int64_t ago(int64_t seconds)
{
    return NOW - seconds * USEC_PER_SEC;
}

/* What all have in common: a job of a queue that one worker takes, with a broker beside it. */
static struct why_facts begin(enum why_place place, const char *state)
{
    return (struct why_facts){
        .now_us = NOW,
        .place = place,
        .id = ID,
        .state = state,
        .queue = "mail",
        .type = "welcome_email",
        .attempt = 1,
        .delivery = 1,
        .partition = 3,
        .offset = 1000,
        .next_offset = 1000,
        .n_workers = 1,
        .n_live = 2,
        .n_relays = 1,
        .n_laters = 1,
        .n_clocks = 1,
        .backlog = 0,
        .backlog_max = 100000,
        .beat_every_us = 2 * USEC_PER_SEC,
        .lease_timeout_us = 10 * USEC_PER_SEC,
        .handover_after_us = 5 * USEC_PER_SEC,
        .parked_grace_us = 3600 * USEC_PER_SEC,
        .executors_max = 4,
        .has_handler = true,
    };
}

static struct why_facts ended(const char *state)
{
    struct why_facts f = begin(WHY_ENDED, state);
    f.worker = "w7";
    f.started_us = ago(60);
    f.finished_us = ago(40);
    return f;
}

static struct why_facts leased(void)
{
    struct why_facts f = begin(WHY_LEASED, "running");
    f.worker = "w7";
    f.started_us = ago(200);
    f.beat_us = ago(1);
    return f;
}

/* @due_in_s: negative: it was due so long ago. */
static struct why_facts pending(const char *reason, int64_t due_in_s)
{
    struct why_facts f = begin(WHY_PENDING, "scheduled");
    f.reason = reason;
    f.run_at_us = NOW + due_in_s * USEC_PER_SEC;
    f.oldest_due_us = f.run_at_us;
    f.topic = "job.mail";
    return f;
}

static void fail_once(struct why_facts *f, const char *outcome, const char *error)
{
    f->n_tries = 1;
    f->last.outcome = outcome;
    f->last.error = error;
    f->last.attempt = 1;
    f->last.delivery = 1;
    f->last.finished_us = ago(20);
}

static struct why_facts queued(void)
{
    struct why_facts f = begin(WHY_QUEUED, "queued");
    f.topic = "job.mail";
    f.owner = "w7";
    f.beat_us = ago(3);
    return f;
}

static bool has(const struct buf *text, const char *part)
{
    return text->data && strstr(text->data, part);
}

static bool is_known(const char *cause)
{
    for (size_t i = 0; why_causes[i]; i++)
        if (strcmp(why_causes[i], cause) == 0)
            return true;
    return false;
}

/* The cause, a part of the sentence, a part of what would change it. */
static void expect(const struct why_facts *f, const char *cause, const char *because, const char *next)
{
    struct why_verdict v;
    why_judge(f, &v);
    ck_assert_str_eq(v.cause, cause);
    ck_assert(is_known(cause));
    ck_assert(!v.failed);
    ck_assert_msg(has(&v.because, because), "%s: \"%s\" has no \"%s\"", cause, v.because.data, because);
    ck_assert_msg(has(&v.next, next), "%s: \"%s\" has no \"%s\"", cause, v.next.data, next);
    ck_assert_msg(strchr(v.because.data, '\n') == NULL, "%s", v.because.data);
    for (size_t i = 0; i < v.n_evidence; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(v.evidence[i].name, v.evidence[k].name);
    why_verdict_done(&v);
}

static const struct cell *find_evidence(const struct why_verdict *v, const char *name)
{
    for (size_t i = 0; i < v->n_evidence; i++)
        if (strcmp(v->evidence[i].name, name) == 0)
            return &v->evidence[i].cell;
    return NULL;
}

/* --- Ended --- */

START_TEST(success_says_when_where_and_for_how_long)
{
    struct why_facts f = ended("succeeded");
    expect(&f, "succeeded", "It succeeded 40s ago, at attempt 1 in worker w7, having run for 20s",
           "job show " ID);
    f.started_us = 0;
    expect(&f, "succeeded", "in worker w7", "");
}
END_TEST

START_TEST(death_says_why_and_what_brings_it_back)
{
    struct why_facts f = ended("dead");
    fail_once(&f, "timeout", "slow");
    f.has_letter = true;
    f.reason = "exhausted";
    f.attempt = 3;
    f.error = "SMTP said no\nand more";
    expect(&f, "dead", "the last one, attempt 3, ended as timeout: SMTP said no", "jobctl dead replay " ID);
    f.reason = "failed";
    expect(&f, "dead", "gave it up for good at attempt 3", "mend what the error names");
    f.reason = "crashed";
    expect(&f, "dead", "died too often", "replay");
    f.reason = "unknown_type";
    expect(&f, "dead", "for 3600 s no worker that got it knew its type welcome_email",
           "handler for welcome_email");
    f.reason = "malformed";
    expect(&f, "dead", "cannot be read", "jobctl dead purge " ID);
    f.has_letter = false;
    expect(&f, "dead", "cannot be read", "purged");
    f.reason = "something new";
    expect(&f, "dead", "its reason is something new", "purged");
}
END_TEST

START_TEST(other_ends_say_who_and_why)
{
    struct why_facts f = ended("cancelled");
    f.cancel_actor = "ada@host";
    expect(&f, "cancelled", "40s ago by ada@host, and stopped while it ran", "nothing");
    f.started_us = 0;
    f.cancel_actor = NULL;
    expect(&f, "cancelled", "It was cancelled 40s ago, before it started", "");
    f = ended("expired");
    expect(&f, "expired", "had not started by the time", "--expires");
    f = ended("duplicate");
    f.original = (struct why_other){ .id = OTHER, .state = "running" };
    expect(&f, "duplicate", "job " OTHER " (running) held its unique key", "job why " OTHER);
}
END_TEST

START_TEST(long_errors_are_cut_between_characters)
{
    char error[1000];
    struct why_verdict v;
    struct why_facts f = ended("dead");
    f.reason = "failed";
    f.error = error;
    memset(error, 'x', 299);
    strcpy(error + 299, "é and so on, for a long time");
    why_judge(&f, &v);
    ck_assert(has(&v.because, "xxx…"));
    ck_assert(!has(&v.because, "\xc3"
                               "…"));
    why_verdict_done(&v);
}
END_TEST

/* --- Leased --- */

START_TEST(running_says_where_since_when_and_how_far)
{
    struct why_facts f = leased();
    f.progress = "{\"percent\": 40}";
    expect(&f, "running", "It has been running in worker w7 for 3m20s, attempt 1, progress {\"percent\": 40}",
           "job cancel " ID);
    f.narrow_worker = "w8";
    f.narrow_rate = "1000";
    expect(&f, "running", "percent\": 40}", "");
    f.narrow_worker = "w7";
    expect(&f, "running", "too many tries of its queue fail", "");
}
END_TEST

START_TEST(a_silent_worker_is_told_from_a_lost_one)
{
    struct why_facts f = leased();
    f.beat_us = ago(12);
    expect(&f, "worker_silent", "w7 stopped beating 12s ago; a broker gives the job to another one",
           "by itself");
    f.n_clocks = 0;
    expect(&f, "worker_silent", "no broker is connected", "start jobbrokerd");
    f.lost_us = ago(2);
    expect(&f, "worker_lost", "declared dead 2s ago", "start jobbrokerd");
    f.n_clocks = 1;
    expect(&f, "worker_lost", "declared dead 2s ago", "a broker makes it due");
    f = leased();
    f.beat_us = ago(4); /* it beats every 2 s: one may be late */
    expect(&f, "running", "It has been running", "");
}
END_TEST

START_TEST(stopping_says_who_wants_it)
{
    struct why_facts f = leased();
    f.cancel_us = ago(5);
    f.cancel_actor = "ada@host";
    expect(&f, "stopping", "Worker w7 was asked 5s ago by ada@host to stop it", "killed");
}
END_TEST

/* --- Pending --- */

START_TEST(what_is_not_due_says_what_it_waits_for)
{
    struct why_facts f = pending("delay", 180);
    expect(&f, "scheduled", "enqueued to run in 3m00s", "the time");
    f = pending("outbox", 10);
    expect(&f, "scheduled", "in 10s", "cancel " ID);
    f = pending("cron", 60);
    expect(&f, "cron", "jitter lets it start in 1m00s", "cron list");
    f = pending("retry", 40);
    f.attempt = 2;
    fail_once(&f, "failed", "connection refused");
    expect(&f, "retry", "Attempt 1 ended as failed 20s ago, and attempt 2 is due in 40s: connection refused",
           "mend");
    f = pending("snooze", 40);
    fail_once(&f, "snoozed", NULL);
    expect(&f, "snoozed", "put it off 20s ago, and it is due again in 40s", "the time");
    f = pending("interrupted", 40);
    expect(&f, "interrupted", "due again in 40s", "the time");
    f = pending("rescue", 40);
    expect(&f, "rescued", "was lost", "the time");
    f = pending("replay", 40);
    expect(&f, "replayed", "somebody replayed it", "the time");
    f = pending("something new", 40);
    expect(&f, "scheduled", "reason something new", "the time");
}
END_TEST

START_TEST(parked_says_which_type_and_until_when)
{
    struct why_facts f = pending("parked", 40);
    f.parked_since_us = ago(120);
    expect(
        &f, "parked",
        "has a handler for its type welcome_email; it is tried again in 40s, and dies as unknown_type when that has been "
        "so for 1h00m (by now 2m00s)",
        "a worker of the queue mail with a handler for welcome_email");
}
END_TEST

START_TEST(a_turn_says_whose_it_is)
{
    struct why_facts f = pending("throttled", 500);
    expect(&f, "key", "another job of the same key comes first", "queue keys mail");
    f.blocker = (struct why_other){ .id = OTHER, .state = "retrying" };
    expect(&f, "key", "job " OTHER " (retrying) of the same key comes first", "job cancel " OTHER);
    f = pending("throttled", 0);
    expect(&f, "sending", "about to send", "");
}
END_TEST

START_TEST(what_is_due_says_what_keeps_the_broker_from_sending_it)
{
    struct why_facts f = pending("outbox", -1);
    expect(&f, "sending", "about to send it to Kafka", "in a moment");
    f = pending("outbox", -40);
    expect(&f, "relay_behind", "It has been due for 40s, and brokers have not sent it yet", "doctor");
    f.oldest_due_us = ago(600);
    expect(&f, "relay_behind", "the queue's oldest job has been due for 10m", "doctor");
    f.backlog = 95000;
    expect(&f, "held_back", "95000 jobs of the queue mail wait in Kafka already (limit 100000)",
           "workers catch up");
    f.n_workers = 0;
    expect(&f, "held_back", "no live worker takes it", "start jobworkerd");
    f.paused_us = ago(100);
    f.paused_by = "ada@host";
    expect(&f, "held_back", "paused by ada@host", "queue resume mail");
    f.backlog_max = 0;
    expect(&f, "relay_behind", "due for 40s", "");
    f.n_relays = 0;
    expect(&f, "no_broker", "no broker is connected", "start jobbrokerd");
    f.topic_missing = true;
    expect(&f, "no_topic", "the topic job.mail does not exist", "queue create mail");
    f.kafka_error = "nobody there";
    expect(&f, "kafka_away", "Kafka does not answer", "doctor");
    f.expires_us = ago(1);
    expect(&f, "expiring", "It expired 1s ago without having started", "by itself");
    f.cancel_us = ago(1);
    expect(&f, "cancelling", "It was cancelled 1s ago, and ends when a broker looks", "broker is there");
}
END_TEST

START_TEST(a_missing_topic_is_the_cause_only_when_it_matters_now)
{
    struct why_facts f = pending("outbox", 20); /* put off by the relay */
    f.topic_missing = true;
    expect(&f, "no_topic", "does not exist", "queue create");
    f = pending("delay", 500);
    f.topic_missing = true;
    expect(&f, "scheduled", "not due", "");
}
END_TEST

/* --- Queued --- */

START_TEST(each_obstacle_on_the_way_hides_those_behind_it)
{
    struct why_facts f = queued();
    expect(&f, "next", "It is the next one in partition 3 of job.mail, whose owner is worker w7",
           "in a moment");
    f.ahead = 1204;
    expect(&f, "behind",
           "behind 1204 jobs in partition 3 of job.mail, whose owner is worker w7 (its last beat was 3s ago)",
           "more partitions");
    f.ahead = 1;
    expect(&f, "behind", "behind 1 job in", "");
    f.n_leases = 4;
    expect(&f, "busy", "runs 4 long jobs and has 4 executors; 1 job is ahead", "executors_max");
    f.narrow_worker = "w7";
    f.narrow_rate = "1000";
    expect(&f, "storm", "Too many tries of the queue mail fail in worker w7", "job.attempt");
    f.crash_count = 3;
    expect(&f, "careful", "died 3 times while they took up partition 3", "reason crashed");
    f.blocker = (struct why_other){ .id = OTHER, .state = "retrying", .since_us = ago(30) };
    expect(&f, "key", "job " OTHER " (retrying) of the same key has come first for 30s", "job why " OTHER);
    f.beat_us = ago(16);
    expect(&f, "owner_silent", "w7, which owns partition 3 of job.mail, stopped beating 16s ago",
           "session_timeout");
    f.beat_us = 0;
    expect(&f, "owner_gone", "is gone", "by itself");
    f.owner = NULL;
    expect(&f, "no_owner", "No worker has taken over partition 3", "doctor");
    f.expires_us = ago(1);
    expect(&f, "expiring", "ends as expired when a worker looks", "");
    f.n_workers = 0;
    expect(&f, "no_worker", "No live worker takes jobs of the queue mail (2 take others)", "worker.queues");
    f.drained = "w7";
    f.drained_by = "ada@host";
    f.drained_us = ago(180);
    expect(&f, "drained",
           "Worker w7 was drained by ada@host 3m00s ago, and no other live worker takes the queue mail",
           "worker drain --undo w7");
    f.paused_us = ago(65);
    f.paused_by = "ada@host";
    expect(&f, "paused", "Its queue mail was paused by ada@host 1m05s ago", "queue resume mail");
    f.trouble = "reset";
    expect(&f, "resetting", "Somebody has reset partition 3", "start jobworkerd");
    f.trouble = "recreated";
    expect(&f, "stands", "Nobody reads partition 3 of job.mail", "topic reset job.mail");
    f.cancel_us = ago(2);
    expect(&f, "cancelling", "ends when a worker reads it", "worker is there");
    f.store_error = "refused";
    expect(&f, "postgresql_away", "lies in partition 3 of job.mail at offset 1000", "PostgreSQL is back");
}
END_TEST

START_TEST(silence_is_judged_by_how_often_a_worker_beats)
{
    struct why_facts f = queued();
    f.beat_us = ago(12); /* holds nothing: every 10 s */
    expect(&f, "next", "next one", "");
    f.n_leases = 1; /* every 2 s */
    expect(&f, "owner_silent", "12s ago", "");
    f.lost_us = ago(1);
    expect(&f, "owner_gone", "is gone", "");
}
END_TEST

START_TEST(an_unknown_handler_is_said)
{
    struct why_facts f = queued();
    f.has_handler = false;
    expect(&f, "next", "no handler for its type welcome_email", "");
}
END_TEST

/* --- Elsewhere --- */

START_TEST(later_says_whether_a_broker_reads_it)
{
    struct why_facts f = begin(WHY_LATER, "scheduled");
    f.topic = "job.later";
    expect(&f, "later", "lies on the topic job.later, where a broker is about to read it", "in a moment");
    f.n_laters = 0;
    expect(&f, "later", "which no broker is connected to read", "broker.later");
    f.store_error = "refused";
    expect(&f, "postgresql_away", "PostgreSQL does not answer", "");
}
END_TEST

START_TEST(what_was_passed_has_ended)
{
    struct why_facts f = begin(WHY_PASSED, "queued");
    struct why_verdict v;
    f.topic = "job.mail";
    expect(&f, "record_gone", "is done beyond its offset 1000, and there is no record", "retention");
    f.unrecorded = true;
    expect(&f, "not_recorded", "records failures only", "record");
    why_judge(&f, &v);
    ck_assert_ptr_null(v.state);
    why_verdict_done(&v);
}
END_TEST

START_TEST(a_message_under_way_is_not_claimed_to_be_somewhere)
{
    struct why_facts f = begin(WHY_SENT, "queued");
    fail_once(&f, "failed", "no");
    expect(&f, "in_transit", "on its way to delivery 2: its last one, attempt 1, ended as failed 20s ago",
           "again");
    f.search_timed_out = true;
    expect(&f, "in_transit", "more than could be searched", "again");
    f.kafka_error = "nobody";
    expect(&f, "kafka_away", "Kafka, where its message lies, does not answer", "back");
}
END_TEST

START_TEST(an_unknown_job_is_said_to_be_unknown)
{
    struct why_facts f = begin(WHY_NOWHERE, NULL);
    f.queue = f.type = NULL;
    expect(&f, "not_found", "never enqueued", "compare the id");
    f.search_timed_out = true;
    expect(&f, "not_found", "in 2 s", "");
    f.cancel_us = ago(10);
    expect(&f, "cancelling", "cancelled 10s ago, and will not start", "nothing");
    f.kafka_error = "nobody";
    expect(&f, "kafka_away", "PostgreSQL does not know it", "Kafka is back");
}
END_TEST

/* --- Evidence --- */

START_TEST(evidence_has_what_is_known_and_nothing_else)
{
    struct why_verdict v;
    struct why_facts f = queued();
    f.ahead = 7;
    f.enqueued_us = ago(60);
    why_judge(&f, &v);
    ck_assert_int_eq(find_evidence(&v, "ahead")->number, 7);
    ck_assert_int_eq(find_evidence(&v, "enqueued_at")->number, ago(60));
    ck_assert_int_eq(find_evidence(&v, "partition")->number, 3);
    ck_assert_ptr_null(find_evidence(&v, "expires_at"));
    ck_assert_ptr_null(find_evidence(&v, "paused_at"));
    ck_assert_ptr_null(find_evidence(&v, "kafka"));
    why_verdict_done(&v);
    f.blocker = (struct why_other){ .id = OTHER };
    why_judge(&f, &v);
    ck_assert_int_eq(find_evidence(&v, "blocked_by")->kind, CELL_ID);
    why_verdict_done(&v);
}
END_TEST

START_TEST(every_cause_is_documented)
{
    static char text[65536];
    char wanted[64];
    FILE *file = fopen(WHY_DOC, "re");
    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = 0;
    fclose(file);
    for (size_t i = 0; why_causes[i]; i++) {
        snprintf(wanted, sizeof(wanted), "| `%s` |", why_causes[i]);
        ck_assert_msg(strstr(text, wanted) != NULL, "%s is not in " WHY_DOC, why_causes[i]);
    }
}
END_TEST

SUITE_MAIN("why", success_says_when_where_and_for_how_long, death_says_why_and_what_brings_it_back,
           other_ends_say_who_and_why, long_errors_are_cut_between_characters,
           running_says_where_since_when_and_how_far, a_silent_worker_is_told_from_a_lost_one,
           stopping_says_who_wants_it, what_is_not_due_says_what_it_waits_for,
           parked_says_which_type_and_until_when, a_turn_says_whose_it_is,
           what_is_due_says_what_keeps_the_broker_from_sending_it,
           a_missing_topic_is_the_cause_only_when_it_matters_now,
           each_obstacle_on_the_way_hides_those_behind_it, silence_is_judged_by_how_often_a_worker_beats,
           an_unknown_handler_is_said, later_says_whether_a_broker_reads_it, what_was_passed_has_ended,
           a_message_under_way_is_not_claimed_to_be_somewhere, an_unknown_job_is_said_to_be_unknown,
           evidence_has_what_is_known_and_nothing_else, every_cause_is_documented)
