/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PDF: title, chart if the query has one, table; the table's header is repeated on each page, pages are numbered.
 *
 * The first rows are held until the widths of columns can be judged by them, or with a chart until all are there, at
 * most CHART_POINTS_MAX: a query for a chart sums up. Afterwards rows are drawn as they come. A table too wide for
 * A4 upright is set sideways, then narrowed; cells wrap, and end with … after ROW_LINES lines. Where the title
 * runs from right to left, so do the columns.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chart.h"
#include "format.h"
#include "page.h"
#include "text.h"

#define SAMPLE_ROWS 200
#define HELD_MAX (8u << 20) /* bytes */
#define ROWS_MAX 100000
#define ROW_LINES 4
#define CELL_BYTES_MAX 2000 /* more is not looked at; so much never fits */
#define COLUMN_MIN 28.0
#define COLUMN_MAX 220.0
#define PAD_X 4.0
#define PAD_Y 2.5

struct held_row {
    struct cell *cells; /* one block with their texts */
};

struct pdf {
    struct output *output;
    const struct report *report;
    const struct columns *columns;
    struct page page;
    bool is_laid_out, from_right;
    double *widths;        /* of columns, with their padding */
    PangoLayout **layouts; /* for the cells of one row; made once widths are known */
    size_t n_rows, n_held, held_bytes;
    struct held_row held[CHART_POINTS_MAX];
};

/* --- Rows that are held --------------------------------------------------------------------------------- */

static int hold(struct job_context *ctx, struct pdf *pdf, const struct cell *cells)
{
    size_t n = pdf->columns->n, size = n * sizeof(struct cell);
    for (size_t i = 0; i < n; i++)
        size += text_cut(cells[i].text, cells[i].size, CELL_BYTES_MAX) + 1;
    struct cell *row = malloc(size);
    if (!row)
        return job_retry(ctx, "no memory for a report");
    char *at = (char *)(row + n);
    for (size_t i = 0; i < n; i++) {
        size_t cut = text_cut(cells[i].text, cells[i].size, CELL_BYTES_MAX);
        row[i] = (struct cell){ cells[i].text ? at : NULL, cut };
        if (cells[i].text)
            memcpy(at, cells[i].text, cut);
        at[cut] = 0;
        at += cut + 1;
    }
    pdf->held[pdf->n_held++].cells = row;
    pdf->held_bytes += size;
    return JOB_DONE;
}

static bool has_chart(const struct pdf *pdf)
{
    return pdf->report->chart->kind != CHART_NONE;
}

static bool must_lay_out(const struct pdf *pdf)
{
    return pdf->held_bytes >= HELD_MAX || pdf->n_held == (has_chart(pdf) ? CHART_POINTS_MAX : SAMPLE_ROWS);
}

/* --- The table ------------------------------------------------------------------------------------------ */

static const char *shown(enum cell_kind kind, const struct cell *cell, size_t *ret_size)
{
    *ret_size = cell->text ? text_cut(cell->text, cell->size, CELL_BYTES_MAX) : 0;
    if (kind != CELL_BOOLEAN || !cell->text)
        return cell->text ? cell->text : "";
    *ret_size = *cell->text == 't' ? 4 : 5;
    return *cell->text == 't' ? "true" : "false";
}

static double natural_width(PangoLayout *layout, const char *text, size_t size)
{
    int width, height;
    pango_layout_set_text(layout, text, (int)size);
    pango_layout_get_size(layout, &width, &height);
    double points = ceil((double)width / PANGO_SCALE) + 2 * PAD_X + 1;
    return points < COLUMN_MIN ? COLUMN_MIN : points > COLUMN_MAX ? COLUMN_MAX : points;
}

