/* SPDX-License-Identifier: Apache-2.0 */
#include "rate.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/suite.h"

#define S INT64_C(1000000000)

static struct rate_rules rules;
static char path[] = "/tmp/test_rate.XXXXXX";

static void open_path(const char *text)
{
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    unlink(path);
    ck_assert_ptr_null(rate_parse(text, &rules));
}

/* @n tokens of one domain at @now_ns. Return: 0, or how long to wait. */
static int64_t take(const char *domain, int64_t n, int64_t now_ns)
{
    const struct rate_demand demand = { .rule = rate_find(&rules, domain), .domain = domain, .n_tokens = n };
    int64_t wait_ns = -1;
    ck_assert_ptr_nonnull(demand.rule);
    ck_assert_int_eq(rate_take(path, &demand, 1, now_ns, &wait_ns), 0);
    return wait_ns;
}

START_TEST(rules_are_read)
{
    ck_assert_ptr_null(rate_parse("", &rules));
    ck_assert_uint_eq(rules.n_rows, 0);
    ck_assert_ptr_null(rate_parse(" Gmail.com=20/s,example.org=600/h:10\t*=3/m ", &rules));
    ck_assert_uint_eq(rules.n_rows, 3);
    ck_assert_str_eq(rules.rows[0].domain, "gmail.com");
    ck_assert_int_eq(rules.rows[0].interval_ns, S / 20);
    ck_assert_int_eq(rules.rows[0].burst, 20);
    ck_assert_int_eq(rules.rows[1].interval_ns, 6 * S);
    ck_assert_int_eq(rules.rows[1].burst, 10);
    ck_assert_int_eq(rules.rows[2].interval_ns, 20 * S);
    ck_assert_ptr_eq(rate_find(&rules, "GMAIL.com"), &rules.rows[0]);
    ck_assert_ptr_eq(rate_find(&rules, "x.gmail.com"), &rules.rows[2]);
    ck_assert_ptr_null(rate_parse("a=1/s", &rules));
    ck_assert_ptr_null(rate_find(&rules, "b"));
}
END_TEST

START_TEST(what_is_no_rule_is_pointed_to)
{
    static const char *const bad[] = { "a",
                                       "a=",
                                       "=1/s",
                                       "a=0/s",
                                       "a=-1/s",
                                       "a=1",
                                       "a=1/",
                                       "a=1/d",
                                       "a=1/s:",
                                       "a=1/s:0",
                                       "a=1/s:x",
                                       "a=1/sx",
                                       "a=x/s",
                                       "a=1000001/s",
                                       "a=1.5/s",
                                       "a= 1/s",
                                       "a=99999999999999999999/s" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "ok=1/s %s", bad[i]);
        const char *wrong = rate_parse(text, &rules);
        ck_assert_msg(wrong == text + 7, "%s", bad[i]);
    }
    char *many = NULL;
    size_t size;
    FILE *out = open_memstream(&many, &size);
    for (int i = 0; i < RATE_RULES_MAX; i++)
        fprintf(out, "a%d=1/s ", i);
    fputs("last=1/s", out);
    fclose(out);
    ck_assert_str_eq(rate_parse(many, &rules), "last=1/s");
    free(many);
}
END_TEST

START_TEST(bucket_gives_its_burst_and_then_one_after_the_other)
{
    int64_t now = 1000 * S;
    open_path("*=1/s:3");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(take("a", 1, now), 0);
    ck_assert_int_eq(take("a", 1, now), S);
    ck_assert_int_eq(take("b", 1, now), 0); /* has its own */
    ck_assert_int_eq(take("A", 1, now + S), 0);
    ck_assert_int_gt(take("a", 1, now + S), 0);
    ck_assert_int_eq(take("a", 3, now + 100 * S), 0); /* full again, and no fuller */
    ck_assert_int_gt(take("a", 1, now + 100 * S), 0);
    unlink(path);
}
END_TEST

START_TEST(those_who_wait_come_back_one_after_the_other)
{
    int64_t now = 1000 * S;
    open_path("*=1/s:1");
    ck_assert_int_eq(take("a", 1, now), 0);
    for (int i = 1; i <= 900; i++)
        ck_assert_int_eq(take("a", 1, now), i * S);
    ck_assert_int_eq(take("a", 1, now), S); /* 15 minutes are the longest queue */
    unlink(path);
}
END_TEST

