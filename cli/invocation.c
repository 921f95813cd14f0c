/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/invocation.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "libjob/config_servers.h"
#include "store/audit.h"

#define KAFKA_TIMEOUT_US (5 * USEC_PER_SEC)

static enum output_format find_format(const char *name)
{
    static const char *const names[] = {
        [OUTPUT_TABLE] = "table",
        [OUTPUT_JSON] = "json",
        [OUTPUT_JSONL] = "jsonl",
        [OUTPUT_CSV] = "csv",
    };
    for (size_t i = 0; name && i < ARRAY_SIZE(names); i++)
        if (strcmp(names[i], name) == 0)
            return (enum output_format)i;
    return OUTPUT_TABLE;
}

static struct output_style choose_style(const struct arguments *a, enum output_format format)
{
    bool terminal = isatty(STDOUT_FILENO);
    return (struct output_style){
        .format = format,
        .terminal = terminal,
        .colours = output_wants_colours(stdout),
        .no_headers = arguments_has(a, "no-headers"),
        .times = arguments_has(a, "utc")        ? MOMENT_UTC
                 : arguments_has(a, "absolute") ? MOMENT_LOCAL
                 : terminal                     ? MOMENT_RELATIVE
                                                : MOMENT_EXACT,
        .columns = arguments_get(a, "columns"),
        .sort = arguments_get(a, "sort"),
    };
}

int invocation_open(struct invocation *in, struct err *reterr)
{
    const char *format = arguments_get(&in->arguments, "output"),
               *level = arguments_get(&in->arguments, "log-level");
    enum log_level log_level = LOG_LEVEL_WARNING;
    if (level)
        log_level_parse(level, &log_level);
    log_init("jobctl", log_level);
    in->format_given = format != NULL;
    in->to = stdout;
    in->style = choose_style(&in->arguments, find_format(format));
    if (in->arguments.command && in->arguments.command->bare)
        return STATUS_DONE;
    int r = config_load(&in->config, arguments_get(&in->arguments, "config"), &config_server_rules, reterr);
    return r == 0 ? STATUS_DONE : r == CONFIG_INVALID ? STATUS_USAGE : STATUS_FAILED;
}

void invocation_close(struct invocation *in)
{
    admin_free(in->admin);
    db_free(in->db);
    config_free(in->config);
    arguments_done(&in->arguments);
    buf_done(&in->later);
}

const char *invocation_config_path(const struct invocation *in)
{
    return in->config->path ? in->config->path : CONFIG_PATH_DEFAULT;
}

/* The person at this terminal, for job.audit. */
static const char *find_actor(char *text, size_t size)
{
    char host[65] = "";
    struct passwd entry, *user = NULL;
    char strings[1024];
    if (getpwuid_r(getuid(), &entry, strings, sizeof(strings), &user) != 0)
        user = NULL;
    gethostname(host, sizeof(host) - 1);
    snprintf(text, size, "%.80s@%s", user ? user->pw_name : "?", host);
    return text;
}

int invocation_connect(struct invocation *in, struct err *reterr)
{
    char actor[160];
    struct db_options options = { .url = in->config->database.url, .name = "jobctl" };
    int r = in->db ? 0 : db_new(&in->db, &options);
    if (r)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    r = db_connect(in->db, reterr);
    if (r == 0)
        r = audit_set_actor(in->db, find_actor(actor, sizeof(actor)), reterr);
    return invocation_judge_store(in, r, reterr);
}

int invocation_prepare_kafka(struct invocation *in, struct err *reterr)
{
    if (in->admin)
        return STATUS_DONE;
    struct admin_config config = {
        .brokers = in->config->kafka.brokers,
        .client_id = "jobctl",
        .timeout_us = KAFKA_TIMEOUT_US,
        .n_properties = in->config->kafka.n_properties,
        .min_insync = in->config->kafka.min_insync,
    };
    _cleanup_free_ struct producer_property *properties =
        calloc(config.n_properties + 1, sizeof(*properties));
    if (!properties)
        return err_set(reterr, STATUS_FAILED, "out of memory");
    for (size_t i = 0; i < config.n_properties; i++)
        properties[i] = (struct producer_property){ in->config->kafka.properties[i].name,
                                                    in->config->kafka.properties[i].value };
    config.properties = properties;
    return admin_new(&in->admin, &config, reterr) == 0 ? STATUS_DONE : STATUS_USAGE;
}

/* Puts @cure behind the text that is there. Return: @status. */
static int add_cure(struct err *reterr, int status, const char *cure, const char *path)
{
    struct err was = *reterr;
    if (path)
        return err_set(reterr, status, "%.600s; %s in %s", was.text, cure, path);
    return err_set(reterr, status, "%.700s; %s", was.text, cure);
}

/* Something that the schema should have is not there. */
static bool lacks_schema(const struct store_refusal *refusal)
{
    static const char *const states[] = { "3F000", "42P01", "42883", "42703" };
    for (size_t i = 0; i < ARRAY_SIZE(states); i++)
        if (strcmp(refusal->sqlstate, states[i]) == 0)
            return true;
    return false;
}

int invocation_judge_store(const struct invocation *in, int r, struct err *reterr)
{
    switch (r) {
    case 0:
        return STATUS_DONE;
    case STORE_AWAY:
        return add_cure(reterr, STATUS_AWAY, "is it running? Otherwise set JOB_DATABASE_URL, or database.url",
                        invocation_config_path(in));
    case STORE_REFUSED:
        if (lacks_schema(db_refusal(in->db)))
            return add_cure(reterr, STATUS_FAILED,
                            "the database has no schema, or an old one: run `jobctl db migrate`", NULL);
        return STATUS_FAILED;
    default:
        return err_set(reterr, STATUS_FAILED, "%s", strerror(-r));
    }
}

int invocation_judge_kafka(const struct invocation *in, int r, struct err *reterr)
{
    switch (r) {
    case 0:
        return STATUS_DONE;
    case ADMIN_AWAY:
        return add_cure(reterr, STATUS_AWAY, "is it running? Otherwise set JOB_KAFKA, or kafka.brokers",
                        invocation_config_path(in));
    case ADMIN_NO_TOPIC:
    case ADMIN_NOT_FOUND:
        return STATUS_NOT_FOUND;
    default:
        return STATUS_FAILED;
    }
}
