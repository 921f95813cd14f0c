/* SPDX-License-Identifier: Apache-2.0 */
#include "libjob/envelope.h"

#include <stdio.h>

#include "base/clock.h"
#include "libjob/base64.h"
#include "libjob/names.h"
#include "tests/support/suite.h"

#define ID "0199c41f-0123-7211-80ee-ddccbbaa9900"
#define STAMP_MS INT64_C(1760000000000)

/* --- building messages --- */

static struct message_header text(const char *name, const char *value)
{
    return (struct message_header){ name, span_from_string(value) };
}

static struct message_header bytes(const char *name, const char *value, size_t size)
{
    return (struct message_header){ name, { value, size } };
}

static struct message message_of(const struct message_header *headers, size_t n, const char *value)
{
    return (struct message){ .topic = "job.mail",
                             .partition = 3,
                             .offset = 17,
                             .timestamp_ms = STAMP_MS,
                             .value = span_from_string(value),
                             .headers = headers,
                             .n_headers = n };
}

/* --- expectations --- */

static struct envelope accept(const struct message_header *headers, size_t n, const char *value)
{
    struct envelope e;
    struct err error = { "" };
    struct message m = message_of(headers, n, value);
    ck_assert_msg(envelope_decode(&m, &e, &error) == 0, "%s", error.text);
    return e;
}

static void refuse_message(const struct message *m, const char *rule)
{
    struct envelope e;
    struct err error = { "" };
    ck_assert_msg(envelope_decode(m, &e, &error) == ENVELOPE_MALFORMED, "accepted, but: %s", rule);
    ck_assert_str_eq(error.text, rule);
    ck_assert(!uuid_is_null(&e.id));
    ck_assert_ptr_eq(e.payload.data, m->value.data);
    ck_assert_uint_eq(e.payload.size, m->value.size);
    envelope_done(&e);
}

static void refuse(struct message_header header, const char *rule)
{
    struct message_header headers[] = { text("ce_type", "t"), header };
    struct message m = message_of(headers, 2, "{}");
    refuse_message(&m, rule);
}

static void refuse_structured(const char *value, const char *rule)
{
    struct message_header headers[] = { text("content-type", "application/cloudevents+json") };
    struct message m = message_of(headers, 1, value);
    refuse_message(&m, rule);
}

static void assert_id(const struct uuid *id, const char *expected)
{
    char got[UUID_TEXT_SIZE];
    ck_assert_str_eq(uuid_format(id, got), expected);
}

static void assert_span(struct span s, const char *expected)
{
    ck_assert_msg(span_equals(s, expected), "\"%.*s\" is not \"%s\"", (int)s.size, s.data ? s.data : "",
                  expected);
}

/* --- binary mode --- */

START_TEST(type_alone_is_enough)
{
    struct message_header headers[] = { text("ce_type", "welcome_email") };
    struct uuid derived;
    struct envelope e = accept(headers, 1, "{\"to\":1}");
    envelope_derive_id("job.mail", 3, 17, STAMP_MS, &derived);
    ck_assert(uuid_equal(&e.id, &derived));
    ck_assert(!e.id_given);
    assert_span(e.type, "welcome_email");
    assert_span(e.payload, "{\"to\":1}");
    ck_assert_ptr_null(e.content_type.data);
    ck_assert_ptr_null(e.source.data);
    ck_assert_ptr_null(e.key.data);
    ck_assert_int_eq(e.time_us, STAMP_MS * 1000);
    ck_assert_int_eq(e.attempt, 1);
    ck_assert_int_eq(e.delivery, 1);
    ck_assert_int_eq(e.max_attempts, 0);
    ck_assert_int_eq(e.timeout_us, 0);
    ck_assert_int_eq(e.expires_us, 0);
    ck_assert(!e.relayed && !e.claim && !e.reply);
    ck_assert(uuid_is_null(&e.parent));
    envelope_done(&e);
}
END_TEST

