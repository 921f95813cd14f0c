/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of job.cron on real servers: what becomes a job, how often, and when nobody was there. */
#define SUITE_TIMEOUT_S 90
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/timefmt.h"
#include "tests/support/harness.h"

#define MAIL "{ name = \"mail\"; partitions = 2; }"
#define EVERY_SECOND "* * * * * *"

static struct site *new_site(const char *extra)
{
    return site_new(&(struct site_options){ .queues = MAIL, .extra = extra });
}

static void add(struct site *s, const char *name, const char *expression, const char *more)
{
    site_sql(s, "INSERT INTO job.cron (name, expression, queue, type) VALUES ('%s', '%s', 'mail', 'welcome')",
             name, expression);
    if (more)
        site_sql(s, "UPDATE job.cron SET %s WHERE name = '%s'", more, name);
}

/* --- Ticks --------------------------------------------------------------------------------------------------------------- */

static int64_t tick_of(const struct site_record *r)
{
    int64_t us;
    const char *text = site_header(r, "cron-tick");
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(rfc3339_parse(text, strlen(text), &us), 0);
    return us;
}

static int compare_ticks(const void *a, const void *b)
{
    return *(const int64_t *)a < *(const int64_t *)b ? -1 : *(const int64_t *)a > *(const int64_t *)b;
}

/* An entry's ticks in the order of time, to be freed. */
static int64_t *list_ticks(const struct site_records *r, const char *name, size_t *ret_n)
{
    int64_t *ticks = calloc(r->n + 1, sizeof(*ticks));
    *ret_n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(site_header(&r->records[i], "cron-name"), name) == 0)
            ticks[(*ret_n)++] = tick_of(&r->records[i]);
    qsort(ticks, *ret_n, sizeof(*ticks), compare_ticks);
    return ticks;
}

/* Each second has exactly one tick, from the first to the last. Return: how many there are. */
static size_t check_gapless(const struct site_records *r, const char *name)
{
    size_t n;
    int64_t *ticks = list_ticks(r, name, &n);
    for (size_t i = 1; i < n; i++)
        ck_assert_msg(ticks[i] - ticks[i - 1] == USEC_PER_SEC, "%s: %jd us between two ticks of %zu", name,
                      (intmax_t)(ticks[i] - ticks[i - 1]), n);
    free(ticks);
    return n;
}

START_TEST(tick_becomes_a_job_on_time)
{
    struct site *s = new_site(NULL);
    site_sql(
        s,
        "INSERT INTO job.cron (name, expression, queue, type, missed, payload, key, headers, tags, max_attempts, timeout)"
        " VALUES ('each-second', '* * * * * *', 'mail', 'welcome', 'all', '{\"a\": 1}', 'k', '{\"x\": \"y\"}', '{t1,t2}', 3,"
        " '90 seconds')");
    site_start_broker(s);
    struct site_records *r = site_await_records(s, "mail", 5, 20);
    ck_assert_uint_ge(check_gapless(r, "each-second"), 5);
    int64_t latest_us = 0, in_kafka_us = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct site_record *record = &r->records[i];
        int64_t made_us;
        const char *made = site_header(record, "ce_time");
        ck_assert_int_eq(rfc3339_parse(made, strlen(made), &made_us), 0);
        ck_assert_int_ge(made_us, tick_of(record));
        if (i > 0 && made_us - tick_of(record) > latest_us) /* the first one waited for the broker to start */
            latest_us = made_us - tick_of(record);
        if (i > 0 && record->timestamp_ms * 1000 - tick_of(record) > in_kafka_us)
            in_kafka_us = record->timestamp_ms * 1000 - tick_of(record);
        ck_assert_str_eq(site_header(record, "ce_type"), "welcome");
        ck_assert_str_eq(site_header(record, "ce_source"), "/cron/each-second");
        ck_assert_str_eq(site_header(record, "cron-name"), "each-second");
        ck_assert_str_eq(site_header(record, "ce_delivery"), "1");
        ck_assert_str_eq(site_header(record, "ce_maxattempts"), "3");
        ck_assert_str_eq(site_header(record, "ce_timeoutms"), "90000");
        ck_assert_str_eq(site_header(record, "ce_tags"), "t1,t2");
        ck_assert_str_eq(site_header(record, "x"), "y");
        ck_assert_str_eq(record->key, "k");
        ck_assert_str_eq(record->value, "{\"a\": 1}");
    }
    printf("# of %zu ticks the latest was made a job after %jd ms, and in Kafka after %jd ms\n", r->n - 1,
           (intmax_t)latest_us / 1000, (intmax_t)in_kafka_us / 1000);
    ck_assert_int_lt(latest_us, 3 * USEC_PER_SEC);
    ck_assert(
        site_ask(s, "SELECT last_at = since AND last_at >= anchor AND next_at = since + interval '1 second'"
                    " AND error IS NULL AND left_out_from IS NULL FROM job.cron"));
    site_records_free(r);
    site_free(s);
}
END_TEST

