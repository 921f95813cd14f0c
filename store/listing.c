/* SPDX-License-Identifier: Apache-2.0 */
#include "store/listing.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/job_sql.h"

#define ENDED (LISTING_SUCCEEDED | LISTING_DEAD | LISTING_CANCELLED | LISTING_EXPIRED | LISTING_DUPLICATE)
#define WAITING (LISTING_SCHEDULED | LISTING_QUEUED | LISTING_WAITING | LISTING_RETRYING)

const char *const listing_state_names[] = {
    "scheduled", "queued",    "waiting", "running",   "retrying", "succeeded",
    "dead",      "cancelled", "expired", "duplicate", NULL,
};

/* --- Which relations ------------------------------------------------------------------------------------------------- */

enum source {
    FROM_RESULT = 1 << 0,
    FROM_DEAD = 1 << 1,
    FROM_LEASE = 1 << 2,
    FROM_PENDING = 1 << 3,
    FROM_ATTEMPT = 1 << 4, /* between two deliveries: only its tries are known */
};

static bool asks(const struct listing_filter *f, enum condition_root root)
{
    for (size_t i = 0; i < f->n_conditions; i++)
        if (f->conditions[i].root == root)
            return true;
    return false;
}

unsigned listing_gaps(const struct listing_filter *f)
{
    return (unsigned)(f->key ? LISTING_GAP_KEY : 0) | (f->n_tags ? LISTING_GAP_TAG : 0) |
           (asks(f, CONDITION_HEADERS) ? LISTING_GAP_HEADERS : 0) |
           (asks(f, CONDITION_PAYLOAD) ? LISTING_GAP_PAYLOAD : 0);
}

bool listing_picks(const struct listing_filter *f)
{
    return f->states || f->queue || f->type || f->worker || f->error || f->trace || f->key || f->n_tags ||
           f->parent || f->finished_since_us || f->finished_until_us || f->n_conditions;
}

static unsigned sources_by_state(unsigned states)
{
    unsigned sources = 0;
    if (!states)
        return FROM_RESULT | FROM_DEAD | FROM_LEASE | FROM_PENDING | FROM_ATTEMPT;
    if (states & ENDED & ~(unsigned)LISTING_DEAD)
        sources |= FROM_RESULT;
    if (states & LISTING_DEAD)
        sources |= FROM_DEAD;
    if (states & LISTING_RUNNING)
        sources |= FROM_LEASE;
    if (states & WAITING)
        sources |= FROM_PENDING;
    if (states & LISTING_QUEUED)
        sources |= FROM_ATTEMPT;
    return sources;
}

/* Those that have all that is asked for. */
static unsigned choose_sources(const struct listing_filter *f)
{
    unsigned sources = sources_by_state(f->states);
    if (listing_gaps(f))
        sources &= FROM_DEAD | FROM_LEASE | FROM_PENDING;
    if (f->finished_since_us || f->finished_until_us || asks(f, CONDITION_RESULT))
        sources &= FROM_RESULT | FROM_DEAD;
    if (f->worker)
        sources &= FROM_RESULT | FROM_DEAD | FROM_LEASE;
    if (f->queue || f->type || f->trace || f->parent)
        sources &= ~(unsigned)FROM_ATTEMPT;
    return sources;
}

/* --- The range of ids -------------------------------------------------------------------------------------------------- */

static const struct uuid last_id = { { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                                       255, 255 } };

/* The smallest id that a UUIDv7 of this moment, or later, can have. */
static struct uuid first_id_of(int64_t us)
{
    struct uuid id = { 0 };
    int64_t ms = us > 0 ? us / USEC_PER_MSEC : 0;
    for (int i = 5; i >= 0; i--, ms >>= 8)
        id.bytes[i] = (uint8_t)ms;
    return id;
}

/* From `from` to before `before`. */
struct range {
    struct uuid from, before;
};

static void narrow(struct range *r, struct uuid before)
{
    if (uuid_compare(&before, &r->before) < 0)
        r->before = before;
}

/* An id may be an hour ahead of its time. */
#define AHEAD_US (3600 * USEC_PER_SEC)

static struct range find_range(const struct listing_filter *f, const struct listing_place *at)
{
    struct range r = { .before = at->ceiling };
    if (at->odd)
        r = (struct range){ .from = at->ceiling, .before = last_id };
    else if (f->since_us)
        r.from = first_id_of(f->since_us);
    if (!at->odd && f->until_us)
        narrow(&r, first_id_of(f->until_us));
    if (!at->odd && f->finished_until_us)
        narrow(&r, first_id_of(f->finished_until_us + AHEAD_US));
    if (!uuid_is_null(&at->below))
        narrow(&r, at->below);
    return r;
}

/* --- The statement ------------------------------------------------------------------------------------------------------ */

