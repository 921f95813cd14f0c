/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the log that is being read still belong to the cursor?
 *
 * Kafka knows a topic by its name: one that was deleted and made again has the old name, offsets that start anew, and other jobs.
 * Three things tell:
 *
 *   - the time stamp of a record that had been read. The cursor keeps that of its newest one (checked_offset, checked_ts), and
 *     every take-over begins to read there. This is what finds a new log that has grown past the cursor.
 *   - the end of the log: before what was read.
 *   - the start of the log: before where it once began. It is seen when the position is not in the log: then the partition is
 *     read from its start on.
 *
 * A log that begins behind what was read is the old one, of which Kafka has dropped records: those are lost, and named. A record of the
 * cursor that is simply not there any more says nothing; trimming may have taken it.
 *
 * Pure: no I/O, no clock.
 */
#pragma once

#include "base/err.h"
#include "worker/partition.h"

/* What was met in the log: a record, or its end. */
struct sounding {
    bool is_end;
    int64_t offset;       /* of the record; where the log ends */
    int64_t timestamp_ms; /* of the record */
    int64_t log_end;      /* as far as it is known; -1: it is not */
};

enum sounding_verdict {
    SOUNDING_FITS,
    SOUNDING_LOST,      /* sounding_list_lost() names what */
    SOUNDING_RECREATED, /* the reason is in @reterr */
};

/* Has anything of this partition's log to be judged? */
static inline bool sounding_is_wanted(const struct partition *p)
{
    return p->unverified || p->sounding;
}

/* Of whatever is met while that is so, and of every end. */
enum sounding_verdict sounding_judge(struct partition *p, const struct sounding *s, struct err *reterr);

/* The records from what was read last up to @log_start that are not done. */
void sounding_list_lost(const struct partition *p, int64_t log_start, struct partition_note *ret);
/* They are written down: they count as a gap. Return: how many offsets of the window that closes. */
int64_t sounding_pass_lost(struct partition *p, int64_t log_start);
