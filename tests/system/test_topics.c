/* SPDX-License-Identifier: Apache-2.0 */
/* stream/admin.h on a real Kafka: what the mock cluster cannot answer. */
#define SUITE_TIMEOUT_S 60
#include "tests/support/suite.h"

#include <stdio.h>

#include "base/clock.h"
#include "tests/support/harness.h"

static struct site *new_site(void)
{
    return site_new(&(struct site_options){ .no_schema = true });
}

START_TEST(a_topic_is_made_grown_described_and_deleted)
{
    char topic[250];
    struct err err = { 0 };
    struct admin_topic found;
    struct admin_setting settings[ADMIN_N_SETTINGS];
    struct site *s = new_site();
    struct admin *admin = site_admin(s);
    site_topic(s, "mail", topic);
    ck_assert_int_eq(admin_probe(admin, &err), 0);
    ck_assert_int_eq(admin_find_topic(admin, topic, &found, &err), ADMIN_NO_TOPIC);
    ck_assert_int_eq(admin_describe_topic(admin, topic, settings, &err), ADMIN_NO_TOPIC);
    ck_assert_int_eq(admin_grow_topic(admin, topic, 3, &err), ADMIN_NO_TOPIC);
    ck_assert_int_eq(admin_delete_topic(admin, topic, &err), ADMIN_NO_TOPIC);

    ck_assert_msg(admin_create_topic(admin, topic, 2, -1, &err) == 0, "%s", err.text);
    ck_assert_int_eq(admin_create_topic(admin, topic, 2, -1, &err), ADMIN_EXISTS);
    ck_assert_int_eq(admin_grow_topic(admin, topic, 5, &err), 0);
    ck_assert_int_eq(admin_grow_topic(admin, topic, 4, &err), ADMIN_REFUSED);
    ck_assert_int_eq(admin_find_topic(admin, topic, &found, &err), 0);
    ck_assert_int_eq(found.n_partitions, 5);
    ck_assert_int_eq(found.replication, 1);
    free(found.name);
    ck_assert_int_eq(admin_describe_topic(admin, topic, settings, &err), 0);
    for (size_t i = 0; i < ADMIN_N_SETTINGS; i++)
        ck_assert_msg(settings[i].right, "%s is %s", settings[i].name, settings[i].value);

    ck_assert_int_eq(admin_delete_topic(admin, topic, &err), 0);
    ck_assert_int_eq(admin_create_topic(admin, "no/name", 1, -1, &err), ADMIN_REFUSED);
    ck_assert_int_eq(admin_create_topic(admin, topic, 1, 7, &err), ADMIN_REFUSED);
    site_free(s);
}
END_TEST

static bool match_value(const struct message *m, void *userdata)
{
    return span_equals(m->value, userdata);
}

START_TEST(a_search_begins_at_its_time)
{
    char topic[250];
    char first[] = "first", second[] = "second";
    const char *topics[] = { "no-such-topic", topic };
    struct err err = { 0 };
    struct admin_found found, later;
    struct site *s = new_site();
    struct admin *admin = site_admin(s);
    ck_assert_int_eq(admin_create_topic(admin, site_topic(s, "mail", topic), 2, -1, &err), 0);
    site_produce(s, "mail", &(struct message){ .partition = 1, .value = span_from_string(first) });
    site_produce(s, "mail", &(struct message){ .partition = 1, .value = span_from_string(second) });

    int r = admin_find_message(admin, topics, 2, clock_wall_us() / 1000 - 60000, match_value, first,
                               5 * USEC_PER_SEC, &found, &err);
    ck_assert_msg(r == 0, "%d %s", r, err.text);
    ck_assert_uint_eq(found.topic, 1);
    ck_assert_int_eq(found.partition, 1);
    ck_assert_int_eq(found.offset, 0);
    ck_assert_int_eq(found.end, 2);
    r = admin_find_message(admin, topics, 2, 0, match_value, second, 5 * USEC_PER_SEC, &later, &err);
    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(later.offset, 1);
    if (later.timestamp_ms > found.timestamp_ms)
        ck_assert_int_eq(admin_find_message(admin, topics, 2, later.timestamp_ms, match_value, first,
                                            5 * USEC_PER_SEC, &found, &err),
                         ADMIN_NOT_FOUND);
    int64_t began_us = clock_mono_us();
    ck_assert_int_eq(admin_find_message(admin, topics, 2, clock_wall_us() / 1000 + 60000, match_value, first,
                                        5 * USEC_PER_SEC, &found, &err),
                     ADMIN_NOT_FOUND);
    ck_assert_int_eq(
        admin_find_message(admin, topics, 1, 0, match_value, first, 5 * USEC_PER_SEC, &found, &err),
        ADMIN_NOT_FOUND);
    ck_assert_int_lt(clock_mono_us() - began_us, 3 * USEC_PER_SEC);
    site_free(s);
}
END_TEST

START_TEST(ranges_of_a_real_log)
{
    char topic[250];
    struct err err = { 0 };
    struct admin_range ranges[2];
    struct site *s = new_site();
    struct admin *admin = site_admin(s);
    ck_assert_int_eq(admin_create_topic(admin, site_topic(s, "mail", topic), 2, -1, &err), 0);
    site_produce(s, "mail", &(struct message){ .partition = 1, .value = span_from_string("x") });
    ck_assert_int_eq(admin_read_ranges(admin, topic, 2, ranges, &err), 0);
    ck_assert_int_eq(ranges[0].start, 0);
    ck_assert_int_eq(ranges[0].end, 0);
    ck_assert_int_eq(ranges[1].start, 0);
    ck_assert_int_eq(ranges[1].end, 1);
    ck_assert_int_eq(admin_read_ranges(admin, "no-such-topic", 2, ranges, &err), ADMIN_NO_TOPIC);
    site_free(s);
}
END_TEST

