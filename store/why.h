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
    WHY_JOB_DUPLICATE_OF,
    WHY_JOB_DUPLICATE_STATE,
    WHY_JOB_LETTER,  /* boolean: it has a dead letter */
    WHY_JOB_BEAT_AT, /* of the worker that holds its lease, and the next two */
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
    WHY_JOB_BLOCKER, /* uuid: the job of its key that comes first, and the next two */
    WHY_JOB_BLOCKER_STATE,
    WHY_JOB_BLOCKER_SINCE,
    WHY_JOB_N
};

/* One row, also of a job that is not known. Blocks for one question. Return: as db_query(). */
int why_find_job(struct db *db, const struct uuid *id, struct rows **ret, struct err *reterr);

/* Columns of why_find_road(). Of the partition and of the key only when the road has them. */
enum {
    WHY_ROAD_NOW,
    WHY_ROAD_PAUSED_AT,
    WHY_ROAD_PAUSED_BY,
    WHY_ROAD_WORKERS,     /* bigint: live ones that take the queue */
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
    WHY_ROAD_BLOCKER,     /* uuid: the job of its key that comes first, and the next two */
    WHY_ROAD_BLOCKER_STATE,
    WHY_ROAD_BLOCKER_SINCE,
    WHY_ROAD_RELAYS, /* bigint: connections of brokers' duties, and the next two */
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
    bool has_key;
    int64_t key_hash; /* as job.hold has it */
    int64_t key_seq;  /* its place among the jobs of its key */
};

/* One row. Blocks for one question. Return: as db_query(). */
int why_find_road(struct db *db, const struct why_road *road, struct rows **ret, struct err *reterr);
