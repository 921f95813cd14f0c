/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XLSX by libxlsxwriter in its mode of constant memory: typed cells, a frozen bold header, sheets as long as they may be.
 *
 * A number is one only where Excel keeps it: with at most 15 digits before the point. Longer ones (ids, mostly), NaN,
 * infinity and dates that Excel does not know are text. Text is never a formula. A sheet has 1,048,576 rows; a longer table goes on on
 * the next sheet, under its own header.
 *
 * The library writes what it makes by name, so it gets the name of our descriptor under /proc. It does not look
 * whether its temporary files could be written; xlsx_check() therefore reads the file back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xlsxwriter.h>

#include "format.h"
#include "xlsx_check.h"

#define SHEET_ROWS 1048576u
#define DIGITS_MAX 15 /* that a double, and so Excel, keeps */

/* Where the library collects a sheet's rows, in its mode of constant memory. */
struct sheet_file {
    FILE *stream;
    int fd;
    dev_t device;
    ino_t inode;
};

struct xlsx {
    struct output *output;
    const struct report *report;
    lxw_workbook *book;
    lxw_worksheet *sheet;
    lxw_format *bold, *date, *timestamp;
    uint32_t row; /* the next one of the sheet */
    unsigned n_sheets;
    struct sheet_file *files; /* of each sheet */
    uint64_t n_rows;          /* with headers */
};

/* --- Cells ---------------------------------------------------------------------------------------------- */

/* Whether Excel keeps @text, a number as PostgreSQL writes it. What it rounds behind the point is nobody's id. */
static bool fits_double(const char *text)
{
    text += *text == '-';
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= DIGITS_MAX && !text[digits + strspn(text + digits, "0123456789.e+-")];
}

static bool write_number(struct xlsx *xlsx, uint16_t column, const char *text, lxw_error *ret)
{
    char *end;
    double number = strtod(text, &end);
    if (*end || !fits_double(text))
        return false;
    *ret = worksheet_write_number(xlsx->sheet, xlsx->row, column, number, NULL);
    return true;
}

/* From March 1900 on: before, Excel counts a day that there never was. */
static bool parse_time(const char *text, bool with_time, lxw_datetime *ret)
{
    int read = 0;
    *ret = (lxw_datetime){ 0 };
    if (sscanf(text, "%4d-%2d-%2d%n", &ret->year, &ret->month, &ret->day, &read) != 3 || read != 10)
        return false;
    text += read;
    int more = 0;
    if (with_time &&
        (sscanf(text, " %2d:%2d:%lf%n", &ret->hour, &ret->min, &ret->sec, &more) != 3 || more == 0))
        return false;
    text += more;
    bool ends = !*text || (with_time && (*text == '+' || *text == '-') && !strchr(text, ' '));
    return ends && (ret->year > 1900 || (ret->year == 1900 && ret->month > 2));
}

static bool write_time(struct xlsx *xlsx, uint16_t column, const char *text, bool with_time, lxw_error *ret)
{
    lxw_datetime time;
    if (!parse_time(text, with_time, &time))
        return false;
    *ret = worksheet_write_datetime(xlsx->sheet, xlsx->row, column, &time,
                                    with_time ? xlsx->timestamp : xlsx->date);
    return true;
}

static lxw_error write_cell(struct xlsx *xlsx, uint16_t column, enum cell_kind kind, const char *text)
{
    lxw_error error = LXW_NO_ERROR;
    if (kind == CELL_BOOLEAN)
        return worksheet_write_boolean(xlsx->sheet, xlsx->row, column, *text == 't', NULL);
    if (kind == CELL_NUMBER && write_number(xlsx, column, text, &error))
        return error;
    if ((kind == CELL_DATE || kind == CELL_TIMESTAMP) &&
        write_time(xlsx, column, text, kind == CELL_TIMESTAMP, &error))
        return error;
    return *text ? worksheet_write_string(xlsx->sheet, xlsx->row, column, text, NULL) : LXW_NO_ERROR;
}

/* --- Sheets --------------------------------------------------------------------------------------------- */

static double width_of(const struct column *column)
{
    double preset = column->kind == CELL_TIMESTAMP ? 20 : column->kind == CELL_TEXT ? 18 : 12;
    double name = (double)strlen(column->name) + 2;
    return name < preset ? preset : name > 40 ? 40 : name;
}

static lxw_error write_header(struct xlsx *xlsx)
{
    const struct columns *columns = xlsx->report->columns;
    lxw_error error = LXW_NO_ERROR;
    for (size_t i = 0; i < columns->n && error == LXW_NO_ERROR; i++) {
        uint16_t column = (uint16_t)i;
        error = worksheet_set_column(xlsx->sheet, column, column, width_of(&columns->list[i]), NULL);
        if (error == LXW_NO_ERROR)
            error = worksheet_write_string(xlsx->sheet, 0, column, columns->list[i].name, xlsx->bold);
    }
    worksheet_freeze_panes(xlsx->sheet, 1, 0);
    xlsx->row = 1;
    xlsx->n_rows++;
    return error;
}

/* The rows of a sheet lie in a file whose errors the library does not look at. */
static bool sheet_is_whole(lxw_worksheet *sheet)
{
    return !sheet || !sheet->optimize_tmpfile ||
           (fflush(sheet->optimize_tmpfile) == 0 && !ferror(sheet->optimize_tmpfile));
}

