/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/print/difference.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/print/printable.h"

#define CONTEXT 3
#define CELLS_MAX (16 * 1024 * 1024) /* of the table of common lines */

struct lines {
    struct span *list;
    size_t n;
};

/* One line of the answer. @sign: ' ', '-', '+'. */
struct edit {
    char sign;
    struct span line;
};

struct script {
    struct edit *edits;
    size_t n;
};

static bool split(struct lines *ret, struct span text)
{
    size_t n = 1;
    for (size_t i = 0; i < text.size; i++)
        n += text.data[i] == '\n';
    *ret = (struct lines){ .list = calloc(n, sizeof(*ret->list)) };
    for (size_t at = 0; ret->list && at < text.size;) {
        const char *end = memchr(text.data + at, '\n', text.size - at);
        size_t size = end ? (size_t)(end - text.data) - at : text.size - at;
        ret->list[ret->n++] = (struct span){ text.data + at, size };
        at += size + 1;
    }
    return ret->list != NULL;
}

static bool same(struct span a, struct span b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static void add(struct script *s, char sign, const struct lines *from, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        s->edits[s->n++] = (struct edit){ sign, from->list[i] };
}

/* Longest common subsequence of what is left between equal beginnings and ends: lengths[i][j] is that of a[i…] and b[j…]. */
static void compare_middle(struct script *s, const struct lines *a, size_t a_from, size_t a_to,
                           const struct lines *b, size_t b_from, size_t b_to)
{
    size_t n = a_to - a_from, m = b_to - b_from, i = 0, j = 0;
    _cleanup_free_ unsigned short *lengths =
        (n + 1) * (m + 1) <= CELLS_MAX ? calloc((n + 1) * (m + 1), sizeof(*lengths)) : NULL;
    if (!lengths) {
        add(s, '-', a, a_from, a_to);
        add(s, '+', b, b_from, b_to);
        return;
    }
#define LENGTH(x, y) lengths[(x) * (m + 1) + (y)]
    for (size_t x = n; x-- > 0;)
        for (size_t y = m; y-- > 0;)
            LENGTH(x, y) = same(a->list[a_from + x], b->list[b_from + y])
                               ? (unsigned short)(LENGTH(x + 1, y + 1) + 1)
                           : LENGTH(x + 1, y) >= LENGTH(x, y + 1) ? LENGTH(x + 1, y)
                                                                  : LENGTH(x, y + 1);
    while (i < n || j < m) {
        if (i < n && j < m && same(a->list[a_from + i], b->list[b_from + j])) {
            add(s, ' ', a, a_from + i, a_from + i + 1);
            i++;
            j++;
        } else if (j == m || (i < n && LENGTH(i + 1, j) >= LENGTH(i, j + 1))) {
            add(s, '-', a, a_from + i, a_from + i + 1);
            i++;
        } else {
            add(s, '+', b, b_from + j, b_from + j + 1);
            j++;
        }
    }
#undef LENGTH
}

static void compare(struct script *s, const struct lines *a, const struct lines *b)
{
    size_t head = 0, tail = 0;
    while (head < a->n && head < b->n && same(a->list[head], b->list[head]))
        head++;
    while (tail < a->n - head && tail < b->n - head &&
           same(a->list[a->n - 1 - tail], b->list[b->n - 1 - tail]))
        tail++;
    add(s, ' ', a, 0, head);
    compare_middle(s, a, head, a->n - tail, b, head, b->n - tail);
    add(s, ' ', a, a->n - tail, a->n);
}

static void append_edit(struct buf *b, const struct edit *e, bool colours)
{
    const char *colour = e->sign == '-' ? "\033[31m" : e->sign == '+' ? "\033[32m" : NULL;
    buf_append_string(b, colours && colour ? colour : "");
    buf_append_char(b, e->sign);
    printable_append(b, e->line);
    buf_append_string(b, colours && colour ? "\033[0m\n" : "\n");
}

/* The lines of @sign or ' ' among some edits. */
static size_t count(const struct script *s, size_t from, size_t to, char sign)
{
    size_t n = 0;
    for (size_t i = from; i < to; i++)
        n += s->edits[i].sign == sign || s->edits[i].sign == ' ';
    return n;
}

/* From the first change at or after @from to where six unchanged lines follow one. Return: its end; 0: there is none. */
static size_t find_hunk(const struct script *s, size_t from, size_t *ret_begin)
{
    size_t first = from, end;
    while (first < s->n && s->edits[first].sign == ' ')
        first++;
    if (first == s->n)
        return 0;
    end = first + 1;
    for (size_t i = end; i < s->n && i < end + 2 * CONTEXT; i++)
        if (s->edits[i].sign != ' ')
            end = i + 1;
    *ret_begin = first - from < CONTEXT ? from : first - CONTEXT;
    return end + CONTEXT < s->n ? end + CONTEXT : s->n;
}

static void append_script(struct buf *b, const struct script *s, bool colours)
{
    size_t begin, end;
    for (size_t from = 0; (end = find_hunk(s, from, &begin)); from = end) {
        buf_append_format(b, "%s@@ -%zu,%zu +%zu,%zu @@%s\n", colours ? "\033[36m" : "",
                          count(s, 0, begin, '-') + 1, count(s, begin, end, '-'), count(s, 0, begin, '+') + 1,
                          count(s, begin, end, '+'), colours ? "\033[0m" : "");
        for (size_t i = begin; i < end; i++)
            append_edit(b, &s->edits[i], colours);
    }
}

void difference_append(struct buf *b, struct span before, struct span after, bool colours)
{
    struct lines old = { 0 }, new = { 0 };
    struct script s = { 0 };
    bool ok = split(&old, before) && split(&new, after);
    if (ok)
        s.edits = calloc(old.n + new.n + 1, sizeof(*s.edits));
    if (s.edits) {
        compare(&s, &old, &new);
        append_script(b, &s, colours);
    } else {
        b->failed = true;
    }
    free(s.edits);
    free(old.list);
    free(new.list);
}
