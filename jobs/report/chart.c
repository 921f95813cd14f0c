/* SPDX-License-Identifier: Apache-2.0 */
#include "chart.h"

#include <math.h>
#include <stdio.h>

#define PLOT_HEIGHT 180.0
#define AXIS_WIDTH 55.0 /* for the numbers of the scale */
#define LABEL_HEIGHT 14.0
#define LABEL_WIDTH 60.0 /* room for one; there are as many as fit */
#define SCALE_STEPS 6

/* Where a chart's own coordinates lie on the page. */
struct plot {
    double left, top, width;
    double low, high, step; /* of the scale */
    bool from_right;
    size_t n_points;
};

static const double colours[QUERY_SERIES_MAX][3] = { { 0.12, 0.35, 0.65 }, { 0.80, 0.36, 0.10 },
                                                     { 0.20, 0.55, 0.25 }, { 0.50, 0.25, 0.60 },
                                                     { 0.55, 0.45, 0.10 }, { 0.30, 0.30, 0.30 } };

double chart_step(double span, int most)
{
    double rough = span / most, power = pow(10, floor(log10(rough)));
    double steps[] = { 1, 2, 5 };
    for (int i = 0; i < 3; i++)
        if (steps[i] * power >= rough * (1 - 1e-9))
            return steps[i] * power;
    return 10 * power;
}

/* From 0 to the values; bars and areas lie otherwise. */
static void find_range(const struct chart *chart, struct plot *plot)
{
    for (size_t i = 0; i < chart->n_points; i++)
        for (size_t s = 0; s < chart->n_series; s++) {
            double value = chart->points[i].values[s];
            if (value < plot->low)
                plot->low = value;
            if (value > plot->high)
                plot->high = value;
        }
    if (!(plot->high > plot->low))
        plot->high = plot->low + 1;
    plot->step = chart_step(plot->high - plot->low, SCALE_STEPS);
    plot->low = floor(plot->low / plot->step) * plot->step;
    plot->high = ceil(plot->high / plot->step) * plot->step;
}

static double y_of(const struct plot *plot, double value)
{
    return plot->top + PLOT_HEIGHT * (plot->high - value) / (plot->high - plot->low);
}

/* The middle of a point's place. */
static double x_of(const struct plot *plot, size_t point)
{
    double part = ((double)point + 0.5) / (double)plot->n_points;
    return plot->left + plot->width * (plot->from_right ? 1 - part : part);
}

static void draw_scale(struct page *p, const struct plot *plot)
{
    char text[32];
    int n = (int)lround((plot->high - plot->low) / plot->step);
    for (int i = 0; i <= n; i++) {
        double value = plot->low + i * plot->step, y = y_of(plot, value);
        cairo_set_source_rgb(p->cr, 0.85, 0.85, 0.85);
        cairo_move_to(p->cr, plot->left, y);
        cairo_line_to(p->cr, plot->left + plot->width, y);
        cairo_stroke(p->cr);
        cairo_set_source_rgb(p->cr, 0, 0, 0);
        snprintf(text, sizeof(text), "%.6g", fabs(value) < plot->step / 1e6 ? 0 : value);
        page_write(p, PAGE_SMALL, text, plot->left - 4, y - 5, AXIS_WIDTH, 1);
    }
}

static void draw_labels(struct page *p, const struct plot *plot, const struct chart *chart)
{
    size_t fit = (size_t)(plot->width / LABEL_WIDTH), every = (chart->n_points + fit - 1) / fit;
    double room = plot->width / (double)chart->n_points * (double)every - 4;
    for (size_t i = 0; i < chart->n_points; i += every)
        page_write(p, PAGE_SMALL, chart->points[i].label, x_of(plot, i), plot->top + PLOT_HEIGHT + 2, room,
                   0.5);
}

static void set_colour(struct page *p, size_t series)
{
    cairo_set_source_rgb(p->cr, colours[series][0], colours[series][1], colours[series][2]);
}

static void draw_bars(struct page *p, const struct plot *plot, const struct chart *chart)
{
    double place = plot->width / (double)chart->n_points * 0.8, width = place / (double)chart->n_series;
    for (size_t i = 0; i < chart->n_points; i++)
        for (size_t s = 0; s < chart->n_series; s++) {
            double value = chart->points[i].values[s], zero = y_of(plot, 0);
            size_t slot = plot->from_right ? chart->n_series - 1 - s : s;
            if (isnan(value))
                continue;
            set_colour(p, s);
            cairo_rectangle(p->cr, x_of(plot, i) - place / 2 + width * (double)slot, zero, width,
                            y_of(plot, value) - zero);
            cairo_fill(p->cr);
        }
}

/* A value that is missing leaves a gap. */
static void draw_lines(struct page *p, const struct plot *plot, const struct chart *chart)
{
    cairo_set_line_width(p->cr, 1.5);
    cairo_set_line_join(p->cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(p->cr, CAIRO_LINE_CAP_ROUND); /* a lone point is a dot */
    for (size_t s = 0; s < chart->n_series; s++) {
        bool joins = false;
        set_colour(p, s);
        for (size_t i = 0; i < chart->n_points; i++) {
            double value = chart->points[i].values[s];
            if (!isnan(value) && !joins)
                cairo_move_to(p->cr, x_of(plot, i), y_of(plot, value));
            if (!isnan(value))
                cairo_line_to(p->cr, x_of(plot, i), y_of(plot, value));
            joins = !isnan(value);
        }
        cairo_stroke(p->cr);
    }
    cairo_set_line_width(p->cr, 0.5);
}

static void draw_legend(struct page *p, const struct plot *plot, const struct chart *chart)
{
    double room = plot->width / (double)chart->n_series;
    for (size_t s = 0; s < chart->n_series; s++) {
        size_t slot = chart->from_right ? chart->n_series - 1 - s : s;
        double x = plot->left + room * (double)slot, y = plot->top + PLOT_HEIGHT + LABEL_HEIGHT;
        set_colour(p, s);
        cairo_rectangle(p->cr, x, y + 2, 7, 7);
        cairo_fill(p->cr);
        cairo_set_source_rgb(p->cr, 0, 0, 0);
        page_write(p, PAGE_SMALL, chart->names[s], x + 11, y, room - 15, 0);
    }
}

void chart_draw(struct page *p, const struct chart *chart)
{
    struct plot plot = { .left = PAGE_MARGIN + AXIS_WIDTH,
                         .top = p->y + 6,
                         .width = page_inner_width(p) - AXIS_WIDTH,
                         .from_right = chart->from_right,
                         .n_points = chart->n_points };
    find_range(chart, &plot);
    draw_scale(p, &plot);
    if (chart->n_points > 0) {
        draw_labels(p, &plot, chart);
        (chart->kind == CHART_BAR ? draw_bars : draw_lines)(p, &plot, chart);
    }
    draw_legend(p, &plot, chart);
    p->y = plot.top + PLOT_HEIGHT + 2 * LABEL_HEIGHT + 8;
}