static double measure_columns(struct pdf *pdf)
{
    PangoLayout *plain = page_layout(&pdf->page, PAGE_PLAIN, COLUMN_MAX, ROW_LINES),
                *bold = page_layout(&pdf->page, PAGE_BOLD, COLUMN_MAX, ROW_LINES);
    double sum = 0;
    size_t size;
    for (size_t i = 0; i < pdf->columns->n; i++) {
        const struct column *column = &pdf->columns->list[i];
        double widest = natural_width(bold, column->name, strlen(column->name));
        for (size_t r = 0; r < pdf->n_held && r < SAMPLE_ROWS; r++) {
            const char *text = shown(column->kind, &pdf->held[r].cells[i], &size);
            widest = fmax(widest, natural_width(plain, text, size));
        }
        sum += pdf->widths[i] = widest;
    }
    g_object_unref(plain);
    g_object_unref(bold);
    return sum;
}

/* Takes from wide columns only, so much that all fit. */
static void narrow_columns(struct pdf *pdf, double sum, double room)
{
    size_t n = pdf->columns->n;
    double spare = sum - COLUMN_MIN * (double)n, left = room - COLUMN_MIN * (double)n;
    for (size_t i = 0; i < n; i++)
        pdf->widths[i] = COLUMN_MIN + (pdf->widths[i] - COLUMN_MIN) * left / spare;
}

static int fit_columns(struct job_context *ctx, struct pdf *pdf)
{
    double sum = measure_columns(pdf), least = COLUMN_MIN * (double)pdf->columns->n;
    if (sum > page_inner_width(&pdf->page))
        page_turn_sideways(&pdf->page);
    if (least > page_inner_width(&pdf->page))
        return job_fail(ctx, "%zu columns do not fit on a page: pdf takes %d", pdf->columns->n,
                        (int)(page_inner_width(&pdf->page) / COLUMN_MIN));
    if (sum > page_inner_width(&pdf->page))
        narrow_columns(pdf, sum, page_inner_width(&pdf->page));
    for (size_t i = 0; i < pdf->columns->n; i++)
        pdf->layouts[i] = page_layout(&pdf->page, PAGE_PLAIN, pdf->widths[i] - 2 * PAD_X, ROW_LINES);
    return JOB_DONE;
}

/* Draws what the layouts hold as one row, at the page's place. */
static void show_row(struct pdf *pdf, double height)
{
    struct page *p = &pdf->page;
    double x = pdf->from_right ? p->width - PAGE_MARGIN : PAGE_MARGIN;
    for (size_t i = 0; i < pdf->columns->n; i++) {
        x -= pdf->from_right ? pdf->widths[i] : 0;
        page_show(p, pdf->layouts[i], x + PAD_X, p->y + PAD_Y);
        x += pdf->from_right ? 0 : pdf->widths[i];
    }
    p->y += height;
    cairo_set_source_rgb(p->cr, 0.8, 0.8, 0.8);
    cairo_move_to(p->cr, PAGE_MARGIN, p->y);
    cairo_line_to(p->cr, p->width - PAGE_MARGIN, p->y);
    cairo_stroke(p->cr);
    cairo_set_source_rgb(p->cr, 0, 0, 0);
}

/* Gives each layout its text. Return: the row's height. */
static double fill_row(struct pdf *pdf, const struct cell *cells, enum page_style style)
{
    double height = 0;
    for (size_t i = 0; i < pdf->columns->n; i++) {
        const struct column *column = &pdf->columns->list[i];
        size_t size = strlen(column->name);
        const char *text = cells ? shown(column->kind, &cells[i], &size) : column->name;
        pango_layout_set_font_description(pdf->layouts[i], pdf->page.styles[style]);
        pango_layout_set_alignment(pdf->layouts[i],
                                   column->kind == CELL_NUMBER ? PANGO_ALIGN_RIGHT : PANGO_ALIGN_LEFT);
        pango_layout_set_auto_dir(pdf->layouts[i], column->kind != CELL_NUMBER);
        pango_layout_set_text(pdf->layouts[i], text, (int)size);
        height = fmax(height, page_layout_height(pdf->layouts[i]));
    }
    return height + 2 * PAD_Y;
}

static void draw_header(struct pdf *pdf)
{
    struct page *p = &pdf->page;
    double height = fill_row(pdf, NULL, PAGE_BOLD);
    cairo_set_source_rgb(p->cr, 0.93, 0.93, 0.93);
    cairo_rectangle(p->cr, PAGE_MARGIN, p->y, page_inner_width(p), height);
    cairo_fill(p->cr);
    cairo_set_source_rgb(p->cr, 0, 0, 0);
    show_row(pdf, height);
}