START_TEST(every_header_has_its_field)
{
    struct message_header headers[] = {
        text("ce_specversion", "1.0"),
        text("ce_id", ID),
        text("ce_type", "t"),
        text("ce_source", "/shop"),
        text("ce_time", "2025-10-09T08:53:20.000001Z"),
        text("content-type", "application/json"),
        text("ce_attempt", "3"),
        text("ce_maxattempts", "1000"),
        text("ce_timeoutms", "2592000000"),
        text("ce_expires", "2025-10-09T08:53:21Z"),
        text("ce_delivery", "7"),
        text("ce_claim", "1"),
        text("ce_reply", "1"),
        text("ce_tags", "a,b"),
        text("ce_parent", "0199c41f-0123-7211-80ee-ddccbbaa9901"),
        text("traceparent", "00-1-2-01"),
        text("tracestate", "x=y"),
        text("ce_unknown", "ignored"),
        text("mine", "kept"),
    };
    struct envelope e = accept(headers, ARRAY_SIZE(headers), "[]");
    assert_id(&e.id, ID);
    ck_assert(e.id_given);
    assert_span(e.source, "/shop");
    assert_span(e.content_type, "application/json");
    ck_assert_int_eq(e.time_us, STAMP_MS * 1000 + 1);
    ck_assert_int_eq(e.attempt, 3);
    ck_assert_int_eq(e.max_attempts, 1000);
    ck_assert_int_eq(e.timeout_us, INT64_C(30) * 86400 * USEC_PER_SEC);
    ck_assert_int_eq(e.expires_us, STAMP_MS * 1000 + USEC_PER_SEC);
    ck_assert_int_eq(e.delivery, 7);
    ck_assert(e.relayed && e.claim && e.reply);
    assert_span(e.tags, "a,b");
    assert_id(&e.parent, "0199c41f-0123-7211-80ee-ddccbbaa9901");
    assert_span(e.traceparent, "00-1-2-01");
    assert_span(e.tracestate, "x=y");
    ck_assert_ptr_null(e.owned);
    envelope_done(&e);
}
END_TEST

START_TEST(what_the_broker_sees_to_has_its_fields)
{
    struct message_header headers[] = {
        text("ce_type", "t"),
        text("ce_queue", "mail"),
        text("ce_priority", "high"),
        text("ce_runat", "2025-10-09T08:53:20.000001Z"),
        text("ce_uniquekey", "k\xc3\xa9"),
        text("ce_uniquettlms", "315576000000"),
        text("ce_debounce", "1"),
    };
    struct envelope e = accept(headers, ARRAY_SIZE(headers), "[]");
    assert_span(e.queue, "mail");
    ck_assert_int_eq(e.lane, LANE_HIGH);
    ck_assert_int_eq(e.run_at_us, STAMP_MS * 1000 + 1);
    assert_span(e.unique_key, "k\xc3\xa9");
    ck_assert_int_eq(e.unique_us, INT64_C(315576000) * USEC_PER_SEC);
    ck_assert(e.debounce);
    envelope_done(&e);
    e = accept(headers, 1, "[]");
    ck_assert_ptr_null(e.queue.data);
    ck_assert_int_eq(e.lane, LANE_NORMAL);
    ck_assert_ptr_null(e.unique_key.data);
    envelope_done(&e);
}
END_TEST

START_TEST(bad_word_for_the_broker_is_malformed)
{
    static char key[NAME_UNIQUE_MAX + 2];
    memset(key, 'k', sizeof(key) - 1);
    refuse(text("ce_queue", "later"),
           "ce_queue: not a queue ([a-z0-9][a-z0-9-]{0,62}, and neither later nor dead)");
    refuse(text("ce_priority", "normal"), "ce_priority: neither high nor low");
    refuse(text("ce_runat", "tomorrow"), "ce_runat: not an RFC 3339 time");
    refuse(text("ce_uniquekey", ""), "ce_uniquekey: empty, or longer than 512 bytes");
    refuse(text("ce_uniquekey", key), "ce_uniquekey: empty, or longer than 512 bytes");
    refuse(text("ce_uniquettlms", "315576000001"),
           "ce_uniquettlms: not a number of milliseconds from 1 to 315576000000 (10 years)");
    refuse(text("ce_debounce", "0"), "ce_debounce: only 1 is allowed");
}
END_TEST

START_TEST(specversion_is_one_point_anything)
{
    struct message_header newer[] = { text("ce_type", "t"), text("ce_specversion", "1.12") };
    envelope_done(&(struct envelope[]){ accept(newer, 2, "1") }[0]);
    refuse(text("ce_specversion", "0.3"), "ce_specversion: not 1.x");
    refuse(text("ce_specversion", "1"), "ce_specversion: not 1.x");
    refuse(text("ce_specversion", "1."), "ce_specversion: not 1.x");
    refuse(text("ce_specversion", "1.x"), "ce_specversion: not 1.x");
    refuse(text("ce_specversion", ""), "ce_specversion: not 1.x");
}
END_TEST

START_TEST(missing_or_bad_type_is_malformed)
{
    struct message m = message_of(NULL, 0, "{}");
    refuse_message(&m, "ce_type: missing");
    struct message_header bad[] = { text("ce_type", "1 2") };
    m = message_of(bad, 1, "{}");
    refuse_message(&m, "ce_type: not a job type ([A-Za-z][A-Za-z0-9_.-]{0,127})");
    struct message_header none[] = { bytes("ce_type", NULL, 0) };
    m = message_of(none, 1, "{}");
    refuse_message(&m, "ce_type: not UTF-8 text");
}
END_TEST

