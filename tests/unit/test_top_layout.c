/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/suite.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/top/top_keys.h"
#include "cli/top/top_layout.h"

#define NOW_US (INT64_C(1800000000) * USEC_PER_SEC)

static struct picture_queue queues[] = {
    { .name = "mail",
      .lag = 1204,
      .pending = 1001,
      .due = 3,
      .leases = 2,
      .dead = 0,
      .workers = 2,
      .in = 120.4,
      .out = 118,
      .failed = 0.5,
      .late_us = 200 * USEC_PER_SEC,
      .partitions = 4 },
    { .name = "report",
      .lag = 7,
      .pending = 0,
      .due = 0,
      .leases = 0,
      .dead = 12,
      .workers = 0,
      .in = 0,
      .out = 0,
      .failed = 0,
      .partitions = 1 },
    { .name = "video",
      .paused = true,
      .lag = -1,
      .pending = 0,
      .due = 0,
      .leases = 0,
      .dead = 2001,
      .workers = 1,
      .in = -1,
      .out = 0,
      .failed = 0,
      .partitions = -1 },
};
static struct picture_worker workers[40];
static struct picture_job jobs[] = {
    { .id = "0190a6c2-7d3e-7f00-8000-000000000001",
      .queue = "mail",
      .type = "welcome",
      .worker = "web1/17/aa",
      .attempt = 2,
      .started_us = NOW_US - 3725 * USEC_PER_SEC,
      .progress = "{\"percent\": 40}" },
};
static struct picture_error errors[] = {
    { .outcome = "timeout",
      .type = "welcome",
      .error = "no answer",
      .n = 12,
      .last_us = NOW_US - 5 * USEC_PER_SEC },
};

static struct picture picture = {
    .now_us = NOW_US,
    .queues = queues,
    .n_queues = ARRAY_SIZE(queues),
    .workers = workers,
    .n_workers = ARRAY_SIZE(workers),
    .jobs = jobs,
    .n_jobs = 1,
    .errors = errors,
    .n_errors = 1,
    .n_brokers = 2,
    .n_dead = 2001,
    .n_leases = 2,
    .in = 120.4,
    .out = 118,
    .failed = 0.5,
};
static struct top_view view;
static struct top_lines lines;

static void start(void)
{
    setlocale(LC_ALL, "C.UTF-8");
    for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
        workers[i] = (struct picture_worker){ .state = "running",
                                              .queues = "mail,report",
                                              .leases = (int64_t)i % 7,
                                              .partitions = 4,
                                              .started_us = NOW_US - 90 * 3600 * USEC_PER_SEC,
                                              .beat_us = NOW_US - (int64_t)i * USEC_PER_SEC };
        snprintf(workers[i].id, sizeof(workers[i].id), "web%02zu/17/aaaaaa", i);
    }
    top_view_init(&view, 2 * USEC_PER_SEC);
}

static void draw(int width, int height)
{
    top_lines_done(&lines);
    top_layout(&lines, &picture, &view, width, height);
    ck_assert(!lines.failed);
}

/* NULL: no line has it. */
static const struct top_line *find(const char *text)
{
    for (size_t i = 0; i < lines.n; i++)
        if (strstr(lines.lines[i].text, text))
            return &lines.lines[i];
    return NULL;
}

static void has(const char *text)
{
    ck_assert_msg(find(text) != NULL, "no line has \"%s\"", text);
}

