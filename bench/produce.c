/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each round sends the same number of messages with the same payload and the same six headers, once with librdkafka
 * alone and once with libjob; which of them goes first alternates. The clock stops when everything is acknowledged.
 *
 * The bare side does what a careful program without libjob has to do: idempotent producer, reports taken in a thread of
 * its own, and waiting when the buffer is full. It does not check the payload and makes no ids.
 */
#include "bench/produce.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bench/figures.h"
#include "libjob/include/job.h"
#include "stream/admin.h"

#define FULL_WAIT_US 500
#define FLUSH_MS 120000

struct measure {
    double per_s, cpu_us;
};

struct stopwatch {
    int64_t wall_us, cpu_us;
};

static int64_t cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * USEC_PER_SEC + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static struct stopwatch stopwatch_start(void)
{
    return (struct stopwatch){ clock_mono_us(), cpu_us() };
}

static struct measure stopwatch_stop(struct stopwatch s, int jobs)
{
    int64_t wall = clock_mono_us() - s.wall_us, cpu = cpu_us() - s.cpu_us;
    return (struct measure){ (double)jobs * 1e6 / (double)wall, (double)cpu / jobs };
}

static char *payload_new(int size)
{
    char *payload = malloc((size_t)size + 1);
    if (!payload)
        abort();
    memset(payload, 'x', (size_t)size);
    memcpy(payload, "{\"text\":\"", 9);
    memcpy(payload + size - 2, "\"}", 3);
    return payload;
}

/* --- librdkafka alone --- */

struct raw {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    pthread_t thread;
    atomic_int reported, failed;
    atomic_bool stop;
};

static void *raw_main(void *arg)
{
    struct raw *raw = arg;
    while (!atomic_load(&raw->stop)) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(raw->queue, 1000);
        const rd_kafka_message_t *m;
        if (event && rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
            while ((m = rd_kafka_event_message_next(event))) {
                atomic_fetch_add(&raw->failed, m->err != 0);
                atomic_fetch_add(&raw->reported, 1);
            }
        }
        if (event)
            rd_kafka_event_destroy(event);
    }
    return NULL;
}

static int raw_open(struct raw *raw, const char *brokers)
{
    static const char *const properties[][2] = {
        { "enable.idempotence", "true" },   { "partitioner", "murmur2_random" },     { "linger.ms", "5" },
        { "socket.nagle.disable", "true" }, { "allow.auto.create.topics", "false" }, { "log_level", "2" },
    };
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    for (size_t i = 0; i < ARRAY_SIZE(properties); i++)
        rd_kafka_conf_set(conf, properties[i][0], properties[i][1], NULL, 0);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
    raw->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (!raw->rk) {
        fprintf(stderr, "bench: %s\n", text);
        rd_kafka_conf_destroy(conf);
        return 1;
    }
    raw->queue = rd_kafka_queue_get_main(raw->rk);
    return pthread_create(&raw->thread, NULL, raw_main, raw) ? 1 : 0;
}

static void raw_close(struct raw *raw)
{
    atomic_store(&raw->stop, true);
    rd_kafka_queue_yield(raw->queue);
    pthread_join(raw->thread, NULL);
    rd_kafka_queue_destroy(raw->queue);
    rd_kafka_destroy(raw->rk);
}

static int raw_send(struct raw *raw, const char *topic, const char *payload, size_t size)
{
    for (;;) {
        rd_kafka_resp_err_t r = rd_kafka_producev(
            raw->rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)payload, size), RD_KAFKA_V_HEADER("ce_specversion", "1.0", 3),
            RD_KAFKA_V_HEADER("ce_id", "0199c41f-0123-7211-80ee-ddccbbaa9900", 36),
            RD_KAFKA_V_HEADER("ce_type", "selftest.echo", 13), RD_KAFKA_V_HEADER("ce_source", "/bench", 6),
            RD_KAFKA_V_HEADER("ce_time", "2025-10-09T08:53:20.000001Z", 27),
            RD_KAFKA_V_HEADER("content-type", "application/json", 16), RD_KAFKA_V_END);
        if (r != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            return r != RD_KAFKA_RESP_ERR_NO_ERROR;
        usleep(FULL_WAIT_US);
    }
}

static int raw_round(const struct bench_produce_options *o, const char *topic, const char *payload,
                     struct measure *ret)
{
    struct raw raw = { 0 };
    int failed = 0;
    if (raw_open(&raw, o->brokers))
        return 1;
    raw_send(&raw, topic, payload, (size_t)o->payload_size); /* connected, topic known */
    while (atomic_load(&raw.reported) < 1)
        usleep(FULL_WAIT_US);
    struct stopwatch watch = stopwatch_start();
    for (int i = 0; i < o->jobs; i++)
        failed += raw_send(&raw, topic, payload, (size_t)o->payload_size);
    while (atomic_load(&raw.reported) < o->jobs + 1 - failed)
        usleep(FULL_WAIT_US);
    *ret = stopwatch_stop(watch, o->jobs);
    failed += atomic_load(&raw.failed);
    raw_close(&raw);
    if (failed)
        fprintf(stderr, "bench: librdkafka did not deliver %d messages\n", failed);
    return failed > 0;
}

