/* SPDX-License-Identifier: Apache-2.0 */
#include "store/condition.h"

#include "base/cleanup.h"
#include "tests/support/suite.h"

static const char *const roots[] = { "p", "r", "h" };
static const char *const evil[] = { "a' OR true --", "b\")" };

static void check(struct condition c, const char *expected, int n_params)
{
    _cleanup_statement_ struct statement s = { 0 };
    c.steps = evil;
    c.n_steps = ARRAY_SIZE(evil);
    condition_append(&s, &c, roots);
    ck_assert_str_eq(s.sql.data, expected);
    ck_assert_int_eq(s.n_params, n_params);
    ck_assert(!s.failed);
}

/* Whatever is asked for, the text has numbers of parameters alone. */
START_TEST(nothing_of_a_condition_becomes_part_of_the_text)
{
    check((struct condition){ .op = CONDITION_EQUAL, .literal = "\"'; DROP\"" },
          " AND ((p #> $1) = $2::jsonb)", 2);
    check((struct condition){ .root = CONDITION_RESULT, .op = CONDITION_NOT_EQUAL, .literal = "1" },
          " AND ((r #> $1) <> $2::jsonb)", 2);
    check((struct condition){ .root = CONDITION_HEADERS, .op = CONDITION_EXISTS },
          " AND ((h #> $1) IS NOT NULL)", 1);
    check((struct condition){ .op = CONDITION_MISSING }, " AND ((p #> $1) IS NULL)", 1);
    check((struct condition){ .op = CONDITION_LIKE, .kind = CONDITION_STRING, .literal = "\"')\"" },
          " AND (jsonb_typeof(p #> $1) = 'string' AND (p #>> $1) ~ ('(?e)' || ($2::jsonb #>> '{}')))", 2);
}
END_TEST

START_TEST(only_numbers_and_strings_have_an_order)
{
    check((struct condition){ .op = CONDITION_LESS, .kind = CONDITION_NUMBER, .literal = "1" },
          " AND (jsonb_typeof(p #> $1) = 'number' AND (p #> $1) < $2::jsonb)", 2);
    check((struct condition){ .op = CONDITION_AT_LEAST, .kind = CONDITION_STRING, .literal = "\"a\"" },
          " AND (jsonb_typeof(p #> $1) = 'string' AND (p #>> $1) COLLATE \"C\" >= ($2::jsonb #>> '{}'))", 2);
    check((struct condition){ .op = CONDITION_GREATER, .kind = CONDITION_OTHER, .literal = "null" },
          " AND (false)", 2);
}
END_TEST

START_TEST(more_than_there_is_room_for_fails_and_writes_nowhere)
{
    _cleanup_statement_ struct statement s = { 0 };
    const struct condition c = { .op = CONDITION_EXISTS, .steps = evil, .n_steps = 1 };
    for (int i = 0; i < STATEMENT_MAX_ARRAYS + 5; i++)
        condition_append(&s, &c, roots);
    ck_assert(s.failed);
    ck_assert_int_eq(s.n_params, STATEMENT_MAX_ARRAYS);
}
END_TEST

SUITE_MAIN("condition", nothing_of_a_condition_becomes_part_of_the_text,
           only_numbers_and_strings_have_an_order, more_than_there_is_room_for_fails_and_writes_nowhere)
