/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/top_layout.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <wchar.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/timefmt.h"
#include "store/top.h"

#define MAX_COLUMNS 12
#define CELL_SIZE 216
#define OTHERS_ROWS 3    /* of a panel that is not in front, where there is room */
#define OTHERS_HEIGHT 28 /* from this height on they are seen */
#define TEXT_MIN 10      /* of the column that takes what is left */

/* --- Lines --- */

void top_lines_done(struct top_lines *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->lines[i].text);
    free(l->lines);
    *l = (struct top_lines){ 0 };
}

/* Columns of the screen that the first character takes; *ret_size: its bytes. */
static int measure(const char *text, size_t *ret_size)
{
    wchar_t c;
    mbstate_t state = { 0 };
    size_t n = mbrtowc(&c, text, strlen(text), &state);
    if (n == 0 || n > 8) { /* printable text is UTF-8; this is another locale's matter */
        *ret_size = 1;
        return 1;
    }
    *ret_size = n;
    int width = wcwidth(c);
    return width < 0 ? 1 : width;
}

static int width_of(const char *text)
{
    int width = 0;
    for (size_t size; *text; text += size)
        width += measure(text, &size);
    return width;
}

/* At most @most columns. Return: how many it took. */
static int append_cut(struct buf *b, const char *text, int most)
{
    int width = 0;
    for (size_t size; *text; text += size) {
        int w = measure(text, &size);
        if (width + w > most)
            break;
        buf_append(b, text, size);
        width += w;
    }
    return width;
}

static void add_line(struct top_lines *l, enum top_look look, const char *text, int width)
{
    struct buf b = { 0 };
    if (l->n == l->room) {
        struct top_line *lines = reallocarray(l->lines, l->room + 64, sizeof(*lines));
        l->failed |= !lines;
        if (!lines)
            return;
        l->lines = lines;
        l->room += 64;
    }
    buf_append_string(&b, "");
    append_cut(&b, text, width);
    while (b.size > 0 && b.data[b.size - 1] == ' ')
        b.data[--b.size] = 0;
    l->failed |= b.failed;
    if (b.failed)
        buf_done(&b);
    else
        l->lines[l->n++] = (struct top_line){ look, b.data };
}

/* --- Cells --- */

struct cell_of {
    double number; /* what it is sorted by; NAN: by its text */
    char text[CELL_SIZE];
};

struct row_of {
    enum top_look look;
    struct cell_of cells[MAX_COLUMNS];
};

struct column_of {
    const char *name;
    int width;              /* 0: what is left */
    bool right, descending; /* largest first */
};

static void put_text(struct cell_of *c, const char *text)
{
    c->number = NAN;
    snprintf(c->text, sizeof(c->text), "%s", text);
}

/* "1204", "12.3k", "4.1M" */
static void format_number(char *text, size_t size, double n)
{
    if (n < 10000)
        snprintf(text, size, "%.0f", n);
    else if (n < 999500)
        snprintf(text, size, n < 99950 ? "%.1fk" : "%.0fk", n / 1e3);
    else
        snprintf(text, size, "%.1fM", n / 1e6);
}

/* @limit: it was counted no further; 0: to the end. */
static void put_count(struct cell_of *c, int64_t n, int64_t limit)
{
    c->number = (double)n;
    c->text[0] = 0;
    if (n < 0)
        snprintf(c->text, sizeof(c->text), "–");
    else if (limit && n > limit)
        snprintf(c->text, sizeof(c->text), "%" PRId64 "+", limit);
    else
        format_number(c->text, sizeof(c->text), (double)n);
}

static void put_rate(struct cell_of *c, double rate)
{
    c->number = rate;
    if (rate < 0)
        snprintf(c->text, sizeof(c->text), "–");
    else if (rate == 0 || rate >= 100)
        format_number(c->text, sizeof(c->text), rate);
    else
        snprintf(c->text, sizeof(c->text), "%.1f", rate);
}