START_TEST(logs_are_told_apart_and_cut)
{
    char topic[250];
    struct err err = { 0 };
    int64_t first_ms, ms;
    struct site *s = new_site();
    struct admin *admin = site_admin(s);
    ck_assert_int_eq(admin_create_topic(admin, site_topic(s, "mail", topic), 3, -1, &err), 0);
    struct admin_log logs[] = { { .partition = 2, .after_ms = -1 }, { .partition = 1, .after_ms = -1 } };
    ck_assert_int_eq(admin_read_logs(admin, topic, logs, 2, &err), 0);
    ck_assert(logs[0].start == 0 && logs[0].end == 0 && logs[0].first_after == -1);
    int64_t deadline_us = clock_mono_us() + 10 * USEC_PER_SEC;
    site_produce(s, "mail", &(struct message){ .partition = 1, .value = span_from_string("x") });
    ck_assert_int_eq(admin_read_time(admin, topic, 1, 0, &first_ms, &err), 0);
    ck_assert_int_lt(llabs(first_ms - clock_wall_us() / 1000), 60000);
    int64_t n = 1;
    do { /* until one has a later time stamp */
        ck_assert_int_lt(clock_mono_us(), deadline_us);
        site_produce(s, "mail", &(struct message){ .partition = 1, .value = span_from_string("y") });
        ck_assert_int_eq(admin_read_time(admin, topic, 1, n++, &ms, &err), 0);
    } while (ms == first_ms);
    logs[1].after_ms = first_ms;
    ck_assert_int_eq(admin_read_logs(admin, topic, logs, 2, &err), 0);
    ck_assert_int_eq(logs[1].first_after, n - 1);
    ck_assert_int_eq(logs[1].end, n);
    logs[1].after_ms = ms;
    ck_assert_int_eq(admin_read_logs(admin, topic, logs, 2, &err), 0);
    ck_assert_int_eq(logs[1].first_after, -1);

    struct admin_cut cuts[] = { { .partition = 1, .before = 1 }, { .partition = 2, .before = 0 } };
    ck_assert_int_eq(admin_delete_records(admin, topic, cuts, 2, &err), 0);
    ck_assert(cuts[0].start == 1 && cuts[1].start == 0);
    ck_assert_int_eq(admin_delete_records(admin, topic, cuts, 2, &err), 0); /* nothing more */
    ck_assert_int_eq(admin_read_time(admin, topic, 1, 0, &ms, &err), ADMIN_NOT_FOUND);
    ck_assert_int_eq(admin_read_time(admin, topic, 2, 0, &ms, &err), ADMIN_NOT_FOUND);
    cuts[0].before = 100;
    ck_assert_int_eq(admin_delete_records(admin, topic, cuts, 1, &err), ADMIN_REFUSED);
    ck_assert_int_eq(cuts[0].start, -1);
    ck_assert_int_eq(admin_delete_topic(admin, topic, &err), 0);
    ck_assert_int_eq(admin_read_logs(admin, topic, logs, 2, &err), ADMIN_NO_TOPIC);
    site_free(s);
}
END_TEST

static struct admin *with_min_insync(struct site *s, int min_insync)
{
    struct admin *admin;
    struct err err = { 0 };
    const struct admin_config config = { .brokers = site_kafka(s),
                                         .client_id = "test",
                                         .min_insync = min_insync };
    ck_assert_msg(admin_new(&admin, &config, &err) == 0, "%s", err.text);
    return admin;
}

/* Two of one copy let nobody enqueue. */
START_TEST(copies_that_there_cannot_be_are_wrong)
{
    char topic[250];
    struct err err = { 0 };
    struct admin_setting settings[ADMIN_N_SETTINGS], *last = &settings[ADMIN_N_SETTINGS - 1];
    struct site *s = new_site();
    _cleanup_(admin_free_cleanup) struct admin *two = with_min_insync(s, 2), *one = with_min_insync(s, 1);
    ck_assert_int_eq(admin_create_topic(two, site_topic(s, "mail", topic), 1, -1, &err), 0);
    ck_assert_int_eq(admin_describe_topic(two, topic, settings, &err), 0);
    ck_assert(strcmp(last->name, "min.insync.replicas") == 0 && strcmp(last->value, "2") == 0 &&
              !last->right);
    ck_assert_str_eq(last->wanted, "1");
    ck_assert_int_eq(admin_create_topic(one, site_topic(s, "post", topic), 1, -1, &err), 0);
    ck_assert_int_eq(admin_describe_topic(one, topic, settings, &err), 0);
    ck_assert(last->right);
    ck_assert_int_eq(admin_describe_topic(site_admin(s), topic, settings, &err), 0);
    ck_assert(last->right);
    site_free(s);
}
END_TEST

START_TEST(a_topic_can_be_asked_about_as_soon_as_it_is_made)
{
    char queue[16], topic[250];
    struct err err = { 0 };
    struct admin_range ranges[4];
    struct site *s = new_site();
    for (int i = 0; i < 10; i++) {
        snprintf(queue, sizeof(queue), "q%d", i);
        ck_assert_int_eq(admin_create_topic(site_admin(s), site_topic(s, queue, topic), 4, -1, &err), 0);
        int r = admin_read_ranges(site_admin(s), topic, 4, ranges, &err);
        ck_assert_msg(r == 0, "%d %s", r, err.text);
    }
    site_free(s);
}
END_TEST

SUITE_MAIN("topics", a_topic_is_made_grown_described_and_deleted, a_search_begins_at_its_time,
           ranges_of_a_real_log, logs_are_told_apart_and_cut, copies_that_there_cannot_be_are_wrong,
           a_topic_can_be_asked_about_as_soon_as_it_is_made)
