/* SPDX-License-Identifier: Apache-2.0 */
#include "store/condition.h"

/* Where a condition looks, and what it compares with, as SQL. */
struct place {
    const char *root;
    int path;
    int literal; /* 0: none */
};

static const char *sign_of(enum condition_op op)
{
    switch (op) {
    case CONDITION_LESS:
        return "<";
    case CONDITION_AT_MOST:
        return "<=";
    case CONDITION_GREATER:
        return ">";
    case CONDITION_AT_LEAST:
        return ">=";
    case CONDITION_NOT_EQUAL:
        return "<>";
    default:
        return "=";
    }
}

/* jsonb compares strings by the database's collation, and orders kinds among each other. */
static void append_order(struct buf *sql, const struct place *p, const struct condition *c)
{
    if (c->kind == CONDITION_NUMBER)
        buf_append_format(sql, "jsonb_typeof(%s #> $%d) = 'number' AND (%s #> $%d) %s $%d::jsonb", p->root,
                          p->path, p->root, p->path, sign_of(c->op), p->literal);
    else if (c->kind == CONDITION_STRING)
        buf_append_format(
            sql, "jsonb_typeof(%s #> $%d) = 'string' AND (%s #>> $%d) COLLATE \"C\" %s ($%d::jsonb #>> '{}')",
            p->root, p->path, p->root, p->path, sign_of(c->op), p->literal);
    else
        buf_append_string(sql, "false");
}

/* "(?e)": what follows is a POSIX extended regular expression. */
static void append_match(struct buf *sql, const struct place *p)
{
    buf_append_format(
        sql, "jsonb_typeof(%s #> $%d) = 'string' AND (%s #>> $%d) ~ ('(?e)' || ($%d::jsonb #>> '{}'))",
        p->root, p->path, p->root, p->path, p->literal);
}

void condition_append(struct statement *s, const struct condition *c, const char *const root[3])
{
    struct place p = { .root = root[c->root], .path = statement_texts(s, c->steps, c->n_steps) };
    if (c->literal)
        p.literal = statement_param(s, db_text(c->literal));
    buf_append_string(&s->sql, " AND (");
    switch (c->op) {
    case CONDITION_EXISTS:
        buf_append_format(&s->sql, "(%s #> $%d) IS NOT NULL", p.root, p.path);
        break;
    case CONDITION_MISSING:
        buf_append_format(&s->sql, "(%s #> $%d) IS NULL", p.root, p.path);
        break;
    case CONDITION_EQUAL:
    case CONDITION_NOT_EQUAL:
        buf_append_format(&s->sql, "(%s #> $%d) %s $%d::jsonb", p.root, p.path, sign_of(c->op), p.literal);
        break;
    case CONDITION_LIKE:
        append_match(&s->sql, &p);
        break;
    default:
        append_order(&s->sql, &p, c);
        break;
    }
    buf_append_string(&s->sql, ")");
}
