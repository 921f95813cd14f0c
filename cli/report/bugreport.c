/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report/bugreport.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/option.h"
#include "base/timefmt.h"
#include "cli/doctor/program.h"
#include "cli/report/tar.h"
#include "libjob/include/job.h"
#include "store/summary.h"

#define ARCHIVE_MAX (64 * 1024 * 1024)
#define MEMBER_MAX (8 * 1024 * 1024)
#define JOURNAL_LINES "1000"
#define JOURNAL_TIMEOUT_US (5 * USEC_PER_SEC)
#define FOLDER "bugreport/"

/* --- What must not be in it --- */

static void know_properties(struct mask *m, const struct config_kafka *kafka)
{
    for (size_t i = 0; i < kafka->n_properties; i++)
        if (mask_is_secret_name(kafka->properties[i].name))
            mask_add(m, kafka->properties[i].value);
}

static void know_environment(struct mask *m)
{
    for (char **at = environ; at && *at; at++) {
        char name[128];
        const char *value = strchr(*at, '=');
        if (!value)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(value - *at), *at);
        if (mask_is_secret_name(name) && strcmp(name, "PWD") != 0 && strcmp(name, "OLDPWD") != 0)
            mask_add(m, value + 1);
    }
}

static void know_secrets(struct bugreport *b)
{
    char password[512];
    const struct job_config *config = b->in->config;
    if (db_find_password(config->database.url, password, sizeof(password)))
        mask_add(&b->mask, password);
    explicit_bzero(password, sizeof(password));
    for (size_t i = 0; i < config->n_handlers; i++)
        mask_add_words(&b->mask, config->handlers[i].secret);
    know_properties(&b->mask, &config->kafka);
    know_environment(&b->mask);
}

/* --- Members --- */

static void write_doctor(struct bugreport *b, struct buf *out)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    const struct output_style style = { .format = OUTPUT_JSON };
    if (!to) {
        out->failed = true;
        return;
    }
    int r = findings_print(&b->doctor.findings, &style, to, NULL);
    out->failed = fclose(to) != 0 || r || out->failed;
    buf_append(out, text, size);
    free(text);
}

static void append_file(struct buf *out, const char *path, size_t max)
{
    char text[4096];
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    size_t n = fread(text, 1, max < sizeof(text) ? max : sizeof(text), file);
    fclose(file);
    buf_append(out, text, n);
}

static void write_system(struct bugreport *b, struct buf *out)
{
    struct utsname u;
    char at[RFC3339_SIZE];
    buf_append_format(out, "time = %s\njobctl = %s\nlibrdkafka = %s\nlibpq = %s\n",
                      rfc3339_format(b->at_us, 3, at), job_version(), admin_library_version(),
                      db_library_version());
    if (uname(&u) == 0)
        buf_append_format(out, "kernel = %s %s %s\n", u.sysname, u.release, u.machine);
    buf_append_format(out, "cpus = %ld\nmemory_pages = %ld\npage_size = %ld\nuser = %s\n",
                      sysconf(_SC_NPROCESSORS_ONLN), sysconf(_SC_PHYS_PAGES), sysconf(_SC_PAGESIZE),
                      geteuid() == 0 ? "root" : "not root");
    buf_append_string(out, "\n# /etc/os-release\n");
    append_file(out, "/etc/os-release", 2048);
    buf_append_string(out, "\n# /proc/loadavg\n");
    append_file(out, "/proc/loadavg", 100);
    buf_append_string(out, "\n# /sys/fs/cgroup/cgroup.controllers\n");
    append_file(out, "/sys/fs/cgroup/cgroup.controllers", 200);
}

/* What an application has put into a value, and what may hold a key. */
static bool is_private(const char *key)
{
    static const char *const ends[] = { "].payload", "].key", "].value" };
    size_t size = strlen(key);
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (size > strlen(ends[i]) && strcmp(key + size - strlen(ends[i]), ends[i]) == 0)
            return true;
    const char *argv = strstr(key, ".argv["), *url = strstr(key, "].url");
    return (argv && strcmp(argv, ".argv[0]") != 0) || (url && !url[5]);
}

