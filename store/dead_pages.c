/* SPDX-License-Identifier: Apache-2.0 */
#include "store/dead_pages.h"

#include <stdio.h>
#include <string.h>

#include "store/array.h"
#include "store/dead_match.h"

#define GROUPS_MAX 64       /* of which each is looked at by the index; more: letter by letter */
#define LOOKED_MAX 8000     /* letters that one page looks at */
#define LOOKED_PER_GROUP 50 /* at least */

/* The plans are those that were thought of here, also where nothing has been analysed yet. */
#define PLANS "SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"

/* $10: behind this id. $11: so many letters, of each group. $12: so many of those that match. $13: the groups. */
#define BEHIND(op) "($10::uuid IS NULL OR d.id " op " $10)"

/*
 * What is looked at, and its edge: where the range of some group ends that has more. Beyond it, not everything has been seen. Without groups
 * all letters are one range, and the page is taken from it by its ends: an index scan in order.
 */
#define LOOKED_ALL(op, to, back)                                                                             \
    "WITH looked AS MATERIALIZED (SELECT d.id FROM job.dead d WHERE " BEHIND(                                \
        op) " ORDER BY d.id " to "  LIMIT $11::integer),"                                                    \
            " edge AS MATERIALIZED (SELECT count(*) AS n, CASE WHEN count(*) = $11::integer"                 \
            "  THEN (SELECT l.id FROM looked l ORDER BY l.id " back " LIMIT 1) END AS id FROM looked),"
#define PAGE_ALL(op, until, to, end)                                                                         \
    " page AS MATERIALIZED (SELECT d.id FROM job.dead d WHERE $13::text[] IS NULL AND " BEHIND(              \
        op) "  AND d.id " until " coalesce((SELECT e.id FROM edge e), '" end "') AND " DEAD_MATCHES          \
            "  ORDER BY d.id " to " LIMIT $12::integer)"

/*
 * Of each group by the index on (group_name, id) and by no other: conditions and order are on both columns, because an equal name would let the
 * planner read all letters by their ids instead, in the belief that the group's are spread evenly.
 */
#define LOOKED_GROUPS(op, last, other, to, back)                                                               \
    "WITH looked AS MATERIALIZED (SELECT g.name, d.id FROM unnest($13::text[]) AS g (name) CROSS JOIN LATERAL" \
    "  (SELECT d.id FROM job.dead d WHERE (d.group_name, d.id) " op "= (g.name, coalesce($10::uuid, '" last    \
    "'))"                                                                                                      \
    "    AND d.group_name " other " g.name AND ($10::uuid IS NULL OR d.id <> $10)"                             \
    "   ORDER BY d.group_name " to ", d.id " to " LIMIT $11::integer) AS d),"                                  \
    " edge AS MATERIALIZED (SELECT (SELECT count(*) FROM looked) AS n,"                                        \
    "  (SELECT r.id FROM (SELECT (array_agg(l.id ORDER BY l.id " back                                          \
    "))[1] AS id, count(*) AS n FROM looked l"                                                                 \
    "    GROUP BY l.name) AS r WHERE r.n = $11::integer ORDER BY r.id " to " LIMIT 1) AS id),"
#define PAGE_GROUPS(until, to, end)                                                                          \
    " page AS MATERIALIZED (SELECT l.id FROM looked l CROSS JOIN LATERAL"                                    \
    "  (SELECT FROM job.dead d WHERE d.id = l.id AND " DEAD_MATCHES ") AS d"                                 \
    "  WHERE l.id " until " coalesce((SELECT e.id FROM edge e), '" end "')"                                  \
    "  ORDER BY l.id " to " LIMIT $12::integer)"

#define LOWEST "00000000-0000-0000-0000-000000000000"
#define HIGHEST "ffffffff-ffff-ffff-ffff-ffffffffffff"

/* One row without a letter, when none matches, tells of the edge. */
#define LISTED(to)                                                                                                                                                                  \
    " SELECT d.*, e.id AS edge, e.n AS looked, (SELECT count(*) FROM page) AS paged FROM edge e LEFT JOIN (SELECT d.id, d.queue, d.type, d.reason, d.delivery, d.attempt, d.error," \
    "  d.enqueued_at, d.died_at, d.topic, d.partition, d.\"offset\", d.group_name, d.edited_at"                                                                                     \
    "  FROM page p JOIN job.dead d ON d.id = p.id) AS d ON true ORDER BY d.id " to

