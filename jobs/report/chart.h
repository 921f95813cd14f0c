/* SPDX-License-Identifier: Apache-2.0 */
/* Bars or lines over labels, for a PDF. */
#pragma once

#include "page.h"
#include "query.h"

#define CHART_POINTS_MAX 1000

struct chart_point {
    const char *label;               /* "" for none */
    double values[QUERY_SERIES_MAX]; /* NAN: none */
};

struct chart {
    enum chart_kind kind;
    size_t n_series, n_points;
    const char *names[QUERY_SERIES_MAX];
    const struct chart_point *points;
    bool from_right; /* the first point stands on the right */
};

/* A step of 1, 2 or 5 times a power of ten, so that @span has at most @most of them. */
double chart_step(double span, int most);

/* Draws it below p->y, over the page's whole width, and moves p->y behind it. */
void chart_draw(struct page *p, const struct chart *chart);
