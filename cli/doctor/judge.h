/* SPDX-License-Identifier: Apache-2.0 */
/* From figures to findings. Pure. */
#pragma once

#include <stdint.h>

#include "cli/doctor/finding.h"

/* @age: transactions since the oldest that is not frozen. */
enum finding_state judge_wraparound(int64_t age);
/* @left of @all bytes. */
enum finding_state judge_disk(int64_t left, int64_t all);
/* Too many dead rows: autovacuum does not keep up. */
bool judge_dead_rows(int64_t live, int64_t dead);
/* Too much room for so many rows of a hot table: it was much larger once, or was not vacuumed for long. */
bool judge_bloat(int64_t rows, int64_t bytes);
/* Jobs that died in the last hour or two, against an hour before on average. */
bool judge_growth(int64_t now, int64_t before);