START_TEST(rate_holds_over_a_long_time)
{
    int64_t now = 1000 * S, next = now;
    int n_taken = 0;
    open_path("*=10/s:5");
    while (now < 1100 * S) { /* one that always comes back when it is told to */
        int64_t wait = take("a", 1, now);
        n_taken += wait == 0;
        next = wait ? now + wait : now;
        now = next;
    }
    ck_assert_int_ge(n_taken, 1000);
    ck_assert_int_le(n_taken, 1005);
    unlink(path);
}
END_TEST

START_TEST(demand_larger_than_the_burst_waits_for_a_full_bucket_and_is_paid_off)
{
    int64_t now = 1000 * S;
    open_path("*=1/s:2");
    ck_assert_int_eq(take("a", 10, now), 0);
    ck_assert_int_eq(take("a", 1, now + 8 * S), S);
    ck_assert_int_eq(take("a", 1, now + 9 * S), 0);
    ck_assert_int_gt(take("a", 10, now + 9 * S), 0);
    ck_assert_int_eq(take("a", 10, now + 11 * S), 0);
    unlink(path);
}
END_TEST

START_TEST(one_bucket_that_is_empty_keeps_all_tokens_where_they_are)
{
    int64_t now = 1000 * S, wait = 0;
    open_path("a=1/s:1 b=1/m:1");
    ck_assert_int_eq(take("b", 1, now), 0);
    const struct rate_demand both[] = { { rate_find(&rules, "a"), "a", 1 },
                                        { rate_find(&rules, "b"), "b", 1 } };
    ck_assert_int_eq(rate_take(path, both, 2, now, &wait), 0);
    ck_assert_int_eq(wait, 60 * S);
    ck_assert_int_eq(take("a", 1, now), 0);
    unlink(path);
}
END_TEST

START_TEST(clock_that_starts_anew_and_broken_files_stop_nothing)
{
    open_path("*=1/h:1");
    ck_assert_int_eq(take("a", 1, INT64_C(1) << 60), 0);
    ck_assert_int_eq(take("a", 1, S), 0); /* after a restart of the machine */
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 4096 * 24; i++)
        fputc(i * 7 + 1, file);
    fclose(file);
    for (int i = 0; i < 100; i++) {
        char domain[8];
        snprintf(domain, sizeof(domain), "d%d", i);
        int64_t wait = take(domain, 1, 1000 * S);
        ck_assert_int_ge(wait, 0);
        ck_assert_int_le(wait, 900 * S);
    }
    unlink(path);
}
END_TEST

START_TEST(file_of_somebody_else_or_of_another_kind_is_not_used)
{
    int64_t wait;
    char linked[64];
    open_path("*=1/s");
    const struct rate_demand demand = { &rules.rows[0], "a", 1 };
    snprintf(linked, sizeof(linked), "%s.link", path);
    ck_assert_int_eq(symlink(path, linked), 0);
    ck_assert_int_eq(rate_take(linked, &demand, 1, S, &wait), -ELOOP);
    unlink(linked);
    ck_assert_int_eq(mkfifo(linked, 0600), 0);
    ck_assert_int_eq(rate_take(linked, &demand, 1, S, &wait), -EPERM);
    unlink(linked);
    ck_assert_int_eq(rate_take("/dev/null", &demand, 1, S, &wait), -EPERM);
    ck_assert_int_eq(rate_take(path, &demand, 1, S, &wait), 0);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    unlink(path);
}
END_TEST

START_TEST(processes_share_the_bucket)
{
    int64_t now = 1000 * S;
    int n_granted = 0;
    pid_t children[8];
    open_path("*=100/h:100");
    for (int i = 0; i < 8; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            int n = 0;
            for (int k = 0; k < 50; k++)
                n += take("a", 1, now) == 0;
            _exit(n);
        }
    }
    for (int i = 0; i < 8; i++) {
        int status;
        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        n_granted += WEXITSTATUS(status);
    }
    ck_assert_int_eq(n_granted, 100);
    unlink(path);
}
END_TEST

SUITE_MAIN("rate", rules_are_read, what_is_no_rule_is_pointed_to,
           bucket_gives_its_burst_and_then_one_after_the_other, those_who_wait_come_back_one_after_the_other,
           rate_holds_over_a_long_time, demand_larger_than_the_burst_waits_for_a_full_bucket_and_is_paid_off,
           one_bucket_that_is_empty_keeps_all_tokens_where_they_are,
           clock_that_starts_anew_and_broken_files_stop_nothing,
           file_of_somebody_else_or_of_another_kind_is_not_used, processes_share_the_bucket)