START_TEST(periods_do_not_drift)
{
    struct site *s = new_site(NULL);
    add(s, "poll", "@every 1.5s", "missed = 'all'");
    char *anchor = site_ask_text(
        s, "SELECT to_char(anchor AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM job.cron");
    int64_t anchor_us;
    ck_assert_int_eq(rfc3339_parse(anchor, strlen(anchor), &anchor_us), 0);
    site_start_broker(s);
    struct site_records *r = site_await_records(s, "mail", 3, 20);
    size_t n;
    int64_t *ticks = list_ticks(r, "poll", &n);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(ticks[i], anchor_us + (int64_t)(i + 1) * 1500000);
    free(ticks);
    free(anchor);
    site_records_free(r);
    site_free(s);
}
END_TEST

/* PostgreSQL's own time zones are the authority here. */
START_TEST(next_tick_is_in_the_zone_of_the_entry)
{
    static const char *const zones[] = { "Europe/Berlin",       "America/New_York",   "Asia/Kathmandu",
                                         "Australia/Lord_Howe", "Pacific/Kiritimati", "UTC" };
    struct site *s = new_site(NULL);
    for (size_t i = 0; i < ARRAY_SIZE(zones); i++)
        site_sql(
            s,
            "INSERT INTO job.cron (name, expression, zone, type) VALUES ('z%zu', '5 12 * * *', '%s', 'welcome')",
            i, zones[i]);
    site_start_broker(s);
    site_await(s, 10, "SELECT count(*) = 0 FROM job.cron WHERE next_at = '-infinity'");
    site_await(
        s, 5,
        "SELECT bool_and(next_at = (SELECT min(t) FROM (SELECT ((since AT TIME ZONE zone)::date + d + time '12:05')"
        " AT TIME ZONE zone AS t FROM generate_series(0, 2) d) x WHERE t > since)) FROM job.cron");
    site_free(s);
}
END_TEST

START_TEST(jitter_puts_a_job_off_by_so_much_at_most)
{
    struct site *s = new_site(NULL);
    add(s, "spread", EVERY_SECOND, "jitter = '1 hour'");
    site_start_broker(s);
    site_await(s, 20, "SELECT count(*) >= 4 FROM job.pending");
    ck_assert(site_ask(
        s,
        "SELECT bool_and(reason = 'cron' AND delay >= '0' AND delay <= interval '1 hour 3 seconds')"
        " AND max(delay) - min(delay) > interval '10 seconds'"
        " FROM (SELECT reason, run_at - (headers ->> 'cron-tick')::timestamptz AS delay FROM job.pending) p"));
    site_free(s);
}
END_TEST

/* --- Several brokers ------------------------------------------------------------------------------------------------------- */

enum { N_ENTRIES = 12 };

static void add_many(struct site *s, const char *missed)
{
    site_sql(s,
             "INSERT INTO job.cron (name, expression, queue, type, missed, missed_max)"
             " SELECT 'e' || n, '* * * * * *', 'mail', 'welcome', '%s', 1000 FROM generate_series(1, %d) n",
             missed, N_ENTRIES);
}

static void check_all_gapless(struct site *s, size_t least)
{
    site_await(s, 20, "SELECT count(*) = 0 FROM job.pending");
    struct site_records *r = site_await_records(s, "mail", N_ENTRIES * least, 20);
    for (int i = 1; i <= N_ENTRIES; i++) {
        char name[8];
        snprintf(name, sizeof(name), "e%d", i);
        ck_assert_uint_ge(check_gapless(r, name), least);
    }
    site_records_free(r);
}

START_TEST(tick_runs_once_whatever_the_number_of_brokers)
{
    struct site *s = new_site(NULL);
    for (int i = 0; i < 3; i++)
        site_start_broker(s);
    add_many(s, "all");
    site_await(s, 30, "SELECT min(last_at - anchor) > interval '6 seconds' FROM job.cron");
    site_sql(s, "UPDATE job.cron SET enabled = false");
    check_all_gapless(s, 6);
    site_free(s);
}
END_TEST

