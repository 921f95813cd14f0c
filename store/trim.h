/* SPDX-License-Identifier: Apache-2.0 */
/* Where cursors stand in their logs, which records nobody needs any more, and what is the matter with a log. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/db.h"

/* job.cursor of one partition, and what may go of its log. -1: not known, or nothing. */
struct trim_place {
    const char *topic; /* valid as long as the rows */
    int32_t partition;
    int64_t next_offset, log_start, checked_offset, checked_ms;
    const char *
        trouble; /* "recreated"; "reset": somebody has ordered it, and it has not been taken up yet; NULL: none */
    int64_t trim_to; /* records before this offset may go */
};

/* Remembers where the cursors are, for trim_list(). Any number of brokers may call it. Return: as db_query(). */
int trim_note_points(struct db *db, int64_t trim_after_us, struct err *reterr);

/* Cursors of topics whose name begins with @prefix, by topic and partition. Return: as db_query(). */
int trim_list(struct db *db, const char *prefix, int64_t trim_after_us, struct rows **ret,
              struct err *reterr);
void trim_get(const struct rows *rows, size_t row, struct trim_place *ret);

/* The log begins at @start now. Return: as db_query(). */
int trim_note_start(struct db *db, const char *topic, int32_t partition, int64_t start, struct err *reterr);

/*
 * Is PostgreSQL still the one by which was trimmed until now, and not a former standby or a restored backup? The first call ever
 * says yes. Return: as db_query().
 */
int trim_is_confirmed(struct db *db, bool *ret, struct err *reterr);
/* A person says that it is whole. @ret: whether that was needed. Return: as db_query(). */
int trim_confirm(struct db *db, bool *ret, struct err *reterr);

/* The log is another one: its partition stands, an incident says so, its worker is woken. @ret_news: false: that was known. Return: as db_query(). */
int trim_note_recreated(struct db *db, const char *topic, int32_t partition, int64_t log_start,
                        int64_t log_end, const char *why, bool *ret_news, struct err *reterr);
/* Kafka has dropped the records from @from to @to, which the owner of @epoch had not read. Return: as db_query(). */
int trim_note_lost(struct db *db, const char *topic, int32_t partition, int64_t epoch, int64_t from,
                   int64_t to, struct err *reterr);
/* Its next owner begins at @offset. @ret: false: there is no such cursor. Return: as db_query(). */
int trim_reset(struct db *db, const char *topic, int32_t partition, int64_t offset, bool *ret,
               struct err *reterr);

/*
 * Is @queue drained: is there nothing of it with a key, on its way or waiting, in PostgreSQL? @ret_left: how many there are.
 * Return: as db_query().
 */
int trim_count_keyed(struct db *db, const char *queue, int64_t *ret_left, struct err *reterr);

/* One row: lost bigint (jobs that Kafka has dropped), standing bigint (partitions), confirmed boolean (as trim_is_confirmed(); changes nothing). Return: as db_query(). */
int trim_sum_up(struct db *db, struct rows **ret, struct err *reterr);
