/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the hot tables: is what has gone cleared away? */
#include <inttypes.h>
#include <stdio.h>

#include "cli/doctor/doctor.h"
#include "cli/doctor/judge.h"
#include "store/health.h"

static void check_dead_rows(struct doctor *d, const struct rows *rows, size_t i)
{
    char age[48] = "never", since[32];
    const char *name = rows_text(rows, i, 0);
    if (!rows_is_null(rows, i, 3))
        snprintf(age, sizeof(age), "%s ago", doctor_age(rows_bigint(rows, i, 3), since));
    doctor_warning(
        d, name, "Each look at the table reads rows that are gone: relay, recording and lists become slow.",
        doctor_format(d, "VACUUM (ANALYZE) job.%.100s; end the old transactions that hold it back", name),
        "%" PRId64 " dead rows beside %" PRId64 " live ones, vacuumed %s", rows_bigint(rows, i, 2),
        rows_bigint(rows, i, 1), age);
}

static void check_room(struct doctor *d, const struct rows *rows, size_t i)
{
    char size[32];
    const char *name = rows_text(rows, i, 0);
    bool table = judge_bloat(rows_bigint(rows, i, 1), rows_bigint(rows, i, 4));
    if (!table && !judge_bloat(rows_bigint(rows, i, 1), rows_bigint(rows, i, 5)))
        return;
    doctor_warning(d, name,
                   "It was much larger once, or was not vacuumed for long: more is read than there is.",
                   doctor_format(d,
                                 table ? "in a quiet hour: VACUUM FULL job.%.100s (it locks the table)"
                                       : "REINDEX TABLE CONCURRENTLY job.%.100s",
                                 name),
                   "its %s %s for %" PRId64 " rows", table ? "table has" : "indexes have",
                   doctor_size(rows_bigint(rows, i, table ? 4 : 5), size), rows_bigint(rows, i, 1));
}

static void check_tables(struct doctor *d)
{
    size_t before = doctor_mark(d);
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_tables);
    for (size_t i = 0; rows && i < rows_count(rows); i++) {
        const char *name = rows_text(rows, i, 0);
        if (rows_bool(rows, i, 6))
            doctor_problem(d, name, "The table grows without end, and each look at it becomes slower.",
                           doctor_format(d, "ALTER TABLE job.%.100s RESET (autovacuum_enabled)", name),
                           "autovacuum is off for it");
        if (judge_dead_rows(rows_bigint(rows, i, 1), rows_bigint(rows, i, 2)))
            check_dead_rows(d, rows, i);
        else
            check_room(d, rows, i);
    }
    if (rows && doctor_is_content(d, before))
        doctor_well(d, NULL, "%zu are vacuumed", rows_count(rows));
}

const struct doctor_check doctor_tables[] = {
    { "hot tables", NEED_SCHEMA, check_tables },
    { 0 },
};
