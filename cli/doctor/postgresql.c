/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of PostgreSQL as a server: is it there, will it do, does it keep its promises, has it room? */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "cli/doctor/doctor.h"
#include "cli/doctor/judge.h"
#include "store/health.h"

/* What a refused connection is about: PostgreSQL's code is in the text. */
static const struct {
    const char *sign;
    const char *meaning, *cure;
} refusals[] = {
    { " 28P01:", "PostgreSQL runs; user or password in database.url are wrong.",
      "correct database.url or JOB_DATABASE_URL; or ALTER ROLE … PASSWORD" },
    { " 28000:", "PostgreSQL runs, and does not let this user in from here.",
      "add a line to pg_hba.conf, or CREATE ROLE … LOGIN; then SELECT pg_reload_conf()" },
    { " 3D000:", "PostgreSQL runs, and has no such database.",
      "createdb, or correct database.url; then jobctl db migrate" },
    { " 42501:", "PostgreSQL runs; the user may not connect to this database.",
      "GRANT CONNECT ON DATABASE … TO the role of database.url" },
    { " 53300:", "PostgreSQL runs; all its connections are taken.",
      "raise max_connections, or put PgBouncer in between (session mode)" },
    { " 57P03:", "PostgreSQL is starting, stopping or recovering.", "wait; if it stays so, look at its log" },
    { "translate host name", "The name of the host in database.url cannot be resolved.",
      "correct database.url or JOB_DATABASE_URL, or the resolver (getent hosts NAME)" },
    { "SSL", "PostgreSQL and this program do not agree on TLS.",
      "correct sslmode and sslrootcert in database.url, or ssl in postgresql.conf" },
    { "authentication method", "PostgreSQL runs, and asks for a password that database.url does not have.",
      "give the password in database.url, or name its file in database.url_file" },
    { "no password supplied", "PostgreSQL runs, and asks for a password that database.url does not have.",
      "give the password in database.url, or name its file in database.url_file" },
};

static void say_away(struct doctor *d, const struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
        if (strstr(err->text, refusals[i].sign)) {
            doctor_problem(d, NULL, refusals[i].meaning, refusals[i].cure, "%.450s", err->text);
            return;
        }
    doctor_problem(d, NULL, "Nothing can be recorded: workers and brokers wait until it is back.",
                   doctor_format(d, "start PostgreSQL, or set JOB_DATABASE_URL or database.url in %.400s",
                                 invocation_config_path(d->in)),
                   "%.450s", err->text);
}

static void check_clock(struct doctor *d, int64_t server_us, int64_t before_us, int64_t after_us)
{
    int64_t ahead_us = server_us - (before_us + after_us) / 2, doubt_us = (after_us - before_us) / 2;
    if (ahead_us > -USEC_PER_SEC - doubt_us && ahead_us < USEC_PER_SEC + doubt_us)
        return;
    doctor_warning(
        d, "clock",
        "Times that programs here give (a delay, an expiry) are off by so much; due times are judged by PostgreSQL's clock.",
        "let NTP set both clocks: timedatectl set-ntp true", "PostgreSQL's clock is %.1f s %s this host's",
        (double)llabs(ahead_us) / USEC_PER_SEC, ahead_us > 0 ? "ahead of" : "behind");
}

static void check_server(struct doctor *d)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = NULL;
    struct err err = { 0 };
    if (db_connect(d->in->db, &err)) {
        say_away(d, &err);
        return;
    }
    int64_t before_us = clock_wall_us();
    if (health_check_server(d->in->db, &rows, &err)) {
        say_away(d, &err);
        return;
    }
    int64_t after_us = clock_wall_us();
    if (rows_int(rows, 0, 0) < HEALTH_SERVER_VERSION_MIN) {
        doctor_problem(d, NULL, "The schema needs PostgreSQL 15 or later.", "upgrade PostgreSQL",
                       "version %s", rows_text(rows, 0, 1));
        return;
    }
    d->have |= NEED_STORE;
    check_clock(d, rows_time_us(rows, 0, 3), before_us, after_us);
    if (!rows_bool(rows, 0, 2)) {
        d->have |= NEED_POSITION;
        doctor_well(d, NULL, "version %s", rows_text(rows, 0, 1));
    } else {
        doctor_problem(
            d, NULL, "It is a standby: nothing can be written, so workers and brokers wait.",
            "name the primary in database.url (several hosts, target_session_attrs=read-write), or promote this one: SELECT pg_promote()",
            "version %s, in recovery", rows_text(rows, 0, 1));
    }
}

/* --- Settings --- */

