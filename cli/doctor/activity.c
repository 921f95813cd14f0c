/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of who stands in the way in PostgreSQL: open transactions, locks, what was prepared, slots that hold the log. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/doctor/doctor.h"
#include "store/health.h"

static void check_transactions(struct doctor *d)
{
    char about[48], age[32];
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask_patiently(d, health_list_transactions);
    for (size_t i = 0; rows && i < rows_count(rows); i++) {
        snprintf(about, sizeof(about), "pid %" PRId32, rows_int(rows, i, 0));
        const char *name = rows_text(rows, i, 1), *state = rows_text(rows, i, 2);
        doctor_warning(
            d, about,
            "As long as it is open nothing that has changed since can be vacuumed, and its locks stay.",
            doctor_format(d, "end it in its program; or: SELECT pg_terminate_backend(%" PRId32 ")",
                          rows_int(rows, i, 0)),
            "%s of %s (%s) for %s", state ? state : "a transaction", name && *name ? name : "an application",
            rows_is_null(rows, i, 3) ? "?" : rows_text(rows, i, 3), doctor_age(rows_bigint(rows, i, 4), age));
    }
    if (rows && rows_count(rows) == 0)
        doctor_well(d, NULL, "none stays open");
}

static void check_locks(struct doctor *d)
{
    char about[48], age[32];
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask_patiently(d, health_list_blocked);
    for (size_t i = 0; rows && i < rows_count(rows); i++) {
        const char *by = rows_text(rows, i, 4);
        snprintf(about, sizeof(about), "pid %" PRId32, rows_int(rows, i, 0));
        doctor_problem(
            d, about, "It stands until the others end.",
            doctor_format(d, "find out what holds it up, then SELECT pg_terminate_backend(…) of %.100s", by),
            "%s waits for a lock%s%s since %s, held up by %s",
            rows_is_null(rows, i, 1) ? "an application" : rows_text(rows, i, 1),
            rows_is_null(rows, i, 2) ? "" : " on ", rows_is_null(rows, i, 2) ? "" : rows_text(rows, i, 2),
            doctor_age(rows_bigint(rows, i, 3), age), by && *by ? by : "?");
    }
    if (rows && rows_count(rows) == 0)
        doctor_well(d, NULL, "nobody waits for one");
}

static void check_prepared(struct doctor *d)
{
    char age[32];
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask_patiently(d, health_list_prepared);
    for (size_t i = 0; rows && i < rows_count(rows); i++) {
        const char *gid = rows_text(rows, i, 0);
        doctor_warning(
            d, gid,
            "It keeps its locks and holds back vacuum, over restarts, until somebody ends it; jobs enqueued in it wait.",
            doctor_format(
                d, "ask its transaction manager; else COMMIT PREPARED or ROLLBACK PREPARED '%.150s'", gid),
            "prepared %s ago", doctor_age(rows_bigint(rows, i, 1), age));
    }
    if (rows && rows_count(rows) == 0)
        doctor_well(d, NULL, "none was forgotten");
}

static void check_slots(struct doctor *d)
{
    char held[32];
    _cleanup_(rows_free_cleanup) struct rows *rows = doctor_ask(d, health_list_slots);
    for (size_t i = 0; rows && i < rows_count(rows); i++) {
        const char *name = rows_text(rows, i, 0);
        doctor_warning(
            d, name, "PostgreSQL keeps all of its log for it, until the disk is full.",
            doctor_format(d, "start its reader; or: SELECT pg_drop_replication_slot('%.100s')", name),
            "nobody reads it, and it holds %s of the log", doctor_size(rows_bigint(rows, i, 1), held));
    }
    if (rows && rows_count(rows) == 0)
        doctor_well(d, NULL, "none is without a reader");
}

const struct doctor_check doctor_activity[] = {
    { "transactions", NEED_STORE, check_transactions },
    { "locks", NEED_STORE, check_locks },
    { "prepared transactions", NEED_STORE, check_prepared },
    { "replication slots", NEED_STORE | NEED_POSITION, check_slots },
    { 0 },
};