/* One stands still, maybe with rows locked; when it goes on nothing of what it had begun counts. */
START_TEST(broker_that_stood_still_repeats_nothing)
{
    struct site *s = new_site(NULL);
    struct site_daemon *sleeper = site_start_broker(s);
    site_start_broker(s);
    add_many(s, "all");
    site_await(s, 30, "SELECT min(last_at - anchor) > interval '2 seconds' FROM job.cron");
    for (int i = 0; i < 3; i++) {
        int64_t done = site_ask(s, "SELECT extract(epoch FROM min(last_at))::bigint FROM job.cron");
        site_kill(sleeper, SIGSTOP);
        site_await(s, 30, "SELECT extract(epoch FROM min(last_at))::bigint > %jd + 1 FROM job.cron",
                   (intmax_t)done);
        site_kill(sleeper, SIGCONT);
        site_await(s, 30, "SELECT extract(epoch FROM min(last_at))::bigint > %jd + 2 FROM job.cron",
                   (intmax_t)done);
    }
    site_sql(s, "UPDATE job.cron SET enabled = false");
    check_all_gapless(s, 9);
    site_free(s);
}
END_TEST

START_TEST(broker_that_is_killed_loses_and_repeats_nothing)
{
    struct site *s = new_site(NULL);
    add_many(s, "all");
    for (int i = 0; i < 6; i++) {
        int64_t done =
            site_ask(s, "SELECT coalesce(extract(epoch FROM min(last_at)), 0)::bigint FROM job.cron");
        struct site_daemon *broker = site_start_broker(s);
        site_await(s, 30, "SELECT extract(epoch FROM max(last_at))::bigint > %jd FROM job.cron",
                   (intmax_t)done);
        site_destroy(broker);
    }
    site_start_broker(s);
    site_await(s, 30, "SELECT min(last_at - anchor) > interval '3 seconds' FROM job.cron");
    site_await(s, 30, "SELECT min(last_at) > clock_timestamp() - interval '2 seconds' FROM job.cron");
    site_sql(s, "UPDATE job.cron SET enabled = false");
    /* Messages may be doubled by a relay that was killed; jobs and ticks are not. */
    site_await(s, 20, "SELECT count(*) = 0 FROM job.pending");
    struct site_records *r = site_await_records(s, "mail", 1, 20);
    for (int i = 1; i <= N_ENTRIES; i++) {
        char name[8];
        size_t n;
        snprintf(name, sizeof(name), "e%d", i);
        int64_t *ticks = list_ticks(r, name, &n);
        ck_assert_uint_ge(n, 3);
        for (size_t k = 1; k < n; k++)
            ck_assert_int_le(ticks[k] - ticks[k - 1], USEC_PER_SEC);
        free(ticks);
    }
    for (size_t i = 0; i < r->n; i++)
        for (size_t k = 0; k < i; k++)
            if (tick_of(&r->records[i]) == tick_of(&r->records[k]) &&
                strcmp(site_header(&r->records[i], "cron-name"), "e1") == 0) {
                char id[64];
                snprintf(id, sizeof(id), "%s", site_header(&r->records[i], "ce_id"));
                if (strcmp(site_header(&r->records[k], "cron-name"), "e1") == 0)
                    ck_assert_str_eq(site_header(&r->records[k], "ce_id"), id);
            }
    site_records_free(r);
    site_free(s);
}
END_TEST

/* --- Nobody was there -------------------------------------------------------------------------------------------------------- */

/* As if the clock had been moved on by five minutes while no broker ran. Ticks were due 210 s and 90 s ago, the next is in 30 s. */
static void move_clock(struct site *s)
{
    site_sql(s, "UPDATE job.cron SET since = clock_timestamp() - interval '300 s',"
                " anchor = clock_timestamp() - interval '330 s', next_at = '-infinity'");
}

static void check_entry(struct site *s, const char *name, int n_jobs, const char *rest)
{
    ck_assert_msg(site_ask(s, "SELECT count(*) = %d FROM job.pending WHERE headers ->> 'cron-name' = '%s'",
                           n_jobs, name),
                  "%s", name);
    ck_assert_msg(site_ask(s, "SELECT %s FROM job.cron WHERE name = '%s'", rest, name), "%s", name);
}

