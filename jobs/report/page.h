/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of a PDF and text on them, by cairo and Pango; lengths are points, from the upper left corner.
 *
 * Text is laid out as its script asks for: right-to-left runs are turned, lines that begin with such a script stand
 * on the right. Every Pango object is the page's own, so nothing of it is left when a job has ended.
 */
#pragma once

#include <cairo.h>
#include <pango/pangocairo.h>
#include <stdbool.h>

#include "output.h"

#define PAGE_MARGIN 40.0
#define PAGE_FOOTER 20.0 /* of the margin below */

enum page_style { PAGE_PLAIN, PAGE_BOLD, PAGE_TITLE, PAGE_SMALL, PAGE_N_STYLES };

struct page {
    struct output *output;
    cairo_surface_t *surface;
    cairo_t *cr;
    PangoFontMap *fonts;
    PangoContext *context;
    PangoFontDescription *styles[PAGE_N_STYLES];
    double width, height; /* of the paper */
    double y;             /* where the next thing goes */
    int number;           /* 1 … */
};

/* A4 upright. Return: 0; -1 when there is no memory. @p is to be released with page_done() either way. */
int page_init(struct page *p, struct output *output, const char *title, const char *font);
void page_done(struct page *p);

/* Before anything was drawn on the first page. */
void page_turn_sideways(struct page *p);
double page_inner_width(const struct page *p);
double page_bottom(const struct page *p);

/* Numbers the page and begins the next one. */
void page_break(struct page *p);
/* Numbers the last page and ends the document; cairo's errors become the output's. */
void page_finish(struct page *p);

/* A layout in a style, at most @width wide and @lines high (then it ends with …). To be unreferenced. */
PangoLayout *page_layout(struct page *p, enum page_style style, double width, int lines);
/* How high what @layout holds is. */
double page_layout_height(PangoLayout *layout);
void page_show(struct page *p, PangoLayout *layout, double x, double y);
/* One line; @align: 0 its left edge is at x, 1 its right edge, 0.5 its middle. */
void page_write(struct page *p, enum page_style style, const char *text, double x, double y, double max_width,
                double align);