START_TEST(bad_id_is_malformed)
{
    refuse(text("ce_id", "42"), "ce_id: not a UUID");
    refuse(text("ce_id", ""), "ce_id: not a UUID");
    refuse(text("ce_id", ID "0"), "ce_id: not a UUID");
    refuse(text("ce_id", "00000000-0000-0000-0000-000000000000"), "ce_id: not a UUID");
    refuse(text("ce_parent", "x"), "ce_parent: not a UUID");
}
END_TEST

START_TEST(bad_number_is_malformed)
{
    static const char *const bad[] = {
        "", "0", "-1", "+1", "1.0", "1 ", " 1", "0x1", "1e3", "1000000001", "99999999999999999999"
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        refuse(text("ce_attempt", bad[i]), "ce_attempt: not a number from 1 to 1000000000");
        refuse(text("ce_delivery", bad[i]), "ce_delivery: not a number from 1 to 1000000000");
        refuse(text("ce_maxattempts", bad[i]), "ce_maxattempts: not a number from 1 to 1000");
    }
    refuse(text("ce_maxattempts", "1001"), "ce_maxattempts: not a number from 1 to 1000");
    refuse(text("ce_timeoutms", "0"),
           "ce_timeoutms: not a number of milliseconds from 1 to 2592000000 (30 days)");
    refuse(text("ce_timeoutms", "2592000001"),
           "ce_timeoutms: not a number of milliseconds from 1 to 2592000000 (30 days)");
}
END_TEST

START_TEST(bad_time_is_malformed)
{
    static const char *const bad[] = { "", "now", "2025-10-09", "2025-10-09T08:53:20",
                                       "2025-02-30T00:00:00Z" };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        refuse(text("ce_time", bad[i]), "ce_time: not an RFC 3339 time");
        refuse(text("ce_expires", bad[i]), "ce_expires: not an RFC 3339 time");
    }
}
END_TEST

START_TEST(expiry_before_1970_does_not_mean_never)
{
    struct message_header headers[] = { text("ce_type", "t"), text("ce_expires", "1970-01-01T00:00:00Z") };
    struct envelope e = accept(headers, 2, "1");
    ck_assert_int_eq(e.expires_us, 1);
    envelope_done(&e);
}
END_TEST

START_TEST(flags_are_one_or_absent)
{
    refuse(text("ce_claim", "0"), "ce_claim: only 1 is allowed");
    refuse(text("ce_claim", "true"), "ce_claim: only 1 is allowed");
    refuse(text("ce_reply", ""), "ce_reply: only 1 is allowed");
}
END_TEST

START_TEST(job_header_that_is_no_text_is_malformed)
{
    refuse(bytes("ce_source", "\xff", 1), "ce_source: not UTF-8 text");
    refuse(bytes("ce_tags", "a\0b", 3), "ce_tags: not UTF-8 text");
    refuse(bytes("ce_time", NULL, 0), "ce_time: not UTF-8 text");
    refuse(bytes("content-type", "\xff", 1), "content-type: not UTF-8 text");
    refuse(text("\xff", "x"), "header name is not UTF-8 text");
}
END_TEST

START_TEST(job_header_may_occur_once)
{
    refuse(text("ce_type", "t"), "ce_type: occurs twice");
    struct message_header twice[] = { text("ce_type", "t"), text("ce_attempt", "1"),
                                      text("ce_attempt", "1") };
    struct message m = message_of(twice, 3, "1");
    refuse_message(&m, "ce_attempt: occurs twice");
}
END_TEST

START_TEST(foreign_headers_may_be_anything)
{
    struct message_header headers[] = {
        text("ce_type", "t"),   bytes("binary", "\xff\0\x01", 3),
        bytes("none", NULL, 0), text("twice", "1"),
        text("twice", "2"),     text("", "empty name"),
        text("ce_", "x"),       text("ce_future", "\xff"),
    };
    struct envelope e = accept(headers, ARRAY_SIZE(headers), "1");
    envelope_done(&e);
}
END_TEST

START_TEST(broken_trace_is_left_out)
{
    struct message_header headers[] = { text("ce_type", "t"), bytes("traceparent", "\xff", 1),
                                        bytes("tracestate", NULL, 0) };
    struct envelope e = accept(headers, 3, "1");
    ck_assert_ptr_null(e.traceparent.data);
    ck_assert_ptr_null(e.tracestate.data);
    envelope_done(&e);
}
END_TEST