static const struct {
    const char *name;
    enum finding_state state;
    const char *meaning, *cure;
} settings[] = {
    { "fsync", FINDING_PROBLEM, "A crash of the host may lose recorded jobs, or the whole database.",
      "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf()" },
    { "full_page_writes", FINDING_PROBLEM, "A crash of the host may leave damaged pages.",
      "ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf()" },
    { "synchronous_commit", FINDING_PROBLEM,
      "A crash forgets the last recorded jobs and enqueued transactions: they run again, or never.",
      "ALTER SYSTEM SET synchronous_commit = on; also look for ALTER ROLE and ALTER DATABASE … SET" },
    { "autovacuum", FINDING_PROBLEM, "The hot tables grow without end, and each look at them becomes slower.",
      "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf()" },
    { "track_counts", FINDING_PROBLEM,
      "Autovacuum does not know what to do, so the hot tables grow without end.",
      "ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf()" },
};

static void check_settings(struct doctor *d)
{
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_settings);
    for (size_t i = 0; rows && i < rows_count(rows); i++)
        for (size_t k = 0; k < ARRAY_SIZE(settings); k++)
            if (strcmp(settings[k].name, rows_text(rows, i, 0)) == 0)
                doctor_problem(d, settings[k].name, settings[k].meaning, settings[k].cure, "%s",
                               rows_text(rows, i, 1));
    if (rows && rows_count(rows) == 0)
        doctor_well(d, NULL, "fsync, full_page_writes, synchronous_commit and autovacuum are on");
}

/* --- Room --- */

static void check_connections(struct doctor *d)
{
    static const char meaning[] = "When all are taken, daemons and applications cannot connect any more.";
    static const char cure[] =
        "raise max_connections, or put PgBouncer in between (session mode); SELECT * FROM pg_stat_activity";
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_check_connections);
    if (!rows)
        return;
    int64_t used = rows_bigint(rows, 0, 0), most = rows_bigint(rows, 0, 1);
    if (used * 100 >= most * 95)
        doctor_problem(d, NULL, meaning, cure, "%" PRId64 " of %" PRId64, used, most);
    else if (used * 100 >= most * 80)
        doctor_warning(d, NULL, meaning, cure, "%" PRId64 " of %" PRId64, used, most);
    else
        doctor_well(d, NULL, "%" PRId64 " of %" PRId64, used, most);
}

static void check_wraparound(struct doctor *d)
{
    static const char meaning[] = "At 2,147 million PostgreSQL stops to write, until it has been vacuumed.";
    static const char cure[] =
        "VACUUM (FREEZE) the database; end what holds it back: old transactions, prepared ones, replication slots";
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_check_wraparound);
    if (!rows)
        return;
    for (int i = 0; i < 2; i++) {
        const char *what = i == 0 ? "transaction" : "multixact";
        int64_t age = rows_bigint(rows, 0, i);
        switch (judge_wraparound(age)) {
        case FINDING_PROBLEM:
            doctor_problem(d, NULL, meaning, cure, "the oldest %s is %" PRId64 " million old", what,
                           age / 1000000);
            break;
        case FINDING_WARNING:
            doctor_warning(d, NULL, meaning, cure, "the oldest %s is %" PRId64 " million old", what,
                           age / 1000000);
            break;
        default:
            break;
        }
    }
    if (judge_wraparound(rows_bigint(rows, 0, 0)) == FINDING_OK)
        doctor_well(d, NULL, "the oldest transaction is %" PRId64 " million old",
                    rows_bigint(rows, 0, 0) / 1000000);
}

static void check_disk(struct doctor *d)
{
    char free_text[32], size_text[32];
    struct statvfs fs;
    static const char meaning[] = "When the disk is full, PostgreSQL stops: nothing can be recorded.";
    static const char cure[] =
        "make room or add disk; shorten broker.retention; look for replication slots that hold WAL";
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_check_disk);
    if (!rows)
        return;
    doctor_size(rows_bigint(rows, 0, 1), size_text);
    if (rows_is_null(rows, 0, 0) || statvfs(rows_text(rows, 0, 0), &fs) != 0) {
        doctor_unknown(d, NULL, "the database has %s; how much room is left cannot be seen from here",
                       size_text);
        return;
    }
    int64_t left = (int64_t)(fs.f_bavail * fs.f_frsize), all = (int64_t)(fs.f_blocks * fs.f_frsize);
    doctor_size(left, free_text);
    enum finding_state state = judge_disk(left, all);
    if (state == FINDING_PROBLEM)
        doctor_problem(d, NULL, meaning, cure, "%s left where PostgreSQL's data is", free_text);
    else if (state == FINDING_WARNING)
        doctor_warning(d, NULL, meaning, cure, "%s left where PostgreSQL's data is", free_text);
    else
        doctor_well(d, NULL, "the database has %s, %s are left", size_text, free_text);
}

const struct doctor_check doctor_postgresql[] = {
    { "postgresql", 0, check_server },
    { "postgresql settings", NEED_STORE, check_settings },
    { "connections", NEED_STORE, check_connections },
    { "wraparound", NEED_STORE, check_wraparound },
    { "postgresql disk", NEED_STORE, check_disk },
    { 0 },
};