/* Up to the path: what is behind it may be a key, and what is before the host, too. */
static void append_origin(struct buf *out, const char *url)
{
    const char *host = strstr(url, "://");
    if (!host)
        return;
    host += 3;
    size_t size = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', size);
    const char *from = at ? at + 1 : host;
    buf_append(out, url, (size_t)(host - url));
    buf_append(out, from, size - (size_t)(from - host));
}

/* Plain ones are worth knowing: how it connects, sizes and times. */
static bool is_plain(const struct config_property *p)
{
    static const char *const shown[] = { "security.protocol", "sasl.mechanism",
                                         "sasl.mechanisms",   "compression.type",
                                         "compression.codec", "partition.assignment.strategy" };
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
        if (strcmp(p->name, shown[i]) == 0)
            return true;
    bool number = *p->value && strspn(p->value, "0123456789") == strlen(p->value);
    return !mask_is_secret_name(p->name) &&
           (number || strcmp(p->value, "true") == 0 || strcmp(p->value, "false") == 0);
}

static void write_configuration(struct bugreport *b, struct buf *out)
{
    const struct job_config *config = b->in->config;
    buf_append_format(out, "# %s; JOB_KAFKA and JOB_DATABASE_URL: %s, %s\n\n",
                      config->path ? config->path : "no file", getenv("JOB_KAFKA") ? "set" : "not set",
                      getenv("JOB_DATABASE_URL") ? "set" : "not set");
    option_print_values(&config_table, config, is_private, out);
    buf_append_string(out, "\n# Where database.url leads\n");
    db_describe_url(config->database.url, out);
    buf_append_string(out, "\n# Properties of Kafka that are plain\n");
    for (size_t i = 0; i < config->kafka.n_properties; i++)
        if (is_plain(&config->kafka.properties[i]))
            buf_append_format(out, "%s = %s\n", config->kafka.properties[i].name,
                              config->kafka.properties[i].value);
    buf_append_string(out, "\n# Where handlers' URLs lead\n");
    for (size_t i = 0; i < config->n_handlers; i++)
        if (config->handlers[i].url) {
            buf_append_format(out, "%s = ", config->handlers[i].type);
            append_origin(out, config->handlers[i].url);
            buf_append_char(out, '\n');
        }
}

/* Names only. */
static void write_environment(struct bugreport *b, struct buf *out)
{
    static const char *const prefixes[] = { "JOB_",
                                            "PG",
                                            "KAFKA_",
                                            "TZ",
                                            "LANG",
                                            "LC_",
                                            "LD_",
                                            "CREDENTIALS_DIRECTORY",
                                            "NOTIFY_SOCKET",
                                            "WATCHDOG_",
                                            "WELCOME_EMAIL_",
                                            "REPORT_",
                                            "ENCODE_" };
    (void)b;
    for (char **at = environ; at && *at; at++)
        for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
            if (strncmp(*at, prefixes[i], strlen(prefixes[i])) == 0) {
                buf_append_format(out, "%.*s\n", (int)strcspn(*at, "="), *at);
                break;
            }
}

/* --- Kafka --- */

static void append_settings(struct bugreport *b, struct buf *out, const char *topic)
{
    struct admin_setting settings[ADMIN_N_SETTINGS];
    if (!(b->doctor.have & NEED_KAFKA) || clock_mono_us() - b->doctor.began_us > 2 * DOCTOR_TIME_US ||
        admin_describe_topic(b->in->admin, topic, settings, NULL))
        return;
    for (size_t i = 0; i < ADMIN_N_SETTINGS; i++)
        buf_append_format(out, "    %s = %s\n", settings[i].name, settings[i].value);
}