START_TEST(last_trace_header_counts)
{
    struct message_header headers[] = { text("ce_type", "t"), text("ce_traceparent", "ce"),
                                        text("traceparent", "a"), text("traceparent", "b") };
    struct envelope e = accept(headers, 4, "1");
    assert_span(e.traceparent, "b");
    e = accept(headers, 2, "1");
    assert_span(e.traceparent, "ce");
}
END_TEST

START_TEST(payload_must_be_what_its_content_type_says)
{
    struct message_header plain[] = { text("ce_type", "t"), text("content-type", "text/plain") };
    struct message_header vendor[] = { text("ce_type", "t"), text("content-type", "application/vnd.x+json") };
    struct message_header empty[] = { text("ce_type", "t"), text("content-type", "") };
    accept(plain, 2, "no JSON");
    struct message m = message_of(plain, 1, "{\"a\":}");
    refuse_message(&m, "payload: not JSON at byte 5");
    m = message_of(vendor, 2, "[1,]");
    refuse_message(&m, "payload: not JSON at byte 3");
    m = message_of(empty, 2, "x");
    refuse_message(&m, "payload: not JSON at byte 0");
}
END_TEST

START_TEST(empty_value_is_no_payload)
{
    struct message_header headers[] = { text("ce_type", "t") };
    struct envelope e = accept(headers, 1, NULL);
    ck_assert_ptr_null(e.payload.data);
    e = accept(headers, 1, "");
    ck_assert_uint_eq(e.payload.size, 0);
}
END_TEST

START_TEST(too_many_headers_are_malformed)
{
    struct message_header headers[MESSAGE_MAX_HEADERS + 1];
    for (size_t i = 0; i <= MESSAGE_MAX_HEADERS; i++)
        headers[i] = text("x", "y");
    headers[0] = text("ce_type", "t");
    envelope_done(&(struct envelope[]){ accept(headers, ENVELOPE_MAX_HEADERS, "1") }[0]);
    struct message m = message_of(headers, ENVELOPE_MAX_HEADERS + 1, "1");
    refuse_message(&m, "more than 66 headers");
    headers[1] = text("ce_delivery", "2"); /* the relay's own may have more: it has added its own already */
    envelope_done(&(struct envelope[]){ accept(headers, MESSAGE_MAX_HEADERS, "1") }[0]);
    m = message_of(headers, MESSAGE_MAX_HEADERS + 1, "1");
    refuse_message(&m, "more than 72 headers");
    struct envelope e;
    ck_assert_int_eq(envelope_decode(&m, &e, NULL), ENVELOPE_MALFORMED);
    assert_span(e.type, "t");
}
END_TEST

/* The relay adds its own headers to a message: these must not push it over the limit. */
START_TEST(limit_is_for_payload_key_and_lasting_headers)
{
    static char large[NAME_MESSAGE_MAX + 1];
    memset(large, '1', sizeof(large));
    struct message_header headers[] = { text("ce_type", "t"),          text("ce_id", ID),
                                        text("ce_attempt", "2"),       text("ce_delivery", "2"),
                                        text("ce_specversion", "1.0"), text("ce_crashes", "1"),
                                        text("ce_keyseq", "1"),        text("x", "12") };
    struct envelope e;
    struct message m = message_of(headers, 8, NULL);
    m.key = (struct span){ "key", 3 };
    m.value = (struct span){ large, NAME_MESSAGE_MAX - 6 };
    ck_assert_int_eq(envelope_decode(&m, &e, NULL), 0);
    m.value.size++;
    refuse_message(&m, "oversize: 1048577 bytes, 1048576 are allowed");
}
END_TEST

START_TEST(malformed_message_still_tells_id_and_type)
{
    struct message_header headers[] = { text("ce_attempt", "x"), text("ce_delivery", "y"), text("ce_id", ID),
                                        text("ce_type", "t") };
    struct envelope e;
    struct err error;
    struct message m = message_of(headers, 4, "{");
    ck_assert_int_eq(envelope_decode(&m, &e, &error), ENVELOPE_MALFORMED);
    ck_assert_str_eq(error.text, "ce_attempt: not a number from 1 to 1000000000");
    assert_id(&e.id, ID);
    assert_span(e.type, "t");
    ck_assert_int_eq(e.attempt, 1);
    ck_assert_int_eq(envelope_decode(&m, &e, NULL), ENVELOPE_MALFORMED);
}
END_TEST