/* Parameters that several pieces name. */
struct build {
    struct statement *s;
    const struct listing_filter *filter;
    unsigned sources;
    int from, before, n_read, n_wanted;
};

static void add(const struct build *b, const char *sql)
{
    buf_append_string(&b->s->sql, sql);
}

/* What is read of each relation. It is kept apart, so that no filter reaches into it. */
static void add_reading(const struct build *b, const char *name, const char *what, const char *order)
{
    buf_append_format(&b->s->sql,
                      "%s AS MATERIALIZED (SELECT * FROM %s WHERE id >= $%d AND id < $%d ORDER BY %s"
                      " LIMIT $%d::integer), ",
                      name, what, b->from, b->before, order, b->n_read);
}

/* A look-up of its own for each row, whatever the planner believes of the others. */
#define IS_NOWHERE(relation, t) "(SELECT true FROM job." relation " q WHERE q.id = " t ".id LIMIT 1) IS NULL"

/* The names and types of what follows. */
static const char from_nowhere[] =
    "SELECT NULL::uuid AS id, NULL::text AS state, NULL::text AS queue, NULL::text AS type,"
    " NULL::integer AS attempt, NULL::integer AS delivery, NULL::timestamptz AS run_at,"
    " NULL::timestamptz AS started_at, NULL::timestamptz AS finished_at, NULL::text AS worker,"
    " NULL::text AS reason, NULL::text AS error, NULL::timestamptz AS enqueued_at, NULL::bytea AS key,"
    " NULL::jsonb AS headers, NULL::text AS trace_id, NULL::uuid AS parent, NULL::integer AS cpu_ms,"
    " NULL::integer AS peak_kib, NULL::text AS topic, NULL::integer AS partition, NULL::bigint AS \"offset\","
    " NULL::bytea AS payload, NULL::jsonb AS result WHERE false";

static const char from_result[] =
    "SELECT t.id, t.state, t.queue, t.type, t.attempt, t.delivery, NULL, t.started_at, t.finished_at, t.worker,"
    " t.reason, t.error, t.enqueued_at, NULL, NULL, t.trace_id, t.parent, t.cpu_ms, t.peak_kib, t.topic,"
    " t.partition, t.\"offset\", NULL, t.result FROM r t";

/* Pieces of the statements about row t. */
#define TRACE_OF_IT JOB_SQL_TRACE("t")
#define PARENT_OF_IT JOB_SQL_PARENT("t")
#define STATE_OF_IT JOB_SQL_PENDING_STATE("t")
#define HAS_NOT_ENDED IS_NOWHERE("result", "t")
#define IS_NOT_LEASED IS_NOWHERE("lease", "t")
#define DOES_NOT_WAIT IS_NOWHERE("pending", "t")
#define HAS_NO_LETTER IS_NOWHERE("dead", "t")

static const char from_dead[] =
    "SELECT t.id, 'dead', t.queue, t.type, t.attempt, t.delivery, NULL, q.started_at, t.died_at, q.worker,"
    " t.reason, t.error, t.enqueued_at, t.key, t.headers, coalesce(q.trace_id, " TRACE_OF_IT "),"
    " coalesce(q.parent, " PARENT_OF_IT "), q.cpu_ms, q.peak_kib, t.topic, t.partition, t.\"offset\","
    " t.payload, q.result"
    " FROM d t LEFT JOIN LATERAL (SELECT * FROM job.result q WHERE q.id = t.id LIMIT 1) q ON true";

static const char from_lease[] =
    "SELECT t.id, 'running', t.queue, t.type, t.attempt, t.delivery, NULL, t.started_at, NULL, t.worker, NULL,"
    " NULL, t.enqueued_at, t.key, t.headers, " TRACE_OF_IT ", " PARENT_OF_IT ", NULL, NULL, t.topic,"
    " t.partition, t.\"offset\", t.payload, NULL FROM l t WHERE " HAS_NOT_ENDED;

static const char from_pending[] =
    "SELECT t.id, " STATE_OF_IT
    ", t.queue, t.type, t.attempt, t.delivery, t.run_at, NULL, NULL, NULL, t.reason,"
    " q.error, NULL, t.key, t.headers, " TRACE_OF_IT ", " PARENT_OF_IT
    ", NULL, NULL, t.topic, t.partition, NULL,"
    " t.payload, NULL FROM p t"
    " LEFT JOIN LATERAL (SELECT a.error FROM job.attempt a WHERE a.id = t.id ORDER BY a.delivery DESC LIMIT 1) q"
    " ON true WHERE " HAS_NOT_ENDED " AND " IS_NOT_LEASED;