#define AGO(column, seconds) column " = anchor + interval '330 s' - interval '" #seconds " s'"

START_TEST(ticks_of_an_outage_are_made_up_for_as_the_entry_says)
{
    struct site *s = site_new(&(struct site_options){ .queues = MAIL, .broker = "relay = false;" });
    add(s, "skip", "@every 120s", "missed = 'skip'");
    add(s, "last", "@every 120s", NULL);
    add(s, "all", "@every 120s", "missed = 'all'");
    add(s, "capped", "@every 10s", "missed = 'all', missed_max = 3");
    add(s, "late", "@every 50s", "missed = 'skip'");
    add(s, "off", "@every 120s", "enabled = false");
    move_clock(s);
    struct site_daemon *broker = site_start_broker(s);
    site_await(s, 10, "SELECT count(*) = 0 FROM job.cron WHERE enabled AND next_at < clock_timestamp()");
    check_entry(s, "skip", 0,
                "last_at IS NULL AND " AGO("left_out_from", 210) " AND " AGO("left_out_until", 90));
    check_entry(s, "last", 1,
                AGO("last_at", 90) " AND " AGO("left_out_from", 210) " AND " AGO("left_out_until", 210));
    check_entry(s, "all", 2, AGO("last_at", 90) " AND left_out_from IS NULL");
    check_entry(s, "late", 1,
                AGO("last_at", 30) " AND " AGO("left_out_from", 280) " AND " AGO("left_out_until", 80));
    check_entry(s, "off", 0, "last_at IS NULL AND next_at = '-infinity'");
    ck_assert(site_ask(
        s, "SELECT count(*) BETWEEN 3 AND 5 FROM job.pending WHERE headers ->> 'cron-name' = 'capped'"));
    ck_assert(site_ask(
        s, "SELECT left_out_from = anchor + interval '40 s' AND left_out_until = anchor + interval '300 s'"
           " FROM job.cron WHERE name = 'capped'"));
    ck_assert(site_ask(
        s,
        "SELECT bool_and(next_at = anchor + interval '360 s') FROM job.cron WHERE expression = '@every 120s'"
        " AND enabled"));
    site_await_log(broker, 5, "cron: skip: ticks were missed; those from");
    site_await_log(broker, 5, "cron: all: made up for 2 ticks");
    /* What is made up for is due now, the first tick first. */
    ck_assert(
        site_ask(s, "SELECT bool_and(run_at > clock_timestamp() - interval '1 minute') FROM job.pending"));
    ck_assert(site_ask(
        s, "SELECT bool_and(run_at > before) FROM (SELECT run_at, lag(run_at) OVER (ORDER BY"
           " headers ->> 'cron-tick') AS before FROM job.pending WHERE headers ->> 'cron-name' = 'all') p"
           " WHERE before IS NOT NULL"));
    ck_assert(site_ask(
        s,
        "SELECT bool_and(abs(extract(epoch FROM job.time_of(headers ->> 'ce_time') - run_at)) < 60) FROM job.pending"));
    site_free(s);
}
END_TEST

/* A year of seconds is no more work than a minute of them. */
START_TEST(long_outage_is_over_at_once)
{
    struct site *s = site_new(&(struct site_options){ .queues = MAIL, .broker = "relay = false;" });
    add(s, "all", EVERY_SECOND, "missed = 'all', missed_max = 1000");
    add(s, "last", EVERY_SECOND, NULL);
    site_sql(s, "UPDATE job.cron SET since = clock_timestamp() - interval '1 year', next_at = '-infinity'");
    add(s, "ever", EVERY_SECOND, "since = '-infinity'");
    add(s, "never", "@every 1s", "anchor = 'infinity'");
    add(s, "ahead", "@every 1s",
        "since = '-infinity', anchor = date_trunc('hour', now()) + interval '1 day'");
    site_start_broker(s);
    site_await(s, 10,
               "SELECT last_at > clock_timestamp() - interval '2 seconds' FROM job.cron WHERE name = 'ever'");
    site_await(s, 10, "SELECT next_at = 'infinity' FROM job.cron WHERE name = 'never'");
    site_await(s, 10, "SELECT next_at = anchor + interval '1 second' FROM job.cron WHERE name = 'ahead'");
    site_start_broker(s); /* which looks whether all this is right */
    site_sql(s, "DELETE FROM job.cron WHERE name IN ('ahead', 'never')");
    site_await(s, 10, "SELECT min(last_at) > clock_timestamp() - interval '2 seconds' FROM job.cron");
    int64_t n = site_ask(s, "SELECT count(*) FROM job.pending WHERE headers ->> 'cron-name' = 'all'");
    ck_assert_int_ge(n, 1000);
    ck_assert_int_le(n, 1060);
    ck_assert_int_le(site_ask(s, "SELECT count(*) FROM job.pending WHERE headers ->> 'cron-name' = 'last'"),
                     60);
    site_free(s);
}
END_TEST