START_TEST(derived_id_is_stable_and_differs_by_place)
{
    struct uuid a, b;
    envelope_derive_id("job.mail", 3, 17, STAMP_MS, &a);
    assert_id(&a, "0199c82c-c000-7b78-b761-a555bf1bcb4c");
    ck_assert_int_eq(uuid_time_ms(&a), STAMP_MS);
    envelope_derive_id("job.mail", 3, 18, STAMP_MS, &b);
    ck_assert(!uuid_equal(&a, &b));
    envelope_derive_id("job.mail", 4, 17, STAMP_MS, &b);
    ck_assert(!uuid_equal(&a, &b));
    envelope_derive_id("job.mail2", 3, 17, STAMP_MS, &b);
    ck_assert(!uuid_equal(&a, &b));
    envelope_derive_id("job.mail", 3, 17, -1, &b);
    ck_assert_int_eq(uuid_time_ms(&b), 0);
}
END_TEST

/* --- structured mode --- */

static struct envelope accept_structured(const char *value)
{
    struct message_header headers[] = { text("content-type", "application/cloudevents+json; charset=UTF-8") };
    return accept(headers, 1, value);
}

START_TEST(structured_event_gives_the_same_fields)
{
    struct envelope e = accept_structured(
        " {\"specversion\":\"1.0\", \"id\":\"" ID "\",\"type\":\"t\",\"source\":\"/\\u0073hop\","
        "\"time\":\"2025-10-09T08:53:20Z\",\"datacontenttype\":\"application\\/json\",\"attempt\":3,\"maxattempts\":\"9\","
        "\"timeoutms\":1500,\"expires\":\"2025-10-09T08:53:21Z\",\"claim\":\"1\",\"reply\":1,\"tags\":\"a\","
        "\"delivery\":2,\"parent\":\"" ID
        "\",\"traceparent\":\"00-1\",\"tracestate\":\"x=y\",\"subject\":{\"odd\":[\"}\"]},"
        "\"dataschema\":null,\"data\" : {\"big\":12345678901234567890, \"s\":\"]}\\\"\"} }\n");
    assert_id(&e.id, ID);
    assert_span(e.type, "t");
    assert_span(e.source, "/shop");
    assert_span(e.content_type, "application/json");
    assert_span(e.payload, "{\"big\":12345678901234567890, \"s\":\"]}\\\"\"}");
    ck_assert_int_eq(e.time_us, STAMP_MS * 1000);
    ck_assert_int_eq(e.attempt, 3);
    ck_assert_int_eq(e.max_attempts, 9);
    ck_assert_int_eq(e.timeout_us, 1500000);
    ck_assert_int_eq(e.delivery, 2);
    ck_assert(e.claim && e.reply && e.relayed);
    assert_span(e.tags, "a");
    assert_span(e.traceparent, "00-1");
    assert_span(e.tracestate, "x=y");
    envelope_done(&e);
}
END_TEST

START_TEST(structured_data_of_each_kind)
{
    struct envelope e = accept_structured("{\"type\":\"t\"}");
    ck_assert_ptr_null(e.payload.data);
    envelope_done(&e);
    e = accept_structured("{\"type\":\"t\",\"data\":null}");
    assert_span(e.payload, "null");
    envelope_done(&e);
    e = accept_structured("{\"type\":\"t\",\"data\":\"json string\"}");
    assert_span(e.payload, "\"json string\"");
    envelope_done(&e);
    e = accept_structured("{\"type\":\"t\",\"datacontenttype\":\"text/plain\",\"data\":\"a\\nb\"}");
    assert_span(e.payload, "a\nb");
    envelope_done(&e);
    e = accept_structured("{\"type\":\"t\",\"datacontenttype\":\"image/png\",\"data_base64\":\"/wAB\"}");
    ck_assert_uint_eq(e.payload.size, 3);
    ck_assert_mem_eq(e.payload.data, "\xff\0\x01", 3);
    envelope_done(&e);
    e = accept_structured("{\"type\":\"t\",\"data_base64\":\"eyJhIjoxfQ==\"}");
    assert_span(e.payload, "{\"a\":1}");
    envelope_done(&e);
}
END_TEST

