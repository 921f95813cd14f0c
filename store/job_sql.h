/* SPDX-License-Identifier: Apache-2.0 */
/* Inside store/ only: pieces of SQL about one job that several statements share. */
#pragma once

/* Of the headers of row @t: foreign producers write what they like. */
#define JOB_SQL_TRACE(t) "nullif(split_part(" t ".headers ->> 'traceparent', '-', 2), '')"
#define JOB_SQL_PARENT(t)                                                                                    \
    "CASE WHEN " t                                                                                           \
    ".headers ->> 'ce_parent' ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'"           \
    " THEN (" t ".headers ->> 'ce_parent')::uuid END"
#define JOB_SQL_TAGS(t) "to_json(string_to_array(nullif(" t ".headers ->> 'ce_tags', ''), ','))::text"

/* Of row @t of job.pending. */
#define JOB_SQL_PENDING_STATE(t)                                                                             \
    "CASE WHEN " t ".reason IN ('retry', 'rescue') THEN 'retrying'"                                          \
    " WHEN " t ".run_at > now() AND " t ".reason = 'throttled' THEN 'waiting'"                               \
    " WHEN " t ".run_at > now() THEN 'scheduled' ELSE 'queued' END"

/* What a transaction sets that reads big relations in parts: plans by the indexes, whatever the statistics say of a partition that was made a minute ago. */
#define JOB_SQL_BY_INDEX                                                                                     \
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;"        \
    " SET LOCAL jit = off"