static void write_topics(struct bugreport *b, struct buf *out)
{
    for (size_t i = 0; i < b->doctor.topics.n; i++) {
        const struct admin_topic *t = &b->doctor.topics.topics[i];
        buf_append_format(out, "%s: %d partitions, %d copies, %d without leader, %d short of copies\n",
                          t->name, (int)t->n_partitions, (int)t->replication, (int)t->n_leaderless,
                          (int)t->n_short);
        append_settings(b, out, t->name);
    }
}

static void write_group(struct bugreport *b, struct buf *out)
{
    struct admin_group g = { 0 };
    const char *group = b->in->config->worker.group;
    if (admin_describe_group(b->in->admin, group, &g, NULL))
        return;
    buf_append_format(out, "%s: %s\n", group, g.state);
    for (size_t i = 0; i < g.n_members; i++) {
        buf_append_format(out, "%s at %s:", g.members[i].client_id, g.members[i].host);
        for (size_t k = 0; k < g.members[i].n; k++) {
            const struct admin_place *p = &g.places[g.members[i].first + k];
            buf_append_format(out, " %s[%d]", p->topic, (int)p->partition);
        }
        buf_append_char(out, '\n');
    }
    admin_group_done(&g);
}

static void write_logs(struct bugreport *b, struct buf *out)
{
    const struct logs *logs = b->doctor.logs_read ? &b->doctor.logs : NULL;
    for (size_t i = 0; logs && i < logs->n; i++) {
        const struct log_row *row = &logs->list[i];
        buf_append_format(out, "%s[%d]: log %lld to %lld, cursor at %lld%s%s\n", row->place.topic,
                          (int)row->place.partition, (long long)row->log.start, (long long)row->log.end,
                          (long long)row->place.next_offset, row->is_there ? "" : ", not there",
                          log_row_stands(row) ? ", stands" : "");
    }
}

/* --- The journal --- */

/* Lines of jobs begin so, as daemons write them: what a handler prints is the application's. */
static bool is_of_a_job(const char *line, size_t size)
{
    const char *message = memmem(line, size, "]: ", 3);
    if (!message)
        return false;
    message += 3;
    if (strncmp(message, "job ", 4) == 0)
        return true;
    return strncmp(message, "executor ", 9) == 0 && isdigit((unsigned char)message[9]) &&
           message[9 + strspn(message + 9, "0123456789")] == ':';
}

static void write_journal(struct bugreport *b, struct buf *out)
{
    static const char *const argv[] = { "journalctl",
                                        "--no-pager",
                                        "--output=short-iso",
                                        "--lines=" JOURNAL_LINES,
                                        "--unit=jobbrokerd*",
                                        "--unit=jobworkerd*",
                                        NULL };
    _cleanup_buf_ struct buf text = { .max = MEMBER_MAX };
    size_t n_left_out = 0;
    (void)b;
    if (program_read(argv, JOURNAL_TIMEOUT_US, &text) != 0 || !text.data)
        return;
    for (const char *line = text.data; *line;) {
        size_t size = strcspn(line, "\n");
        if (is_of_a_job(line, size)) {
            n_left_out++;
        } else {
            buf_append(out, line, size);
            buf_append_char(out, '\n');
        }
        line += size + (line[size] == '\n');
    }
    if (n_left_out)
        buf_append_format(out, "# %zu lines that jobs have written are left out\n", n_left_out);
}

struct member {
    const char *name, *what;
    unsigned needs;
    void (*write)(struct bugreport *b, struct buf *out);
};

static const struct member members[] = {
    { "doctor.json", "what jobctl doctor finds", 0, write_doctor },
    { "system.txt", "versions, kernel and distribution", 0, write_system },
    { "configuration.txt",
      "the configuration as it is in force, without secrets, cron payloads and arguments of commands", 0,
      write_configuration },
    { "environment.txt", "names of variables that matter, without their values", 0, write_environment },
    { "topics.txt", "the queues' topics and their settings", NEED_KAFKA, write_topics },
    { "group.txt", "the workers' consumer group", NEED_KAFKA, write_group },
    { "logs.txt", "where logs begin and end, beside the cursors", NEED_KAFKA | NEED_SCHEMA, write_logs },
    { "journal.txt", "the last " JOURNAL_LINES " lines of the units' journal, without what jobs have printed",
      0, write_journal },
};