START_TEST(structured_faults_are_named)
{
    refuse_structured("", "value: not JSON at byte 0");
    refuse_structured("{\"type\":\"t\"", "value: not JSON at byte 11");
    refuse_structured("[]", "value: not a JSON object");
    refuse_structured("{}", "ce_type: missing");
    refuse_structured("{\"type\":null}", "ce_type: missing");
    refuse_structured("{\"type\":{}}", "ce_type: not a string");
    refuse_structured("{\"type\":\"t\",\"type\":\"u\"}", "ce_type: occurs twice");
    refuse_structured("{\"type\":\"t\",\"source\":\"\\ud800\"}", "ce_source: not a string");
    refuse_structured("{\"type\":\"t\",\"source\":\"\\u0000\"}", "ce_source: not UTF-8 text");
    refuse_structured("{\"type\":\"t\",\"id\":\"x\"}", "ce_id: not a UUID");
    refuse_structured("{\"type\":\"t\",\"attempt\":-1}", "ce_attempt: not a number from 1 to 1000000000");
    refuse_structured("{\"type\":\"t\",\"claim\":true}", "ce_claim: only 1 is allowed");
    refuse_structured("{\"type\":\"t\",\"datacontenttype\":[]}", "datacontenttype: not a string");
    refuse_structured("{\"type\":\"t\",\"data\":1,\"data_base64\":\"\"}",
                      "data and data_base64 exclude each other");
    refuse_structured("{\"type\":\"t\",\"data_base64\":1}", "data_base64: not a string");
    refuse_structured("{\"type\":\"t\",\"data_base64\":\"a\"}", "data_base64: not base64");
    refuse_structured("{\"type\":\"t\",\"data_base64\":\"e30x\"}", "payload: not JSON at byte 2");
}
END_TEST

START_TEST(headers_override_a_structured_event)
{
    struct message_header headers[] = { text("ce_delivery", "4"),
                                        text("content-type", "application/cloudevents+json"),
                                        text("ce_attempt", "2"), text("ce_id", ID), text("ce_type", "t") };
    struct envelope e = accept(headers, 5, "{\"type\":\"t\",\"attempt\":1,\"tags\":\"x\",\"data\":[1]}");
    ck_assert_int_eq(e.attempt, 2);
    ck_assert_int_eq(e.delivery, 4);
    assert_id(&e.id, ID);
    assert_span(e.tags, "x");
    assert_span(e.payload, "[1]");
    envelope_done(&e);
}
END_TEST

START_TEST(structured_fault_still_tells_the_type)
{
    struct message_header headers[] = { text("content-type", "application/cloudevents+json") };
    struct message m = message_of(headers, 1, "{\"attempt\":\"x\",\"id\":\"" ID "\",\"type\":\"t\"}");
    struct envelope e;
    ck_assert_int_eq(envelope_decode(&m, &e, NULL), ENVELOPE_MALFORMED);
    assert_id(&e.id, ID);
    assert_span(e.type, "t");
    envelope_done(&e);
}
END_TEST

/* --- headers as JSON --- */

static void assert_json(const struct message_header *headers, size_t n, bool skip_job, const char *expected)
{
    _cleanup_buf_ struct buf json = { 0 };
    envelope_headers_to_json(headers, n, skip_job, &json);
    ck_assert_str_eq(json.data, expected);
}

START_TEST(json_holds_every_kind_of_value)
{
    struct message_header headers[] = {
        text("a", "x\"\\\n\x01\xc3\xa4"),
        bytes("b", "\xff\0", 2),
        bytes("c", NULL, 0),
        bytes("d", "", 0),
        bytes("e\"", "1", 1),
        text("a", "2"),
        bytes("a", NULL, 0),
        bytes("z", "a\0b", 3),
    };
    assert_json(
        headers, ARRAY_SIZE(headers), false,
        "{\"a\":[\"x\\\"\\\\\\u000a\\u0001\xc3\xa4\",\"2\",null],\"b\":{\"base64\":\"/wA=\"},\"c\":null,\"d\":\"\","
        "\"e\\\"\":\"1\",\"z\":{\"base64\":\"YQBi\"}}");
    assert_json(NULL, 0, true, "{}");
}
END_TEST

START_TEST(json_leaves_out_what_has_a_column)
{
    struct message_header headers[] = { text("ce_id", ID),       text("ce_type", "t"),
                                        text("ce_attempt", "1"), text("ce_delivery", "1"),
                                        text("ce_claim", "1"),   text("ce_specversion", "1.0"),
                                        text("ce_source", "/s"), text("ce_reply", "1") };
    assert_json(headers, ARRAY_SIZE(headers), true, "{\"ce_source\":\"/s\",\"ce_reply\":\"1\"}");
    assert_json(headers, 2, false, "{\"ce_id\":\"" ID "\",\"ce_type\":\"t\"}");
}
END_TEST

START_TEST(json_of_a_broken_name_is_text)
{
    struct message_header headers[] = { text("\xff", "x") };
    assert_json(headers, 1, false, "{\"\xef\xbf\xbd\":\"x\"}");
}
END_TEST

/* --- and back --- */

static struct envelope_relay relay_of(const char *json)
{
    struct envelope_relay r = { .type = "t", .attempt = 2, .delivery = 3, .headers_json = json };
    ck_assert_int_eq(uuid_parse(ID, 36, &r.id), 0);
    return r;
}

