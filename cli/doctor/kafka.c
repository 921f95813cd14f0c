/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of Kafka as a cluster: is it there, and in which versions do we speak? */
#include <stdio.h>
#include <string.h>

#include "cli/doctor/doctor.h"
#include "libjob/include/job.h"

/* What a connection has failed by, when it is not that nobody is there. */
static const struct {
    const char *sign;
    const char *meaning, *cure;
} refusals[] = {
    { "SASL", "Kafka runs; this user is not let in, or not in this way.",
      "correct sasl.mechanism, sasl.username and sasl.password in kafka.properties" },
    { "uthentication", "Kafka runs; this user is not let in, or not in this way.",
      "correct sasl.mechanism, sasl.username and sasl.password in kafka.properties" },
    { "SSL", "This program and Kafka do not agree on TLS.",
      "correct security.protocol, ssl.ca.location and the port in kafka.brokers" },
    { "ertificate", "This program and Kafka do not agree on TLS.",
      "correct security.protocol, ssl.ca.location and the port in kafka.brokers" },
    { "resolve", "The name of a Kafka broker cannot be resolved.",
      "correct kafka.brokers or JOB_KAFKA, Kafka's advertised.listeners, or the resolver (getent hosts NAME)" },
};

static void say_away(struct doctor *d, const struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
        if (strstr(err->text, refusals[i].sign)) {
            doctor_problem(d, NULL, refusals[i].meaning, refusals[i].cure, "%.450s", err->text);
            return;
        }
    doctor_problem(d, NULL, "No job can be enqueued or started; those that run are recorded.",
                   doctor_format(d, "start Kafka, or set JOB_KAFKA or kafka.brokers in %.400s",
                                 invocation_config_path(d->in)),
                   "%.450s", err->text);
}

static void check_kafka(struct doctor *d)
{
    struct err err = { 0 };
    char prefix[NAME_TOPIC_MAX + 2];
    struct admin_cluster cluster = { 0 };
    if (admin_describe_cluster(d->in->admin, &cluster, &err)) {
        say_away(d, &err);
        return;
    }
    snprintf(prefix, sizeof(prefix), "%s.", d->in->config->prefix);
    if (!doctor_judge_kafka(d, NULL, admin_list_topics(d->in->admin, prefix, &d->topics, &err), &err))
        return;
    d->have |= NEED_KAFKA;
    if (cluster.controller < 0)
        doctor_problem(d, NULL, "Topics cannot be made, and partitions of a broker that dies get no leader.",
                       "look at the logs of Kafka's controllers; most of them must run", "no controller");
    doctor_well(d, NULL, "%s answers, brokers: %d%s%s", d->in->config->kafka.brokers, (int)cluster.n_brokers,
                cluster.version[0] ? ", version " : "", cluster.version);
}

static void check_versions(struct doctor *d)
{
    doctor_well(d, NULL, "jobctl %s, librdkafka %s, libpq %s; those of running daemons are not published",
                job_version(), admin_library_version(), db_library_version());
}

static void check_disk(struct doctor *d)
{
    doctor_unknown(
        d, NULL,
        "librdkafka does not ask for the sizes of log directories; kafka-log-dirs.sh --describe does");
}

const struct doctor_check doctor_kafka[] = {
    { "kafka", 0, check_kafka },
    { "versions", 0, check_versions },
    { "kafka disk", NEED_KAFKA, check_disk },
    { 0 },
};