/* --- The archive --- */

static void add_item(struct bugreport *b, const char *name, const char *what, int64_t bytes)
{
    struct bugreport_item *item = &b->items[b->n_items++];
    *item = (struct bugreport_item){ .what = what, .bytes = bytes };
    snprintf(item->name, sizeof(item->name), "%s", name);
}

static void add_text(struct bugreport *b, const char *name, const char *what, const struct buf *text)
{
    char path[80];
    _cleanup_buf_ struct buf masked = { .max = 2 * MEMBER_MAX };
    if (text->size == 0) {
        add_item(b, name, what, -1);
        return;
    }
    mask_append(&b->mask, &masked, (struct span){ text->data, text->size });
    snprintf(path, sizeof(path), FOLDER "%s", name);
    tar_add(&b->archive, path, (struct span){ masked.data, masked.size }, b->at_us / USEC_PER_SEC);
    b->archive.failed = b->archive.failed || masked.failed;
    add_item(b, name, what, (int64_t)masked.size);
}

static void add_member(struct bugreport *b, const struct member *m)
{
    _cleanup_buf_ struct buf text = { .max = MEMBER_MAX };
    if ((m->needs & ~b->doctor.have) == 0)
        m->write(b, &text);
    add_text(b, m->name, m->what, &text);
}

static void add_summary(struct bugreport *b, const struct summary *s)
{
    char name[48];
    _cleanup_buf_ struct buf text = { .max = MEMBER_MAX };
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    unsigned needs = s->needs_schema ? NEED_SCHEMA : NEED_STORE;
    snprintf(name, sizeof(name), "%s.json", s->name);
    if (b->doctor.have & needs) {
        int r = summary_read(b->in->db, s, &rows, NULL);
        if (r == 0)
            buf_append_format(&text, "%s\n", rows_text(rows, 0, 0));
        else if (r != STORE_REFUSED)
            b->doctor.have &= ~(unsigned)(NEED_STORE | NEED_SCHEMA);
    }
    add_text(b, name, s->what, &text);
}

static void add_readme(struct bugreport *b)
{
    char at[RFC3339_SIZE];
    _cleanup_buf_ struct buf text = { 0 };
    buf_append_format(
        &text,
        "Made by jobctl %s bugreport at %s.\n\nNo payloads, headers, keys, results, texts of errors or of queries, and no secrets that\n"
        "jobctl knows of are in here. It cannot know all: look through it before you send it.\n\n",
        job_version(), rfc3339_format(b->at_us, 0, at));
    for (size_t i = 0; i < b->n_items; i++)
        buf_append_format(&text, "%-20s %s%s\n", b->items[i].name, b->items[i].what,
                          b->items[i].bytes < 0 ? " (left out: it is not there, or could not be read)" : "");
    add_text(b, "README.txt", "what is in here", &text);
}

_Static_assert(sizeof(((struct bugreport *)0)->items) / sizeof(struct bugreport_item) >=
                   ARRAY_SIZE(members) + 32,
               "room for the summaries");

int bugreport_make(struct bugreport *b, struct invocation *in, struct err *reterr)
{
    *b =
        (struct bugreport){ .in = in, .doctor.in = in, .archive.max = ARCHIVE_MAX, .at_us = clock_wall_us() };
    know_secrets(b);
    int r = doctor_run(&b->doctor, reterr);
    if (r)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        add_member(b, &members[i]);
    for (const struct summary *s = summaries; s->name; s++)
        add_summary(b, s);
    add_readme(b);
    tar_end(&b->archive);
    return b->archive.failed || b->mask.failed
               ? err_set(reterr, STATUS_FAILED, "out of memory, or more than 64 MiB")
               : STATUS_DONE;
}

void bugreport_done(struct bugreport *b)
{
    mask_done(&b->mask);
    doctor_done(&b->doctor);
    buf_done(&b->archive);
}