START_TEST(restart_of_the_broker_misses_no_tick)
{
    struct site *s = new_site(NULL);
    add(s, "each-second", EVERY_SECOND, "missed = 'all'");
    struct site_daemon *broker = site_start_broker(s);
    site_await(s, 20, "SELECT last_at > anchor + interval '1 second' FROM job.cron");
    site_stop(broker);
    int64_t stopped = site_ask(s, "SELECT extract(epoch FROM last_at)::bigint FROM job.cron");
    site_await(s, 20, "SELECT clock_timestamp() > to_timestamp(%jd) + interval '4 seconds'",
               (intmax_t)stopped);
    site_start_broker(s);
    site_await(s, 20, "SELECT last_at > to_timestamp(%jd) + interval '4 seconds' FROM job.cron",
               (intmax_t)stopped);
    site_sql(s, "UPDATE job.cron SET enabled = false");
    site_await(s, 20, "SELECT count(*) = 0 FROM job.pending");
    struct site_records *r = site_await_records(s, "mail", 6, 20);
    ck_assert_uint_ge(check_gapless(r, "each-second"), 6);
    site_records_free(r);
    site_free(s);
}
END_TEST

START_TEST(outage_of_postgresql_is_an_outage_of_the_clock_only)
{
    struct site_servers *postgres = site_servers_start("postgres");
    struct site *s = site_new(&(struct site_options){ .queues = MAIL, .broker = "relay = false;" });
    add(s, "each-second", EVERY_SECOND, "missed = 'all'");
    struct site_daemon *broker = site_start_broker(s);
    site_await(s, 20, "SELECT last_at > anchor + interval '1 second' FROM job.cron");
    site_servers_run(postgres, "kill");
    site_await_log(broker, 20, "cron waits");
    site_servers_run(postgres, "start");
    site_await(s, 30, "SELECT last_at > pg_postmaster_start_time() + interval '2 seconds' FROM job.cron");
    ck_assert(site_ask(s,
                       "SELECT count(*) >= 3 AND count(*) = count(DISTINCT headers ->> 'cron-tick') AND"
                       " count(*) = extract(epoch FROM max(t) - min(t)) + 1"
                       " FROM (SELECT *, (headers ->> 'cron-tick')::timestamptz AS t FROM job.pending) p"));
    site_free(s);
    site_servers_free(postgres);
}
END_TEST

/* The database of another host, restored or failed over: its clock was a day ahead. */
START_TEST(clock_that_was_ahead_does_not_stop_an_entry)
{
    struct site *s = site_new(&(struct site_options){ .queues = MAIL, .broker = "relay = false;" });
    add(s, "each-second", EVERY_SECOND, NULL);
    site_sql(s, "UPDATE job.cron SET since = clock_timestamp() + interval '1 day',"
                " next_at = clock_timestamp() + interval '1 day 1 second'");
    site_start_broker(s);
    site_await(s, 10, "SELECT last_at < clock_timestamp() FROM job.cron");
    site_free(s);
}
END_TEST

/* As when the zone database has been updated since the next tick was worked out. */
START_TEST(next_tick_is_worked_out_anew_by_a_broker_that_starts)
{
    struct site *s = new_site(NULL);
    add(s, "noon", "0 12 * * *", NULL);
    site_sql(s, "UPDATE job.cron SET next_at = clock_timestamp() + interval '100 days'");
    site_start_broker(s);
    site_await(s, 10,
               "SELECT next_at < clock_timestamp() + interval '25 hours' AND last_at IS NULL FROM job.cron");
    site_free(s);
}
END_TEST

/* --- Changes ------------------------------------------------------------------------------------------------------------------- */