static const char from_attempt[] =
    "SELECT t.id, 'queued', NULL, NULL, t.attempt, t.delivery, NULL, NULL, NULL, NULL, t.outcome, t.error, NULL,"
    " NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
    " FROM (SELECT DISTINCT ON (id) * FROM a ORDER BY id DESC, delivery DESC) t"
    " WHERE " HAS_NOT_ENDED " AND " IS_NOT_LEASED " AND " DOES_NOT_WAIT " AND " HAS_NO_LETTER;

static const struct relation {
    enum source source;
    const char *name, *what, *order, *rows;
} relations[] = {
    { FROM_RESULT, "r", "job.result", "id DESC", from_result },
    { FROM_DEAD, "d", "job.dead", "id DESC", from_dead },
    { FROM_LEASE, "l", "job.lease", "id DESC", from_lease },
    { FROM_PENDING, "p", "job.pending", "id DESC", from_pending },
    { FROM_ATTEMPT, "a", "job.attempt", "id DESC, delivery DESC", from_attempt },
};

/* What lies before the last row of a relation that has more is not known yet. */
static void add_edge(const struct build *b)
{
    add(b, "e AS MATERIALIZED (SELECT greatest(NULL");
    for (size_t i = 0; i < ARRAY_SIZE(relations); i++)
        if (b->sources & relations[i].source)
            buf_append_format(&b->s->sql,
                              ", CASE WHEN (SELECT count(*) FROM %s) = $%d::integer"
                              " THEN (SELECT id FROM %s ORDER BY id LIMIT 1) END",
                              relations[i].name, b->n_read, relations[i].name);
    add(b, ")::uuid AS edge) ");
}

static void add_rows(const struct build *b)
{
    add(b, from_nowhere);
    for (size_t i = 0; i < ARRAY_SIZE(relations); i++) {
        if (!(b->sources & relations[i].source))
            continue;
        add(b, " UNION ALL ");
        add(b, relations[i].rows);
        if (relations[i].source == FROM_DEAD && (b->sources & FROM_RESULT))
            add(b, " WHERE q.id IS NULL");
    }
}

static void add_text_filter(const struct build *b, const char *before, const char *text, const char *after)
{
    if (text)
        buf_append_format(&b->s->sql, " AND %s$%d%s", before, statement_param(b->s, db_text(text)), after);
}

static void add_time_filter(const struct build *b, const char *before, int64_t us)
{
    if (us)
        buf_append_format(&b->s->sql, " AND %s to_timestamp(0) + $%d::bigint * interval '1 microsecond'",
                          before, statement_number(b->s, us));
}

static void add_states(const struct build *b)
{
    const char *names[LISTING_N_STATES];
    size_t n = 0;
    for (size_t i = 0; i < LISTING_N_STATES; i++)
        if (b->filter->states >> i & 1)
            names[n++] = listing_state_names[i];
    if (n > 0)
        buf_append_format(&b->s->sql, " AND u.state = ANY ($%d)", statement_texts(b->s, names, n));
}

static void add_worker(const struct build *b)
{
    if (!b->filter->worker)
        return;
    int n = statement_param(b->s, db_text(b->filter->worker));
    buf_append_format(&b->s->sql, " AND (u.worker = $%d OR split_part(u.worker, '/', 1) = $%d)", n, n);
}

static void add_filters(const struct build *b)
{
    static const char *const roots[] = {
        [CONDITION_PAYLOAD] = "job.json_of(u.payload)::jsonb",
        [CONDITION_RESULT] = "u.result",
        [CONDITION_HEADERS] = "u.headers",
    };
    const struct listing_filter *f = b->filter;
    add_states(b);
    add_text_filter(b, "u.queue = ", f->queue, "");
    add_text_filter(b, "u.type = ", f->type, "");
    add_worker(b);
    add_text_filter(b, "strpos(lower(u.error), lower(", f->error, ")) > 0");
    add_text_filter(b, "u.trace_id = ", f->trace, "");
    add_text_filter(b, "u.key = convert_to(", f->key, ", 'UTF8')");
    if (f->n_tags)
        buf_append_format(&b->s->sql, " AND string_to_array(u.headers ->> 'ce_tags', ',') @> $%d",
                          statement_texts(b->s, f->tags, f->n_tags));
    if (f->parent)
        buf_append_format(&b->s->sql, " AND u.parent = $%d", statement_param(b->s, db_uuid(f->parent)));
    add_time_filter(b, "u.finished_at >=", f->finished_since_us);
    add_time_filter(b, "u.finished_at <", f->finished_until_us);
    for (size_t i = 0; i < f->n_conditions; i++)
        condition_append(b->s, &f->conditions[i], roots);
}