/* --- libjob --- */

static void libjob_reported(const struct job_id *id, int error, void *cookie, void *userdata)
{
    (void)id, (void)cookie;
    if (error)
        atomic_fetch_add((atomic_int *)userdata, 1);
}

static int libjob_send(struct job_client *client, const struct job_spec *spec)
{
    for (;;) {
        int r = job_enqueue(client, spec, NULL);
        if (r != JOB_E_FULL)
            return r;
        usleep(FULL_WAIT_US);
    }
}

static int libjob_round(const struct bench_produce_options *o, const char *payload, struct measure *ret)
{
    atomic_int failed = 0;
    struct job_client *client;
    const struct job_client_options options = {
        .brokers = o->brokers, .source = "/bench", .delivered = libjob_reported, .userdata = &failed
    };
    const struct job_spec spec = { .type = "selftest.echo",
                                   .queue = o->queue,
                                   .payload = payload,
                                   .payload_size = (size_t)o->payload_size };
    int r = job_client_open(&client, &options);
    if (r == 0) {
        r = job_enqueue_wait(client, &spec, NULL, 10000);
        struct stopwatch watch = stopwatch_start();
        for (int i = 0; i < o->jobs && r == 0; i++)
            r = libjob_send(client, &spec);
        if (r == 0)
            r = job_flush(client, FLUSH_MS);
        *ret = stopwatch_stop(watch, o->jobs);
        job_client_close(client, 0);
    }
    if (r || failed)
        fprintf(stderr, "bench: %s (%s), %d jobs not delivered\n", job_strerror(r), job_client_error(NULL),
                failed);
    return r || failed;
}

/* --- both --- */

static int topic_make(const struct bench_produce_options *o, const char *topic)
{
    struct err error = { "" };
    const struct admin_config config = { .brokers = o->brokers, .client_id = "bench" };
    _cleanup_(admin_free_cleanup) struct admin *admin = NULL;
    int r = admin_new(&admin, &config, &error);
    if (r == 0)
        r = admin_create_topic(admin, topic, o->partitions, -1, &error);
    if (r == 0 || r == ADMIN_EXISTS)
        return 0;
    fprintf(stderr, "bench: topic %s: %s\n", topic, error.text);
    return 1;
}

static double median(const struct measure *of, int n, size_t member)
{
    return figures_median(of, sizeof(*of), n, member);
}

static void print_result(const struct bench_produce_result *r, const struct bench_produce_options *o,
                         FILE *out)
{
    fprintf(out, "produce: %d jobs of %d bytes and 6 headers, median of %d rounds\n", o->jobs,
            o->payload_size, o->rounds);
    fprintf(out, "%-12s %12s %14s\n", "", "messages/s", "CPU us/message");
    fprintf(out, "%-12s %12.0f %14.2f\n", "librdkafka", r->raw_per_s, r->raw_cpu_us);
    fprintf(out, "%-12s %12.0f %14.2f\n", "libjob", r->libjob_per_s, r->libjob_cpu_us);
    fprintf(out, "%-12s %11.0f%% %13.0f%%\n", "libjob/raw", 100 * r->libjob_per_s / r->raw_per_s,
            100 * r->libjob_cpu_us / r->raw_cpu_us);
}

int bench_produce(const struct bench_produce_options *o, struct bench_produce_result *ret, FILE *out)
{
    struct measure raw[FIGURES_MAX_ROUNDS], libjob[FIGURES_MAX_ROUNDS];
    char topic[128];
    snprintf(topic, sizeof(topic), "job.%s", o->queue);
    if (topic_make(o, topic))
        return 1;
    char *payload __attribute__((cleanup(free_cleanup))) = payload_new(o->payload_size);
    for (int i = 0; i < o->rounds && i < FIGURES_MAX_ROUNDS; i++) {
        bool raw_first = i % 2 == 0;
        if (raw_first && raw_round(o, topic, payload, &raw[i]))
            return 1;
        if (libjob_round(o, payload, &libjob[i]))
            return 1;
        if (!raw_first && raw_round(o, topic, payload, &raw[i]))
            return 1;
    }
    *ret = (struct bench_produce_result){
        .raw_per_s = median(raw, o->rounds, offsetof(struct measure, per_s)),
        .libjob_per_s = median(libjob, o->rounds, offsetof(struct measure, per_s)),
        .raw_cpu_us = median(raw, o->rounds, offsetof(struct measure, cpu_us)),
        .libjob_cpu_us = median(libjob, o->rounds, offsetof(struct measure, cpu_us)),
    };
    if (out)
        print_result(ret, o, out);
    return 0;
}