#define MOMENT(of) "to_char(" of " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
#define EXPORTED(to)                                                                                                                                                                                                                           \
    " SELECT d.*, e.id AS edge, e.n AS looked, (SELECT count(*) FROM page) AS paged FROM edge e LEFT JOIN (SELECT d.id, json_build_object('id', d.id, 'queue', d.queue, 'type', d.type,"                                                       \
    "   'reason', d.reason, 'delivery', d.delivery, 'attempt', d.attempt, 'error', d.error,"                                                                                                                                                   \
    "   'enqueued_at', " MOMENT("d.enqueued_at") ", 'died_at', " MOMENT(                                                                                                                                                                       \
        "d.died_at") ", 'topic', d.topic,"                                                                                                                                                                                                     \
                     "   'partition', d.partition, 'offset', d.\"offset\", 'edited_at', " MOMENT(                                                                                                                                              \
                         "d.edited_at") ","                                                                                                                                                                                                    \
                                        "   'headers', d.headers,"                                                                                                                                                                             \
                                        "   'result', (SELECT json_build_object('started_at', " MOMENT(                                                                                                                                        \
                                            "r.started_at") ", 'worker', r.worker,"                                                                                                                                                            \
                                                            "     'cpu_ms', r.cpu_ms, 'peak_kib', r.peak_kib, 'trace_id', r.trace_id, 'parent', r.parent)"                                                                                     \
                                                            "    FROM job.result r WHERE r.id = d.id AND r.state = 'dead'),"                                                                                                                   \
                                                            "   'attempts', (SELECT coalesce(json_agg(json_build_object('delivery', a.delivery, 'attempt', a.attempt,"                                                                         \
                                                            "     'outcome', a.outcome, 'error', a.error, 'started_at', " MOMENT(                                                                                                              \
                                                                "a.started_at") ","                                                                                                                                                            \
                                                                                "     'finished_at', " MOMENT(                                                                                                                                 \
                                                                                    "a.finished_at") ", 'worker', a.worker, 'cpu_ms', a.cpu_ms, 'peak_kib', a.peak_kib)"                                                                       \
                                                                                                     "    ORDER BY a.delivery), '[]') FROM job.attempt a WHERE a.id = d.id),"                                                                  \
                                                                                                     "   'edits', (SELECT coalesce(json_agg(json_build_object('at', " MOMENT("e.at") ", 'died_at', " MOMENT(                                   \
                                                                                                         "e.died_at") ","                                                                                                                      \
                                                                                                                      "     'delivery', e.delivery, 'actor', e.actor, 'queue', e.queue, 'type', e.type, 'key', encode(e.key, 'base64'),"       \
                                                                                                                      "     'headers', e.headers, 'payload', encode(e.payload, 'base64')) ORDER BY e.n), '[]')"                                \
                                                                                                                      "    FROM job.dead_edit e WHERE e.job = d.id))::text AS letter, d.key, d.payload"                                        \
                                                                                                                      "  FROM (SELECT p.id, sum(coalesce(octet_length(o.payload), 0) + octet_length(o.headers::text)) OVER (ORDER BY p.id " to \
                                                                                                                      "   ROWS UNBOUNDED PRECEDING) AS size, row_number() OVER (ORDER BY p.id " to                                             \
                                                                                                                      ") AS place"                                                                                                             \
                                                                                                                      "   FROM page p JOIN job.dead o ON o.id = p.id) AS p JOIN job.dead d ON d.id = p.id"                                     \
                                                                                                                      "  WHERE p.place = 1 OR p.size <= 4194304) AS d ON true ORDER BY d.id " to

#define NEWEST_ALL LOOKED_ALL("<", "DESC", "ASC") PAGE_ALL("<", ">=", "DESC", LOWEST)
#define NEWEST_GROUPS LOOKED_GROUPS("<", HIGHEST, ">=", "DESC", "ASC") PAGE_GROUPS(">=", "DESC", LOWEST)
#define OLDEST_ALL LOOKED_ALL(">", "ASC", "DESC") PAGE_ALL(">", "<=", "ASC", HIGHEST)
#define OLDEST_GROUPS LOOKED_GROUPS(">", LOWEST, "<=", "ASC", "DESC") PAGE_GROUPS("<=", "ASC", HIGHEST)

/* [oldest first][by groups] */
static const char *const list_sql[2][2] = {
    { NEWEST_ALL LISTED("DESC"), NEWEST_GROUPS LISTED("DESC") },
    { OLDEST_ALL LISTED("ASC"), OLDEST_GROUPS LISTED("ASC") },
};
static const char *const export_sql[2][2] = {
    { NEWEST_ALL EXPORTED("DESC"), NEWEST_GROUPS EXPORTED("DESC") },
    { OLDEST_ALL EXPORTED("ASC"), OLDEST_GROUPS EXPORTED("ASC") },
};

/* --- Which groups --- */

/* Does it say something about groups? A group that has got no letter since then has none that died since then. */
static bool names_groups(const struct dead_filter *f)
{
    return f->queue || f->type || f->reason || f->group || f->since_us || f->until_us;
}

/* Does the filter say more than the name of a group does? */
static bool looks_inside(const struct dead_filter *f)
{
    return f->error || f->key || f->worker || f->since_us || f->until_us;
}

