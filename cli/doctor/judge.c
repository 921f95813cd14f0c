/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor/judge.h"

#define MIB (INT64_C(1024) * 1024)

/* Autovacuum begins at 200 million whether it is on or not; PostgreSQL warns at 2,107 and stops at 2,144. */
enum finding_state judge_wraparound(int64_t age)
{
    return age >= 1500000000 ? FINDING_PROBLEM : age >= 600000000 ? FINDING_WARNING : FINDING_OK;
}

enum finding_state judge_disk(int64_t left, int64_t all)
{
    if (left < 256 * MIB || left < all / 50)
        return FINDING_PROBLEM;
    return left < 1024 * MIB || left < all / 10 ? FINDING_WARNING : FINDING_OK;
}

bool judge_dead_rows(int64_t live, int64_t dead)
{
    return dead >= 50000 && dead > live;
}

/* A row with everything around it has a few KiB at most, when payloads are stored elsewhere (TOAST). */
bool judge_bloat(int64_t rows, int64_t bytes)
{
    return bytes >= 64 * MIB && bytes / (rows + 1) > 16 * 1024;
}

bool judge_growth(int64_t now, int64_t before)
{
    return now >= 10 && now > 2 * (before + 5);
}