START_TEST(changes_count_at_once_and_from_now_on)
{
    struct site *s = site_new(&(struct site_options){ .queues = MAIL, .broker = "relay = false;" });
    site_start_broker(s);
    site_await(s, 10,
               "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'cron' AND state = 'idle'"
               " AND datname = current_database()");
    add(s, "one", "0 0 1 1 *", NULL);
    site_await(s, 5, "SELECT next_at > clock_timestamp() AND isfinite(next_at) FROM job.cron");
    site_sql(
        s,
        "UPDATE job.cron SET since = since - interval '3 years', expression = '* * * * * *', missed = 'all'");
    site_await(s, 5, "SELECT last_at IS NOT NULL FROM job.cron");
    ck_assert(site_ask(
        s,
        "SELECT min((headers ->> 'cron-tick')::timestamptz) > (SELECT anchor FROM job.cron) FROM job.pending"));
    site_sql(s, "UPDATE job.cron SET enabled = false");
    site_sql(s, "UPDATE job.cron SET since = since - interval '1 hour'");
    site_sql(s, "DELETE FROM job.pending");
    site_sql(s, "UPDATE job.cron SET enabled = true");
    site_await(s, 5, "SELECT count(*) > 1 FROM job.pending");
    ck_assert_int_lt(site_ask(s, "SELECT count(*) FROM job.pending"), 8);
    site_sql(s, "UPDATE job.cron SET zone = 'Asia/Tokyo', expression = '0 12 * * *'");
    site_await(s, 5, "SELECT extract(hour FROM next_at AT TIME ZONE 'UTC') = 3 FROM job.cron");
    site_free(s);
}
END_TEST

START_TEST(entry_that_cannot_tick_costs_itself)
{
    struct site *s = site_new(&(struct site_options){ .queues = MAIL, .broker = "relay = false;" });
    add(s, "a-wrong", "0 0 31 2 *", NULL);
    add(s, "b-lost", EVERY_SECOND, "zone = 'Europe/Berln'");
    add(s, "c-well", EVERY_SECOND, NULL);
    struct site_daemon *broker = site_start_broker(s);
    site_await(s, 10, "SELECT last_at IS NOT NULL FROM job.cron WHERE name = 'c-well'");
    site_await(s, 10, "SELECT error LIKE 'character 5: %%never fire%%' FROM job.cron WHERE name = 'a-wrong'");
    site_await(s, 10,
               "SELECT error LIKE '%%did you mean \"Europe/Berlin\"%%' FROM job.cron WHERE name = 'b-lost'");
    /* Messages are cut somewhere; what stands in the row is text all the same. */
    add(s, "d-umlauts",
        "0 0 * * x"
        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
        "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
        NULL);
    site_await(
        s, 10,
        "SELECT error LIKE 'character 9: expected a day of the week%%' FROM job.cron WHERE name = 'd-umlauts'");
    site_sql(s, "DELETE FROM job.cron WHERE name = 'd-umlauts'");
    site_await_log(broker, 5, "cron: a-wrong cannot tick: character 5");
    ck_assert_uint_eq(site_count_log(broker, "a-wrong"), 1);
    site_sql(s, "UPDATE job.cron SET zone = 'Europe/Berlin' WHERE name = 'b-lost'");
    site_sql(s, "UPDATE job.cron SET expression = '* * * * * *' WHERE name = 'a-wrong'");
    site_await(s, 10, "SELECT bool_and(error IS NULL AND last_at IS NOT NULL) FROM job.cron");
    site_free(s);
}
END_TEST

START_TEST(rows_that_break_a_rule_are_refused)
{
    static const struct {
        const char *columns, *values, *sqlstate;
    } cases[] = {
        { "name", "NULL", "23502" },
        { "name", "''", "23514" },
        { "name", "'a b'", "23514" },
        { "name", "repeat('a', 129)", "23514" },
        { "expression", "NULL", "23502" },
        { "expression", "''", "23514" },
        { "expression", "repeat('*', 513)", "23514" },
        { "zone", "''", "23514" },
        { "zone", "NULL", "23502" },
        { "queue", "'Bad'", "23514" },
        { "queue", "'later'", "23514" },
        { "type", "'1x'", "23514" },
        { "type", "NULL", "23502" },
        { "payload", "to_jsonb(repeat('x', 1048576))", "23514" },
        { "key", "repeat('k', 5000)", "23514" },
        { "headers", "'[]'", "22023" },
        { "headers", "'{\"ce_id\": \"x\"}'", "22023" },
        { "headers", "'{\"cron-tick\": \"x\"}'", "22023" },
        { "headers", "'{\"a\": 1}'", "22023" },
        { "headers", "jsonb_build_object('a', repeat('x', 70000))", "54000" },
        { "tags", "'{a,NULL}'", "23514" },
        { "tags", "ARRAY['a,b']", "23514" },
        { "max_attempts", "0", "23514" },
        { "timeout", "interval '0'", "23514" },
        { "timeout", "interval '31 days'", "23514" },
        { "missed", "'sometimes'", "23514" },
        { "missed_max", "1001", "23514" },
        { "jitter", "interval '-1 s'", "23514" },
        { "jitter", "interval '25 hours'", "23514" },
        { "source", "'me'", "23514" },
    };
    struct site *s = new_site(NULL);
    add(s, "good", EVERY_SECOND, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char sql[300];
        snprintf(sql, sizeof(sql), "UPDATE job.cron SET %s = %s", cases[i].columns, cases[i].values);
        ck_assert_msg(db_query(site_db(s), sql, NULL, 0, NULL, NULL) == STORE_REFUSED, "%s", sql);
        ck_assert_msg(strcmp(db_refusal(site_db(s))->sqlstate, cases[i].sqlstate) == 0, "%s: %s", sql,
                      db_refusal(site_db(s))->sqlstate);
    }
    site_free(s);
}
END_TEST

