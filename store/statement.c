/* SPDX-License-Identifier: Apache-2.0 */
#include "store/statement.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

void statement_done(struct statement *s)
{
    buf_done(&s->sql);
    for (int i = 0; i < s->n_arrays; i++)
        array_done(&s->arrays[i]);
    *s = (struct statement){ 0 };
}

int statement_param(struct statement *s, struct db_param param)
{
    if (s->n_params == STATEMENT_MAX_PARAMS) {
        s->failed = true;
        return 1;
    }
    s->params[s->n_params++] = param;
    return s->n_params;
}

int statement_number(struct statement *s, int64_t number)
{
    if (s->n_numbers == STATEMENT_MAX_NUMBERS) {
        s->failed = true;
        return 1;
    }
    char *text = s->numbers[s->n_numbers++];
    snprintf(text, sizeof(s->numbers[0]), "%" PRId64, number);
    return statement_param(s, db_text(text));
}

int statement_texts(struct statement *s, const char *const *texts, size_t n)
{
    if (s->n_arrays == STATEMENT_MAX_ARRAYS) {
        s->failed = true;
        return 1;
    }
    struct array *array = &s->arrays[s->n_arrays++];
    array_init(array, PG_TEXT_ARRAY);
    for (size_t i = 0; i < n; i++)
        array_append_span(array, span_from_string(texts[i]));
    s->failed |= array->buf.failed;
    return statement_param(s, array_param(array));
}

int statement_query(struct statement *s, struct db *db, struct rows **ret, struct err *reterr)
{
    if (s->failed || s->sql.failed)
        return err_set(reterr, -ENOMEM, "out of memory");
    return db_query(db, s->sql.data, s->params, s->n_params, ret, reterr);
}
