/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the matter with a topic in Kafka: its settings, and whether its logs are those that the cursors belong to.
 *
 * Kafka knows a topic by its name only. By what a log is told from another one of the same name is in worker/sounding.h; here the same is
 * asked without reading the log: which is the first record that is younger than the one that the cursor knows? In the log that
 * the cursor belongs to it lies behind it. Where it does not, that record itself is read before anything is claimed.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "libjob/config.h"
#include "stream/admin.h"

/*
 * Appends what of @topic, for which @n_partitions are declared, is not as it should be: "retention.ms is 1000, should be -1; …"; nothing when all is
 * well. @ret_partitions: how many it has. Blocks for two questions. Return: 0; as admin_find_topic().
 */
int topic_list_wrong(struct admin *admin, const struct job_config *config, int n_partitions,
                     const char *topic, struct buf *wrong, int32_t *ret_partitions, struct err *reterr);

/* What job.cursor says of one partition; -1: not known. */
struct topic_cursor {
    int32_t partition;
    int64_t next_offset, log_start, checked_offset, checked_ms;
};

enum topic_verdict {
    TOPIC_FITS,
    TOPIC_LOST, /* Kafka has dropped records from next_offset on; a live worker may have read them before */
    TOPIC_RECREATED, /* another log, or a cut one; `why` says what tells */
};

struct topic_log {
    int64_t start, end;
    enum topic_verdict verdict;
    bool verified; /* the record that the cursor knows is in it */
    char why[200];
};

/* The verdict as far as the two ends of the log tell. Asks nobody. */
void topic_judge_ends(const struct topic_cursor *cursor, struct topic_log *log);

/*
 * @cursors: of existing partitions; @ret: one for each. Blocks for a few questions to Kafka. Return: 0; ADMIN_AWAY; ADMIN_NO_TOPIC;
 * ADMIN_REFUSED; negative errno.
 */
int topic_check_logs(struct admin *admin, const char *topic, const struct topic_cursor *cursors, size_t n,
                     struct topic_log *ret, struct err *reterr);