static int characters(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

START_TEST(every_size_is_filled_and_never_passed)
{
    start();
    for (int panel = 0; panel < TOP_PANELS; panel++)
        for (int width = 1; width < 200; width += 7)
            for (int height = 1; height < 60; height++) {
                view.panel = (enum top_panel)panel;
                draw(width, height);
                ck_assert_uint_eq(lines.n, (size_t)height);
                for (size_t i = 0; i < lines.n; i++)
                    ck_assert_int_le(characters(lines.lines[i].text), width);
            }
    top_lines_done(&lines);
}
END_TEST

START_TEST(queues_are_told_with_what_is_the_matter)
{
    start();
    draw(132, 40);
    has("workers 40 · brokers 2 · in 120/s · out 118/s · dead 0.5/s");
    has("lag 1211 · pending 1000+ · due 3 · leases 2 · dead letters 2000+");
    has("    120     118     0.5     1204    1000+       3   3m20s       2       0       2");
    ck_assert_int_eq(find("report ")->look, LOOK_BAD);
    has("unserved");
    ck_assert_int_eq(find("video ")->look, LOOK_DOUBTFUL);
    has("2000+");
    has(" 2 Workers: 40");
    has("1h02m");
    top_lines_done(&lines);
}
END_TEST

START_TEST(what_is_not_known_is_said)
{
    struct picture none = { .now_us = NOW_US,
                            .n_brokers = -1,
                            .n_dead = -1,
                            .in = -1,
                            .out = -1,
                            .failed = -1,
                            .store_away = "PostgreSQL: refused",
                            .kafka_away = "Kafka: away" };
    start();
    top_layout(&lines, &none, &view, 100, 24);
    has("workers – · brokers – · in – · out – · dead –");
    ck_assert_int_eq(find("missing: PostgreSQL: refused")->look, LOOK_BAD);
    has("lag and in/s are old or missing: Kafka: away");
    top_lines_done(&lines);
}
END_TEST

static void press(const char *keys)
{
    for (; *keys; keys++)
        ck_assert_int_ne(top_press(&view, (unsigned char)*keys, lines.page), TOP_QUIT);
}

static const char *row(size_t n)
{
    size_t head = 0;
    while (head < lines.n && lines.lines[head].look != LOOK_HEAD)
        head++;
    return lines.lines[head + 1 + n].text;
}

START_TEST(rows_are_sorted_by_a_column_and_back)
{
    start();
    draw(132, 40);
    ck_assert_ptr_eq(strstr(row(0), "mail"), row(0));
    press("sss"); /* by what comes in */
    draw(132, 40);
    has("↓IN/S");
    ck_assert_ptr_eq(strstr(row(0), "mail"), row(0));
    ck_assert_ptr_eq(strstr(row(2), "video"), row(2));
    press("r");
    draw(132, 40);
    has("↑IN/S");
    ck_assert_ptr_eq(strstr(row(0), "video"), row(0));
    press("S");
    draw(132, 40);
    has("↓STATE");
    press("SS");
    draw(132, 40);
    ck_assert_ptr_null(find("↓QUEUE"));
    ck_assert_ptr_null(find("↓STATE"));
    ck_assert_uint_eq(view.order[TOP_QUEUES].column, SIZE_MAX);
    top_lines_done(&lines);
}
END_TEST

START_TEST(rows_scroll_and_the_last_page_stays_full)
{
    start();
    press("2");
    draw(100, 20);
    ck_assert_ptr_eq(strstr(row(0), "web00"), row(0));
    top_press(&view, TOP_KEY_DOWN, lines.page);
    draw(100, 20);
    ck_assert_ptr_eq(strstr(row(0), "web01"), row(0));
    top_press(&view, TOP_KEY_END, lines.page);
    draw(100, 20);
    ck_assert_ptr_eq(strstr(row(lines.page - 1), "web39"), row(lines.page - 1));
    size_t first = view.order[TOP_WORKERS].first;
    top_press(&view, TOP_KEY_PAGE_DOWN, lines.page);
    draw(100, 20);
    ck_assert_uint_eq(view.order[TOP_WORKERS].first, first);
    top_press(&view, TOP_KEY_PAGE_UP, lines.page);
    draw(100, 20);
    ck_assert_uint_eq(view.order[TOP_WORKERS].first, first - lines.page);
    top_press(&view, TOP_KEY_HOME, lines.page);
    top_press(&view, TOP_KEY_UP, lines.page);
    draw(100, 20);
    ck_assert_ptr_eq(strstr(row(0), "web00"), row(0));
    top_lines_done(&lines);
}
END_TEST

START_TEST(filter_leaves_what_has_it)
{
    start();
    press("2/web1");
    draw(100, 40);
    has("filter: web1");
    has(" 2 Workers: 10 of 40 with \"web1\"");
    top_press(&view, TOP_KEY_BACKSPACE, 0);
    top_press(&view, 0xe4, 0); /* ä */
    top_press(&view, TOP_KEY_ENTER, 0);
    ck_assert_str_eq(view.filter, "webä");
    draw(100, 40);
    has("0 of 40");
    has("q quit");
    for (int i = 0; i < 100; i++) { /* it has a bound */
        view.typing = true;
        top_press(&view, 0x1f600, 0);
    }
    ck_assert_uint_le(strlen(view.filter), TOP_FILTER_MAX);
    top_press(&view, TOP_KEY_ESCAPE, 0);
    ck_assert_str_eq(view.filter, "");
    ck_assert(!view.typing);
    top_lines_done(&lines);
}
END_TEST

START_TEST(keys_do_what_help_says)
{
    start();
    ck_assert_int_eq(top_press(&view, 'h', 0), TOP_DRAW);
    draw(100, 30);
    has("stand still");
    ck_assert_int_eq(top_press(&view, 'q', 0), TOP_DRAW); /* any key: back */
    ck_assert_int_eq(top_press(&view, 'q', 0), TOP_QUIT);
    ck_assert_int_eq(top_press(&view, TOP_KEY_CTRL_C, 0), TOP_INTERRUPT);
    ck_assert_int_eq(top_press(&view, 'x', 0), TOP_NOTHING);
    top_press(&view, TOP_KEY_TAB, 0);
    ck_assert_int_eq(view.panel, TOP_WORKERS);
    top_press(&view, TOP_KEY_BACK_TAB, 0);
    top_press(&view, TOP_KEY_BACK_TAB, 0);
    ck_assert_int_eq(view.panel, TOP_ERRORS);
    top_press(&view, 'p', 0);
    draw(100, 30);
    has("STANDS STILL");
    for (int i = 0; i < 20; i++)
        top_press(&view, '+', 0);
    ck_assert_int_eq(view.interval_us, TOP_INTERVAL_MAX_US);
    for (int i = 0; i < 20; i++)
        top_press(&view, '-', 0);
    ck_assert_int_eq(view.interval_us, TOP_INTERVAL_MIN_US);
    top_lines_done(&lines);
}
END_TEST

START_TEST(wide_characters_take_two_columns)
{
    struct picture_queue odd[] = { { .name = "長い名前長い名前長い名前", .lag = 1 } };
    struct picture p = picture;
    start();
    p.queues = odd;
    p.n_queues = 1;
    top_layout(&lines, &p, &view, 60, 12);
    has("長い名前長い名前長い ");
    ck_assert_ptr_null(find("長い名前長い名前長い名"));
    top_lines_done(&lines);
}
END_TEST

SUITE_MAIN("top_layout", every_size_is_filled_and_never_passed, queues_are_told_with_what_is_the_matter,
           what_is_not_known_is_said, rows_are_sorted_by_a_column_and_back,
           rows_scroll_and_the_last_page_stays_full, filter_leaves_what_has_it, keys_do_what_help_says,
           wide_characters_take_two_columns)