/* The payload is refused only when its job is made: another jsonb, or a job.pending with a rule of somebody's own. */
START_TEST(tick_that_postgresql_refuses_costs_its_entry)
{
    struct site *s = site_new(&(struct site_options){ .queues = MAIL, .broker = "relay = false;" });
    site_sql(s, "ALTER TABLE job.pending ADD CONSTRAINT own CHECK (headers ->> 'cron-name' <> 'bad')");
    add(s, "bad", EVERY_SECOND, NULL);
    add(s, "good", EVERY_SECOND, NULL);
    struct site_daemon *broker = site_start_broker(s);
    site_await(s, 10, "SELECT last_at IS NOT NULL FROM job.cron WHERE name = 'good'");
    site_await(s, 10, "SELECT error LIKE '%%own%%' AND last_at IS NULL FROM job.cron WHERE name = 'bad'");
    site_await_log(broker, 5, "cron: bad cannot tick");
    site_sql(
        s,
        "ALTER TABLE job.pending DROP CONSTRAINT own; UPDATE job.cron SET next_at = '-infinity' WHERE name = 'bad'");
    site_await(s, 10, "SELECT error IS NULL AND last_at IS NOT NULL FROM job.cron WHERE name = 'bad'");
    site_free(s);
}
END_TEST

/* --- Silence --------------------------------------------------------------------------------------------------------------------- */

#define CRON_BACKEND "pg_stat_activity WHERE application_name = 'cron' AND datname = current_database()"

static void check_silence(struct site *s)
{
    site_await(s, 10,
               "SELECT count(*) = 1 FROM " CRON_BACKEND
               " AND state = 'idle' AND state_change < clock_timestamp()"
               " - interval '300 ms'");
    char *before = site_ask_text(s, "SELECT state_change::text FROM " CRON_BACKEND);
    site_await(s, 20, "SELECT clock_timestamp() > '%s'::timestamptz + interval '4 seconds'", before);
    ck_assert(site_ask(s, "SELECT state_change = '%s'::timestamptz FROM " CRON_BACKEND, before));
    free(before);
}

START_TEST(nothing_is_asked_while_nothing_is_due)
{
    struct site *s = new_site(NULL);
    site_start_broker(s);
    check_silence(s);
    add(s, "yearly", "@yearly", NULL);
    site_await(s, 10, "SELECT next_at > clock_timestamp() FROM job.cron");
    check_silence(s);
    add(s, "each-second", EVERY_SECOND, NULL);
    site_await(s, 10, "SELECT last_at IS NOT NULL FROM job.cron WHERE name = 'each-second'");
    site_free(s);
}
END_TEST

/* --- The configuration ------------------------------------------------------------------------------------------------------------ */

#define CONFIG(entries) "cron = ( " entries " );"