/* Names of the groups that may have letters that match, GROUPS_MAX + 1 at most; column: name. */
static int find_groups(struct db *db, const struct dead_match *m, struct rows **ret, struct err *reterr)
{
    const struct db_param params[] = { m->params[0], m->params[1], m->params[2],
                                       m->params[3], m->params[7], m->params[8] };
    return db_query(
        db,
        "SELECT c.group_name FROM job.dead_count c WHERE ($1::text IS NULL OR c.queue = $1)"
        " AND ($2::text IS NULL OR c.type = $2) AND ($3::text IS NULL OR c.reason = $3)"
        " AND ($4::text IS NULL OR c.group_name = $4) GROUP BY c.group_name HAVING sum(c.n) > 0"
        " AND ($5::timestamptz IS NULL OR max(c.last_at) >= $5) AND ($6::timestamptz IS NULL OR min(c.first_at) < $6)"
        " LIMIT 65",
        params, ARRAY_SIZE(params), ret, reterr);
}

static void take_groups(const struct rows *rows, struct array *to)
{
    array_init(to, PG_TEXT_ARRAY);
    for (size_t i = 0; i < rows_count(rows); i++)
        array_append_span(to, rows_span(rows, i, 0));
}

/* --- The page --- */

/* Is everything in the range that is looked at part of the page? */
static bool all_match(const struct dead_filter *f, size_t n_groups)
{
    return !looks_inside(f) && (n_groups > 0 || !names_groups(f));
}

/* How many letters one statement looks at, of each of @n_groups (0: of all). One more than the page has tells whether there are more. */
static int choose_looked(const struct dead_filter *f, int limit, size_t n_groups)
{
    if (all_match(f, n_groups))
        return limit + 1;
    int looked = f->worker ? LOOKED_MAX / 2 : LOOKED_MAX;
    if (n_groups > 0)
        looked /= (int)n_groups;
    return looked < LOOKED_PER_GROUP ? LOOKED_PER_GROUP : looked;
}

/* @column: where the three of the edge begin. */
static void read_edge(const struct rows *rows, int column, int limit, bool all, struct dead_edge *ret)
{
    bool looked_at_all = rows_is_null(rows, 0, column);
    size_t n = rows_is_null(rows, 0, 0) ? 0 : rows_count(rows);
    *ret = (struct dead_edge){ .n_letters = n, .n_looked = rows_bigint(rows, 0, column + 1) };
    if (n < (size_t)rows_bigint(rows, 0, column + 2) ||
        (n == (size_t)limit && !(all && looked_at_all && ret->n_looked <= limit)))
        rows_uuid(rows, n - 1, 0, &ret->id); /* the page ends before the edge */
    else if (looked_at_all)
        ret->is_last = true;
    else
        rows_uuid(rows, 0, column, &ret->id);
}

static int run(struct db *db, const char *const sql[2], const struct dead_page *page,
               const struct dead_match *m, struct array *groups, size_t n_groups, int limit,
               struct rows **ret, struct err *reterr)
{
    char looked[12], at_most[12];
    struct db_param params[DEAD_MATCH_N + 4];
    memcpy(params, m->params, sizeof(m->params));
    snprintf(looked, sizeof(looked), "%d", choose_looked(&page->filter, limit, n_groups));
    snprintf(at_most, sizeof(at_most), "%d", limit);
    params[DEAD_MATCH_N] = page->after ? db_uuid(page->after) : db_null();
    params[DEAD_MATCH_N + 1] = db_text(looked);
    params[DEAD_MATCH_N + 2] = db_text(at_most);
    params[DEAD_MATCH_N + 3] = n_groups ? array_param(groups) : db_null();
    int r = db_execute(db, PLANS, reterr);
    return r ? r : db_query(db, sql[n_groups > 0], params, ARRAY_SIZE(params), ret, reterr);
}

static int read_page(struct db *db, const char *const sql[2], int edge_column, const struct dead_page *page,
                     struct rows **ret, struct dead_edge *ret_edge, struct err *reterr)
{
    _cleanup_(rows_free_cleanup) struct rows *names = NULL;
    _cleanup_(array_done) struct array groups = { 0 };
    int limit = page->filter.limit < LOOKED_MAX ? page->filter.limit : LOOKED_MAX;
    struct dead_match match;
    size_t n_groups = 0;
    dead_match_fill(&match, &page->filter);
    if (names_groups(&page->filter)) {
        int r = find_groups(db, &match, &names, reterr);
        if (r)
            return r;
        n_groups = rows_count(names) <= GROUPS_MAX ? rows_count(names) : 0;
        if (rows_count(names) == 0) {
            *ret_edge = (struct dead_edge){ .is_last = true };
            *ret = steal(names);
            return 0;
        }
        take_groups(names, &groups);
    }
    int r = run(db, sql, page, &match, &groups, n_groups, limit, ret, reterr);
    if (r == 0)
        read_edge(*ret, edge_column, limit, all_match(&page->filter, n_groups), ret_edge);
    return r;
}

int dead_page_list(struct db *db, const struct dead_page *page, struct rows **ret, struct dead_edge *ret_edge,
                   struct err *reterr)
{
    return read_page(db, list_sql[page->oldest_first], 14, page, ret, ret_edge, reterr);
}

int dead_page_export(struct db *db, const struct dead_page *page, struct rows **ret,
                     struct dead_edge *ret_edge, struct err *reterr)
{
    return read_page(db, export_sql[page->oldest_first], 4, page, ret, ret_edge, reterr);
}
