/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/top_keys.h"

#include <string.h>

void top_view_init(struct top_view *view, int64_t interval_us)
{
    *view = (struct top_view){ .interval_us = interval_us };
    for (enum top_panel panel = 0; panel < TOP_PANELS; panel++)
        view->order[panel].column = SIZE_MAX;
}

/* As UTF-8, if there is room. */
static void append_character(char *text, unsigned c)
{
    size_t n = strlen(text), size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    if (n + size > TOP_FILTER_MAX)
        return;
    for (size_t i = size; i > 1; i--, c >>= 6)
        text[n + i - 1] = (char)(0x80 | (c & 0x3f));
    text[n] = (char)(marks[size] | c);
    text[n + size] = 0;
}

static void drop_character(char *text)
{
    size_t n = strlen(text);
    while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
        n--;
    text[n ? n - 1 : 0] = 0;
}

static int type(struct top_view *view, unsigned key)
{
    if (key == TOP_KEY_ESCAPE)
        view->filter[0] = 0;
    if (key == TOP_KEY_ESCAPE || key == TOP_KEY_ENTER)
        view->typing = false;
    else if (key == TOP_KEY_BACKSPACE || key == TOP_KEY_DELETE)
        drop_character(view->filter);
    else if (key >= ' ' && key < TOP_KEY_UP)
        append_character(view->filter, key);
    return TOP_DRAW;
}

static void show(struct top_view *view, unsigned panel)
{
    view->panel = panel % TOP_PANELS;
}

/* Each column, and the order of the picture itself. */
static void sort(struct top_view *view, int step)
{
    struct top_order *order = &view->order[view->panel];
    size_t n = top_n_columns(view->panel) + 1, at = order->column == SIZE_MAX ? n - 1 : order->column;
    at = (at + n + (step > 0 ? 1 : n - 1)) % n;
    order->column = at == n - 1 ? SIZE_MAX : at;
    order->reverse = false;
    order->first = 0;
}

static void change_interval(struct top_view *view, bool longer)
{
    view->interval_us = longer ? view->interval_us * 2 : view->interval_us / 2;
    if (view->interval_us < TOP_INTERVAL_MIN_US)
        view->interval_us = TOP_INTERVAL_MIN_US;
    if (view->interval_us > TOP_INTERVAL_MAX_US)
        view->interval_us = TOP_INTERVAL_MAX_US;
}

/* The layout keeps it within what there is. */
static bool scroll(struct top_view *view, unsigned key, size_t page)
{
    size_t *first = &view->order[view->panel].first;
    size_t step = key == TOP_KEY_PAGE_UP || key == TOP_KEY_PAGE_DOWN ? (page ? page : 1) : 1;
    if (key == TOP_KEY_UP || key == TOP_KEY_PAGE_UP)
        *first = *first > step ? *first - step : 0;
    else if (key == TOP_KEY_DOWN || key == TOP_KEY_PAGE_DOWN)
        *first += step;
    else if (key == TOP_KEY_HOME)
        *first = 0;
    else if (key == TOP_KEY_END)
        *first = SIZE_MAX / 2;
    else
        return false;
    return true;
}

static int choose(struct top_view *view, unsigned key)
{
    switch (key) {
    case '1' ... '4':
        show(view, key - '1');
        break;
    case TOP_KEY_TAB:
        show(view, view->panel + 1);
        break;
    case TOP_KEY_BACK_TAB:
        show(view, view->panel + TOP_PANELS - 1);
        break;
    case 's':
        sort(view, 1);
        break;
    case 'S':
        sort(view, -1);
        break;
    case 'r':
        view->order[view->panel].reverse = !view->order[view->panel].reverse;
        break;
    case '/':
        view->typing = true;
        break;
    case TOP_KEY_ESCAPE:
        view->filter[0] = 0;
        break;
    case 'p':
        view->still = !view->still;
        break;
    case '+':
    case '-':
        change_interval(view, key == '+');
        break;
    case 'h':
    case '?':
        view->help = true;
        break;
    case TOP_KEY_REDRAW:
    case TOP_KEY_RESIZE:
        break;
    default:
        return TOP_NOTHING;
    }
    return TOP_DRAW;
}

int top_press(struct top_view *view, unsigned key, size_t page)
{
    if (key == TOP_KEY_CTRL_C)
        return TOP_INTERRUPT;
    if (key == TOP_KEY_RESIZE)
        return TOP_DRAW;
    if (view->typing)
        return type(view, key);
    if (view->help) {
        view->help = false;
        return TOP_DRAW;
    }
    if (key == 'q' || key == 'Q')
        return TOP_QUIT;
    return scroll(view, key, page) ? TOP_DRAW : choose(view, key);
}