static const struct message_header *find(const struct message_header *headers, size_t n, const char *name,
                                         size_t nth)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(headers[i].name, name) == 0 && nth-- == 0)
            return &headers[i];
    ck_abort_msg("no header \"%s\"", name);
}

START_TEST(headers_survive_the_way_through_json)
{
    struct message_header before[] = {
        text("content-type", "application/json"),
        text("ce_source", "/s"),
        text("twice", "1"),
        bytes("twice", "\xff\0", 2),
        bytes("twice", NULL, 0),
        bytes("empty", "", 0),
        text("\xc3\xa4\"", "\xc3\xb6\n\""),
        text("", "no name"),
        text("ce_future", "x"),
        text("ce_id", "old"),
        text("ce_claim", "1"),
    };
    struct message_header after[MESSAGE_MAX_HEADERS];
    _cleanup_buf_ struct buf json = { 0 }, storage = { 0 };
    size_t n = 0;
    envelope_headers_to_json(before, ARRAY_SIZE(before), true, &json);
    struct envelope_relay r = relay_of(json.data);
    ck_assert_int_eq(envelope_relay_headers(&r, &storage, after, &n, NULL), 0);
    ck_assert_uint_eq(n, 5 + 9);
    assert_span(find(after, n, "ce_specversion", 0)->value, "1.0");
    assert_span(find(after, n, "ce_id", 0)->value, ID);
    assert_span(find(after, n, "ce_type", 0)->value, "t");
    assert_span(find(after, n, "ce_attempt", 0)->value, "2");
    assert_span(find(after, n, "ce_delivery", 0)->value, "3");
    size_t seen = 0;
    for (size_t i = 0; i < 9; i++) {
        seen = i > 0 && strcmp(before[i].name, before[i - 1].name) == 0 ? seen + 1 : 0;
        const struct message_header *h = find(after, n, before[i].name, seen);
        ck_assert_uint_eq(h->value.size, before[i].value.size);
        ck_assert((h->value.data == NULL) == (before[i].value.data == NULL));
        ck_assert_mem_eq(h->value.data ? h->value.data : "", before[i].value.data ? before[i].value.data : "",
                         h->value.size);
    }
}
END_TEST

/* What waits in PostgreSQL is the raw value and the headers; the attributes in the value must not be lost. */
START_TEST(structured_message_survives_a_retry)
{
    struct message_header first[] = { text("content-type", "application/cloudevents+json") };
    struct message_header again[MESSAGE_MAX_HEADERS];
    _cleanup_buf_ struct buf json = { 0 }, storage = { 0 };
    struct message m = message_of(first, 1, "{\"type\":\"t\",\"tags\":\"x\",\"maxattempts\":5,\"data\":[1]}");
    struct envelope e;
    envelope_headers_to_json(first, 1, true, &json);
    struct envelope_relay r = relay_of(json.data);
    ck_assert_int_eq(envelope_relay_headers(&r, &storage, again, &m.n_headers, NULL), 0);
    m.headers = again;
    ck_assert_int_eq(envelope_decode(&m, &e, NULL), 0);
    assert_id(&e.id, ID);
    assert_span(e.tags, "x");
    assert_span(e.payload, "[1]");
    ck_assert_int_eq(e.attempt, 2);
    ck_assert_int_eq(e.delivery, 3);
    ck_assert_int_eq(e.max_attempts, 5);
    envelope_done(&e);
}
END_TEST

START_TEST(first_attempt_is_not_written)
{
    struct message_header headers[MESSAGE_MAX_HEADERS];
    _cleanup_buf_ struct buf storage = { 0 };
    size_t n = 0;
    struct envelope_relay r = relay_of("{}");
    r.attempt = 1;
    ck_assert_int_eq(envelope_relay_headers(&r, &storage, headers, &n, NULL), 0);
    ck_assert_uint_eq(n, 4);
    struct message m = message_of(headers, n, "{}");
    struct envelope e;
    ck_assert_int_eq(envelope_decode(&m, &e, NULL), 0);
    ck_assert(e.relayed);
    ck_assert_int_eq(e.attempt, 1);
    ck_assert_int_eq(e.delivery, 3);
}
END_TEST

START_TEST(columns_in_the_json_do_not_count)
{
    struct message_header headers[MESSAGE_MAX_HEADERS];
    _cleanup_buf_ struct buf storage = { 0 };
    size_t n = 0;
    struct envelope_relay r =
        relay_of("{\"ce_type\":\"forged\",\"ce_delivery\":\"9\",\"ce_claim\":\"1\",\"ce_attempt\":\"9\"}");
    ck_assert_int_eq(envelope_relay_headers(&r, &storage, headers, &n, NULL), 0);
    ck_assert_uint_eq(n, 5);
}
END_TEST

