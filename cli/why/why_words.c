/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/why/why_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/print/moment.h"

#define IDLE_SILENCE_US (15 * USEC_PER_SEC) /* a worker that holds nothing beats every 10 s */
#define SILENCE_MIN_US (3 * USEC_PER_SEC)   /* for those whose beats are short, and a machine that is slow */
#define ERROR_SHOWN 300                     /* bytes of an error in a sentence */

/* --- Words --- */

static void __attribute__((format(printf, 2, 0))) append(struct buf *b, const char *format, va_list ap)
{
    char text[1024];
    vsnprintf(text, sizeof(text), format, ap);
    buf_append_string(b, text);
}

void why_say(struct judging *j, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    append(&j->v->because, format, ap);
    va_end(ap);
}

void why_advise(struct judging *j, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    append(&j->v->next, format, ap);
    va_end(ap);
}

int64_t why_since(const struct judging *j, int64_t us)
{
    int64_t passed_us = j->f->now_us - us;
    return us && passed_us > 0 ? passed_us : 0;
}

bool why_is_silent(const struct judging *j, int64_t beat_us, bool busy)
{
    int64_t bound_us = busy ? j->f->beat_every_us * 5 / 2 : IDLE_SILENCE_US;
    return why_since(j, beat_us) > (bound_us < SILENCE_MIN_US ? SILENCE_MIN_US : bound_us);
}

void why_say_span(struct judging *j, int64_t us)
{
    moment_append_span(&j->v->because, us > 0 ? us / USEC_PER_SEC : 0);
}

void why_say_ago(struct judging *j, int64_t us)
{
    if (!us)
        return;
    why_say(j, " ");
    why_say_span(j, why_since(j, us));
    why_say(j, " ago");
}

void why_say_until(struct judging *j, int64_t us)
{
    why_say(j, "in ");
    why_say_span(j, us - j->f->now_us + USEC_PER_SEC - 1);
}

void why_say_error(struct judging *j, const char *error)
{
    if (!error || !error[0])
        return;
    size_t size = strcspn(error, "\n");
    size_t cut = size > ERROR_SHOWN ? ERROR_SHOWN : size;
    while (cut < size && cut > 0 && (error[cut] & 0xc0) == 0x80)
        cut--; /* no half characters */
    why_say(j, ": %.*s%s", (int)cut, error, cut < size ? "…" : "");
}

void why_say_actor(struct judging *j)
{
    if (j->f->cancel_actor)
        why_say(j, " by %s", j->f->cancel_actor);
}

const char *why_known(const char *text)
{
    return text ? text : "?";
}

bool why_is(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

void why_say_other(struct judging *j, const struct why_other *other)
{
    why_say(j, "job %s", why_known(other->id));
    if (other->state)
        why_say(j, " (%s)", other->state);
}

void why_walk(struct judging *j, const why_step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (steps[i](j))
            return;
}

bool why_conclude(struct judging *j, const char *cause)
{
    j->v->cause = cause;
    return true;
}

void why_say_where(struct judging *j)
{
    why_say(j, "partition %d of %s", (int)j->f->partition, why_known(j->f->topic));
}

/* --- Evidence --- */

void why_add(struct judging *j, const char *name, struct cell cell)
{
    if (cell.kind == CELL_NULL || j->v->n_evidence == WHY_MAX_ITEMS)
        return;
    j->v->evidence[j->v->n_evidence++] = (struct why_item){ name, cell };
}

struct cell why_time(int64_t us)
{
    return us ? (struct cell){ .kind = CELL_TIME, .number = us } : cell_null();
}

struct cell why_number(int64_t number)
{
    return number < 0 ? cell_null() : cell_int(number);
}

void why_add_job(struct judging *j)
{
    const struct why_facts *f = j->f;
    why_add(j, "queue", cell_text(f->queue));
    why_add(j, "type", cell_text(f->type));
    why_add(j, "reason", cell_text(f->reason));
    why_add(j, "attempt", f->attempt > 0 ? cell_int(f->attempt) : cell_null());
    why_add(j, "delivery", f->delivery > 0 ? cell_int(f->delivery) : cell_null());
    why_add(j, "enqueued_at", why_time(f->enqueued_us));
    why_add(j, "run_at", why_time(f->run_at_us));
    why_add(j, "expires_at", why_time(f->expires_us));
    why_add(j, "started_at", why_time(f->started_us));
    why_add(j, "finished_at", why_time(f->finished_us));
    why_add(j, "worker", cell_text(f->worker));
    why_add(j, "error", cell_text(f->error));
    why_add(j, "progress", cell_json(f->progress));
    why_add(j, "cancel_asked_at", why_time(f->cancel_us));
    why_add(j, "cancel_asked_by", cell_text(f->cancel_actor));
}

void why_add_tries(struct judging *j)
{
    const struct why_facts *f = j->f;
    if (!f->last.outcome)
        return;
    why_add(j, "tries", why_number(f->n_tries));
    why_add(j, "last_outcome", cell_text(f->last.outcome));
    why_add(j, "last_attempt", cell_int(f->last.attempt));
    why_add(j, "last_error", cell_text(f->last.error));
    why_add(j, "last_finished_at", why_time(f->last.finished_us));
}

void why_add_other(struct judging *j, const char *name, const char *state_name, const struct why_other *other)
{
    struct uuid id;
    if (!other->id)
        return;
    why_add(j, name,
            uuid_parse(other->id, strlen(other->id), &id) == 0 ? cell_id(&id) : cell_text(other->id));
    why_add(j, state_name, cell_text(other->state));
}

void why_add_place(struct judging *j)
{
    const struct why_facts *f = j->f;
    why_add(j, "topic", cell_text(f->topic));
    why_add(j, "partition", why_number(f->partition));
    why_add(j, "offset", why_number(f->offset));
}

void why_add_queue(struct judging *j)
{
    const struct why_facts *f = j->f;
    why_add(j, "paused_at", why_time(f->paused_us));
    why_add(j, "paused_by", cell_text(f->paused_by));
    why_add(j, "workers", why_number(f->n_workers));
    why_add(j, "drained_worker", cell_text(f->drained));
    why_add(j, "drained_at", why_time(f->drained_us));
    why_add(j, "drained_by", cell_text(f->drained_by));
    why_add(j, "narrow_worker", cell_text(f->narrow_worker));
    why_add(j, "narrow_rate", cell_text(f->narrow_rate));
}

void why_add_partition(struct judging *j)
{
    const struct why_facts *f = j->f;
    why_add(j, "next_offset", why_number(f->next_offset));
    why_add(j, "ahead", why_number(f->ahead));
    why_add(j, "owner", cell_text(f->owner));
    why_add(j, "owner_beat_at", f->owner ? why_time(f->beat_us) : cell_null());
    why_add(j, "owner_leases", f->owner ? why_number(f->n_leases) : cell_null());
    why_add(j, "trouble", cell_text(f->trouble));
    why_add(j, "crash_count", f->crash_count > 0 ? cell_int(f->crash_count) : cell_null());
}

void why_add_relay(struct judging *j)
{
    const struct why_facts *f = j->f;
    why_add(j, "relays", why_number(f->n_relays));
    why_add(j, "oldest_due_at", why_time(f->oldest_due_us));
    why_add(j, "backlog", why_number(f->backlog));
}

void why_add_servers(struct judging *j)
{
    why_add(j, "postgresql", cell_text(j->f->store_error));
    why_add(j, "kafka", cell_text(j->f->kafka_error));
}
