/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/settle.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

#define POSTPONE_US (30 * USEC_PER_SEC)
#define COMPLAINTS_MAX 20 /* of one batch, about malformed jobs */

struct settle {
    struct db *db;
    const struct sender *sender;
    const struct relay_batch *batch;
    struct uuid *ids; /* room for one per row, as errors */
    const char **errors;
};

/* Of the rows with this fate, into s->ids. Return: how many. */
static size_t list_ids(struct settle *s, enum sender_fate fate)
{
    size_t n = 0;
    for (size_t i = 0; i < relay_batch_count(s->batch); i++) {
        struct relay_row row;
        if (sender_get_fate(s->sender, i) != fate)
            continue;
        relay_batch_get(s->batch, i, &row);
        s->ids[n++] = row.id;
    }
    return n;
}

/* What PostgreSQL does not let us bury either waits, so that the head of the line is free. */
static int bury_row(struct settle *s, size_t i, struct err *reterr)
{
    struct err why = { 0 };
    char text[UUID_TEXT_SIZE];
    int r = relay_bury(s->db, &s->ids[i], &s->errors[i], 1, &why);
    if (r == 0)
        return 0;
    if (r != STORE_REFUSED)
        return err_set(reterr, r, "%s", why.text);
    log_error("relay: job %s is malformed and cannot be buried: %s", uuid_format(&s->ids[i], text), why.text);
    return relay_postpone(s->db, &s->ids[i], 1, POSTPONE_US, reterr);
}

static int bury_each(struct settle *s, size_t n, struct err *reterr)
{
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = bury_row(s, i, reterr);
    return r;
}

static void say_malformed(const struct settle *s, size_t n)
{
    char id[UUID_TEXT_SIZE];
    for (size_t i = 0; i < n && i < COMPLAINTS_MAX; i++)
        log_warning("relay: job %s is malformed: %s", uuid_format(&s->ids[i], id), s->errors[i]);
    if (n > COMPLAINTS_MAX)
        log_warning("relay: %zu more jobs of this batch are malformed", n - COMPLAINTS_MAX);
}

/* Those that were too large to be read, or the others. */
static size_t list_hopeless(struct settle *s, bool unread)
{
    size_t n = 0;
    for (size_t i = 0; i < relay_batch_count(s->batch); i++) {
        struct relay_row row;
        if (sender_get_fate(s->sender, i) != SENDER_HOPELESS)
            continue;
        relay_batch_get(s->batch, i, &row);
        if (unread != !row.headers)
            continue;
        s->ids[n] = row.id;
        s->errors[n++] = sender_get_error(s->sender, i);
    }
    return n;
}

/* Together; one by one what may be huge, or when PostgreSQL refuses one of them. */
static int bury(struct settle *s, struct err *reterr)
{
    size_t n = list_hopeless(s, false);
    int r = relay_bury(s->db, s->ids, s->errors, n, reterr);
    if (r == STORE_REFUSED)
        r = bury_each(s, n, reterr);
    if (r)
        return r;
    say_malformed(s, n);
    n = list_hopeless(s, true);
    say_malformed(s, n);
    return bury_each(s, n, reterr);
}

int settle_batch(struct db *db, const struct sender *sender, const struct relay_batch *batch,
                 struct err *reterr)
{
    size_t n = relay_batch_count(batch) + 1;
    _cleanup_free_ struct uuid *ids = calloc(n, sizeof(*ids));
    _cleanup_free_ const char **errors = calloc(n, sizeof(*errors));
    struct settle s = { .db = db, .sender = sender, .batch = batch, .ids = ids, .errors = errors };
    if (!ids || !errors)
        return err_set(reterr, -ENOMEM, "out of memory");
    int r = relay_delete(db, ids, list_ids(&s, SENDER_DELIVERED), reterr);
    if (r == 0)
        r = relay_postpone(db, ids, list_ids(&s, SENDER_REFUSED), POSTPONE_US, reterr);
    if (r == 0)
        r = bury(&s, reterr);
    return r ? r : relay_commit(db, reterr);
}