START_TEST(broken_json_of_headers_is_malformed)
{
    static const struct {
        const char *json, *text;
    } cases[] = {
        { "", "headers: '[' or '{' expected near end of file" },
        { "[]", "headers: not a JSON object" },
        { "{\"a\":1}", "headers: \"a\" is neither string, null nor base64" },
        { "{\"a\":{}}", "headers: \"a\" is neither string, null nor base64" },
        { "{\"a\":[[]]}", "headers: \"a\" is neither string, null nor base64" },
        { "{\"a\":{\"base64\":\"a\"}}", "headers: \"a\" is not base64" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct message_header headers[MESSAGE_MAX_HEADERS];
        _cleanup_buf_ struct buf storage = { 0 };
        struct err error = { "" };
        size_t n = 0;
        struct envelope_relay r = relay_of(cases[i].json);
        ck_assert_int_eq(envelope_relay_headers(&r, &storage, headers, &n, &error), ENVELOPE_MALFORMED);
        ck_assert_str_eq(error.text, cases[i].text);
    }
}
END_TEST

START_TEST(too_many_headers_in_the_json_are_malformed)
{
    struct message_header headers[MESSAGE_MAX_HEADERS];
    _cleanup_buf_ struct buf storage = { 0 }, json = { 0 };
    struct err error = { "" };
    size_t n = 0;
    buf_append_string(&json, "{\"x\":[\"\"");
    for (int i = 0; i < 66; i++)
        buf_append_string(&json, ",\"\"");
    buf_append_string(&json, "]}");
    struct envelope_relay r = relay_of(json.data);
    ck_assert_int_eq(envelope_relay_headers(&r, &storage, headers, &n, &error), 0);
    ck_assert_uint_eq(n, MESSAGE_MAX_HEADERS);
    json.data[json.size - 2] = ',';
    json.size--;
    buf_append_string(&json, "\"\"]}");
    r.headers_json = json.data;
    ck_assert_int_eq(envelope_relay_headers(&r, &storage, headers, &n, &error), ENVELOPE_MALFORMED);
    ck_assert_str_eq(error.text, "more than 72 headers");
}
END_TEST

START_TEST(base64_reads_back_at_every_length)
{
    char in[64], out[64];
    for (size_t size = 0; size < sizeof(in); size++) {
        _cleanup_buf_ struct buf b = { 0 };
        size_t n;
        for (size_t i = 0; i < size; i++)
            in[i] = (char)(i * 37 + size);
        base64_append(&b, in, size);
        ck_assert_int_eq(base64_decode(b.data ? b.data : "", b.size, out, &n), 0);
        ck_assert_uint_eq(n, size);
        ck_assert_mem_eq(in, out, size);
    }
    static const char *const broken[] = {
        "a", "ab", "abc", "a===", "====", "ab=c", "a b=", "ab\xff=", "=abc"
    };
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        size_t n;
        ck_assert_msg(base64_decode(broken[i], strlen(broken[i]), out, &n) == 1, "%s", broken[i]);
    }
}
END_TEST

SUITE_MAIN("envelope", type_alone_is_enough, every_header_has_its_field,
           what_the_broker_sees_to_has_its_fields, bad_word_for_the_broker_is_malformed,
           specversion_is_one_point_anything, missing_or_bad_type_is_malformed, bad_id_is_malformed,
           bad_number_is_malformed, bad_time_is_malformed, expiry_before_1970_does_not_mean_never,
           flags_are_one_or_absent, job_header_that_is_no_text_is_malformed, job_header_may_occur_once,
           foreign_headers_may_be_anything, broken_trace_is_left_out, last_trace_header_counts,
           payload_must_be_what_its_content_type_says, empty_value_is_no_payload,
           too_many_headers_are_malformed, limit_is_for_payload_key_and_lasting_headers,
           malformed_message_still_tells_id_and_type, derived_id_is_stable_and_differs_by_place,
           structured_event_gives_the_same_fields, structured_data_of_each_kind, structured_faults_are_named,
           headers_override_a_structured_event, structured_fault_still_tells_the_type,
           json_holds_every_kind_of_value, json_leaves_out_what_has_a_column, json_of_a_broken_name_is_text,
           headers_survive_the_way_through_json, structured_message_survives_a_retry,
           first_attempt_is_not_written, columns_in_the_json_do_not_count,
           broken_json_of_headers_is_malformed, too_many_headers_in_the_json_are_malformed,
           base64_reads_back_at_every_length)