static void draw_row(struct pdf *pdf, const struct cell *cells)
{
    double height = fill_row(pdf, cells, PAGE_PLAIN);
    if (pdf->page.y + height > page_bottom(&pdf->page)) {
        page_break(&pdf->page);
        draw_header(pdf);
        fill_row(pdf, cells, PAGE_PLAIN);
    }
    show_row(pdf, height);
}

/* --- What stands above it -------------------------------------------------------------------------------- */

static void draw_title(struct pdf *pdf)
{
    struct page *p = &pdf->page;
    char date[64];
    struct tm tm;
    time_t now = time(NULL);
    PangoLayout *layout = page_layout(p, PAGE_TITLE, page_inner_width(p), 3);
    pango_layout_set_text(layout, pdf->report->title, -1);
    page_show(p, layout, PAGE_MARGIN, p->y);
    p->y += page_layout_height(layout) + 2;
    g_object_unref(layout);
    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", &tm);
    cairo_set_source_rgb(p->cr, 0.4, 0.4, 0.4);
    page_write(p, PAGE_SMALL, date, pdf->from_right ? p->width - PAGE_MARGIN : PAGE_MARGIN, p->y, 200,
               pdf->from_right ? 1 : 0);
    cairo_set_source_rgb(p->cr, 0, 0, 0);
    p->y += 18;
}

/* Return: the column's number; -1. */
static long find_column(const struct pdf *pdf, const char *name)
{
    for (size_t i = 0; i < pdf->columns->n; i++)
        if (strcmp(pdf->columns->list[i].name, name) == 0)
            return (long)i;
    return -1;
}

static double number_of(const struct cell *cell)
{
    char *end;
    double value = cell->text ? strtod(cell->text, &end) : NAN;
    return isfinite(value) ? value : NAN;
}

static int find_columns(struct job_context *ctx, const struct pdf *pdf, long *ret_label, long ret_series[])
{
    const struct query_chart *spec = pdf->report->chart;
    *ret_label = find_column(pdf, spec->label);
    if (*ret_label < 0)
        return job_fail(ctx, "chart: the query gives no column \"%s\"", spec->label);
    for (size_t s = 0; s < spec->n_series; s++) {
        ret_series[s] = find_column(pdf, spec->series[s]);
        if (ret_series[s] < 0)
            return job_fail(ctx, "chart: the query gives no column \"%s\"", spec->series[s]);
        if (pdf->columns->list[ret_series[s]].kind != CELL_NUMBER)
            return job_fail(ctx, "chart: column \"%s\" has no numbers", spec->series[s]);
    }
    return JOB_DONE;
}

static int draw_chart(struct job_context *ctx, struct pdf *pdf)
{
    const struct query_chart *spec = pdf->report->chart;
    long label, series[QUERY_SERIES_MAX];
    int verdict = find_columns(ctx, pdf, &label, series);
    if (verdict != JOB_DONE)
        return verdict;
    struct chart_point *points = calloc(pdf->n_held + 1, sizeof(*points));
    if (!points)
        return job_retry(ctx, "no memory for a chart");
    struct chart chart = { .kind = spec->kind,
                           .n_series = spec->n_series,
                           .n_points = pdf->n_held,
                           .points = points,
                           .from_right = pdf->from_right };
    for (size_t s = 0; s < spec->n_series; s++)
        chart.names[s] = spec->series[s];
    for (size_t i = 0; i < pdf->n_held; i++) {
        const struct cell *cells = pdf->held[i].cells;
        points[i].label = cells[label].text ? cells[label].text : "";
        for (size_t s = 0; s < spec->n_series; s++)
            points[i].values[s] = number_of(&cells[series[s]]);
    }
    chart_draw(&pdf->page, &chart);
    free(points);
    return JOB_DONE;
}

