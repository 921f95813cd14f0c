/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/present.h"

static struct cell take_cell(enum cell_kind kind, const struct rows *rows, size_t row, int column)
{
    struct cell cell = { .kind = kind };
    if (rows_is_null(rows, row, column))
        return cell_null();
    switch (kind) {
    case CELL_INT: /* integer and bigint differ in size only */
        cell.number = rows_span(rows, row, column).size == sizeof(int32_t) ? rows_int(rows, row, column)
                                                                           : rows_bigint(rows, row, column);
        return cell;
    case CELL_BOOL:
        cell.number = rows_bool(rows, row, column);
        return cell;
    case CELL_TIME:
        cell.number = rows_time_us(rows, row, column);
        return cell;
    case CELL_ID:
        rows_uuid(rows, row, column, &cell.id);
        return cell;
    default:
        return cell_span(kind, rows_span(rows, row, column));
    }
}

void present_fill(const struct output_column *columns, size_t n_columns, const struct rows *rows, size_t row,
                  struct cell *cells)
{
    for (size_t i = 0; i < n_columns; i++)
        cells[i] = take_cell(columns[i].kind, rows, row, (int)i);
}

int present_begin(const struct invocation *in, const struct output_column *columns, size_t n_columns,
                  struct output **ret, struct err *reterr)
{
    return output_new(ret, &in->style, in->to, columns, n_columns, reterr);
}

int present_rows(const struct invocation *in, const struct output_column *columns, size_t n_columns,
                 const struct rows *rows, struct err *reterr)
{
    struct cell cells[PRESENT_MAX_COLUMNS];
    _cleanup_(output_free_cleanup) struct output *o = NULL;
    int r = present_begin(in, columns, n_columns, &o, reterr);
    if (r)
        return r;
    for (size_t i = 0; i < rows_count(rows); i++) {
        present_fill(columns, n_columns, rows, i, cells);
        output_add(o, cells);
    }
    return output_end(o, reterr);
}

int present_one(const struct invocation *in, const struct output_column *columns, size_t n_columns,
                const struct cell *cells, struct err *reterr)
{
    return output_one(&in->style, in->to, columns, n_columns, cells, reterr);
}

int present_id(const struct invocation *in, const struct uuid *id, struct err *reterr)
{
    char text[UUID_TEXT_SIZE];
    if (fprintf(in->to, "{\"id\": \"%s\"}\n", uuid_format(id, text)) < 0)
        return err_set(reterr, STATUS_FAILED, "the output could not be written");
    return STATUS_DONE;
}