static void rewrite(struct site *s, const char *from, const char *to)
{
    char text[16384], path[300], *at;
    FILE *file = fopen(site_config_path(s), "re");
    size_t n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[n] = 0;
    at = strstr(text, from);
    ck_assert_msg(at, "%s", text);
    snprintf(path, sizeof(path), "%s.new", site_config_path(s));
    file = fopen(path, "we");
    fprintf(file, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(rename(path, site_config_path(s)), 0);
}

START_TEST(entries_of_the_configuration_are_kept)
{
    struct site *s = new_site(CONFIG(
        "{ name = \"a\"; expression = \"* * * * * *\"; type = \"welcome\"; queue = \"mail\"; payload = \"[1]\"; },"
        " { name = \"b\"; expression = \"@yearly\"; zone = \"Europe/Berlin\"; type = \"welcome\"; missed = \"all\";"
        " missed_max = 7; jitter = \"10m\"; max_attempts = 2; timeout = \"1m\"; key = \"k\"; },"
        " { name = \"taken\"; expression = \"@yearly\"; type = \"welcome\"; }"));
    add(s, "taken", "@daily", NULL);
    struct site_daemon *broker = site_start_broker(s);
    site_start_broker(s);
    site_await_log(broker, 10, "cron: taken of the configuration is left out");
    site_await(s, 10, "SELECT count(*) = 3 FROM job.cron");
    ck_assert(site_ask(
        s,
        "SELECT expression = '@yearly' AND zone = 'Europe/Berlin' AND queue = 'default' AND missed = 'all' AND"
        " missed_max = 7 AND jitter = '10 minutes' AND max_attempts = 2 AND timeout = '1 minute' AND key = 'k'"
        " AND source = 'config' FROM job.cron WHERE name = 'b'"));
    ck_assert(
        site_ask(s, "SELECT expression = '@daily' AND source = 'sql' FROM job.cron WHERE name = 'taken'"));
    site_await(s, 10, "SELECT last_at IS NOT NULL FROM job.cron WHERE name = 'a'");
    site_sql(s, "UPDATE job.cron SET enabled = false WHERE name = 'a'");
    char *since = site_ask_text(s, "SELECT since::text FROM job.cron WHERE name = 'b'");
    rewrite(s, "payload = \"[1]\"", "payload = \"[2]\"");
    site_kill(broker, SIGHUP);
    site_await(s, 10, "SELECT payload = '[2]' AND NOT enabled FROM job.cron WHERE name = 'a'");
    ck_assert(site_ask(s, "SELECT since = '%s' FROM job.cron WHERE name = 'b'", since));
    rewrite(s, "name = \"b\"", "name = \"c\"");
    site_kill(broker, SIGHUP);
    site_await(s, 10, "SELECT array_agg(name ORDER BY name) = '{a,c,taken}' FROM job.cron");
    free(since);
    site_free(s);
}
END_TEST

START_TEST(broker_without_cron_leaves_entries_alone)
{
    struct site *s = site_new(&(struct site_options){
        .queues = MAIL,
        .broker = "cron = false;",
        .extra = CONFIG(
            "{ name = \"a\"; expression = \"* * * * * *\"; type = \"welcome\"; queue = \"mail\"; }") });
    add(s, "mine", EVERY_SECOND, NULL);
    struct site_daemon *broker = site_start_broker(s);
    site_await_log(broker, 10, "no cron");
    site_await(
        s, 20,
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'relay' AND datname = current_database()");
    site_await(s, 20, "SELECT clock_timestamp() > since + interval '3 seconds' FROM job.cron");
    ck_assert(site_ask(
        s, "SELECT count(*) = 1 AND bool_and(last_at IS NULL AND next_at = '-infinity') FROM job.cron"));
    ck_assert_int_eq(site_ask(s, "SELECT count(*) FROM " CRON_BACKEND), 0);
    site_free(s);
}
END_TEST

SUITE_MAIN("cron_entries", tick_becomes_a_job_on_time, periods_do_not_drift,
           next_tick_is_in_the_zone_of_the_entry, jitter_puts_a_job_off_by_so_much_at_most,
           tick_runs_once_whatever_the_number_of_brokers, broker_that_stood_still_repeats_nothing,
           broker_that_is_killed_loses_and_repeats_nothing,
           ticks_of_an_outage_are_made_up_for_as_the_entry_says, long_outage_is_over_at_once,
           restart_of_the_broker_misses_no_tick, outage_of_postgresql_is_an_outage_of_the_clock_only,
           clock_that_was_ahead_does_not_stop_an_entry, next_tick_is_worked_out_anew_by_a_broker_that_starts,
           changes_count_at_once_and_from_now_on, entry_that_cannot_tick_costs_itself,
           rows_that_break_a_rule_are_refused, tick_that_postgresql_refuses_costs_its_entry,
           nothing_is_asked_while_nothing_is_due, entries_of_the_configuration_are_kept,
           broker_without_cron_leaves_entries_alone)
