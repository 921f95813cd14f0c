/* SPDX-License-Identifier: Apache-2.0 */
/* What tells why a job is where it is: everything that PostgreSQL knows of one job and of its way, by few look-ups. Changes nothing. */
#pragma once

#include "store/db.h"

/* Columns of why_find_job(). */
enum {
    WHY_JOB_NOW, /* PostgreSQL's clock */
    WHY_JOB_PLACE, /* ended, leased, pending, tried (it has tries, and is on its way through Kafka); null: not known */
    WHY_JOB_STATE, /* as job.status has it */
    WHY_JOB_QUEUE,
    WHY_JOB_TYPE,
    WHY_JOB_REASON, /* of its death, or why it waits in job.pending */
    WHY_JOB_ERROR,  /* of its end */
    WHY_JOB_ATTEMPT,
    WHY_JOB_DELIVERY,
    WHY_JOB_WORKER,
    WHY_JOB_TOPIC,
    WHY_JOB_PARTITION,
    WHY_JOB_OFFSET, /* bigint */
    WHY_JOB_ENQUEUED_AT,
    WHY_JOB_STARTED_AT,
    WHY_JOB_FINISHED_AT,
    WHY_JOB_RUN_AT,
    WHY_JOB_EXPIRES_AT,
    WHY_JOB_PROGRESS,
    WHY_JOB_DUPLICATE_OF, /* text: an id, unless somebody has written something else */
    WHY_JOB_LETTER,       /* boolean: it has a dead letter */
    WHY_JOB_BEAT_AT,      /* of the worker that holds its lease, and the next two */
    WHY_JOB_LOST_AT,
    WHY_JOB_TRIES,       /* bigint */
    WHY_JOB_TRY_OUTCOME, /* of the last try, and the next four */
    WHY_JOB_TRY_ERROR,
    WHY_JOB_TRY_ATTEMPT,
    WHY_JOB_TRY_DELIVERY,
    WHY_JOB_TRY_FINISHED_AT,
    WHY_JOB_PARKED_SINCE, /* since when only workers got it that did not know its type */
    WHY_JOB_CANCEL_AT,
    WHY_JOB_CANCEL_ACTOR,
    WHY_JOB_HOLD_TOPIC, /* its place in the order of its key, and the next three; null: it has none */
    WHY_JOB_HOLD_PARTITION,
    WHY_JOB_HOLD_HASH, /* bigint */
    WHY_JOB_HOLD_SEQ,  /* bigint */
    WHY_JOB_N
};

/* One row, also of a job that is not known. Blocks for one question. Return: as db_query(). */
int why_find_job(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr);

/* Columns of why_find_road(). Of the partition only when the road leads there. */
enum {
    WHY_ROAD_NOW,
    WHY_ROAD_PAUSED_AT,
    WHY_ROAD_PAUSED_BY,
    WHY_ROAD_WORKERS, /* bigint: live ones that take the queue, and that nobody has drained */
    WHY_ROAD_DRAINED, /* the id of a live one that takes it and was drained, and the next two */
    WHY_ROAD_DRAINED_AT,
    WHY_ROAD_DRAINED_BY,
    WHY_ROAD_LIVE,        /* bigint: all live ones */
    WHY_ROAD_NEXT_OFFSET, /* null: the partition was never read */
    WHY_ROAD_TROUBLE,     /* recreated; reset: ordered, and not taken up yet */
    WHY_ROAD_CRASH_COUNT,
    WHY_ROAD_DONE,  /* boolean: the offset is done */
    WHY_ROAD_AHEAD, /* bigint: records before the offset that are not done */
    WHY_ROAD_OWNER,
    WHY_ROAD_BEAT_AT, /* of the owner; null: there is no such worker any more */
    WHY_ROAD_LOST_AT,
    WHY_ROAD_LEASES,        /* bigint: jobs that the owner holds */
    WHY_ROAD_NARROW_WORKER, /* in which too many tries of the queue fail: the owner, without one any live worker */
    WHY_ROAD_NARROW_RATE, /* text: failed tries per second */
    WHY_ROAD_RELAYS,      /* bigint: connections of brokers' duties, and the next two */
    WHY_ROAD_LATERS,
    WHY_ROAD_CLOCKS,
    WHY_ROAD_OLDEST_DUE_AT, /* of the queue's rows in job.pending, the first */
    WHY_ROAD_N
};

/* Where a job of a queue has to pass. */
struct why_road {
    const char *queue;
    const char *topic; /* NULL: not in Kafka */
    int32_t partition;
    int64_t offset;
};

/* One row. Blocks for one question. Return: as db_query(). */
int why_find_road(struct db *db, const struct why_road *road, struct rows **ret, struct err *reterr);

/* A place in the order of a key, as job.hold has it. */
struct why_hold {
    const char *topic;
    int32_t partition;
    int64_t key_hash, seq;
};

/* The first jobs of the key that have left the log and come before it, at most 64. Columns: id uuid; since timestamptz. Return: as db_query(). */
int why_list_before(struct db *db, const struct why_hold *hold, struct rows **ret, struct err *reterr);

/* Those of @ids that PostgreSQL knows. Columns: id uuid; state text; ended boolean. Return: as db_query(). */
int why_list_states(struct db *db, const struct uuid *ids, size_t n, struct rows **ret, struct err *reterr);
