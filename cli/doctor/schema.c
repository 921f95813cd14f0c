/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the schema: is it there, whole, ours, and made for the days to come? */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/doctor/doctor.h"
#include "store/health.h"
#include "store/inventory.h"
#include "store/migrate.h"

#define IN_DEFAULT_MANY 10000

static void check_version(struct doctor *d)
{
    struct migrate_status status;
    struct err err = { 0 };
    if (migrate_status(d->in->db, &status, &err)) {
        doctor_problem(
            d, NULL, "The schema cannot be read.",
            "GRANT USAGE ON SCHEMA job and SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA job TO the role of database.url",
            "%.400s", err.text);
        return;
    }
    if (status.version == 0)
        doctor_problem(d, NULL, "Daemons refuse to start.", "jobctl db migrate", "there is none");
    else if (status.version < status.latest)
        doctor_problem(d, NULL, "Daemons of this version refuse to start.", "jobctl db migrate",
                       "version %d, this jobctl has %d", status.version, status.latest);
    else if (status.version > status.latest)
        doctor_warning(d, NULL, "This jobctl is older than the daemons.", "use the newer jobctl",
                       "version %d, this jobctl has %d", status.version, status.latest);
    else
        doctor_well(d, NULL, "version %d is current", status.version);
    if (status.version >= status.latest)
        d->have |= NEED_SCHEMA;
}

static void check_rights(struct doctor *d)
{
    char list[300] = "";
    bool may_read = true;
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_rights);
    if (!rows)
        return;
    for (size_t i = 0; i < rows_count(rows); i++) {
        size_t n = strlen(list);
        may_read = may_read && !rows_bool(rows, i, 1);
        if (n < sizeof(list) - 80)
            snprintf(list + n, sizeof(list) - n, "%s%.70s", n ? ", " : "", rows_text(rows, i, 0));
    }
    if (rows_count(rows) == 0)
        doctor_well(d, NULL, "the role of database.url has what daemons need");
    else
        doctor_problem(
            d, NULL, "Daemons with this database.url cannot work.",
            "connect as the schema's owner; or GRANT USAGE ON SCHEMA job, and SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA job TO the role",
            "the role of database.url lacks %s%s", list, rows_count(rows) > 5 ? ", …" : "");
    if (!may_read)
        d->have &= ~(unsigned)NEED_SCHEMA;
}

/* --- Is it what the migrations have made? --- */

static const struct migration *find_migration(int version)
{
    for (const struct migration *m = migrations; m->name; m++)
        if (m->version == version)
            return m;
    return NULL;
}

/* Return: false when it cannot be told what there should be. */
static bool check_list(struct doctor *d)
{
    size_t before = doctor_mark(d);
    int expected = 1;
    bool newer = false;
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_migrations);
    for (size_t i = 0; rows && i < rows_count(rows); i++, expected++) {
        int version = rows_int(rows, i, 0);
        const struct migration *m = find_migration(version);
        newer = newer || !m;
        if (version != expected)
            doctor_problem(
                d, NULL, "Somebody has taken rows out of job.schema_migration: what is applied is not known.",
                "put the row back if its objects are there (number and name as in store/schema/)",
                "job.schema_migration lacks version %d", expected);
        else if (m && strcmp(m->name, rows_text(rows, i, 1)) != 0)
            doctor_problem(d, NULL, "The schema was made by another program, or another branch of this one.",
                           "use the jobctl that has made it", "migration %d is \"%.80s\", here it is \"%s\"",
                           version, rows_text(rows, i, 1), m->name);
        expected = version;
    }
    return rows && !newer && doctor_is_content(d, before);
}

static void say_fault(enum inventory_fault fault, const char *kind, const char *name, void *userdata)
{
    static const char meaning[] =
        "The schema is not what the migrations have made: what relies on it fails, or is slow.";
    struct doctor *d = userdata;
    if (fault == INVENTORY_ALTERED)
        doctor_warning(
            d, name, "The schema is not what the migrations have made; what it does now is not known.",
            doctor_format(
                d, "make the function anew, as store/schema/ has it (CREATE OR REPLACE FUNCTION job.%.100s)",
                name),
            "the body of this %s is not that of any migration", kind);
    else if (fault == INVENTORY_OFF && strcmp(kind, "index") == 0)
        doctor_problem(d, name, meaning, doctor_format(d, "REINDEX INDEX CONCURRENTLY job.%.100s", name),
                       "this index is invalid");
    else if (fault == INVENTORY_OFF)
        doctor_problem(d, name, meaning, doctor_format(d, "ALTER TABLE … ENABLE TRIGGER %.100s", name),
                       "this %s is disabled", kind);
    else
        doctor_problem(d, name, meaning, doctor_format(d, "make the %s anew, as store/schema/ has it", kind),
                       "this %s is missing", kind);
}

static void check_objects(struct doctor *d)
{
    size_t before = doctor_mark(d);
    if (!check_list(d))
        return;
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_objects);
    if (rows && inventory_compare(rows, say_fault, d) == 0 && doctor_is_content(d, before))
        doctor_well(d, NULL, "as the migrations have made it");
}

/* --- Partitions --- */

static void check_partitions(struct doctor *d)
{
    static const char cure[] = "start jobbrokerd: it makes them every day";
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_check_partitions);
    if (!rows)
        return;
    int days = rows_int(rows, 0, 0);
    if (rows_is_null(rows, 0, 0))
        doctor_problem(d, NULL,
                       "Records gather in the default partitions, and look-ups and retention become slow.",
                       cure, "job.result and job.attempt have none for today");
    else if (days == 0)
        doctor_warning(d, NULL, "Records would gather in the default partitions.", cure,
                       "job.result and job.attempt have none for tomorrow");
    else
        doctor_well(d, NULL, "made up to %d days ahead", days);
    if (rows_bigint(rows, 0, 1) > IN_DEFAULT_MANY)
        doctor_warning(
            d, "default",
            "Jobs whose ids have no time of these days, or days that had no partition: they are looked up and cleaned slowly.",
            "keep a broker running: it moves and cleans them; let applications use ids of job_new_id() (UUIDv7)",
            "%" PRId64 " rows are in job.result_default and job.attempt_default", rows_bigint(rows, 0, 1));
}

const struct doctor_check doctor_schema[] = {
    { "schema", NEED_STORE, check_version },
    { "rights", NEED_SCHEMA, check_rights },
    { "schema objects", NEED_SCHEMA, check_objects },
    { "partitions", NEED_SCHEMA, check_partitions },
    { 0 },
};
