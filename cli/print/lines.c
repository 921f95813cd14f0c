/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/lines.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/print/choice.h"
#include "cli/status.h"

#define COLUMNS_MAX 32

struct lines {
    struct output_style style;
    FILE *to;
    const struct lines_column *columns;
    struct output_column plain[COLUMNS_MAX];
    struct output *output; /* CSV, JSONL */
    struct choice choice;  /* TABLE */
    struct buf text, cell;
    bool failed;
};

/* How many characters of UTF-8; none of job data is wider than one column but those of the East. */
static size_t measure(const char *text, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

/* As many bytes as @most characters have. */
static size_t cut(const char *text, size_t size, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
        if (n > most)
            return i;
    }
    return size;
}

static const char *colour_of(const struct lines *l, const char *column, const char *text)
{
    if (!l->style.colours || strcmp(column, "state") != 0)
        return NULL;
    if (strcmp(text, "succeeded") == 0)
        return "\033[32m";
    return strcmp(text, "retrying") == 0 ? "\033[33m" : strcmp(text, "dead") == 0 ? "\033[31m" : NULL;
}

/* Where lines run by, a time of day is what one wants to read. */
static void append_time(struct buf *b, int64_t us)
{
    char text[16];
    time_t seconds = (time_t)(us / USEC_PER_SEC);
    struct tm broken;
    strftime(text, sizeof(text), "%T", localtime_r(&seconds, &broken));
    buf_append_format(b, "%s.%03d", text, (int)(us / USEC_PER_MSEC % 1000));
}

static void append_plain(const struct lines *l, struct buf *b, const struct cell *cell)
{
    if (cell->kind == CELL_TIME && l->style.times == MOMENT_RELATIVE)
        append_time(b, cell->number);
    else if (cell->kind == CELL_TIME && l->style.times != MOMENT_EXACT)
        moment_append(b, cell->number, l->style.times, 0);
    else
        cell_append_plain(b, cell);
}

static int width_of_terminal(const struct lines *l)
{
    struct winsize size;
    if (!l->style.terminal || ioctl(fileno(l->to), TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return 0;
    return size.ws_col;
}

/* One cell behind @used characters of a line that has @width (0: any number). Return: characters used then. */
static size_t append_cell(struct lines *l, size_t column, const char *text, size_t used, int width, bool last)
{
    size_t size = strlen(text), least = (size_t)l->columns[column].width;
    if (width && used + measure(text, size) > (size_t)width)
        size = cut(text, size, (size_t)width > used ? (size_t)width - used : 0);
    const char *colour = colour_of(l, l->columns[column].column.name, text);
    buf_append_string(&l->text, colour ? colour : "");
    buf_append(&l->text, text, size);
    buf_append_string(&l->text, colour ? "\033[0m" : "");
    size_t n = measure(text, size);
    size_t pad = last ? 0 : (n < least ? least - n : 0) + 2;
    if (width && used + n + pad > (size_t)width)
        pad = (size_t)width > used + n ? (size_t)width - used - n : 0;
    buf_append_format(&l->text, "%*s", (int)pad, "");
    return used + n + pad;
}

static void add_line(struct lines *l, const struct cell *cells)
{
    size_t used = 0;
    int width = width_of_terminal(l);
    for (size_t i = 0; i < l->choice.n_columns; i++) {
        size_t column = l->choice.columns[i];
        buf_reset(&l->cell);
        if (cells)
            append_plain(l, &l->cell, &cells[column]);
        else
            buf_append_string(&l->cell, l->columns[column].column.name);
        used = append_cell(l, column, l->cell.size ? l->cell.data : "", used, width,
                           i + 1 == l->choice.n_columns);
    }
    while (l->text.size > 0 && l->text.data[l->text.size - 1] == ' ')
        l->text.size--;
    buf_append_char(&l->text, '\n');
    l->failed |=
        l->text.failed || l->cell.failed || fwrite(l->text.data, 1, l->text.size, l->to) != l->text.size;
    buf_reset(&l->text);
}

void lines_add(struct lines *l, const struct cell *cells)
{
    if (l->output)
        output_add(l->output, cells);
    else
        add_line(l, cells);
}

int lines_flush(struct lines *l, struct err *reterr)
{
    if (fflush(l->to) != 0 || ferror(l->to) || l->failed)
        return err_set(reterr, STATUS_FAILED, "the output could not be written");
    return STATUS_DONE;
}

static int open_form(struct lines *l, size_t n_columns, struct err *reterr)
{
    if (l->style.format == OUTPUT_JSON)
        return err_set(reterr, STATUS_USAGE,
                       "-o json: the list has no end; with -o jsonl each row is a line");
    if (l->style.sort)
        return err_set(reterr, STATUS_USAGE, "--sort: rows are printed as they come");
    if (l->style.format != OUTPUT_TABLE)
        return output_new(&l->output, &l->style, l->to, l->plain, n_columns, reterr);
    if (choice_read(&l->choice, l->plain, n_columns, true, l->style.columns, NULL, reterr))
        return STATUS_USAGE;
    if (!l->style.no_headers)
        add_line(l, NULL);
    return STATUS_DONE;
}

int lines_new(struct lines **ret, const struct output_style *style, FILE *to,
              const struct lines_column *columns, size_t n_columns, struct err *reterr)
{
    _cleanup_(lines_free_cleanup) struct lines *l = calloc(1, sizeof(*l));
    if (!l || n_columns > COLUMNS_MAX)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    l->style = *style;
    l->to = to;
    l->columns = columns;
    for (size_t i = 0; i < n_columns; i++)
        l->plain[i] = columns[i].column;
    int r = open_form(l, n_columns, reterr);
    if (r == STATUS_DONE)
        *ret = steal(l);
    return r;
}

struct lines *lines_free(struct lines *l)
{
    if (!l)
        return NULL;
    output_free(l->output);
    buf_done(&l->text);
    buf_done(&l->cell);
    free(l);
    return NULL;
}