/* "12s", "3m20s", "2h05m", "4d3h" */
static void format_age(char *text, size_t size, int64_t us)
{
    long s = us > 0 ? (long)(us / USEC_PER_SEC) : 0;
    if (s < 60)
        snprintf(text, size, "%lds", s);
    else if (s < 3600)
        snprintf(text, size, "%ldm%02lds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, size, "%ldh%02ldm", s / 3600, s / 60 % 60);
    else
        snprintf(text, size, "%ldd%ldh", s / 86400, s / 3600 % 24);
}

static void put_age(struct cell_of *c, int64_t us)
{
    c->number = (double)us;
    format_age(c->text, sizeof(c->text), us);
}

/* --- Panels --- */

static const struct column_of queue_columns[] = {
    { "QUEUE", 20, false, false }, { "STATE", 9, false, false }, { "IN/S", 7, true, true },
    { "OUT/S", 7, true, true },    { "DEAD/S", 7, true, true },  { "LAG", 8, true, true },
    { "PENDING", 8, true, true },  { "DUE", 7, true, true },     { "LATE", 7, true, true },
    { "LEASES", 7, true, true },   { "DEAD", 7, true, true },    { "WORKERS", 7, true, true },
};

static void fill_queue(struct row_of *r, const struct picture *p, size_t i)
{
    const struct picture_queue *q = &p->queues[i];
    bool served = q->workers != 0, waits = q->lag > 0 || q->due > 0;
    put_text(&r->cells[0], q->name);
    put_text(&r->cells[1], q->paused ? "paused" : !served && waits ? "unserved" : "");
    put_rate(&r->cells[2], q->in);
    put_rate(&r->cells[3], q->out);
    put_rate(&r->cells[4], q->failed);
    put_count(&r->cells[5], q->lag, 0);
    put_count(&r->cells[6], q->pending, TOP_COUNT_MAX);
    put_count(&r->cells[7], q->due, TOP_COUNT_MAX);
    put_age(&r->cells[8], q->late_us);
    if (q->late_us == 0)
        r->cells[8].text[0] = 0;
    put_count(&r->cells[9], q->leases, TOP_LEASES_MAX);
    put_count(&r->cells[10], q->dead, TOP_DEAD_MAX);
    put_count(&r->cells[11], q->workers, 0);
    r->look = !served && waits ? LOOK_BAD : q->paused ? LOOK_DOUBTFUL : LOOK_PLAIN;
}

static const struct column_of worker_columns[] = {
    { "WORKER", 28, false, false }, { "STATE", 9, false, false }, { "LEASES", 7, true, true },
    { "PARTS", 6, true, true },     { "BEAT", 7, true, true },    { "UP", 7, true, true },
    { "QUEUES", 0, false, false },
};

static void fill_worker(struct row_of *r, const struct picture *p, size_t i)
{
    const struct picture_worker *w = &p->workers[i];
    put_text(&r->cells[0], w->id);
    put_text(&r->cells[1], w->state);
    put_count(&r->cells[2], w->leases, 0);
    put_count(&r->cells[3], w->partitions, 0);
    put_age(&r->cells[4], p->now_us - w->beat_us);
    put_age(&r->cells[5], p->now_us - w->started_us);
    put_text(&r->cells[6], w->queues);
    r->look = strcmp(w->state, "lost") == 0 || strcmp(w->state, "silent") == 0 ? LOOK_BAD
              : strcmp(w->state, "running") == 0                               ? LOOK_PLAIN
                                                                               : LOOK_DOUBTFUL;
}

static const struct column_of job_columns[] = {
    { "RUNS", 7, true, true },       { "QUEUE", 14, false, false }, { "TYPE", 20, false, false },
    { "ATTEMPT", 7, true, true },    { "ID", 36, false, false },    { "WORKER", 20, false, false },
    { "PROGRESS", 0, false, false },
};

static void fill_job(struct row_of *r, const struct picture *p, size_t i)
{
    const struct picture_job *j = &p->jobs[i];
    put_age(&r->cells[0], p->now_us - j->started_us);
    put_text(&r->cells[1], j->queue);
    put_text(&r->cells[2], j->type);
    put_count(&r->cells[3], j->attempt, 0);
    put_text(&r->cells[4], j->id);
    put_text(&r->cells[5], j->worker);
    put_text(&r->cells[6], j->progress);
    r->look = LOOK_PLAIN;
}

static const struct column_of error_columns[] = {
    { "TIMES", 7, true, true },   { "LAST", 7, true, false },   { "OUTCOME", 8, false, false },
    { "TYPE", 20, false, false }, { "ERROR", 0, false, false },
};

static void fill_error(struct row_of *r, const struct picture *p, size_t i)
{
    const struct picture_error *e = &p->errors[i];
    put_count(&r->cells[0], e->n, 0);
    put_age(&r->cells[1], p->now_us - e->last_us);
    put_text(&r->cells[2], e->outcome);
    put_text(&r->cells[3], e->type[0] ? e->type : "–");
    put_text(&r->cells[4], e->error);
    r->look = LOOK_PLAIN;
}

static const struct panel_of {
    const char *name;
    const struct column_of *columns;
    size_t n_columns;
    void (*fill)(struct row_of *r, const struct picture *p, size_t i);
} panels[TOP_PANELS] = {
    [TOP_QUEUES] = { "Queues", queue_columns, ARRAY_SIZE(queue_columns), fill_queue },
    [TOP_WORKERS] = { "Workers", worker_columns, ARRAY_SIZE(worker_columns), fill_worker },
    [TOP_JOBS] = { "Jobs", job_columns, ARRAY_SIZE(job_columns), fill_job },
    [TOP_ERRORS] = { "Errors", error_columns, ARRAY_SIZE(error_columns), fill_error },
};

size_t top_n_columns(enum top_panel panel)
{
    return panels[panel].n_columns;
}

const char *top_column_name(enum top_panel panel, size_t column)
{
    return panels[panel].columns[column].name;
}

static size_t count_rows(const struct picture *p, enum top_panel panel)
{
    const size_t n[TOP_PANELS] = { p->n_queues, p->n_workers, p->n_jobs, p->n_errors };
    return n[panel];
}

/* --- Rows: filtered and sorted --- */

struct table {
    const struct panel_of *panel;
    struct row_of *rows;
    size_t n;
};

static bool matches(const struct row_of *r, size_t n_columns, const char *filter)
{
    if (!filter[0])
        return true;
    for (size_t i = 0; i < n_columns; i++)
        if (strcasestr(r->cells[i].text, filter))
            return true;
    return false;
}

struct sorting {
    size_t column;
    int sign;
};

static int compare(const void *a, const void *b, void *userdata)
{
    const struct sorting *s = userdata;
    const struct cell_of *x = &((const struct row_of *)a)->cells[s->column],
                         *y = &((const struct row_of *)b)->cells[s->column];
    int order = isnan(x->number) || isnan(y->number) ? strcasecmp(x->text, y->text)
                : x->number < y->number              ? -1
                                                     : x->number > y->number;
    if (order)
        return s->sign * order;
    return strcmp(((const struct row_of *)a)->cells[0].text, ((const struct row_of *)b)->cells[0].text);
}

static void sort(struct table *t, const struct top_order *order)
{
    struct sorting s = { order->column, 1 };
    if (order->column >= t->panel->n_columns || t->n < 2)
        return;
    if (t->panel->columns[order->column].descending != order->reverse)
        s.sign = -1;
    qsort_r(t->rows, t->n, sizeof(*t->rows), compare, &s);
}

static void reverse_all(struct table *t)
{
    for (size_t i = 0; i < t->n / 2; i++) {
        struct row_of row = t->rows[i];
        t->rows[i] = t->rows[t->n - 1 - i];
        t->rows[t->n - 1 - i] = row;
    }
}

static bool make_table(struct table *t, const struct picture *p, enum top_panel panel,
                       const struct top_view *view)
{
    size_t n = count_rows(p, panel);
    *t = (struct table){ .panel = &panels[panel], .rows = calloc(n + 1, sizeof(*t->rows)) };
    for (size_t i = 0; t->rows && i < n; i++) {
        t->panel->fill(&t->rows[t->n], p, i);
        t->n += matches(&t->rows[t->n], t->panel->n_columns, view->filter);
    }
    if (!t->rows)
        return false;
    sort(t, &view->order[panel]);
    if (view->order[panel].column == SIZE_MAX && view->order[panel].reverse)
        reverse_all(t);
    return true;
}

/* --- Drawing a table --- */

/* How many of the columns fit, and the width of the one that takes what is left. */
static size_t fit(const struct panel_of *panel, int width, int *ret_rest)
{
    int used = 0;
    size_t n = 0;
    *ret_rest = 0;
    for (; n < panel->n_columns; n++) {
        int least = panel->columns[n].width ? panel->columns[n].width : TEXT_MIN;
        if (n > 0 && used + least > width)
            break;
        used += least + 1;
        if (!panel->columns[n].width)
            *ret_rest = TEXT_MIN + (width > used ? width - used + 1 : 0);
    }
    return n;
}

static void append_cell(struct buf *b, const char *text, int width, bool right)
{
    int taken = width_of(text);
    if (right && taken < width)
        buf_append_format(b, "%*s", width - taken, "");
    taken = append_cut(b, text, width);
    if (!right && taken < width)
        buf_append_format(b, "%*s", width - taken, "");
    buf_append_char(b, ' ');
}

/* @row: NULL: the names. */
static void add_row(struct top_lines *l, const struct table *t, const struct row_of *row,
                    const struct top_order *order, int width)
{
    _cleanup_buf_ struct buf b = { 0 };
    char name[40];
    int rest;
    size_t n = fit(t->panel, width, &rest);
    for (size_t i = 0; i < n; i++) {
        const struct column_of *c = &t->panel->columns[i];
        snprintf(name, sizeof(name), "%s%s", i == order->column ? (order->reverse ? "↑" : "↓") : "", c->name);
        append_cell(&b, row ? row->cells[i].text : name, c->width ? c->width : rest, c->right);
    }
    buf_append_string(&b, "");
    if (b.failed)
        l->failed = true;
    else
        add_line(l, row ? row->look : LOOK_HEAD, b.data, width);
}

static void add_rows(struct top_lines *l, const struct table *t, const struct top_order *order, size_t first,
                     size_t most, int width)
{
    for (size_t i = first; i < t->n && i < first + most; i++)
        add_row(l, t, &t->rows[i], order, width);
}

static void add_title(struct top_lines *l, const struct table *t, const struct picture *p,
                      enum top_panel panel, const struct top_view *view, int width)
{
    char title[200];
    size_t all = count_rows(p, panel);
    int n = snprintf(title, sizeof(title), " %d %s: ", panel + 1, t->panel->name);
    if (t->n < all)
        n += snprintf(title + n, sizeof(title) - (size_t)n, "%zu of ", t->n);
    n += snprintf(title + n, sizeof(title) - (size_t)n, "%zu", all);
    if (view->filter[0])
        snprintf(title + n, sizeof(title) - (size_t)n, " with \"%s\"", view->filter);
    add_line(l, panel == view->panel ? LOOK_FRONT : LOOK_TITLE, title, width);
}

/* --- Header and footer --- */

static void append_fact(struct buf *b, const char *name, const char *value)
{
    buf_append_format(b, "%s%s %s", b->size ? " · " : " ", name, value);
}

struct sums {
    int64_t lag, pending, due;
    bool pending_more, due_more;
};

static void add_up(int64_t *sum, int64_t n)
{
    if (n >= 0)
        *sum = (*sum < 0 ? 0 : *sum) + n;
}

static struct sums sum_up(const struct picture *p)
{
    struct sums s = { -1, -1, -1, false, false };
    for (size_t i = 0; i < p->n_queues; i++) {
        const struct picture_queue *q = &p->queues[i];
        add_up(&s.lag, q->lag);
        add_up(&s.pending, q->pending > TOP_COUNT_MAX ? TOP_COUNT_MAX : q->pending);
        add_up(&s.due, q->due > TOP_COUNT_MAX ? TOP_COUNT_MAX : q->due);
        s.pending_more |= q->pending > TOP_COUNT_MAX;
        s.due_more |= q->due > TOP_COUNT_MAX;
    }
    return s;
}

static void append_count(struct buf *b, const char *name, int64_t n, bool more)
{
    struct cell_of c;
    put_count(&c, n, 0);
    if (more)
        strcat(c.text, "+");
    append_fact(b, name, c.text);
}

static void append_rate(struct buf *b, const char *name, double rate)
{
    struct cell_of c;
    put_rate(&c, rate);
    if (rate >= 0)
        strcat(c.text, "/s");
    append_fact(b, name, c.text);
}

static void add_first_line(struct top_lines *l, const struct picture *p, const struct top_view *view,
                           int width)
{
    char line[200], clock[16], interval[32];
    time_t now = (time_t)(p->now_us / USEC_PER_SEC);
    struct tm broken;
    strftime(clock, sizeof(clock), "%T", localtime_r(&now, &broken));
    snprintf(line, sizeof(line), " jobctl top — %s, every %s%s", clock,
             duration_format(view->interval_us, interval), view->still ? " — STANDS STILL (p: go on)" : "");
    add_line(l, view->still ? LOOK_DOUBTFUL : LOOK_TITLE, line, width);
}

/* If it is away. */
static void add_away(struct top_lines *l, const char *why, const char *unknown, int width)
{
    char line[300];
    if (!why[0])
        return;
    snprintf(line, sizeof(line), " %s: %s", unknown, why);
    add_line(l, LOOK_BAD, line, width);
}

static void add_header(struct top_lines *l, const struct picture *p, const struct top_view *view, int width)
{
    _cleanup_buf_ struct buf first = { 0 }, second = { 0 };
    struct sums s = sum_up(p);
    add_first_line(l, p, view, width);
    append_count(&first, "workers", p->n_brokers < 0 ? PICTURE_UNKNOWN : (int64_t)p->n_workers, false);
    append_count(&first, "brokers", p->n_brokers, false);
    append_rate(&first, "in", p->in);
    append_rate(&first, "out", p->out);
    append_rate(&first, "dead", p->failed);
    append_count(&second, "lag", s.lag, false);
    append_count(&second, "pending", s.pending, s.pending_more);
    append_count(&second, "due", s.due, s.due_more);
    append_count(&second, "leases", p->n_leases > TOP_LEASES_MAX ? TOP_LEASES_MAX : p->n_leases,
                 p->n_leases > TOP_LEASES_MAX);
    append_count(&second, "dead letters", p->n_dead > TOP_DEAD_MAX ? TOP_DEAD_MAX : p->n_dead,
                 p->n_dead > TOP_DEAD_MAX);
    l->failed |= first.failed || second.failed || p->failed_to_make;
    if (!first.failed && !second.failed) {
        add_line(l, LOOK_PLAIN, first.data, width);
        add_line(l, LOOK_PLAIN, second.data, width);
    }
    add_away(l, p->store_away, "what PostgreSQL knows is old or missing", width);
    add_away(l, p->kafka_away, "lag and in/s are old or missing", width);
}

static void add_footer(struct top_lines *l, const struct top_view *view, int width)
{
    char line[200];
    if (view->typing) {
        snprintf(line, sizeof(line), " filter: %s▏ (Enter: done, Esc: none)", view->filter);
        add_line(l, LOOK_FRONT, line, width);
        return;
    }
    add_line(
        l, LOOK_DIM,
        " q quit · h help · 1-4 Tab panel · ↑↓ scroll · s S sort · r reverse · / filter · p stand still · + - interval",
        width);
}

static void add_help(struct top_lines *l, int width)
{
    static const char *const lines[] = {
        "",
        "  1 2 3 4, Tab     the panel in front: queues, workers, jobs, errors",
        "  ↑ ↓ PgUp PgDn    scroll; Home, End",
        "  s, S             sort by the next column, or the one before",
        "  r                the other way round",
        "  /                only rows that have some text; Esc: all",
        "  p                stand still, or go on",
        "  + -              look more seldom, or more often",
        "  q, Ctrl-C        quit",
        "",
        "  in/s             records that come into the queue's topics, also again",
        "  out/s, dead/s    jobs that end, and those of them that die",
        "  lag              records of the topics that are not done",
        "  pending, due     what waits in PostgreSQL, and should be in Kafka by now",
        "  leases           what PostgreSQL knows to run: claimed, or for long",
        "  1000+            counted no further",
        "",
        "  any key          back",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        add_line(l, LOOK_PLAIN, lines[i], width);
}

/* --- All of it --- */

/* Keeps the last page full. */
static void correct_first(struct top_order *order, size_t n, size_t page)
{
    size_t last = n > page ? n - page : 0;
    if (order->first > last)
        order->first = last;
}

static void add_front(struct top_lines *l, const struct picture *p, struct top_view *view, int width,
                      int room)
{
    struct table t;
    struct top_order *order = &view->order[view->panel];
    if (!make_table(&t, p, view->panel, view)) {
        l->failed = true;
        return;
    }
    l->page = room > 2 ? (size_t)room - 2 : 0;
    correct_first(order, t.n, l->page);
    add_title(l, &t, p, view->panel, view, width);
    if (room > 1)
        add_row(l, &t, NULL, order, width);
    add_rows(l, &t, order, order->first, l->page, width);
    free(t.rows);
}

static void add_other(struct top_lines *l, const struct picture *p, const struct top_view *view,
                      enum top_panel panel, int width)
{
    struct table t;
    if (!make_table(&t, p, panel, view)) {
        l->failed = true;
        return;
    }
    add_title(l, &t, p, panel, view, width);
    add_rows(l, &t, &view->order[panel], 0, OTHERS_ROWS, width);
    free(t.rows);
}

/* Lines of the panels that are not in front: all the same number, so that nothing jumps. */
static int others_height(int height)
{
    return height == 0 || height >= OTHERS_HEIGHT ? (TOP_PANELS - 1) * (1 + OTHERS_ROWS) : TOP_PANELS - 1;
}

static void fill_up(struct top_lines *l, size_t n)
{
    while (l->n < n && !l->failed)
        add_line(l, LOOK_PLAIN, "", 0);
}

static void add_others(struct top_lines *l, const struct picture *p, struct top_view *view, int width,
                       int height)
{
    int each = others_height(height) / (TOP_PANELS - 1);
    for (enum top_panel panel = 0; panel < TOP_PANELS; panel++) {
        if (panel == view->panel)
            continue;
        size_t end = l->n + (size_t)each;
        add_other(l, p, view, panel, width);
        while (l->n > end)
            free(l->lines[--l->n].text);
        fill_up(l, height ? end : l->n);
    }
}

void top_layout(struct top_lines *ret, const struct picture *p, struct top_view *view, int width, int height)
{
    *ret = (struct top_lines){ 0 };
    add_header(ret, p, view, width);
    if (view->help) {
        add_help(ret, width);
    } else {
        int room = height ? height - (int)ret->n - others_height(height) - 1 : 1 << 20;
        int front = room < 3 && height ? height - (int)ret->n - 1 : room; /* too small for the others */
        size_t begin = ret->n;
        add_front(ret, p, view, width, front < 1 ? 1 : front);
        if (height)
            fill_up(ret, begin + (size_t)(front < 1 ? 1 : front));
        if (front == room)
            add_others(ret, p, view, width, height);
    }
    if (!height)
        return;
    while (ret->n > 0 && ret->n > (size_t)height - 1)
        free(ret->lines[--ret->n].text);
    fill_up(ret, (size_t)height - 1);
    add_footer(ret, view, width);
}