/* To know it again in forget_files(). */
static bool keep_file(struct xlsx *xlsx)
{
    struct stat st;
    struct sheet_file *files = reallocarray(xlsx->files, xlsx->n_sheets + 1, sizeof(*files));
    if (!files)
        return false;
    xlsx->files = files;
    FILE *stream = xlsx->sheet ? xlsx->sheet->optimize_tmpfile : NULL;
    files[xlsx->n_sheets] = (struct sheet_file){ 0 };
    if (stream && fstat(fileno(stream), &st) == 0)
        files[xlsx->n_sheets] = (struct sheet_file){ stream, fileno(stream), st.st_dev, st.st_ino };
    return true;
}

/* The library closes a sheet's file once it is packed, and never when it does not come so far: the next job would pay. */
static void forget_files(struct xlsx *xlsx)
{
    struct stat st;
    for (unsigned i = 0; i < xlsx->n_sheets; i++) {
        const struct sheet_file *file = &xlsx->files[i];
        if (file->stream && fstat(file->fd, &st) == 0 && st.st_dev == file->device &&
            st.st_ino == file->inode)
            fclose(file->stream);
    }
    free(xlsx->files);
}

static int begin_sheet(struct job_context *ctx, struct xlsx *xlsx)
{
    char name[32];
    if (!sheet_is_whole(xlsx->sheet))
        return job_retry(ctx, "cannot write the report: REPORT_SPOOL is full or cannot be written");
    snprintf(name, sizeof(name), xlsx->n_sheets == 0 ? "Report" : "Report %u", xlsx->n_sheets + 1);
    xlsx->sheet = workbook_add_worksheet(xlsx->book, name);
    if (!keep_file(xlsx))
        return job_retry(ctx, "no memory for a report");
    xlsx->n_sheets++;
    lxw_error error = xlsx->sheet ? write_header(xlsx) : LXW_ERROR_MEMORY_MALLOC_FAILED;
    return error == LXW_NO_ERROR ? JOB_DONE : job_retry(ctx, "cannot begin a sheet: %s", lxw_strerror(error));
}

static lxw_format *add_format(struct xlsx *xlsx, const char *number)
{
    lxw_format *format = workbook_add_format(xlsx->book);
    if (format && number)
        format_set_num_format(format, number);
    return format;
}

static int begin_book(struct job_context *ctx, struct xlsx *xlsx)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", output_fd(xlsx->output));
    lxw_workbook_options options = { .constant_memory = LXW_TRUE,
                                     .use_zip64 = LXW_TRUE,
                                     .tmpdir = (char *)xlsx->report->spool };
    xlsx->book = workbook_new_opt(path, &options);
    if (!xlsx->book)
        return job_retry(ctx, "cannot begin a workbook");
    xlsx->bold = add_format(xlsx, NULL);
    xlsx->date = add_format(xlsx, "yyyy-mm-dd");
    xlsx->timestamp = add_format(xlsx, "yyyy-mm-dd hh:mm:ss");
    if (!xlsx->bold || !xlsx->date || !xlsx->timestamp)
        return job_retry(ctx, "no memory for a report");
    format_set_bold(xlsx->bold);
    lxw_doc_properties properties = { .title = (char *)xlsx->report->title };
    workbook_set_properties(xlsx->book, &properties);
    return begin_sheet(ctx, xlsx);
}

static int xlsx_begin(struct job_context *ctx, const struct report *report, struct output *output,
                      void **ret_writer)
{
    struct xlsx *xlsx = calloc(1, sizeof(*xlsx));
    if (!xlsx)
        return job_retry(ctx, "no memory for a report");
    xlsx->output = output;
    xlsx->report = report;
    *ret_writer = xlsx;
    return begin_book(ctx, xlsx);
}

static int xlsx_add(struct job_context *ctx, void *writer, const struct cell *cells)
{
    struct xlsx *xlsx = writer;
    const struct columns *columns = xlsx->report->columns;
    int verdict = xlsx->row == SHEET_ROWS ? begin_sheet(ctx, xlsx) : JOB_DONE;
    for (size_t i = 0; i < columns->n && verdict == JOB_DONE; i++) {
        if (!cells[i].text)
            continue;
        lxw_error error = write_cell(xlsx, (uint16_t)i, columns->list[i].kind, cells[i].text);
        if (error != LXW_NO_ERROR)
            verdict = job_fail(ctx, "column %s, row %u of sheet %u: %s", columns->list[i].name, xlsx->row + 1,
                               xlsx->n_sheets, lxw_strerror(error));
    }
    xlsx->row++;
    xlsx->n_rows++;
    return verdict;
}

static int xlsx_end(struct job_context *ctx, void *writer)
{
    struct xlsx *xlsx = writer;
    if (!sheet_is_whole(xlsx->sheet))
        return job_retry(ctx, "cannot write the report: REPORT_SPOOL is full or cannot be written");
    lxw_error error = workbook_close(xlsx->book); /* which frees it, whatever it returns */
    xlsx->book = NULL;
    if (error != LXW_NO_ERROR)
        return job_retry(ctx, "cannot write the report: %s", lxw_strerror(error));
    const char *wrong = xlsx_check(output_fd(xlsx->output), xlsx->n_sheets, xlsx->n_rows);
    return wrong ? job_retry(ctx, "cannot write the report: %s; is the disk full?", wrong) : JOB_DONE;
}

static void xlsx_free(void *writer)
{
    struct xlsx *xlsx = writer;
    if (!xlsx)
        return;
    if (xlsx->book)
        lxw_workbook_free(xlsx->book);
    forget_files(xlsx);
    free(xlsx);
}

const struct format format_xlsx = {
    .name = "xlsx",
    .content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    .begin = xlsx_begin,
    .add = xlsx_add,
    .end = xlsx_end,
    .free = xlsx_free,
};