/* Everything that the held rows decide; then they are drawn. */
static int lay_out(struct job_context *ctx, struct pdf *pdf)
{
    int verdict = fit_columns(ctx, pdf);
    if (verdict != JOB_DONE)
        return verdict;
    pdf->is_laid_out = true;
    draw_title(pdf);
    if (has_chart(pdf))
        verdict = draw_chart(ctx, pdf);
    if (verdict != JOB_DONE)
        return verdict;
    draw_header(pdf);
    for (size_t i = 0; i < pdf->n_held; i++) {
        draw_row(pdf, pdf->held[i].cells);
        free(pdf->held[i].cells);
        pdf->held[i].cells = NULL;
    }
    pdf->n_held = 0;
    return output_check(ctx, pdf->output);
}

/* --- The format ----------------------------------------------------------------------------------------- */

static bool runs_from_right(struct pdf *pdf)
{
    PangoLayout *layout = page_layout(&pdf->page, PAGE_TITLE, page_inner_width(&pdf->page), 1);
    pango_layout_set_text(layout, pdf->report->title, -1);
    bool from_right = pango_layout_get_direction(layout, 0) == PANGO_DIRECTION_RTL;
    g_object_unref(layout);
    return from_right;
}

static int pdf_begin(struct job_context *ctx, const struct report *report, struct output *output,
                     void **ret_writer)
{
    struct pdf *pdf = calloc(1, sizeof(*pdf));
    *ret_writer = pdf;
    if (!pdf)
        return job_retry(ctx, "no memory for a report");
    pdf->output = output;
    pdf->report = report;
    pdf->columns = report->columns;
    pdf->widths = calloc(report->columns->n, sizeof(*pdf->widths));
    pdf->layouts = calloc(report->columns->n, sizeof(PangoLayout *));
    if (page_init(&pdf->page, output, report->title, report->font) < 0 || !pdf->widths || !pdf->layouts)
        return job_retry(ctx, "no memory for a report");
    pdf->from_right = runs_from_right(pdf);
    return JOB_DONE;
}

static int pdf_add(struct job_context *ctx, void *writer, const struct cell *cells)
{
    struct pdf *pdf = writer;
    int verdict = JOB_DONE;
    if (++pdf->n_rows > ROWS_MAX)
        return job_fail(ctx, "more than %d rows: nobody reads them on paper, csv and xlsx take more",
                        ROWS_MAX);
    if (has_chart(pdf) && must_lay_out(pdf))
        return job_fail(ctx, "chart: has more than %d rows; the query must sum them up", CHART_POINTS_MAX);
    if (!pdf->is_laid_out && !has_chart(pdf) && must_lay_out(pdf))
        verdict = lay_out(ctx, pdf);
    if (verdict != JOB_DONE || !pdf->is_laid_out)
        return verdict == JOB_DONE ? hold(ctx, pdf, cells) : verdict;
    draw_row(pdf, cells);
    return output_check(ctx, pdf->output);
}

static int pdf_end(struct job_context *ctx, void *writer)
{
    struct pdf *pdf = writer;
    int verdict = pdf->is_laid_out ? JOB_DONE : lay_out(ctx, pdf);
    if (verdict != JOB_DONE)
        return verdict;
    if (pdf->n_rows == 0)
        page_write(&pdf->page, PAGE_PLAIN, "(no rows)", PAGE_MARGIN + PAD_X, pdf->page.y + PAD_Y, 200, 0);
    page_finish(&pdf->page);
    return output_check(ctx, pdf->output);
}

static void pdf_free(void *writer)
{
    struct pdf *pdf = writer;
    if (!pdf)
        return;
    for (size_t i = 0; i < pdf->n_held; i++)
        free(pdf->held[i].cells);
    for (size_t i = 0; pdf->layouts && i < pdf->columns->n; i++)
        g_clear_object(&pdf->layouts[i]);
    page_done(&pdf->page);
    free(pdf->layouts);
    free(pdf->widths);
    free(pdf);
}

const struct format format_pdf = {
    .name = "pdf",
    .content_type = "application/pdf",
    .begin = pdf_begin,
    .add = pdf_add,
    .end = pdf_end,
    .free = pdf_free,
};