/* At least one row: where nothing is found it has the edge alone. */
static void add_all(const struct build *b)
{
    add(b, "WITH ");
    for (size_t i = 0; i < ARRAY_SIZE(relations); i++)
        if (b->sources & relations[i].source)
            add_reading(b, relations[i].name, relations[i].what, relations[i].order);
    add_edge(b);
    add(b, "SELECT h.id, h.state, h.queue, h.type, h.attempt, h.delivery, h.run_at, h.started_at,"
           " h.finished_at, h.worker, h.reason, h.error, h.enqueued_at, h.key,"
           " " JOB_SQL_TAGS("h") " AS tags, h.trace_id,"
                                 " h.parent, h.cpu_ms, h.peak_kib, h.topic, h.partition, h.\"offset\", e.edge"
                                 " FROM e LEFT JOIN (SELECT * FROM (");
    add_rows(b);
    buf_append_format(&b->s->sql, ") u WHERE u.id >= coalesce((SELECT edge FROM e), $%d)", b->from);
    add_filters(b);
    buf_append_format(&b->s->sql, " ORDER BY u.id DESC LIMIT $%d::integer) h ON true ORDER BY h.id DESC",
                      b->n_wanted);
}

bool listing_build(struct statement *s, const struct listing_filter *filter, const struct listing_place *at,
                   struct listing_step step)
{
    struct build b = { .s = s, .filter = filter, .sources = choose_sources(filter) };
    struct range range = find_range(filter, at);
    if (!b.sources || uuid_compare(&range.from, &range.before) >= 0)
        return false;
    s->ids[0] = range.from;
    s->ids[1] = range.before;
    b.from = statement_param(s, db_uuid(&s->ids[0]));
    b.before = statement_param(s, db_uuid(&s->ids[1]));
    b.n_read = statement_number(s, step.n_read);
    b.n_wanted = statement_number(s, step.n_wanted + 1); /* one more tells whether there are more */
    add_all(&b);
    return true;
}

/* --- Reading -------------------------------------------------------------------------------------------------------------- */

int listing_begin(struct db *db, const struct uuid *after, struct listing_place *ret, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    int r = db_query(db, "SELECT job.first_id_after(clock_timestamp() + interval '1 hour')", NULL, 0, &rows,
                     reterr);
    if (r)
        return r;
    *ret = (struct listing_place){ 0 };
    rows_uuid(rows, 0, 0, &ret->ceiling);
    if (after) {
        ret->below = *after;
        ret->odd = uuid_compare(after, &ret->ceiling) >= 0;
        ret->ended = uuid_is_null(after);
    }
    return 0;
}

#define READ_MIN 100
#define READ_MAX 20000
#define SHORT_US (12 * USEC_PER_MSEC)
#define LONG_US (25 * USEC_PER_MSEC)

int listing_pace(int n_read, int64_t took_us)
{
    int next = took_us < SHORT_US ? n_read * 2 : took_us > LONG_US ? n_read / 2 : n_read;
    return next < READ_MIN ? READ_MIN : next > READ_MAX ? READ_MAX : next;
}

/* A time in the id is asked for, and those have none. */
static bool wants_odd(const struct listing_filter *f)
{
    return !f->since_us && !f->until_us;
}

/* The newest ones have been read: the others follow. */
static void pass_on(const struct listing_filter *f, struct listing_place *at)
{
    at->below = (struct uuid){ 0 };
    at->ended = at->odd || !wants_odd(f);
    at->odd = true;
}

static int query(struct db *db, struct statement *s, struct rows **ret, struct err *reterr)
{
    int r = db_begin(db, reterr);
    if (r)
        return r;
    r = db_execute(db, JOB_SQL_BY_INDEX, reterr);
    if (r == 0)
        r = statement_query(s, db, ret, reterr);
    db_rollback(db); /* it has only looked */
    return r;
}

static void move(const struct listing_filter *f, struct listing_place *at, int n_wanted,
                 const struct rows *rows)
{
    size_t n = rows_count(rows);
    if (n > (size_t)n_wanted)
        rows_uuid(rows, (size_t)n_wanted - 1, 0, &at->below);
    else if (!rows_is_null(rows, 0, LISTING_N_COLUMNS))
        rows_uuid(rows, 0, LISTING_N_COLUMNS, &at->below);
    else
        pass_on(f, at);
}

int listing_read(struct db *db, const struct listing_filter *filter, struct listing_place *at,
                 struct listing_step step, struct rows **ret, size_t *ret_n, struct err *reterr)
{
    _cleanup_statement_ struct statement s = { 0 };
    *ret_n = 0;
    if (!listing_build(&s, filter, at, step)) {
        pass_on(filter, at);
        return 0;
    }
    int r = query(db, &s, ret, reterr);
    if (r)
        return r;
    size_t n = rows_count(*ret);
    if (n > 0 && !rows_is_null(*ret, 0, 0))
        *ret_n = n > (size_t)step.n_wanted ? (size_t)step.n_wanted : n;
    move(filter, at, step.n_wanted, *ret);
    return 0;
}
