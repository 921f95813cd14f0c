/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include <cairo-pdf.h>
#include <errno.h>
#include <stdio.h>

#define A4_WIDTH 595.28
#define A4_HEIGHT 841.89

static cairo_status_t write_pdf(void *closure, const unsigned char *data, unsigned size)
{
    return output_write(closure, data, size) == 0 ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static void make_styles(struct page *p, const char *font)
{
    static const struct {
        int size;
        PangoWeight weight;
    } rows[PAGE_N_STYLES] = { [PAGE_PLAIN] = { 9, PANGO_WEIGHT_NORMAL },
                              [PAGE_BOLD] = { 9, PANGO_WEIGHT_BOLD },
                              [PAGE_TITLE] = { 16, PANGO_WEIGHT_BOLD },
                              [PAGE_SMALL] = { 8, PANGO_WEIGHT_NORMAL } };
    for (int i = 0; i < PAGE_N_STYLES; i++) {
        p->styles[i] = pango_font_description_new();
        pango_font_description_set_family(p->styles[i], font);
        pango_font_description_set_weight(p->styles[i], rows[i].weight);
        pango_font_description_set_absolute_size(p->styles[i], rows[i].size * PANGO_SCALE);
    }
}

int page_init(struct page *p, struct output *output, const char *title, const char *font)
{
    *p = (struct page){
        .output = output, .width = A4_WIDTH, .height = A4_HEIGHT, .y = PAGE_MARGIN, .number = 1
    };
    p->surface = cairo_pdf_surface_create_for_stream(write_pdf, output, p->width, p->height);
    cairo_pdf_surface_set_metadata(p->surface, CAIRO_PDF_METADATA_TITLE, title);
    p->cr = cairo_create(p->surface);
    p->fonts = pango_cairo_font_map_new();
    p->context = p->fonts ? pango_font_map_create_context(p->fonts) : NULL;
    if (cairo_status(p->cr) != CAIRO_STATUS_SUCCESS || !p->context)
        return -1;
    pango_cairo_context_set_resolution(p->context, 72);
    cairo_set_line_width(p->cr, 0.5);
    make_styles(p, font);
    return 0;
}

void page_done(struct page *p)
{
    for (int i = 0; i < PAGE_N_STYLES; i++)
        if (p->styles[i])
            pango_font_description_free(p->styles[i]);
    g_clear_object(&p->context);
    g_clear_object(&p->fonts);
    if (p->cr)
        cairo_destroy(p->cr);
    if (p->surface)
        cairo_surface_destroy(p->surface);
    *p = (struct page){ 0 };
}

void page_turn_sideways(struct page *p)
{
    p->width = A4_HEIGHT;
    p->height = A4_WIDTH;
    cairo_pdf_surface_set_size(p->surface, p->width, p->height);
}

double page_inner_width(const struct page *p)
{
    return p->width - 2 * PAGE_MARGIN;
}

double page_bottom(const struct page *p)
{
    return p->height - PAGE_MARGIN - PAGE_FOOTER;
}

static void write_number(struct page *p)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", p->number);
    page_write(p, PAGE_SMALL, text, p->width / 2, p->height - PAGE_MARGIN, 100, 0.5);
}

void page_break(struct page *p)
{
    write_number(p);
    cairo_show_page(p->cr);
    p->number++;
    p->y = PAGE_MARGIN;
}

void page_finish(struct page *p)
{
    write_number(p);
    cairo_show_page(p->cr);
    cairo_surface_finish(p->surface);
    if (cairo_surface_status(p->surface) != CAIRO_STATUS_SUCCESS ||
        cairo_status(p->cr) != CAIRO_STATUS_SUCCESS)
        output_set_error(p->output, -EIO);
}

PangoLayout *page_layout(struct page *p, enum page_style style, double width, int lines)
{
    PangoLayout *layout = pango_layout_new(p->context);
    pango_layout_set_font_description(layout, p->styles[style]);
    pango_layout_set_width(layout, (int)(width * PANGO_SCALE));
    pango_layout_set_height(layout, -lines);
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END);
    return layout;
}

double page_layout_height(PangoLayout *layout)
{
    int width, height;
    pango_layout_get_size(layout, &width, &height);
    return (double)height / PANGO_SCALE;
}

void page_show(struct page *p, PangoLayout *layout, double x, double y)
{
    cairo_move_to(p->cr, x, y);
    pango_cairo_show_layout(p->cr, layout);
}

void page_write(struct page *p, enum page_style style, const char *text, double x, double y, double max_width,
                double align)
{
    int width, height;
    PangoLayout *layout = page_layout(p, style, max_width, 1);
    pango_layout_set_auto_dir(layout, FALSE); /* so that it begins at x, whatever its script */
    pango_layout_set_single_paragraph_mode(layout, TRUE);
    pango_layout_set_text(layout, text, -1);
    pango_layout_get_size(layout, &width, &height);
    page_show(p, layout, x - align * width / PANGO_SCALE, y);
    g_object_unref(layout);
}
